//! Someone who hides leaves no trace: the same lives are lived twice, once with that person offline and once with
//! that person invisible, and every other client receives the same bytes at the same times.

use std::time::Duration;

use herenow::config::Config;
use herenow_client::protocol::{
    Choice, DisplayName, Query, RoomName, Status, StatusText, UserKey, WatchTarget,
};
use herenow_client::query::QueryId;
use herenow_client::session::Command;
use herenow_client::{Options, ViewKey};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::world::{Cut, DELIVERY_MAX, Who, World};
use crate::{SECOND, for_each_seed};

/// The one who hides.
const GHOST: &str = "ghost";

/// The others, who live at random.
const OTHERS: [&str; 4] = ["ada", "bob", "eve", "joe"];

/// What the ghost does with its time out of sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It signs out, and in again.
    Offline,
    /// It chooses to be invisible, goes on as usual, and becomes available again.
    Invisible,
}

fn name(name: &str) -> DisplayName {
    DisplayName::new(name).expect("a test name is valid")
}

fn room(n: u64) -> RoomName {
    RoomName::new(&format!("room {n}")).expect("a test room is valid")
}

fn text(words: &str) -> StatusText {
    StatusText::new(words).expect("a test text is valid")
}

/// Everyone watches the lobby, two rooms and some people, the ghost among them.
fn watchful(options: &mut Options) {
    let names = ["ada", GHOST, "nobody"].map(name).to_vec();
    options.views = vec![
        WatchTarget::Room(RoomName::lobby()),
        WatchTarget::Room(room(0)),
        WatchTarget::Room(room(1)),
        WatchTarget::People { names, view: None },
    ];
    options.rooms = vec![room(0)];
}

fn as_ghost(has_key: bool) -> impl Fn(&mut Options) {
    move |options| {
        watchful(options);
        options.rooms.clear();
        options.key = has_key.then_some(UserKey([9; 16]));
        options.choice = Choice::chosen(Status::Available, text("boo"));
    }
}

/// One of the others does something. What it is follows from `rng`, which the ghost never touches.
fn live(world: &mut World, rng: &mut StdRng, all: &[Who]) {
    let who = all[rng.random_range(0..all.len())];
    match rng.random_range(0..16) {
        0 => world.cut(who, Cut::BOTH),
        1 => world.cut(who, Cut { up: true, down: false }),
        2 | 3 => world.cut(who, Cut::NONE),
        4 => world.reset(who),
        5 => world.roam(who),
        6 => world.freeze(who, true),
        7 | 8 => world.freeze(who, false),
        9 => world.command(who, Command::Rooms([room(rng.random_range(0..4))].into())),
        10..=12 => {
            let query = match rng.random_range(0..5) {
                0 => Query::People(vec![name(GHOST), name("ada")]),
                1 => Query::Count(RoomName::lobby()),
                2 => Query::Count(room(rng.random_range(0..4))),
                3 => Query::Page { room: room(2), from: herenow_client::protocol::UserId(0) },
                _ => Query::Explain { name: name(GHOST), operator: None },
            };
            world.command(who, Command::Query(QueryId(rng.random_range(0..1_000)), query));
        }
        n => {
            let status = Status::CHOICES[rng.random_range(0..4)];
            let text_for = (n == 15).then(|| Duration::from_millis(rng.random_range(1..9_000)));
            let text = Some(text(&format!("text {}", rng.random_range(0..100))));
            let choice = Choice { status, text, text_for, ..Choice::default() };
            world.command(who, Command::Choose(choice));
        }
    }
}

/// The ghost, out of sight, does something that nobody must be able to see.
fn haunt(world: &mut World, rng: &mut StdRng, ghost: Who) {
    match rng.random_range(0..9) {
        0 => world.cut(ghost, Cut::BOTH),
        1 | 2 => world.cut(ghost, Cut::NONE),
        3 => world.reset(ghost),
        4 => world.roam(ghost),
        5 => {
            let rooms = [room(rng.random_range(0..4)), room(rng.random_range(0..9))];
            world.command(ghost, Command::Rooms(rooms.into()));
        }
        6 => {
            let query = Query::People(vec![name("ada")]);
            world.command(ghost, Command::Query(QueryId(1), query));
        }
        7 => {
            let of_room = WatchTarget::Room(room(rng.random_range(0..9)));
            let views = [(ViewKey::FIRST, WatchTarget::Room(RoomName::lobby()))];
            let views = views.into_iter().chain([(ViewKey(100), of_room)]);
            world.command(ghost, Command::Views(views.collect()));
        }
        _ => world.show(ghost, Status::Invisible, &format!("psst {}", rng.random_range(0..99))),
    }
}

