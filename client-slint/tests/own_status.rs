//! The user's own status: what is sent, what is refused, what others see.

mod support;

use herenow_client::Event;
use herenow_client::protocol::{ErrorCode, Status};
use i_slint_backend_testing::AccessibleRole;
use slint::platform::Key;
use support::people::{office, presence};
use support::{Wish, World};

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

#[test]
fn a_status_is_one_press_and_keeps_the_text() {
    let world = open();
    world.tell(&[Event::Mirror(Some(presence(Status::Available, "Notes")))]);
    let busy = world.screen.find(AccessibleRole::RadioButton, "Busy");
    busy.invoke_accessible_default_action();
    world.screen.settle();
    assert_eq!(world.wishes(), [Wish::SetPresence(presence(Status::Busy, "Notes"))]);
    assert_eq!(own(&world), "Busy · Notes");
    let busy = world.screen.find(AccessibleRole::RadioButton, "Busy");
    assert_eq!(busy.accessible_checked(), Some(true));
}

#[test]
fn a_text_is_typed_and_sent_with_return() {
    let world = open();
    world.screen.type_text("Back at three");
    world.screen.key(Key::Return);
    assert_eq!(world.wishes(), [Wish::SetPresence(presence(Status::Available, "Back at three"))]);
    assert_eq!(own(&world), "Available · Back at three");
    assert!(!world.screen.says("Save"), "the panel closed");
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
    assert_eq!(world.wishes(), [Wish::SetPresence(presence(Status::Available, &"é".repeat(140)))]);
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
    assert_eq!(world.wishes(), [Wish::SetPresence(presence(Status::Available, "back soon"))]);
}

#[test]
fn the_window_shows_what_others_see_even_if_it_was_set_elsewhere() {
    let world = World::signed_in(office());
    world.tell(&[Event::Mirror(Some(presence(Status::Away, "set on the command line")))]);
    assert_eq!(own(&world), "Away · set on the command line");
}

#[test]
fn a_refusal_by_the_server_is_told() {
    let world = open();
    let text = "one change a second".to_owned();
    world.tell(&[Event::Refused { code: ErrorCode::BadRequest, text }]);
    world.screen.expect("The server refused: one change a second");
}
