//! This client's copy of a room's roster, which checks itself whenever the server proves its own.
//!
//! Pure: no sockets, no clock. Invariant: the digest is the sum of the hashes of the entries that are
//! really held; what is taken away is the hash that was kept beside the entry, never a fresh one.
//!
//! A snapshot is built aside and replaces the entries in one step, so that [`View::entries`] is never
//! half old and half new.

use std::collections::BTreeMap;

use herenow_protocol::digest::EntryHasher;
use herenow_protocol::{Change, CloseReason, Digest, Entry, Epoch, Presence, UserId, ViewProof};

use crate::Event;

/// The users that are listed, as far as this client knows.
#[derive(Debug, Default)]
pub struct View {
    hasher: Option<EntryHasher>,
    shown: Copied,
    /// Pages and deltas since a snapshot began; `None` between snapshots.
    incoming: Option<Copied>,
    complete: bool,
}

/// What the server proved differs from what this view holds: the view is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// A delta or proof belongs to another version.
    #[error("the list is at version {held}, the server says {told}")]
    Version {
        /// The version of this view.
        held: u64,
        /// The version that the server means.
        told: u64,
    },
    /// The number of entries differs.
    #[error("the list has {held} entries, the server says {told}")]
    Count {
        /// How many this view has.
        held: usize,
        /// How many there must be.
        told: u32,
    },
    /// The entries differ.
    #[error("the list adds up to {held}, the server says {told}")]
    Digest {
        /// The digest of this view.
        held: Digest,
        /// What it must be.
        told: Digest,
    },
}

/// Whether a message proved the view exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// It did.
    Yes,
    /// The view is incomplete, so there was nothing to prove.
    NotYet,
}

impl View {
    /// Starts to follow a session of this epoch: incomplete, showing what it showed before.
    pub fn follow(&mut self, epoch: Epoch) {
        self.hasher = Some(EntryHasher::new(epoch));
        self.distrust();
    }

    /// The server begins the snapshot that a `Watch` asked for.
    pub fn begin_snapshot(&mut self) {
        self.complete = false;
        self.incoming = Some(Copied::default());
    }

    /// What is shown can no longer be believed; only a new snapshot makes it complete again.
    pub fn distrust(&mut self) {
        self.complete = false;
        self.incoming = None;
    }

    /// In the range `first..=last` exactly `entries` exist. Begins a snapshot if none is under way.
    pub fn page(&mut self, first: UserId, last: UserId, entries: Vec<Entry>) {
        let Some(hasher) = &self.hasher else { return };
        self.complete = false;
        let incoming = self.incoming.get_or_insert_default();
        incoming.clear(first, last);
        for entry in entries {
            incoming.put(hasher, entry);
        }
    }

    /// The pages are complete: if they prove themselves they replace what was shown.
    ///
    /// # Errors
    /// [`Mismatch`]; the view shows what it showed before and is incomplete.
    pub fn end_snapshot(&mut self, proof: &ViewProof) -> Result<(), Mismatch> {
        let mut incoming = match self.incoming.take() {
            Some(incoming) => incoming,
            None if self.complete => return self.prove(proof).map(|_| ()),
            None => Copied::default(),
        };
        incoming.version = proof.version;
        incoming.check(proof)?;
        self.shown = incoming;
        self.complete = true;
        Ok(())
    }

    /// Applies a delta, and appends to `events` what it changes in a complete view.
    ///
    /// # Errors
    /// [`Mismatch`]; the view is incomplete. `events` has what was changed before that was found.
    pub fn delta(
        &mut self,
        from: u64,
        proof: &ViewProof,
        changes: Vec<Change>,
        events: &mut Vec<Event>,
    ) -> Result<Proved, Mismatch> {
        let Some(hasher) = &self.hasher else { return Ok(Proved::NotYet) };
        if let Some(incoming) = &mut self.incoming {
            for change in changes {
                incoming.apply(hasher, change, &mut Vec::new());
            }
            return Ok(Proved::NotYet);
        }
        if !self.complete {
            return Ok(Proved::NotYet);
        }
        if from != self.shown.version {
            self.complete = false;
            return Err(Mismatch::Version { held: self.shown.version, told: from });
        }
        for change in changes {
            self.shown.apply(hasher, change, events);
        }
        self.shown.version = proof.version;
        self.prove(proof)
    }

