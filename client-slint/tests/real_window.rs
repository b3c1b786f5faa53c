//! The real program in a real window, against the real server: signs in by keyboard, sees who is here,
//! is seen, loses its server, says so in words, and comes back by itself.
//!
//! Needs the packages in `client-slint/tools/packages.txt` and a built server (`cargo build -p herenow`).

#[path = "real_window/desktop.rs"]
mod desktop;
#[path = "real_window/server.rs"]
mod server;

use std::process::Stdio;

use desktop::{Desktop, Program, can_show_windows};
use herenow_client::protocol::{Choice, CloseReason, Status, StatusText, UserKey, pairing};
use server::{Guest, Server};

/// What the desktop calls the program.
const PROGRAM: &str = "herenow-desktop";

#[test]
fn a_window_signs_in_sees_people_loses_its_server_and_comes_back() {
    if !can_show_windows() {
        return;
    }
    let mut server = Server::start();
    let guest = Guest::sign_in(&server.address(), "Grace Hopper");
    let desktop = Desktop::start();
    let mut reader = desktop.read(PROGRAM);
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
    reader.expect_announcement("The server was shut down");
    assert!(reader.says("Grace Hopper, Busy, In a review"), "the old list stays in sight");
    server.start_again();
    reader.expect(&["Connected", "People", "Grace Hopper, Busy, In a review"]);
    reader.expect_announcement("Connected");
    guest.expect("Ada's text again", |entry| entry.shown.presence.text.as_str() == "Back at three");

    // The server is gone without a word.
    server.end("KILL");
    reader.expect(&["Connection refused", "People, as last known", "Retry now"]);
    reader.expect_announcement("Connection refused");
    reader.expect_part("Reconnecting in ");
    server.start_again();
    reader.expect(&["Connected", "People", "Grace Hopper, Busy, In a review"]);

    // Leaves in good order: the sign-out is five Tabs from the list.
    desktop.keys(&["Tab", "Tab", "Tab", "Tab", "Tab", "Return"]);
    reader.expect(&["Sign in", "Server", "Name"]);
    guest.expect_leave("Ada", CloseReason::Goodbye);
}

#[test]
fn a_window_follows_who_comes_and_goes_finds_them_and_knows_when_it_was_replaced() {
    if !can_show_windows() {
        return;
    }
    let server = Server::start();
    let grace = Guest::sign_in(&server.address(), "Grace Hopper");
    let desktop = Desktop::start();
    let mut reader = desktop.read(PROGRAM);
    let mut window = desktop.command(env!("CARGO_BIN_EXE_herenow-desktop"));
    window.args(["--server", &server.address(), "--name", "Ada"]);
    let _window = Program::start(window.stdout(Stdio::null()));
    reader.expect(&["Connected", "People", "Grace Hopper, Available"]);

    // People come.
    let radia = Guest::sign_in_as(&server.address(), "Radia Perlman", "radia", UserKey([7; 16]));
    let ken = Guest::sign_in_as(&server.address(), "Ken Thompson", "ken", UserKey([8; 16]));
    reader.expect(&[
        "Grace Hopper, Available",
        "Ken Thompson, Available",
        "Radia Perlman, Available",
    ]);

    // A search leaves whoever matches, and Escape everybody again.
    desktop.focus("herenow");
    desktop.keys(&["ctrl+f"]);
    desktop.type_text("radia");
    reader.expect_gone("Ken Thompson, Available");
    reader.expect(&["Radia Perlman, Available"]);
    desktop.keys(&["Escape"]);
    reader.expect(&["Ken Thompson, Available", "Radia Perlman, Available"]);

    // People go, in good order or not.
    drop(ken);
    reader.expect_gone("Ken Thompson, Available");
    radia.client().choose(busy("Drawing trees"));
    // Slint may go on telling a screen reader what stood in a row before, so the counts are what is asked for.
    reader.expect(&["Busy: 1"]);

    // The same device signs in elsewhere. That window must not fight for its place.
    let (device, code) = (desktop.kept("device-id"), desktop.kept("user-key"));
    let key = pairing::key(code.trim()).expect("a pairing code is kept");
    let elsewhere = Guest::sign_in_as(&server.address(), "Ada", device.trim(), key);
    reader.expect(&["Replaced elsewhere", "People, as last known", "Use here"]);
    reader.expect_announcement("Replaced elsewhere");

    // Until the user says so.
    desktop.press(PROGRAM, "Use here");
    reader.expect(&["Connected", "People", "Grace Hopper, Available"]);
    drop((elsewhere, grace));
}

fn busy(text: &str) -> Choice {
    Choice::chosen(Status::Busy, StatusText::new(text).expect("a valid text"))
}
