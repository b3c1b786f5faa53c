//! The connection bar: the words that the user reads in every state, and what the button does.

mod support;

use std::time::Duration;

use herenow_client::protocol::{CloseReason, DecodeError, Status, Violation};
use herenow_client::{Disconnect, Event};
use i_slint_backend_testing::AccessibleRole;
use support::people::{chosen, entry, office};
use support::{DIVERGED, FRESH, REPAIRED, STALE, Wish, World};

fn goodbye(reason: CloseReason) -> Disconnect {
    Disconnect::Goodbye { reason, text: String::new() }
}

#[track_caller]
fn expect_bar(world: &World, title: &str, detail: &str) {
    world.screen.expect(title);
    world.screen.expect(detail);
}

#[track_caller]
fn expect_exact(world: &World, exact: bool) {
    assert_eq!(world.screen.says("People"), exact);
    assert_eq!(world.screen.says("People, as last known"), !exact);
    assert_eq!(world.screen.words().iter().any(|words| words.starts_with("Last proved ")), !exact);
}

#[test]
fn a_living_connection_is_told_apart() {
    let world = World::signed_in(office());
    expect_bar(&world, "Connected", "Round trip 12 ms · list proved exact");
    world.tell(&[Event::RoundTrip(Duration::from_micros(300))]);
    expect_bar(&world, "Connected", "Round trip under 1 ms · list proved exact");
    expect_exact(&world, true);

    world.tell(&[Event::Busy(Some(Duration::from_millis(1_234)))]);
    expect_bar(&world, "Connected", "Server busy: up to 1.2 s behind");
    expect_exact(&world, true);
    world.tell(&[Event::Busy(None)]);
    expect_bar(&world, "Connected", "Round trip under 1 ms · list proved exact");

    world.tell(&[Event::ContactLost { unanswered: 2, of: 5 }]);
    expect_bar(&world, "Contact lost", "2 of 5 heartbeats unanswered");
    expect_exact(&world, false);
    world.tell(&[Event::ContactLost { unanswered: 3, of: 5 }]);
    expect_bar(&world, "Contact lost", "3 of 5 heartbeats unanswered");
    world.tell(&[Event::ContactBack]);
    expect_bar(&world, "Connected", "Round trip under 1 ms · list proved exact");
    expect_exact(&world, true);

    world.tell(&[STALE]);
    expect_bar(&world, "Checking the list", "Waiting for the server's proof");
    expect_exact(&world, false);
    world.tell(&[FRESH]);
    expect_exact(&world, true);

    world.tell(&[DIVERGED, STALE]);
    expect_bar(&world, "Repairing the list", "Found wrong, being mended");
    expect_exact(&world, false);
    world.tell(&[REPAIRED, FRESH]);
    expect_exact(&world, true);

    world.tell(&[Event::Network { up: false }]);
    expect_bar(&world, "Your own network is down", "Check the cable or the wireless network");
    expect_exact(&world, false);
    world.tell(&[Event::Network { up: true }]);
    expect_exact(&world, true);
}

#[test]
fn every_end_has_its_own_words() {
    let unreachable = Disconnect::Unreachable("no route to host".to_owned());
    let cases = [
        (Disconnect::ServerSilent { unanswered: 5 }, "The server is silent", "Reconnecting in 3 s"),
        (goodbye(CloseReason::ServerShutdown), "The server was shut down", "Comes back in 3 s"),
        (Disconnect::NetworkDown, "Your own network is down", "Reconnecting in 3 s"),
        (Disconnect::ConnectionRefused, "Connection refused", "Reconnecting in 3 s"),
        (Disconnect::ConnectionReset, "Connection lost", "Reconnecting in 3 s"),
        (Disconnect::ConnectionClosed, "Connection lost", "Reconnecting in 3 s"),
        (unreachable, "Server unreachable", "Reconnecting in 3 s · no route to host"),
        (Disconnect::SignInTimeout, "Server does not answer", "Reconnecting in 3 s"),
        (goodbye(CloseReason::HeartbeatTimeout), "The server lost contact", "Reconnecting in 3 s"),
        (goodbye(CloseReason::SlowConsumer), "Cut off as too slow", "Reconnecting in 3 s"),
        (goodbye(CloseReason::ServerFull), "The server is full", "Reconnecting in 3 s"),
        (Disconnect::ListTooLarge, "The list is too large", "Reconnecting in 3 s"),
        (goodbye(CloseReason::InternalError), "Ended by the server", "Reconnecting in 3 s"),
        (
            Disconnect::ProtocolError(DecodeError::OutOfRange("a name")),
            "No herenow server",
            "Reconnecting in 3 s · out of range",
        ),
    ];
    let world = World::signed_in(office());
    for (reason, title, detail) in cases {
        world.close(reason, Some(Duration::from_secs(3)));
        expect_bar(&world, title, detail);
        expect_exact(&world, false);
        world.screen.find(AccessibleRole::Button, "Retry now");
        world.tell(&[Event::Connecting { attempt: 1 }]);
        expect_bar(&world, title, "Reconnecting now…");
        world.welcome(office());
        expect_bar(&world, "Connected", "Round trip 12 ms · list proved exact");
        expect_exact(&world, true);
    }
}