    /// Compares a complete view with what the server says it must be at this place of the stream.
    ///
    /// # Errors
    /// [`Mismatch`]; the view is incomplete.
    pub fn prove(&mut self, proof: &ViewProof) -> Result<Proved, Mismatch> {
        if !self.complete {
            return Ok(Proved::NotYet);
        }
        let checked = self.shown.check(proof);
        self.complete = checked.is_ok();
        checked.map(|()| Proved::Yes)
    }

    /// How many users are shown.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shown.entries.len()
    }

    /// Whether nobody is shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shown.entries.is_empty()
    }

    /// The users that are shown, by ascending id.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.shown.entries.values().map(|held| &held.entry)
    }

    /// The user with this id, if they are shown.
    #[must_use]
    pub fn get(&self, id: UserId) -> Option<&Entry> {
        self.shown.entries.get(&id).map(|held| &held.entry)
    }

    /// Whether a snapshot is whole and every proof since then agreed.
    ///
    /// It says nothing about how long ago that was: [`Event::Stale`] and [`Event::Fresh`] do.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

/// Entries with their hashes, and what these add up to.
#[derive(Debug, Default)]
struct Copied {
    entries: BTreeMap<UserId, Held>,
    digest: Digest,
    version: u64,
}

#[derive(Debug)]
struct Held {
    entry: Entry,
    hash: Digest,
}

impl Copied {
    fn check(&self, proof: &ViewProof) -> Result<(), Mismatch> {
        let (version, count) = (self.version, self.entries.len());
        if version != proof.version {
            return Err(Mismatch::Version { held: version, told: proof.version });
        }
        if u32::try_from(count) != Ok(proof.count) {
            return Err(Mismatch::Count { held: count, told: proof.count });
        }
        if self.digest != proof.digest {
            return Err(Mismatch::Digest { held: self.digest, told: proof.digest });
        }
        Ok(())
    }

    fn apply(&mut self, hasher: &EntryHasher, change: Change, events: &mut Vec<Event>) {
        match change {
            Change::Joined(entry) => self.join(hasher, entry, events),
            Change::Updated { id, presence, since_ms } => {
                self.update(hasher, id, presence, since_ms, events);
            }
            Change::Left { id, cause } => {
                events.extend(self.remove(id).map(|entry| Event::Left { entry, cause }));
            }
        }
    }

    /// A join that finds the same name replaces a presence; one that finds another replaces a user,
    /// of whose leave nothing was said.
    fn join(&mut self, hasher: &EntryHasher, entry: Entry, events: &mut Vec<Event>) {
        let before = self.put(hasher, entry.clone());
        match before {
            Some(before) if before.name == entry.name => events.push(Event::Updated(entry)),
            Some(before) => {
                events.push(Event::Left { entry: before, cause: CloseReason::InternalError });
                events.push(Event::Joined(entry));
            }
            None => events.push(Event::Joined(entry)),
        }
    }

    fn update(
        &mut self,
        hasher: &EntryHasher,
        id: UserId,
        presence: Presence,
        since_ms: u64,
        events: &mut Vec<Event>,
    ) {
        let Some(held) = self.entries.get(&id) else { return };
        let entry = Entry { id, name: held.entry.name.clone(), presence, since_ms };
        self.put(hasher, entry.clone());
        events.push(Event::Updated(entry));
    }

    fn put(&mut self, hasher: &EntryHasher, entry: Entry) -> Option<Entry> {
        let (id, hash) = (entry.id, hasher.hash(&entry));
        self.digest.add(hash);
        let before = self.entries.insert(id, Held { entry, hash })?;
        self.digest.remove(before.hash);
        Some(before.entry)
    }

    fn remove(&mut self, id: UserId) -> Option<Entry> {
        let Held { entry, hash } = self.entries.remove(&id)?;
        self.digest.remove(hash);
        Some(entry)
    }

    fn clear(&mut self, first: UserId, last: UserId) {
        if first > last {
            return;
        }
        let ids: Vec<UserId> = self.entries.range(first..=last).map(|(&id, _)| id).collect();
        for id in ids {
            self.remove(id);
        }
    }
}

#[cfg(test)]
mod tests;
