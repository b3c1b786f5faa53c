//! Who is present in one room, and what watchers must be told about it.
//!
//! Pure: no sockets, no actors, no clock; callers pass times in. Version, count and digest change in
//! the same step as the list. [`Roster::publish`] turns all changes since the last call into deltas
//! in which the newest state of a user wins; [`Roster::pages`] serves the published list as frames
//! that are encoded once and shared until an entry in them changes.

use std::collections::HashMap;

use bytes::Bytes;
use herenow_protocol::digest::EntryHasher;
use herenow_protocol::limits::SERVER_FRAME_BYTES_MAX;
use herenow_protocol::{
    Change, CloseReason, Digest, Entry, Epoch, Presence, ServerMessage, UserId, ViewId, ViewProof,
};

#[cfg(test)]
mod tests;

/// Ids covered by one page. Common entries of 30 bytes make pages of 4 KiB, small enough to be
/// encoded again after a change, large enough that 10,000 users need only 79 of them.
pub const PAGE_IDS: u32 = 128;

/// What a frame spends around its entries or changes, in bytes, rounded up.
const FRAME_OVERHEAD: usize = 64;

/// What an entry or a change takes besides its name and text, in bytes, rounded up.
const ENTRY_OVERHEAD: usize = 32;

/// The listed users of one room.
#[derive(Debug)]
pub struct Roster {
    view: ViewId,
    hasher: EntryHasher,
    slots: Vec<Option<Slot>>,
    current: ViewProof,
    published: ViewProof,
    unpublished: HashMap<UserId, Unpublished>,
    pages: Vec<Option<Vec<Bytes>>>,
}

#[derive(Debug)]
struct Slot {
    entry: Entry,
    hash: Digest,
}

/// What watchers do not know yet about one id.
#[derive(Debug)]
struct Unpublished {
    /// The entry's hash in the published list, `None` if it is not in there.
    before: Option<Digest>,
    /// The version of the newest change.
    version: u64,
    /// Why the user left, if the newest change is a leave.
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

/// Some pages of the published list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageBatch {
    /// The view that they are of.
    pub view: ViewId,
    /// The number of the first page in here.
    pub from: u32,
    /// The number of the page that follows, `None` if these were the last.
    pub next: Option<u32>,
    /// The version of the list that they were taken from.
    pub proof: ViewProof,
    /// The encoded pages.
    pub frames: Vec<Bytes>,
}

impl Roster {
    /// An empty room whose watchers know it as `view`.
    #[must_use]
    pub fn new(view: ViewId, epoch: Epoch) -> Self {
        Self {
            view,
            hasher: EntryHasher::new(epoch),
            slots: Vec::new(),
            current: ViewProof::default(),
            published: ViewProof::default(),
            unpublished: HashMap::new(),
            pages: Vec::new(),
        }
    }

    /// Lists a user.
    ///
    /// # Panics
    /// If the id is listed, or was until the last [`Self::publish`]: watchers would take the newcomer
    /// for whoever had it. Whoever hands out ids keeps to that.
    pub fn join(&mut self, entry: Entry) {
        let id = entry.id;
        assert!(self.get(id).is_none(), "user {id:?} is listed already");
        let known = self.unpublished.get(&id).is_some_and(|change| change.before.is_some());
        assert!(!known, "user {id:?} is still listed for watchers");
        self.replace(id, Some(entry), None);
    }

    /// Shows a listed user with another presence. Nothing happens if it is the same, or nobody.
    pub fn update(&mut self, id: UserId, presence: Presence, since_ms: u64) {
        let Some(old) = self.get(id) else { return };
        if old.presence != presence {
            let entry = Entry { presence, since_ms, ..old.clone() };
            self.replace(id, Some(entry), None);
        }
    }

    /// Unlists a user. Returns the entry, `None` if there was none.
    pub fn leave(&mut self, id: UserId, cause: CloseReason) -> Option<Entry> {
        let entry = self.get(id)?.clone();
        self.replace(id, None, Some(cause));
        Some(entry)
    }

    /// The entry of a listed user.
    #[must_use]
    pub fn get(&self, id: UserId) -> Option<&Entry> {
        self.slots.get(id.0 as usize)?.as_ref().map(|slot| &slot.entry)
    }

    /// Every entry, ascending by id.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten().map(|slot| &slot.entry)
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

    /// Everything since the last call as deltas of consecutive versions, each within one frame.
    pub fn publish(&mut self) -> Vec<PublishedDelta> {
        let mut changed: Vec<_> = self.unpublished.drain().collect();
        changed.sort_unstable_by_key(|(_, change)| change.version);
        let mut deltas = Vec::new();
        let mut delta = DeltaBuilder::new(self.view, self.published);
        for (id, unpublished) in changed {
            let after = self.slots.get(id.0 as usize).and_then(Option::as_ref);
            if delta.bytes + after.map_or(0, |slot| weight(&slot.entry)) > SERVER_FRAME_BYTES_MAX {
                deltas.push(delta.finish());
                delta = DeltaBuilder::new(self.view, deltas[deltas.len() - 1].proof);
            }
            delta.add(id, &unpublished, after);
        }
        if self.is_dirty() {
            // Whoever came and went unseen still counts as a step.
            delta.proof.version = self.current.version;
            deltas.push(delta.finish());
        }
        self.published = self.current;
        debug_assert_eq!(deltas.last().map_or(self.current, |last| last.proof), self.current);
        deltas
    }

