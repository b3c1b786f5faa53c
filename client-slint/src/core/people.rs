//! The people in the list: in groups, in order, and narrowed by a search.
//!
//! Three kinds of sources are put together, by name, for a name is what they have in common. The lobby says who is here
//! and what they show, for everyone who is here is in it. A room says which of them are in it. The list of chosen people says
//! how those of them are who are not here.
//!
//! Few changes cost a few binary searches and moves of 4-byte slots each; many at once cost one pass over each list. While
//! moves are [held](People::hold) rows keep their places and only look different.

mod book;
pub mod fold;
mod list;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use herenow_client::protocol::{DisplayName, Entry, RoomName, Shown, Status};
use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

pub use book::{Book, Person};
use list::{Bits, List, compare};
pub use snapshot::Snapshot;

use super::watching::Favourites;
use fold::fold;

/// Up to so much news is taken in one by one; more costs less as one pass over the lists.
const FEW: usize = 6;

/// From so many moves on the window is told to look at everything anew, not of each move.
const STEPS_MAX: usize = 400;

/// Everybody but the signed-in user, in the order in which they are shown.
#[derive(Debug)]
pub struct People {
    book: Book,
    hidden: Option<DisplayName>,
    /// What the list of chosen people says, whether they are here or not.
    chosen: BTreeMap<String, Shown>,
    favourites: Favourites,
    rooms: BTreeMap<RoomName, Room>,
    grouping: Grouping,
    sort: Sort,
    collapsed: BTreeSet<Group>,
    /// Everybody who is known, in order.
    all: List,
    groups: Vec<List>,
    /// Who matches the search, in order; `None` without a search.
    found: Option<List>,
    needle: String,
    /// Moves wait.
    held: bool,
    /// Who came, went or stands elsewhere now, which the lists do not show yet.
    moved: BTreeSet<u32>,
    counts: Counts,
}

/// A room that is watched.
#[derive(Debug, Default)]
struct Room {
    members: HashSet<String>,
    /// The list of the room has come.
    is_known: bool,
}

/// What makes a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grouping {
    /// Favourites, each room that is watched, everyone.
    #[default]
    Rooms,
    /// Each status.
    Status,
}

/// Who comes first in a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// By status, and by name among those of one status.
    #[default]
    Status,
    /// By name.
    Name,
}

/// Some of the people. The order is that in which groups are shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Whom the user made a favourite, here or not.
    Favourites,
    /// Who is in this room.
    Room(RoomName),
    /// Who is here.
    Everyone,
    /// Who shows this status, of those who are known. Those who show none count as offline.
    Status(Status),
    /// Everybody who is known. Never shown as a group.
    All,
    /// Who matches the search.
    Found,
}

/// How many people show which status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Available, away, busy, and whoever shows none of these, of those who are here.
    pub by_status: [usize; 4],
}

/// What the network reports of people.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The lobby: this person is here, and shown so.
    Here(Entry),
    /// The lobby: this person is no longer here.
    Gone(DisplayName),
    /// The list of chosen people: all of them.
    Chosen(Vec<Entry>),
    /// The list of chosen people: this one is shown so.
    ChosenIs(Entry),
    /// A room: these are in it, and nobody else.
    InRoom(RoomName, Vec<DisplayName>),
    /// A room: this person is in it from now on.
    Entered(RoomName, DisplayName),
    /// A room: this person is no longer in it.
    Left(RoomName, DisplayName),
}

/// What became of the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Everything is different; the steps say nothing.
    pub all: bool,
    /// Rows that went and came, one after the other.
    pub steps: Vec<Step>,
    /// Some rows may look different. They are where the steps leave them.
    pub looks: bool,
}

/// A row that went or came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A row is new at this place.
    Added(usize),
    /// The row at this place went away.
    Removed(usize),
}

/// What stands in a row.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// The head of a group.
    Head {
        /// Which.
        group: &'a Group,
        /// How many of them are here.
        here: usize,
        /// How many there are.
        all: usize,
        /// Its people are not shown.
        collapsed: bool,
        /// Who is in it is known.
        known: bool,
    },
    /// Somebody.
    Person(Person<'a>),
}

