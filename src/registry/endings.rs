//! How sessions lose their connections, stop counting, and end.

use std::time::Instant;

use herenow_protocol::{CloseReason, DisplayName, Metadata, StatusText, TransitionKind};

use super::deadlines::Due;
use super::notes::Why;
use super::sessions::{Lost, SessionAt};
use super::users::UserAt;
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
        let Some(at) = self.sessions.of_connection(connection) else { return };
        self.sessions.disconnect(at);
        if self.sessions[at].listed.is_none() {
            return self.forget_session(at);
        }
        let wished = matches!(cause, CloseReason::Goodbye | CloseReason::ProtocolError(_));
        match wished {
            true => self.close(at, Why { cause, ..Why::wished(now) }, now, effects),
            false => self.lose(at, cause, heard_at, now, effects),
        }
    }

    fn lose(
        &mut self,
        at: SessionAt,
        cause: CloseReason,
        heard_at: Instant,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let why = Why { cause, not_before_ms: unix_ms_at(heard_at, now).min(now.unix_ms) };
        let session = &mut self.sessions[at];
        let (id, listed) = (session.id, session.listed.as_mut().expect("the caller looked"));
        let shown_until = match cause {
            // As the restarted server will show it. That this one ends is not for this one to tell.
            CloseReason::ServerShutdown => now.instant + listed.liveness().silence_max(),
            _ => shown_until(self.rules.grace, listed.liveness(), heard_at, now.instant),
        };
        let resume_until = now.instant + self.rules.resume_window;
        let heard_at = Some(heard_at);
        let lost = Lost { why, heard_at, shown_until, counts: true, resume_until };
        listed.lost = Some(Box::new(lost));
        self.deadlines.add(shown_until, Due::Grace(id, at));
        self.deadlines.add(resume_until, Due::Resume(id, at));
        self.note_session(at, TransitionKind::Lost, Some(why), now, effects);
        self.record_session(at, now, effects);
        self.grace_due(at, now, effects);
    }

    /// Why a session lost its connection.
    pub(super) fn why_lost(&self, at: SessionAt) -> Option<Why> {
        self.sessions[at].listed.as_ref()?.lost.as_ref().map(|lost| lost.why)
    }

    /// Does what is due by now.
    pub(super) fn run_deadlines(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let due: Vec<_> = std::iter::from_fn(|| self.deadlines.pop(now.instant)).collect();
        self.graces_due(&due, now, effects);
        for due in due {
            match due {
                // Together, one line above.
                Due::Grace(..) => {}
                Due::Resume(id, at) => {
                    if self.sessions.still(at, id).is_some() {
                        self.resume_due(at, now, effects);
                    }
                }
                Due::Text(name) => self.text_due(&name, now, effects),
                Due::Forget(name) => self.forget_due(&name, now),
            }
        }
    }

    /// Sessions whose time is up together go together: one by one, who was hidden by an invisible one would be seen to
    /// come and go. The last of them says why.
    fn graces_due(&mut self, due: &[Due], now: Moment, effects: &mut Vec<Effect>) {
        let sessions = due.iter().filter_map(|due| match due {
            Due::Grace(id, at) => Some((*id, *at)),
            _ => None,
        });
        let gone: Vec<_> = sessions
            .filter_map(|(id, at)| {
                self.sessions.still(at, id)?;
                self.stop_counting(at, now, effects)
            })
            .collect();
        for (user, why) in gone.into_iter().rev() {
            self.refresh(user, why, now, effects);
        }
    }

    fn grace_due(&mut self, at: SessionAt, now: Moment, effects: &mut Vec<Effect>) {
        if let Some((user, why)) = self.stop_counting(at, now, effects) {
            self.refresh(user, why, now, effects);
        }
    }

    /// A session without a connection counts no more, if its time is up. Returns whose it is, and why.
    fn stop_counting(
        &mut self,
        at: SessionAt,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Option<(UserAt, Why)> {
        let listed = self.sessions[at].listed.as_mut()?;
        let bound = listed.liveness().detection_bound();
        let lost = listed.lost.as_mut()?;
        if !lost.counts || lost.shown_until > now.instant {
            return None;
        }
        lost.counts = false;
        if let Some(heard_at) = lost.heard_at {
            self.detections.decided(heard_at, bound);
        }
        let gone = (listed.user, lost.why);
        self.record_session(at, now, effects);
        Some(gone)
    }

    fn resume_due(&mut self, at: SessionAt, now: Moment, effects: &mut Vec<Effect>) {
        let lost = self.sessions[at].listed.as_ref().and_then(|listed| listed.lost.as_ref());
        let over = lost.filter(|lost| lost.resume_until <= now.instant);
        if let Some(why) = over.map(|lost| lost.why) {
            self.close(at, why, now, effects);
        }
    }

    /// Ends a session, for good. If it has a connection, that one is told.
    pub(super) fn close(
        &mut self,
        at: SessionAt,
        why: Why,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        self.note_session(at, TransitionKind::Closed, Some(why), now, effects);
        if let Some(connection) = self.sessions.disconnect(at) {
            effects.push(Effect::Deliver(connection, Delivery::Close(why.cause)));
        }
        let session = &self.sessions[at];
        self.record(effects, || Record::SessionGone(session.id));
        let user = session.user();
        self.forget_session(at);
        let Some(user) = user else { return };
        let sessions = &mut self.users[user].sessions;
        sessions.retain(|session| *session != at);
        let was_last = sessions.is_empty();
        self.refresh(user, why, now, effects);
        if was_last {
            self.nobody_left(user, now, effects);
        }
    }

    /// The last session of a user has ended.
    fn nobody_left(&mut self, user: UserAt, now: Moment, effects: &mut Vec<Effect>) {
        let user = &mut self.users[user];
        let words = user.words_mut();
        (words.text, words.text_until) = (StatusText::default(), None);
        words.metadata = Metadata::default();
        let name = user.name().clone();
        self.record(effects, || Record::PersonGone(name.clone()));
        self.deadlines.add(now.instant + self.rules.resume_window, Due::Forget(name));
    }

    /// The name of a user without sessions has been kept long enough.
    fn forget_due(&mut self, name: &DisplayName, now: Moment) {
        let Some(at) = self.users.find(name) else { return };
        let user = &self.users[at];
        let kept = user.kept_until().is_some_and(|at| now.instant < at);
        if user.sessions.is_empty() && !kept {
            self.users.remove(at);
        }
    }

    /// A session is gone; what it watched and where it was is free.
    fn forget_session(&mut self, at: SessionAt) {
        let session = self.sessions.remove(at);
        session.views().iter().for_each(|room| self.rooms.release(*room));
        session.lists().iter().for_each(|list| self.forget_list(at, list));
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
