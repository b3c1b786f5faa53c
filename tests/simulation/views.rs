//! Lists that prove themselves: what is planted between server and view is found within a heartbeat and mended, what
//! cannot be proved is called old, and nothing else is.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use herenow::config::Config;
use herenow_client::ViewKey;
use herenow_client::protocol::{CloseReason, ServerMessage};

use crate::saboteur::{FAULTS, Fault, Saboteur};
use crate::world::{DELIVERY_MAX, Who, World};
use crate::{SECOND, for_each_seed};

/// The default heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// A small list that changes at random, and one client that watches it through a saboteur.
struct Stage {
    world: World,
    ada: Who,
    saboteur: Rc<RefCell<Saboteur>>,
    puppets: u64,
}

impl Stage {
    fn new(seed: u64, fault: Fault) -> Self {
        let mut world = World::seeded(seed);
        let puppets = 4 + world.dice(12);
        (1..=puppets).for_each(|n| world.puppet(n, &format!("user {n}")));
        let saboteur = Rc::new(RefCell::new(Saboteur::new(seed, fault)));
        let ada = world.join("ada");
        let passing = Rc::clone(&saboteur);
        world.client(ada).tamper =
            Some(Box::new(move |body, now| passing.borrow_mut().pass(body, now)));
        world.watcher_mut(ada).expects_faults = fault != Fault::None;
        saboteur.borrow_mut().armed = fault == Fault::AlteredPage;
        world.advance(Duration::from_millis(200));
        saboteur.borrow_mut().copy = world.view(ada).entries().collect();
        saboteur.borrow_mut().armed = true;
        Self { world, ada, saboteur, puppets }
    }

    /// Somebody comes, goes or says something.
    fn stir(&mut self) {
        let puppet = 1 + self.world.dice(self.puppets);
        match self.world.dice(6) {
            0 => {
                self.puppets += 1;
                self.world.puppet(self.puppets, &format!("user {}", self.puppets));
            }
            1 if self.puppets > 4 => {
                let end = herenow::registry::Command::End(CloseReason::Goodbye, self.world.now());
                self.world.puppet_does(puppet, end);
            }
            _ => {
                let words = format!("text {}", self.world.dice(1_000_000));
                self.world.puppet_says(puppet, &words);
            }
        }
        let pause = 30 + self.world.dice(500);
        self.world.advance(Duration::from_millis(pause));
    }

    fn assert_exact(&self, seed: u64, fault: Fault) {
        let (world, ada) = (&self.world, self.ada);
        assert!(world.view(ada).is_complete(), "seed {seed}, {fault:?}: complete");
        assert_eq!(world.watcher(ada).shown(), &world.listed(), "seed {seed}, {fault:?}");
        assert!(!world.watcher(ada).is_stale(), "seed {seed}, {fault:?}: fresh");
    }
}

#[test]
fn a_planted_fault_is_found_within_a_heartbeat_and_mended_and_nothing_else_is_an_alarm() {
    let planted = AtomicU64::new(0);
    for_each_seed(10_000, |seed| {
        let pick = usize::try_from(seed).expect("few") % FAULTS.len();
        let fault = FAULTS[pick];
        let mut stage = Stage::new(seed, fault);
        for _ in 0..6 {
            stage.stir();
        }
        stage.world.advance(HEARTBEAT * 2);
        stage.assert_exact(seed, fault);
        let watcher = stage.world.watcher(stage.ada);
        let planted_at = stage.saboteur.borrow().planted_at;
        let Some(planted_at) = planted_at else {
            // Six changes without two deltas in a row: there was nothing to sabotage.
            let quiet = watcher.found.is_empty() || fault == Fault::Reordered;
            return assert!(quiet, "seed {seed}, {fault:?}: {watcher:?}");
        };
        planted.fetch_add(1, Ordering::Relaxed);
        let (found_at, mended_at) = (watcher.found.first(), watcher.mended.last());
        // Pages that do not prove themselves are asked for again before anything is shown.
        let found_at = found_at.unwrap_or_else(|| panic!("seed {seed}, {fault:?}: not found")).1;
        let took = found_at - planted_at;
        assert!(took <= HEARTBEAT + DELIVERY_MAX * 2, "seed {seed}, {fault:?}: after {took:?}");
        let mended = match fault {
            Fault::AlteredPage => !watcher.snapshots.is_empty(),
            _ => mended_at.is_some_and(|(_, at)| *at - found_at <= HEARTBEAT),
        };
        assert!(mended, "seed {seed}, {fault:?}: {watcher:?}");
        // Each delta that came in the wrong order is one that does not fit.
        assert!(watcher.found.len() <= 4, "seed {seed}, {fault:?}: {:?}", watcher.found);
    });
    let (planted, lived) = (planted.into_inner(), crate::seeds(10_000).count() as u64);
    println!("{planted} faults planted in {lived} lives, all found and mended");
    assert!(planted >= lived / 2, "only {planted} faults in {lived} lives");
}