/// A row by what stands in it, which stays true while rows move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The head of a group.
    Head(Group),
    /// Somebody in a group.
    Person(Group, DisplayName),
}

impl Default for People {
    fn default() -> Self {
        let mut people = Self {
            book: Book::default(),
            hidden: None,
            chosen: BTreeMap::new(),
            favourites: Favourites::default(),
            rooms: BTreeMap::new(),
            grouping: Grouping::default(),
            sort: Sort::default(),
            collapsed: BTreeSet::new(),
            all: List::new(Group::All, Vec::new()),
            groups: Vec::new(),
            found: None,
            needle: String::new(),
            held: false,
            moved: BTreeSet::new(),
            counts: Counts::default(),
        };
        people.make_groups();
        people
    }
}

/// What changes the list.
impl People {
    /// Forgets everybody, rooms and the search too, and never shows the person called `hidden`. How people are shown stays.
    pub fn start(&mut self, hidden: DisplayName) {
        *self = Self {
            hidden: Some(hidden),
            favourites: std::mem::take(&mut self.favourites),
            grouping: self.grouping,
            sort: self.sort,
            collapsed: std::mem::take(&mut self.collapsed),
            ..Self::default()
        };
        self.make_groups();
    }

    /// Replaces everybody who is here; search, rooms and chosen people stay.
    pub fn replace(&mut self, snapshot: Snapshot) {
        let Snapshot { book, by_name, by_status } = snapshot;
        self.book = book;
        self.moved.clear();
        self.all.slots = match self.sort {
            Sort::Status => by_status,
            Sort::Name => by_name,
        };
        self.counts = Counts::default();
        for &slot in &self.all.slots {
            self.counts.by_status[rank(self.book.person(slot).status())] += 1;
        }
        if let Some(slot) = self.hidden.as_ref().and_then(|name| self.book.find(name.as_str())) {
            self.counts.by_status[rank(self.book.person(slot).status())] -= 1;
            self.all.slots.retain(|&other| other != slot);
            self.book.remove(slot);
        }
        let mut away = Bits::for_slots(self.book.slots() + index(self.chosen.len()));
        let mut incoming = Vec::new();
        for (name, shown) in &self.chosen {
            if self.book.find(name).is_none() && !is_called(self.hidden.as_ref(), name) {
                let slot = self.book.put(name, shown, false);
                away.insert(slot);
                incoming.push(slot);
            }
        }
        incoming.sort_by(|&a, &b| compare(&self.book, self.sort, a, b));
        self.all.merge(&self.book, self.sort, &away, &incoming);
        self.make_groups();
        self.search_anew();
    }

    /// Takes in what happened, in order.
    pub fn apply(&mut self, news: Vec<News>) -> Changes {
        let few = news.len() <= FEW && news.iter().all(News::is_of_one) && self.moved.is_empty();
        let mut changes = Changes::default();
        for one in news {
            if few && !self.held {
                self.apply_now(one, &mut changes);
            } else {
                changes.looks = true;
                self.note(one);
            }
        }
        if self.held { changes } else { self.settle(changes) }
    }

    /// From now on rows keep their places, or no longer do. Returns what became of the rows meanwhile.
    pub fn hold(&mut self, held: bool) -> Changes {
        self.held = held;
        if held { Changes::default() } else { self.settle(Changes::default()) }
    }

    /// Shows only those whose name or text contains `text`, whatever the case and the accents; all of them if it is empty.
    pub fn search(&mut self, text: &str) {
        self.settle(Changes::default());
        let needle = fold(text.trim());
        let narrower = !self.needle.is_empty() && needle.contains(&self.needle);
        self.needle = needle;
        match &mut self.found {
            Some(found) if narrower => {
                let (finder, mut scratch) = (Finder::new(&self.needle), Vec::new());
                found.slots.retain(|&slot| self.book.matches(slot, &finder, &mut scratch));
            }
            _ => self.search_anew(),
        }
    }

