//! Hosts crash and start again.

use std::time::Duration;

use herenow_client::protocol::CloseReason;

use super::world::{EVERYONE, SERVER, World};
use super::{BOUND, SECOND, SETTLED, assert_undisturbed, seeds};

/// How long a session without a connection still counts.
const GRACE: Duration = Duration::from_secs(5);

/// What publishing and delivering take at most.
const DELIVERY: Duration = Duration::from_millis(200);

fn settled_worlds() -> impl Iterator<Item = World> {
    seeds().map(|seed| {
        let mut world = World::seeded(seed);
        world.run_until(SETTLED);
        world.assert_exact(&EVERYONE, &EVERYONE);
        world
    })
}

/// When both watchers were told that ada left, for this cause.
fn told_of_ada(world: &World, expected: CloseReason) -> Vec<Duration> {
    let of = |watcher: &&str| {
        let departures = world.journal(watcher).departures("ada");
        match departures[..] {
            [(told, cause)] if cause == expected => told,
            _ => panic!("{watcher} saw {departures:?}"),
        }
    };
    ["bob", "cyd"].iter().map(of).collect()
}

#[test]
fn a_client_that_crashes_is_told_after_grace_with_its_cause_and_signs_in_anew() {
    for mut world in settled_worlds() {
        world.sim.crash("ada");
        let crash = world.now();
        world.run_for(SECOND * 20);
        for told in told_of_ada(&world, CloseReason::ConnectionClosed) {
            let after = told - crash;
            assert!((GRACE..=GRACE + DELIVERY).contains(&after), "told after {after:?}");
        }
        world.assert_exact(&["bob", "cyd"], &["bob", "cyd"]);
        world.sim.bounce("ada");
        world.run_for(SECOND * 10);
        let sign_ins = world.journal("ada").sign_ins();
        let [(first, false), (second, false)] = sign_ins[..] else { panic!("{sign_ins:?}") };
        assert_ne!(first, second, "it kept no token");
        assert_undisturbed(&world, &["bob", "cyd"], "a crash");
        world.assert_exact(&EVERYONE, &EVERYONE);
    }
}

#[test]
fn a_client_that_crashes_and_starts_again_within_grace_is_seen_by_nobody() {
    for mut world in settled_worlds() {
        world.sim.crash("ada");
        let crash = world.now();
        world.run_for(SECOND * 3);
        world.sim.bounce("ada");
        world.run_for(SECOND * 15);
        for watcher in ["bob", "cyd"] {
            assert_eq!(world.journal(watcher).news(crash), [], "{watcher}");
        }
        world.assert_exact(&EVERYONE, &EVERYONE);
    }
}

#[test]
fn a_client_that_loses_its_power_is_told_within_the_bound() {
    for mut world in settled_worlds() {
        world.sim.partition("ada", SERVER);
        world.sim.crash("ada");
        let crash = world.now();
        world.run_for(SECOND * 15);
        for told in told_of_ada(&world, CloseReason::HeartbeatTimeout) {
            assert!(told <= crash + BOUND, "told after {:?}", told - crash);
        }
        world.assert_exact(&["bob", "cyd"], &["bob", "cyd"]);
    }
}

#[test]
fn after_a_crash_of_the_server_everyone_is_back_and_every_view_is_exact() {
    for mut world in settled_worlds() {
        world.sim.bounce(SERVER);
        world.run_for(SECOND * 30);
        for name in EVERYONE {
            let sign_ins = world.journal(name).sign_ins();
            assert!(matches!(sign_ins[..], [(_, false), (_, false)]), "{name}: {sign_ins:?}");
        }
        world.assert_exact(&EVERYONE, &EVERYONE);
    }
}
