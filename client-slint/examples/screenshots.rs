//! Draws every page and every state of the connection, light and dark, for a look at them.
//!
//! `cargo run -p herenow-desktop --example screenshots FOLDER [SCENE]...`
//!
//! Without a scene all of them are drawn; `tests/support/scenes.rs` has the table. Those that are kept are drawn by
//! `client-slint/tools/screenshots.sh`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;

use support::scenes::{CONNECTION, PAGES};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().expect("a folder is named"));
    let wanted: Vec<String> = arguments.collect();
    for (scenes, folder) in [(PAGES, folder.clone()), (CONNECTION, folder.join("connection"))] {
        for (name, set) in scenes {
            if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
                continue;
            }
            let world = set();
            for (scheme, dark) in [("light", false), ("dark", true)] {
                world.screen.set_dark(dark);
                world.screen.picture().save(&folder.join(format!("{name}-{scheme}.png")));
            }
        }
    }
}
