//! Groups: by favourites and rooms or by status, shown or only counted, and rows that keep their places.

mod support;

use std::time::Duration;

use herenow_client::ViewKey;
use herenow_client::protocol::{CloseReason, RoomName, Shown, Status, WatchTarget};
use herenow_desktop::core::watching::{TellMe, Watching};
use i_slint_backend_testing::AccessibleRole;
use slint::platform::{Key, WindowEvent};
use slint::{ComponentHandle as _, LogicalPosition};
use support::people::{entry, office};
use support::{Wish, World, joined, left, updated};

fn rows(world: &World) -> Vec<String> {
    world.screen.rows().into_values().collect()
}

fn four() -> World {
    World::signed_in(vec![
        entry(1, "Ken", Status::Busy, "In a review"),
        entry(2, "Grace", Status::Available, ""),
        entry(4, "Radia", Status::Away, "Lunch"),
        entry(5, "Tim", Status::Available, ""),
    ])
}

fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a valid name")
}

fn offline(id: u32, name: &str, seen_ms: u64) -> herenow_client::protocol::Entry {
    let shown = Shown::offline(seen_ms);
    herenow_client::protocol::Entry { shown, ..entry(id, name, Status::Offline, "") }
}

/// The user chose these people in an earlier run; returns the list in which they are watched.
fn choose(world: &World, names: &[&str]) -> ViewKey {
    world.wishes();
    let favourites = names.iter().copied().collect();
    world.app.desk().set_watching(Watching::new(favourites, TellMe::default()));
    match &world.wishes()[..] {
        [Wish::Watch(WatchTarget::People { names: asked, .. }, view)] => {
            assert_eq!(asked.len(), names.len());
            *view
        }
        other => panic!("{other:?}"),
    }
}

fn pointer(world: &World, position: Option<(f32, f32)>) {
    let event = match position {
        Some((x, y)) => WindowEvent::PointerMoved { position: LogicalPosition::new(x, y) },
        None => WindowEvent::PointerExited,
    };
    world.app.window().window().dispatch_event(event);
    world.screen.settle();
}

#[test]
fn favourites_come_first_wherever_they_are() {
    let world = four();
    let list = choose(&world, &["Ken", "Zoe"]);
    let seen = world.wall_ms() - 5 * 60_000;
    world.list(list, vec![entry(0, "Ken", Status::Busy, "In a review"), offline(1, "Zoe", seen)]);
    let favourites =
        ["Favourites, 1 of 2 here", "Ken, Busy, In a review", "Zoe, Last seen 5 min ago"];
    assert_eq!(rows(&world)[..3], favourites);
    assert_eq!(rows(&world)[3..5], ["Everyone here, 4 people", "Grace, Available"]);
    world.screen.expect("4 people");

    world.tell(&[joined(entry(9, "Zoe", Status::Available, "Hello"))]);
    assert_eq!(
        rows(&world)[..3],
        ["Favourites, 2 of 2 here", "Zoe, Available, Hello", "Ken, Busy, In a review"]
    );
    world.tell(&[left(entry(9, "Zoe", Status::Available, "Hello"), CloseReason::Goodbye)]);
    assert_eq!(
        rows(&world)[2],
        "Zoe, Last seen 5 min ago",
        "until the list of favourites says more"
    );
}

#[test]
fn last_seen_is_told_in_words() {
    let world = World::signed_in(Vec::new());
    let list = choose(&world, &["A", "B", "C", "D", "E", "F"]);
    let (now, minute) = (world.wall_ms(), 60_000);
    // The wall shows 08:00 on 2027-01-15.
    let seen = [
        ("A", now),
        ("B", now - 59 * minute),
        ("C", now - 7 * 60 * minute),
        ("D", now - 18 * 60 * minute),
        ("E", now - 3 * 24 * 60 * minute),
        ("F", now - 30 * 24 * 60 * minute),
    ];
    world.list(list, (0..).zip(seen).map(|(id, (name, seen))| offline(id, name, seen)).collect());
    let told = [
        "A, Last seen just now",
        "B, Last seen 59 min ago",
        "C, Last seen at 01:00",
        "D, Last seen yesterday at 14:00",
        "E, Last seen 3 days ago",
        "F, Last seen on 2026-12-16",
    ];
    assert_eq!(rows(&world)[1..], told);
    world.pass(Duration::from_secs(60));
    assert_eq!(rows(&world)[1], "A, Last seen 1 min ago");
    world.pass(Duration::from_secs(16 * 60 * 60));
    assert_eq!(rows(&world)[3], "C, Last seen yesterday at 01:00", "midnight passed");
    world.list(list, vec![offline(0, "A", 0)]);
    assert_eq!(rows(&world)[1], "A, Offline", "nobody knows when");
}