#[test]
fn an_end_for_good_says_so_and_leaves_the_choice_to_the_user() {
    let taken = "This device signed in again";
    let cases = [
        (goodbye(CloseReason::Replaced), "Replaced elsewhere", taken, "Use here"),
        (
            goodbye(CloseReason::NameInUse),
            "This name is in use",
            "Yours? Use its pairing code",
            "Sign in again",
        ),
        (
            goodbye(CloseReason::TooManySessions),
            "Too many devices",
            "Sign out on one of them first",
            "Sign in again",
        ),
        (
            Disconnect::Goodbye { reason: CloseReason::BadHello, text: "no such label".into() },
            "The sign-in was refused",
            "no such label",
            "Sign in again",
        ),
        (
            Disconnect::Goodbye { reason: CloseReason::UnsupportedVersion, text: "2 to 3".into() },
            "Another protocol version",
            "2 to 3",
            "Sign in again",
        ),
        (
            goodbye(CloseReason::ProtocolError(Violation::FrameTooLong)),
            "No herenow server",
            "frame too long",
            "Sign in again",
        ),
        (
            goodbye(CloseReason::Goodbye),
            "The session ended",
            "Not connected any more",
            "Sign in again",
        ),
    ];
    for (reason, title, detail, button) in cases {
        let world = World::signed_in(office());
        world.close(reason, None);
        expect_bar(&world, title, detail);
        expect_exact(&world, false);
        world.screen.find(AccessibleRole::Button, button);
        world.pass(Duration::from_secs(60));
        expect_bar(&world, title, detail);
    }
}

#[test]
fn the_countdown_counts_and_can_be_cut_short() {
    let world = World::signed_in(office());
    world.close(goodbye(CloseReason::ServerShutdown), Some(Duration::from_millis(2_400)));
    world.screen.expect("Comes back in 3 s");
    world.pass(Duration::from_millis(500));
    world.screen.expect("Comes back in 2 s");
    world.pass(Duration::from_secs(1));
    world.screen.expect("Comes back in 1 s");
    world.wishes();
    world.screen.press("Retry now");
    assert_eq!(world.wishes(), [Wish::RetryNow]);
}

#[test]
fn use_here_signs_in_again_with_the_same_name_and_status() {
    let world = World::signed_in(office());
    world.tell(&[Event::Chosen(chosen(Status::Busy))]);
    world.close(goodbye(CloseReason::Replaced), None);
    world.wishes();
    world.screen.press("Use here");
    let (server, name) = ("127.0.0.1".to_owned(), "Ada Lovelace".to_owned());
    let choice = chosen(Status::Busy);
    assert_eq!(
        world.wishes(),
        [Wish::HangUp, Wish::Dial { server, name, choice, device: "desk".to_owned() }]
    );
    world.welcome(office());
    expect_exact(&world, true);
}

#[test]
fn sign_in_again_leads_to_the_sign_in_page() {
    let world = World::signed_in(office());
    world.close(goodbye(CloseReason::NameInUse), None);
    world.screen.press("Sign in again");
    world.screen.find(AccessibleRole::Button, "Sign in");
    assert!(!world.screen.says("This name is in use"));
}

#[test]
fn the_old_list_stays_in_sight_until_the_new_one_is_proved() {
    let world = World::signed_in(office());
    world.close(Disconnect::ConnectionReset, Some(Duration::from_secs(1)));
    world.tell(&[Event::Connecting { attempt: 1 }, Event::SignedIn(support::people::welcome())]);
    expect_bar(&world, "Signed in", "Fetching the list…");
    expect_exact(&world, false);
    assert!(world.screen.says("Barbara Liskov, Available"));
    world.welcome(vec![entry(7, "Somebody new", Status::Available, "")]);
    expect_exact(&world, true);
    assert_eq!(world.screen.rows().into_values().collect::<Vec<_>>(), ["Somebody new, Available"]);
}

#[test]
fn an_old_list_says_how_old_it_is() {
    let world = World::signed_in(office());
    world.pass(Duration::from_secs(4));
    world.tell(&[STALE]);
    world.screen.expect("Last proved 4 s ago");
    for (wait_ms, words) in [
        (999, "Last proved 4 s ago"),
        (2, "Last proved 5 s ago"),
        (1_000, "Last proved 6 s ago"),
        (60_000, "Last proved 66 s ago"),
        (60_000, "Last proved 2 min ago"),
        (2 * 3_600_000, "Last proved 2 h ago"),
    ] {
        world.pass(Duration::from_millis(wait_ms));
        world.screen.expect(words);
    }
    world.tell(&[FRESH]);
    world.screen.expect("11 people");
    expect_exact(&world, true);
}

#[test]
fn an_empty_list_can_be_old_too() {
    let world = World::signed_in(Vec::new());
    world.tell(&[STALE]);
    world.screen.expect("Last proved 0 s ago");
    world.screen.expect("Nobody else was here");
}

#[test]
fn a_session_that_goes_on_shows_its_list_as_exact_again() {
    let world = World::signed_in(office());
    world.close(Disconnect::ConnectionReset, Some(Duration::ZERO));
    world.tell(&[Event::SignedIn(support::people::welcome()), FRESH]);
    expect_bar(&world, "Connected", "The list is proved exact");
    expect_exact(&world, true);
}