/// What each of the others received, and when.
type Received = Vec<Vec<(Duration, Vec<u8>)>>;

/// Lives one world. The ghost is seen, then out of sight in this way, then seen again.
fn lived(seed: u64, way: Way) -> Received {
    let mut world = World::with_state(seed, Config::default(), false);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut ghostly = StdRng::seed_from_u64(!seed);
    let all = OTHERS.map(|other| world.join_as(other, &format!("d-{other}"), watchful));
    all.iter().for_each(|who| world.client(*who).frames = Some(Vec::new()));
    let has_key = seed.is_multiple_of(2);
    let ghost = world.join_as(GHOST, "sheet", as_ghost(has_key));
    // So that what it sends at one instant arrives at one instant, whatever it sent before.
    world.client(ghost).delay = Some(DELIVERY_MAX / 2);
    // Within the window a name with a key is kept for whoever has the key, seen or not; so attempts to take it fail.
    let tries_the_name = seed.is_multiple_of(3) && has_key;
    run(&mut world, &mut rng, &all, 8, |_| {});
    match way {
        Way::Offline => world.goodbye(ghost),
        Way::Invisible => world.show(ghost, Status::Invisible, ""),
    }
    // It arrives before anything else happens to the ghost.
    world.advance(DELIVERY_MAX);
    let mut thief = None;
    run(&mut world, &mut rng, &all, 16, |world| {
        if way == Way::Invisible {
            haunt(world, &mut ghostly, ghost);
        }
    });
    if tries_the_name {
        thief = Some(world.join_as(GHOST, "thief", watchful));
        world.client(thief.expect("just made")).frames = Some(Vec::new());
        world.advance(SECOND);
    }
    if seed.is_multiple_of(5) {
        world.kill_server();
        run(&mut world, &mut rng, &all, 1, |_| {});
        world.start_server();
    }
    if way == Way::Invisible {
        world.cut(ghost, Cut::NONE);
        world.command(ghost, Command::Rooms([].into()));
    }
    run(&mut world, &mut rng, &all, 8, |_| {});
    world.advance(SECOND * 40);
    match way {
        Way::Offline => world.start_again(ghost, as_ghost(has_key)),
        Way::Invisible => {
            let closings = &world.watcher(ghost).closings;
            assert!(world.is_signed_in(ghost), "seed {seed}: the ghost is there: {closings:?}");
            world.show(ghost, Status::Available, "boo");
        }
    }
    run(&mut world, &mut rng, &all, 8, |_| {});
    let all = all.into_iter().chain(thief);
    all.map(|who| world.client(who).frames.take().expect("kept from the start")).collect()
}

/// Some steps of the others' lives, with something before each.
fn run(
    world: &mut World,
    rng: &mut StdRng,
    all: &[Who],
    steps: usize,
    mut before: impl FnMut(&mut World),
) {
    for _ in 0..steps {
        before(world);
        live(world, rng, all);
        world.advance(Duration::from_millis(rng.random_range(0..3_000)));
    }
}

#[test]
fn who_hides_leaves_no_trace_in_a_single_byte_that_others_receive() {
    for_each_seed(300, |seed| {
        let (offline, invisible) = (lived(seed, Way::Offline), lived(seed, Way::Invisible));
        let bytes: usize = offline.iter().flatten().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes > 1_000, "seed {seed}: a life with {bytes} bytes proves little");
        for (who, (offline, invisible)) in offline.iter().zip(&invisible).enumerate() {
            let pairs = offline.iter().zip(invisible);
            if let Some((before, after)) = pairs.into_iter().find(|(a, b)| a != b) {
                panic!("seed {seed}: client {who} received {} and {}", say(before), say(after));
            }
            assert_eq!(offline.len(), invisible.len(), "seed {seed}: client {who}");
        }
    });
}

/// Some frames, as far as they can be read.
fn say((at, bytes): &(Duration, Vec<u8>)) -> String {
    use herenow_client::protocol::ServerMessage;
    use herenow_client::protocol::frame::split_body;
    let (mut rest, mut said) = (&bytes[..], format!("at {at:?}"));
    while let Ok(Some(body)) = split_body(&mut rest, usize::from(u16::MAX)) {
        said += &format!("\n  {:?}", ServerMessage::decode(body));
    }
    said
}
