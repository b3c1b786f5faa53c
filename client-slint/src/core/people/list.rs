//! One ordered list of people, by their slots, and how it follows what they do.

use std::cmp::Ordering;

use super::book::Book;
use super::{Group, Sort, rank};

/// People in order.
#[derive(Debug)]
pub(super) struct List {
    pub(super) group: Group,
    pub(super) slots: Vec<u32>,
}

/// Slots, one bit for each.
#[derive(Debug, Default)]
pub(super) struct Bits(Vec<u64>);

/// Where people went out of a list, as it was before, and where they came into it, as it is after. Both ascend.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) removed: Vec<usize>,
    pub(super) added: Vec<usize>,
}

impl List {
    pub(super) fn new(group: Group, slots: Vec<u32>) -> Self {
        Self { group, slots }
    }

    /// Where somebody stands whose status and name are those with which they were put in.
    pub(super) fn find(&self, book: &Book, sort: Sort, slot: u32) -> Result<usize, usize> {
        self.slots.binary_search_by(|&other| compare(book, sort, other, slot))
    }

    /// Takes those in `moved` out and puts `incoming` in, which are in order.
    pub(super) fn merge(
        &mut self,
        book: &Book,
        sort: Sort,
        moved: &Bits,
        incoming: &[u32],
    ) -> Merged {
        let mut merged = Merged::default();
        let mut at = 0;
        self.slots.retain(|&slot| {
            let goes = moved.contains(slot);
            if goes {
                merged.removed.push(at);
            }
            at += 1;
            !goes
        });
        if incoming.is_empty() {
            return merged;
        }
        let mut rest = self.slots.as_slice();
        let mut slots = Vec::with_capacity(self.slots.len() + incoming.len());
        for &slot in incoming {
            let before = rest.partition_point(|&other| compare(book, sort, other, slot).is_lt());
            slots.extend_from_slice(&rest[..before]);
            rest = &rest[before..];
            merged.added.push(slots.len());
            slots.push(slot);
        }
        slots.extend_from_slice(rest);
        self.slots = slots;
        merged
    }
}

impl Bits {
    pub(super) fn for_slots(slots: u32) -> Self {
        Self(vec![0; (slots as usize).div_ceil(64)])
    }

    pub(super) fn insert(&mut self, slot: u32) {
        self.0[slot as usize / 64] |= 1 << (slot % 64);
    }

    pub(super) fn contains(&self, slot: u32) -> bool {
        self.0.get(slot as usize / 64).is_some_and(|bits| bits >> (slot % 64) & 1 == 1)
    }
}

/// Who comes first.
pub(super) fn compare(book: &Book, sort: Sort, a: u32, b: u32) -> Ordering {
    let by_status = match sort {
        Sort::Status => rank(book.person(a).status()).cmp(&rank(book.person(b).status())),
        Sort::Name => Ordering::Equal,
    };
    by_status.then_with(|| book.compare_names(a, b))
}

/// Everybody in the book by name.
pub(super) fn by_name(book: &Book) -> Vec<u32> {
    let filled = (0..book.slots()).filter(|&slot| book.is_filled(slot));
    let mut keyed: Vec<(u64, u32)> = filled.map(|slot| (book.first_letters(slot), slot)).collect();
    keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| book.compare_names(a.1, b.1)));
    keyed.into_iter().map(|(_, slot)| slot).collect()
}

/// The same people, by status first. Those of one status keep their order.
pub(super) fn by_status(book: &Book, slots: &[u32]) -> Vec<u32> {
    let mut ranked: [Vec<u32>; 4] = Default::default();
    for &slot in slots {
        ranked[rank(book.person(slot).status())].push(slot);
    }
    ranked.concat()
}
