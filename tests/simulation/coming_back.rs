//! No flap: who loses a connection and comes back is the same session, and within grace was never gone.

use std::time::Duration;

use herenow_client::protocol::{
    CloseReason, DisplayName, RoomName, SessionId, TransitionKind, WatchTarget,
};
use herenow_client::{Options, ViewKey};

use crate::world::{Cut, DELIVERY_MAX, Who, World};
use crate::{GRACE, RESUME_WINDOW, SECOND, assert_all_exact};

fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a test room is valid")
}

fn name(name: &str) -> DisplayName {
    DisplayName::new(name).expect("a test name is valid")
}

/// Watches the lobby, a room and some people, and is in that room.
fn with_views(options: &mut Options) {
    let people = WatchTarget::People { names: vec![name("eve"), name("nobody")], view: None };
    options.views =
        vec![WatchTarget::Room(RoomName::lobby()), WatchTarget::Room(room("tea")), people];
    options.rooms = vec![room("tea")];
}

/// Ada, who watches three lists, and Bob, who watches her; with Eve, who is a puppet.
fn ada_and_bob(seed: u64) -> (World, Who, Who) {
    let mut world = World::seeded(seed);
    world.puppet(1, "eve");
    let bob = world.join("bob");
    let ada = world.join_as("ada", "laptop", with_views);
    world.advance(SECOND * 3);
    world.watcher_mut(bob).begin_again();
    world.watcher_mut(ada).begin_again();
    (world, ada, bob)
}

fn session(world: &World, who: Who) -> SessionId {
    world.watcher(who).sign_ins.last().expect("it signed in").0
}

/// How a session came to be what it is, and what became of it.
fn kinds(world: &World, session: SessionId) -> Vec<(TransitionKind, Option<CloseReason>)> {
    let of_session = world.journal().log.iter().map(|logged| &logged.transition);
    let of_session = of_session.filter(|transition| transition.session == Some(session));
    of_session.map(|transition| (transition.kind, transition.cause)).collect()
}

#[test]
fn a_connection_lost_and_back_within_grace_is_seen_by_nobody() {
    for seed in 0..200 {
        let (mut world, ada, bob) = ada_and_bob(seed);
        let before = (session(&world, ada), world.server.as_ref().unwrap().registry.proof());
        let phase = world.dice(4_000);
        world.advance(Duration::from_millis(phase));
        match seed % 2 {
            0 => world.reset(ada),
            _ => world.roam(ada),
        }
        world.advance(GRACE);
        let after = (session(&world, ada), world.server.as_ref().unwrap().registry.proof());
        assert_eq!(before, after, "seed {seed}: the same session, the same version of the list");
        assert_eq!(world.watcher(ada).sign_ins.len(), 2, "seed {seed}");
        world.advance(RESUME_WINDOW * 2);
        assert!(world.watcher(bob).saw_nothing(), "seed {seed}: {:?}", world.watcher(bob));
        assert!(world.watcher(ada).saw_nothing(), "seed {seed}: {:?}", world.watcher(ada));
    }
}

#[test]
fn views_go_on_with_the_deltas_that_were_missed() {
    for seed in 0..100 {
        let (mut world, ada, bob) = ada_and_bob(seed);
        world.reset(ada);
        world.advance(DELIVERY_MAX);
        world.puppet_says(1, "said while ada was away");
        world.puppet(2, "joe");
        world.advance(GRACE);
        assert!(world.watcher(ada).sign_ins[1].1, "seed {seed}: resumed");
        assert!(world.watcher(ada).snapshots.is_empty(), "seed {seed}: no new snapshot");
        let eve = &world.watcher(ada).lists[&ViewKey(2)].shown["eve"];
        assert_eq!(eve.presence.text.as_str(), "said while ada was away", "seed {seed}");
        assert_eq!(world.watcher(ada).arrivals.len(), 1, "seed {seed}: joe");
        assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")], &["eve", "joe"]);
        assert_eq!(world.watcher(ada).lists[&ViewKey(1)].shown.len(), 1, "ada has tea");
    }
}

