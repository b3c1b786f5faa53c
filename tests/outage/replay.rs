//! What a log says when it is read from its beginning, and where it says what cannot be.

use std::collections::BTreeMap;

use herenow::journal::Logged;
use herenow::store::Cursor;
use herenow_client::protocol::{SessionId, Status, Transition, TransitionKind};

/// Everything that happened, in order, reduced to what is.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    sessions: BTreeMap<SessionId, (String, Phase)>,
    users: BTreeMap<String, Option<Status>>,
    last: u64,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Connected,
    Lost,
    Closed,
}

impl Replay {
    /// Reads a whole log.
    ///
    /// # Panics
    /// Where something happens that cannot follow what happened before.
    pub(crate) fn of(log: &[(Cursor, Logged)]) -> Self {
        let mut replay = Self::default();
        for (Cursor(cursor), logged) in log {
            assert_eq!(*cursor, replay.last + 1, "the log has a hole before {logged:?}");
            replay.last = *cursor;
            match logged.transition.session {
                Some(session) => replay.session(session, logged),
                None => replay.user(logged),
            }
        }
        replay
    }

    /// Users who are shown, with their status.
    pub(crate) fn online(&self) -> BTreeMap<String, Status> {
        let users = self.users.iter();
        users.filter_map(|(name, status)| Some((name.clone(), (*status)?))).collect()
    }

    /// Sessions that are not closed.
    pub(crate) fn open(&self) -> usize {
        self.sessions.values().filter(|(_, phase)| *phase != Phase::Closed).count()
    }

    /// How many users were ever shown.
    pub(crate) fn users(&self) -> usize {
        self.users.len()
    }

    /// How far this session of this user is; `None` if the log does not know it.
    pub(crate) fn phase(&self, name: &str, session: SessionId) -> Option<Phase> {
        let (owner, phase) = self.sessions.get(&session)?;
        (owner == name).then_some(*phase)
    }

    fn session(&mut self, session: SessionId, Logged { name, transition, .. }: &Logged) {
        use TransitionKind as K;
        let known = self.sessions.get(&session);
        let before = known.map(|(owner, phase)| {
            assert_eq!(owner, name.as_str(), "session {session} changes its user");
            *phase
        });
        let after = match (transition.kind, before) {
            (K::Opened, None) => Phase::Connected,
            (K::Lost, Some(Phase::Connected)) => Phase::Lost,
            // A client may resume before the server has noticed the loss.
            (K::Resumed, Some(Phase::Connected | Phase::Lost)) => Phase::Connected,
            (K::Closed, Some(Phase::Connected | Phase::Lost)) => Phase::Closed,
            (kind, before) => panic!("{name}: {kind:?} of a session that is {before:?}"),
        };
        assert_has_cause(transition, matches!(after, Phase::Lost | Phase::Closed));
        self.sessions.insert(session, (name.to_string(), after));
    }

    fn user(&mut self, Logged { name, transition, .. }: &Logged) {
        use TransitionKind as K;
        let status = self.users.entry(name.to_string()).or_default();
        let new = transition.status.expect("what happens to a user has a status");
        *status = match (transition.kind, *status) {
            (K::Online, None) => Some(new),
            (K::Offline, Some(_)) => None,
            (K::Changed, Some(old)) if old != new => Some(new),
            (kind, before) => panic!("{name}: {kind:?} of a user who is {before:?}"),
        };
        assert_has_cause(transition, transition.kind == K::Offline);
    }
}

fn assert_has_cause(transition: &Transition, has: bool) {
    assert_eq!(transition.cause.is_some(), has, "{transition:?}");
    assert!(transition.not_before_ms <= transition.at_ms, "{transition:?}");
}