#[test]
fn a_room_is_entered_watched_and_left_again() {
    let world = four();
    world.wishes();
    world.screen.press("Groups, order and rooms");
    world.screen.field("Room").set_accessible_value("support");
    world.screen.press("Join");
    let view = ViewKey(1);
    let watched = Wish::Watch(WatchTarget::Room(room("support")), view);
    assert_eq!(world.wishes(), [Wish::Join(room("support")), watched]);
    assert_eq!(world.screen.shown_value("Room").as_deref(), Some(""));
    world.screen.expect("support, Fetching the list…");
    world.list(view, vec![entry(0, "Tim", Status::Available, "")]);
    world.screen.expect("support, 1 person");
    world.screen.press("Leave support");
    assert_eq!(world.wishes(), [Wish::Part(room("support")), Wish::Unwatch(view)]);
    assert!(!rows(&world).iter().any(|row| row.starts_with("support")));
}

#[test]
fn what_can_be_no_room_is_said() {
    let world = four();
    world.screen.press("Groups, order and rooms");
    for (typed, told) in [
        ("  ", "Enter the name of a room."),
        ("a  b", "A name has single spaces only."),
        (&"x".repeat(65), "This name is too long: 64 bytes at most."),
    ] {
        world.screen.field("Room").set_accessible_value(typed);
        world.screen.press("Join");
        world.screen.expect(told);
        assert_eq!(world.screen.shown_value("Room").as_deref(), Some(typed), "nothing is lost");
    }
}

#[test]
fn rooms_and_favourites_are_asked_for_again_after_a_take_over() {
    let world = four();
    choose(&world, &["Ken"]);
    world.app.desk().join("support").expect("a room");
    world.close(
        herenow_client::Disconnect::Goodbye { reason: CloseReason::Replaced, text: String::new() },
        None,
    );
    world.wishes();
    world.screen.press("Use here");
    let wishes = world.wishes();
    assert!(wishes.contains(&Wish::Join(room("support"))), "{wishes:?}");
    let is_watched = |wish: &&Wish| matches!(wish, Wish::Watch(..));
    assert_eq!(wishes.iter().filter(is_watched).count(), 2, "{wishes:?}");
}

#[test]
fn people_are_grouped_by_status_and_sorted_by_name_on_request() {
    let world = four();
    world.screen.press("Groups, order and rooms");
    let choose = |label: &str| {
        world.screen.find(AccessibleRole::RadioButton, label).invoke_accessible_default_action();
        world.screen.settle();
    };
    choose("Group by: Status");
    world.screen.key(Key::Escape);
    let by_status = [
        "Available, 2 people",
        "Grace, Available",
        "Tim, Available",
        "Away, 1 person",
        "Radia, Away, Lunch",
        "Busy, 1 person",
        "Ken, Busy, In a review",
    ];
    assert_eq!(rows(&world), by_status);
    world.screen.press("Groups, order and rooms");
    choose("Group by: Favourites and rooms");
    choose("Sort by: Name");
    world.screen.key(Key::Escape);
    let names: Vec<String> = rows(&world);
    assert_eq!(
        names,
        ["Grace, Available", "Ken, Busy, In a review", "Radia, Away, Lunch", "Tim, Available"]
    );
}

