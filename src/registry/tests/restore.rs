//! A registry that goes on where another process ended.

use super::journal::{Disk, restart};
use super::*;
use crate::journal::Restored;

/// Ada and bob, whose server ends.
fn before() -> (Desk, Disk, ConnectionId, ConnectionId) {
    let mut desk = Desk::new();
    let ada = desk.sign_in(keyed("ada", "desk"));
    let bob = desk.sign_in(hello("bob", "desk"));
    desk.choose(ada, Choice { text: Some(words("deep in it")), ..chosen(Status::Busy) });
    desk.join(ada, "attic");
    desk.advance(SECOND);
    (desk, Disk::default(), ada, bob)
}

fn closed(news: &News) -> Vec<(SessionId, CloseReason)> {
    let closed = news.transitions().into_iter().filter(|t| t.kind == TransitionKind::Closed);
    closed.filter_map(|t| Some((t.session?, t.cause?))).collect()
}

#[test]
fn after_a_crash_everybody_is_shown_as_before() {
    let (mut desk, mut disk, ada, bob) = before();
    let shown = ["ada", "bob"].map(|user| desk.shown(user));
    let mut next = restart(&mut desk, &mut disk, false, SECOND * 3);
    assert_eq!(["ada", "bob"].map(|user| next.shown(user)), shown, "since is the same too");
    let (new, answer) = next.resume(keyed("ada", "desk"), ada);
    assert_eq!((answer.session, answer.resumed), (SessionId(ada.0), true));
    assert_eq!(answer.me.map(|me| me.status), Some(Status::Busy));
    assert!(next.resume(hello("bob", "desk"), bob).1.resumed);
    next.advance(WINDOW * 2);
    let news = next.news();
    assert!(news.is_quiet(), "nothing happened to anybody");
    use TransitionKind::{Lost, Resumed};
    assert_eq!(news.kinds(), [Lost, Lost, Resumed, Resumed]);
    assert_eq!(next.room(new, "attic"), ["ada"]);
}

#[test]
fn who_does_not_come_back_leaves_after_the_silence_and_is_closed_after_the_window() {
    let (mut desk, mut disk, ada, bob) = before();
    let alive_ms = desk.now.unix_ms + 40;
    let mut next = restart(&mut desk, &mut disk, false, SECOND * 3);
    next.resume(hello("bob", "desk"), bob);
    next.advance(RULE.silence_max() - Duration::from_millis(1));
    assert_eq!(
        next.names(),
        ["ada", "bob"],
        "frozen servers hear nobody, so the silence begins now"
    );
    next.advance(Duration::from_millis(1));
    assert_eq!(next.names(), ["bob"]);
    let news = next.news();
    assert_eq!(news.leaves(LOBBY_VIEW), [CloseReason::ServerCrash]);
    let offline = news.transitions().into_iter().find(|t| t.kind == TransitionKind::Offline);
    assert_eq!(offline.map(|t| t.not_before_ms), Some(alive_ms));
    assert_eq!(closed(&news), []);
    next.advance(WINDOW - RULE.silence_max());
    assert_eq!(closed(&next.news()), [(SessionId(ada.0), CloseReason::ServerCrash)]);
}

#[test]
fn an_outage_longer_than_the_window_ends_everything_at_once() {
    let (mut desk, mut disk, ada, bob) = before();
    let mut next = restart(&mut desk, &mut disk, false, WINDOW + SECOND);
    assert!(next.names().is_empty());
    let crash = CloseReason::ServerCrash;
    assert_eq!(closed(&next.news()), [(SessionId(ada.0), crash), (SessionId(bob.0), crash)]);
    assert!(!next.resume(keyed("ada", "desk"), ada).1.resumed);
}

#[test]
fn a_planned_stop_is_a_shutdown() {
    let (mut desk, mut disk, ada, bob) = before();
    // The server says goodbye to bob in time, and to ada it does not come.
    desk.end(bob, CloseReason::ServerShutdown);
    let mut next = restart(&mut desk, &mut disk, true, SECOND);
    assert_eq!(next.names(), ["ada", "bob"]);
    next.advance(GRACE + SECOND);
    assert_eq!(next.names(), ["ada", "bob"], "the silence counts, not the grace of a loss");
    next.advance(WINDOW);
    let news = next.news();
    let shutdown = CloseReason::ServerShutdown;
    assert_eq!(news.leaves(LOBBY_VIEW), [shutdown, shutdown]);
    assert_eq!(closed(&news), [(SessionId(ada.0), shutdown), (SessionId(bob.0), shutdown)]);
}

#[test]
fn who_was_lost_before_stays_lost_with_the_time_that_was_left() {
    let (mut desk, mut disk, ada, _) = before();
    desk.end(ada, CloseReason::ConnectionReset);
    desk.advance(SECOND * 2);
    let mut next = restart(&mut desk, &mut disk, false, SECOND * 30);
    assert_eq!(next.names(), ["ada", "bob"]);
    next.advance(GRACE - SECOND * 2);
    assert_eq!(next.names(), ["bob"]);
    assert_eq!(next.news().leaves(LOBBY_VIEW), [CloseReason::ConnectionReset]);
    next.advance(WINDOW - GRACE);
    let closed = closed(&next.news());
    assert!(closed.contains(&(SessionId(ada.0), CloseReason::ConnectionReset)), "{closed:?}");
}

