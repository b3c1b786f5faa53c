//! Connections that have not said who they are: only so many, and who has waited longest makes place.
//!
//! Who has said it waits for the registry, not the other way round, and is not counted: a crowd that comes back at once is
//! welcome.

use std::collections::BTreeSet;

use crate::registry::ConnectionId;

/// Connections of one arbiter of which nothing has come. Their numbers ascend in the order of arrival.
#[derive(Debug, Default)]
pub struct Lobby(BTreeSet<ConnectionId>);

impl Lobby {
    /// A connection waits to sign in. Returns who makes place for it, so that at most `most` wait; 0 stands for no limit.
    pub fn enter(&mut self, connection: ConnectionId, most: usize) -> Option<ConnectionId> {
        self.0.insert(connection);
        (most > 0 && self.0.len() > most).then(|| self.0.pop_first()).flatten()
    }

    /// A connection has signed in, or is over.
    pub fn leave(&mut self, connection: ConnectionId) {
        self.0.remove(&connection);
    }

    /// Everyone, who has waited longest first; they are gone from here.
    pub fn clear(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.0).into_iter().collect()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn who_has_waited_longest_makes_place(
            steps in proptest::collection::vec((any::<bool>(), 0_u64..40), 1..200), most in 1_usize..8
        ) {
            let (mut lobby, mut model, mut count) = (Lobby::default(), Vec::new(), 0);
            for (leaves, which) in steps {
                if leaves {
                    let connection = ConnectionId::new(3, which, 7);
                    lobby.leave(connection);
                    model.retain(|other| *other != connection);
                } else {
                    count += 1;
                    let connection = ConnectionId::new(3, count, 7);
                    model.push(connection);
                    let shed = (model.len() > most).then(|| model.remove(0));
                    prop_assert_eq!(lobby.enter(connection, most), shed);
                }
                prop_assert_eq!(lobby.len(), model.len());
            }
            prop_assert_eq!(lobby.clear(), model);
            prop_assert!(lobby.is_empty());
        }
    }
}
