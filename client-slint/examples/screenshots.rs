//! Draws the pictures in `docs/screenshots/`: each page and the states worth showing, light and dark.
//!
//! `cargo run -p herenow-desktop --example screenshots [FOLDER]`

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use herenow_client::protocol::{
    CloseReason, DeviceLabel, Entry, Explanation, OperatorKey, Presence, Rule, SessionId,
    SessionReport, SessionState, Shown, Status,
};
use herenow_client::{Answer, Disconnect, Event, ViewKey};
use herenow_desktop::core::watching::{TellMe, Watching};
use i_slint_backend_testing::AccessibleRole;
use slint::platform::{Key, WindowEvent};
use slint::{ComponentHandle as _, LogicalPosition};
use support::people::{entry, idle, office, presence, until, with_devices};
use support::{CODE, DIVERGED, STALE, World, updated};

const LETTER: &str = "Walking and thinking. Please write me a letter, on paper, and wait";

fn main() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/screenshots");
    let folder = std::env::args_os().nth(1).map_or(default, PathBuf::from);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    for (scheme, dark) in [("light", false), ("dark", true)] {
        for (name, world) in scenes() {
            world.screen.set_dark(dark);
            world.screen.save(&folder.join(format!("{name}-{scheme}.png")));
        }
    }
}

fn scenes() -> Vec<(&'static str, World)> {
    vec![
        ("sign-in", World::new()),
        ("pairing", pairing()),
        ("people", people()),
        ("own-status", own_status()),
        ("other-device", other_device()),
        ("search", search()),
        ("favourites", favourites()),
        ("by-status", by_status()),
        ("compact", compact()),
        ("list-options", list_options()),
        ("person", person()),
        ("person-explained", person_explained()),
        ("held", held()),
        ("alone", World::signed_in(Vec::new())),
        ("contact-lost", contact_lost()),
        ("repairing", repairing()),
        ("reconnecting", reconnecting()),
        ("replaced", replaced()),
        ("connection-details", connection_details()),
        ("about", about()),
    ]
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

fn own_status() -> World {
    let world = people();
    world.screen.press("Your status");
    for choice in ["Keep: 1 h", "Invisible"] {
        world.screen.find(AccessibleRole::RadioButton, choice).invoke_accessible_default_action();
    }
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

fn repairing() -> World {
    let world = people();
    world.pass(Duration::from_secs(3));
    world.tell(&[DIVERGED, STALE]);
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

fn search() -> World {
    let world = people();
    world.screen.click(AccessibleRole::TextInput, "Search");
    world.screen.type_text("an");
    world
}

fn contact_lost() -> World {
    let world = people();
    world.pass(Duration::from_secs(7));
    world.tell(&[Event::ContactLost { unanswered: 3, of: 5 }, STALE]);
    world
}

fn reconnecting() -> World {
    let world = people();
    world.pass(Duration::from_secs(2));
    let reason = Disconnect::Goodbye { reason: CloseReason::ServerShutdown, text: String::new() };
    world.close(reason, Some(Duration::from_secs(4)));
    world
}

fn replaced() -> World {
    let world = people();
    let reason = Disconnect::Goodbye { reason: CloseReason::Replaced, text: String::new() };
    world.close(reason, None);
    world.pass(Duration::from_secs(64));
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

fn about() -> World {
    let world = people();
    world.screen.press("About herenow");
    world.screen.press("Show pairing code");
    world
}
