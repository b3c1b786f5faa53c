//! Who is in one list, and what watchers must be told about it.
//!
//! Pure: no sockets, no actors, no clock; callers pass times in. Version, count and digest change in
//! the same step as the list. [`Roster::publish`] turns all changes since the last call into deltas
//! in which the newest state of a user wins, and remembers them for those who come back;
//! [`Roster::pages`] serves the published list as frames that are encoded once and shared until an
//! entry in them changes.

mod delta;
mod missed;
mod pages;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use bytes::Bytes;
use herenow_protocol::digest::EntryHasher;
use herenow_protocol::{
    CloseReason, Digest, DisplayName, EncodedEntry, Entry, Epoch, Shown, UserId, ViewId, ViewProof,
};

use delta::{DeltaBuilder, Order};
use missed::Log;
pub use pages::{BucketBatch, PageBatch, RangeBatch};

#[cfg(test)]
mod tests;

/// Ids covered by one page, and by one bucket of a repair. Common entries of 40 bytes make pages of 5 KiB,
/// small enough to be encoded again after a change, large enough that 10,000 users need only 79 of them.
pub const PAGE_IDS: u32 = 128;

/// What a frame spends around its entries or changes, in bytes, rounded up.
const FRAME_OVERHEAD: usize = 64;

/// What an entry or a change takes besides its texts, in bytes, rounded up.
const ENTRY_OVERHEAD: usize = 48;

/// The users of one list.
#[derive(Debug)]
pub struct Roster {
    view: ViewId,
    hasher: EntryHasher,
    slots: Vec<Option<Listed>>,
    ids: Ids,
    current: ViewProof,
    published: ViewProof,
    unpublished: HashMap<UserId, Unpublished, BuildHasherDefault<IdHasher>>,
    pages: Vec<Option<Vec<Bytes>>>,
    /// What the entries of each page add up to.
    buckets: Vec<Digest>,
    log: Log,
}

/// A user in a list. Hashing an entry anew takes as long as several misses of the processor's caches.
#[derive(Debug)]
struct Listed {
    entry: EncodedEntry,
    hash: Digest,
}

/// What watchers do not know yet about one id.
#[derive(Clone, Copy, Debug)]
struct Unpublished {
    /// The entry's hash in the list that they know, `None` if it is not in there.
    before: Option<Digest>,
    /// The entry's hash after the newest change, `None` if it is in there no more.
    after: Option<Digest>,
    /// The version of the newest change.
    version: u64,
    /// Why the user whom they know left.
    cause: Option<CloseReason>,
}

/// A step of the published list, ready to be sent to everyone who watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedDelta {
    /// The view that it changes.
    pub view: ViewId,
    /// The version before.
    pub from: u64,
    /// What a view must be like afterwards.
    pub proof: ViewProof,
    /// The encoded delta.
    pub frame: Bytes,
}

/// What takes a copy from an older version to the published one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The view that they change.
    pub view: ViewId,
    /// The version that they begin at.
    pub from: u64,
    /// What the copy must be like afterwards.
    pub proof: ViewProof,
    /// The encoded delta; none if nothing was missed.
    pub frames: Vec<Bytes>,
}

impl Roster {
    /// An empty list whose watchers know it as `view`, and that remembers its last changes in about `log_bytes`.
    #[must_use]
    pub fn new(view: ViewId, epoch: Epoch, log_bytes: usize) -> Self {
        Self {
            view,
            hasher: EntryHasher::new(epoch),
            slots: Vec::new(),
            ids: Ids::default(),
            current: ViewProof::default(),
            published: ViewProof::default(),
            unpublished: HashMap::default(),
            pages: Vec::new(),
            buckets: Vec::new(),
            log: Log::new(log_bytes),
        }
    }

    /// The number under which watchers know this list.
    #[must_use]
    pub fn view(&self) -> ViewId {
        self.view
    }

    /// Lists a user, under an id that no watcher knows any more.
    pub fn join(&mut self, name: DisplayName, shown: Shown) -> UserId {
        let id = self.ids.take();
        self.replace(id, Some(EncodedEntry::new(&Entry { id, name, shown })), None);
        id
    }

    /// Shows a listed user differently. Returns whether that changed anything.
    pub fn update(&mut self, id: UserId, shown: &Shown) -> bool {
        let Some(old) = self.slot(id) else { return false };
        let new = old.showing(shown);
        let changes = *old != new;
        if changes {
            self.replace(id, Some(new), None);
        }
        changes
    }

    /// Unlists a user. Returns whether there was one.
    pub fn leave(&mut self, id: UserId, cause: CloseReason) -> bool {
        let listed = self.slot(id).is_some();
        if listed {
            self.replace(id, None, Some(cause));
            self.ids.give_back(id);
        }
        listed
    }

    /// The entry of a listed user.
    #[must_use]
    pub fn get(&self, id: UserId) -> Option<Entry> {
        self.slot(id).map(EncodedEntry::decode)
    }

    /// Every entry from an id on, ascending.
    pub fn entries_from(&self, id: UserId) -> impl Iterator<Item = Entry> {
        let from = self.slots.len().min(id.0 as usize);
        self.slots[from..].iter().flatten().map(|listed| listed.entry.decode())
    }

