//! The server under a service manager: it is told what goes on, and keeps the socket while the server restarts.

#[allow(dead_code, reason = "each test binary uses a part of the shared helpers")]
mod support;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use herenow_protocol::{ClientMessage, ServerMessage};
use nix::sys::signal::Signal;
use support::peer::{Next, ScriptedPeer, hello};
use support::server::{HERENOW, TestServer};
use support::{PATIENCE, now, say};

/// What a service manager hears.
struct Manager {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Manager {
    fn listen() -> Self {
        let path = std::env::temp_dir().join(format!("herenow-notify-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a socket can be made there");
        socket.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
        Self { path, socket }
    }

    /// Waits for a message that says this.
    fn expect(&self, word: &str) -> String {
        let start = now();
        loop {
            let mut buffer = [0; 512];
            let read = self.socket.recv(&mut buffer).expect("the server says something");
            let message = String::from_utf8_lossy(&buffer[..read]).into_owned();
            if message.lines().any(|line| line.starts_with(word)) {
                return message;
            }
            assert!(start.elapsed() < PATIENCE, "no {word}, last was {message:?}");
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[test]
fn the_service_manager_is_told_ready_alive_reloading_and_stopping() {
    let manager = Manager::listen();
    let mut command = Command::new(HERENOW);
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", &manager.path);
    let mut server = TestServer::spawn(command);
    manager.expect("READY=1");
    // Each of them has been through the registry.
    manager.expect("WATCHDOG=1");
    manager.expect("WATCHDOG=1");
    server.signal(Signal::SIGHUP);
    assert!(manager.expect("RELOADING=1").contains("MONOTONIC_USEC="));
    manager.expect("READY=1");
    server.signal(Signal::SIGTERM);
    manager.expect("STOPPING=1");
    assert_eq!(server.wait_for_end(PATIENCE).code(), Some(0));
}

/// A server on a socket that this test keeps, as a service manager does.
fn activated(listener: &TcpListener) -> TestServer {
    // The socket comes as stdin and becomes descriptor 3, which is where the protocol of activation has it; the process
    // that must be named is the one that `exec` turns into the server.
    let script = format!(
        "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec {HERENOW} serve --threads 2"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    let socket = OwnedFd::from(listener.try_clone().expect("a descriptor is free"));
    TestServer::spawn_with(command, Stdio::from(socket))
}

/// A48.
#[test]
fn a48_nobody_is_refused_while_a_server_on_a_kept_socket_restarts() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback is free");
    let address: SocketAddr = listener.local_addr().expect("it listens");
    let mut server = activated(&listener);
    assert_eq!(server.address, address, "the greeting names the socket that was handed over");
    let mut before = ScriptedPeer::signed_in(address, "before");

    // Somebody connects all the time, and is served in the end.
    let callers = thread::spawn(move || {
        let callers: Vec<_> = (0..100)
            .map(|n| {
                thread::sleep(Duration::from_millis(10));
                let mut caller = ScriptedPeer::connect(address);
                // It may be lost with the server that took it, but never refused.
                let _ =
                    caller.try_send(&ClientMessage::Hello(hello(&format!("caller {n}"))).encode());
                caller
            })
            .collect();
        let served = |mut caller: ScriptedPeer| {
            matches!(caller.next(PATIENCE), Next::Message(ServerMessage::Welcome(_)))
        };
        callers.into_iter().map(served).filter(|served| *served).count()
    });
    thread::sleep(Duration::from_millis(200));
    server.signal(Signal::SIGTERM);
    before.expect_goodbye(PATIENCE);
    drop(before);
    assert_eq!(server.wait_for_end(PATIENCE).code(), Some(0));
    let _server = activated(&listener);
    let served = callers.join().expect("no connection is refused");
    say(&format!("A48: {served} of 100 who called during a restart were welcomed at once"));
    assert!(served >= 50, "{served}");
    ScriptedPeer::signed_in(address, "after");
}

#[test]
fn the_unit_is_one_that_systemd_understands() {
    let Ok(output) = Command::new("systemd-analyze").arg("--version").output() else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "systemd is not installed");
        return say("\n*** NOT RUN: systemd-analyze is not installed\n");
    };
    assert!(output.status.success());
    let folder = std::env::temp_dir().join(format!("herenow-units-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    let packaging = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("packaging");
    for unit in ["herenow.service", "herenow.socket"] {
        let text = fs::read_to_string(packaging.join(unit)).expect("the unit is there");
        // The program is not installed here.
        let text = text.replace("/usr/bin/herenow", HERENOW);
        fs::write(folder.join(unit), text).expect("it can be written");
    }
    let unit = folder.join("herenow.service");
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output();
    let output = output.expect("it is installed");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let _ = fs::remove_dir_all(&folder);
    let ours: Vec<_> = said.lines().filter(|line| line.contains("herenow")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");

    let config = packaging.join("herenow.toml");
    let config = config.to_str().expect("a plain name");
    let checked = Command::new(HERENOW).args(["check-config", "--config", config]).output();
    let checked = checked.expect("the program can be started");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
