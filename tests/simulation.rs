//! The rules of server and clients in a seeded world: stories first, then thousands of schedules.

#![allow(unreachable_pub, reason = "the world is a module of this test alone")]

#[path = "support/world/mod.rs"]
mod world;

use std::time::Duration;

use herenow::config::Config;
use herenow_client::protocol::{CloseReason, Presence, Status, StatusText};
use world::cable::Parcel;
use world::{Cut, Who, World};

const SECOND: Duration = Duration::from_secs(1);

/// The default bound, as announced: five silent intervals of two seconds, and half a second.
const BOUND: Duration = Duration::from_millis(10_500);

/// The slowest delivery of this world.
const DELIVERY_MAX: Duration = Duration::from_millis(30);

fn presence(status: Status, text: &str) -> Presence {
    Presence { status, text: StatusText::new(text).expect("a test text is valid") }
}

/// Every client in `signed_in` shows exactly the server's list, and it is the list of their names.
fn assert_all_exact(world: &World, signed_in: &[(Who, &str)]) {
    let listed = world.listed();
    let names: Vec<_> = listed.keys().map(String::as_str).collect();
    let mut expected: Vec<_> = signed_in.iter().map(|(_, name)| *name).collect();
    expected.sort_unstable();
    assert_eq!(names, expected, "the server's list");
    let proof = world.server.as_ref().expect("the server runs").registry.proof();
    for (who, name) in signed_in {
        assert!(world.is_signed_in(*who), "{name} is signed in");
        let view = world.view(*who);
        assert!(view.is_complete(), "the view of {name} is complete");
        assert_eq!(view.len(), usize::try_from(proof.count).expect("few"));
        assert_eq!(world.watcher(*who).shown, listed, "what {name} was told");
        assert!(!world.watcher(*who).stale, "the view of {name} is fresh");
    }
}

#[test]
fn everyone_sees_who_is_here() {
    let mut world = World::seeded(1);
    let ada = world.join("ada");
    world.advance(SECOND);
    let bob = world.join("bob");
    world.advance(SECOND);
    world.set_presence(ada, presence(Status::Busy, "deep in it"));
    world.advance(SECOND);
    assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")]);
    assert_eq!(world.watcher(bob).shown["ada"], presence(Status::Busy, "deep in it"));
    world.goodbye(ada);
    world.advance(SECOND);
    assert_all_exact(&world, &[(bob, "bob")]);
    assert_eq!(world.watcher(bob).causes("ada"), [CloseReason::Goodbye]);
}

#[test]
fn a_pulled_cable_is_told_within_the_bound_on_both_sides() {
    for seed in 0..200 {
        let mut world = World::seeded(seed);
        let (ada, bob) = (world.join("ada"), world.join("bob"));
        let phase = world.dice(4_000);
        world.advance(SECOND * 3 + Duration::from_millis(phase));
        world.cut(ada, Cut::BOTH);
        let cut_at = world.now();
        world.advance(BOUND);
        assert_eq!(
            world.watcher(bob).causes("ada"),
            [CloseReason::HeartbeatTimeout],
            "seed {seed}"
        );
        let [("server_silent", noticed_at)] = world.watcher(ada).closings[..] else {
            panic!("seed {seed}: {:?}", world.watcher(ada).closings)
        };
        assert!(noticed_at - cut_at <= BOUND, "seed {seed}");
        assert!(world.watcher(ada).contacts_lost >= 2, "contact was lost before it was given up");
        assert!(world.watcher(ada).stale, "a list that cannot be proved is announced as old");
        assert!(world.watcher(bob).closings.is_empty(), "others are undisturbed");
    }
}

#[test]
fn each_direction_alone_ends_both_sides_within_the_bound() {
    for seed in 0..100 {
        for cut in [Cut { up: true, down: false }, Cut { up: false, down: true }] {
            let mut world = World::seeded(seed);
            let (ada, bob) = (world.join("ada"), world.join("bob"));
            world.advance(SECOND * 3);
            world.cut(ada, cut);
            let told_by = world.now() + BOUND + DELIVERY_MAX;
            world.advance(SECOND * 15);
            let (_, noticed_at) = world.watcher(ada).closings[0];
            let (_, _, left_at) = world.watcher(bob).departures[0];
            assert!(noticed_at <= told_by && left_at <= told_by, "seed {seed}, {cut:?}");
            assert_eq!(world.watcher(bob).causes("ada"), [CloseReason::HeartbeatTimeout]);
            assert!(world.watcher(bob).closings.is_empty(), "others are undisturbed");
        }
    }
}

#[test]
fn a_short_cut_is_seen_by_nobody() {
    for seed in 0..100 {
        let mut world = World::seeded(seed);
        let (ada, bob) = (world.join("ada"), world.join("bob"));
        world.advance(SECOND * 5);
        world.cut(ada, Cut::BOTH);
        world.advance(SECOND * 2);
        world.cut(ada, Cut::NONE);
        world.advance(SECOND * 20);
        assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")]);
        assert!(world.watcher(bob).departures.is_empty(), "seed {seed}");
        assert!(world.watcher(ada).closings.is_empty(), "seed {seed}");
    }
}

