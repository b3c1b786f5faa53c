//! What goes on beside the window: notifications, away by idling and back, and the details of the connection.

mod support;

use std::time::Duration;

use herenow_client::protocol::{Choice, CloseReason, Status};
use herenow_client::{Disconnect, Event};
use herenow_desktop::core::notify::{BURST, LOST_LASTS, Place, QUIET, Whom};
use i_slint_backend_testing::AccessibleRole;
use slint::platform::Key;
use support::people::{chosen, entry, office};
use support::{STALE, Wish, World, joined, left};

fn newcomer(id: u32, name: &str) -> Event {
    joined(entry(id, name, Status::Available, ""))
}

/// A window that tells of everybody, after the quiet that follows the sign-in.
fn told_of_all() -> World {
    let world = World::signed_in(office());
    world.app.desk().tell_of(Whom::All);
    world.pass(QUIET);
    world
}

#[test]
fn who_comes_online_is_told_and_many_are_told_together() {
    let world = told_of_all();
    world.tell(&[newcomer(101, "Margaret Hamilton")]);
    assert_eq!(world.desktop.told(), ["Margaret Hamilton is online"]);
    world.pass(BURST);
    world.tell(&[
        newcomer(102, "Annie Easley"),
        newcomer(103, "Mary Jackson"),
        newcomer(104, "Dorothy Vaughan"),
        newcomer(105, "Katherine Johnson"),
        newcomer(106, "Joan Clarke"),
    ]);
    world.pass(BURST);
    let [first, together] = world.desktop.notifications().try_into().expect("two");
    assert_eq!(first.summary, "Annie Easley is online");
    assert_eq!(together.summary, "Annie Easley, Mary Jackson and 3 others came online");
    assert_eq!((together.in_place_of, together.place), (Some(first.place), Place::Crowd));
    assert_eq!((first.action.as_str(), first.body.as_str()), ("Open", ""));
}

#[test]
fn nobody_is_told_of_after_a_sign_in_or_by_default_or_to_the_busy() {
    let world = World::signed_in(office());
    world.app.desk().tell_of(Whom::All);
    world.tell(&[newcomer(101, "Margaret Hamilton")]);
    world.pass(QUIET);
    world.tell(&[left(
        entry(101, "Margaret Hamilton", Status::Available, ""),
        CloseReason::Goodbye,
    )]);
    world.tell(&[Event::Chosen(chosen(Status::Busy)), newcomer(101, "Margaret Hamilton")]);
    world.tell(&[Event::Chosen(chosen(Status::Available))]);
    world.app.desk().tell_of(Whom::Favourites);
    world.tell(&[newcomer(102, "Annie Easley")]);
    world.pass(BURST);
    assert_eq!(world.desktop.told(), [""; 0]);
}

#[test]
fn the_user_is_nobodys_news_to_themselves() {
    let world = told_of_all();
    world.tell(&[newcomer(1, "Ada Lovelace")]);
    world.pass(BURST);
    assert_eq!(world.desktop.told(), [""; 0]);
}

#[test]
fn a_loss_that_lasts_is_told_and_so_is_the_return() {
    let world = told_of_all();
    world.close(Disconnect::ConnectionRefused, Some(Duration::from_secs(30)));
    world.pass(LOST_LASTS);
    let [lost] = world.desktop.notifications().try_into().expect("one");
    assert_eq!(
        (lost.summary.as_str(), lost.body.as_str()),
        ("Connection lost", "Connection refused")
    );
    world.tell(&[Event::Connecting { attempt: 1 }]);
    world.welcome(office());
    assert_eq!(world.desktop.told(), ["Connected again"]);

    world.close(Disconnect::ConnectionReset, Some(Duration::from_secs(1)));
    world.tell(&[Event::Connecting { attempt: 1 }]);
    world.welcome(office());
    world.pass(LOST_LASTS);
    assert_eq!(world.desktop.told(), [""; 0], "it was back at once");
}

#[test]
fn an_end_for_good_is_told_and_a_sign_out_is_not() {
    let world = told_of_all();
    let reason = Disconnect::Goodbye { reason: CloseReason::Replaced, text: String::new() };
    world.close(reason, None);
    assert_eq!(world.desktop.told(), ["Not connected any more"]);
    let world = told_of_all();
    world.screen.press("Sign out");
    world.pass(LOST_LASTS);
    assert_eq!(world.desktop.told(), [""; 0]);
}

