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

    /// Whether a change that leaves this behind still fits the frame.
    pub(super) fn has_room_for(&self, after: Option<&Slot>) -> bool {
        self.bytes + change_weight(after) <= SERVER_FRAME_BYTES_MAX
    }

    pub(super) fn add(&mut self, id: UserId, unpublished: &Unpublished, after: Option<&Slot>) {
        self.proof.version = unpublished.version;
        count_change(&mut self.proof, unpublished.before, after.map(|slot| slot.hash));
        let change = match (unpublished.before, after) {
            (None, None) => return,
            // Who changed and changed back is as watchers know them.
            (Some(before), Some(slot)) if before == slot.hash => return,
            (None, Some(slot)) => Change::Joined(slot.entry.clone()),
            (Some(_), Some(slot)) => Change::Updated { id, shown: slot.entry.shown.clone() },
            (Some(_), None) => {
                let cause = unpublished.cause.expect("a leave records its cause");
                Change::Left { id, cause }
            }
        };
        self.bytes += change_weight(after);
        self.changes.push(change);
    }

    pub(super) fn finish(self) -> PublishedDelta {
        let Self { view, from, proof, changes, .. } = self;
        let frame = ServerMessage::Delta { view, from, proof, changes }.encode();
        PublishedDelta { view, from, proof, frame }
    }
}

fn change_weight(after: Option<&Slot>) -> usize {
    after.map_or(ENTRY_OVERHEAD, |slot| weight(&slot.entry))
}