#[test]
fn after_a_long_cut_the_client_comes_back_by_itself() {
    let mut world = World::seeded(3);
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    world.set_presence(ada, presence(Status::Away, "on the train"));
    world.advance(SECOND * 5);
    world.cut(ada, Cut::BOTH);
    world.advance(SECOND * 60);
    world.cut(ada, Cut::NONE);
    world.advance(SECOND * 30);
    assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")]);
    assert_eq!(world.listed()["ada"], presence(Status::Away, "on the train"), "and is still away");
    assert_eq!(world.watcher(bob).arrivals.iter().filter(|(name, _)| name == "ada").count(), 1);
}

#[test]
fn a_frozen_server_drops_nobody_who_kept_beating() {
    let mut world = World::seeded(4);
    let names: Vec<_> = (0..50).map(|n| format!("user {n}")).collect();
    // Their own limit, 25 s, is longer than the freeze.
    let patient = |options: &mut herenow_client::Options| options.heartbeat = Some(SECOND * 5);
    let all: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, name)| world.join_as(name, &format!("d{n}"), patient))
        .collect();
    world.advance(SECOND * 10);
    world.freeze_server(true);
    world.advance(SECOND * 20);
    world.freeze_server(false);
    world.advance(SECOND * 30);
    let signed_in: Vec<_> =
        all.iter().zip(&names).map(|(who, name)| (*who, name.as_str())).collect();
    assert_all_exact(&world, &signed_in);
    for who in all {
        assert!(world.watcher(who).closings.is_empty() && world.watcher(who).departures.is_empty());
    }
}

#[test]
fn a_frozen_client_is_missed_and_comes_back_when_it_thaws() {
    let mut world = World::seeded(5);
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    world.advance(SECOND * 5);
    world.freeze(ada, true);
    world.advance(BOUND);
    assert_eq!(world.watcher(bob).causes("ada"), [CloseReason::HeartbeatTimeout]);
    world.advance(SECOND * 20);
    world.freeze(ada, false);
    world.advance(SECOND * 25);
    assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")]);
    assert_eq!(
        world.watcher(ada).closings[0].0,
        "heartbeat_timeout",
        "it reads why it was dropped"
    );
}

#[test]
fn the_same_device_takes_over_and_the_loser_stays_away() {
    let mut world = World::seeded(6);
    let bob = world.join("bob");
    let first = world.join_as("ada", "laptop", |_| {});
    world.advance(SECOND);
    let second = world.join_as("ada", "laptop", |_| {});
    world.advance(SECOND * 60);
    assert_all_exact(&world, &[(second, "ada"), (bob, "bob")]);
    assert!(world.is_over(first), "a replaced client does not come back by itself");
    assert!(world.watcher(bob).departures.is_empty(), "nobody sees a leave");
    let third = world.join_as("ada", "phone", |_| {});
    world.advance(SECOND * 10);
    assert_eq!(world.watcher(third).closings[0].0, "name_in_use");
    assert_all_exact(&world, &[(second, "ada"), (bob, "bob")]);
}

#[test]
fn every_end_of_a_connection_has_its_cause() {
    let mut world = World::seeded(7);
    let bob = world.join("bob");
    let closing = world.join("closing");
    let breaking = world.join("breaking");
    let leaving = world.join("leaving");
    world.advance(SECOND * 2);
    world.kill(closing, Parcel::End);
    world.kill(breaking, Parcel::Reset);
    world.goodbye(leaving);
    world.advance(SECOND);
    let watcher = world.watcher(bob);
    assert_eq!(watcher.causes("closing"), [CloseReason::ConnectionClosed]);
    assert_eq!(watcher.causes("breaking"), [CloseReason::ConnectionReset]);
    assert_eq!(watcher.causes("leaving"), [CloseReason::Goodbye]);
}

#[test]
fn a_planned_stop_is_said_and_everyone_comes_back() {
    let mut world = World::seeded(8);
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    world.advance(SECOND * 3);
    world.stop_server(SECOND * 3);
    let stopped_at = world.now();
    world.advance(SECOND);
    for who in [ada, bob] {
        let (reason, at) = world.watcher(who).closings[0];
        assert_eq!(reason, "server_shutdown");
        assert!(at - stopped_at <= Duration::from_millis(100));
    }
    world.start_server();
    world.advance(Duration::from_millis(1_900));
    assert!(world.listed().is_empty(), "the time to come back is honoured");
    world.advance(SECOND * 30);
    assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")]);
}

