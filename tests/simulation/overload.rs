//! More to tell than can be told in time: said so, bounded, and over by itself.

use std::time::Duration;

use herenow::actors::outbox::REPLY_RESERVE;
use herenow::config::Config;
use herenow_client::ViewKey;

use crate::world::{DELIVERY_MAX, Who, World};
use crate::{SECOND, for_each_seed};

/// How many watch.
const WATCHERS: usize = 30;

/// How many of them take two or three kilobytes in a second.
const SLOW: usize = 3;

/// Everybody who comes in the storm.
const JOINS: u64 = 400;

/// How long the storm takes.
const STORM: Duration = Duration::from_secs(5);

/// What a server has that writes to this many watchers in 300 ms.
const WRITE_COST: Duration = Duration::from_millis(10);

/// What such a load needs: writing takes half of the time.
const STRETCHED: Duration = Duration::from_millis(600);

/// A server that writes slowly, and those who watch.
struct Storm {
    world: World,
    watchers: Vec<Who>,
    /// The longest delay that any of them was told.
    delay_max: Duration,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut world = World::seeded(seed);
        let watchers: Vec<_> = (0..WATCHERS).map(|n| world.join(&format!("watcher {n}"))).collect();
        world.advance(SECOND * 3);
        watchers[..SLOW].iter().for_each(|who| world.narrow(*who, 40));
        world.server.as_mut().expect("it runs").write_cost = WRITE_COST;
        Self { world, watchers, delay_max: Duration::ZERO }
    }

    /// Lets time pass, and looks at what must hold at any time.
    fn advance(&mut self, span: Duration) {
        self.world.advance(span);
        let bound = Config::default().outbox_bytes_max + REPLY_RESERVE;
        for &who in &self.watchers {
            assert!(self.world.queued_bytes(who) <= bound, "watcher {who}");
            self.delay_max = self.delay_max.max(self.world.delay(who).unwrap_or_default());
        }
    }

    fn tick(&mut self) -> Duration {
        let now = self.world.now();
        self.world.server.as_mut().expect("it runs").registry.tick_mut().at(now)
    }

    /// Everybody comes, and says several things that pass at once.
    fn rage(&mut self) -> Vec<(String, Duration)> {
        let mut came = Vec::new();
        for n in 1..=JOINS {
            let name = format!("user {n}");
            self.world.puppet(n, &name);
            came.push((name, self.world.elapsed()));
            for _ in 0..3 {
                let (talker, words) = (1 + self.world.dice(n), self.world.dice(1_000_000));
                self.world.puppet_says(talker, &format!("{words} {}", "and so on ".repeat(12)));
            }
            self.advance(STORM / u32::try_from(JOINS).expect("few"));
        }
        came
    }
}

#[test]
fn a_storm_of_joins_stretches_the_tick_says_so_and_ends_in_exact_views() {
    for_each_seed(6, |seed| {
        let mut storm = Storm::new(seed);
        let start = storm.world.now() - storm.world.elapsed();
        let shortest = Config::default().tick;
        assert_eq!(storm.tick(), shortest);
        let came = storm.rage();
        assert!(storm.tick() >= STRETCHED, "seed {seed}: {:?}", storm.tick());
        storm.advance(SECOND * 3);
        let told = storm.delay_max;
        assert!(told >= STRETCHED * 3 / 2, "seed {seed}: {told:?}");
        // What was told is true, for everybody whose cable takes the bytes.
        for &who in &storm.watchers[SLOW..] {
            let arrivals = &storm.world.watcher(who).arrivals;
            for (name, at) in &came {
                let seen = arrivals.iter().find(|(arrived, _)| arrived == name);
                let seen = seen.unwrap_or_else(|| panic!("seed {seed}: {who} never saw {name}")).1;
                let took = seen - (start + *at);
                assert!(took <= told + DELIVERY_MAX, "seed {seed}: {name} after {took:?}");
            }
        }
        (0..150).for_each(|_| storm.advance(SECOND));
        assert_eq!(storm.tick(), shortest, "seed {seed}: it returns by itself");
        let calm = Duration::from_millis(30);
        let listed = storm.world.listed();
        assert_eq!(listed.len() as u64, JOINS + WATCHERS as u64);
        for &who in &storm.watchers {
            let watcher = storm.world.watcher(who);
            assert_eq!(watcher.shown(), &listed, "seed {seed}: watcher {who}");
            assert!(
                storm.world.view(who).is_complete() && !watcher.is_stale(),
                "seed {seed}: {who}"
            );
            assert!(watcher.closings.is_empty(), "seed {seed}: {:?}", watcher.closings);
            assert_eq!(storm.world.delay(who), Some(calm), "seed {seed}: {who}");
        }
        for &who in &storm.watchers[..SLOW] {
            let snapshots = storm.world.watcher(who).snapshots[&ViewKey::FIRST];
            assert!(snapshots >= 2, "seed {seed}: {who} fell behind");
        }
        for &who in &storm.watchers[SLOW..] {
            assert_eq!(storm.world.watcher(who).contacts_lost, 0, "seed {seed}: heartbeats live");
        }
    });
}
