//! Entries with their hashes, and what these add up to.

use std::collections::{BTreeMap, BTreeSet};

use herenow_protocol::digest::EntryHasher;
use herenow_protocol::{Change, CloseReason, Digest, Entry, Shown, UserId, ViewProof};

use super::{Mismatch, Step};

/// Invariant: the digest is the sum of the hashes of the entries that are really held; what is taken away is the hash
/// that was kept beside the entry, never a fresh one.
#[derive(Debug, Default)]
pub(super) struct Copied {
    pub(super) entries: BTreeMap<UserId, Held>,
    pub(super) version: u64,
    digest: Digest,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) entry: Entry,
    hash: Digest,
}

impl Copied {
    pub(super) fn check(&self, proof: &ViewProof) -> Result<(), Mismatch> {
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

    pub(super) fn proof(&self) -> ViewProof {
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        ViewProof { version: self.version, count, digest: self.digest }
    }

    pub(super) fn apply(&mut self, hasher: &EntryHasher, change: Change, steps: &mut Vec<Step>) {
        match change {
            Change::Joined(entry) => self.join(hasher, entry, steps),
            Change::Updated { id, shown } => self.update(hasher, id, shown, steps),
            Change::Left { id, cause } => {
                steps.extend(self.remove(id).map(|entry| Step::Left { entry, cause }));
            }
        }
    }

    /// In this range exactly these entries exist.
    pub(super) fn replace(
        &mut self,
        hasher: &EntryHasher,
        first: UserId,
        last: UserId,
        entries: Vec<Entry>,
    ) {
        self.clear(first, last);
        for entry in entries {
            self.put(hasher, entry);
        }
    }

    /// As [`Self::replace`], leaving alone what is right already. Returns how many entries were not.
    pub(super) fn mend(
        &mut self,
        hasher: &EntryHasher,
        first: UserId,
        last: UserId,
        entries: Vec<Entry>,
    ) -> usize {
        let meant: BTreeSet<UserId> = entries.iter().map(|entry| entry.id).collect();
        let surplus: Vec<UserId> =
            self.ids(first, last).into_iter().filter(|id| !meant.contains(id)).collect();
        let mut wrong = surplus.len();
        for id in surplus {
            self.remove(id);
        }
        for entry in entries {
            if self.entries.get(&entry.id).is_none_or(|held| held.entry != entry) {
                self.put(hasher, entry);
                wrong += 1;
            }
        }
        wrong
    }

    /// Takes away the entries in this range. Returns how many there were.
    pub(super) fn clear(&mut self, first: UserId, last: UserId) -> usize {
        let ids = self.ids(first, last);
        for id in &ids {
            self.remove(*id);
        }
        ids.len()
    }

    /// What the entries in this range add up to.
    pub(super) fn sum(&self, first: UserId, last: UserId) -> Digest {
        let mut sum = Digest::default();
        self.entries.range(first..=last).for_each(|(_, held)| sum.add(held.hash));
        sum
    }

    /// A join that finds the same name replaces what is shown; one that finds another replaces a user,
    /// of whose leave nothing was said.
    fn join(&mut self, hasher: &EntryHasher, entry: Entry, steps: &mut Vec<Step>) {
        let before = self.put(hasher, entry.clone());
        match before {
            Some(before) if before.name == entry.name => steps.push(Step::Updated(entry)),
            Some(before) => {
                steps.push(Step::Left { entry: before, cause: CloseReason::InternalError });
                steps.push(Step::Joined(entry));
            }
            None => steps.push(Step::Joined(entry)),
        }
    }

    fn update(&mut self, hasher: &EntryHasher, id: UserId, shown: Shown, steps: &mut Vec<Step>) {
        let Some(held) = self.entries.get(&id) else { return };
        let entry = Entry { id, name: held.entry.name.clone(), shown };
        self.put(hasher, entry.clone());
        steps.push(Step::Updated(entry));
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

    fn ids(&self, first: UserId, last: UserId) -> Vec<UserId> {
        if first > last {
            return Vec::new();
        }
        self.entries.range(first..=last).map(|(&id, _)| id).collect()
    }
}
