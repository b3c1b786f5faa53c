//! What must happen at a time: a heap of instants, whose entries are checked when they come up rather than taken out
//! when they become void.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use herenow_protocol::{DisplayName, SessionId};

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A session without a connection may have stopped counting.
    Grace(SessionId),
    /// A session without a connection may have waited long enough.
    Resume(SessionId),
    /// A text may have expired.
    Text(DisplayName),
    /// A user without sessions may be forgotten.
    Forget(DisplayName),
}

/// Everything that is due some time.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, Due)>>,
}

impl Deadlines {
    pub(super) fn add(&mut self, at: Instant, due: Due) {
        self.heap.push(Reverse((at, due)));
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Something that is due by now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Due> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse((_, due))| due)
    }
}
