//! Everything that the window can look like: the pages, and every state of the connection.
//!
//! A new page is one line in [`PAGES`], a new state one line in [`CONNECTION`]. The golden pictures and those of the
//! documentation are made from these tables.

use std::time::Duration;

use herenow_client::protocol::{
    CloseReason, DecodeError, DeviceLabel, Entry, Explanation, OperatorKey, Presence, Rule,
    SessionId, SessionReport, SessionState, Shown, Status,
};
use herenow_client::{Answer, Disconnect, Event, ViewKey};
use herenow_desktop::core::sign_in::Start;
use herenow_desktop::core::watching::{TellMe, Watching};
use i_slint_backend_testing::AccessibleRole;
use slint::platform::{Key, WindowEvent};
use slint::{ComponentHandle as _, LogicalPosition};

use super::people::{entry, idle, office, presence, until, welcome, with_devices};
use super::{CODE, DIVERGED, STALE, World, updated};

/// A name for files, and how to get there.
pub type Scene = (&'static str, fn() -> World);

/// Every page, and every part that opens on one.
pub const PAGES: &[Scene] = &[
    ("sign-in", World::new),
    ("sign-in-problem", sign_in_problem),
    ("pairing", pairing),
    ("people", people),
    ("selected", selected),
    ("search", search),
    ("no-match", no_match),
    ("alone", || World::signed_in(Vec::new())),
    ("favourites", favourites),
    ("by-status", by_status),
    ("compact", compact),
    ("list-options", list_options),
    ("held", held),
    ("person", person),
    ("person-explained", person_explained),
    ("own-status", own_status),
    ("own-status-too-long", own_status_too_long),
    ("other-device", other_device),
    ("contact-lost", contact_lost),
    ("reconnecting", reconnecting),
    ("connection-details", connection_details),
    ("shortcuts", shortcuts),
    ("asked", asked),
    ("about", about),
];

/// Every state of the connection. Named as in `LinkKind`; what is appended tells apart states of one kind.
pub const CONNECTION: &[Scene] = &[
    ("connecting", connecting),
    ("loading", loading),
    ("connected", people),
    ("connected-busy", || with(&[Event::Busy(Some(Duration::from_millis(1_234)))])),
    ("checking", || with(&[STALE])),
    ("repairing", repairing),
    ("contact-lost", contact_lost),
    ("network-down", || with(&[Event::Network { up: false }])),
    ("network-down-waiting", || lost(Disconnect::NetworkDown)),
    ("server-silent", || lost(Disconnect::ServerSilent { unanswered: 5 })),
    ("server-shutdown", reconnecting),
    ("refused", || lost(Disconnect::ConnectionRefused)),
    ("unreachable", || lost(Disconnect::Unreachable("no route to host".to_owned()))),
    ("lost", || lost(Disconnect::ConnectionReset)),
    ("lost-trying", trying),
    ("no-answer", || lost(Disconnect::SignInTimeout)),
    ("unheard", || lost(goodbye(CloseReason::HeartbeatTimeout, ""))),
    ("too-slow", || lost(goodbye(CloseReason::SlowConsumer, ""))),
    ("server-failed", || lost(goodbye(CloseReason::InternalError, ""))),
    ("list-too-large", || over(Disconnect::ListTooLarge)),
    ("server-full", || lost(goodbye(CloseReason::ServerFull, ""))),
    ("not-understood", || lost(Disconnect::ProtocolError(DecodeError::OutOfRange("a name")))),
    ("other-version", || over(goodbye(CloseReason::UnsupportedVersion, "it speaks 2 to 3"))),
    ("replaced", replaced),
    ("name-in-use", || over(goodbye(CloseReason::NameInUse, ""))),
    ("too-many-devices", || over(goodbye(CloseReason::TooManySessions, ""))),
    ("sign-in-refused", || over(goodbye(CloseReason::BadHello, "no such label"))),
    ("ended", || over(goodbye(CloseReason::Goodbye, ""))),
];

const LETTER: &str = "Walking and thinking. Please write me a letter, on paper, and wait";

fn goodbye(reason: CloseReason, text: &str) -> Disconnect {
    Disconnect::Goodbye { reason, text: text.to_owned() }
}

fn people() -> World {
    let world = World::signed_in(office());
    let (now, minute) = (world.wall_ms(), 60_000);
    let review = until(entry(4, "Ken Thompson", Status::Busy, "In a review"), now + 25 * minute);
    world.tell(&[
        updated(idle(6, "Edsger Dijkstra", now - 12 * minute, LETTER)),
        updated(idle(12, "Žofie", now - 95 * minute, "")),
        updated(with_devices(review, &["desk", "phone"])),
        updated(with_devices(
            entry(5, "Barbara Liskov", Status::Available, ""),
            &["desk", "laptop"],
        )),
        Event::Mirror(Some(presence(Status::Available, "Notes on the engine"))),
    ]);
    world
}

fn with(events: &[Event]) -> World {
    let world = people();
    world.pass(Duration::from_secs(3));
    world.tell(events);
    world
}

/// The connection broke, and is tried again in a while.
fn lost(reason: Disconnect) -> World {
    let world = people();
    world.pass(Duration::from_secs(2));
    world.close(reason, Some(Duration::from_secs(4)));
    world
}

/// The connection ended, and the user has to say what now.
fn over(reason: Disconnect) -> World {
    let world = people();
    world.close(reason, None);
    world.pass(Duration::from_secs(64));
    world
}

fn sign_in_problem() -> World {
    let world = World::new();
    world.screen.field("Name").set_accessible_value("Ada  Lovelace");
    world.screen.press("Sign in");
    world
}

fn pairing() -> World {
    let world = World::new();
    world.screen.field("Name").set_accessible_value("Ada Lovelace");
    world.screen.press("Use my other device's name");
    world.screen.field("Pairing code").set_accessible_value(CODE.replace("G", "U"));
    world.screen.press("Sign in");
    world
}

fn selected() -> World {
    let world = people();
    world.screen.key(Key::DownArrow);
    world.screen.key(Key::DownArrow);
    world
}

fn search() -> World {
    let world = people();
    world.screen.click(AccessibleRole::TextInput, "Search");
    world.screen.type_text("an");
    world
}

fn no_match() -> World {
    let world = people();
    world.screen.click(AccessibleRole::TextInput, "Search");
    world.screen.type_text("Bernoulli");
    world
}

fn own_status() -> World {
    let world = people();
    world.screen.press("Your status");
    for choice in ["Keep: 1 h", "Invisible"] {
        world.screen.find(AccessibleRole::RadioButton, choice).invoke_accessible_default_action();
    }
    world.screen.settle();
    world
}

fn own_status_too_long() -> World {
    let world = people();
    world.screen.press("Your status");
    world.screen.field("Status text").set_accessible_value("Note ".repeat(29));
    world.screen.settle();
    world
}

fn other_device() -> World {
    let world = people();
    let seen = Presence {
        until_ms: world.wall_ms() + 25 * 60_000,
        ..presence(Status::Busy, "On the phone")
    };
    world.tell(&[Event::Mirror(Some(seen))]);
    world
}

fn about() -> World {
    let world = people();
    world.screen.press("About herenow");
    world.screen.press("Show pairing code");
    world
}

fn connecting() -> World {
    let world = World::new();
    let [server, name] = ["127.0.0.1", "Ada Lovelace"].map(|text| Some(text.to_owned()));
    world.app.start(&Start { server, name });
    world.tell(&[Event::Connecting { attempt: 1 }]);
    world
}

fn loading() -> World {
    let world = connecting();
    world.tell(&[Event::SignedIn(welcome())]);
    world
}

fn repairing() -> World {
    with(&[DIVERGED, STALE])
}

fn contact_lost() -> World {
    let world = people();
    world.pass(Duration::from_secs(7));
    world.tell(&[Event::ContactLost { unanswered: 3, of: 5 }, STALE]);
    world
}

fn reconnecting() -> World {
    lost(goodbye(CloseReason::ServerShutdown, ""))
}

fn trying() -> World {
    let world = lost(Disconnect::ConnectionReset);
    world.tell(&[Event::Connecting { attempt: 1 }]);
    world
}

fn replaced() -> World {
    over(goodbye(CloseReason::Replaced, ""))
}

/// Two favourites who are not here, and a room.
fn favourites() -> World {
    let world = people();
    let (now, hour) = (world.wall_ms(), 60 * 60_000);
    let favourites = ["Grace Hopper", "Hedy Lamarr", "Tim Lee", "Margaret Hamilton"];
    let watching = Watching::new(favourites.into_iter().collect(), TellMe::default());
    world.app.desk().set_watching(watching);
    let offline = |id, name: &str, seen| {
        let shown = Shown::offline(seen);
        Entry { shown, ..entry(id, name, Status::Offline, "") }
    };
    let ids = [
        entry(0, "Grace Hopper", Status::Available, ""),
        entry(1, "Hedy Lamarr", Status::Available, ""),
    ];
    let away =
        [offline(2, "Tim Lee", now - hour / 12), offline(3, "Margaret Hamilton", now - 18 * hour)];
    world.list(ViewKey(1), ids.into_iter().chain(away).collect());
    world.app.desk().join("support").expect("a room");
    world.list(
        ViewKey(2),
        ["Ken Thompson", "Radia Perlman"].map(|name| entry(0, name, Status::Away, "")).into(),
    );
    world
}

fn by_status() -> World {
    let world = favourites();
    world.screen.press("Groups, order and rooms");
    choose(&world, "Group by: Status");
    world.screen.key(Key::Escape);
    world
}

fn compact() -> World {
    let world = favourites();
    world.screen.press("Groups, order and rooms");
    choose(&world, "Rows: Compact");
    world.screen.key(Key::Escape);
    world
}

fn list_options() -> World {
    let world = favourites();
    world.screen.press("Groups, order and rooms");
    world
}

fn choose(world: &World, label: &str) {
    world.screen.find(AccessibleRole::RadioButton, label).invoke_accessible_default_action();
    world.screen.settle();
}

fn person() -> World {
    let world = favourites();
    let (now, minute) = (world.wall_ms(), 60_000);
    let text = "In a review, then in the garden with the telephone switched off";
    let mut ken = until(entry(4, "Ken Thompson", Status::Busy, text), now + 25 * minute);
    ken.shown.since_ms = now - 42 * minute;
    world.tell(&[updated(with_devices(ken, &["bell-labs", "Ken's phone"]))]);
    world.app.desk().open_card(entry(4, "Ken Thompson", Status::Busy, "").name);
    world.screen.settle();
    world
}

fn person_explained() -> World {
    let world = people();
    world.operate(OperatorKey([0; 16]));
    world.app.desk().open_card(entry(4, "Ken Thompson", Status::Busy, "").name);
    let session = |id: u64, device: &str, status, state| SessionReport {
        session: SessionId(id),
        device: DeviceLabel::new(device).expect("a valid label"),
        state,
        status,
        automatic: id == 1,
        since_ms: 0,
        heard_ms_ago: 700 * id,
        sent_ms_ago: None,
        round_trip_us: None,
        misses: 0,
        grace_ms: None,
        resume_ms: None,
    };
    world.answer(Ok(Answer::Explanation(Explanation {
        name: entry(4, "Ken Thompson", Status::Busy, "").name,
        me: None,
        rule: Rule::PersonOverProgram,
        winner: Some(SessionId(2)),
        sessions: vec![
            session(1, "bell-labs", Status::Away, SessionState::Connected),
            session(2, "Ken's phone", Status::Busy, SessionState::Connected),
        ],
        transitions: Vec::new(),
    })));
    world
}

/// Two people would stand elsewhere, but the pointer is in the list.
fn held() -> World {
    let world = people();
    let position = LogicalPosition::new(120.0, 300.0);
    world.app.window().window().dispatch_event(WindowEvent::PointerMoved { position });
    world.tell(&[
        updated(entry(10, "Alan Turing", Status::Busy, "Out for a run at five")),
        updated(entry(9, "Katherine Johnson", Status::Available, "Checked")),
    ]);
    world
}

fn connection_details() -> World {
    let world = people();
    for n in 0_u64..70 {
        let waits = if n % 23 == 11 { 9_300 } else { 900 + n * 7_919 % 1_700 };
        world.tell(&[Event::RoundTrip(Duration::from_micros(waits))]);
    }
    world.pass(Duration::from_secs(75));
    world.tell(&[Event::ContactLost { unanswered: 2, of: 5 }]);
    world.pass(Duration::from_secs(3));
    world.tell(&[Event::ContactBack]);
    world.pass(Duration::from_secs(40));
    world.close(Disconnect::ConnectionReset, Some(Duration::from_secs(1)));
    world.pass(Duration::from_secs(1));
    world.tell(&[Event::Connecting { attempt: 1 }]);
    world.welcome(office());
    world.pass(Duration::from_secs(4));
    world.screen.press("Connection details");
    world.screen.press("Save connection log");
    world
}

fn shortcuts() -> World {
    let world = people();
    world.screen.key(Key::F1);
    world
}

/// The program was started again for somebody else.
fn asked() -> World {
    let world = people();
    let name = Some("Grace Hopper".to_owned());
    world.app.start_again(&Start { server: None, name });
    world.screen.settle();
    world
}
