//! The card of one person.

mod support;

use std::time::Duration;

use herenow_client::protocol::{
    CloseReason, DeviceLabel, ErrorCode, Explanation, OperatorKey, Query, Rule, SessionId,
    SessionReport, SessionState, Status, WatchTarget,
};
use herenow_client::{Answer, Event, QueryError, ViewKey};
use herenow_desktop::core::sign_in::Start;
use i_slint_backend_testing::AccessibleRole;
use slint::platform::Key;
use support::people::{entry, office, with_devices};
use support::{STALE, Wish, World, left, updated};

const KEY: OperatorKey = OperatorKey([7; 16]);

fn radia() -> World {
    let mut radia = with_devices(
        entry(3, "Radia Perlman", Status::Away, "Lunch, back at one"),
        &["desk", "Radia's phone"],
    );
    let world = World::signed_in(Vec::new());
    radia.shown.since_ms = world.wall_ms() - 20 * 60_000;
    world.welcome(vec![radia]);
    world
}

fn open(world: &World) {
    world.screen.key(Key::Home);
    world.screen.key(Key::Return);
}

#[test]
fn a_card_tells_what_is_known_and_why() {
    let world = radia();
    open(&world);
    for words in [
        "Radia Perlman",
        "Away since 07:40",
        "Lunch, back at one",
        "desk",
        "Radia's phone",
        "The server's list shows them so.",
        "How their devices decided it, the server tells only them and its operator.",
    ] {
        world.screen.expect(words);
    }
    let proof = "The list adds up to what the server says: version 17, count 1, digest 00000000…";
    world.screen.expect(proof);
    world.tell(&[updated(entry(3, "Radia Perlman", Status::Available, "Back"))]);
    world.screen.expect("Back");
    assert!(!world.screen.says("Radia's phone"), "the card follows what happens");
    world.tell(&[STALE]);
    world.screen.expect("The list is not proved exact now: this is what was last known.");
    assert!(!world.screen.says(proof));
}

#[test]
fn escape_and_the_button_lead_back_to_the_same_row() {
    let world = World::signed_in(office());
    world.screen.key(Key::End);
    let selected = world.screen.selected();
    for close in [true, false] {
        world.screen.key(Key::Return);
        world.screen.expect("Why they are shown so");
        if close {
            world.screen.key(Key::Escape)
        } else {
            world.screen.press("Back to the list")
        }
        assert!(!world.screen.says("Why they are shown so"));
        assert_eq!(world.screen.selected(), selected);
    }
    world.screen.key(Key::Home);
    assert_ne!(world.screen.selected(), selected, "the list has the keyboard");
    world.screen.click(AccessibleRole::ListItem, "Barbara Liskov, Available");
    world.screen.expect("Why they are shown so");
}

#[test]
fn a_favourite_is_made_watched_and_unmade() {
    let world = radia();
    world.wishes();
    open(&world);
    let star = || world.screen.find(AccessibleRole::Switch, "Favourite");
    assert_eq!(star().accessible_checked(), Some(false));
    star().invoke_accessible_default_action();
    assert_eq!(star().accessible_checked(), Some(true));
    let watched = match &world.wishes()[..] {
        [Wish::Watch(WatchTarget::People { names, .. }, view)] if names.len() == 1 => *view,
        other => panic!("{other:?}"),
    };
    world.screen.key(Key::Escape);
    world.screen.expect("Favourites, 1 of 1 here");
    world.screen.key(Key::Return);
    star().invoke_accessible_default_action();
    assert_eq!(world.wishes(), [Wish::Unwatch(watched)]);
    world.screen.key(Key::Escape);
    assert!(!world.screen.says("Favourites, 1 of 1 here"));
}

#[test]
fn who_is_to_be_told_of_is_told_of_once() {
    let world = radia();
    open(&world);
    let bell = |again: &str| {
        let label = format!("Tell me when they come online{again}");
        world.screen.find(AccessibleRole::Switch, &label)
    };
    bell(" again").invoke_accessible_default_action();
    let view = ViewKey(1);
    world.list(view, vec![entry(0, "Radia Perlman", Status::Away, "")]);
    let radia = entry(3, "Radia Perlman", Status::Away, "");
    let offline = entry(0, "Radia Perlman", Status::Offline, "");
    world.tell(&[
        left(radia.clone(), CloseReason::Goodbye),
        Event::Updated { view, entry: offline },
    ]);
    assert_eq!(bell("").accessible_checked(), Some(true));
    world.tell(&[support::joined(radia)]);
    assert_eq!(bell(" again").accessible_checked(), Some(false), "she came, and the wish is done");
}

#[test]
fn the_operator_of_the_server_is_told_more() {
    let world = radia();
    world.operate(KEY);
    world.wishes();
    open(&world);
    let name = entry(3, "Radia Perlman", Status::Away, "").name;
    let asked = Query::Explain { name: name.clone(), operator: Some(KEY) };
    assert_eq!(world.wishes(), [Wish::Ask(asked)]);
    let session = |id: u64, label: &str, state| SessionReport {
        session: SessionId(id),
        device: DeviceLabel::new(label).expect("a label"),
        state,
        status: Status::Away,
        automatic: id == 1,
        since_ms: 1,
        heard_ms_ago: 1_500,
        sent_ms_ago: None,
        round_trip_us: None,
        misses: 0,
        grace_ms: None,
        resume_ms: None,
    };
    let sessions =
        vec![session(1, "desk", SessionState::Connected), session(2, "phone", SessionState::Grace)];
    let explanation = Explanation {
        name,
        me: None,
        rule: Rule::PersonOverProgram,
        winner: Some(SessionId(2)),
        sessions,
        transitions: Vec::new(),
    };
    world.answer(Ok(Answer::Explanation(explanation)));
    for words in [
        "What they chose themselves outranks what a program chose.",
        "Away by itself · heard 1 s ago",
        "phone decides",
        "Away by choice · connection just lost",
    ] {
        world.screen.expect(words);
    }
    world.pass(Duration::from_secs(10));
    assert_eq!(world.wishes(), [], "nothing changed, so nothing is asked");
    world.tell(&[updated(entry(3, "Radia Perlman", Status::Busy, ""))]);
    assert!(matches!(world.wishes()[..], [Wish::Ask(_)]));
    let refused = QueryError::Refused { code: ErrorCode::NotAllowed, text: String::new() };
    world.answer(Err(refused));
    world.screen.expect("Radia Perlman");
}

#[test]
fn another_server_never_sees_the_operators_key() {
    let world = World::new();
    world.operate(KEY);
    let [server, name] = ["presence.example.org", "Ada Lovelace"].map(|text| Some(text.to_owned()));
    world.app.start(&Start { server, name });
    world.tell(&[Event::Connecting { attempt: 1 }]);
    world.welcome(office());
    world.wishes();
    open(&world);
    world.screen.expect("Why they are shown so");
    assert_eq!(world.wishes(), []);
}
