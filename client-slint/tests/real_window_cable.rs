//! The real window at the end of a real cable, which is pulled: two network namespaces, the server in one of them.
//!
//! Needs the packages in `client-slint/tools/packages.txt` and `tests/support/packages.txt`, the right to make network
//! namespaces, and a built server (`cargo build -p herenow`).

#[path = "real_window/desktop.rs"]
mod desktop;
#[path = "../../tests/support/net.rs"]
#[allow(dead_code, reason = "the server's tests use more of it")]
mod net;
#[path = "real_window/server.rs"]
mod server;

use std::io::Write as _;
use std::process::Stdio;

use desktop::{Desktop, PATIENCE, Program, can_show_windows, wait_for};
use net::{Cable, SERVER_IP};
use server::{binary, start_server};

const PROGRAM: &str = "herenow-desktop";

/// Tells people what a test harness would keep to itself.
fn say(text: &str) {
    // Nobody may be reading; that fails no test.
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[test]
fn a_pulled_cable_is_told_apart_from_a_silent_server() {
    if !can_show_windows() {
        return;
    }
    let Some(cable) = Cable::lay() else { return };
    let server = format!("{SERVER_IP}:4373");
    let mut serve = cable.server.command(path(&binary()));
    serve.args(["serve", "--listen", &server, "--insecure-open"]);
    let _server = start_server(&mut serve);
    let desktop = Desktop::start();
    let mut reader = desktop.read(PROGRAM);

    // Somebody on the server's own side, whom no cable cuts off.
    let mut grace = cable.server.command(path(&binary()));
    grace.args(["watch", "--name", "Grace Hopper", "--server", &server]);
    grace.env(
        "XDG_STATE_HOME",
        std::env::temp_dir().join(format!("herenow-grace-{}", std::process::id())),
    );
    let _grace = Program::start(grace.stdout(Stdio::null()).stderr(Stdio::null()));

    let mut window = cable.client.command(env!("CARGO_BIN_EXE_herenow-desktop"));
    desktop.adopt(&mut window);
    window.args(["--server", &server, "--name", "Ada"]);
    let _window = Program::start(window.stdout(Stdio::null()));
    reader.expect(&["Connected", "People", "Grace Hopper, Available"]);

    // The cable is out: the window knows that it is not the server.
    cable.client.pull_cable();
    reader.expect(&[
        "Your own network is down",
        "People, as last known",
        "Grace Hopper, Available",
    ]);
    reader.expect_announcement("Your own network is down");
    cable.client.plug_cable();
    reader.expect(&["Connected", "People", "Grace Hopper, Available"]);
    reader.expect_announcement("Connected");

    // The cable is in, but nothing comes over it: first the contact is lost, then the server is given up.
    cable.client.lose_incoming();
    reader.expect(&["Contact lost", "People, as last known"]);
    reader.expect_announcement("Contact lost");
    reader.expect(&["The server is silent", "People, as last known"]);
    reader.expect_announcement("The server is silent");
    cable.client.lose_nothing();
    reader.expect(&["Connected", "People", "Grace Hopper, Available"]);
}

fn path(program: &std::path::Path) -> &str {
    program.to_str().expect("the target folder has a plain name")
}
