//! Random lives of people with devices, rooms, lists and secrets, over restarts: whatever happens, everyone ends up
//! with exact lists, and what was written down is true.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use herenow::config::Config;
use herenow_client::protocol::{
    Choice, DeviceLabel, DisplayName, Query, RoomName, Status, StatusText, UserId, UserKey,
    WatchTarget,
};
use herenow_client::query::QueryId;
use herenow_client::session::Command;
use herenow_client::{Options, ViewKey};

use crate::transitions::{Truths, assert_true};
use crate::world::cable::Parcel;
use crate::world::{Cut, Who, World};
use crate::{SECOND, for_each_seed};

/// How long a lost session can be resumed in these lives.
const WINDOW: Duration = Duration::from_secs(30);

/// Who lives: name and device. Two people have two devices.
const CAST: [(&str, &str); 7] = [
    ("ada", "laptop"),
    ("ada", "phone"),
    ("bob", "desk"),
    ("bob", "phone"),
    ("eve", "seat"),
    ("joe", "tablet"),
    ("kim", "phone"),
];

fn room(n: u64) -> RoomName {
    RoomName::new(&format!("room {n}")).expect("a test room is valid")
}

fn people() -> Vec<DisplayName> {
    ["joe", "ada", "nobody"].map(|name| DisplayName::new(name).expect("valid")).to_vec()
}

/// What everyone watches.
fn targets() -> Vec<WatchTarget> {
    vec![
        WatchTarget::Room(RoomName::lobby()),
        WatchTarget::Room(room(0)),
        WatchTarget::People { names: people(), view: None },
    ]
}

fn cast(n: usize) -> impl Fn(&mut Options) {
    move |options| {
        let (name, device) = CAST[n];
        options.label = DeviceLabel::new(device).expect("a test label is valid");
        let letter = name.as_bytes()[0];
        options.key = (n < 5).then_some(UserKey([letter; 16]));
        options.views = targets();
    }
}

/// A life under way.
pub struct Life {
    pub world: World,
    pub all: Vec<Who>,
    pub truths: Truths,
    /// Numbers of views are never used again.
    next_view: u32,
}

impl Life {
    fn new(seed: u64) -> Self {
        let config =
            Config { outbox_bytes_max: 32_768, resume_window: WINDOW, ..Config::default() };
        let mut world = World::with_state(seed, config, true);
        let all = (0..CAST.len())
            .map(|n| world.join_as(CAST[n].0, &format!("{}-{}", CAST[n].0, CAST[n].1), cast(n)));
        let all = all.collect();
        Self { world, all, truths: Truths::default(), next_view: 10 }
    }

    fn wait(&mut self, below_ms: u64) {
        let pause = self.world.dice(below_ms);
        self.world.advance(Duration::from_millis(pause));
    }

    /// Something happens to somebody.
    fn step(&mut self) {
        let pick = usize::try_from(self.world.dice(7)).expect("small");
        let who = self.all[pick];
        let what = self.world.dice(30);
        let now_ms = self.world.moment().unix_ms;
        match what {
            0..=12 => self.truths.of(CAST[pick].0, now_ms),
            17..=19 => self.truths.of_all(now_ms),
            _ => {}
        }
        match what {
            0 => self.world.cut(who, Cut::BOTH),
            1 => self.world.cut(who, Cut { up: true, down: false }),
            2 => self.world.cut(who, Cut { up: false, down: true }),
            3 | 4 => self.world.cut(who, Cut::NONE),
            5 => self.world.freeze(who, true),
            6 => self.world.freeze(who, false),
            7 => self.world.reset(who),
            8 => self.world.roam(who),
            9 => self.world.goodbye(who),
            10 => self.world.kill(who, Parcel::End),
            11 | 12 => self.world.start_again(who, cast(pick)),
            13..=16 => self.choose(who),
            17 if self.world.dice(2) == 0 => {
                let frozen = self.world.dice(2) == 0;
                self.world.freeze_server(frozen);
            }
            18 if self.world.dice(2) == 0 => {
                self.world.kill_server();
                self.restart();
            }
            19 if self.world.dice(2) == 0 => {
                self.world.stop_server();
                self.restart();
            }
            20..=23 => {
                let rooms = [room(self.world.dice(3)), room(self.world.dice(3))];
                self.world.command(who, Command::Rooms(rooms.into()));
            }
            24 | 25 => self.watch(who),
            26 => {
                let query = Query::Page { room: room(0), from: UserId(0) };
                self.world.command(who, Command::Query(QueryId(1), query));
            }
            _ => self.choose(who),
        }
    }

    fn restart(&mut self) {
        self.wait(5_000);
        self.truths.of_all(self.world.moment().unix_ms);
        self.world.start_server();
    }

    /// A client chooses a status, with a text that may expire.
    fn choose(&mut self, who: Who) {
        let (status, n) = (self.world.dice(4), self.world.dice(1_000));
        let text = (n % 3 != 0).then(|| StatusText::new(&format!("text {n}")).expect("valid"));
        let choice = Choice {
            status: Status::CHOICES[usize::try_from(status).expect("small")],
            automatic: n % 4 == 0,
            text_for: (n % 5 == 0).then(|| Duration::from_millis(1 + 10 * n)),
            text,
            metadata: None,
        };
        self.world.command(who, Command::Choose(choice));
    }

    /// A client watches one more list, or that no longer.
    fn watch(&mut self, who: Who) {
        let mut views: BTreeMap<_, _> = (0..).map(ViewKey).zip(targets()).collect();
        if self.world.dice(2) == 0 {
            let room = room(1 + self.world.dice(3));
            views.insert(ViewKey(self.next_view), WatchTarget::Room(room));
            self.next_view += 1;
        }
        self.world.command(who, Command::Views(views));
    }