#[test]
fn a_click_on_a_notification_selects_the_person() {
    let world = told_of_all();
    world.tell(&[newcomer(101, "Margaret Hamilton")]);
    let [told] = world.desktop.notifications().try_into().expect("one");
    world.desktop.click(told.place);
    world.screen.settle();
    assert_eq!(world.screen.selected().as_deref(), Some("Margaret Hamilton, Available"));
}

const LONG: Duration = Duration::from_secs(10 * 60);

#[test]
fn who_leaves_the_computer_is_away_and_comes_back() {
    let world = World::signed_in(office());
    assert_eq!(world.desktop.look_in(), Some(Duration::ZERO));
    world.desktop.see(Duration::ZERO, false);
    assert_eq!(world.desktop.look_in(), Some(LONG));
    world.wishes();
    world.pass(LONG);
    world.desktop.see(LONG, false);
    assert_eq!(world.wishes(), [Wish::Choose(Choice::automatic(Status::Away))]);
    world.screen.settle();
    let card = world.screen.find(AccessibleRole::Button, "Your status");
    assert_eq!(card.accessible_description().as_deref(), Some("Away"));
    for _ in 0..2 {
        let look_in = world.desktop.look_in().expect("it is looked for a return");
        world.pass(look_in);
        world.desktop.see(Duration::ZERO, false);
    }
    let back = Choice::automatic(Status::Available);
    assert_eq!(world.wishes(), [Wish::Choose(back)], "as it was before: by a program");
}

#[test]
fn what_was_chosen_by_hand_stays() {
    let world = World::signed_in(office());
    world.desktop.see(LONG, false);
    world.tell(&[Event::Accepted(Choice::automatic(Status::Away))]);
    world.tell(&[Event::Chosen(chosen(Status::Busy))]);
    world.wishes();
    for _ in 0..3 {
        world.pass(Duration::from_secs(2));
        world.desktop.see(Duration::ZERO, false);
    }
    assert_eq!(world.wishes(), []);
}

#[test]
fn nobody_is_looked_at_who_is_not_signed_in() {
    let world = World::signed_in(office());
    world.screen.press("Sign out");
    assert_eq!(world.desktop.look_in(), None);
    world.wishes();
    world.desktop.see(LONG, true);
    assert_eq!((world.wishes(), world.desktop.look_in()), (vec![], None));
}

#[test]
fn the_details_tell_what_is_known_and_what_happened() {
    let world = World::signed_in(office());
    world.pass(Duration::from_secs(3));
    world.tell(&[STALE]);
    world.screen.press("Connection details");
    for words in [
        "Round trip 12 ms, lately 12 ms to 12 ms",
        "Digest: 00000000, matched 3 s ago",
        "List: 12 people, version 1024",
    ] {
        world.screen.expect(words);
    }
    for words in ["List could not be proved", "Signed in", "Tried to connect (try 1)"] {
        world.screen.expect(words);
    }
    world.close(Disconnect::ConnectionRefused, Some(Duration::from_secs(9)));
    world.screen.expect("Connection refused");
    world.screen.key(Key::Escape);
    assert!(!world.screen.says("What happened"));
}

#[test]
fn the_details_open_by_keyboard_and_close_again() {
    let world = World::signed_in(office());
    world.screen.key(Key::Tab);
    world.screen.key(Key::Return);
    world.screen.expect("What happened");
    world.screen.key(Key::Escape);
    assert!(!world.screen.says("What happened"));
    world.screen.key(Key::Return);
    world.screen.expect("What happened");
}

#[test]
fn the_log_of_the_connection_can_be_kept() {
    let world = World::signed_in(office());
    world.screen.press("Connection details");
    world.screen.press("Save connection log");
    let [(name, text)] = world.desktop.kept().try_into().expect("one file");
    assert!(text.contains("signed_in"), "{text}");
    for person in office() {
        assert!(!text.contains(person.name.as_str()), "{text}");
    }
    assert!(!text.contains("Ada Lovelace"), "{text}");
    world.screen.expect(&format!("Saved as /home/ada/.local/state/herenow/{name}"));
    world.desktop.fill();
    world.screen.press("Save connection log");
    world.screen.expect("The log could not be written.");
    world.screen.find(AccessibleRole::Button, "Close details");
}
