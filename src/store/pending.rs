//! What waits to be written, and what happens when there is no room for it.
//!
//! Pure. Of what describes a session or a user only the newest record counts, so a newer one takes the
//! place of an older one, and none is ever dropped: there is at most one for each session that is on
//! disk or not over, and two for each user. Transitions are kept in order; if there is no room, the
//! oldest are dropped, and the [`Loss`] says so in their place.

use std::collections::{HashMap, HashSet, VecDeque};

use herenow_protocol::{DisplayName, SessionId};

use crate::journal::{Logged, PersonRecord, Record, SessionRecord};

/// Records that wait, each kind by itself: they go into one transaction, so only the order within a
/// kind counts.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// `None` for a session that is over.
    pub(super) sessions: HashMap<SessionId, Option<Box<SessionRecord>>>,
    /// `None` for a user without sessions.
    pub(super) people: HashMap<DisplayName, Option<Box<PersonRecord>>>,
    /// In milliseconds since 1970.
    pub(super) last_seen: HashMap<DisplayName, u64>,
    /// The oldest first.
    pub(super) transitions: VecDeque<Logged>,
    /// What was dropped before the first of `transitions`.
    pub(super) loss: Loss,
}

/// Transitions that were dropped for lack of room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Loss {
    /// How many.
    pub(super) dropped: u64,
    /// When the first of them was decided, in milliseconds since 1970.
    pub(super) from_ms: u64,
    /// When the last of them was decided, in milliseconds since 1970.
    pub(super) to_ms: u64,
}

impl Pending {
    /// Adds a record, which is newer than all others.
    pub(super) fn push(&mut self, record: Record) {
        match record {
            Record::Session(record) => {
                self.sessions.insert(record.session, Some(record));
            }
            Record::SessionGone(session) => {
                self.sessions.insert(session, None);
            }
            Record::Person(record) => {
                self.people.insert(record.name.clone(), Some(record));
            }
            Record::PersonGone(name) => {
                self.people.insert(name, None);
            }
            Record::LastSeen(name, at_ms) => {
                self.last_seen.insert(name, at_ms);
            }
            Record::Transition(logged) => self.transitions.push_back(logged),
        }
    }

    /// Adds what came after this. Says how many transitions that dropped.
    pub(super) fn append(&mut self, mut newer: Self) -> u64 {
        self.sessions.extend(newer.sessions);
        self.people.extend(newer.people);
        self.last_seen.extend(newer.last_seen);
        let mut dropped = 0;
        if newer.loss.dropped > 0 {
            // There was no room for what is newer, so there is none for what is older: one gap, not two.
            while self.drop_oldest() {
                dropped += 1;
            }
            self.loss.add(newer.loss);
        }
        self.transitions.append(&mut newer.transitions);
        dropped
    }

    /// Forgets sessions that came and went without having been on disk, so that a disk which fails for
    /// days does not fill the memory with them.
    pub(super) fn forget_unwritten(&mut self, on_disk: &HashSet<SessionId>) {
        self.sessions.retain(|session, record| record.is_some() || on_disk.contains(session));
    }

    /// Drops the oldest transitions until `max` records wait, or no transition does. Says how many.
    pub(super) fn make_room(&mut self, max: usize) -> u64 {
        let mut dropped = 0;
        while self.len() > max && self.drop_oldest() {
            dropped += 1;
        }
        dropped
    }

    /// How many records wait.
    pub(super) fn len(&self) -> usize {
        self.sessions.len() + self.people.len() + self.last_seen.len() + self.transitions.len()
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0 && self.loss.dropped == 0
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(oldest) = self.transitions.pop_front() else { return false };
        let at_ms = oldest.transition.at_ms;
        self.loss.add(Loss { dropped: 1, from_ms: at_ms, to_ms: at_ms });
        true
    }
}

impl Loss {
    /// Adds what was dropped after this.
    fn add(&mut self, later: Self) {
        if self.dropped == 0 {
            self.from_ms = later.from_ms;
        }
        self.dropped += later.dropped;
        self.to_ms = later.to_ms;
    }
}