#[test]
fn who_was_not_shown_any_more_is_not_shown_again_but_can_resume() {
    let (mut desk, mut disk, ada, _) = before();
    let lost_ms = desk.now.unix_ms;
    desk.end(ada, CloseReason::ConnectionReset);
    desk.advance(GRACE + SECOND);
    let mut next = restart(&mut desk, &mut disk, false, SECOND);
    assert_eq!(next.names(), ["bob"]);
    let tool = next.sign_in(observer("tool", "cli"));
    assert_eq!(next.ask(tool, "ada"), Shown::offline(lost_ms));
    assert!(next.resume(keyed("ada", "desk"), ada).1.resumed);
    assert_eq!(next.names(), ["ada", "bob"]);
}

#[test]
fn a_restart_gives_no_name_away_that_is_shown() {
    let (mut desk, mut disk, ..) = before();
    let mut next = restart(&mut desk, &mut disk, false, SECOND);
    assert_eq!(next.refused(hello("ada", "elsewhere")), CloseReason::NameInUse);
    next.advance(RULE.silence_max() + SECOND);
    assert_eq!(next.names(), [""; 0]);
    assert_eq!(next.refused(hello("ada", "elsewhere")), CloseReason::NameInUse, "ada has a key");
    next.sign_in(hello("bob", "elsewhere"));
    next.sign_in(keyed("ada", "phone"));
    assert_eq!(next.names(), ["ada", "bob"]);
}

#[test]
fn who_was_invisible_stays_invisible() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(showing(keyed("ada", "desk"), Status::Invisible));
    let mut next = restart(&mut desk, &mut Disk::default(), false, SECOND);
    assert!(next.names().is_empty());
    assert_eq!(next.registry.proof().version, 0);
    let (_, answer) = next.resume(keyed("ada", "desk"), ada);
    assert_eq!((answer.resumed, answer.me), (true, None));
    assert!(next.news().is_quiet());
}

#[test]
fn texts_go_on_until_their_end_or_end_with_the_outage() {
    for (outage, text) in [(SECOND, "brb"), (SECOND * 5, "")] {
        let mut desk = Desk::new();
        let ada = desk.sign_in(hello("ada", "desk"));
        desk.choose(ada, Choice { text_for: Some(SECOND * 4), ..saying("brb") });
        let mut next = restart(&mut desk, &mut Disk::default(), false, outage);
        assert_eq!(next.text("ada"), text);
        next.advance(SECOND * 4);
        assert_eq!(next.text("ada"), "");
    }
}

#[test]
fn devices_keep_their_order_and_their_place() {
    let mut desk = Desk::new();
    for device in ["one", "two", "three"] {
        desk.sign_in(keyed("ada", device));
        desk.advance(SECOND);
    }
    desk.sign_in(keyed("ada", "one"));
    assert_eq!(desk.devices("ada"), ["one", "two", "three"]);
    let next = restart(&mut desk, &mut Disk::default(), false, SECOND);
    assert_eq!(next.devices("ada"), ["one", "two", "three"]);
}

#[test]
fn since_is_that_of_the_session_that_is_seen() {
    let mut desk = Desk::new();
    desk.sign_in(Hello { choice: Choice::automatic(Status::Away), ..keyed("ada", "a") });
    desk.advance(SECOND);
    desk.sign_in(showing(keyed("ada", "b"), Status::Away));
    let since_ms = desk.shown("ada").since_ms;
    let next = restart(&mut desk, &mut Disk::default(), false, SECOND);
    assert_eq!(next.shown("ada").since_ms, since_ms);
}

#[test]
fn a_second_crash_takes_nothing_from_who_waits() {
    let (mut desk, mut disk, ada, bob) = before();
    let mut next = restart(&mut desk, &mut disk, false, SECOND);
    next.advance(SECOND * 4);
    let mut third = restart(&mut next, &mut disk, false, SECOND);
    assert_eq!(third.names(), ["ada", "bob"]);
    assert!(third.resume(hello("bob", "desk"), bob).1.resumed);
    third.advance(RULE.silence_max() - SECOND * 4 - TICK * 4);
    assert_eq!(third.names(), ["ada", "bob"]);
    third.advance(TICK * 4);
    assert_eq!(third.names(), ["bob"], "the rest of the silence, not another one");
    third.advance(WINDOW);
    assert_eq!(closed(&third.news()), [(SessionId(ada.0), CloseReason::ServerCrash)]);
}

#[test]
fn an_empty_disk_is_an_empty_house() {
    let mut desk = Desk::new();
    desk.registry.restore(Restored::default(), RULE.misses, desk.now, &mut desk.effects);
    assert!(desk.names().is_empty() && desk.effects.is_empty());
    assert_eq!(desk.registry.next_due(), None);
}