    /// Pages of the list from page number `from` on, about `bytes` of them and at least one.
    ///
    /// # Panics
    /// If there is something unpublished: a page would be ahead of the deltas.
    pub fn pages(&mut self, from: u32, bytes: usize) -> PageBatch {
        assert!(!self.is_dirty(), "pages are taken from the published list");
        let count = u32::try_from(self.slots.len().div_ceil(PAGE_IDS as usize))
            .expect("ids are 32 bits, so their pages are fewer");
        let (mut frames, mut taken, mut page) = (Vec::new(), 0, from);
        while page < count && taken < bytes {
            let cached = self.page(page);
            taken += cached.iter().map(Bytes::len).sum::<usize>();
            frames.extend_from_slice(cached);
            page += 1;
        }
        let next = (page < count).then_some(page);
        if next.is_none() {
            let first = UserId(count * PAGE_IDS);
            frames.push(page_frame(self.view, first, UserId(u32::MAX), Vec::new()));
        }
        PageBatch { view: self.view, from, next, proof: self.published, frames }
    }

    fn replace(&mut self, id: UserId, entry: Option<Entry>, cause: Option<CloseReason>) {
        let index = id.0 as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
            self.pages.resize(self.slots.len().div_ceil(PAGE_IDS as usize), None);
        }
        let slot = entry.map(|entry| Slot { hash: self.hasher.hash(&entry), entry });
        let gained = slot.as_ref().map(|slot| slot.hash);
        let lost = std::mem::replace(&mut self.slots[index], slot).map(|slot| slot.hash);
        self.pages[index / PAGE_IDS as usize] = None;
        self.current.version += 1;
        count_change(&mut self.current, lost, gained);
        let version = self.current.version;
        let change = self.unpublished.entry(id);
        let change = change.or_insert(Unpublished { before: lost, version, cause });
        (change.version, change.cause) = (version, cause);
    }

    fn page(&mut self, page: u32) -> &[Bytes] {
        let Self { view, slots, pages, .. } = self;
        pages[page as usize].get_or_insert_with(|| {
            let first = page * PAGE_IDS;
            let end = slots.len().min((first + PAGE_IDS) as usize);
            encode_page(*view, first, first + (PAGE_IDS - 1), &slots[first as usize..end])
        })
    }
}

/// Encodes the entries of one range of ids, as several frames where one cannot hold them.
fn encode_page(view: ViewId, first: u32, last: u32, slots: &[Option<Slot>]) -> Vec<Bytes> {
    let (mut frames, mut entries) = (Vec::new(), Vec::new());
    let (mut first, mut bytes) = (UserId(first), FRAME_OVERHEAD);
    for Slot { entry, .. } in slots.iter().flatten() {
        if bytes + weight(entry) > SERVER_FRAME_BYTES_MAX {
            let before = UserId(entry.id.0 - 1);
            frames.push(page_frame(view, first, before, std::mem::take(&mut entries)));
            (first, bytes) = (entry.id, FRAME_OVERHEAD);
        }
        bytes += weight(entry);
        entries.push(entry.clone());
    }
    frames.push(page_frame(view, first, UserId(last), entries));
    frames
}

fn page_frame(view: ViewId, first: UserId, last: UserId, entries: Vec<Entry>) -> Bytes {
    ServerMessage::SnapshotPage { view, first, last, entries }.encode()
}

/// What an entry takes on the wire at most, in bytes.
fn weight(entry: &Entry) -> usize {
    ENTRY_OVERHEAD + entry.name.as_str().len() + entry.presence.text.as_str().len()
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

/// Collects changes for one delta and keeps track of what a view is like after them.
struct DeltaBuilder {
    view: ViewId,
    from: u64,
    proof: ViewProof,
    changes: Vec<Change>,
    bytes: usize,
}

impl DeltaBuilder {
    fn new(view: ViewId, before: ViewProof) -> Self {
        Self {
            view,
            from: before.version,
            proof: before,
            changes: Vec::new(),
            bytes: FRAME_OVERHEAD,
        }
    }

    fn add(&mut self, id: UserId, unpublished: &Unpublished, after: Option<&Slot>) {
        self.proof.version = unpublished.version;
        count_change(&mut self.proof, unpublished.before, after.map(|slot| slot.hash));
        let change = match (unpublished.before, after) {
            (None, None) => return,
            (None, Some(slot)) => Change::Joined(slot.entry.clone()),
            (Some(_), Some(Slot { entry, .. })) => {
                let (presence, since_ms) = (entry.presence.clone(), entry.since_ms);
                Change::Updated { id, presence, since_ms }
            }
            (Some(_), None) => {
                let cause = unpublished.cause.expect("a leave records its cause");
                Change::Left { id, cause }
            }
        };
        self.bytes += after.map_or(ENTRY_OVERHEAD, |slot| weight(&slot.entry));
        self.changes.push(change);
    }

    fn finish(self) -> PublishedDelta {
        let Self { view, from, proof, changes, .. } = self;
        let frame = ServerMessage::Delta { view, from, proof, changes }.encode();
        PublishedDelta { view, from, proof, frame }
    }
}
