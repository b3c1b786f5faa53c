//! What is written down: transitions and records for the journal, and when users were last seen.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use herenow_protocol::{CloseReason, DeviceLabel, DisplayName, Status, Transition, TransitionKind};

use super::sessions::SessionAt;
use super::users::{UserAt, Words};
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
        at: SessionAt,
        kind: TransitionKind,
        why: Option<Why>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let of = &self.sessions[at];
        let Some(user) = of.user() else { return };
        let label = if self.rules.journal { of.label.clone() } else { DeviceLabel::default() };
        let transition = Transition {
            at_ms: now.unix_ms,
            kind,
            session: Some(of.id),
            cause: why.map(|why| why.cause),
            not_before_ms: why.map_or(now.unix_ms, |why| why.not_before_ms),
            status: None,
        };
        self.note(user, label, transition, effects);
    }

    /// Something happened to a user, as others see it.
    pub(super) fn note_user(
        &mut self,
        user: UserAt,
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
        self.note(user, DeviceLabel::default(), transition, effects);
    }

    fn note(
        &mut self,
        user: UserAt,
        device: DeviceLabel,
        transition: Transition,
        effects: &mut Vec<Effect>,
    ) {
        let user = &mut self.users[user];
        user.recent.push(&transition);
        let user = &*user;
        if self.rules.journal {
            let logged = Logged { name: user.name().clone(), device, transition };
            effects.push(Effect::Record(Record::Transition(logged)));
        }
    }

    /// Writes down what a session is like, for a restart.
    pub(super) fn record_session(&self, at: SessionAt, now: Moment, effects: &mut Vec<Effect>) {
        self.record(effects, || Record::Session(Box::new(self.session_record(at, now))));
    }

    fn session_record(&self, at: SessionAt, now: Moment) -> SessionRecord {
        let session = &self.sessions[at];
        let listed = session.listed.as_ref().expect("observers are not written down");
        let ms = |instant| unix_ms_at(instant, now);
        SessionRecord {
            session: session.id,
            token: listed.token,
            name: self.users[listed.user].name().clone(),
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
    pub(super) fn record_person(&self, user: UserAt, effects: &mut Vec<Effect>) {
        self.record(effects, || {
            let user = &self.users[user];
            let Words { key, text, text_until, metadata, .. } = user.words().clone();
            let until_ms = text_until.map_or(0, |until| until.unix_ms);
            let name = user.name().clone();
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
            if let Entry::Occupied(seen) = self.seen.entry(name)
                && seen.get().1 == number
            {
                seen.remove();
            }
        }
        // Void entries must not outnumber the others for long.
        if self.order.len() > self.seen.len() * 2 + 64 {
            let Self { seen, order, .. } = self;
            order.retain(|(number, name)| seen.get(name).is_some_and(|(_, n)| n == number));
        }
    }
}
