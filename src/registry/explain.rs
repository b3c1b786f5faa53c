//! One-shot answers: how people are shown, why, and how the server is.

use std::time::Instant;

use herenow_protocol::{
    DisplayName, ErrorCode, Explanation, Health, OperatorKey, Query, SessionReport, SessionState,
};

use super::sessions::{Session, SessionAt};
use super::{Answer, ConnectionId, Registry, failed, millis};
use crate::clock::Moment;
use crate::merge::merge;

/// What the shell of a connection knows of it.
#[derive(Clone, Copy, Debug)]
pub struct Vitals {
    /// The last sign of life.
    pub heard_at: Instant,
    /// When the socket last took bytes.
    pub sent_at: Option<Instant>,
    /// The last round trip that the client measured, in microseconds; 0 if none.
    pub round_trip_us: u64,
    /// The agreed heartbeat interval.
    pub interval: std::time::Duration,
}

impl Vitals {
    /// Completes the report about the session of this connection.
    pub fn complete(&self, report: &mut SessionReport, now: Instant) {
        let ago = |at: Instant| millis(now.saturating_duration_since(at));
        (report.heard_ms_ago, report.sent_ms_ago) = (ago(self.heard_at), self.sent_at.map(ago));
        report.round_trip_us = (self.round_trip_us > 0).then_some(self.round_trip_us);
        let misses = report.heard_ms_ago / millis(self.interval).max(1);
        report.misses = u32::try_from(misses).unwrap_or(u32::MAX);
    }
}

impl Registry {
    pub(super) fn query(&self, asker: SessionAt, query: Query, now: Moment) -> Answer {
        match query {
            Query::People(names) => self.people(asker, &names),
            Query::Count(room) => self.count(&room),
            Query::Page { room, from } => self.page(&room, from),
            Query::Explain { name, operator } => match self.may_explain(asker, &name, operator) {
                true => self.explain(name, now),
                false => not_allowed("only a user and the operator are told why"),
            },
            Query::Health { operator } => match self.is_operator(operator) {
                true => Answer::Health(Box::new(self.health())),
                false => not_allowed("only the operator is told how the server is"),
            },
        }
    }

    /// Whether someone may know why a user is shown as they are: the answer depends on who asks, never on how the user is.
    fn may_explain(
        &self,
        asker: SessionAt,
        name: &DisplayName,
        operator: Option<OperatorKey>,
    ) -> bool {
        self.is_operator(operator) || (self.name_of(asker) == name && self.belongs(asker))
    }

    /// Whether a session or observer is the user's whose name it has.
    fn belongs(&self, asker: SessionAt) -> bool {
        let session = &self.sessions[asker];
        let Some(user) = self.users.get(self.name_of(asker)) else { return false };
        let same_device = |at: &SessionAt| self.sessions[*at].device == session.device;
        let same_key = user.key().is_some() && user.key() == session.key();
        user.sessions.contains(&asker) || same_key || user.sessions.iter().any(same_device)
    }

    fn is_operator(&self, key: Option<OperatorKey>) -> bool {
        key.is_some() && key == self.rules.operator
    }

    fn explain(&self, name: DisplayName, now: Moment) -> Answer {
        let user = self.users.get(&name);
        let merged = merge(&user.map(|user| self.votes(user)).unwrap_or_default());
        let places = user.map_or(&[][..], |user| &user.sessions);
        let sessions = || places.iter().map(|at| &self.sessions[*at]);
        let explanation = Explanation {
            me: user.and_then(|user| self.presence(user)),
            rule: merged.rule,
            winner: merged.winner,
            sessions: sessions().filter_map(|session| report(session, now)).collect(),
            transitions: user.map(|user| user.recent.iter().collect()).unwrap_or_default(),
            name,
        };
        let connections: Vec<Option<ConnectionId>> = sessions().map(Session::connection).collect();
        Answer::Explanation(Box::new(explanation), connections)
    }

    fn health(&self) -> Health {
        Health {
            sessions: self.sessions.len() as u64,
            users: u64::from(self.rooms.lobby().proof().count),
            divergences: self.divergences,
            ..Health::default()
        }
    }
}

/// What the registry knows of a session; observers are in no report.
fn report(session: &Session, now: Moment) -> Option<SessionReport> {
    let listed = session.listed.as_ref()?;
    let lost = listed.lost.as_ref();
    let left = |until: Instant| millis(until.saturating_duration_since(now.instant));
    let heard_ms_ago = lost.map_or(0, |lost| now.unix_ms.saturating_sub(lost.why.not_before_ms));
    let misses = heard_ms_ago / millis(listed.liveness().interval).max(1);
    Some(SessionReport {
        session: session.id,
        device: session.label.clone(),
        state: match lost {
            None => SessionState::Connected,
            Some(lost) if lost.counts => SessionState::Grace,
            Some(_) => SessionState::Resumable,
        },
        status: listed.status,
        automatic: listed.automatic,
        since_ms: listed.since_ms,
        heard_ms_ago,
        sent_ms_ago: None,
        round_trip_us: None,
        misses: u32::try_from(misses).unwrap_or(u32::MAX),
        grace_ms: lost.filter(|lost| lost.counts).map(|lost| left(lost.shown_until)),
        resume_ms: lost.map(|lost| left(lost.resume_until)),
    })
}

fn not_allowed(text: &str) -> Answer {
    failed(ErrorCode::NotAllowed, text)
}
