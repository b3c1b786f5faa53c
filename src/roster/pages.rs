//! The published list as frames: whole snapshots, the digests of buckets, and the ranges that a repair asks for.

use bytes::Bytes;
use herenow_protocol::limits::SERVER_FRAME_BYTES_MAX;
use herenow_protocol::{Digest, ServerMessage, UserId, ViewId, ViewProof, page_frame};

use super::{FRAME_OVERHEAD, Listed, PAGE_IDS, Roster};

/// Digests in one frame.
const DIGESTS_PER_FRAME: usize = (SERVER_FRAME_BYTES_MAX - FRAME_OVERHEAD) / 16;

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

/// The digests of some buckets of the published list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketBatch {
    /// The view that they are of.
    pub view: ViewId,
    /// The bucket that follows, `None` if these were the last.
    pub next: Option<u32>,
    /// The version of the list that they were taken from.
    pub proof: ViewProof,
    /// The encoded digests.
    pub frame: Bytes,
}

/// The entries in some ranges of the published list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeBatch {
    /// The view that they are of.
    pub view: ViewId,
    /// The ranges that did not fit into this batch.
    pub rest: Vec<(UserId, UserId)>,
    /// The version of the list that they were taken from.
    pub proof: ViewProof,
    /// The encoded pages.
    pub frames: Vec<Bytes>,
}

impl Roster {
    /// Pages of the list from page number `from` on, about `bytes` of them and at least one.
    ///
    /// # Panics
    /// If there is something unpublished: a page would be ahead of the deltas.
    pub fn pages(&mut self, from: u32, bytes: usize) -> PageBatch {
        let count = self.page_count();
        let (mut frames, mut taken, mut page) = (Vec::new(), 0, from);
        while page < count && taken < bytes {
            taken += self.take_page(page, &mut frames);
            page += 1;
        }
        let next = (page < count).then_some(page);
        if next.is_none() {
            frames.push(self.nobody_from(count));
        }
        PageBatch { view: self.view, from, next, proof: self.published, frames }
    }

    /// The digests of the buckets from number `from` on, one frame of them.
    ///
    /// # Panics
    /// As [`Self::pages`].
    #[must_use]
    pub fn buckets(&self, from: u32) -> BucketBatch {
        let count = self.page_count();
        let first = from.min(count);
        let most = u32::try_from(DIGESTS_PER_FRAME).expect("a frame is small");
        let end = count.min(first + most);
        let digests = self.buckets[first as usize..end as usize].to_vec();
        let next = (end < count).then_some(end);
        let message = ServerMessage::Buckets {
            view: self.view,
            first,
            width: PAGE_IDS,
            digests,
            more: next.is_some(),
        };
        BucketBatch { view: self.view, next, proof: self.published, frame: message.encode() }
    }

    /// The pages that cover these ranges, about `bytes` of them and at least one.
    ///
    /// # Panics
    /// As [`Self::pages`].
    pub fn ranges(&mut self, mut ranges: Vec<(UserId, UserId)>, bytes: usize) -> RangeBatch {
        let count = self.page_count();
        let (mut frames, mut taken) = (Vec::new(), 0);
        ranges.reverse();
        while taken < bytes
            && let Some((first, last)) = ranges.pop()
        {
            let (page, end) = (first.0 / PAGE_IDS, last.0 / PAGE_IDS);
            match page < count {
                true => taken += self.take_page(page, &mut frames),
                false => frames.push(self.nobody_from(count)),
            }
            if page < end && page < count {
                ranges.push((UserId((page + 1) * PAGE_IDS), last));
            }
        }
        ranges.reverse();
        RangeBatch { view: self.view, rest: ranges, proof: self.published, frames }
    }

    fn page_count(&self) -> u32 {
        assert!(!self.is_dirty(), "pages are taken from the published list");
        u32::try_from(self.pages.len()).expect("ids are 32 bits, so their pages are fewer")
    }

    /// Appends the frames of one page. Returns their bytes.
    fn take_page(&mut self, page: u32, frames: &mut Vec<Bytes>) -> usize {
        let Self { view, slots, pages, .. } = self;
        let cached = pages[page as usize].get_or_insert_with(|| {
            let first = page * PAGE_IDS;
            let end = slots.len().min((first + PAGE_IDS) as usize);
            encode_page(*view, first, first + (PAGE_IDS - 1), &slots[first as usize..end])
        });
        frames.extend_from_slice(cached);
        cached.iter().map(Bytes::len).sum()
    }

    /// The page that says: from here on there is nobody.
    fn nobody_from(&self, page: u32) -> Bytes {
        page_frame(self.view, UserId(page * PAGE_IDS), UserId(u32::MAX), std::iter::empty())
    }

    /// The sum of one bucket, for tests of the repair.
    #[must_use]
    pub fn bucket(&self, page: u32) -> Digest {
        self.buckets.get(page as usize).copied().unwrap_or_default()
    }
}

/// Encodes the entries of one range of ids, as several frames where one cannot hold them.
fn encode_page(view: ViewId, first: u32, last: u32, slots: &[Option<Listed>]) -> Vec<Bytes> {
    let (mut frames, mut entries) = (Vec::new(), Vec::new());
    let (mut first, mut bytes) = (UserId(first), FRAME_OVERHEAD);
    for (slot, id) in slots.iter().zip(first.0..) {
        let Some(Listed { entry, .. }) = slot else { continue };
        if bytes + entry.as_bytes().len() > SERVER_FRAME_BYTES_MAX {
            frames.push(page_frame(view, first, UserId(id - 1), entries.drain(..)));
            (first, bytes) = (UserId(id), FRAME_OVERHEAD);
        }
        bytes += entry.as_bytes().len();
        entries.push(entry);
    }
    frames.push(page_frame(view, first, UserId(last), entries.into_iter()));
    frames
}
