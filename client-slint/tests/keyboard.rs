//! Everything can be done without a mouse.

mod support;

use herenow_client::protocol::Status;
use i_slint_backend_testing::AccessibleRole;
use slint::platform::Key;
use support::people::{chosen, crowd, office};
use support::{Wish, World};

#[test]
fn the_arrows_move_in_the_list_and_stop_at_its_ends() {
    let world = World::signed_in(office());
    let selected = || world.screen.selected().unwrap_or_default();
    world.screen.key(Key::UpArrow);
    assert_eq!(selected(), "Alan Turing, Available, Out for a run at five");
    world.screen.key(Key::DownArrow);
    assert_eq!(selected(), "Barbara Liskov, Available");
    world.screen.key(Key::End);
    assert_eq!(selected(), "Ken Thompson, Busy, In a review");
    world.screen.key(Key::DownArrow);
    assert_eq!(selected(), "Ken Thompson, Busy, In a review");
    world.screen.key(Key::Home);
    assert_eq!(selected(), "Alan Turing, Available, Out for a run at five");
}

#[test]
fn the_selected_row_is_always_in_sight_as_a_whole() {
    let world = World::signed_in(crowd(10_000));
    let keys = [Key::End, Key::UpArrow, Key::Home, Key::PageDown, Key::PageDown, Key::PageUp];
    for key in keys {
        world.screen.key(key);
        let row = world.screen.selected().expect("a row is selected");
        let row = world.screen.find(AccessibleRole::ListItem, &row);
        let list = world.screen.find(AccessibleRole::List, "People");
        let (top, bottom) =
            (list.absolute_position().y, list.absolute_position().y + list.size().height);
        let (row_top, row_bottom) =
            (row.absolute_position().y, row.absolute_position().y + row.size().height);
        assert!(
            row_top >= top - 0.5 && row_bottom <= bottom + 0.5,
            "{row_top}..{row_bottom} is not within {top}..{bottom}"
        );
    }
}

#[test]
fn control_f_searches_down_enters_the_list_and_escape_clears() {
    let world = World::signed_in(office());
    world.screen.control('f');
    world.screen.type_text("all");
    assert_eq!(world.screen.rows().len(), 1);
    world.screen.key(Key::DownArrow);
    assert_eq!(
        world.screen.selected().as_deref(),
        Some("Frances Allen, Available, Reading about compilers")
    );
    world.screen.key(Key::Escape);
    world.screen.expect("11 people");
    assert_eq!(world.screen.field("Search").accessible_value().as_deref(), Some(""));
    world.screen.control('f');
    world.screen.type_text("x");
    world.screen.key(Key::Escape);
    world.screen.expect("11 people");
}

/// From the list, Tab goes round through every control and back: each does its work with Space or Return.
#[test]
fn tab_reaches_every_control() {
    let world = World::signed_in(office());
    world.wishes();
    let tab = |times: usize| (0..times).for_each(|_| world.screen.key(Key::Tab));

    tab(2); // from the list past the connection to the user's own card
    world.screen.key(Key::Space);
    world.screen.find(AccessibleRole::Button, "Save");
    world.screen.key(Key::Escape);
    assert!(!world.screen.says("Save"), "Escape closes the panel");

    tab(3); // settings
    world.screen.key(Key::Return);
    world.screen.expect("Language");
    world.screen.key(Key::Escape);
    world.screen.expect("11 people");

    tab(4); // about
    world.screen.key(Key::Return);
    world.screen.expect("#MadeWithSlint");
    world.screen.key(Key::Escape);
    world.screen.expect("11 people");

    tab(6); // search
    world.screen.type_text("ken");
    assert_eq!(world.screen.rows().len(), 1);
    world.screen.key(Key::Escape);

    tab(5); // sign out
    world.screen.key(Key::Space);
    assert_eq!(world.wishes(), [Wish::HangUp]);
}

#[test]
fn a_status_can_be_chosen_with_the_keyboard_alone() {
    let world = World::signed_in(office());
    world.wishes();
    world.screen.key(Key::Tab);
    world.screen.key(Key::Tab);
    world.screen.key(Key::Return);
    // The text has the keyboard; the four choices are before it.
    for status in [Status::Invisible, Status::Busy, Status::Away, Status::Available] {
        world.screen.key(Key::Backtab);
        world.screen.key(Key::Space);
        assert_eq!(world.wishes(), [Wish::Choose(chosen(status))]);
    }
}

#[test]
fn retry_now_is_within_reach_of_the_keyboard() {
    let world = World::signed_in(office());
    let wait = std::time::Duration::from_secs(9);
    world.close(herenow_client::Disconnect::ConnectionReset, Some(wait));
    world.wishes();
    world.screen.key(Key::Tab);
    world.screen.key(Key::Tab); // from the list past the connection's details to the button in the bar
    world.screen.key(Key::Return);
    assert_eq!(world.wishes(), [Wish::RetryNow]);
}

#[test]
fn keys_open_settings_and_shortcuts_on_every_page_and_escape_closes_them() {
    let world = World::new();
    for page in ["Sign in", "Sign out"] {
        for (open, title) in [(',', "Language"), ('/', "Everywhere")] {
            world.screen.control(open);
            world.screen.expect(title);
            assert!(!world.screen.says(page), "the page is covered");
            world.screen.key(Key::Escape);
            world.screen.expect(page);
        }
        world.screen.key(Key::F1);
        world.screen.expect("Everywhere");
        // From one to the other and back to the page.
        world.screen.control(',');
        world.screen.expect("Language");
        world.screen.key(Key::Escape);
        world.screen.expect(page);
        if page == "Sign in" {
            world.sign_in(office());
        }
    }
}

#[test]
fn control_and_a_digit_choose_a_status_from_anywhere() {
    let world = World::signed_in(office());
    world.wishes();
    let keys = [
        ('1', Status::Available),
        ('2', Status::Away),
        ('3', Status::Busy),
        ('4', Status::Invisible),
    ];
    for (key, status) in keys {
        world.screen.control(key);
        assert_eq!(world.wishes(), [Wish::Choose(chosen(status))]);
    }
    for elsewhere in ['f', ','] {
        world.screen.control(elsewhere);
        world.screen.control('2');
        assert_eq!(world.wishes(), [Wish::Choose(chosen(Status::Away))], "after {elsewhere}");
    }
    let nobody = World::new();
    nobody.screen.control('2');
    assert_eq!(nobody.wishes(), []);
}
