//! Ada's cable is pulled, at every place of the heartbeat, and put back in.

use std::time::Duration;

use herenow_client::Disconnect;
use herenow_client::protocol::CloseReason;

use super::world::{EVERYONE, SERVER, World};
use super::{BOUND, SECOND, SETTLED, assert_undisturbed, seeds};

/// The heartbeat interval is cut at this many places.
const PHASES: u32 = 40;
const INTERVAL: Duration = Duration::from_secs(2);

/// How a cable is pulled.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pull {
    /// Nothing passes, and what is under way is lost.
    Lose,
    /// Nothing passes; what is under way comes later.
    Hold,
    /// Nothing passes from ada to the server.
    LoseUp,
    /// Nothing passes from the server to ada.
    LoseDown,
}

impl Pull {
    fn begin(self, world: &World) {
        match self {
            Self::Lose => world.sim.partition("ada", SERVER),
            Self::Hold => world.sim.hold("ada", SERVER),
            Self::LoseUp => world.sim.partition_oneway("ada", SERVER),
            Self::LoseDown => world.sim.partition_oneway(SERVER, "ada"),
        }
    }

    fn end(self, world: &World) {
        match self {
            Self::Hold => world.sim.release("ada", SERVER),
            Self::Lose | Self::LoseUp | Self::LoseDown => world.sim.repair("ada", SERVER),
        }
    }
}

/// Tells a story at every `step`th place of the heartbeat.
fn at_phases(step: usize, story: impl Fn(&mut World, &str)) {
    for seed in seeds() {
        for phase in (0..PHASES).step_by(step) {
            let mut world = World::seeded(seed);
            world.run_until(SETTLED + INTERVAL * phase / PHASES);
            world.assert_exact(&EVERYONE, &EVERYONE);
            story(&mut world, &format!("seed {seed}, phase {phase}"));
        }
    }
}

/// Ada's cable is put back in only when everybody knows.
fn a_cut_is_told_and_healed(world: &mut World, pull: Pull, story: &str) {
    pull.begin(world);
    let cut = world.now();
    world.run_for(SECOND * 20);
    assert_watchers_were_told(world, cut, story);
    assert_ada_noticed(world, cut, story);
    pull.end(world);
    world.run_until(SECOND * 60);
    assert_all_is_well(world, story);
}

fn assert_watchers_were_told(world: &World, cut: Duration, story: &str) {
    for watcher in ["bob", "cyd"] {
        let departures = world.journal(watcher).departures("ada");
        let [(told, CloseReason::HeartbeatTimeout)] = departures[..] else {
            panic!("{story}: {watcher} saw {departures:?}")
        };
        assert!(told <= cut + BOUND, "{story}: {watcher} was told after {:?}", told - cut);
        // The last sign of life came at most one interval and one delivery before the cut.
        assert!(told + SECOND * 3 >= cut + BOUND, "{story}: told early, after {:?}", told - cut);
    }
    world.assert_exact(&["bob", "cyd"], &["bob", "cyd"]);
}

fn assert_ada_noticed(world: &World, cut: Duration, story: &str) {
    let closings = world.journal("ada").closings();
    let Some((noticed, reason)) = closings.first() else { panic!("{story}: ada noticed nothing") };
    assert!(*noticed <= cut + BOUND, "{story}: ada noticed after {:?}", *noticed - cut);
    let of_silence = match reason {
        Disconnect::ServerSilent { .. } => true,
        Disconnect::Goodbye { reason, .. } => *reason == CloseReason::HeartbeatTimeout,
        _ => false,
    };
    assert!(of_silence, "{story}: {reason:?}");
}

/// Ada is back in the same session, everyone shows everyone, and the others noticed nothing of themselves.
fn assert_all_is_well(world: &World, story: &str) {
    let sign_ins = world.journal("ada").sign_ins();
    let [(first, false), (second, true)] = sign_ins[..] else { panic!("{story}: {sign_ins:?}") };
    assert_eq!(first, second, "{story}: the session");
    assert_undisturbed(world, &["bob", "cyd"], story);
    world.assert_exact(&EVERYONE, &EVERYONE);
}

#[test]
fn a_pulled_cable_is_told_within_the_bound_at_every_phase_and_the_session_goes_on() {
    at_phases(1, |world, story| a_cut_is_told_and_healed(world, Pull::Lose, story));
}

#[test]
fn a_silent_network_is_told_within_the_bound_at_every_phase_and_the_session_goes_on() {
    at_phases(1, |world, story| a_cut_is_told_and_healed(world, Pull::Hold, story));
}

#[test]
fn who_is_not_heard_is_told_within_the_bound_although_still_reached() {
    at_phases(8, |world, story| a_cut_is_told_and_healed(world, Pull::LoseUp, story));
}

/// The server hears ada's try to come back, so for everyone else she is here until that try was silent for too long.
#[test]
fn who_is_heard_but_not_reached_notices_within_the_bound_and_is_shown_meanwhile() {
    at_phases(8, |world, story| {
        Pull::LoseDown.begin(world);
        let cut = world.now();
        world.run_for(SECOND * 18);
        assert_ada_noticed(world, cut, story);
        world.assert_exact(&["bob", "cyd"], &EVERYONE);
        assert_eq!(world.journal("bob").departures("ada"), [], "{story}");
        Pull::LoseDown.end(world);
        world.run_until(SECOND * 60);
        assert_all_is_well(world, story);
    });
}

#[test]
fn a_short_cut_is_seen_by_nobody() {
    for span in [SECOND * 2, SECOND * 4] {
        at_phases(4, |world, story| {
            let cut = world.now();
            Pull::Hold.begin(world);
            world.run_for(span);
            Pull::Hold.end(world);
            world.run_for(SECOND * 15);
            for watcher in ["bob", "cyd"] {
                assert_eq!(world.journal(watcher).news(cut), [], "{story}, {span:?}: {watcher}");
            }
            assert_eq!(world.journal("ada").closings(), [], "{story}, {span:?}");
            world.assert_exact(&EVERYONE, &EVERYONE);
        });
    }
}

#[test]
fn a_connection_that_is_reset_and_back_within_grace_is_seen_by_nobody() {
    at_phases(4, |world, story| {
        let cut = world.now();
        world.reset("ada");
        world.run_for(SECOND * 15);
        for watcher in ["bob", "cyd"] {
            assert_eq!(world.journal(watcher).news(cut), [], "{story}: {watcher}");
        }
        let closings = world.journal("ada").closings();
        assert!(
            matches!(closings[..], [(_, Disconnect::ConnectionReset)]),
            "{story}: {closings:?}"
        );
        assert_all_is_well(world, story);
    });
}
