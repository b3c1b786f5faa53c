//! The list: order, changes, counts, search, and what stands there when it is empty.

mod support;

use std::time::Duration;

use herenow_client::Event;
use herenow_client::protocol::{CloseReason, Status};
use i_slint_backend_testing::AccessibleRole;
use slint::platform::Key;
use support::people::{STATUSES, crowd, entry, idle, office, until, with_devices};
use support::{FRESH, REPAIRED, STALE, World, joined, left, updated};

fn names(world: &World) -> Vec<String> {
    let rows = world.screen.rows();
    rows.values().map(|row| row.split(',').next().unwrap_or_default().to_owned()).collect()
}

fn three() -> World {
    World::signed_in(vec![
        entry(1, "Ken", Status::Busy, "In a review"),
        entry(2, "grace", Status::Available, ""),
        entry(3, "Ada Lovelace", Status::Available, ""),
        entry(4, "Radia", Status::Away, "Lunch"),
    ])
}

#[test]
fn a_row_says_name_status_and_text_and_the_user_is_not_among_them() {
    let world = three();
    let rows: Vec<String> = world.screen.rows().into_values().collect();
    assert_eq!(rows, ["grace, Available", "Radia, Away, Lunch", "Ken, Busy, In a review"]);
    world.screen.expect("3 people");
    for words in ["Available: 1", "Away: 1", "Busy: 1"] {
        world.screen.expect(words);
    }
}

#[test]
fn people_come_change_and_go_while_one_looks() {
    let world = three();
    world.tell(&[joined(entry(9, "Barbara", Status::Available, ""))]);
    assert_eq!(names(&world), ["Barbara", "grace", "Radia", "Ken"]);
    world.tell(&[updated(entry(9, "Barbara", Status::Busy, "Proof"))]);
    assert_eq!(names(&world), ["grace", "Radia", "Barbara", "Ken"]);
    world.screen.expect("Barbara, Busy, Proof");
    let gone = entry(4, "Radia", Status::Away, "Lunch");
    world.tell(&[left(gone, CloseReason::HeartbeatTimeout)]);
    assert_eq!(names(&world), ["grace", "Barbara", "Ken"]);
    world.screen.expect("Busy: 2");
}

#[test]
fn the_selection_stays_with_the_person() {
    let world = three();
    world.screen.key(Key::DownArrow);
    world.screen.key(Key::DownArrow);
    world.tell(&[
        joined(entry(9, "Barbara", Status::Available, "")),
        updated(entry(4, "Radia", Status::Busy, "")),
    ]);
    assert_eq!(world.screen.selected().as_deref(), Some("Radia, Busy"));
    // After a key rows keep their places for a moment.
    world.pass(Duration::from_secs(2));
    let gone = entry(4, "Radia", Status::Busy, "");
    world.tell(&[left(gone, CloseReason::Goodbye)]);
    assert_eq!(world.screen.selected(), None);
}

#[test]
fn a_search_narrows_and_a_clear_widens() {
    let world = World::signed_in(office());
    world.screen.click(AccessibleRole::TextInput, "Search");
    world.screen.type_text("an");
    let by_text = ["Grace Hopper", "Edsger Dijkstra"];
    let found = ["Alan Turing", "Frances Allen", by_text[0], by_text[1], "Radia Perlman"];
    assert_eq!(names(&world), found);
    world.screen.expect("5 of 11");
    world.tell(&[joined(entry(40, "Hannah", Status::Busy, ""))]);
    assert_eq!(names(&world).last().map(String::as_str), Some("Hannah"));
    world.screen.press("Clear search");
    world.screen.expect("12 people");
    assert_eq!(world.screen.field("Search").accessible_value().as_deref(), Some(""));
}