    /// Every entry, ascending by id.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.entries_from(UserId(0))
    }

    /// Version, count and digest, changes that nobody was told yet included.
    #[must_use]
    pub fn proof(&self) -> ViewProof {
        self.current
    }

    /// Whether there is anything to publish.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.current.version != self.published.version
    }

    /// How many changes there are to publish.
    #[must_use]
    pub fn unpublished(&self) -> u64 {
        self.current.version - self.published.version
    }

    /// Everything since the last call as deltas of consecutive versions, each within one frame.
    pub fn publish(&mut self) -> Vec<PublishedDelta> {
        // A rush leaves no memory behind.
        let mut changed: Vec<_> = std::mem::take(&mut self.unpublished).into_iter().collect();
        changed.sort_unstable_by_key(|(_, change)| change.version);
        let (mut deltas, mut step) = (Vec::new(), Vec::new());
        let (mut before, mut delta) =
            (self.published, DeltaBuilder::new(self.view, self.published, Order::Happened));
        for (id, unpublished) in changed {
            let after = slot(&self.slots, id);
            if !delta.has_room_for(after) {
                let full = delta.finish();
                self.log.push(before, std::mem::take(&mut step));
                (before, delta) =
                    (full.proof, DeltaBuilder::new(self.view, full.proof, Order::Happened));
                deltas.push(full);
            }
            delta.add(id, &unpublished, after);
            step.push((id, unpublished));
        }
        if self.is_dirty() {
            // Whoever came and went unseen still counts as a step.
            delta.proof.version = self.current.version;
            deltas.push(delta.finish());
            self.log.push(before, step);
        }
        self.published = self.current;
        self.ids.release();
        debug_assert_eq!(deltas.last().map_or(self.current, |last| last.proof), self.current);
        deltas
    }

    /// What a copy of an older version lacks: of each user the newest state. None if that is not remembered, takes more
    /// than `bytes` or than one frame, or if there are changes to be published first.
    #[must_use]
    pub fn missed(&self, from: u64, bytes: usize) -> Option<Missed> {
        let (view, published) = (self.view, self.published);
        if from == published.version {
            return Some(Missed::of(view, published, None));
        }
        if self.is_dirty() {
            return None;
        }
        let state = |id: UserId| self.slot(id);
        let delta = self.log.missed(view, from, published, state)?;
        (delta.frame.len() <= bytes).then(|| Missed::of(view, published, Some(delta)))
    }

    fn slot(&self, id: UserId) -> Option<&EncodedEntry> {
        slot(&self.slots, id)
    }

    fn replace(&mut self, id: UserId, entry: Option<EncodedEntry>, cause: Option<CloseReason>) {
        let index = id.0 as usize;
        let page = index / PAGE_IDS as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
            self.pages.resize(page + 1, None);
            self.buckets.resize(page + 1, Digest::default());
        }
        let entry = entry.map(|entry| Listed { hash: self.hasher.hash_encoded(&entry), entry });
        let gained = entry.as_ref().map(|listed| listed.hash);
        let lost = std::mem::replace(&mut self.slots[index], entry).map(|listed| listed.hash);
        self.pages[page] = None;
        self.current.version += 1;
        count_change(&mut self.current, lost, gained);
        lost.into_iter().for_each(|hash| self.buckets[page].remove(hash));
        gained.into_iter().for_each(|hash| self.buckets[page].add(hash));
        let version = self.current.version;
        let change = self.unpublished.entry(id);
        let change = change.or_insert(Unpublished { before: lost, after: gained, version, cause });
        (change.after, change.version, change.cause) = (gained, version, cause);
    }
}

fn slot(slots: &[Option<Listed>], id: UserId) -> Option<&EncodedEntry> {
    slots.get(id.0 as usize)?.as_ref().map(|listed| &listed.entry)
}

fn count_change(proof: &mut ViewProof, lost: Option<Digest>, gained: Option<Digest>) {
    if let Some(hash) = lost {
        proof.digest.remove(hash);
        proof.count -= 1;
    }
    if let Some(hash) = gained {
        proof.digest.add(hash);
        proof.count += 1;
    }
}

/// What an entry takes on the wire at most, in bytes.
#[must_use]
pub fn weight(entry: &Entry) -> usize {
    let Shown { presence, devices, metadata, .. } = &entry.shown;
    let devices: usize = devices.as_slice().iter().map(|label| 2 + label.as_str().len()).sum();
    let texts = entry.name.as_str().len() + presence.text.as_str().len();
    ENTRY_OVERHEAD + texts + devices + metadata.encoded_len()
}

/// Spreads ids: Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3, section 6.4). They are the server's
/// own, small and given out in turn, so nobody can make many fall together.
#[derive(Clone, Copy, Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write_u32(&mut self, id: u32) {
        self.0 = u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("an id is one number of 32 bits");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Hands out small ids, so that pages stay dense.
#[derive(Debug, Default)]
struct Ids {
    next: u32,
    free: Vec<u32>,
    /// Free, but watchers still know their last user.
    resting: Vec<u32>,
}

impl Ids {
    fn take(&mut self) -> UserId {
        let fresh = || {
            let id = self.next;
            self.next += 1;
            id
        };
        UserId(self.free.pop().unwrap_or_else(fresh))
    }

    fn give_back(&mut self, id: UserId) {
        self.resting.push(id.0);
    }

    /// Every leave has been published.
    fn release(&mut self) {
        self.free.append(&mut self.resting);
    }
}
