//! Random news against a list that is made anew each time, without any of the list's own means.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// What the world says, kept in the plainest way.
#[derive(Default)]
struct Naive {
    here: BTreeMap<String, (Status, String)>,
    chosen: BTreeMap<String, Status>,
    favourites: BTreeSet<String>,
    rooms: BTreeMap<String, BTreeSet<String>>,
    collapsed: BTreeSet<Group>,
    grouping: Grouping,
    sort: Sort,
    needle: String,
}

const NAMES: [&str; 14] = [
    "ada",
    "Ada B",
    "Émile",
    "emil",
    "Zoë",
    "李小龍",
    "bob",
    "Bobby",
    "ALAN",
    "alan2",
    "ødegaard",
    "Grace",
    "Ken",
    "ken",
];
const STATUSES: [Status; 3] = [Status::Available, Status::Away, Status::Busy];
const TEXTS: [&str; 4] = ["", "Lunch", "bob's déjà vu", "in a review"];
const ROOMS: [&str; 2] = ["support", "ops"];

impl Naive {
    fn status(&self, name: &str) -> Option<Status> {
        self.here.get(name).map(|(status, _)| *status).or_else(|| self.chosen.get(name).copied())
    }

    fn text(&self, name: &str) -> &str {
        self.here.get(name).map_or("", |(_, text)| text)
    }

    /// Everybody who is known and in the group, in order.
    fn members(&self, group: &Group) -> Vec<String> {
        let known: BTreeSet<&String> = self.here.keys().chain(self.chosen.keys()).collect();
        let is_here = |name: &str| self.here.contains_key(name);
        let belongs = |name: &str| match group {
            Group::All => true,
            Group::Favourites => self.favourites.contains(name),
            Group::Room(room) => is_here(name) && self.rooms[room.as_str()].contains(name),
            Group::Everyone => is_here(name),
            Group::Status(status) => self.status(name) == Some(*status),
            Group::Found => {
                fold(name).contains(&self.needle) || fold(self.text(name)).contains(&self.needle)
            }
        };
        let mut names: Vec<String> =
            known.into_iter().filter(|name| belongs(name)).cloned().collect();
        names.sort_by_key(|name| {
            let status = rank(self.status(name).expect("they are known"));
            let first = if self.sort == Sort::Status { status } else { 0 };
            (first, fold(name), name.clone())
        });
        names
    }

    fn rows(&self) -> Vec<String> {
        if !self.needle.is_empty() {
            return self.members(&Group::Found);
        }
        let groups: Vec<Group> = match self.grouping {
            Grouping::Rooms => {
                let favourites = (!self.favourites.is_empty()).then_some(Group::Favourites);
                let rooms = self.rooms.keys().map(|name| Group::Room(room(name)));
                favourites.into_iter().chain(rooms).chain([Group::Everyone]).collect()
            }
            Grouping::Status => [Status::Available, Status::Away, Status::Busy, Status::Offline]
                .map(Group::Status)
                .into(),
        };
        let is_plain = self.grouping == Grouping::Rooms && groups.len() == 1;
        let mut rows = Vec::new();
        for group in groups {
            let members = self.members(&group);
            if is_plain {
                return members;
            }
            if members.is_empty() && !matches!(group, Group::Room(_)) {
                continue;
            }
            let collapsed = self.collapsed.contains(&group);
            let here = members
                .iter()
                .filter(|name| group != Group::Favourites || self.here.contains_key(*name));
            let (here, all) = (here.count(), members.len());
            rows.push(words(Row::Head { group: &group, here, all, collapsed, known: true }));
            if !collapsed {
                rows.extend(members);
            }
        }
        rows
    }

    /// Something happens in both.
    fn step(&mut self, random: &mut Random, news: &mut Vec<News>) {
        let name = NAMES[random.below(NAMES.len())];
        let is_chosen = self.chosen.contains_key(name);
        let room_name = ROOMS[random.below(ROOMS.len())];
        match random.below(12) {
            0..=4 => {
                let status = STATUSES[random.below(3)];
                let text = TEXTS[random.below(TEXTS.len())];
                self.here.insert(name.into(), (status, text.into()));
                news.push(News::Here(saying(name, status, text)));
            }
            5..=6 => {
                self.here.remove(name);
                news.push(News::Gone(called(name)));
            }
            7 if is_chosen => {
                let status = [Status::Offline, Status::Away][random.below(2)];
                self.chosen.insert(name.into(), status);
                news.push(News::ChosenIs(entry(name, status)));
            }
            8 => {
                let some: Vec<&str> = NAMES.into_iter().filter(|_| random.below(3) == 0).collect();
                self.chosen = some.iter().map(|name| (name.to_string(), Status::Offline)).collect();
                let entries = some.iter().map(|name| entry(name, Status::Offline));
                news.push(News::Chosen(entries.collect()));
            }
            9 => {
                if let Some(room) = self.rooms.get_mut(room_name) {
                    room.insert(name.into());
                }
                news.push(News::Entered(room(room_name), called(name)));
            }
            10 => {
                if let Some(room) = self.rooms.get_mut(room_name) {
                    room.remove(name);
                }
                news.push(News::Left(room(room_name), called(name)));
            }
            _ => {
                let some: Vec<&str> = NAMES.into_iter().filter(|_| random.below(2) == 0).collect();
                if let Some(room) = self.rooms.get_mut(room_name) {
                    *room = some.iter().map(ToString::to_string).collect();
                }
                let names = some.iter().map(|name| called(name)).collect();
                news.push(News::InRoom(room(room_name), names));
            }
        }
    }