#[test]
fn a_group_is_hidden_and_shown_by_key_and_by_click() {
    let world = four();
    choose(&world, &["Ken"]);
    let all = rows(&world);
    world.screen.key(Key::End);
    world.screen.key(Key::LeftArrow);
    assert_eq!(rows(&world), [&all[..2], &["Everyone here, 4 people".into()]].concat());
    assert_eq!(world.screen.selected().as_deref(), Some("Everyone here, 4 people"));
    world.screen.key(Key::RightArrow);
    assert_eq!(rows(&world), all);
    world.screen.key(Key::Return);
    assert_eq!(rows(&world).len(), 3);
    world.screen.click(AccessibleRole::ListItem, "Everyone here, 4 people");
    assert_eq!(rows(&world), all);
}

#[test]
fn a_search_shows_everybody_once_and_no_groups() {
    let world = four();
    let list = choose(&world, &["Ken", "Kenzo"]);
    world.list(list, vec![offline(1, "Kenzo", 0), entry(0, "Ken", Status::Busy, "")]);
    world.screen.type_text("ken");
    assert_eq!(world.screen.shown_value("Search").as_deref(), Some("ken"), "typed in the list");
    assert_eq!(rows(&world), ["Ken, Busy, In a review", "Kenzo, Offline"]);
    world.screen.key(Key::Escape);
    world.screen.type_text("review");
    assert_eq!(rows(&world), ["Ken, Busy, In a review"], "texts are searched too");
}

#[test]
fn rows_stand_still_under_the_pointer_and_sort_when_it_leaves() {
    let world = four();
    let before = rows(&world);
    pointer(&world, Some((100.0, 200.0)));
    world.tell(&[
        updated(entry(1, "Ken", Status::Available, "Done")),
        joined(entry(9, "Barbara", Status::Available, "")),
    ]);
    let under = rows(&world);
    assert_eq!((under.len(), &under[..3]), (before.len(), &before[..3]));
    assert_eq!(under[3], "Ken, Available, Done", "what is said of him is of now");
    world.screen.expect("2 changes, sort now");
    world.screen.press("2 changes, sort now");
    assert_eq!(
        rows(&world)[..3],
        ["Barbara, Available", "Grace, Available", "Ken, Available, Done"]
    );
    world.tell(&[updated(entry(1, "Ken", Status::Busy, ""))]);
    assert_eq!(rows(&world)[2], "Ken, Busy", "still under the pointer");
    pointer(&world, None);
    assert_eq!(rows(&world)[4], "Ken, Busy");
    assert!(!world.screen.says("1 change, sort now"));
}

#[test]
fn rows_stand_still_for_a_moment_after_a_key() {
    let world = four();
    world.screen.key(Key::DownArrow);
    world.tell(&[joined(entry(9, "Barbara", Status::Available, ""))]);
    assert_eq!(rows(&world)[0], "Grace, Available");
    world.pass(Duration::from_millis(1600));
    world.screen.settle();
    assert_eq!(rows(&world)[0], "Barbara, Available");
    assert_eq!(world.screen.selected().as_deref(), Some("Grace, Available"));
}

#[test]
fn compact_rows_are_two_thirds_as_high() {
    let world = World::signed_in(office());
    let height =
        || world.screen.find(AccessibleRole::ListItem, "Barbara Liskov, Available").size().height;
    assert!((height() - 48.0).abs() < 0.5);
    world.screen.press("Groups, order and rooms");
    world
        .screen
        .find(AccessibleRole::RadioButton, "Rows: Compact")
        .invoke_accessible_default_action();
    world.screen.settle();
    assert!((height() - 32.0).abs() < 0.5);
}

#[test]
fn a_list_that_is_not_proved_in_one_part_is_not_proved() {
    let world = four();
    world.app.desk().join("support").expect("a room");
    let view = ViewKey(1);
    world.list(view, Vec::new());
    world.screen.expect("Connected");
    let age = Duration::ZERO;
    world.tell(&[herenow_client::Event::Stale { view, age }]);
    world.screen.expect("People, as last known");
    world.tell(&[herenow_client::Event::Fresh { view: ViewKey::FIRST }]);
    world.screen.expect("People, as last known");
    world.tell(&[herenow_client::Event::Fresh { view }]);
    world.screen.expect("People");
}