    /// Everything works again, and everyone is back.
    fn mend(&mut self) {
        self.world.freeze_server(false);
        for (pick, who) in self.all.clone().into_iter().enumerate() {
            self.world.cut(who, Cut::NONE);
            self.world.freeze(who, false);
            if self.world.is_over(who) {
                self.world.start_again(who, cast(pick));
            }
        }
        let now_ms = self.world.moment().unix_ms;
        self.truths.of_all(now_ms);
        for _ in 0..2 {
            for who in self.all.clone() {
                self.world.command(who, Command::RetryNow);
            }
            self.world.advance(SECOND * 12);
        }
        let now_ms = self.world.moment().unix_ms;
        self.truths.of_all(now_ms);
    }

    /// Everyone chooses a last time. Returns what others must see then: the documented rules, said once more.
    fn last_choices(&mut self) -> BTreeMap<&'static str, (Status, String)> {
        let mut said: BTreeMap<&str, Vec<(Status, bool)>> = BTreeMap::new();
        let mut texts = BTreeMap::new();
        for (pick, who) in self.all.clone().into_iter().enumerate() {
            let (name, n) = (CAST[pick].0, self.world.dice(1_000));
            let status = Status::CHOICES[usize::try_from(n % 4).expect("small")];
            let (text, automatic) = (format!("last {n}"), n % 3 == 0);
            said.entry(name).or_default().push((status, automatic));
            texts.insert(name, text.clone());
            let text = StatusText::new(&text).expect("valid");
            let choice = Choice { automatic, ..Choice::chosen(status, text) };
            self.world.command(who, Command::Choose(choice));
            self.world.advance(Duration::from_millis(200));
        }
        let mut shown = BTreeMap::new();
        for (name, votes) in said {
            let hides = votes.iter().any(|(status, _)| *status == Status::Invisible);
            let person = votes.iter().any(|(_, automatic)| !automatic);
            let counted = votes.iter().filter(|(_, automatic)| !(person && *automatic));
            let order = [Status::Busy, Status::Available, Status::Away];
            let best = counted.map(|(s, _)| order.iter().position(|o| o == s)).min().flatten();
            if let (Some(best), false) = (best, hides) {
                shown.insert(name, (order[best], texts[name].clone()));
            }
        }
        shown
    }

    /// Every list of everyone is what a stranger is told when asking for it.
    fn assert_exact(&mut self) {
        for who in self.all.clone() {
            let name = format!("client {who}");
            let closings = &self.world.watcher(who).closings;
            assert!(self.world.is_signed_in(who), "{name} is signed in: {closings:?}");
            for (key, target) in (0..).map(ViewKey).zip(targets()) {
                let query = match target {
                    WatchTarget::Room(room) => Query::Page { room, from: UserId(0) },
                    WatchTarget::People { names, .. } => Query::People(names),
                };
                let truth = self.world.ask(query);
                let view = self.world.view_of(who, key).expect("it is watched");
                assert!(view.is_complete(), "{name}: list {key} is complete");
                assert!(
                    view.entries().eq(truth.iter().cloned()),
                    "{name}: list {key}: {view:?}\n{truth:?}"
                );
                let told = &self.world.watcher(who).lists[&key];
                assert!(!told.stale, "{name}: list {key} is fresh");
                let truth = truth.iter().map(|e| (e.name.to_string(), e.shown.clone()));
                assert_eq!(told.shown, truth.collect(), "{name}: list {key} as it was told");
            }
        }
    }

    /// Everyone leaves, and nothing is left.
    fn end(&mut self) {
        let now_ms = self.world.moment().unix_ms;
        self.truths.of_all(now_ms);
        for who in self.all.clone() {
            self.world.goodbye(who);
        }
        self.world.advance(WINDOW + SECOND * 15);
        assert!(self.world.listed().is_empty());
    }
}

/// One random life, which ends well. Returns its transcript.
fn life(seed: u64, steps: usize) -> Vec<String> {
    let mut life = Life::new(seed);
    for _ in 0..steps {
        life.step();
        life.wait(4_000);
    }
    life.mend();
    let expected = life.last_choices();
    life.world.advance(SECOND * 3);
    life.assert_exact();
    let listed = life.world.listed();
    let shown = listed.iter().map(|(name, shown)| {
        (name.as_str(), (shown.presence.status, shown.presence.text.to_string()))
    });
    assert_eq!(shown.collect::<BTreeMap<_, _>>(), expected, "by the documented rules");
    life.end();
    for who in life.all.clone() {
        let start = life.world.now() - life.world.elapsed();
        for (_, at) in &life.world.watcher(who).closings {
            let ms = u64::try_from((*at - start).as_millis()).expect("a short life");
            life.truths.of(CAST[who].0, crate::world::UNIX_MS + ms);
        }
    }
    let names: BTreeSet<_> = CAST.iter().map(|(name, _)| *name).collect();
    assert_true(life.world.journal(), &life.truths, &names);
    life.world.transcript
}

#[test]
fn any_life_ends_with_exact_lists_and_a_true_journal() {
    for_each_seed(1_000, |seed| drop(life(seed, 25)));
}

#[test]
fn the_same_seed_lives_the_same_life() {
    for seed in 0..10 {
        assert_eq!(life(seed, 40), life(seed, 40), "seed {seed}");
    }
    assert_ne!(life(1, 40), life(2, 40));
}
