//! A client's copy of a list, kept by what the registry sends and nothing else.

use std::collections::BTreeMap;

use bytes::Bytes;
use herenow::roster::{Missed, PageBatch, PublishedDelta};
use herenow_protocol::digest::EntryHasher;
use herenow_protocol::frame::split_body;
use herenow_protocol::limits::SERVER_FRAME_BYTES_MAX;
use herenow_protocol::{
    Change, CloseReason, Digest, Entry, Epoch, ServerMessage, UserId, ViewId, ViewProof,
};

use super::step::EPOCH;

/// A copy of one list.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) id: ViewId,
    pub(crate) version: u64,
    pub(crate) entries: BTreeMap<UserId, Entry>,
    /// What was asked for; until it is here nothing else is of use.
    pub(crate) waits_for: Option<Awaited>,
}

/// What a copy may wait for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Awaited {
    /// The whole list.
    Pages,
    /// What came after the version of the copy.
    News,
}

/// Who came and who went, with the cause.
pub(crate) type News = Vec<(Entry, Option<CloseReason>)>;

impl Copy {
    /// An empty copy that waits for its pages.
    pub(crate) fn new(id: ViewId) -> Self {
        Self { id, version: 0, entries: BTreeMap::new(), waits_for: Some(Awaited::Pages) }
    }

    /// A step of the list.
    pub(crate) fn delta(&mut self, delta: &PublishedDelta, news: &mut News) {
        if self.waits_for.is_none() {
            self.apply(&delta.frame, news);
            assert_eq!(self.version, delta.proof.version);
        }
    }

    /// The whole list.
    pub(crate) fn pages(&mut self, batch: &PageBatch) {
        assert_eq!((batch.from, batch.next), (0, None), "these lists are short");
        let mut next = Some(UserId(0));
        self.entries.clear();
        for frame in &batch.frames {
            let ServerMessage::SnapshotPage { view, first, last, entries } = decode(frame) else {
                panic!("a page is a page")
            };
            assert_eq!((view, Some(first)), (self.id, next), "the pages cover all ids");
            next = last.0.checked_add(1).map(UserId);
            self.entries.extend(entries.into_iter().map(|entry| (entry.id, entry)));
        }
        assert_eq!(next, None, "the pages cover all ids");
        (self.version, self.waits_for) = (batch.proof.version, None);
        self.check(&batch.proof);
    }

    /// The steps since the connection was lost. Whoever asked for pages meanwhile does not want them any more.
    pub(crate) fn missed(&mut self, missed: &Missed) {
        if self.waits_for != Some(Awaited::News) {
            return;
        }
        assert_eq!(self.version, missed.from, "the news begin where the copy ends");
        missed.frames.iter().for_each(|frame| self.apply(frame, &mut Vec::new()));
        self.waits_for = None;
        self.check(&missed.proof);
    }

    fn apply(&mut self, frame: &Bytes, news: &mut News) {
        let ServerMessage::Delta { view, from, proof, changes } = decode(frame) else {
            panic!("a delta is a delta")
        };
        assert_eq!((view, from), (self.id, self.version), "a step follows the one before");
        for change in changes {
            match change {
                Change::Joined(entry) => {
                    news.push((entry.clone(), None));
                    self.entries.insert(entry.id, entry);
                }
                Change::Updated { id, shown } => {
                    self.entries.get_mut(&id).expect("who changes is there").shown = shown;
                }
                Change::Left { id, cause } => {
                    let entry = self.entries.remove(&id).expect("who leaves is there");
                    news.push((entry, Some(cause)));
                }
            }
        }
        self.version = proof.version;
        self.check(&proof);
    }

    /// Version, count and digest, added up anew.
    fn check(&self, proof: &ViewProof) {
        let hasher = EntryHasher::new(Epoch([EPOCH; 16]));
        let mut digest = Digest::default();
        self.entries.values().for_each(|entry| digest.add(hasher.hash(entry)));
        let count = u32::try_from(self.entries.len()).expect("few");
        assert_eq!(*proof, ViewProof { version: self.version, count, digest });
    }
}

fn decode(frame: &Bytes) -> ServerMessage {
    let mut bytes = &frame[..];
    let body = split_body(&mut bytes, SERVER_FRAME_BYTES_MAX);
    let body = body.expect("a frame has its length").expect("a frame is whole");
    assert!(bytes.is_empty(), "one frame at a time");
    ServerMessage::decode(body).expect("the server's own messages are valid").expect("and known")
}
