//! The rules of server and clients in a seeded world: stories first, then thousands of schedules.
//!
//! Each promise is one named test. `HERENOW_SEEDS` makes the runs over many seeds longer, for a soak;
//! `scripts/soak` runs it from a seed by chance, which it prints.

#![allow(unreachable_pub, reason = "the world is a module of this test alone")]

#[path = "../support/world/mod.rs"]
mod world;

mod causes;
mod coming_back;
mod connections;
mod lives;
mod overload;
mod people;
mod restarts;
mod saboteur;
mod transitions;
mod two_worlds;
mod views;

use std::time::Duration;

use world::{Who, World};

/// One second.
const SECOND: Duration = Duration::from_secs(1);

/// The default bound, as announced: five silent intervals of two seconds, and half a second.
const BOUND: Duration = Duration::from_millis(10_500);

/// How long a session without a connection counts by default.
const GRACE: Duration = Duration::from_secs(5);

/// How long it can be resumed.
const RESUME_WINDOW: Duration = Duration::from_secs(60);

/// Every client in `signed_in` shows exactly the server's list, and it is the list of their names and these `others`.
fn assert_all_exact(world: &World, signed_in: &[(Who, &str)], others: &[&str]) {
    let listed = world.listed();
    let names: Vec<_> = listed.keys().map(String::as_str).collect();
    let mut expected: Vec<_> =
        signed_in.iter().map(|(_, name)| *name).chain(others.iter().copied()).collect();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(names, expected, "the server's list");
    let proof = world.server.as_ref().expect("the server runs").registry.proof();
    for (who, name) in signed_in {
        assert!(world.is_signed_in(*who), "{name} is signed in");
        let view = world.view(*who);
        assert!(view.is_complete(), "the view of {name} is complete");
        assert_eq!(view.version(), Some(proof.version), "the version of {name}");
        assert_eq!(world.watcher(*who).shown(), &listed, "what {name} was told");
        assert!(!world.watcher(*who).is_stale(), "the view of {name} is fresh");
    }
}

/// The seeds of a run that takes `usual` of them: more for a soak, by `HERENOW_SEEDS`, and others, by `HERENOW_FIRST_SEED`.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("HERENOW_FIRST_SEED").unwrap_or(0);
    first..first.saturating_add(number("HERENOW_SEEDS").unwrap_or(usual))
}

/// Runs `test` for each seed, on as many threads as there are processors, and says which seed fails.
fn for_each_seed(usual: u64, test: impl Fn(u64) + Sync) {
    let seeds = seeds(usual);
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if seed >= seeds.end {
                    return;
                }
                // The harness prints a panic's message; this line says which seed it belongs to.
                let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(seed)));
                assert!(run.is_ok(), "seed {seed} failed: see above");
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().for_each(|worker| worker.join().expect("a seed failed: see above"));
    });
}
