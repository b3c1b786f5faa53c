//! Signing in: what is asked, what is refused at once, what is shown while it takes its time.

mod support;

use std::time::Duration;

use herenow_client::protocol::{Choice, CloseReason, Status};
use herenow_client::{Disconnect, Event};
use herenow_desktop::core::language::Language;
use herenow_desktop::core::sign_in::Start;
use i_slint_backend_testing::AccessibleRole;
use slint::platform::Key;
use support::people::{chosen, office};
use support::{CODE, Wish, World};

fn dial(server: &str, name: &str) -> Wish {
    let (server, name) = (server.to_owned(), name.to_owned());
    let device = "desk".to_owned();
    Wish::Dial { server, name, choice: Choice::automatic(Status::Available), device }
}

#[test]
fn what_was_typed_is_dialled_and_the_list_follows() {
    let world = World::new();
    world.screen.field("Server").set_accessible_value("example.org:4373");
    world.screen.field("Name").set_accessible_value("Ada Lovelace");
    world.screen.press("Sign in");
    assert_eq!(world.wishes(), [dial("example.org:4373", "Ada Lovelace")]);
    world.tell(&[Event::Connecting { attempt: 1 }]);
    world.screen.expect("Connecting");
    world.screen.expect("Looking for the server…");
    world.welcome(office());
    world.screen.expect("People");
    world.screen.expect("11 people");
    world.screen.expect("Connected");
    assert!(!world.screen.says("Sign in"), "the sign-in page is gone");
}

#[test]
fn the_name_can_be_typed_at_once_and_return_signs_in() {
    let world = World::new();
    world.screen.type_text("Žofie");
    world.screen.key(Key::Return);
    assert_eq!(world.wishes(), [dial("127.0.0.1", "Žofie")]);
}

#[test]
fn what_cannot_be_sent_is_told_in_words_and_not_dialled() {
    let long = "x".repeat(65);
    let cases = [
        ("", "ada", "Enter the server's address, such as 127.0.0.1 or example.org:4373."),
        ("host", " ", "Enter the name that others will see."),
        ("host", long.as_str(), "This name is too long: 64 bytes at most."),
        ("host", "a  b", "A name has single spaces only."),
        ("host", "a\u{200B}b", "This name contains a character that does not show."),
    ];
    let world = World::new();
    for (server, name, words) in cases {
        world.screen.field("Server").set_accessible_value(server);
        world.screen.field("Name").set_accessible_value(name);
        world.screen.press("Sign in");
        world.screen.expect(words);
    }
    assert_eq!(world.wishes(), []);
}

#[test]
fn a_device_without_a_place_for_its_identity_is_told_so() {
    let world = World::new();
    world.break_dialer();
    world.screen.type_text("ada");
    world.screen.key(Key::Return);
    world
        .screen
        .expect("This device's identity cannot be kept: the state directory is not writable.");
    world.screen.find(AccessibleRole::Button, "Sign in");
}

#[test]
fn a_server_that_is_not_there_is_tried_again_until_stopped() {
    let world = World::new();
    world.screen.type_text("ada");
    world.screen.key(Key::Return);
    world.close(Disconnect::ConnectionRefused, Some(Duration::from_millis(1_500)));
    world.screen.expect("Connection refused");
    world.screen.expect("Reconnecting in 2 s");
    assert_eq!(world.screen.field("Name").accessible_enabled(), Some(false));
    world.screen.press("Retry now");
    world.screen.press("Stop");
    assert_eq!(world.wishes(), [dial("127.0.0.1", "ada"), Wish::RetryNow, Wish::HangUp]);
    assert!(!world.screen.says("Connection refused"));
    assert_eq!(world.screen.field("Name").accessible_enabled(), Some(true));
}

#[test]
fn a_name_in_use_leaves_the_page_ready_for_another() {
    let world = World::new();
    world.screen.type_text("ada");
    world.screen.key(Key::Return);
    let reason = CloseReason::NameInUse;
    world.close(Disconnect::Goodbye { reason, text: String::new() }, None);
    world.screen.expect("This name is in use");
    world.screen.expect("Yours? Use its pairing code");
    world.screen.field("Pairing code");
    world.screen.field("Name").set_accessible_value("ada 2");
    world.screen.press("Sign in");
    let wishes = [dial("127.0.0.1", "ada"), Wish::HangUp, dial("127.0.0.1", "ada 2")];
    assert_eq!(world.wishes(), wishes);
}