    /// Groups and orders people so.
    pub fn arrange(&mut self, grouping: Grouping, sort: Sort) {
        self.settle(Changes::default());
        if sort != self.sort {
            let by_name = list::by_name(&self.book);
            self.all.slots = match sort {
                Sort::Status => list::by_status(&self.book, &by_name),
                Sort::Name => by_name,
            };
            self.sort = sort;
            self.search_anew();
        }
        self.grouping = grouping;
        self.make_groups();
    }

    /// Shows the people of a group, or its head only.
    pub fn collapse(&mut self, group: &Group, collapsed: bool) {
        self.settle(Changes::default());
        if collapsed {
            self.collapsed.insert(group.clone());
        } else {
            self.collapsed.remove(group);
        }
    }

    /// These are the favourites.
    pub fn set_favourites(&mut self, favourites: Favourites) {
        self.settle(Changes::default());
        self.favourites = favourites;
        self.make_groups();
    }

    /// These rooms are watched, besides the lobby. Of those that were watched before everything is kept.
    pub fn watch_rooms(&mut self, rooms: impl IntoIterator<Item = RoomName>) {
        self.settle(Changes::default());
        let mut before = std::mem::take(&mut self.rooms);
        for room in rooms {
            let known = before.remove(&room).unwrap_or_default();
            self.rooms.insert(room, known);
        }
        self.make_groups();
    }
}

/// What is asked of the list.
impl People {
    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.sections().map(|(_, head, people)| usize::from(head) + people.len()).sum()
    }

    /// How many people match the search; everybody who is here without one.
    #[must_use]
    pub fn shown(&self) -> usize {
        self.found.as_ref().map_or_else(|| self.counts.all(), |found| found.slots.len())
    }

    /// What stands in a row.
    #[must_use]
    pub fn row(&self, row: usize) -> Option<Row<'_>> {
        let (list, at) = self.section_at(row)?;
        Some(match at {
            None => self.head(list),
            Some(at) => Row::Person(self.book.person(list.slots[at])),
        })
    }

    /// A row by what stands in it.
    #[must_use]
    pub fn place(&self, row: usize) -> Option<Place> {
        let (list, at) = self.section_at(row)?;
        let Some(at) = at else { return Some(Place::Head(list.group.clone())) };
        let name = self.book.person(list.slots[at]).name();
        Some(Place::Person(list.group.clone(), DisplayName::new(name).ok()?))
    }

    /// In which row something stands. A person whose group is not shown now, as while one searches, is looked for in
    /// the others.
    #[must_use]
    pub fn row_of(&self, place: &Place) -> Option<usize> {
        let (group, name) = match place {
            Place::Head(group) => (group, None),
            Place::Person(group, name) => (group, Some(name)),
        };
        let slot = name.map(|name| self.book.find(name.as_str()).ok_or(()));
        let mut first = 0;
        let mut elsewhere = None;
        for (list, head, people) in self.sections() {
            match slot {
                None if list.group == *group && head => return Some(first),
                Some(Ok(slot)) => {
                    let row =
                        self.place_in(list, people, slot).map(|at| first + usize::from(head) + at);
                    if row.is_some() && list.group == *group {
                        return row;
                    }
                    elsewhere = elsewhere.or(row);
                }
                _ => {}
            }
            first += usize::from(head) + people.len();
        }
        elsewhere
    }

    /// Somebody who is known.
    #[must_use]
    pub fn get(&self, name: &DisplayName) -> Option<Person<'_>> {
        Some(self.book.person(self.book.find(name.as_str())?))
    }

    /// The watched rooms that somebody is in, besides the lobby.
    pub fn rooms_of(&self, name: &DisplayName) -> impl Iterator<Item = &RoomName> {
        self.rooms
            .iter()
            .filter(|(_, room)| room.members.contains(name.as_str()))
            .map(|(name, _)| name)
    }

    /// How many are here, whether a search shows them or not.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many people came, went or stand elsewhere now, which is not shown yet.
    #[must_use]
    pub fn held_back(&self) -> usize {
        self.moved.len()
    }

    /// The search as it is compared; empty for none.
    #[must_use]
    pub fn needle(&self) -> &str {
        &self.needle
    }

    /// How people are grouped and ordered.
    #[must_use]
    pub fn arrangement(&self) -> (Grouping, Sort) {
        (self.grouping, self.sort)
    }
}

