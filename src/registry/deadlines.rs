//! What must happen at a time: instants, whose entries are checked when they come up rather than taken out when they
//! become void.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;

use herenow_protocol::{DisplayName, SessionId};

use super::sessions::SessionAt;

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A session without a connection may have stopped counting.
    Grace(SessionId, SessionAt),
    /// A session without a connection may have waited long enough.
    Resume(SessionId, SessionAt),
    /// A text may have expired.
    Text(DisplayName),
    /// A user without sessions may be forgotten.
    Forget(DisplayName),
}

/// Everything that is due some time. What is due at the same instant comes up in the order of [`Due`].
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, Due)>>,
    /// Users to be forgotten, ascending. All wait for the same time, so they mostly come up in the order in which they were
    /// added, and among themselves no order matters. A heap of a million would be sifted through twenty levels for each.
    forgotten: VecDeque<(Instant, DisplayName)>,
}

impl Deadlines {
    pub(super) fn add(&mut self, at: Instant, due: Due) {
        let in_turn = self.forgotten.back().is_none_or(|(last, _)| *last <= at);
        match due {
            Due::Forget(name) if in_turn => self.forgotten.push_back((at, name)),
            due => self.heap.push(Reverse((at, due))),
        }
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.in_heap().into_iter().chain(self.forgotten_next()).min()
    }

    /// Something that is due by now, the earliest first.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Due> {
        let next = self.next().filter(|at| *at <= now)?;
        if self.in_heap() == Some(next) {
            return self.heap.pop().map(|Reverse((_, due))| due);
        }
        let name = self.forgotten.pop_front().map(|(_, name)| name);
        // A rush leaves no memory behind.
        if self.forgotten.is_empty() {
            self.forgotten = VecDeque::new();
        }
        name.map(Due::Forget)
    }

    fn in_heap(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    fn forgotten_next(&self) -> Option<Instant> {
        self.forgotten.front().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everything_comes_up_once_and_in_time_and_in_order(
            added in proptest::collection::vec((0..4_u8, 0..50_u64), 0..60),
        ) {
            #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
            let start = Instant::now();
            let mut deadlines = Deadlines::default();
            for (n, (kind, ms)) in added.iter().enumerate() {
                let name = DisplayName::new(&format!("user {n}")).expect("valid");
                let (at, id) = (SessionAt::default(), SessionId(n as u64));
                let due = match kind {
                    0 => Due::Grace(id, at),
                    1 => Due::Resume(id, at),
                    2 => Due::Text(name),
                    _ => Due::Forget(name),
                };
                deadlines.add(start + Duration::from_millis(*ms), due);
            }
            let (mut taken, mut due_ms) = (0, Vec::new());
            for ms in (0..60).step_by(7) {
                let now = start + Duration::from_millis(ms);
                while let Some(at) = deadlines.next().filter(|at| *at <= now) {
                    prop_assert!(deadlines.pop(now).is_some());
                    due_ms.push((at - start).as_millis() as u64);
                    taken += 1;
                }
                prop_assert!(deadlines.pop(now).is_none());
                prop_assert_eq!(taken, added.iter().filter(|(_, at)| *at <= ms).count());
            }
            prop_assert!(due_ms.is_sorted());
        }
    }
}
