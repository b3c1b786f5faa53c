//! What was written down, held against what really happened.

use std::collections::{BTreeMap, BTreeSet};

use herenow::journal::Logged;
use herenow_client::protocol::{CloseReason, SessionId, Transition, TransitionKind};

use crate::BOUND;
use crate::world::DELIVERY_MAX;
use crate::world::journal::Journal;

/// When something happened that may have ended somebody's presence, in milliseconds since 1970.
#[derive(Debug, Default)]
pub struct Truths {
    of_users: BTreeMap<String, Vec<u64>>,
    of_all: Vec<u64>,
}

impl Truths {
    /// Something happened to a device of this user.
    pub fn of(&mut self, name: &str, at_ms: u64) {
        self.of_users.entry(name.to_owned()).or_default().push(at_ms);
    }

    /// Something happened to the server.
    pub fn of_all(&mut self, at_ms: u64) {
        self.of_all.push(at_ms);
    }

    fn explain(&self, name: &str, from_ms: u64, to_ms: u64) -> bool {
        let own = self.of_users.get(name).into_iter().flatten();
        own.chain(&self.of_all).any(|at| (from_ms..=to_ms).contains(at))
    }

    fn server_was_disturbed(&self, from_ms: u64, to_ms: u64) -> bool {
        self.of_all.iter().any(|at| (from_ms..=to_ms).contains(at))
    }
}

/// Sessions that were opened and not closed.
pub fn open_sessions(journal: &Journal) -> BTreeSet<SessionId> {
    let mut open = BTreeSet::new();
    for Logged { transition, .. } in &journal.log {
        match (transition.kind, transition.session) {
            (TransitionKind::Opened, Some(session)) => {
                assert!(open.insert(session), "{session} was opened twice");
            }
            (TransitionKind::Closed, Some(session)) => {
                assert!(open.remove(&session), "{session} was closed without being open");
            }
            (kind, Some(session)) => {
                assert!(open.contains(&session), "{session} was {kind:?} without being open");
            }
            _ => {}
        }
    }
    open
}

/// After a life that everyone has left: every session was opened and closed once, users were online and offline in
/// turns, and every end really happened when it is said to have.
pub fn assert_true(journal: &Journal, truths: &Truths, names: &BTreeSet<&str>) {
    let open = open_sessions(journal);
    assert!(open.is_empty(), "never closed: {open:?}");
    for name in names {
        let of_name = journal.log.iter().filter(|logged| logged.name.as_str() == *name);
        let seen = of_name.map(|logged| &logged.transition).filter(|t| t.session.is_none());
        let mut online = false;
        for transition in seen {
            let expected = matches!(transition.kind, TransitionKind::Online);
            match transition.kind {
                TransitionKind::Online | TransitionKind::Offline => {
                    assert_ne!(online, expected, "{name} twice: {transition:?}");
                    online = expected;
                }
                _ => assert!(online, "{name} is not shown: {transition:?}"),
            }
            if transition.kind == TransitionKind::Offline {
                assert_explained(name, transition, truths);
            }
        }
        assert!(!online, "{name} was left online");
    }
}

fn assert_explained(name: &str, offline: &Transition, truths: &Truths) {
    let slack = u64::try_from(DELIVERY_MAX.as_millis()).expect("short") + 2;
    let (from, to) = (offline.not_before_ms.saturating_sub(slack), offline.at_ms + slack);
    assert!(offline.not_before_ms <= offline.at_ms, "{name}: {offline:?}");
    if offline.cause == Some(CloseReason::Goodbye) {
        // Somebody's wish, when it arrived.
        return assert_eq!(offline.not_before_ms, offline.at_ms, "{name}: {offline:?}");
    }
    assert!(truths.explain(name, from, to), "{name} went for no reason: {offline:?}, {truths:?}");
    let took = offline.at_ms - offline.not_before_ms;
    let bound = u64::try_from(BOUND.as_millis()).expect("short") + slack;
    // A server that stood still, or was not there, could hear and tell nobody.
    let late = took > bound && !truths.server_was_disturbed(from, to);
    assert!(!late, "{name} was reported after {took} ms: {offline:?}");
}