/// Taking in news.
impl People {
    /// Takes in news of one person, and moves them at once.
    fn apply_now(&mut self, news: News, changes: &mut Changes) {
        changes.looks = true;
        let Some(name) = self.moves(&news) else {
            self.store(news);
            return;
        };
        let heads = self.heads();
        if let Some(slot) = self.book.find(name.as_str()) {
            self.take_out(slot, &heads, &mut changes.steps);
        }
        self.store(news);
        if let Some(slot) = self.book.find(name.as_str()) {
            if self.is_known(slot) {
                self.put_in(slot, &heads, &mut changes.steps);
            } else {
                self.book.remove(slot);
            }
        }
        changes.all |= self.heads() != heads;
    }

    /// Takes in news; who moves is noted and stays where they are.
    fn note(&mut self, news: News) {
        let (whole, moves) = (news.whole(), self.moves(&news));
        let before = whole.as_ref().map_or_else(Vec::new, |whole| self.names_of(whole));
        self.store(news);
        let after = whole.as_ref().map_or_else(Vec::new, |whole| self.names_of(whole));
        let one = moves.as_ref().map(DisplayName::as_str);
        let names = before.iter().chain(&after).map(String::as_str).chain(one);
        self.moved.extend(names.filter_map(|name| self.book.find(name)));
    }

    fn names_of(&self, whole: &Whole) -> Vec<String> {
        match whole {
            Whole::Chosen => self.chosen.keys().cloned().collect(),
            Whole::Room(room) => self
                .rooms
                .get(room)
                .into_iter()
                .flat_map(|room| room.members.iter().cloned())
                .collect(),
        }
    }

    /// Whose place the news may change.
    fn moves(&self, news: &News) -> Option<DisplayName> {
        match news {
            News::Here(entry) | News::ChosenIs(entry) => {
                let by_lobby = matches!(news, News::Here(_));
                let stays = self.get(&entry.name).is_some_and(|person| {
                    let presence = &entry.shown.presence;
                    let same_words =
                        self.found.is_none() || person.text() == presence.text.as_str();
                    let heard = by_lobby || !person.is_present();
                    let same_status = person.status() == presence.status;
                    !heard || person.is_present() == by_lobby && same_status && same_words
                });
                (!stays).then(|| entry.name.clone())
            }
            News::Gone(name) | News::Entered(_, name) | News::Left(_, name) => Some(name.clone()),
            News::Chosen(_) | News::InRoom(..) => None,
        }
    }

