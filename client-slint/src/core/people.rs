//! The people in the list: sorted by status, then name, and narrowed by a search.
//!
//! One change costs two binary searches and one move of 4-byte places, so a list of 100,000 follows
//! thousands of changes a second.

use std::cmp::Ordering;
use std::collections::HashMap;

use herenow_client::protocol::{DisplayName, Entry, Status, UserId};

/// Everybody but the signed-in user, in the order in which they are shown.
#[derive(Debug, Default)]
pub struct People {
    /// Where a person is stays the same while they are listed; holes are reused.
    slots: Vec<Option<Person>>,
    holes: Vec<u32>,
    by_id: HashMap<UserId, u32>,
    /// The slots of everybody, in order.
    order: Vec<u32>,
    /// The slots of those who match the search, in order; `None` without a search.
    matching: Option<Vec<u32>>,
    needle: String,
    hidden: Option<DisplayName>,
    counts: Counts,
}

#[derive(Debug)]
struct Person {
    entry: Entry,
    /// The name in lower case, for order and search.
    folded: Box<str>,
}

/// How many people show which status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Available, away, busy, and whoever shows none of these.
    pub by_status: [usize; 4],
}

/// A person as the network reports them.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The person is here, like this.
    Here(Entry),
    /// The person is no longer listed.
    Gone(UserId),
}

/// What one piece of news did to the shown list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A row is new at this place.
    Added(usize),
    /// The row at this place went away.
    Removed(usize),
    /// The row at this place looks different.
    Changed(usize),
    /// A row went from the one place to the other, counted without it.
    Moved {
        /// The place before.
        from: usize,
        /// The place after, once the row was taken out.
        to: usize,
    },
}

impl People {
    /// An empty list that never shows the person called `hidden`.
    #[must_use]
    pub fn without(hidden: DisplayName) -> Self {
        Self { hidden: Some(hidden), ..Self::default() }
    }

    /// Replaces everybody; the search stays.
    pub fn replace(&mut self, entries: Vec<Entry>) {
        self.slots.clear();
        self.holes.clear();
        self.by_id.clear();
        self.counts = Counts::default();
        for entry in entries {
            self.store(News::Here(entry));
        }
        self.sort();
    }

    /// Takes in one piece of news. `None` if the shown list stays as it is.
    pub fn apply(&mut self, news: News) -> Option<Change> {
        let id = match &news {
            News::Here(entry) => entry.id,
            News::Gone(id) => *id,
        };
        let before = self.by_id.get(&id).copied();
        let from = before.and_then(|slot| self.take_out(slot));
        let after = self.store(news);
        let to = after.and_then(|slot| self.put_in(slot));
        match (from, to) {
            (None, None) => None,
            (None, Some(to)) => Some(Change::Added(to)),
            (Some(from), None) => Some(Change::Removed(from)),
            (Some(from), Some(to)) if from == to => Some(Change::Changed(to)),
            (Some(from), Some(to)) => Some(Change::Moved { from, to }),
        }
    }

    /// Takes in much news at once: cheaper than one by one from some hundreds on.
    pub fn apply_all(&mut self, news: Vec<News>) {
        for one in news {
            self.store(one);
        }
        self.sort();
    }

    /// Shows only those whose name contains `text`, whatever the case; all of them if it is empty.
    pub fn search(&mut self, text: &str) {
        let needle = text.trim().to_lowercase();
        let narrower = !self.needle.is_empty() && needle.contains(&self.needle);
        self.needle = needle;
        match &mut self.matching {
            Some(matching) if narrower => {
                let (slots, needle) = (&self.slots, &self.needle);
                matching.retain(|&slot| person(slots, slot).folded.contains(needle.as_str()));
            }
            _ => self.filter(),
        }
    }

    /// The search in lower case; empty for none.
    #[must_use]
    pub fn needle(&self) -> &str {
        &self.needle
    }

    /// How many are shown.
    #[must_use]
    pub fn shown(&self) -> usize {
        self.visible().len()
    }

    /// Who is shown in this row.
    #[must_use]
    pub fn row(&self, row: usize) -> Option<&Entry> {
        self.visible().get(row).map(|&slot| &person(&self.slots, slot).entry)
    }

    /// In which row a person is shown.
    #[must_use]
    pub fn row_of(&self, id: UserId) -> Option<usize> {
        let slot = *self.by_id.get(&id)?;
        self.search_in(self.visible(), slot).ok()
    }

