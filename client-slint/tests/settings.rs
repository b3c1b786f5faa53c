//! What the user sets, and what the program remembers from one start to the next.

mod support;

use std::time::Duration;

use herenow_client::Event;
use herenow_client::protocol::{Choice, DisplayName, Status, WatchTarget};
use herenow_desktop::core::language::Language;
use herenow_desktop::core::people::{Grouping, Sort};
use herenow_desktop::core::settings::{Colours, Settings, Size, Told};
use herenow_desktop::core::sign_in::Start;
use herenow_desktop::keeper::WRITE_AFTER;
use herenow_desktop::ui::{AppWindow, Theme};
use i_slint_backend_testing::{AccessibleRole, ElementHandle};
use slint::platform::Key;
use slint::{ComponentHandle as _, PhysicalSize};
use support::people::{chosen, office};
use support::{Kept, Wish, World};

const SIZE: (u32, u32) = (360, 640);

/// So high that the whole page is in sight.
const HIGH: (u32, u32) = (360, 2_000);

fn open() -> World {
    let world = World::new();
    world.screen.press("Settings");
    world
}

/// What would be found by a start of the program now.
fn kept(world: &World) -> Settings {
    world.pass(WRITE_AFTER);
    world.kept.settings()
}

#[track_caller]
fn choose(world: &World, label: &str) {
    world.screen.find(AccessibleRole::RadioButton, label).invoke_accessible_default_action();
    world.screen.settle();
}

#[track_caller]
fn switch(world: &World, label: &str) {
    world.screen.find(AccessibleRole::Switch, label).invoke_accessible_default_action();
    world.screen.settle();
}

#[track_caller]
fn is_on(world: &World, label: &str) -> bool {
    let switch = world.screen.find(AccessibleRole::Switch, label);
    switch.accessible_checked().expect("a switch is on or off")
}