    /// Brings what is known of people up to date, not the lists.
    fn store(&mut self, news: News) {
        match news {
            News::Here(entry) if self.hidden.as_ref() == Some(&entry.name) => {}
            News::Here(entry) => self.show(&entry.name, &entry.shown, true),
            News::Gone(name) => {
                let absent = self.chosen.get(name.as_str()).cloned();
                if self.book.find(name.as_str()).is_some() {
                    self.show(&name, &absent.unwrap_or_else(|| Shown::offline(0)), false);
                }
            }
            News::ChosenIs(entry) => self.choose(entry),
            News::Chosen(entries) => {
                let names: BTreeSet<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
                self.chosen.retain(|name, _| names.contains(name.as_str()));
                entries.into_iter().for_each(|entry| self.choose(entry));
            }
            News::InRoom(room, members) => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    let members = members.iter().map(ToString::to_string).collect();
                    *room = Room { members, is_known: true };
                }
            }
            News::Entered(room, name) => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.members.insert(name.to_string());
                }
            }
            News::Left(room, name) => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.members.remove(name.as_str());
                }
            }
        }
    }

    fn choose(&mut self, entry: Entry) {
        let Entry { name, shown, .. } = entry;
        let is_here = self.get(&name).is_some_and(Person::is_present);
        if !is_here && self.hidden.as_ref() != Some(&name) {
            self.show(&name, &shown, false);
        }
        self.chosen.insert(name.to_string(), shown);
    }

    fn show(&mut self, name: &DisplayName, shown: &Shown, present: bool) {
        if let Some(before) = self.get(name).filter(|person| person.is_present()) {
            self.counts.by_status[rank(before.status())] -= 1;
        }
        self.book.put(name.as_str(), shown, present);
        if present {
            self.counts.by_status[rank(shown.presence.status)] += 1;
        }
    }

    fn is_known(&self, slot: u32) -> bool {
        let person = self.book.person(slot);
        person.is_present() || self.chosen.contains_key(person.name())
    }

    /// Moves everybody who is noted.
    fn settle(&mut self, mut changes: Changes) -> Changes {
        if self.moved.is_empty() {
            return changes;
        }
        let moved = std::mem::take(&mut self.moved);
        let heads = self.heads();
        let first_rows = self.first_rows(&heads);
        let mut bits = Bits::for_slots(self.book.slots());
        moved.iter().for_each(|&slot| bits.insert(slot));
        let (mut known, unknown): (Vec<u32>, Vec<u32>) =
            moved.into_iter().partition(|&slot| self.is_known(slot));
        known.sort_by(|&a, &b| compare(&self.book, self.sort, a, b));
        let merged = self.merge(&bits, &known);
        unknown.into_iter().for_each(|slot| self.book.remove(slot));
        let steps: usize = merged.iter().map(|m| m.removed.len() + m.added.len()).sum();
        changes.all |= steps > STEPS_MAX || self.heads() != heads;
        if changes.all {
            return changes;
        }
        let rows = |first: Option<usize>, places: &[usize]| -> Vec<usize> {
            first.map_or_else(Vec::new, |first| places.iter().map(|at| first + at).collect())
        };
        for (first, one) in first_rows.into_iter().zip(&merged).rev() {
            let removed = rows(first, &one.removed).into_iter().rev();
            changes.steps.extend(removed.map(Step::Removed));
        }
        for (first, one) in self.first_rows(&heads).into_iter().zip(&merged) {
            changes.steps.extend(rows(first, &one.added).into_iter().map(Step::Added));
        }
        changes
    }

    /// Moves people in every list; returns what that did in those that are shown.
    fn merge(&mut self, moved: &Bits, known: &[u32]) -> Vec<list::Merged> {
        let wanted = |people: &Self, group: &Group| -> Vec<u32> {
            known.iter().copied().filter(|&slot| people.belongs(group, slot)).collect()
        };
        let incoming: Vec<Vec<u32>> =
            self.groups.iter().chain(&self.found).map(|list| wanted(self, &list.group)).collect();
        self.all.merge(&self.book, self.sort, moved, known);
        let searching = self.found.is_some();
        let mut merged = Vec::new();
        for (list, incoming) in self.groups.iter_mut().chain(&mut self.found).zip(incoming) {
            let one = list.merge(&self.book, self.sort, moved, &incoming);
            if (list.group == Group::Found) == searching {
                merged.push(one);
            }
        }
        merged
    }
}

/// Keeping the lists.
impl People {
    /// Whether somebody who is known belongs to a group.
    fn belongs(&self, group: &Group, slot: u32) -> bool {
        let person = self.book.person(slot);
        match group {
            Group::All => true,
            Group::Favourites => self.favourites.contains(person.name()),
            Group::Room(room) => person.is_present() && self.is_in(room, person.name()),
            Group::Everyone => person.is_present(),
            Group::Status(status) => rank(person.status()) == rank(*status),
            Group::Found => self.book.matches(slot, &Finder::new(&self.needle), &mut Vec::new()),
        }
    }

    fn is_in(&self, room: &RoomName, name: &str) -> bool {
        self.rooms.get(room).is_some_and(|room| room.members.contains(name))
    }

