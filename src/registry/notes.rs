//! What is written down: transitions and records for the journal, and when users were last seen.

use std::collections::{HashMap, VecDeque};

use herenow_protocol::{
    CloseReason, DeviceLabel, DisplayName, SessionId, Status, Transition, TransitionKind,
};

use super::people::Words;
use super::{Effect, Registry, millis, unix_ms_at};
use crate::clock::Moment;
use crate::journal::{Logged, LostRecord, PersonRecord, Record, SessionRecord};

/// Why something happened, and since when it may have been so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Why {
    /// The cause, where it ends something.
    pub(super) cause: CloseReason,
    /// It did not happen before this, in milliseconds since 1970.
    pub(super) not_before_ms: u64,
}

impl Why {
    /// It happened now, by somebody's wish.
    pub(super) fn wished(now: Moment) -> Self {
        Self { cause: CloseReason::Goodbye, not_before_ms: now.unix_ms }
    }
}

impl Registry {
    /// Something happened to a session.
    pub(super) fn note_session(
        &mut self,
        session: SessionId,
        kind: TransitionKind,
        why: Option<Why>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let Some(of) = self.sessions.get(&session) else { return };
        let name = of.name.clone();
        let label = if self.rules.journal { of.label.clone() } else { DeviceLabel::default() };
        let transition = Transition {
            at_ms: now.unix_ms,
            kind,
            session: Some(session),
            cause: why.map(|why| why.cause),
            not_before_ms: why.map_or(now.unix_ms, |why| why.not_before_ms),
            status: None,
        };
        self.note(&name, label, transition, effects);
    }

    /// Something happened to a user, as others see it.
    pub(super) fn note_user(
        &mut self,
        name: &DisplayName,
        kind: TransitionKind,
        status: Status,
        why: Option<Why>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let transition = Transition {
            at_ms: now.unix_ms,
            kind,
            session: None,
            cause: why.map(|why| why.cause),
            not_before_ms: why.map_or(now.unix_ms, |why| why.not_before_ms),
            status: Some(status),
        };
        self.note(name, DeviceLabel::default(), transition, effects);
    }

    fn note(
        &mut self,
        name: &DisplayName,
        device: DeviceLabel,
        transition: Transition,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(user) = self.users.get_mut(name) {
            user.recent.push(&transition);
        }
        self.record(effects, || {
            Record::Transition(Logged { name: name.clone(), device, transition })
        });
    }

    /// Writes down what a session is like, for a restart.
    pub(super) fn record_session(
        &self,
        session: SessionId,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        self.record(effects, || Record::Session(Box::new(self.session_record(session, now))));
    }

    fn session_record(&self, id: SessionId, now: Moment) -> SessionRecord {
        let session = &self.sessions[&id];
        let listed = session.listed.as_ref().expect("observers are not written down");
        let ms = |instant| unix_ms_at(instant, now);
        SessionRecord {
            session: id,
            token: listed.token,
            name: session.name.clone(),
            device: session.device,
            label: session.label.clone(),
            heartbeat_ms: millis(listed.liveness().interval),
            status: listed.status,
            automatic: listed.automatic,
            since_ms: listed.since_ms,
            rooms: session.rooms().iter().map(|room| self.rooms.name(*room).clone()).collect(),
            opened_ms: listed.opened_ms,
            lost: listed.lost.as_ref().map(|lost| LostRecord {
                cause: lost.why.cause,
                heard_ms: lost.why.not_before_ms,
                shown_until_ms: if lost.counts { ms(lost.shown_until) } else { 0 },
                resume_until_ms: ms(lost.resume_until),
            }),
        }
    }

    /// Writes down what belongs to a user rather than to a session.
    pub(super) fn record_person(&self, name: &DisplayName, effects: &mut Vec<Effect>) {
        self.record(effects, || {
            let user = &self.users[name];
            let Words { key, text, text_until, metadata, .. } = user.words().clone();
            let until_ms = text_until.map_or(0, |until| until.unix_ms);
            let name = name.clone();
            Record::Person(Box::new(PersonRecord { name, key, text, until_ms, metadata }))
        });
    }

    /// Appends a record, if anyone writes them down.
    pub(super) fn record(&self, effects: &mut Vec<Effect>, record: impl FnOnce() -> Record) {
        if self.rules.journal {
            effects.push(Effect::Record(record()));
        }
    }
}

/// When users were last seen: the newest of them, up to a bound.
#[derive(Debug)]
pub(super) struct LastSeen {
    /// The time, and the number of the entry in `order` that says so.
    seen: HashMap<DisplayName, (u64, u64)>,
    /// In the order in which they were seen; an entry whose number the map does not have is void.
    order: VecDeque<(u64, DisplayName)>,
    next: u64,
    max: usize,
}

impl LastSeen {
    pub(super) fn new(max: usize) -> Self {
        Self { seen: HashMap::new(), order: VecDeque::new(), next: 0, max }
    }

    /// Milliseconds since 1970, 0 if it is not known.
    pub(super) fn get(&self, name: &DisplayName) -> u64 {
        self.seen.get(name).map_or(0, |(ms, _)| *ms)
    }

    pub(super) fn set(&mut self, name: &DisplayName, ms: u64) {
        self.next += 1;
        self.seen.insert(name.clone(), (ms, self.next));
        self.order.push_back((self.next, name.clone()));
        while self.seen.len() > self.max
            && let Some((number, name)) = self.order.pop_front()
        {
            if self.seen.get(&name).is_some_and(|(_, newest)| *newest == number) {
                self.seen.remove(&name);
            }
        }
        // Void entries must not outnumber the others for long.
        if self.order.len() > self.seen.len() * 2 + 64 {
            let Self { seen, order, .. } = self;
            order.retain(|(number, name)| seen.get(name).is_some_and(|(_, n)| n == number));
        }
    }
}
