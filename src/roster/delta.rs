//! One delta under construction.

use herenow_protocol::limits::SERVER_FRAME_BYTES_MAX;
use herenow_protocol::{Change, ServerMessage, UserId, ViewId, ViewProof};

use super::{
    ENTRY_OVERHEAD, FRAME_OVERHEAD, PublishedDelta, Slot, Unpublished, count_change, weight,
};

/// Collects changes for one delta and keeps track of what a view is like after them.
pub(super) struct DeltaBuilder {
    view: ViewId,
    from: u64,
    pub(super) proof: ViewProof,
    changes: Vec<Change>,
    bytes: usize,
}

impl DeltaBuilder {
    pub(super) fn new(view: ViewId, before: ViewProof) -> Self {
        Self {
            view,
            from: before.version,
            proof: before,
            changes: Vec::new(),
            bytes: FRAME_OVERHEAD,
        }
    }

    /// Whether a change that leaves this behind still fits the frame, and the leave of somebody else before it.
    pub(super) fn has_room_for(&self, after: Option<&Slot>) -> bool {
        let weight = after.map_or(0, |slot| weight(&slot.entry));
        self.bytes + ENTRY_OVERHEAD + weight <= SERVER_FRAME_BYTES_MAX
    }

    pub(super) fn add(&mut self, id: UserId, unpublished: &Unpublished, after: Option<&Slot>) {
        self.proof.version = unpublished.version;
        count_change(&mut self.proof, unpublished.before, after.map(|slot| slot.hash));
        match (unpublished.before, after) {
            (None, None) => {}
            // Who changed and changed back is as watchers know them.
            (Some(before), Some(slot)) if before == slot.hash => {}
            (None, Some(slot)) => {
                self.push(Change::Joined(slot.entry.clone()), weight(&slot.entry))
            }
            (Some(_), Some(slot)) => match unpublished.cause {
                None => {
                    let shown = slot.entry.shown.clone();
                    self.push(Change::Updated { id, shown }, weight(&slot.entry));
                }
                // The id has been given to somebody else.
                Some(cause) => {
                    self.push(Change::Left { id, cause }, ENTRY_OVERHEAD);
                    self.push(Change::Joined(slot.entry.clone()), weight(&slot.entry));
                }
            },
            (Some(_), None) => {
                let cause = unpublished.cause.expect("a leave records its cause");
                self.push(Change::Left { id, cause }, ENTRY_OVERHEAD);
            }
        }
    }

    fn push(&mut self, change: Change, bytes: usize) {
        self.bytes += bytes;
        self.changes.push(change);
    }

    /// Puts the leaves before everything else: whoever left and came back under another id is here at the end also for
    /// those who go by names.
    pub(super) fn leaves_first(&mut self) {
        self.changes.sort_by_key(|change| !matches!(change, Change::Left { .. }));
    }

    pub(super) fn finish(self) -> PublishedDelta {
        let Self { view, from, proof, changes, .. } = self;
        let frame = ServerMessage::Delta { view, from, proof, changes }.encode();
        PublishedDelta { view, from, proof, frame }
    }
}