#[test]
fn a_view_whose_news_are_too_many_goes_on_with_a_snapshot() {
    let (mut world, ada, bob) = ada_and_bob(1);
    let here: Vec<_> = (0..300).map(|n| format!("user {n}")).collect();
    (10..).zip(&here).for_each(|(n, name)| world.puppet(n, name));
    world.advance(SECOND);
    world.watcher_mut(ada).begin_again();
    world.watcher_mut(bob).begin_again();
    world.reset(ada);
    world.advance(DELIVERY_MAX);
    (10..310).for_each(|n| world.puppet_says(n, &"long news ".repeat(12)));
    world.advance(GRACE);
    let watcher = world.watcher(ada);
    assert!(watcher.sign_ins[1].1, "resumed");
    assert_eq!(watcher.snapshots, [(ViewKey::FIRST, 1)].into(), "one new snapshot, of the lobby");
    assert!(watcher.saw_nothing() && world.watcher(bob).closings.is_empty());
    let mut others: Vec<_> = here.iter().map(String::as_str).collect();
    others.push("eve");
    assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")], &others);
}

#[test]
fn who_resumes_from_elsewhere_is_not_told_that_the_name_is_in_use() {
    for seed in 0..100 {
        let (mut world, ada, bob) = ada_and_bob(seed);
        let before = session(&world, ada);
        world.roam(ada);
        let stranger = world.join_as("ada", "elsewhere", |_| {});
        world.advance(SECOND * 3);
        assert_eq!(world.watcher(stranger).closings[0].0, "name_in_use", "seed {seed}");
        assert_eq!(session(&world, ada), before, "seed {seed}");
        let kinds = kinds(&world, before);
        let expected = [(TransitionKind::Opened, None), (TransitionKind::Resumed, None)];
        assert_eq!(kinds, expected, "seed {seed}: before the server believed the loss");
        world.advance(SECOND * 30);
        assert_eq!(world.watcher(ada).closings.len(), 1, "seed {seed}");
        assert!(world.watcher(bob).saw_nothing(), "seed {seed}");
    }
}

#[test]
fn after_grace_there_is_a_leave_and_then_a_join() {
    for seed in 0..50 {
        let (mut world, ada, bob) = ada_and_bob(seed);
        let before = session(&world, ada);
        world.reset(ada);
        world.advance(DELIVERY_MAX);
        world.cut(ada, Cut::BOTH);
        let lost_at = world.now() - DELIVERY_MAX;
        world.advance(SECOND * 20);
        let [(_, cause, left_at)] = &world.watcher(bob).departures[..] else { panic!() };
        assert_eq!(*cause, CloseReason::ConnectionReset, "seed {seed}");
        assert!(*left_at - lost_at >= GRACE - DELIVERY_MAX, "seed {seed}");
        assert!(*left_at - lost_at <= GRACE + DELIVERY_MAX * 2, "seed {seed}");
        world.cut(ada, Cut::NONE);
        world.advance(SECOND * 20);
        assert_eq!(world.watcher(bob).arrivals.len(), 1, "seed {seed}");
        assert_eq!(session(&world, ada), before, "seed {seed}: the same session");
        assert!(world.watcher(ada).snapshots.is_empty(), "seed {seed}: with its views");
    }
}

#[test]
fn after_the_window_the_session_is_closed_once_and_another_begins() {
    for seed in 0..50 {
        let (mut world, ada, bob) = ada_and_bob(seed);
        let before = session(&world, ada);
        world.reset(ada);
        world.advance(DELIVERY_MAX);
        world.cut(ada, Cut::BOTH);
        world.advance(RESUME_WINDOW + SECOND * 5);
        let cause = Some(CloseReason::ConnectionReset);
        let expected = [
            (TransitionKind::Opened, None),
            (TransitionKind::Lost, cause),
            (TransitionKind::Closed, cause),
        ];
        assert_eq!(kinds(&world, before), expected, "seed {seed}");
        world.cut(ada, Cut::NONE);
        world.advance(SECOND * 60);
        assert_ne!(session(&world, ada), before, "seed {seed}: another session");
        assert_eq!(kinds(&world, before), expected, "seed {seed}: closed once");
        assert_all_exact(&world, &[(ada, "ada"), (bob, "bob")], &["eve"]);
        assert_eq!(world.watcher(ada).lists[&ViewKey(1)].shown.len(), 1, "ada has tea again");
    }
}