#[test]
fn signing_out_hangs_up_and_remembers_what_was_typed() {
    let world = World::new();
    world.screen.type_text("Grace");
    world.screen.key(Key::Return);
    world.welcome(office());
    world.screen.press("Sign out");
    assert_eq!(world.wishes(), [dial("127.0.0.1", "Grace"), Wish::HangUp]);
    assert_eq!(world.screen.field("Name").accessible_value().as_deref(), Some("Grace"));
    assert!(!world.screen.says("Connected"));
}

#[test]
fn closing_the_program_leaves_the_server_before_it_hangs_up() {
    let world = World::signed_in(office());
    world.wishes();
    world.app.close();
    assert_eq!(world.wishes(), [Wish::Leave, Wish::HangUp]);
}

#[test]
fn a_new_sign_in_starts_without_the_people_and_the_status_of_the_last() {
    let world = World::signed_in(office());
    world.tell(&[Event::Chosen(chosen(Status::Busy))]);
    world.screen.press("Sign out");
    world.wishes();
    world.screen.press("Sign in");
    assert!(matches!(
        world.wishes().as_slice(),
        [Wish::Dial { choice, .. }] if *choice == Choice::automatic(Status::Available)
    ));
    world.tell(&[Event::SignedIn(support::people::welcome())]);
    world.screen.expect("Fetching the list…");
    assert_eq!(world.screen.rows().len(), 0);
}

#[test]
fn the_licence_of_the_toolkit_is_one_press_away() {
    let world = World::new();
    world.screen.press("About herenow");
    world.screen.expect("#MadeWithSlint");
    world.screen.key(Key::Escape);
    world.screen.find(AccessibleRole::Button, "Sign in");
    world.sign_in(office());
    world.screen.press("About herenow");
    world.screen.expect("#MadeWithSlint");
    world.screen.press("Back");
    world.screen.expect("11 people");
}

const OTHER_NAME: &str = "Use my other device's name";

#[test]
fn a_pairing_code_is_taken_over_before_the_sign_in() {
    let world = World::new();
    world.screen.type_text("ada");
    world.screen.press(OTHER_NAME);
    world.screen.type_text(&CODE.to_lowercase()); // the keyboard is there already
    world.screen.key(Key::Return);
    let wishes = [Wish::Adopt(CODE.to_lowercase()), dial("127.0.0.1", "ada")];
    assert_eq!(world.wishes(), wishes);
}

#[test]
fn a_mistyped_code_is_told_in_words_and_nothing_is_done() {
    let cases = [
        ("0004U", "No pairing code contains “U”. Compare it with the other device."),
        (&CODE[1..], "A pairing code has 26 letters and digits, this one has 25."),
        ("80041-06105-0R3GG-28A1C-60T3GF", "A pairing code begins with a digit from 0 to 7."),
    ];
    let world = World::new();
    world.screen.field("Name").set_accessible_value("ada");
    world.screen.press(OTHER_NAME);
    for (code, words) in cases {
        world.screen.field("Pairing code").set_accessible_value(code);
        world.screen.press("Sign in");
        world.screen.expect(words);
    }
    assert_eq!(world.wishes(), []);
}

#[test]
fn a_code_that_was_put_away_again_is_not_meant() {
    let world = World::new();
    world.screen.field("Name").set_accessible_value("ada");
    world.screen.press(OTHER_NAME);
    world.screen.field("Pairing code").set_accessible_value("nonsense");
    world.screen.press(OTHER_NAME);
    world.screen.press("Sign in");
    assert_eq!(world.wishes(), [dial("127.0.0.1", "ada")]);
}

#[test]
fn the_pairing_code_is_shown_only_when_asked_for() {
    let world = World::new();
    world.screen.press("About herenow");
    let code = || world.screen.shown_value("Pairing code");
    assert_eq!(code(), None);
    world.screen.press("Show pairing code");
    assert_eq!(code().as_deref(), Some(CODE));
    let field = world.screen.field("Pairing code");
    assert_eq!(field.accessible_read_only(), Some(true));
    world.screen.press("Copy");
    world.screen.press("Hide");
    assert_eq!(code(), None);

    world.screen.press("Show pairing code");
    world.screen.press("Back");
    world.screen.press("About herenow");
    assert_eq!(code(), None, "who opens the page later does not see it");
}

#[test]
fn a_pairing_code_that_cannot_be_read_is_told() {
    let world = World::new();
    world.break_dialer();
    world.screen.press("About herenow");
    world.screen.press("Show pairing code");
    world.screen.expect("The code cannot be read: the state directory is not accessible.");
}

fn asked(server: Option<&str>, name: Option<&str>) -> Start {
    Start { server: server.map(str::to_owned), name: name.map(str::to_owned) }
}

/// The next start of the program, which finds what `world` kept.
fn next_start(world: &World, start: &Start) -> World {
    world.app.close();
    let again = World::kept(world.kept.clone(), Language::English, (360, 640));
    again.app.start(start);
    again.screen.settle();
    again
}