    fn take_out(&mut self, slot: u32, heads: &[bool], steps: &mut Vec<Step>) {
        let (book, sort) = (&self.book, self.sort);
        if let Ok(at) = self.all.find(book, sort, slot) {
            self.all.slots.remove(at);
        }
        for n in 0..self.groups.len() + usize::from(self.found.is_some()) {
            let Some(list) = self.list(n) else { continue };
            let Ok(at) = list.find(&self.book, sort, slot) else { continue };
            steps.extend(self.first_row(n, heads).map(|first| Step::Removed(first + at)));
            if let Some(list) = self.list_mut(n) {
                list.slots.remove(at);
            }
        }
    }

    fn put_in(&mut self, slot: u32, heads: &[bool], steps: &mut Vec<Step>) {
        let sort = self.sort;
        let at = self.all.find(&self.book, sort, slot).unwrap_or_else(|at| at);
        self.all.slots.insert(at, slot);
        for n in 0..self.groups.len() + usize::from(self.found.is_some()) {
            let Some(list) = self.list(n).filter(|list| self.belongs(&list.group, slot)) else {
                continue;
            };
            let at = list.find(&self.book, sort, slot).unwrap_or_else(|at| at);
            steps.extend(self.first_row(n, heads).map(|first| Step::Added(first + at)));
            if let Some(list) = self.list_mut(n) {
                list.slots.insert(at, slot);
            }
        }
    }

    /// The groups, and after them who was found.
    fn list(&self, n: usize) -> Option<&List> {
        self.groups.iter().chain(&self.found).nth(n)
    }

    fn list_mut(&mut self, n: usize) -> Option<&mut List> {
        self.groups.iter_mut().chain(&mut self.found).nth(n)
    }

    /// The row of the first person of a list, if its people are shown. The groups with `heads` have one also while they
    /// are empty, as in between two steps of one change.
    fn first_row(&self, n: usize, heads: &[bool]) -> Option<usize> {
        if self.found.is_some() {
            return (n == self.groups.len()).then_some(0);
        }
        let rows_of = |(list, head): (&List, &bool)| {
            let people = if self.is_collapsed(list) { 0 } else { list.slots.len() };
            usize::from(*head) + people
        };
        let before: usize = self.groups.iter().zip(heads).take(n).map(rows_of).sum();
        let is_shown = !self.is_collapsed(self.groups.get(n)?);
        is_shown.then_some(before + usize::from(heads[n]))
    }

    /// As [`first_row`](Self::first_row), of each list that may be shown.
    fn first_rows(&self, heads: &[bool]) -> Vec<Option<usize>> {
        match self.found {
            Some(_) => vec![Some(0)],
            None => (0..self.groups.len()).map(|n| self.first_row(n, heads)).collect(),
        }
    }

    fn make_groups(&mut self) {
        let groups: Vec<Group> = match self.grouping {
            Grouping::Rooms => {
                let favourites = (!self.favourites.is_empty()).then_some(Group::Favourites);
                let rooms = self.rooms.keys().cloned().map(Group::Room);
                favourites.into_iter().chain(rooms).chain([Group::Everyone]).collect()
            }
            Grouping::Status => [Status::Available, Status::Away, Status::Busy, Status::Offline]
                .map(Group::Status)
                .into(),
        };
        self.groups = groups
            .into_iter()
            .map(|group| List::new(group.clone(), self.members(&group)))
            .collect();
    }

    /// Those of a group, in order.
    fn members(&self, group: &Group) -> Vec<u32> {
        let by_name = |names: &mut dyn Iterator<Item = &str>| -> Vec<u32> {
            let known = names.filter_map(|name| self.book.find(name));
            let mut slots: Vec<u32> = known.filter(|&slot| self.belongs(group, slot)).collect();
            slots.sort_unstable_by(|&a, &b| compare(&self.book, self.sort, a, b));
            slots
        };
        match group {
            Group::Favourites => by_name(&mut self.favourites.iter()),
            Group::Room(room) => match self.rooms.get(room) {
                Some(room) => by_name(&mut room.members.iter().map(String::as_str)),
                None => Vec::new(),
            },
            _ => self.all.slots.iter().copied().filter(|&slot| self.belongs(group, slot)).collect(),
        }
    }

