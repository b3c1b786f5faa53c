//! How sessions lose their connections, stop counting, and end.

use std::time::Instant;

use herenow_protocol::{CloseReason, DisplayName, Metadata, SessionId, StatusText, TransitionKind};

use super::deadlines::Due;
use super::notes::Why;
use super::sessions::Lost;
use super::{ConnectionId, Delivery, Effect, Registry, unix_ms_at};
use crate::clock::Moment;
use crate::config::Liveness;
use crate::journal::Record;

impl Registry {
    /// A connection is no more. Its session goes on without it, unless that was its own wish or its fault.
    pub(super) fn connection_ended(
        &mut self,
        connection: ConnectionId,
        cause: CloseReason,
        heard_at: Instant,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        // A session that was resumed elsewhere, or ended, has left this connection already.
        let Some(id) = self.sessions.of_connection(connection) else { return };
        self.sessions.disconnect(id);
        if self.sessions[&id].listed.is_none() {
            return self.forget_session(id);
        }
        let wished = matches!(cause, CloseReason::Goodbye | CloseReason::ProtocolError(_));
        match wished {
            true => self.close(id, Why { cause, ..Why::wished(now) }, now, effects),
            false => self.lose(id, cause, heard_at, now, effects),
        }
    }

    fn lose(
        &mut self,
        id: SessionId,
        cause: CloseReason,
        heard_at: Instant,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let why = Why { cause, not_before_ms: unix_ms_at(heard_at, now).min(now.unix_ms) };
        let session = self.sessions.get_mut(&id).expect("the caller found it");
        let listed = session.listed.as_mut().expect("the caller looked");
        let shown_until = match cause {
            // As the restarted server will show it. That this one ends is not for this one to tell.
            CloseReason::ServerShutdown => now.instant + listed.liveness().silence_max(),
            _ => shown_until(self.rules.grace, listed.liveness(), heard_at, now.instant),
        };
        let resume_until = now.instant + self.rules.resume_window;
        listed.lost = Some(Box::new(Lost { why, shown_until, counts: true, resume_until }));
        self.deadlines.add(shown_until, Due::Grace(id));
        self.deadlines.add(resume_until, Due::Resume(id));
        self.note_session(id, TransitionKind::Lost, Some(why), now, effects);
        self.record_session(id, now, effects);
        self.grace_due(id, now, effects);
    }

    /// Why a session lost its connection.
    pub(super) fn why_lost(&self, id: SessionId) -> Option<Why> {
        self.sessions.get(&id)?.listed.as_ref()?.lost.as_ref().map(|lost| lost.why)
    }

    /// Does what is due by now.
    pub(super) fn run_deadlines(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let due: Vec<_> = std::iter::from_fn(|| self.deadlines.pop(now.instant)).collect();
        self.graces_due(&due, now, effects);
        for due in due {
            match due {
                // Together, one line above.
                Due::Grace(_) => {}
                Due::Resume(session) => self.resume_due(session, now, effects),
                Due::Text(name) => self.text_due(&name, now, effects),
                Due::Forget(name) => self.forget_due(&name, now),
            }
        }
    }

    /// Sessions whose time is up together go together: one by one, who was hidden by an invisible one would be seen to
    /// come and go. The last of them says why.
    fn graces_due(&mut self, due: &[Due], now: Moment, effects: &mut Vec<Effect>) {
        let sessions = due.iter().filter_map(|due| match due {
            Due::Grace(session) => Some(*session),
            _ => None,
        });
        let gone: Vec<_> = sessions.filter_map(|id| self.stop_counting(id, now, effects)).collect();
        for (name, why) in gone.into_iter().rev() {
            self.refresh(&name, why, now, effects);
        }
    }

    fn grace_due(&mut self, id: SessionId, now: Moment, effects: &mut Vec<Effect>) {
        if let Some((name, why)) = self.stop_counting(id, now, effects) {
            self.refresh(&name, why, now, effects);
        }
    }

    /// A session without a connection counts no more, if its time is up. Returns whose it is, and why.
    fn stop_counting(
        &mut self,
        id: SessionId,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Option<(DisplayName, Why)> {
        let session = self.sessions.get_mut(&id)?;
        let lost = session.listed.as_mut()?.lost.as_mut()?;
        if !lost.counts || lost.shown_until > now.instant {
            return None;
        }
        lost.counts = false;
        let gone = (session.name.clone(), lost.why);
        self.record_session(id, now, effects);
        Some(gone)
    }

    fn resume_due(&mut self, id: SessionId, now: Moment, effects: &mut Vec<Effect>) {
        let Some(session) = self.sessions.get(&id) else { return };
        let lost = session.listed.as_ref().and_then(|listed| listed.lost.as_ref());
        let over = lost.filter(|lost| lost.resume_until <= now.instant);
        if let Some(why) = over.map(|lost| lost.why) {
            self.close(id, why, now, effects);
        }
    }

    /// Ends a session, for good. If it has a connection, that one is told.
    pub(super) fn close(
        &mut self,
        id: SessionId,
        why: Why,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        self.note_session(id, TransitionKind::Closed, Some(why), now, effects);
        self.record(effects, || Record::SessionGone(id));
        if let Some(connection) = self.sessions.disconnect(id) {
            effects.push(Effect::Deliver(connection, Delivery::Close(why.cause)));
        }
        let name = self.sessions[&id].name.clone();
        self.forget_session(id);
        let Some(user) = self.users.get_mut(&name) else { return };
        user.sessions.retain(|session| *session != id);
        let was_last = user.sessions.is_empty();
        self.refresh(&name, why, now, effects);
        if was_last {
            self.nobody_left(&name, now, effects);
        }
    }

    /// The last session of a user has ended.
    fn nobody_left(&mut self, name: &DisplayName, now: Moment, effects: &mut Vec<Effect>) {
        let user = self.users.get_mut(name).expect("the caller found it");
        let words = user.words_mut();
        (words.text, words.text_until) = (StatusText::default(), None);
        words.metadata = Metadata::default();
        self.record(effects, || Record::PersonGone(name.clone()));
        self.deadlines.add(now.instant + self.rules.resume_window, Due::Forget(name.clone()));
    }

    /// The name of a user without sessions has been kept long enough.
    fn forget_due(&mut self, name: &DisplayName, now: Moment) {
        let Some(user) = self.users.get(name) else { return };
        let kept = user.kept_until().is_some_and(|at| now.instant < at);
        if user.sessions.is_empty() && !kept {
            self.users.remove(name);
        }
    }

    /// A session is gone; what it watched and where it was is free.
    fn forget_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        session.views().iter().for_each(|room| self.rooms.release(*room));
        session.lists().iter().for_each(|list| self.forget_list(id, list));
        session.rooms().iter().for_each(|room| self.rooms.release(*room));
    }
}

/// Until when a session counts that lost its connection now: for the grace period, but no longer than a silent one would
/// have, so that the announced bound holds for every kind of end.
fn shown_until(
    grace: std::time::Duration,
    liveness: Liveness,
    heard_at: Instant,
    now: Instant,
) -> Instant {
    (now + grace).min(heard_at + liveness.silence_max()).max(now)
}