#[test]
fn the_next_start_signs_in_by_itself_unless_the_user_signed_out() {
    let world = World::new();
    world.screen.field("Server").set_accessible_value("example.org");
    world.screen.type_text("Grace");
    world.screen.key(Key::Return);
    world.welcome(office());

    let again = next_start(&world, &Start::default());
    assert_eq!(again.wishes(), [dial("example.org", "Grace")]);
    again.welcome(office());
    again.screen.press("Sign out");

    let third = next_start(&again, &Start::default());
    assert_eq!(third.wishes(), []);
    assert_eq!(third.screen.shown_value("Server").as_deref(), Some("example.org"));
    assert_eq!(third.screen.shown_value("Name").as_deref(), Some("Grace"));
    third.screen.press("Sign in");

    let fourth = next_start(&third, &Start::default());
    assert_eq!(fourth.wishes(), [dial("example.org", "Grace")]);
}

#[test]
fn what_the_program_is_started_with_goes_before_what_it_remembers() {
    let world = World::new();
    world.screen.type_text("Grace");
    world.screen.key(Key::Return);
    let again = next_start(&world, &asked(Some("example.org"), Some("Ada")));
    assert_eq!(again.wishes(), [dial("example.org", "Ada")]);
    let third = next_start(&again, &asked(None, Some("Grace")));
    assert_eq!(third.wishes(), [dial("example.org", "Grace")]);
    let fourth = next_start(&third, &asked(Some("10.0.0.1"), None));
    assert_eq!(fourth.wishes(), [], "whoever names a server only is asked for the name");
    assert_eq!(fourth.screen.shown_value("Server").as_deref(), Some("10.0.0.1"));
    assert_eq!(fourth.screen.shown_value("Name").as_deref(), Some("Grace"));
}

#[test]
fn servers_used_before_can_be_chosen_again() {
    let world = World::new();
    assert!(!world.screen.says("Servers used before"), "there are none");
    for server in ["one.example", "two.example"] {
        world.screen.field("Server").set_accessible_value(server);
        world.screen.field("Name").set_accessible_value("Ada");
        world.screen.press("Sign in");
        world.screen.press("Stop");
    }
    world.wishes();
    world.screen.press("Servers used before");
    world.screen.press("Use one.example");
    assert_eq!(world.screen.shown_value("Server").as_deref(), Some("one.example"));
    assert!(!world.screen.says("Use two.example"), "the choice is made");
    // The name has the keyboard.
    world.screen.key(Key::Return);
    assert_eq!(world.wishes(), [dial("one.example", "Ada")]);
}

#[test]
fn the_name_of_this_device_is_sent_and_remembered() {
    let world = World::new();
    assert_eq!(world.screen.shown_value("This device").as_deref(), Some("desk"));
    world.screen.field("This device").set_accessible_value(" phone ");
    world.screen.field("Name").set_accessible_value("Ada");
    world.screen.press("Sign in");
    let phone =
        |wishes: &[Wish]| matches!(wishes, [Wish::Dial { device, .. }] if device == "phone");
    assert!(phone(&world.wishes()));
    let again = next_start(&world, &Start::default());
    assert!(phone(&again.wishes()));
}

#[test]
fn another_start_fills_in_the_page_or_signs_in() {
    let world = World::new();
    world.app.start_again(&asked(Some("example.org"), None));
    world.screen.settle();
    assert_eq!(world.screen.shown_value("Server").as_deref(), Some("example.org"));
    world.app.start_again(&asked(None, Some("Ada")));
    assert_eq!(world.wishes(), [dial("127.0.0.1", "Ada")]);
}

#[test]
fn another_start_for_somebody_else_asks_before_it_signs_out() {
    let world = World::signed_in(office());
    world.wishes();
    let question = "Sign in as Grace on 127.0.0.1 instead?";
    world.app.start_again(&asked(None, None));
    world.app.start_again(&asked(Some("127.0.0.1"), Some("Ada Lovelace")));
    world.screen.settle();
    assert!(!world.screen.says("Switch"), "nobody else is asked for");

    world.app.start_again(&asked(None, Some("Grace")));
    world.screen.settle();
    world.screen.expect(question);
    world.screen.press("Stay as I am");
    assert!(!world.screen.says(question));
    assert_eq!(world.wishes(), []);

    world.app.start_again(&asked(None, Some("Grace")));
    world.screen.settle();
    world.screen.press("Switch");
    assert_eq!(world.wishes(), [Wish::HangUp, dial("127.0.0.1", "Grace")]);
    assert!(!world.screen.says(question));
}
