//! Entries as their bytes, and what their hashes add up to.
//!
//! A list of a million people is kept in some 50 bytes a person: entries stand in their shortest encoding one after the
//! other, in pages of ids, and are decoded when somebody looks at them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use herenow_protocol::digest::EntryHasher;
use herenow_protocol::{
    Change, CloseReason, Digest, EncodedEntry, Entry, Shown, UserId, ViewProof,
};

use super::{Mismatch, Size, Step};

/// Ids of one page: few enough that a change moves no more than some kilobytes, and as many as the server's buckets have
/// (docs/decisions/0013), so that their sums need not be made anew.
const PAGE_IDS: u32 = 128;

/// What stands before the bytes of an entry in its page: its id within the page, and how many bytes follow.
const HEADER_BYTES: usize = 3;

/// Invariant: the digest is the sum of the hashes of the bytes that are really held. What is taken away is the hash of the
/// bytes that go, so bytes that were spoilt leave a sum that no proof agrees with.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// By the first id, divided by [`PAGE_IDS`]. None is empty.
    pages: BTreeMap<u32, Page>,
    len: usize,
    pub(super) version: u64,
    digest: Digest,
    /// What all records take.
    bytes: usize,
}

/// Entries by ascending id.
#[derive(Debug, Default)]
struct Page {
    records: Vec<u8>,
    digest: Digest,
}

impl Copied {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.pages.values().flat_map(|page| page.iter().map(|(_, bytes)| decode(bytes)))
    }

    pub(super) fn get(&self, id: UserId) -> Option<Entry> {
        self.bytes_of(id).map(decode)
    }

    pub(super) fn check(&self, proof: &ViewProof) -> Result<(), Mismatch> {
        let (version, count) = (self.version, self.len);
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
        let count = u32::try_from(self.len).unwrap_or(u32::MAX);
        ViewProof { version: self.version, count, digest: self.digest }
    }

    pub(super) fn apply(&mut self, hasher: &EntryHasher, change: Change, steps: &mut Vec<Step>) {
        match change {
            Change::Joined(entry) => self.join(hasher, entry, steps),
            Change::Updated { id, shown } => self.update(hasher, id, shown, steps),
            Change::Left { id, cause } => {
                steps.extend(self.remove(hasher, id).map(|entry| Step::Left { entry, cause }));
            }
        }
    }

    /// How much it is.
    pub(super) fn size(&self) -> Size {
        Size { people: self.len, bytes: self.bytes }
    }

    /// What the entries add up to.
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    /// In this range exactly these entries exist.
    pub(super) fn replace(
        &mut self,
        hasher: &EntryHasher,
        first: UserId,
        last: UserId,
        entries: Vec<Entry>,
    ) {
        self.clear(hasher, first, last);
        for entry in entries {
            self.put(hasher, &entry);
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
            self.remove(hasher, id);
        }
        for entry in entries {
            if self.get(entry.id).is_none_or(|held| held != entry) {
                self.put(hasher, &entry);
                wrong += 1;
            }
        }
        wrong
    }

    /// Takes away the entries in this range. Returns how many there were.
    pub(super) fn clear(&mut self, hasher: &EntryHasher, first: UserId, last: UserId) -> usize {
        let ids = self.ids(first, last);
        for id in &ids {
            self.remove(hasher, *id);
        }
        ids.len()
    }

    /// What the entries in this range add up to.
    pub(super) fn sum(&self, hasher: &EntryHasher, first: UserId, last: UserId) -> Digest {
        let mut sum = Digest::default();
        for (&number, page) in self.pages_of(first, last) {
            let (begin, end) = (UserId(number * PAGE_IDS), UserId(last_id(number)));
            if first <= begin && end <= last {
                sum.add(page.digest);
                continue;
            }
            let inside = page.iter().filter(|(at, _)| (first..=last).contains(&id(number, *at)));
            inside.for_each(|(_, bytes)| sum.add(hasher.hash_bytes(bytes)));
        }
        sum
    }

    /// A join that finds the same name replaces what is shown; one that finds another replaces a user,
    /// of whose leave nothing was said.
    fn join(&mut self, hasher: &EntryHasher, entry: Entry, steps: &mut Vec<Step>) {
        let before = self.get(entry.id);
        self.put(hasher, &entry);
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
        let Some(held) = self.get(id) else { return };
        let entry = Entry { shown, ..held };
        self.put(hasher, &entry);
        steps.push(Step::Updated(entry));
    }

    fn put(&mut self, hasher: &EntryHasher, entry: &Entry) {
        self.take_off(hasher, entry.id);
        let encoded = EncodedEntry::new(entry);
        let (number, at) = place(entry.id);
        let page = self.pages.entry(number).or_default();
        let hash = hasher.hash_bytes(encoded.as_bytes());
        page.digest.add(hash);
        self.digest.add(hash);
        page.set(at, Some(encoded.as_bytes()));
        self.bytes += HEADER_BYTES + encoded.as_bytes().len();
        self.len += 1;
    }

    fn remove(&mut self, hasher: &EntryHasher, id: UserId) -> Option<Entry> {
        let entry = self.get(id)?;
        self.take_off(hasher, id);
        let (number, at) = place(id);
        let page = self.pages.get_mut(&number)?;
        page.set(at, None);
        if page.records.is_empty() {
            self.pages.remove(&number);
        }
        Some(entry)
    }

    /// Takes an entry off the sums and the count; its bytes stay, to be replaced or removed.
    fn take_off(&mut self, hasher: &EntryHasher, id: UserId) {
        let Some(bytes) = self.bytes_of(id) else { return };
        let (hash, length) = (hasher.hash_bytes(bytes), bytes.len());
        self.digest.remove(hash);
        self.bytes -= HEADER_BYTES + length;
        self.len -= 1;
        if let Some(page) = self.pages.get_mut(&place(id).0) {
            page.digest.remove(hash);
        }
    }

    fn bytes_of(&self, id: UserId) -> Option<&[u8]> {
        let (number, at) = place(id);
        self.pages.get(&number)?.iter().find(|(other, _)| *other == at).map(|(_, bytes)| bytes)
    }

    fn ids(&self, first: UserId, last: UserId) -> Vec<UserId> {
        let of = |(&number, page): (&u32, &Page)| {
            page.iter().map(|(at, _)| id(number, at)).collect::<Vec<_>>()
        };
        let inside = |id: &UserId| (first..=last).contains(id);
        self.pages_of(first, last).flat_map(of).filter(inside).collect()
    }

    /// The pages that this range touches.
    fn pages_of(&self, first: UserId, last: UserId) -> impl Iterator<Item = (&u32, &Page)> {
        let pages = if first > last { 0..0 } else { place(first).0..place(last).0 + 1 };
        self.pages.range(pages)
    }
}

