//! Random lives: whatever happens, everyone ends up with exact lists.

use std::collections::BTreeSet;
use std::time::Duration;

use herenow::config::Config;
use herenow::journal::Logged;
use herenow_client::protocol::{SessionId, Status, TransitionKind};

use crate::world::journal::Journal;
use crate::world::{Cut, World};
use crate::{SECOND, assert_all_exact, for_each_seed};

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
                world.show(who, status, &text);
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
    assert_all_exact(&world, &here, &[]);
    world.transcript
}

#[test]
fn any_life_ends_with_exact_lists() {
    for_each_seed(300, |seed| drop(life(seed)));
}

#[test]
fn the_same_seed_lives_the_same_life() {
    for seed in 0..10 {
        assert_eq!(life(seed), life(seed), "seed {seed}");
    }
    assert_ne!(life(1), life(2));
}

/// Sessions that were opened and not closed.
pub fn open_sessions(journal: &Journal) -> BTreeSet<SessionId> {
    let mut open = BTreeSet::new();
    for Logged { transition, .. } in &journal.log {
        match (transition.kind, transition.session) {
            (TransitionKind::Opened, Some(session)) => {
                assert!(open.insert(session), "{session} was opened twice");
            }
            (TransitionKind::Closed, Some(session)) => {
                assert!(open.remove(&session), "{session} was closed without being open");
            }
            _ => {}
        }
    }
    open
}
