//! When changes are told, and what is sent beside them.

use super::*;

#[test]
fn a_change_is_told_at_once_and_in_a_crowd_after_a_tick() {
    let mut desk = Desk::new();
    assert_eq!(desk.registry.next_due(), None, "nothing to tell");
    let ada = desk.sign_in(hello("ada", "desk"));
    assert_eq!(desk.registry.next_due(), Some(desk.start));
    desk.advance(Duration::ZERO);
    assert_eq!(desk.registry.next_due(), None);
    crowd_the_lobby(&mut desk);
    let crowded = desk.now.instant;
    desk.choose(ada, chosen(Status::Busy));
    let due = desk.registry.next_due().expect("there is something to tell");
    assert!(crowded < due && due <= crowded + TICK, "{:?} later", due - crowded);
    desk.advance(TICK * 5);
    desk.choose(ada, chosen(Status::Away));
    assert_eq!(desk.registry.next_due(), Some(desk.now.instant));
}

/// So many people come at once that what changes after them waits for a tick.
fn crowd_the_lobby(desk: &mut Desk) {
    for n in 0..60 {
        desk.sign_in(hello(&format!("many{n}"), "desk"));
    }
    desk.advance(TICK / 2);
}

#[test]
fn under_load_the_next_change_is_told_after_a_longer_tick() {
    let mut desk = Desk::new();
    desk.sign_in(hello("ada", "desk"));
    desk.advance(Duration::ZERO);
    desk.registry.tick_mut().wrote(TICK * 3, desk.start);
    desk.sign_in(hello("bob", "desk"));
    assert_eq!(desk.registry.next_due(), Some(desk.start + TICK * 6));
    desk.advance(SECOND * 10);
    desk.sign_in(hello("eve", "desk"));
    assert_eq!(desk.registry.next_due(), Some(desk.now.instant), "it is over");
}

#[test]
fn nothing_is_published_while_that_is_held() {
    let mut desk = Desk::new();
    desk.sign_in(hello("ada", "desk"));
    let until = desk.start + TICK / 2;
    desk.registry.hold_publications(until);
    assert_eq!(desk.registry.next_due(), Some(until));
    desk.registry.poll(desk.now, &mut desk.effects);
    let published = |effects: &[Effect]| effects.iter().any(|e| matches!(e, Effect::Publish(_)));
    assert!(!published(&desk.effects));
    desk.advance(TICK / 2);
    assert!(published(&desk.effects));
}

#[test]
fn pages_follow_the_deltas_they_include() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.watch(ada, "lobby");
    desk.say(ada, Command::Fetch(LOBBY_VIEW, Wish::Pages(0)));
    let News(effects) = desk.news();
    let heard: Vec<_> = effects.iter().filter(|e| !matches!(e, Effect::Record(_))).collect();
    let [.., Effect::Publish(deltas), Effect::Deliver(to, Delivery::Pages(batch))] = heard[..]
    else {
        panic!("{heard:?}")
    };
    assert_eq!(*to, ada);
    assert_eq!(deltas.last().map(|delta| delta.proof), Some(batch.proof));
    assert_eq!((batch.next, batch.proof.count), (None, 1));
}

#[test]
fn nothing_is_made_for_a_connection_that_ended_or_does_not_watch() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.watch(ada, "lobby");
    desk.say(ada, Command::Fetch(LOBBY_VIEW, Wish::Pages(0)));
    desk.end(ada, CloseReason::ConnectionClosed);
    let bob = desk.sign_in(hello("bob", "desk"));
    desk.say(bob, Command::Fetch(LOBBY_VIEW, Wish::Pages(0)));
    let news = desk.news();
    let pages = |delivery: &&Delivery| matches!(delivery, Delivery::Pages(_));
    assert!(!news.to(ada).iter().chain(&news.to(bob)).any(pages));
}
