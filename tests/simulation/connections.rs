//! Connections that are lost, slow or silent: the bound holds on both sides, and everyone ends up exact.

use std::time::Duration;

use herenow::config::Config;
use herenow_client::protocol::{CloseReason, Shown, Status};

use crate::world::cable::Parcel;
use crate::world::{Cut, DELIVERY_MAX, World};
use crate::{BOUND, GRACE, SECOND, assert_all_exact};

fn assert_shows(shown: &Shown, status: Status, text: &str) {
    assert_eq!((shown.presence.status, shown.presence.text.as_str()), (status, text));
}

#[test]
fn everyone_sees_who_is_here() {
    let mut world = World::seeded(1);
    let ada = world.join("ada");
    world.advance(SECOND);
    let bob = world.join("bob");
    world.advance(SECOND);
    world.show(ada, Status::Busy, "deep in it");
    world.advance(SECOND);
    assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")], &[]);
    assert_shows(&world.watcher(bob).shown()["ada"], Status::Busy, "deep in it");
    world.goodbye(ada);
    world.advance(SECOND);
    assert_all_exact(&world, &[(bob, "bob")], &[]);
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
        assert!(world.watcher(ada).is_stale(), "a list that cannot be proved is announced as old");
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
            world.advance(SECOND * 16);
            let (_, noticed_at) = world.watcher(ada).closings[0];
            let (_, _, left_at) = world.watcher(bob).departures[0];
            // A client that still reaches the server says that it gives up: its last sign of life.
            let left_by = if cut.up { told_by } else { noticed_at + GRACE + DELIVERY_MAX * 2 };
            assert!(noticed_at <= told_by && left_at <= left_by, "seed {seed}, {cut:?}");
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
        assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")], &[]);
        assert!(world.watcher(bob).departures.is_empty(), "seed {seed}");
        assert!(world.watcher(ada).closings.is_empty(), "seed {seed}");
    }
}

#[test]
fn after_a_long_cut_the_client_comes_back_by_itself() {
    let mut world = World::seeded(3);
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    world.show(ada, Status::Away, "on the train");
    world.advance(SECOND * 5);
    world.cut(ada, Cut::BOTH);
    world.advance(SECOND * 60);
    world.cut(ada, Cut::NONE);
    world.advance(SECOND * 30);
    assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")], &[]);
    assert_shows(&world.listed()["ada"], Status::Away, "on the train");
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
    assert_all_exact(&world, &signed_in, &[]);
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
    assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")], &[]);
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
    assert_all_exact(&world, &[(second, "ada"), (bob, "bob")], &[]);
    assert!(world.is_over(first), "a replaced client does not come back by itself");
    assert!(world.watcher(bob).departures.is_empty(), "nobody sees a leave");
    let third = world.join_as("ada", "phone", |_| {});
    world.advance(SECOND * 10);
    assert_eq!(world.watcher(third).closings[0].0, "name_in_use");
    assert_all_exact(&world, &[(second, "ada"), (bob, "bob")], &[]);
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
    world.advance(GRACE - DELIVERY_MAX);
    let watcher = world.watcher(bob);
    assert!(watcher.causes("closing").is_empty() && watcher.causes("breaking").is_empty());
    world.advance(SECOND);
    let watcher = world.watcher(bob);
    assert_eq!(watcher.causes("closing"), [CloseReason::ConnectionClosed]);
    assert_eq!(watcher.causes("breaking"), [CloseReason::ConnectionReset]);
    assert_eq!(watcher.causes("leaving"), [CloseReason::Goodbye]);
}

#[test]
fn a_planned_stop_is_said_and_everyone_comes_back() {
    let config =
        Config { come_back_min: SECOND * 3, come_back_max: SECOND * 3, ..Config::default() };
    let mut world = World::with(8, config);
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    world.advance(SECOND * 3);
    world.stop_server();
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
    assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")], &[]);
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
    assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")], &[]);
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
            world.show(*who, Status::Away, &text);
        }
        world.advance(SECOND);
    }
    let queued = world.queued_bytes(ada);
    assert!(queued <= 32_768 + 4_096, "{queued} bytes wait for a reader that does not read");
    world.freeze(ada, false);
    world.advance(SECOND * 5);
    here.push((ada, "ada"));
    assert_all_exact(&world, &here, &[]);
    assert!(world.watcher(ada).closings.is_empty(), "slowness alone ends nothing");
}
