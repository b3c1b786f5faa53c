//! A server that stops or dies and starts again with its state: nobody is seen leaving who is still there.

use std::time::{Duration, Instant};

use herenow::config::Config;
use herenow_client::protocol::CloseReason;

use crate::world::{DELIVERY_MAX, Who, World};
use crate::{BOUND, GRACE, RESUME_WINDOW, SECOND, assert_all_exact, for_each_seed};

const CLIENTS: usize = 200;

const WATCHERS: usize = 5;

/// A crowd of which the first few watch the lobby.
fn crowd(seed: u64, clients: usize) -> (World, Vec<Who>) {
    let mut world = World::with_state(seed, Config::default(), true);
    let all = (0..clients).map(|n| {
        let (name, device) = (format!("user {n}"), format!("device-{n}"));
        let who = world.join_as(&name, &device, |options| {
            if n >= WATCHERS {
                options.views.clear();
            }
        });
        let pause = world.dice(20);
        world.advance(Duration::from_millis(pause));
        who
    });
    let all = all.collect();
    world.advance(SECOND * 3);
    (world, all)
}

/// Everybody is back in their session, and no watcher saw anything but its own list grow at first.
fn assert_nobody_noticed(world: &World, all: &[Who], since: Instant) {
    let names: Vec<_> = (0..all.len()).map(|n| format!("user {n}")).collect();
    let pairs: Vec<_> = all.iter().copied().zip(names.iter().map(String::as_str)).collect();
    assert_all_exact(world, &pairs[..WATCHERS], &names_of(&pairs[WATCHERS..]));
    for who in &all[..WATCHERS] {
        let watcher = world.watcher(*who);
        assert!(watcher.departures.is_empty(), "{:?}", watcher.departures);
        assert!(watcher.arrivals.iter().all(|(_, at)| *at < since), "{:?}", watcher.arrivals);
        assert_eq!((&watcher.vanished[..], &watcher.appeared[..]), (&[][..], &[][..]));
    }
    for who in all {
        let sign_ins = &world.watcher(*who).sign_ins;
        let [(first, false, _), (second, true, _)] = sign_ins[..] else { panic!("{sign_ins:?}") };
        assert_eq!(first, second, "the same session");
    }
}

fn names_of<'a>(pairs: &[(Who, &'a str)]) -> Vec<&'a str> {
    pairs.iter().map(|(_, name)| *name).collect()
}

/// How many of them signed in within the busiest 100 ms.
fn busiest(world: &World, all: &[Who]) -> usize {
    let mut times: Vec<_> = all.iter().map(|who| world.watcher(*who).sign_ins[1].2).collect();
    times.sort_unstable();
    let within = |at: &Instant| {
        times.iter().filter(|t| (*at..*at + Duration::from_millis(100)).contains(*t)).count()
    };
    times.iter().map(within).max().unwrap_or(0)
}

#[test]
fn a_planned_restart_is_seen_by_nobody() {
    for_each_seed(4, |seed| {
        let (mut world, all) = crowd(seed, CLIENTS);
        let stopped_at = world.now();
        world.stop_server();
        world.advance(SECOND);
        world.start_server();
        world.advance(SECOND * 20);
        assert_nobody_noticed(&world, &all, stopped_at);
        let busiest = busiest(&world, &all);
        assert!(busiest <= CLIENTS / 10, "{busiest} of {CLIENTS} came back within 100 ms");
    });
}

#[test]
fn a_crash_and_a_restart_two_seconds_later_are_seen_by_nobody() {
    for_each_seed(4, |seed| {
        let (mut world, all) = crowd(seed, CLIENTS);
        let killed_at = world.now();
        world.kill_server();
        world.advance(SECOND * 2);
        world.start_server();
        world.advance(SECOND * 20);
        assert_nobody_noticed(&world, &all, killed_at);
        let busiest = busiest(&world, &all);
        assert!(busiest <= CLIENTS / 5, "{busiest} of {CLIENTS} came back within 100 ms");
    });
}

#[test]
fn who_dies_during_the_outage_is_reported_within_the_bound_and_the_outage() {
    for seed in 0..60 {
        let (mut world, all) = crowd(seed, 10);
        let outage = Duration::from_millis(500 + world.dice(4_500));
        let killed_at = world.now();
        match seed % 3 {
            0 => world.stop_server(),
            _ => world.kill_server(),
        }
        let dies_in = outage.mul_f64(f64::from(u32::try_from(seed).unwrap()) / 60.0);
        world.advance(dies_in);
        let (dead, died_at) = (all[7], world.now());
        world.freeze(dead, true);
        world.advance(outage - dies_in);
        world.start_server();
        world.advance(BOUND);
        let expected = match seed % 3 {
            0 => CloseReason::ServerShutdown,
            _ => CloseReason::ServerCrash,
        };
        for who in &all[..WATCHERS] {
            let watcher = world.watcher(*who);
            // Some come back before others; those who do are not shown again by news.
            assert!(watcher.arrivals.iter().all(|(_, at)| *at < killed_at), "seed {seed}");
            assert!(watcher.vanished.is_empty() && watcher.appeared.is_empty(), "seed {seed}");
            let [(name, cause, at)] = &watcher.departures[..] else {
                panic!("seed {seed}: {:?}", watcher.departures)
            };
            assert_eq!((name.as_str(), *cause), ("user 7", expected), "seed {seed}");
            assert!(*at - died_at <= BOUND + outage, "seed {seed}: after {:?}", *at - died_at);
        }
    }
}

#[test]
fn who_was_lost_before_the_crash_has_the_rest_of_its_grace_after_the_restart() {
    for seed in 0..30 {
        let (mut world, all) = crowd(seed, 10);
        world.kill(all[7], crate::world::cable::Parcel::Reset);
        world.advance(SECOND * 2);
        world.kill_server();
        world.advance(SECOND * 2);
        world.start_server();
        // It counted for two of its five seconds. The process said once a second that it was alive, so up to a second
        // of these is not known.
        world.advance(GRACE - SECOND * 2 - DELIVERY_MAX * 2);
        assert!(world.listed().contains_key("user 7"), "seed {seed}");
        world.advance(SECOND + DELIVERY_MAX * 3);
        assert!(!world.listed().contains_key("user 7"), "seed {seed}");
        world.advance(BOUND);
        for who in &all[..WATCHERS] {
            let watcher = world.watcher(*who);
            // A watcher that came back later than that reads it from its new snapshot.
            let told = watcher.departures.iter().map(|(name, cause, _)| (name.as_str(), *cause));
            let told: Vec<_> = told.collect();
            match watcher.vanished.is_empty() {
                true => assert_eq!(told, [("user 7", CloseReason::ConnectionReset)], "{seed}"),
                false => assert!(told.is_empty() && watcher.vanished.len() == 1, "{seed}"),
            }
        }
    }
}

#[test]
fn after_an_outage_longer_than_the_window_nobody_is_restored() {
    let (mut world, all) = crowd(1, 10);
    world.kill_server();
    all.iter().for_each(|who| world.freeze(*who, true));
    world.advance(RESUME_WINDOW * 2);
    world.start_server();
    assert!(world.listed().is_empty(), "{:?}", world.listed());
    world.advance(SECOND);
    let open = crate::transitions::open_sessions(world.journal());
    assert!(open.is_empty(), "every session is closed: {open:?}");
}
