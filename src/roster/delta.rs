//! One delta under construction.

use herenow_protocol::limits::SERVER_FRAME_BYTES_MAX;
use herenow_protocol::{Changes, EncodedEntry, UserId, ViewId, ViewProof};

use super::{ENTRY_OVERHEAD, FRAME_OVERHEAD, PublishedDelta, Unpublished, count_change};

/// Collects changes for one delta and keeps track of what a view is like after them.
pub(super) struct DeltaBuilder {
    view: ViewId,
    from: u64,
    pub(super) proof: ViewProof,
    /// Leaves that go before everything else.
    leaves: Changes,
    changes: Changes,
    order: Order,
}

/// How the changes of a delta follow each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// As they happened.
    Happened,
    /// Leaves before everything else: whoever left and came back under another id is here at the end also for those who
    /// go by names.
    LeavesFirst,
}

impl DeltaBuilder {
    pub(super) fn new(view: ViewId, before: ViewProof, order: Order) -> Self {
        Self {
            view,
            from: before.version,
            proof: before,
            leaves: Changes::default(),
            changes: Changes::default(),
            order,
        }
    }

    /// Whether a change that leaves this behind still fits the frame, and the leave of somebody else before it.
    pub(super) fn has_room_for(&self, after: Option<&EncodedEntry>) -> bool {
        let weight = after.map_or(0, |entry| 2 + entry.as_bytes().len());
        let bytes = self.leaves.len() + self.changes.len();
        FRAME_OVERHEAD + bytes + ENTRY_OVERHEAD + weight <= SERVER_FRAME_BYTES_MAX
    }

    pub(super) fn add(
        &mut self,
        id: UserId,
        unpublished: &Unpublished,
        after: Option<&EncodedEntry>,
    ) {
        self.proof.version = unpublished.version;
        count_change(&mut self.proof, unpublished.before, unpublished.after);
        // Who changed and changed back is as watchers know them.
        if unpublished.before == unpublished.after {
            return;
        }
        // Whom watchers know under this id is gone if there is nobody, or if the id has been given to somebody else.
        let gone = unpublished.before.and(unpublished.cause);
        if let Some(cause) = gone {
            let leaves = match self.order {
                Order::Happened => &mut self.changes,
                Order::LeavesFirst => &mut self.leaves,
            };
            leaves.left(id, cause);
        }
        match after {
            Some(entry) if unpublished.before.is_none() || gone.is_some() => {
                self.changes.joined(entry);
            }
            Some(entry) => self.changes.updated(entry),
            None => debug_assert!(gone.is_some(), "a leave records its cause"),
        }
    }

    pub(super) fn finish(mut self) -> PublishedDelta {
        self.leaves.append(&self.changes);
        let Self { view, from, proof, leaves, .. } = self;
        PublishedDelta { view, from, proof, frame: leaves.frame(view, from, proof) }
    }
}