    /// Looks for the needle in everybody's words, one after the other as they lie in memory.
    fn search_anew(&mut self) {
        if self.needle.is_empty() {
            self.found = None;
            return;
        }
        let (finder, mut scratch) = (Finder::new(&self.needle), Vec::new());
        let mut hits = Bits::for_slots(self.book.slots());
        for slot in (0..self.book.slots()).filter(|&slot| self.book.is_filled(slot)) {
            if self.book.matches(slot, &finder, &mut scratch) {
                hits.insert(slot);
            }
        }
        let slots = self.all.slots.iter().copied().filter(|&slot| hits.contains(slot)).collect();
        self.found = Some(List::new(Group::Found, slots));
    }
}

/// What is shown of the lists.
impl People {
    /// The lists that are shown, whether with a head, and their people unless only the head is shown.
    fn sections(&self) -> impl Iterator<Item = (&List, bool, &[u32])> {
        let groups = self.groups.iter().filter(|_| self.found.is_none());
        let groups = groups.filter(|list| self.is_in_sight(list)).map(|list| {
            let people = if self.is_collapsed(list) { &[] } else { &list.slots[..] };
            (list, self.with_heads(), people)
        });
        groups.chain(self.found.iter().map(|found| (found, false, &found.slots[..])))
    }

    fn is_collapsed(&self, list: &List) -> bool {
        self.with_heads() && self.collapsed.contains(&list.group)
    }

    /// Which groups have a row for their heads.
    fn heads(&self) -> Vec<bool> {
        self.groups.iter().map(|list| self.with_heads() && self.is_in_sight(list)).collect()
    }

    /// One group alone needs no head that tells it from others.
    fn with_heads(&self) -> bool {
        self.grouping == Grouping::Status || self.groups.len() > 1
    }

    /// A room that one watches and a list without heads are there even if nobody is in them.
    fn is_in_sight(&self, list: &List) -> bool {
        !self.with_heads() || !list.slots.is_empty() || matches!(list.group, Group::Room(_))
    }

    /// The list of a row, and which of its people; none for its head.
    fn section_at(&self, row: usize) -> Option<(&List, Option<usize>)> {
        let mut left = row;
        for (list, head, people) in self.sections() {
            let rows = usize::from(head) + people.len();
            if left < rows {
                return Some((list, if head { left.checked_sub(1) } else { Some(left) }));
            }
            left -= rows;
        }
        None
    }

    /// Where somebody stands among these people. Who moves and was not moved yet cannot be found by order.
    fn place_in(&self, list: &List, people: &[u32], slot: u32) -> Option<usize> {
        if people.is_empty() {
            return None;
        }
        if self.moved.is_empty() {
            return list.find(&self.book, self.sort, slot).ok();
        }
        people.iter().position(|&other| other == slot)
    }

    fn head<'a>(&'a self, list: &'a List) -> Row<'a> {
        let all = list.slots.len();
        let here = match list.group {
            Group::Favourites => {
                list.slots.iter().filter(|&&slot| self.book.person(slot).is_present()).count()
            }
            _ => all,
        };
        let known = match &list.group {
            Group::Room(room) => self.rooms.get(room).is_some_and(|room| room.is_known),
            _ => true,
        };
        Row::Head { group: &list.group, here, all, collapsed: self.is_collapsed(list), known }
    }
}

/// What a piece of news replaces as a whole.
enum Whole {
    Chosen,
    Room(RoomName),
}

impl News {
    fn whole(&self) -> Option<Whole> {
        match self {
            Self::Chosen(_) => Some(Whole::Chosen),
            Self::InRoom(room, _) => Some(Whole::Room(room.clone())),
            _ => None,
        }
    }

    fn is_of_one(&self) -> bool {
        self.whole().is_none()
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

fn is_called(who: Option<&DisplayName>, name: &str) -> bool {
    who.is_some_and(|who| who.as_str() == name)
}

fn index(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