#[test]
fn a_server_that_dies_is_noticed_at_once_and_found_again() {
    let mut world = World::seeded(9);
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    world.advance(SECOND * 3);
    world.kill_server();
    world.advance(Duration::from_millis(50));
    assert_eq!(world.watcher(ada).closings[0].0, "connection_closed");
    world.advance(SECOND * 40);
    world.start_server();
    world.advance(SECOND * 45);
    assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")]);
}

#[test]
fn a_hurried_client_is_missed_within_600_ms() {
    for seed in 0..100 {
        let mut world = World::seeded(seed);
        let bob = world.join("bob");
        let hurried = |options: &mut herenow_client::Options| {
            options.heartbeat = Some(Duration::from_millis(100));
        };
        let ada = world.join_as("ada", "seat", hurried);
        let phase = world.dice(500);
        world.advance(SECOND * 2 + Duration::from_millis(phase));
        world.cut(ada, Cut::BOTH);
        world.advance(Duration::from_millis(600) + DELIVERY_MAX);
        assert_eq!(
            world.watcher(bob).causes("ada"),
            [CloseReason::HeartbeatTimeout],
            "seed {seed}"
        );
    }
}

#[test]
fn a_slow_reader_of_a_busy_room_ends_up_exact() {
    let config = Config { outbox_bytes_max: 32_768, ..Config::default() };
    let mut world = World::with(10, config);
    let ada = world.join("ada");
    let names: Vec<_> = (0..100).map(|n| format!("user {n}")).collect();
    let mut here: Vec<_> = names.iter().map(|name| (world.join(name), name.as_str())).collect();
    world.advance(SECOND * 2);
    world.freeze(ada, true);
    for round in 0..3 {
        for (who, _) in &here {
            let text = format!("{round} {}", "long news ".repeat(12));
            world.set_presence(*who, presence(Status::Away, &text));
        }
        world.advance(SECOND);
    }
    let queued = world.queued_bytes(ada);
    assert!(queued <= 32_768 + 4_096, "{queued} bytes wait for a reader that does not read");
    world.freeze(ada, false);
    world.advance(SECOND * 5);
    here.push((ada, "ada"));
    assert_all_exact(&world, &here);
    assert!(world.watcher(ada).closings.is_empty(), "slowness alone ends nothing");
}

/// One random life of a world. Returns its transcript.
fn life(seed: u64) -> Vec<String> {
    let config = Config { outbox_bytes_max: 32_768, ..Config::default() };
    let mut world = World::with(seed, config);
    let names = ["ada", "bob", "eve", "joe", "kim", "lee", "max"];
    let all: Vec<_> = names.iter().map(|name| world.join(name)).collect();
    let mut gone = [false; 7];
    for _ in 0..40 {
        let pick = usize::try_from(world.dice(7)).expect("small");
        let who = all[pick];
        match world.dice(12) {
            0 => world.cut(who, Cut::BOTH),
            1 => world.cut(who, Cut { up: true, down: false }),
            2 => world.cut(who, Cut { up: false, down: true }),
            3 | 4 => world.cut(who, Cut::NONE),
            5 => world.freeze(who, true),
            6 => world.freeze(who, false),
            7 => world.reset(who),
            8 if world.dice(4) == 0 && !gone[pick] && !gone[..3].contains(&true) && pick < 3 => {
                world.goodbye(who);
                gone[pick] = true;
            }
            9 if world.dice(3) == 0 => {
                let frozen = world.dice(2) == 0;
                world.freeze_server(frozen);
            }
            10 if world.dice(4) == 0 => {
                world.kill_server();
                let pause = world.dice(5_000);
                world.advance(Duration::from_millis(pause));
                world.start_server();
            }
            _ => {
                let status = Status::ALL[usize::try_from(world.dice(3)).expect("small")];
                let text = format!("text {}", world.dice(100));
                world.set_presence(who, presence(status, &text));
            }
        }
        let pause = world.dice(6_000);
        world.advance(Duration::from_millis(pause));
    }
    world.freeze_server(false);
    for who in &all {
        world.cut(*who, Cut::NONE);
        world.freeze(*who, false);
    }
    world.advance(SECOND * 90);
    let here: Vec<_> = (0..7).filter(|n| !gone[*n]).map(|n| (all[n], names[n])).collect();
    assert_all_exact(&world, &here);
    world.transcript
}

/// How many lives a run lives: more for a soak, by `HERENOW_SEEDS`.
fn seeds() -> u64 {
    std::env::var("HERENOW_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

#[test]
fn any_life_ends_with_exact_lists() {
    for seed in 0..seeds() {
        // The harness prints a panic's message; this line says which seed it belongs to.
        let lived = std::panic::catch_unwind(|| life(seed));
        assert!(lived.is_ok(), "seed {seed} failed: see above");
    }
}

#[test]
fn the_same_seed_lives_the_same_life() {
    for seed in 0..10 {
        assert_eq!(life(seed), life(seed), "seed {seed}");
    }
    assert_ne!(life(1), life(2));
}