    /// The user does something.
    fn act(&mut self, people: &mut People, random: &mut Random) {
        match random.below(6) {
            0 => {
                let needle = ["", "b", "bo", "bob", "e", "em", "lunch", "zz"][random.below(8)];
                self.needle = needle.into();
                people.search(needle);
            }
            1 => {
                self.grouping = [Grouping::Rooms, Grouping::Status][random.below(2)];
                self.sort = [Sort::Status, Sort::Name][random.below(2)];
                people.arrange(self.grouping, self.sort);
            }
            2 => {
                let groups = [Group::Favourites, Group::Everyone, Group::Status(Status::Away)];
                let group = groups[random.below(3)].clone();
                let collapse = random.below(2) == 0;
                people.collapse(&group, collapse);
                self.collapsed.retain(|other| *other != group);
                self.collapsed.extend(collapse.then_some(group));
            }
            3 => {
                let some = NAMES.into_iter().filter(|_| random.below(3) == 0);
                self.favourites = some.map(String::from).collect();
                people.set_favourites(self.favourites.iter().cloned().collect());
            }
            4 => {
                let rooms: Vec<&str> = ROOMS.into_iter().filter(|_| random.below(2) == 0).collect();
                self.rooms.retain(|name, _| rooms.contains(&name.as_str()));
                for room in &rooms {
                    self.rooms.entry((*room).into()).or_default();
                }
                people.watch_rooms(rooms.into_iter().map(room));
            }
            _ => {
                let entries: Vec<Entry> =
                    self.here.iter().map(|(name, (s, text))| saying(name, *s, text)).collect();
                people.replace(Snapshot::of(entries.iter()));
            }
        }
    }
}

#[test]
fn random_news_keeps_the_list_equal_to_a_naive_one() {
    for seed in 1..=60 {
        let mut random = Random(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let (mut people, mut naive) = (People::default(), Naive::default());
        for step in 0..150 {
            let what = format!("seed {seed}, step {step}");
            if random.below(4) == 0 {
                naive.act(&mut people, &mut random);
            }
            let held = random.below(4) == 0;
            let before = rows(&people);
            people.hold(held);
            let mut all = Vec::new();
            let mut follow = before.clone();
            for _ in 0..if held { 2 } else { 1 } {
                let mut news = Vec::new();
                // Few are taken in one by one, many at once.
                (0..1 + random.below(12)).for_each(|_| naive.step(&mut random, &mut news));
                let changes = people.apply(news);
                assert!(!held || changes.steps.is_empty() && !changes.all, "{what}");
                all.push(changes);
            }
            if held {
                assert_eq!(names_of(&rows(&people)), names_of(&before), "{what}: rows moved");
                all.push(people.hold(false));
            }
            assert_eq!(rows(&people), naive.rows(), "{what}");
            let here = naive.here.len();
            assert_eq!(people.counts().all(), here, "{what}");
            for changes in &all {
                follow = replayed(follow, changes, &people);
            }
            assert_eq!(names_of(&follow), names_of(&rows(&people)), "{what}: {all:?}");
        }
    }
}

/// What a view shows that follows the steps alone; where a row is new it waits to be told who that is.
fn replayed(mut rows: Vec<String>, changes: &Changes, people: &People) -> Vec<String> {
    if changes.all {
        return self::rows(people);
    }
    for step in &changes.steps {
        match *step {
            Step::Removed(row) => drop(rows.remove(row)),
            Step::Added(row) => rows.insert(row, String::from("?")),
        }
    }
    let now = self::rows(people);
    let told = |(row, name): (usize, String)| if name == "?" { now[row].clone() } else { name };
    rows.into_iter().enumerate().map(told).collect()
}

/// Heads without their numbers, which change in place.
fn names_of(rows: &[String]) -> Vec<String> {
    let name = |row: &String| match row.rsplit_once(' ') {
        Some((group, numbers)) if numbers.contains('/') => group.to_owned(),
        _ => row.clone(),
    };
    rows.iter().map(name).collect()
}

/// Xorshift: random enough for schedules, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % limit as u64).expect("below a usize")
    }
}