impl Page {
    /// The entries' ids within the page and their bytes.
    fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = self.records.as_slice();
        std::iter::from_fn(move || {
            let (&[at, high, low], after) = rest.split_first_chunk::<HEADER_BYTES>()?;
            let (bytes, others) = after.split_at(usize::from(u16::from_be_bytes([high, low])));
            rest = others;
            Some((at, bytes))
        })
    }

    /// From now on the entry with this id has these bytes, or there is none.
    fn set(&mut self, at: u8, bytes: Option<&[u8]>) {
        let place = self.place_of(at);
        let Some(bytes) = bytes else {
            self.records.drain(place);
            return;
        };
        let length = u16::try_from(bytes.len()).expect("a frame has at most 65,535 bytes");
        let [high, low] = length.to_be_bytes();
        // No more memory than is needed, since most pages stay as they are.
        self.records.reserve_exact((HEADER_BYTES + bytes.len()).saturating_sub(place.len()));
        self.records.splice(place, [at, high, low].into_iter().chain(bytes.iter().copied()));
    }

    /// Where the record with this id is, or where it belongs.
    fn place_of(&self, wanted: u8) -> Range<usize> {
        let mut start = 0;
        for (at, bytes) in self.iter() {
            let end = start + HEADER_BYTES + bytes.len();
            if at >= wanted {
                return start..if at == wanted { end } else { start };
            }
            start = end;
        }
        start..start
    }
}

fn decode(bytes: &[u8]) -> Entry {
    EncodedEntry::read(bytes).expect("encoded from an entry")
}

/// The page of an id, and the id within it.
fn place(id: UserId) -> (u32, u8) {
    (id.0 / PAGE_IDS, u8::try_from(id.0 % PAGE_IDS).expect("a page has 128 ids"))
}

fn id(page: u32, at: u8) -> UserId {
    UserId(page * PAGE_IDS + u32::from(at))
}

fn last_id(page: u32) -> u32 {
    page * PAGE_IDS + (PAGE_IDS - 1)
}