#[test]
fn an_empty_list_says_why() {
    let world = World::signed_in(vec![entry(1, "Ada Lovelace", Status::Available, "")]);
    world.screen.expect("Nobody else is here yet");
    world.tell(&[joined(entry(2, "Ken", Status::Available, ""))]);
    assert!(!world.screen.says("Nobody else is here yet"));
    world.screen.click(AccessibleRole::TextInput, "Search");
    world.screen.type_text("zz");
    world.screen.expect("Nobody matches");
    world.screen.expect("No name or text contains “zz”.");
    world.screen.key(Key::Escape);
    assert!(!world.screen.says("Nobody matches"));
    assert_eq!(names(&world), ["Ken"]);
}

#[test]
fn a_hundred_thousand_people_cost_only_the_rows_in_sight() {
    let world = World::signed_in(crowd(100_000));
    world.screen.expect("100000 people");
    assert!(world.screen.rows().len() < 40, "{} rows were made", world.screen.rows().len());
    let list = world.screen.find(AccessibleRole::List, "People");
    assert_eq!(list.accessible_item_count(), Some(100_000));
    world.screen.key(Key::End);
    let last = world.screen.rows().into_keys().next_back();
    assert_eq!(last, Some(99_999), "the last row is in sight");
    assert_eq!(world.screen.selected().as_deref(), Some("person 099998, Busy, here"));
}

#[test]
fn a_burst_of_changes_ends_in_the_same_list() {
    let world = World::signed_in(crowd(50));
    let burst: Vec<Event> = (0..2_000)
        .map(|n| {
            let status = STATUSES[(n / 50) as usize % 3];
            updated(entry(n % 50, &format!("person {:06}", n % 50), status, ""))
        })
        .collect();
    world.tell(&burst);
    world.screen.expect("50 people");
    world.screen.expect("Available: 50");
    assert_eq!(names(&world)[0], "person 000000");
}

#[test]
fn away_by_idling_is_told_apart_from_away_by_choice() {
    let world = World::signed_in(Vec::new());
    let since = world.wall_ms() - 12 * 60_000;
    world.tell(&[
        joined(idle(1, "Radia", since, "Lunch")),
        joined(idle(2, "Sophie", world.wall_ms(), "")),
        joined(entry(3, "Tim", Status::Away, "Lunch")),
    ]);
    let rows = || world.screen.rows().into_values().collect::<Vec<_>>();
    assert_eq!(rows(), ["Radia, Idle for 12 min, Lunch", "Sophie, Idle", "Tim, Away, Lunch"]);
    world.pass(Duration::from_secs(60));
    assert_eq!(rows()[..2], ["Radia, Idle for 13 min, Lunch", "Sophie, Idle for 1 min"]);
    world.tell(&[STALE]);
    world.pass(Duration::from_secs(3 * 60 * 60));
    assert_eq!(rows()[0], "Radia, Idle for 13 min, Lunch", "an old list knows no more than that");
    world.tell(&[FRESH]);
    assert_eq!(rows()[0], "Radia, Idle for 3 h, Lunch");
}

#[test]
fn a_text_that_goes_away_says_when() {
    let world = World::signed_in(Vec::new());
    let then = world.wall_ms() + 25 * 60_000;
    world.tell(&[joined(until(entry(1, "Ken", Status::Busy, "In a review"), then))]);
    world.screen.expect("Ken, Busy, In a review, for 25 min more");
    world.pass(Duration::from_secs(10 * 60));
    world.screen.expect("Ken, Busy, In a review, for 15 min more");
}

#[test]
fn devices_are_counted_only_if_there_are_several() {
    let world = World::signed_in(vec![
        with_devices(entry(1, "Grace", Status::Available, ""), &["desk"]),
        with_devices(entry(2, "Ken", Status::Busy, "In a review"), &["desk", "phone"]),
    ]);
    let rows: Vec<String> = world.screen.rows().into_values().collect();
    assert_eq!(rows, ["Grace, Available", "Ken, Busy, In a review, 2 devices"]);
}

#[test]
fn what_a_repair_mended_is_in_the_list() {
    let world = World::signed_in(vec![entry(1, "Ken", Status::Busy, "")]);
    world.mend(vec![entry(2, "Grace", Status::Available, "")]);
    world.tell(&[REPAIRED]);
    assert_eq!(names(&world), ["Grace"]);
}
