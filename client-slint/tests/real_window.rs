//! The real program in a real window, against the real server: signs in by keyboard, sees who is here,
//! is seen, loses its server, says so in words, and comes back by itself.
//!
//! Needs the packages in `client-slint/tools/packages.txt` and a built server (`cargo build -p herenow`).

#[path = "real_window/desktop.rs"]
mod desktop;
#[path = "real_window/server.rs"]
mod server;

use std::process::Stdio;

use desktop::{Desktop, Program, is_installed};
use herenow_client::protocol::{Choice, CloseReason, Status, StatusText};
use server::{Guest, Server};

#[test]
fn a_window_signs_in_sees_people_loses_its_server_and_comes_back() {
    if !is_installed("Xvfb") && std::env::var_os("CI").is_none() {
        eprintln!("SKIPPED: the real window was NOT tested, because Xvfb is not installed.");
        eprintln!("SKIPPED: install what client-slint/tools/packages.txt lists.");
        return;
    }
    let mut server = Server::start();
    let guest = Guest::sign_in(&server.address(), "Grace Hopper");
    let desktop = Desktop::start();
    let mut reader = desktop.read("herenow-desktop");
    let mut window = desktop.command(env!("CARGO_BIN_EXE_herenow-desktop"));
    let _window = Program::start(window.stdout(Stdio::null()));

    // Signs in with the keyboard alone: the name has the focus, the server is before it.
    reader.expect(&["Sign in", "Server", "Name"]);
    desktop.focus("^herenow$");
    desktop.keys(&["shift+Tab", "ctrl+a"]);
    desktop.type_text(&server.address());
    desktop.keys(&["Tab", "ctrl+a"]);
    desktop.type_text("Ada");
    desktop.keys(&["Return"]);

    // Sees who is here, and their changes.
    reader.expect(&["People", "Grace Hopper, Available", "1 person", "Connected"]);
    guest.expect("Ada comes", |entry| entry.name.as_str() == "Ada");
    guest.client().choose(busy("In a review"));
    reader.expect(&["Grace Hopper, Busy, In a review"]);
    reader.expect_part("list proved exact");

    // Is seen: the own status is two Tabs from the list.
    desktop.keys(&["Tab", "Tab", "Return"]);
    reader.expect(&["Status text"]);
    desktop.type_text("Back at three");
    desktop.keys(&["Return"]);
    guest.expect("Ada's text", |entry| entry.shown.presence.text.as_str() == "Back at three");
    reader.expect(&["Available · Back at three"]);

    // The server is told to stop: it says so, and the window too.
    server.end("TERM");
    reader.expect(&["The server was shut down", "People, as last known"]);
    assert!(reader.says("Grace Hopper, Busy, In a review"), "the old list stays in sight");
    server.start_again();
    reader.expect(&["Connected", "People", "Grace Hopper, Busy, In a review"]);
    guest.expect("Ada's text again", |entry| entry.shown.presence.text.as_str() == "Back at three");

    // The server is gone without a word.
    server.end("KILL");
    reader.expect(&["Connection refused", "People, as last known", "Retry now"]);
    reader.expect_part("Reconnecting in ");
    server.start_again();
    reader.expect(&["Connected", "People", "Grace Hopper, Busy, In a review"]);

    // Leaves in good order: the sign-out is five Tabs from the list.
    desktop.keys(&["Tab", "Tab", "Tab", "Tab", "Tab", "Return"]);
    reader.expect(&["Sign in", "Server", "Name"]);
    guest.expect_leave("Ada", CloseReason::Goodbye);
}

fn busy(text: &str) -> Choice {
    Choice::chosen(Status::Busy, StatusText::new(text).expect("a valid text"))
}
