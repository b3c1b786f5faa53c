//! Somebody invisible leaves no trace in anything that another session gets: two registries go through the same script,
//! and nobody can tell in which of them that user is.

use proptest::prelude::*;

use super::journal::{Step, carry_out, step};
use super::*;

/// Connections from this number on are the hidden user's, so that they shift no other's.
const HERS: u64 = 1_000_000;

/// What she does, unseen.
#[derive(Clone, Debug)]
enum Hidden {
    SignIn(u8),
    Switch,
    Say(u8),
    Join(u8),
    Leave(u8),
    Watch(u8),
    List(u8),
    Query,
    Lose,
    Goodbye,
}

fn hidden() -> impl Strategy<Value = Hidden> {
    prop_oneof![
        3 => (0..3_u8).prop_map(Hidden::SignIn),
        1 => Just(Hidden::Switch),
        2 => any::<u8>().prop_map(Hidden::Say),
        3 => (0..4_u8).prop_map(Hidden::Join),
        1 => (0..4_u8).prop_map(Hidden::Leave),
        2 => (0..4_u8).prop_map(Hidden::Watch),
        2 => (0..4_u8).prop_map(Hidden::List),
        1 => Just(Hidden::Query),
        1 => Just(Hidden::Lose),
        1 => Just(Hidden::Goodbye),
    ]
}

/// What others do to look for her, besides what they do anyway.
#[derive(Clone, Debug)]
enum Look {
    Watch(u8, u8),
    List(u8, u8),
    Fetch(u8, u8, u8),
    Ask(u8, u8),
    SignIn(bool),
}

fn look() -> impl Strategy<Value = Look> {
    let two = || (any::<u8>(), 0..4_u8);
    prop_oneof![
        2 => two().prop_map(|(who, room)| Look::Watch(who, room)),
        2 => two().prop_map(|(who, names)| Look::List(who, names)),
        3 => (any::<u8>(), any::<u8>(), 0..4_u8).prop_map(|(who, view, w)| Look::Fetch(who, view, w)),
        3 => (any::<u8>(), 0..6_u8).prop_map(|(who, query)| Look::Ask(who, query)),
        1 => any::<bool>().prop_map(Look::SignIn),
    ]
}

#[derive(Clone, Debug)]
enum Act {
    Hers(Hidden),
    Others(Step),
    Look(Look),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => hidden().prop_map(Act::Hers),
        3 => step().prop_map(Act::Others),
        3 => look().prop_map(Act::Look),
    ]
}

/// A registry, and everything that anybody but the hidden user could know of it.
struct World {
    desk: Desk,
    /// Whether she is in it.
    has_her: bool,
    /// How many connections she has had.
    hers: u64,
    views: Vec<ViewId>,
    heard: Vec<String>,
}

impl World {
    fn new(has_her: bool) -> Self {
        let desk = Desk::with_rules(Rules { last_seen_max: 3, ..rules() });
        Self { desk, has_her, hers: 0, views: vec![LOBBY_VIEW], heard: Vec::new() }
    }

    fn hear(&mut self, answer: Option<&Answer>) {
        if let Some(answer) = answer {
            self.heard.push(format!("{:?} {answer:?}", self.desk.now.unix_ms));
        }
        for effect in std::mem::take(&mut self.desk.effects) {
            let is_hers = match &effect {
                Effect::Deliver(to, _) => to.0 > HERS,
                Effect::Record(_) => true,
                Effect::Publish(_) => false,
            };
            if !is_hers {
                self.heard.push(format!("{effect:?}"));
            }
        }
    }

    /// What she does goes unheard, but for what others get.
    fn act_hidden(&mut self, act: &Hidden) {
        let newest = ConnectionId(HERS + self.hers);
        match *act {
            Hidden::SignIn(device) => {
                let hello = showing(keyed("mia", &device.to_string()), Status::Invisible);
                self.sign_in_hidden(hello);
            }
            Hidden::Switch => {
                let hello = showing(keyed("mia", "9"), Status::Invisible);
                self.sign_in_hidden(resuming(hello, newest, &[]));
            }
            Hidden::Say(n) => {
                let text = Some(words(&n.to_string()));
                let text_for = (n % 2 == 0).then_some(SECOND);
                let choice = Choice { text, text_for, ..chosen(Status::Invisible) };
                self.desk.say(newest, Command::Choose(choice));
            }
            Hidden::Join(n) => drop(self.desk.say(newest, Command::Join(room(&n.to_string())))),
            Hidden::Leave(n) => drop(self.desk.say(newest, Command::Leave(room(&n.to_string())))),
            Hidden::Watch(n) => {
                let target = WatchTarget::Room(room(&n.to_string()));
                self.desk.say(newest, Command::Watch(target));
            }
            Hidden::List(n) => drop(self.desk.try_watch_people(newest, some(n), None)),
            Hidden::Query => drop(self.desk.say(newest, Command::Query(Query::People(vec![])))),
            Hidden::Lose => self.desk.end(newest, CloseReason::ConnectionReset),
            Hidden::Goodbye => self.desk.end(newest, CloseReason::Goodbye),
        }
        self.hear(None);
    }

    fn sign_in_hidden(&mut self, hello: Hello) {
        let others = std::mem::replace(&mut self.desk.connections, HERS + self.hers);
        self.desk.try_sign_in(hello);
        self.hers += 1;
        self.desk.connections = others;
    }

