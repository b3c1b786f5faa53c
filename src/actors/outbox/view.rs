//! Where one view stands at the end of an outbox, and what it needs next.

use herenow_protocol::{UserId, ViewId, ViewProof};

use crate::registry::Wish;

#[derive(Debug)]
pub(super) struct OpenView {
    pub(super) id: ViewId,
    pub(super) state: ViewState,
    /// What the client asked for to repair its copy.
    pub(super) repair: Option<Repair>,
    /// What was asked for and is not here yet.
    pub(super) asked: Option<Wish>,
}

/// What is still to be sent for a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// The digests from this bucket on.
    Buckets(u32),
    /// These ranges, then the end of the snapshot.
    Ranges(Vec<(UserId, UserId)>),
}

/// Where a view stands at the end of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ViewState {
    /// It needs what came after this version, or a snapshot from the first page on; deltas are dropped.
    Behind { version: Option<u64> },
    /// Pages before `next` are on their way; deltas follow them.
    Paging { next: u32, proof: ViewProof },
    /// It has every delta up to here.
    Live { proof: ViewProof },
}

impl OpenView {
    /// What it needs next.
    pub(super) fn wish(&self) -> Option<Wish> {
        match (&self.state, &self.repair) {
            (ViewState::Behind { version: Some(version) }, _) => Some(Wish::Since(*version)),
            (ViewState::Behind { version: None }, _) => Some(Wish::Pages(0)),
            (ViewState::Paging { next, .. }, _) => Some(Wish::Pages(*next)),
            (ViewState::Live { .. }, Some(Repair::Buckets(from))) => Some(Wish::Buckets(*from)),
            (ViewState::Live { .. }, Some(Repair::Ranges(ranges))) => {
                Some(Wish::Ranges(ranges.clone()))
            }
            (ViewState::Live { .. }, None) => None,
        }
    }

    pub(super) fn has_wish(&self) -> bool {
        self.asked.is_none()
            && (self.repair.is_some() || !matches!(self.state, ViewState::Live { .. }))
    }

    /// Its deltas are dropped from here on. A copy that was whole up to here lacks only what comes.
    pub(super) fn fall_behind(&mut self) {
        let version = match self.state {
            ViewState::Live { proof } if self.repair.is_none() => Some(proof.version),
            ViewState::Behind { version } => version,
            ViewState::Live { .. } | ViewState::Paging { .. } => None,
        };
        (self.state, self.repair) = (ViewState::Behind { version }, None);
    }

    /// Takes an answer to what was asked for. Returns whether the view still needs that: it may have fallen behind, or
    /// another repair may have been asked for. Answers to a view of this number that was closed are passed over.
    pub(super) fn takes(&mut self, answers: impl FnOnce(&Wish) -> bool) -> bool {
        let asked = self.asked.take_if(|asked| answers(asked));
        asked.is_some() && asked == self.wish()
    }

    /// Whether a part of a repair that was taken at this version is right beside the deltas before it.
    pub(super) fn is_live_at(&self, proof: ViewProof) -> bool {
        self.state == ViewState::Live { proof }
    }
}
