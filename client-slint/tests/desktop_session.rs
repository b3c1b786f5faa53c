//! The real program on a desktop of the test's own: its tray icon, its notifications, away by the X server's own timer and
//! by the lock of the screen; and on a desktop without a bus.
//!
//! Needs the packages in `client-slint/tools/packages.txt` and a built server (`cargo build -p herenow`).

#[path = "real_window/around.rs"]
mod around;
#[path = "real_window/desktop.rs"]
mod desktop;
#[path = "real_window/server.rs"]
mod server;

use std::io::Read as _;
use std::process::Stdio;

use around::{Around, Windows};
use desktop::{Desktop, Program, is_installed};
use herenow_client::protocol::{Entry, Status};
use herenow_desktop::core::notify::QUIET;
use server::{Guest, Server};

const ADA: &str = "Ada";

#[test]
fn the_desktop_around_the_window() {
    if !is_installed("Xvfb") && std::env::var_os("CI").is_none() {
        eprintln!("SKIPPED: the desktop was NOT tested, because Xvfb is not installed.");
        eprintln!("SKIPPED: install what client-slint/tools/packages.txt lists.");
        return;
    }
    let server = Server::start();
    let desktop = Desktop::start();
    let mut around = Around::start(&desktop);
    let windows = Windows::of(&desktop);
    let guest = Guest::sign_in(&server.address(), "Grace Hopper");

    tray_and_notifications(&server, &desktop, &mut around, &windows, &guest);
    idle_and_lock(&server, &desktop, &mut around, &guest);
    around.end();
    no_bus(&server, &desktop, &windows, &guest);
    nobody_reads(&server, &desktop, &windows, &guest);
}

fn start(server: &Server, desktop: &Desktop, arguments: &[&str]) -> Program {
    let mut window = desktop.command(env!("CARGO_BIN_EXE_herenow-desktop"));
    window.args(["--server", &server.address(), "--name", ADA]).args(arguments);
    Program::start(window.stdout(Stdio::null()))
}

fn tray_and_notifications(
    server: &Server,
    desktop: &Desktop,
    around: &mut Around,
    windows: &Windows,
    guest: &Guest,
) {
    let mut window = start(server, desktop, &["--notify", "all", "--away-after", "0"]);
    let available =
        around.expect_tray(|tray| tray["tooltip"] == "Available · 1 person here · 1 available");
    assert_eq!(available["title"], "herenow");
    let labels: Vec<_> =
        available["menu"].as_array().expect("a menu").iter().map(|entry| &entry[0]).collect();
    assert_eq!(
        labels,
        ["Show window", "Available ✓", "Away", "Busy", "Invisible", "Sign out", "Quit"]
    );
    windows.expect("Ada", true);

    // The own status, from the menu to everybody and into the icon.
    around.tell("menu Busy");
    guest.expect("Ada is busy", is(Status::Busy, false));
    let busy = around.expect_tray(|tray| tray["tooltip"] == "Busy · 1 person here · 1 available");
    assert_ne!(busy["icon"], available["icon"], "the icon shows the status");
    around.tell("menu Available");
    guest.expect("Ada is available", is(Status::Available, false));

    // Closing the window leaves the program in the tray; a notification brings the window back.
    std::thread::sleep(QUIET);
    windows.close("Ada");
    windows.expect("Ada", false);
    let _radia = Guest::sign_in(&server.address(), "Radia Perlman");
    let told = around.expect_notification("Radia Perlman is online");
    assert_eq!(told["actions"], serde_json::json!(["default", "Open"]));
    around.tell(&format!("invoke {}", told["id"]));
    windows.expect("Ada", true);

    // A click on the icon hides and shows it.
    around.tell("activate");
    windows.expect("Ada", false);
    around.tell("activate");
    windows.expect("Ada", true);

    // The place for tray icons goes away while the window is hidden: it must not be lost with it.
    around.tell("activate");
    windows.expect("Ada", false);
    around.tell("host no");
    windows.expect("Ada", true);
    around.expect("gone", |_| true);
    around.forget_tray();
    around.tell("host yes");
    around.expect_tray(|tray| tray["title"] == "herenow");

    around.tell("menu Quit");
    window.expect_end();
    guest.expect_leave(ADA, herenow_client::protocol::CloseReason::Goodbye);
    around.expect("gone", |_| true);
    around.forget_tray();
}

fn idle_and_lock(server: &Server, desktop: &Desktop, around: &mut Around, guest: &Guest) {
    let window = start(server, desktop, &["--notify", "none", "--away-after", "3"]);
    // Nobody touches the X server of the test.
    guest.expect("Ada goes away by idling", is(Status::Away, true));
    let touch = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    std::thread::scope(|scope| {
        let touching = touch.clone();
        scope.spawn(move || {
            for step in 0.. {
                if !touching.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                desktop.move_mouse(step % 100);
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
        });
        guest.expect("Ada is back", is(Status::Available, true));
        for (lock, unlock) in [("saver yes", "saver no"), ("login Lock", "login Unlock")] {
            around.tell(lock);
            guest.expect(lock, is(Status::Away, true));
            around.tell(unlock);
            guest.expect(unlock, is(Status::Available, true));
        }
        touch.store(false, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(
        around.rest().iter().all(|event| event["event"] != "notify"),
        "nobody's coming is to be told"
    );
    drop(window);
}

/// Without a bus there is no tray, so that closing the window ends the program; one line says what is missing.
fn no_bus(server: &Server, desktop: &Desktop, windows: &Windows, guest: &Guest) {
    let mut command = desktop.command(env!("CARGO_BIN_EXE_herenow-desktop"));
    command.args(["--server", &server.address(), "--name", "Ken Thompson"]);
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
    let mut window = Program::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
    let mut errors = window.errors();
    guest.expect("Ken comes", |entry| entry.name.as_str() == "Ken Thompson");
    windows.expect("Ken Thompson", true);
    windows.close("Ken Thompson");
    window.expect_end();
    let mut said = String::new();
    errors.read_to_string(&mut said).expect("text");
    let ours = said.lines().filter(|line| line.starts_with("herenow-desktop: ")).count();
    assert_eq!(ours, 1, "{said}");
}

/// The terminal from which the program was started is closed: what is written there is lost, and nothing else.
fn nobody_reads(server: &Server, desktop: &Desktop, windows: &Windows, guest: &Guest) {
    let mut command = desktop.command(env!("CARGO_BIN_EXE_herenow-desktop"));
    command.args(["--server", &server.address(), "--name", "Alan Turing"]);
    // There is something to say: that there is no bus.
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
    let mut window = Program::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    drop((window.output(), window.errors()));
    guest.expect("Alan comes", |entry| entry.name.as_str() == "Alan Turing");
    windows.expect("Alan Turing", true);
    windows.close("Alan Turing");
    guest.expect_leave("Alan Turing", herenow_client::protocol::CloseReason::Goodbye);
    window.expect_success();
}

fn is(status: Status, automatic: bool) -> impl Fn(&Entry) -> bool {
    move |entry| {
        let presence = &entry.shown.presence;
        entry.name.as_str() == ADA && (presence.status, presence.automatic) == (status, automatic)
    }
}
