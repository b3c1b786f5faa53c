//! A registry that goes on where another process ended.
//!
//! To its watchers a restart is like a server that was frozen: nobody could be heard meanwhile, so the silence of everyone
//! counts from the start. Whoever does not come back within the silence that their heartbeat rule allows is reported then,
//! which is the announced bound plus the time without a server.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use herenow_protocol::{CloseReason, DisplayName, TransitionKind};

use super::deadlines::Due;
use super::notes::Why;
use super::recent::Recent;
use super::sessions::{Listed, Lost, Session, SessionAt};
use super::users::{Until, UserAt, Words};
use super::{Effect, Registry};
use crate::clock::Moment;
use crate::config::{LastSeenTold, Liveness};
use crate::journal::{LostRecord, PersonRecord, Restored, SessionRecord};

impl Registry {
    /// Takes over what a former process left, before anybody is connected. `misses` is the heartbeat rule's.
    pub fn restore(
        &mut self,
        restored: Restored,
        misses: u32,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let Restored { sessions, people, mut last_seen, alive_ms, stopped } = restored;
        last_seen.reverse();
        // What was written when it was still remembered is not told any more.
        if self.rules.last_seen != LastSeenTold::Never {
            last_seen.iter().for_each(|(name, ms)| self.last_seen.set(name, *ms));
        }
        people.into_iter().for_each(|person| self.restore_person(person, now));
        let end = End { alive_ms, stopped };
        let restored: Vec<_> = sessions
            .into_iter()
            .map(|session| {
                let lost_now = session.lost.is_none();
                (self.restore_session(session, misses, end, now), lost_now)
            })
            .collect();
        // In the order of sign-in: an order of chance would tell watchers which users there are whom they do not see.
        let mut seen = HashSet::new();
        for (at, _) in &restored {
            let user = self.sessions[*at].user().expect("observers are not written down");
            if seen.insert(user) {
                self.reappear(user, now);
            }
        }
        // Those who have waited long enough already end at once; the others have the rest of their time.
        for (at, lost_now) in restored {
            self.note_restored(at, lost_now, now, effects);
        }
        self.run_deadlines(now, effects);
        self.flush(now.instant, &mut Vec::new());
    }

    fn restore_person(&mut self, person: PersonRecord, now: Moment) {
        let PersonRecord { name, key, text, until_ms, metadata } = person;
        let left = Duration::from_millis(until_ms.saturating_sub(now.unix_ms));
        let text_until =
            (until_ms > 0).then(|| Until { at: now.instant + left, unix_ms: until_ms });
        if let Some(until) = text_until {
            self.deadlines.add(until.at, Due::Text(name.clone()));
        }
        let user = self.user_of(&name);
        *self.users[user].words_mut() = Words { key, text, text_until, metadata, kept_until: None };
    }

    fn restore_session(
        &mut self,
        record: SessionRecord,
        misses: u32,
        end: End,
        now: Moment,
    ) -> SessionAt {
        let interval = Duration::from_millis(record.heartbeat_ms.max(1));
        let liveness = Liveness { interval, misses };
        let lost = end.lost(record.lost, liveness, self.rules.resume_window, now);
        let (shown_until, resume_until) = (lost.shown_until, lost.resume_until);
        let rooms: Vec<_> =
            record.rooms.iter().filter_map(|room| self.rooms.find_or_make(room)).collect();
        rooms.iter().for_each(|room| self.rooms.hold(*room));
        let (seen, since_ms) = ((record.status, record.automatic), record.since_ms);
        let user = self.user_of(&record.name);
        let mut listed =
            Listed::new(user, record.token, liveness, seen, since_ms, record.opened_ms);
        listed.lost = Some(Box::new(lost));
        let mut session = Session::new(record.session, record.device, record.label, listed);
        if !rooms.is_empty() {
            session.rest_mut().rooms = rooms.into_iter().collect();
        }
        let at = self.sessions.add(session);
        self.users[user].sessions.push(at);
        self.deadlines.add(shown_until, Due::Grace(record.session, at));
        self.deadlines.add(resume_until, Due::Resume(record.session, at));
        at
    }

    fn user_of(&mut self, name: &DisplayName) -> UserAt {
        self.users.find(name).unwrap_or_else(|| self.users.add(name))
    }

    /// Shows a user as before: nothing happened to them, so nothing is noted.
    fn reappear(&mut self, user: UserAt, now: Moment) {
        let (at, mut unnoted) = (user, Vec::new());
        self.refresh(at, Why::wished(now), now, &mut unnoted);
        let sessions = &self.sessions;
        let user = &mut self.users[at];
        user.recent = Recent::default();
        let Some(seen) = &mut user.seen else { return };
        let since = user.sessions.iter().filter_map(|session| {
            let listed = sessions[*session].listed.as_ref()?;
            let same = (seen.status, seen.automatic) == (listed.status, listed.automatic);
            same.then_some(listed.since_ms)
        });
        if let Some(since_ms) = since.min() {
            seen.since_ms = since_ms;
            self.refresh(at, Why::wished(now), now, &mut unnoted);
        }
    }

    /// Writes down what has become of a session. One that had its connection to the end lost it with the former process.
    fn note_restored(
        &mut self,
        at: SessionAt,
        lost_now: bool,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        if lost_now {
            let why = self.why_lost(at);
            self.note_session(at, TransitionKind::Lost, why, now, effects);
        }
        self.record_session(at, now, effects);
    }
}

/// How the former process ended.
#[derive(Clone, Copy)]
struct End {
    alive_ms: u64,
    stopped: bool,
}

impl End {
    /// What a session's connection has become: the times that were left when the former process ended are left now.
    fn lost(
        self,
        before: Option<LostRecord>,
        liveness: Liveness,
        resume_window: Duration,
        now: Moment,
    ) -> Lost {
        let Self { alive_ms, stopped } = self;
        let outage = Duration::from_millis(now.unix_ms.saturating_sub(alive_ms));
        // Whom the former process sent away when it was stopped lost the connection with it, like those of one that died.
        let by_stop = |lost: &LostRecord| stopped && lost.cause == CloseReason::ServerShutdown;
        if let Some(lost) = before.filter(|lost| !by_stop(lost)) {
            return self.lost_before(lost, now.instant);
        }
        let cause = if stopped { CloseReason::ServerShutdown } else { CloseReason::ServerCrash };
        let forgotten = outage > resume_window;
        let after = |span| if forgotten { now.instant } else { now.instant + span };
        Lost {
            why: Why { cause, not_before_ms: alive_ms.min(now.unix_ms) },
            heard_at: None,
            shown_until: after(liveness.silence_max()),
            counts: before.is_none_or(|lost| lost.counts()),
            resume_until: after(resume_window),
        }
    }

    /// A connection that was lost while the former process ran.
    fn lost_before(self, lost: LostRecord, now: Instant) -> Lost {
        let left = |until_ms: u64| Duration::from_millis(until_ms.saturating_sub(self.alive_ms));
        Lost {
            why: Why { cause: lost.cause, not_before_ms: lost.heard_ms },
            heard_at: None,
            shown_until: now + left(lost.shown_until_ms),
            counts: lost.counts(),
            resume_until: now + left(lost.resume_until_ms),
        }
    }
}