    fn look(&mut self, look: &Look) {
        let all = self.desk.connections.max(1);
        let nth = |who: u8| ConnectionId(u64::from(who) % all + 1);
        let answer = match *look {
            Look::Watch(who, n) => {
                let name = ["lobby", "0", "1", "2"][usize::from(n)];
                self.desk.say(nth(who), Command::Watch(WatchTarget::Room(room(name))))
            }
            Look::List(who, n) => self.desk.try_watch_people(nth(who), some(n), None),
            Look::Fetch(who, view, wish) => {
                let view = self.views[usize::from(view) % self.views.len()];
                let wish = match wish {
                    0 => Wish::Pages(0),
                    1 => Wish::Since(1),
                    2 => Wish::Buckets(0),
                    _ => Wish::Ranges(vec![(UserId(0), UserId(127))]),
                };
                self.desk.say(nth(who), Command::Fetch(view, wish))
            }
            Look::Ask(who, n) => {
                let query = match n {
                    0 => Query::People(["mia", "ada"].map(name).to_vec()),
                    1 => Query::Count(RoomName::lobby()),
                    2 => Query::Count(room("1")),
                    3 => Query::Page { room: room("0"), from: UserId(0) },
                    4 => Query::Explain { name: name("mia"), operator: None },
                    _ => Query::Health { operator: None },
                };
                self.desk.say(nth(who), Command::Query(query))
            }
            Look::SignIn(with_key) => {
                let key = with_key.then(|| key(200));
                let hello = Hello { observe: !with_key, key, ..hello("mia", "far") };
                let (stranger, answer) = self.desk.try_sign_in(hello);
                if with_key {
                    self.desk.end(stranger, CloseReason::Goodbye);
                }
                answer
            }
        };
        if let Answer::Watching(view) = answer {
            self.views.push(view);
        }
        self.hear(Some(&answer));
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Hers(hidden) if self.has_her => self.act_hidden(hidden),
            Act::Hers(_) => {}
            Act::Look(look) => self.look(look),
            Act::Others(step) => carry_out(&mut self.desk, step),
        }
        self.desk.advance(Duration::from_millis(7));
        self.hear(None);
        let listed = journal::listed(&self.desk);
        self.heard.push(format!("{:?} {listed:?}", self.desk.registry.proof()));
    }
}

fn some(n: u8) -> &'static [&'static str] {
    [&["mia"][..], &["ada", "mia"], &["eve", "bob"], &[]][usize::from(n)]
}

fn takes_her_name(act: &Act) -> bool {
    matches!(act, Act::Look(Look::SignIn(true)))
}

#[track_caller]
fn assert_same(a: &World, b: &World) {
    let differs = a.heard.iter().zip(&b.heard).find(|(a, b)| a != b);
    assert_eq!(differs, None);
    assert_eq!(a.heard.len(), b.heard.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nobody_can_tell_invisible_from_absent(acts in proptest::collection::vec(act(), 0..120)) {
        let mut worlds = [World::new(true), World::new(false)];
        acts.iter().for_each(|act| worlds.iter_mut().for_each(|world| world.act(act)));
        let [with, without] = worlds;
        assert_same(&with, &without);
    }

    #[test]
    fn nobody_can_tell_who_hides_from_who_goes(
        first in proptest::collection::vec(act(), 0..30),
        then in proptest::collection::vec(act(), 0..60),
        with_key: bool,
        shown_again: bool,
    ) {
        let (mut hides, mut goes) = (World::new(false), World::new(false));
        let hello = if with_key { keyed("mia", "desk") } else { hello("mia", "desk") };
        for world in [&mut hides, &mut goes] {
            let looks = first.iter().filter(|act| !takes_her_name(act));
            looks.clone().for_each(|act| world.act(act));
            world.sign_in_hidden(hello.clone());
            let her = ConnectionId(HERS + 1);
            world.desk.say(her, Command::Join(room("1")));
            world.desk.say(her, Command::Choose(saying("hello")));
            world.hear(None);
            looks.for_each(|act| world.act(act));
        }
        let her = ConnectionId(HERS + 1);
        hides.desk.say(her, Command::Choose(chosen(Status::Invisible)));
        goes.desk.end(her, CloseReason::Goodbye);
        for act in &then {
            [&mut hides, &mut goes].into_iter().for_each(|world| world.act(act));
        }
        if shown_again && !then.iter().any(takes_her_name) {
            let back = Choice { text: Some(words("")), ..chosen(Status::Away) };
            hides.desk.say(her, Command::Leave(room("1")));
            hides.desk.say(her, Command::Choose(back.clone()));
            goes.sign_in_hidden(Hello { choice: back, ..hello });
            for world in [&mut hides, &mut goes] {
                world.desk.advance(TICK * 2);
                world.hear(None);
            }
        }
        assert_same(&hides, &goes);
    }
}

#[test]
fn rooms_are_published_in_an_order_that_tells_nothing() {
    let published = [false, true].map(|she_was_here| {
        let mut desk = Desk::new();
        if she_was_here {
            let mia = desk.sign_in(showing(hello("mia", "desk"), Status::Invisible));
            ["3", "2", "1", "0"].iter().for_each(|text| desk.join(mia, text));
        }
        let ada = desk.sign_in(hello("ada", "desk"));
        ["0", "1", "2", "3"].iter().for_each(|text| desk.join(ada, text));
        desk.news();
        desk.choose(ada, chosen(Status::Busy));
        let News(effects) = desk.news();
        let views = effects.iter().filter_map(|effect| match effect {
            Effect::Publish(deltas) => Some(deltas[0].view),
            _ => None,
        });
        views.collect::<Vec<_>>()
    });
    assert_eq!(published[0].len(), 5);
    assert_eq!(published[0], published[1]);
}