fn theme<T>(world: &World, look: impl Fn(Theme<'_>) -> T) -> T {
    look(world.app.window().global::<Theme<'_>>())
}

#[test]
fn every_choice_is_kept_and_shown_by_the_next_start() {
    let world = World::sized(HIGH.0, HIGH.1);
    world.screen.press("Settings");
    let choices = ["Deutsch", "Dunkel", "150 %", "Status", "Name", "Alle", "30 Min."];
    for choice in choices {
        choose(&world, choice);
    }
    let switches = [
        "Kompakte Zeilen",
        "Weniger Bewegung",
        "Von selbst anmelden",
        "Angemeldet bleiben, wenn das Fenster geschlossen wird",
    ];
    let before = switches.map(|label| is_on(&world, label));
    switches.iter().for_each(|label| switch(&world, label));

    let Settings { sign_in, look, list, notifications, presence, window, .. } = kept(&world);
    assert_eq!((look.language, look.colours), (Some(Language::German), Colours::Dark));
    assert_eq!(look.scale_percent.percent(), 150);
    assert!(look.compact_rows && look.reduced_motion);
    assert_eq!((list.grouping, list.sort), (Grouping::Status, Sort::Name));
    assert_eq!(notifications.people, Told::All);
    assert_eq!(presence.away_after_min.minutes(), Some(30));
    assert!(!sign_in.by_itself.0 && !window.close_to_tray.0);

    let again = World::kept(world.kept.clone(), Language::English, HIGH);
    again.screen.press("Einstellungen");
    for choice in choices {
        let chip = again.screen.find(AccessibleRole::RadioButton, choice);
        assert_eq!(chip.accessible_checked(), Some(true), "{choice}");
    }
    assert_eq!(switches.map(|label| is_on(&again, label)), before.map(|on| !on));
}

#[test]
fn the_window_changes_at_once() {
    let world = World::sized(HIGH.0, HIGH.1);
    world.screen.press("Settings");
    let width = |window: &AppWindow| window.global::<Theme<'_>>().get_window_width();
    let before = theme(&world, |theme| (theme.get_row_height(), theme.get_type_body()));
    choose(&world, "200 %");
    let after = theme(&world, |theme| (theme.get_row_height(), theme.get_type_body()));
    assert_eq!(after, (before.0 * 2.0, before.1 * 2.0));
    assert_eq!(width(world.app.window()), 720.0);
    choose(&world, "Dark");
    assert!(theme(&world, |theme| theme.get_dark()));
    choose(&world, "Light");
    assert!(!theme(&world, |theme| theme.get_dark()));
    assert!(theme(&world, |theme| theme.get_quick()) > 0);
    switch(&world, "Reduce motion");
    assert_eq!(theme(&world, |theme| theme.get_quick()), 0);
    switch(&world, "Compact rows");
    assert!(theme(&world, |theme| theme.get_compact()));
}

#[test]
fn many_changes_are_written_once_and_the_last_ones_at_the_end() {
    let world = open();
    for percent in ["125 %", "150 %", "175 %"] {
        choose(&world, percent);
    }
    assert_eq!(world.kept.saves.get(), 0);
    world.pass(WRITE_AFTER);
    assert_eq!(world.kept.saves.get(), 1);
    choose(&world, "100 %");
    world.app.close();
    assert_eq!(world.kept.saves.get(), 2);
    assert_eq!(world.kept.settings().look.scale_percent.percent(), 100);
    world.app.close();
    assert_eq!(world.kept.saves.get(), 2, "nothing changed since");
}

#[test]
fn a_file_that_cannot_be_read_is_set_aside_and_told() {
    let world = World::kept(Kept::of("[look\n"), Language::English, SIZE);
    world.app.start(&Start::default());
    world.screen.settle();
    assert_eq!(*world.kept.aside.borrow(), [b"[look\n".to_vec()]);
    world.screen.press("Settings");
    world.screen.expect(
        "Your settings could not be read. Defaults are used, and a copy of the file is kept.",
    );
    let part = world.screen.words().into_iter().find(|words| words.contains("line 1"));
    assert!(part.expect("the place").starts_with("desktop.unreadable-1.toml\n"));
    choose(&world, "125 %");
    assert_eq!(kept(&world).look.scale_percent.percent(), 125);
}

#[test]
fn a_key_that_cannot_be_read_is_named_and_the_others_count() {
    let file = "[look]\ncolours = \"sepia\"\nscale-percent = 125\n";
    let world = World::kept(Kept::of(file), Language::English, SIZE);
    world.app.start(&Start::default());
    world.screen.settle();
    assert_eq!(theme(&world, |theme| theme.get_zoom()), 1.25);
    world.screen.press("Settings");
    let part = world.screen.words().into_iter().find(|words| words.contains("look.colours"));
    assert!(part.expect("the key").contains("sepia"));
    assert_eq!(*world.kept.aside.borrow(), [file.as_bytes().to_vec()]);
}

#[test]
fn a_file_that_can_neither_be_read_nor_set_aside_is_never_written_over() {
    let kept = Kept::of("what = is this");
    kept.full.set(true);
    let world = World::kept(kept, Language::English, SIZE);
    world.app.start(&Start::default());
    world.screen.settle();
    world.screen.press("Settings");
    world.screen.expect("Your settings cannot be read, and nothing that you set is saved.");
    world.kept.full.set(false);
    choose(&world, "125 %");
    world.pass(WRITE_AFTER);
    assert_eq!(world.kept.file.borrow().as_deref(), Some(&b"what = is this"[..]));
}

#[test]
fn settings_that_cannot_be_saved_are_told_and_tried_again() {
    let world = open();
    world.kept.full.set(true);
    choose(&world, "125 %");
    world.pass(WRITE_AFTER);
    world.screen.key(Key::Escape);
    world.screen.press("Settings");
    world.screen.expect("Your settings cannot be saved.");
    world.kept.full.set(false);
    choose(&world, "150 %");
    assert_eq!(kept(&world).look.scale_percent.percent(), 150);
    world.screen.key(Key::Escape);
    world.screen.press("Settings");
    assert!(!world.screen.says("Your settings cannot be saved."));
}

#[test]
fn the_size_of_the_window_is_kept_once_it_settles() {
    let world = World::new();
    for height in [700, 720, 740] {
        world.app.window().window().set_size(PhysicalSize::new(400, height));
        world.screen.settle();
    }
    world.pass(Duration::from_millis(500));
    assert_eq!(kept(&world).window.size, Size::new(400, 740));
    let again = World::kept(world.kept.clone(), Language::English, SIZE);
    assert_eq!(again.app.keeper().read(|settings| settings.window.size), Size::new(400, 740));
}

#[test]
fn invisible_at_the_next_sign_in_is_what_was_chosen_last() {
    let world = World::signed_in(office());
    world.wishes();
    world.screen.control('4');
    assert_eq!(world.wishes(), [Wish::Choose(chosen(Status::Invisible))]);
    world.screen.press("Sign out");
    assert!(is_on(&world, "Invisible"));
    world.wishes();
    world.screen.press("Sign in");
    let dialled = |wishes: Vec<Wish>| match wishes.as_slice() {
        [Wish::Dial { choice, .. }] => choice.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(dialled(world.wishes()), chosen(Status::Invisible));
    assert!(kept(&world).sign_in.invisible);

    world.welcome(office());
    world.screen.control('1');
    world.screen.press("Sign out");
    assert!(!is_on(&world, "Invisible"));
    world.wishes();
    world.screen.press("Sign in");
    assert_eq!(dialled(world.wishes()), Choice::automatic(Status::Available));
    assert!(!kept(&world).sign_in.invisible);
}

#[test]
fn whatever_has_the_keyboard_is_in_sight() {
    let whole = World::sized(HIGH.0, HIGH.1);
    whole.screen.press("Settings");
    let label = |control: &ElementHandle| control.accessible_label().unwrap_or_default();
    let labels: Vec<_> = whole.screen.controls().iter().map(label).collect();
    assert!(labels.len() > 30, "{labels:?}");

    let world = open();
    for wanted in &labels {
        world.screen.key(Key::Tab);
        // What scrolls begins below the header; the way back stands in it.
        let from = if wanted == "Back" { 0.0 } else { 64.0 };
        let is_in_sight = |control: &ElementHandle| {
            let top = control.absolute_position().y;
            label(control) == *wanted && top >= from && top + control.size().height <= 640.0
        };
        assert!(world.screen.controls().iter().any(is_in_sight), "{wanted} is not in sight");
    }
    // The last one has the keyboard for certain: it does what it says.
    assert_eq!(labels.last().map(slint::SharedString::as_str), Some("About herenow"));
    world.screen.key(Key::Return);
    world.screen.expect("#MadeWithSlint");
}

#[test]
fn whom_the_user_chose_and_where_they_were_is_kept_by_server() {
    let world = World::signed_in(office());
    world.app.desk().open_card(DisplayName::new("Grace Hopper").expect("a valid name"));
    world.app.desk().toggle_favourite();
    world.app.desk().toggle_tell_me();
    world.app.desk().join("support").expect("a valid name");
    let people = kept(&world).people_on("127.0.0.1");
    assert!(people.favourites.contains("Grace Hopper") && people.tell_me.contains("Grace Hopper"));
    assert_eq!(people.rooms.iter().collect::<Vec<_>>(), ["support"]);
    assert!(kept(&world).people_on("example.org").favourites.is_empty());

    let again = World::kept(world.kept.clone(), Language::English, SIZE);
    again.app.start(&Start::default());
    again.tell(&[Event::Connecting { attempt: 1 }]);
    again.welcome(office());
    let wishes = again.wishes();
    let watched = |wish: &Wish| matches!(wish, Wish::Watch(WatchTarget::People { names, .. }, _) if names.len() == 1);
    let entered = |wish: &Wish| matches!(wish, Wish::Watch(WatchTarget::Room(room), _) if room.as_str() == "support");
    assert!(wishes.iter().any(watched) && wishes.iter().any(entered), "{wishes:?}");
    again.app.desk().part("support");
    assert!(kept(&again).people_on("127.0.0.1").rooms.is_empty());
}