    /// How many there are, shown or not.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn visible(&self) -> &Vec<u32> {
        self.matching.as_ref().unwrap_or(&self.order)
    }

    /// Brings the slots up to date, not the order. Returns the person's slot if they are listed.
    fn store(&mut self, news: News) -> Option<u32> {
        match news {
            News::Gone(id) => {
                let slot = self.by_id.remove(&id)?;
                let gone = self.slots[slot as usize].take()?;
                self.count(gone.entry.shown.presence.status, |n| n - 1);
                self.holes.push(slot);
                None
            }
            News::Here(entry) if self.hidden.as_ref() == Some(&entry.name) => {
                self.store(News::Gone(entry.id))
            }
            News::Here(entry) => Some(self.fill(entry)),
        }
    }

    fn fill(&mut self, entry: Entry) -> u32 {
        let next = u32::try_from(self.slots.len()).expect("ids are 32 bits, so slots are");
        let slot = *self.by_id.entry(entry.id).or_insert_with(|| self.holes.pop().unwrap_or(next));
        if slot == next {
            self.slots.push(None);
        }
        self.count(entry.shown.presence.status, |n| n + 1);
        let folded = entry.name.as_str().to_lowercase().into();
        let old = self.slots[slot as usize].replace(Person { entry, folded });
        if let Some(old) = old {
            self.count(old.entry.shown.presence.status, |n| n - 1);
        }
        slot
    }

    fn count(&mut self, status: Status, change: impl Fn(usize) -> usize) {
        let count = &mut self.counts.by_status[rank(status)];
        *count = change(*count);
    }

    fn take_out(&mut self, slot: u32) -> Option<usize> {
        let at = self.search_in(&self.order, slot).expect("whoever has a slot is in the order");
        let shown_at = match &self.matching {
            Some(matching) => self.search_in(matching, slot).ok(),
            None => Some(at),
        };
        self.order.remove(at);
        if let (Some(matching), Some(at)) = (&mut self.matching, shown_at) {
            matching.remove(at);
        }
        shown_at
    }

    fn put_in(&mut self, slot: u32) -> Option<usize> {
        let at = self.search_in(&self.order, slot).unwrap_or_else(|at| at);
        self.order.insert(at, slot);
        let Some(matching) = &self.matching else { return Some(at) };
        if !person(&self.slots, slot).folded.contains(&self.needle) {
            return None;
        }
        let at = self.search_in(matching, slot).unwrap_or_else(|at| at);
        self.matching.as_mut()?.insert(at, slot);
        Some(at)
    }

    fn search_in(&self, order: &[u32], slot: u32) -> Result<usize, usize> {
        let wanted = person(&self.slots, slot);
        order.binary_search_by(|&other| compare(person(&self.slots, other), wanted))
    }

    fn sort(&mut self) {
        let slots = &self.slots;
        self.order.clear();
        self.order.extend(self.by_id.values());
        self.order.sort_unstable_by(|&a, &b| compare(person(slots, a), person(slots, b)));
        self.filter();
    }

    fn filter(&mut self) {
        let (slots, needle) = (&self.slots, &self.needle);
        let matches = |slot: &u32| person(slots, *slot).folded.contains(needle.as_str());
        self.matching =
            (!needle.is_empty()).then(|| self.order.iter().copied().filter(matches).collect());
    }
}

impl Counts {
    /// How many there are in all.
    #[must_use]
    pub fn all(self) -> usize {
        self.by_status.iter().sum()
    }

    /// How many show this status.
    #[must_use]
    pub fn of(self, status: Status) -> usize {
        self.by_status[rank(status)]
    }
}

fn person(slots: &[Option<Person>], slot: u32) -> &Person {
    slots[slot as usize].as_ref().expect("a slot in the order is filled")
}

fn compare(a: &Person, b: &Person) -> Ordering {
    let key = |p: &Person| (rank(p.entry.shown.presence.status), p.entry.id);
    let ((rank_a, id_a), (rank_b, id_b)) = (key(a), key(b));
    rank_a.cmp(&rank_b).then_with(|| a.folded.cmp(&b.folded)).then(id_a.cmp(&id_b))
}

/// Who can be spoken to comes first.
fn rank(status: Status) -> usize {
    match status {
        Status::Available => 0,
        Status::Away => 1,
        Status::Busy => 2,
        // Nobody in a room is shown so.
        Status::Invisible | Status::Offline => 3,
    }
}

#[cfg(test)]
mod tests;
