//! The user's own status: what is sent, what is refused, what others see.

mod support;

use std::time::Duration;

use herenow_client::Event;
use herenow_client::protocol::{Choice, ErrorCode, Presence, Status, StatusText};
use i_slint_backend_testing::AccessibleRole;
use slint::platform::Key;
use support::people::{chosen, office, presence};
use support::{FRESH, STALE, Wish, World};

fn open() -> World {
    let world = World::signed_in(office());
    world.wishes();
    world.screen.press("Your status");
    world
}

fn own(world: &World) -> String {
    let card = world.screen.find(AccessibleRole::Button, "Your status");
    card.accessible_description().unwrap_or_default().into()
}

#[track_caller]
fn choose(world: &World, label: &str) {
    world.screen.find(AccessibleRole::RadioButton, label).invoke_accessible_default_action();
    world.screen.settle();
}

#[track_caller]
fn expect_mirror_line(world: &World, words: Option<&str>) {
    let said = world.screen.words().into_iter().find(|words| words.starts_with("Others "));
    assert_eq!(said.as_deref(), words);
}

/// Says something and leaves the status as the start of the program chose it.
fn said(text: &str, text_for: Option<Duration>) -> Choice {
    let text = Some(StatusText::new(text).expect("a valid text"));
    Choice { text, text_for, ..Choice::automatic(Status::Available) }
}

#[test]
fn a_status_is_one_press_and_keeps_the_text() {
    let world = open();
    world.tell(&[Event::Mirror(Some(presence(Status::Available, "Notes")))]);
    for (label, status) in [("Busy", Status::Busy), ("Invisible", Status::Invisible)] {
        choose(&world, label);
        assert_eq!(world.wishes(), [Wish::Choose(chosen(status))]);
        assert_eq!(own(&world), format!("{label} · Notes"));
        let button = world.screen.find(AccessibleRole::RadioButton, label);
        assert_eq!(button.accessible_checked(), Some(true));
    }
}

#[test]
fn a_text_is_typed_and_sent_with_return() {
    let world = open();
    world.screen.type_text("Back at three");
    world.screen.key(Key::Return);
    assert_eq!(world.wishes(), [Wish::Choose(said("Back at three", None))]);
    assert_eq!(own(&world), "Available · Back at three");
    assert!(!world.screen.says("Save"), "the panel closed");
}

#[test]
fn a_text_can_be_kept_for_a_while() {
    let world = open();
    let keep = world.screen.find(AccessibleRole::RadioButton, "Keep: Always");
    assert_eq!(keep.accessible_checked(), Some(true));
    for (label, minutes, words) in [
        ("Keep: 30 min", 30, "Available · Lunch · 30 min left"),
        ("Keep: 1 h", 60, "Available · Lunch · 60 min left"),
        ("Keep: 4 h", 240, "Available · Lunch · 4 h left"),
    ] {
        choose(&world, label);
        world.screen.field("Status text").set_accessible_value("Lunch");
        world.screen.press("Save");
        let text_for = Some(Duration::from_secs(minutes * 60));
        assert_eq!(world.wishes(), [Wish::Choose(said("Lunch", text_for))]);
        assert_eq!(own(&world), words);
        world.screen.press("Your status");
    }
    world.pass(Duration::from_secs(3 * 60 * 60));
    assert_eq!(own(&world), "Available · Lunch · 60 min left");
}

#[test]
fn a_text_that_is_too_long_cannot_be_sent() {
    let world = open();
    world.screen.field("Status text").set_accessible_value("é".repeat(141));
    world.screen.settle();
    world.screen.expect("-1 left");
    world.screen.expect("At most 140 characters.");
    let save = world.screen.find(AccessibleRole::Button, "Save");
    assert_eq!(save.accessible_enabled(), Some(false));
    save.invoke_accessible_default_action();
    world.screen.field("Status text").set_accessible_value("é".repeat(140));
    world.screen.settle();
    world.screen.expect("0 left");
    world.screen.press("Save");
    assert_eq!(world.wishes(), [Wish::Choose(said(&"é".repeat(140), None))]);
}

#[test]
fn a_text_with_a_hidden_control_is_refused_in_words() {
    let world = open();
    world.screen.field("Status text").set_accessible_value("back\u{202E}soon");
    world.screen.press("Save");
    world.screen.expect("One line of plain text only.");
    assert_eq!(world.wishes(), []);
    world.screen.field("Status text").set_accessible_value("back soon");
    world.screen.press("Save");
    assert_eq!(world.wishes(), [Wish::Choose(said("back soon", None))]);
}

#[test]
fn a_status_set_for_this_device_elsewhere_is_shown_as_its_own() {
    let world = World::signed_in(office());
    let text = StatusText::new("set on the command line").expect("a valid text");
    world.tell(&[Event::Chosen(Choice::chosen(Status::Away, text.clone()))]);
    world.tell(&[Event::Mirror(Some(Presence::chosen(Status::Away, text)))]);
    assert_eq!(own(&world), "Away · set on the command line");
    expect_mirror_line(&world, None);
}

#[test]
fn a_difference_between_what_was_chosen_and_what_others_see_is_told() {
    let world = World::signed_in(office());
    expect_mirror_line(&world, None);
    let see = |status| world.tell(&[Event::Mirror(Some(presence(status, "")))]);
    see(Status::Busy);
    expect_mirror_line(&world, Some("Others see you busy (from another device)"));
    assert_eq!(own(&world), "Available", "which is what was chosen here");
    see(Status::Away);
    expect_mirror_line(&world, Some("Others see you away (from another device)"));
    world.tell(&[Event::Mirror(None)]);
    expect_mirror_line(&world, Some("Others do not see you (from another device)"));
    see(Status::Available);
    expect_mirror_line(&world, None);
}

#[test]
fn nothing_is_claimed_of_what_others_see_while_the_list_is_not_proved() {
    let world = World::signed_in(office());
    world.tell(&[Event::Mirror(None), STALE]);
    expect_mirror_line(&world, None);
    world.tell(&[FRESH]);
    expect_mirror_line(&world, Some("Others do not see you (from another device)"));
}

#[test]
fn who_chose_to_be_invisible_is_shown_as_that_and_not_warned() {
    let world = open();
    choose(&world, "Invisible");
    world.tell(&[Event::Accepted(chosen(Status::Invisible)), Event::Mirror(None)]);
    assert_eq!(own(&world), "Invisible");
    expect_mirror_line(&world, None);
}

#[test]
fn a_refusal_by_the_server_is_told() {
    let world = open();
    let text = "one change a second".to_owned();
    world.tell(&[Event::Refused { code: ErrorCode::BadRequest, text }]);
    world.screen.expect("The server refused: one change a second");
}
