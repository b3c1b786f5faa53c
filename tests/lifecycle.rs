//! How a server starts, refuses to start, and ends; and what it makes of a name that is taken.

#[allow(dead_code, reason = "each test binary uses a part of the shared helpers")]
mod support;

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use herenow_protocol::{
    Choice, ClientMessage, CloseReason, DeviceId, Hello, Presence, Resume, Status, StatusText,
};
use nix::sys::signal::Signal;
use support::peer::{Goodbye, Next, ScriptedPeer, hello};
use support::server::{HERENOW, TestServer, UNLIMITED};
use support::{PATIENCE, now, say, wait_for};

/// From the order to stop to the end of the process, at most.
const SHUTDOWN_MAX: Duration = Duration::from_secs(3);

/// When a stopping server may ask its clients to come back.
const COME_BACK: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(500)..=Duration::from_secs(5);

/// `EX_CONFIG` of `sysexits.h`.
const EXIT_CONFIG: i32 = 78;

/// A user who is signed in, and to whom the server cannot send another byte.
fn clogged_peer(server: SocketAddr, name: &str) -> ScriptedPeer {
    let mut peer = ScriptedPeer::signed_in(server, name);
    let heartbeats = ClientMessage::Heartbeat { n: 1, round_trip_us: 0 }.encode().repeat(64);
    // The server takes no more heartbeats once it cannot get rid of its answers.
    peer.flood(&heartbeats, Duration::from_millis(200));
    peer
}

fn clogged_peers(server: SocketAddr, count: usize) -> Vec<ScriptedPeer> {
    let peers =
        (0..count).map(|i| thread::spawn(move || clogged_peer(server, &format!("clogged {i}"))));
    let peers: Vec<_> = peers.collect();
    peers.into_iter().map(|peer| peer.join().expect("the server takes heartbeats")).collect()
}

