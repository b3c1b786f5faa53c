//! What a copy of an older version lacks: each user's newest state, whatever came in between.

use std::collections::{HashMap, VecDeque};

use herenow_protocol::{EncodedEntry, UserId, ViewId, ViewProof};

use super::delta::{DeltaBuilder, Order};
use super::{Missed, PublishedDelta, Unpublished};

/// What a remembered change takes in memory, in bytes.
const CHANGE_BYTES: usize = size_of::<(UserId, Unpublished)>();

/// What was published last: which ids changed, and what they were before. Their states are in the list itself.
#[derive(Debug)]
pub(super) struct Log {
    steps: VecDeque<Step>,
    bytes: usize,
    bytes_max: usize,
}

/// The changes of one published delta.
#[derive(Debug)]
struct Step {
    /// What a copy was like before it.
    before: ViewProof,
    changes: Vec<(UserId, Unpublished)>,
}

impl Log {
    /// Nothing yet, and never more than about `bytes_max`.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { steps: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Remembers a step that was just published, and forgets the oldest beyond the bound.
    pub(super) fn push(&mut self, before: ViewProof, changes: Vec<(UserId, Unpublished)>) {
        let step = Step { before, changes };
        self.bytes += step.bytes();
        self.steps.push_back(step);
        while self.bytes > self.bytes_max
            && let Some(step) = self.steps.pop_front()
        {
            self.bytes -= step.bytes();
        }
    }

    /// What a copy of this version was like, and which ids have changed since, in the order of their newest change. None
    /// if that is not remembered, or if no step began there.
    fn since(&self, version: u64) -> Option<(ViewProof, Vec<(UserId, Unpublished)>)> {
        let at = self.steps.binary_search_by_key(&version, |step| step.before.version).ok()?;
        let mut merged: HashMap<UserId, Unpublished> = HashMap::new();
        for (id, change) in self.steps.range(at..).flat_map(|step| &step.changes) {
            merged.entry(*id).and_modify(|known| known.follow(*change)).or_insert(*change);
        }
        let mut changed: Vec<_> = merged.into_iter().collect();
        changed.sort_unstable_by_key(|(_, change)| change.version);
        Some((self.steps[at].before, changed))
    }

    /// One delta from this version to the `published` one. None if that is not remembered or does not fit one frame:
    /// between two frames the copy would have a version that the list never had, and could not be gone on with there.
    pub(super) fn missed<'a>(
        &self,
        view: ViewId,
        version: u64,
        published: ViewProof,
        state: impl Fn(UserId) -> Option<&'a EncodedEntry>,
    ) -> Option<PublishedDelta> {
        let (before, changed) = self.since(version)?;
        let mut delta = DeltaBuilder::new(view, before, Order::LeavesFirst);
        for (id, change) in changed {
            let after = state(id);
            if !delta.has_room_for(after) {
                return None;
            }
            delta.add(id, &change, after);
        }
        delta.proof.version = published.version;
        let delta = delta.finish();
        debug_assert_eq!(delta.proof, published);
        Some(delta)
    }
}

impl Step {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.changes.len() * CHANGE_BYTES
    }
}

impl Unpublished {
    /// A later change of the same id. Whoever was there at first left for the first reason, even if the id has been given
    /// to others since.
    fn follow(&mut self, later: Self) {
        (self.after, self.version) = (later.after, later.version);
        self.cause = self.cause.or(later.cause);
    }
}

impl Missed {
    /// Nothing was missed, or what this delta says.
    pub(super) fn of(view: ViewId, published: ViewProof, delta: Option<PublishedDelta>) -> Self {
        let from = delta.as_ref().map_or(published.version, |delta| delta.from);
        let frames = delta.into_iter().map(|delta| delta.frame).collect();
        Self { view, from, proof: published, frames }
    }
}