#[test]
fn a_list_is_old_at_two_missed_acks_even_while_its_deltas_arrive() {
    for seed in 0..100 {
        let mut stage = Stage::new(seed, Fault::None);
        stage.world.advance(SECOND * 5);
        let is_ack = |body: &[u8]| {
            matches!(ServerMessage::decode(body), Ok(Some(ServerMessage::HeartbeatAck { .. })))
        };
        let mute = Box::new(move |body: Vec<u8>, _| match is_ack(&body) {
            true => vec![],
            false => vec![body],
        });
        stage.world.client(stage.ada).tamper = Some(mute);
        let muted_at = stage.world.now();
        while stage.world.now() < muted_at + SECOND * 9 {
            stage.stir();
        }
        stage.world.advance(DELIVERY_MAX * 2);
        let watcher = stage.world.watcher(stage.ada);
        let [(ViewKey::FIRST, age, at)] = watcher.stales[..] else {
            panic!("seed {seed}: {:?}", watcher.stales)
        };
        // The second beat without an ack says that nothing can prove the list.
        let expected = HEARTBEAT - DELIVERY_MAX * 2..=HEARTBEAT * 2;
        assert!(expected.contains(&(at - muted_at)), "seed {seed}: {:?}", at - muted_at);
        assert!(age < HEARTBEAT, "seed {seed}: deltas proved it {age:?} ago");
        assert_eq!(watcher.shown(), &stage.world.listed(), "seed {seed}: it follows all the same");
        assert!(watcher.is_stale() && watcher.closings.is_empty(), "seed {seed}");
        stage.world.client(stage.ada).tamper = None;
        stage.world.advance(HEARTBEAT + DELIVERY_MAX * 2);
        stage.assert_exact(seed, Fault::None);
    }
}

#[test]
fn a_list_that_was_cut_off_says_how_old_it_is() {
    for seed in 0..50 {
        let mut stage = Stage::new(seed, Fault::None);
        let quiet = SECOND * 5 + Duration::from_millis(stage.world.dice(2_000));
        stage.world.advance(quiet);
        let proved_at = stage.world.view(stage.ada).proved_at().expect("it was proved");
        assert!(stage.world.now() - proved_at <= HEARTBEAT + DELIVERY_MAX * 2, "seed {seed}");
        stage.world.roam(stage.ada);
        let watcher = stage.world.watcher(stage.ada);
        let expected = (ViewKey::FIRST, stage.world.now() - proved_at, stage.world.now());
        assert_eq!(watcher.stales, [expected], "seed {seed}");
    }
}

#[test]
fn mending_one_of_10_000_entries_costs_at_most_a_twentieth_of_a_snapshot() {
    const USERS: u64 = 10_000;
    let mut world = World::with(1, Config::default());
    (1..=USERS).for_each(|n| world.puppet(n, &format!("user {n}")));
    world.advance(SECOND);
    let ada = world.join("ada");
    world.advance(SECOND * 5);
    assert_eq!(world.view(ada).len(), 10_001);
    let snapshot = world.client(ada).bytes;
    let saboteur = Rc::new(RefCell::new(Saboteur::new(1, Fault::Altered)));
    saboteur.borrow_mut().armed = true;
    let passing = Rc::clone(&saboteur);
    world.client(ada).tamper =
        Some(Box::new(move |body, now| passing.borrow_mut().pass(body, now)));
    world.watcher_mut(ada).expects_faults = true;
    world.puppet_says(5_000, "said, and misheard");
    world.advance(SECOND * 2);
    let repair = world.client(ada).bytes - snapshot;
    let watcher = world.watcher(ada);
    assert_eq!((watcher.found.len(), watcher.mended.len()), (1, 1));
    assert_eq!(watcher.snapshots[&ViewKey::FIRST], 1, "it was not asked for anew");
    assert_eq!(watcher.shown(), &world.listed());
    let percent = repair as f64 * 100.0 / snapshot as f64;
    println!("{repair} bytes mend what takes {snapshot} bytes as a snapshot: {percent:.2} %");
    assert!(percent <= 5.0, "{percent:.2} %");
}
