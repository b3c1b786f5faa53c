//! Draws the pictures in `docs/screenshots/`: each page and the states worth showing, light and dark.
//!
//! `cargo run -p herenow-desktop --example screenshots [FOLDER]`

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use herenow_client::protocol::{CloseReason, Status};
use herenow_client::{Disconnect, Event};
use i_slint_backend_testing::AccessibleRole;
use support::World;
use support::people::{office, presence};

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
        ("people", people()),
        ("own-status", own_status()),
        ("search", search()),
        ("alone", World::signed_in(Vec::new())),
        ("contact-lost", contact_lost()),
        ("reconnecting", reconnecting()),
        ("replaced", replaced()),
        ("about", about()),
    ]
}

fn people() -> World {
    let world = World::signed_in(office());
    world.tell(&[Event::Mirror(Some(presence(Status::Available, "Notes on the engine")))]);
    world
}

fn own_status() -> World {
    let world = people();
    world.screen.press("Your status");
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
    world.tell(&[Event::ContactLost { unanswered: 3, of: 5 }]);
    world
}

fn reconnecting() -> World {
    let world = people();
    let reason = Disconnect::Goodbye { reason: CloseReason::ServerShutdown, text: String::new() };
    world.close(reason, Some(Duration::from_secs(4)));
    world
}

fn replaced() -> World {
    let world = people();
    let reason = Disconnect::Goodbye { reason: CloseReason::Replaced, text: String::new() };
    world.close(reason, None);
    world
}

fn about() -> World {
    let world = people();
    world.screen.press("About herenow");
    world
}
