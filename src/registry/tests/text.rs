//! The text beside a status.

use super::*;

fn for_a(span: Duration, text: &str) -> Choice {
    Choice { text_for: Some(span), ..saying(text) }
}

#[test]
fn the_newest_text_wins_whichever_device_said_it() {
    let mut desk = Desk::new();
    let (a, b) = (desk.sign_in(keyed("ada", "a")), desk.sign_in(keyed("ada", "b")));
    desk.choose(a, saying("one"));
    desk.choose(b, saying("two"));
    assert_eq!(desk.text("ada"), "two");
    desk.choose(a, chosen(Status::Available));
    assert_eq!(desk.text("ada"), "two", "no text is no change");
    desk.choose(a, saying(""));
    assert_eq!(desk.text("ada"), "", "an empty one takes it away");
}

#[test]
fn a_text_survives_the_device_that_said_it_but_not_the_last_one() {
    let mut desk = Desk::new();
    let (a, b) = (desk.sign_in(keyed("ada", "a")), desk.sign_in(keyed("ada", "b")));
    desk.choose(a, saying("lunch"));
    desk.end(a, CloseReason::Goodbye);
    assert_eq!(desk.text("ada"), "lunch");
    desk.end(b, CloseReason::Goodbye);
    desk.sign_in(keyed("ada", "a"));
    assert_eq!(desk.text("ada"), "");
}

#[test]
fn a_hello_without_a_text_replaces_none() {
    let mut desk = Desk::new();
    let a = desk.sign_in(keyed("ada", "a"));
    desk.choose(a, saying("lunch"));
    desk.sign_in(keyed("ada", "b"));
    assert_eq!(desk.text("ada"), "lunch");
    desk.sign_in(Hello { choice: saying("hello"), ..keyed("ada", "c") });
    assert_eq!(desk.text("ada"), "hello");
}

#[test]
fn the_server_takes_a_text_away_at_its_end() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.choose(ada, for_a(SECOND, "brb"));
    assert_eq!(desk.shown("ada").presence.until_ms, START_MS + 1_000);
    desk.news();
    desk.advance(SECOND - TICK * 5);
    assert_eq!(desk.text("ada"), "brb");
    assert!(desk.news().is_quiet());
    desk.advance(TICK);
    let shown = desk.shown("ada").presence;
    assert_eq!((shown.text.as_str(), shown.until_ms), ("", 0));
    let told = desk.news().lobby();
    assert!(matches!(told[..], [Change::Updated { .. }]), "{told:?}");
    assert_eq!(desk.shown("ada").since_ms, START_MS, "the status did not change");
}

#[test]
fn a_newer_text_is_not_taken_away_at_the_end_of_an_older_one() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.choose(ada, for_a(SECOND, "one"));
    desk.choose(ada, for_a(SECOND * 3, "two"));
    desk.advance(SECOND * 2);
    assert_eq!(desk.text("ada"), "two");
    desk.choose(ada, saying("three"));
    desk.advance(SECOND * 60);
    assert_eq!(desk.text("ada"), "three", "it has no end");
}

#[test]
fn a_text_for_longer_than_any_clock_shows_stays() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.choose(ada, for_a(Duration::from_millis(herenow_protocol::limits::INTEGER_MAX), "long"));
    assert_eq!(desk.shown("ada").presence.until_ms, 0);
    desk.choose(ada, for_a(SECOND, ""));
    assert_eq!(desk.shown("ada").presence.until_ms, 0, "nothing has no end");
}

#[test]
fn a_text_expires_unseen_while_its_user_is_invisible() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.choose(ada, Choice { status: Status::Invisible, ..for_a(SECOND, "brb") });
    desk.news();
    desk.advance(SECOND);
    assert!(desk.news().is_quiet());
    desk.choose(ada, chosen(Status::Available));
    assert_eq!(desk.text("ada"), "");
}