/// Runs `herenow` to its end.
fn run(arguments: &[&str]) -> Output {
    let mut process = Command::new(HERENOW)
        .args(arguments)
        .env_remove("RUST_LOG")
        .env("HERENOW_CONFIG", "")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let start = now();
    while process.try_wait().expect("it is our child").is_none() {
        if start.elapsed() > PATIENCE {
            process.kill().expect("it is our child");
            process.wait().expect("it was killed");
            panic!("herenow {arguments:?} does not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
    process.wait_with_output().expect("its output fits into the pipes")
}

/// Runs `herenow`, which must refuse with this exit code and one line of explanation.
fn refusal(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(code), "herenow {arguments:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "one line, please: {stderr}");
    assert!(output.stdout.is_empty(), "herenow {arguments:?} greets although it refuses");
    stderr
}

#[test]
fn at_sigterm_everyone_is_told_when_to_come_back() {
    let mut server = TestServer::start(&[]);
    // Who says nothing is told as well; by the time that the others are signed in it was accepted.
    let mut peers = vec![ScriptedPeer::connect(server.address)];
    let users = (0..20).map(|i| format!("user {i}"));
    peers.extend(users.map(|name| ScriptedPeer::watching(server.address, &name)));

    let told = now();
    server.signal(Signal::SIGTERM);
    let goodbyes: Vec<Goodbye> =
        peers.iter_mut().map(|peer| peer.expect_goodbye(PATIENCE)).collect();
    say(&format!("SIGTERM: {} clients were told within {:?}", goodbyes.len(), told.elapsed()));
    for goodbye in &goodbyes {
        assert_eq!(goodbye.reason, CloseReason::ServerShutdown);
        assert!(goodbye.reconnect, "{goodbye:?}");
        assert!(COME_BACK.contains(&goodbye.come_back_after), "{goodbye:?}");
    }
    let times: BTreeSet<_> = goodbyes.iter().map(|goodbye| goodbye.come_back_after).collect();
    assert!(times.len() > 10, "all come back at the same time: {times:?}");
    for peer in &mut peers {
        assert!(matches!(peer.next(PATIENCE), Next::Closed), "nothing follows a goodbye");
        assert_eq!(peer.leaves.len(), 0, "a stopping server is not everybody's leave");
    }
    drop(peers);
    let status = server.wait_for_end(PATIENCE);
    assert!(told.elapsed() <= SHUTDOWN_MAX, "it took {:?}", told.elapsed());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn clients_that_take_nothing_do_not_hold_up_a_shutdown() {
    let mut server = TestServer::start(&[&["--heartbeat", "10s"], &UNLIMITED[..]].concat());
    let mut healthy = ScriptedPeer::watching(server.address, "healthy");
    let clogged = clogged_peers(server.address, 10);
    healthy.round_trip();

    let told = now();
    server.signal(Signal::SIGTERM);
    assert_eq!(healthy.expect_goodbye(PATIENCE).reason, CloseReason::ServerShutdown);
    let heard = told.elapsed();
    let status = server.wait_for_end(PATIENCE);
    let took = told.elapsed();
    say(&format!("SIGTERM beside 10 clogged clients: told in {heard:?}, ended in {took:?}"));
    assert!(took <= SHUTDOWN_MAX, "it took {took:?}");
    assert_eq!(status.code(), Some(0));
    drop(clogged);
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    for (second, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let mut server = TestServer::start(&[&["--heartbeat", "10s"], &UNLIMITED[..]].concat());
        let mut healthy = ScriptedPeer::signed_in(server.address, "healthy");
        // Somebody to wait for, so that the server is still there when the second signal comes.
        let clogged = clogged_peer(server.address, "clogged");
        server.signal(Signal::SIGTERM);
        healthy.expect_goodbye(PATIENCE);
        server.signal(second);
        assert_eq!(server.wait_for_end(PATIENCE).code(), Some(code));
        drop(clogged);
    }
}

#[test]
fn sigint_stops_like_sigterm() {
    let mut server = TestServer::start(&[]);
    let mut peer = ScriptedPeer::signed_in(server.address, "ada");
    server.signal(Signal::SIGINT);
    assert_eq!(peer.expect_goodbye(PATIENCE).reason, CloseReason::ServerShutdown);
    drop(peer);
    assert_eq!(server.wait_for_end(SHUTDOWN_MAX).code(), Some(0));
}

#[test]
fn nobody_needs_to_read_the_greeting() {
    // `TestServer` itself closes the pipe after the first line, as `| head -1` does.
    let server = TestServer::start(&[]);
    ScriptedPeer::watching(server.address, "ada").round_trip();

    // With no stdout at all there is no greeting to learn the port from, so it is chosen here.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let address = free.expect("a port of the loopback is free");
    let serve = format!("exec {HERENOW} serve --listen {address} >&-");
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", &serve]).stderr(Stdio::null()).spawn();
    let mut process = shell.expect("there is a shell");
    wait_for("the server to listen", PATIENCE, || std::net::TcpStream::connect(address).ok());
    ScriptedPeer::watching(address, "ada").round_trip();
    process.kill().expect("it still runs");
    process.wait().expect("it was killed");
}

#[test]
fn a_log_that_nobody_reads_any_more_disturbs_nobody() {
    let mut command = Command::new(HERENOW);
    command.args(["serve", "--listen", "127.0.0.1:0"]).stdin(Stdio::null());
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("RUST_LOG", "debug")
        .env("HERENOW_CONFIG", "");
    let mut process = command.spawn().expect("the server can be started");
    let mut greeting = [0; 64];
    let mut stdout = process.stdout.take().expect("it is a pipe");
    let read = stdout.read(&mut greeting).expect("it can be read");
    let greeting = String::from_utf8_lossy(&greeting[..read]);
    let address = greeting.split_whitespace().nth(3).and_then(|address| address.parse().ok());
    let address = address.expect("the greeting says where it listens");
    // As `herenow serve 2>&1 | head -1` does.
    drop((stdout, process.stderr.take()));

    let served = std::panic::catch_unwind(|| {
        let mut ada = ScriptedPeer::watching(address, "ada");
        let bob = ScriptedPeer::signed_in(address, "bob");
        ada.expect_join("bob", PATIENCE);
        drop(bob);
        ada.expect_leave("bob", PATIENCE);
        ada.round_trip();
    });
    process.kill().expect("it still runs");
    process.wait().expect("it was killed");
    served.expect("sessions begin and end although the log goes nowhere");
}

#[test]
fn a_write_to_a_closed_pipe_is_no_signal() {
    let server = TestServer::start(&[]);
    let ignored = u64::from_str_radix(&server.status_field("SigIgn"), 16);
    let sigpipe = 1_u64 << (Signal::SIGPIPE as u32 - 1);
    assert_ne!(ignored.expect("it is a hexadecimal mask") & sigpipe, 0);
}

#[test]
fn a_public_address_needs_an_explicit_word() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let line = refusal(&["serve", "--listen", address], EXIT_CONFIG);
        for word in ["--insecure-open", "127.0.0.1", address] {
            assert!(line.contains(word), "{word} is missing: {line}");
        }
    }
    let server = TestServer::start_at("0.0.0.0:0", &["--insecure-open"]);
    let here = SocketAddr::from(([127, 0, 0, 1], server.address.port()));
    ScriptedPeer::signed_in(here, "ada");
}

#[test]
fn a_port_in_use_is_refused_however_many_threads_serve() {
    let foreign = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback is free");
    let ours = [TestServer::start(&["--threads", "1"]), TestServer::start(&["--threads", "4"])];
    let mut taken = vec![foreign.local_addr().expect("it listens")];
    taken.extend(ours.iter().map(|server| server.address));
    for address in taken {
        let address = address.to_string();
        for threads in ["1", "4"] {
            let output = run(&["serve", "--listen", &address, "--threads", threads]);
            let line = String::from_utf8(output.stderr).expect("messages are UTF-8");
            assert!(output.status.code().is_some_and(|code| code != 0), "{line}");
            assert_eq!(line.lines().count(), 1, "one line, please: {line}");
            assert!(line.contains(&address) && line.contains("in use"), "{line}");
        }
    }
    for server in &ours {
        // Nobody came between these servers and their clients.
        for i in 0..8 {
            ScriptedPeer::signed_in(server.address, &format!("user {i}"));
        }
    }
}

#[test]
fn mistakes_on_the_command_line_are_explained() {
    let mistakes: [&[&str]; 5] = [
        &["serve", "--no-such-flag"],
        &["serve", "--listen", "nowhere"],
        &["serve", "--heartbeat", "soon"],
        &["serve", "--threads", "many"],
        &["no-such-command"],
    ];
    for arguments in mistakes {
        let output = run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "herenow {arguments:?}: {stderr}");
        let wrong = arguments.last().expect("no mistake without a word");
        assert!(stderr.contains(wrong), "{wrong} is not named: {stderr}");
    }
}

#[test]
fn a_bound_that_cannot_be_kept_is_refused_with_the_way_out() {
    let line = refusal(&["serve", "--tick", "200ms"], EXIT_CONFIG);
    for word in ["--tick", "200ms", "50ms"] {
        assert!(line.contains(word), "{word} is missing: {line}");
    }
    let line = refusal(&["serve", "--heartbeat", "10ms"], EXIT_CONFIG);
    assert!(line.contains("100ms"), "{line}");
    let line = refusal(&["serve", "--misses", "1"], EXIT_CONFIG);
    assert!(line.contains("--misses"), "{line}");
}

#[test]
fn the_same_device_takes_its_name_over_without_a_leave() {
    let server = TestServer::start(&[]);
    let mut watcher = ScriptedPeer::watching(server.address, "watcher");
    let mut older = ScriptedPeer::watching(server.address, "ada");
    watcher.expect_join("ada", PATIENCE);
    let version = watcher.list.version();

    let mut newer = ScriptedPeer::watching(server.address, "ada");
    let goodbye = older.expect_goodbye(PATIENCE);
    assert_eq!(goodbye.reason, CloseReason::Replaced);
    assert!(!goodbye.reconnect, "two windows must not throw each other out for ever");
    assert!(matches!(older.next(PATIENCE), Next::Closed));
    drop(older);

    // What the newer connection shows is told after the take-over, so nothing of that is under way.
    let text = StatusText::new("on the new one").expect("a test text is valid");
    let choice = Choice::chosen(Status::Away, text.clone());
    newer.send(&ClientMessage::SetStatus { request: 7, choice });
    let presence = Presence::chosen(Status::Away, text);
    watcher.read_until("the new status", PATIENCE, |watcher| {
        watcher.list.presence("ada") == Some(&presence)
    });
    assert_eq!(watcher.leaves.len(), 0, "{:?}", watcher.leaves);
    assert_eq!(watcher.joins.len(), 1, "{:?}", watcher.joins);
    assert!(watcher.list.version() > version);
    assert_eq!(watcher.list.names(), ["ada", "watcher"]);
    assert_eq!(newer.list.names(), ["ada", "watcher"]);
}

#[test]
fn another_device_does_not_get_a_name_that_is_in_use() {
    let server = TestServer::start(&[]);
    let mut owner = ScriptedPeer::watching(server.address, "ada");
    let mut other = hello("ada");
    other.device = DeviceId::new("another-device").expect("a test device is valid");
    let mut refused = ScriptedPeer::connect(server.address);
    refused.send(&ClientMessage::Hello(other.clone()));
    let goodbye = refused.expect_goodbye(PATIENCE);
    assert_eq!(goodbye.reason, CloseReason::NameInUse);
    assert!(!goodbye.reconnect);
    assert!(matches!(refused.next(PATIENCE), Next::Closed));
    owner.round_trip();
    assert_eq!((owner.joins.len(), owner.leaves.len()), (0, 0), "nobody noticed");

    // Once its owner is gone, the name is free for everyone.
    let mut watcher = ScriptedPeer::watching(server.address, "watcher");
    owner.send(&ClientMessage::Goodbye { reason: CloseReason::Goodbye });
    assert_eq!(watcher.expect_leave("ada", PATIENCE).cause, CloseReason::Goodbye);
    let mut heir = ScriptedPeer::connect(server.address);
    heir.sign_in(other);
    watcher.expect_join("ada", PATIENCE);
}

/// The victim of a pulled cable sits at another socket of another network a moment later, and the server still
/// believes in the first one.
#[test]
fn a_session_goes_on_from_another_address_while_its_old_connection_still_looks_alive() {
    let server = TestServer::start(&[]);
    let mut watcher = ScriptedPeer::watching(server.address, "watcher");
    let mut old = ScriptedPeer::connect(server.address);
    let first = old.sign_in(hello("ada"));
    watcher.expect_join("ada", PATIENCE);
    // From here on it says nothing; nobody has closed anything.
    old.stop_beating();

    // Not even the device is the same as far as anybody can tell: the token alone decides.
    let stranger = Hello { device: DeviceId::new("another").expect("valid"), ..hello("ada") };
    let mut thief = ScriptedPeer::connect(server.address);
    thief.send(&ClientMessage::Hello(stranger.clone()));
    assert_eq!(thief.expect_goodbye(PATIENCE).reason, CloseReason::NameInUse);

    let resume = Resume {
        token: first.token.expect("a listed session has a token"),
        epoch: Some(first.epoch),
        views: Vec::new(),
    };
    let elsewhere = IpAddr::from([127, 0, 0, 2]);
    let mut new = ScriptedPeer::connect_from(elsewhere, server.address);
    let second = new.sign_in(Hello { resume: Some(resume), ..stranger });
    assert!(second.resumed);
    assert_eq!((second.session, second.token), (first.session, first.token));
    assert_eq!(old.expect_goodbye(PATIENCE).reason, CloseReason::Replaced);
    new.round_trip();

    watcher.read_for(Duration::from_secs(1));
    watcher.round_trip();
    assert_eq!(watcher.list.names(), ["ada", "watcher"]);
    assert_eq!((watcher.joins.len(), watcher.leaves.len()), (1, 0), "nobody saw anything");
}
