//! The real actors and the real client on a simulated network under virtual time.
//!
//! `HERENOW_TURMOIL_SEEDS=20 cargo test --release --test turmoil` soaks: every story is told with that many seeds
//! (1 unless said otherwise), which change latencies and the place of every heartbeat. Seeds are printed by what fails.
//!
//! `partition` loses what is under way, and turmoil's TCP never sends it again, so a partition ends a connection for
//! good, as a long cut does. `hold` keeps what is under way until the release, as TCP's own repetitions would: that is
//! how a short cut looks.

mod crashes;
mod cuts;
mod journal;
mod wire;
mod world;

use std::time::Duration;

use herenow_client::Event;
use world::{EVERYONE, SERVER, World};

const SECOND: Duration = Duration::from_secs(1);

/// The announced bound: five silent intervals of two seconds, and half a second.
const BOUND: Duration = Duration::from_millis(10_500);

/// Everyone is in and settled by then.
const SETTLED: Duration = Duration::from_secs(6);

fn seeds() -> std::ops::Range<u64> {
    let wanted = std::env::var("HERENOW_TURMOIL_SEEDS").ok();
    0..wanted.map_or(1, |seeds| seeds.parse().expect("HERENOW_TURMOIL_SEEDS is a number"))
}

/// Nobody of these lost contact, saw an old list or a wrong one, or an end.
fn assert_undisturbed(world: &World, people: &[&str], story: &str) {
    for name in people {
        let disturbances = world.journal(name).find(Duration::ZERO, |event| match event {
            Event::Stale { .. }
            | Event::Diverged { .. }
            | Event::Repaired { .. }
            | Event::ContactLost { .. }
            | Event::Closed { .. } => Some(event.clone()),
            _ => None,
        });
        assert!(disturbances.is_empty(), "{story}: {name} {disturbances:?}");
    }
}

/// A minute with a cut, a crash and a server that starts anew.
fn eventful_minute(seed: u64) -> World {
    let mut world = World::seeded(seed);
    world.run_until(SETTLED);
    world.sim.hold("ada", SERVER);
    world.run_for(SECOND * 14);
    world.sim.release("ada", SERVER);
    world.reset("cyd");
    world.run_for(SECOND * 10);
    world.sim.bounce("bob");
    world.run_for(SECOND * 10);
    world.sim.bounce(SERVER);
    world.run_until(SECOND * 60);
    world.assert_exact(&EVERYONE, &EVERYONE);
    world
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in seeds() {
        let first = eventful_minute(seed).transcript();
        assert!(first.len() > 100, "{} things were told", first.len());
        assert_eq!(first, eventful_minute(seed).transcript(), "seed {seed}");
        assert_ne!(first, eventful_minute(seed + 1).transcript(), "another seed is another story");
    }
}
