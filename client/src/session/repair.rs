//! Mending a copy that was found wrong: which buckets differ, then the entries of those.

use std::collections::VecDeque;
use std::time::Instant;

use herenow_protocol::limits::REPAIR_RANGES_MAX;
use herenow_protocol::{Digest, UserId};

use crate::View;

/// A range of ids, both ends included.
pub(super) type Range = (UserId, UserId);

/// A repair under way.
#[derive(Debug)]
pub(super) struct Repair {
    /// When it has taken too long.
    pub(super) until: Instant,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The buckets were asked for.
    Compare(Comparison),
    /// Pages were asked for. These ranges were not yet.
    Pages { left: VecDeque<Range> },
    /// The buckets agree, so the whole must agree at the next proof.
    AwaitProof,
}

/// How far the buckets were compared.
#[derive(Debug, Default)]
struct Comparison {
    /// The first id that no bucket had yet.
    next: u64,
    buckets: usize,
    wrong_buckets: usize,
    wrong: Vec<Range>,
}

/// How a repair goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It waits for what was asked for.
    Wait,
    /// Ask for the entries in these ranges, up to [`REPAIR_RANGES_MAX`].
    Ask(Vec<Range>),
    /// A new snapshot is cheaper, or nothing else is left to be tried.
    WatchAnew,
}

impl Repair {
    /// The buckets were asked for.
    pub(super) fn begun(until: Instant) -> Self {
        Self { until, step: Step::Compare(Comparison::default()) }
    }

    /// What some buckets must add up to; `more` follow in another message.
    pub(super) fn buckets(
        &mut self,
        first: u32,
        width: u32,
        digests: &[Digest],
        more: bool,
        view: &mut View,
    ) -> Next {
        let Step::Compare(comparison) = &mut self.step else { return Next::Wait };
        let begin = u64::from(first) * u64::from(width);
        if first == 0 {
            *comparison = Comparison::default();
        } else if begin != comparison.next {
            // They belong to a repair that was given up; those of this one follow.
            return Next::Wait;
        }
        comparison.buckets += digests.len();
        comparison.wrong_buckets += view.compare(first, width, digests, &mut comparison.wrong);
        comparison.next = begin + u64::from(width) * digests.len() as u64;
        if more {
            return Next::Wait;
        }
        self.compared(view)
    }

    /// A `SnapshotEnd` came, and the copy as a whole did not prove itself.
    pub(super) fn pages_ended(&mut self) -> Next {
        match &mut self.step {
            Step::Pages { left } if !left.is_empty() => Next::Ask(batch(left)),
            // A whole new snapshot, or all ranges, were not enough.
            _ => Next::WatchAnew,
        }
    }

    /// A delta or an ack came, and the copy did not prove itself.
    pub(super) fn still_wrong(&self) -> Next {
        match self.step {
            Step::AwaitProof => Next::WatchAnew,
            Step::Compare(_) | Step::Pages { .. } => Next::Wait,
        }
    }

    fn compared(&mut self, view: &mut View) -> Next {
        let Step::Compare(comparison) = &mut self.step else { return Next::Wait };
        let Comparison { next, buckets, wrong_buckets, wrong } = std::mem::take(comparison);
        if let Ok(beyond) = u32::try_from(next) {
            view.cut(UserId(beyond));
        }
        if wrong_buckets * 2 > buckets {
            return Next::WatchAnew;
        }
        if wrong.is_empty() {
            self.step = Step::AwaitProof;
            return Next::Wait;
        }
        let mut left = VecDeque::from(wrong);
        let first = batch(&mut left);
        self.step = Step::Pages { left };
        Next::Ask(first)
    }
}

fn batch(left: &mut VecDeque<Range>) -> Vec<Range> {
    left.drain(..left.len().min(REPAIR_RANGES_MAX)).collect()
}
