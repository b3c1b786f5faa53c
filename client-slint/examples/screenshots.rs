//! Draws the pictures in `docs/screenshots/`: each page and the states worth showing, light and dark.
//!
//! `cargo run -p herenow-desktop --example screenshots [FOLDER]`

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use herenow_client::protocol::{CloseReason, Presence, Status};
use herenow_client::{Disconnect, Event};
use i_slint_backend_testing::AccessibleRole;
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
        ("alone", World::signed_in(Vec::new())),
        ("contact-lost", contact_lost()),
        ("repairing", repairing()),
        ("reconnecting", reconnecting()),
        ("replaced", replaced()),
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

fn about() -> World {
    let world = people();
    world.screen.press("About herenow");
    world.screen.press("Show pairing code");
    world
}
