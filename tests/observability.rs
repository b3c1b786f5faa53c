//! What a server tells of itself: metrics, health over HTTP, and its log.

#[allow(dead_code, reason = "each test binary uses a part of the shared helpers")]
mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use herenow_protocol::{Choice, ClientMessage, CloseReason, Status, StatusText};
use nix::sys::signal::Signal;
use support::peer::{ScriptedPeer, hello};
use support::server::TestServer;
use support::{PATIENCE, wait_for};

/// A server that answers operators too, and where.
fn observed(arguments: &[&str]) -> (TestServer, SocketAddr) {
    let server = TestServer::start(&[&["--admin-listen", "127.0.0.1:0"], arguments].concat());
    let address = wait_for("the admin address", PATIENCE, || {
        let log = server.log();
        let line = log.lines().find(|line| line.contains("operators may ask"))?;
        let line: serde_json::Value = serde_json::from_str(line).expect("a log line is JSON");
        line["address"].as_str()?.parse().ok()
    });
    (server, address)
}

/// Status and body of a request.
fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("operators are answered");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
    let request = format!("GET {path} HTTP/1.1\r\nHost: herenow\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    (status.expect("the first line has a status"), body.to_owned())
}

/// Every figure by its name and labels.
fn figures(address: SocketAddr) -> BTreeMap<String, f64> {
    let (status, text) = get(address, "/metrics");
    assert_eq!(status, 200, "{text}");
    let figure = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(figure).collect()
}

#[test]
fn figures_follow_what_happens_and_name_nobody() {
    let (server, admin) = observed(&["--grace", "0s", "--heartbeat", "200ms"]);
    let mut watcher = ScriptedPeer::watching(server.address, "watcher");
    let mut leaver = ScriptedPeer::signed_in(server.address, "very-secret-name");
    watcher.expect_join("very-secret-name", PATIENCE);
    let text = StatusText::new("very-secret-text").expect("a test text is valid");
    let choice = Choice::chosen(Status::Busy, text);
    leaver.send(&ClientMessage::SetStatus { request: 1, choice });
    leaver.round_trip();
    let mut silent = ScriptedPeer::signed_in(server.address, "silent");
    watcher.expect_join("silent", PATIENCE);
    let before = figures(admin);
    assert_eq!(before["herenow_connections"], 3.0);
    assert_eq!(before["herenow_sessions"], 3.0);
    assert_eq!(before["herenow_users"], 3.0);
    assert_eq!(before["herenow_sign_ins_total{result=\"welcomed\"}"], 3.0);

    leaver.send(&ClientMessage::Goodbye { reason: CloseReason::Goodbye });
    watcher.expect_leave("very-secret-name", PATIENCE);
    silent.stop_beating();
    watcher.expect_leave("silent", PATIENCE);
    let mut liar = ScriptedPeer::connect(server.address);
    liar.try_send(&[0, 0]).expect("the server listens");
    liar.expect_goodbye(PATIENCE);
    let mut taken = hello("watcher");
    taken.device = herenow_protocol::DeviceId::new("another").expect("valid");
    let mut thief = ScriptedPeer::connect(server.address);
    thief.send(&ClientMessage::Hello(taken));
    thief.expect_goodbye(PATIENCE);
    watcher.round_trip();

    let after = wait_for("every close", PATIENCE, || {
        let after = figures(admin);
        (after["herenow_closes_total{reason=\"name_in_use\"}"] >= 1.0).then_some(after)
    });
    for (name, expected) in [
        ("herenow_closes_total{reason=\"goodbye\"}", 1.0),
        ("herenow_closes_total{reason=\"heartbeat_timeout\"}", 1.0),
        ("herenow_closes_total{reason=\"protocol_error\"}", 1.0),
        ("herenow_protocol_errors_total{violation=\"empty_frame\"}", 1.0),
        ("herenow_sign_ins_total{result=\"name_in_use\"}", 1.0),
        ("herenow_offline_detection_seconds_count", 1.0),
        ("herenow_detection_bound_exceeded_total", 0.0),
    ] {
        assert_eq!(after.get(name), Some(&expected), "{name}");
    }
    // The silence that decided is in the figure: five beats of 200 ms.
    assert!(after["herenow_offline_detection_seconds_sum"] >= 1.0, "{after:?}");
    for growing in [
        "herenow_frames_total{direction=\"in\"}",
        "herenow_frames_total{direction=\"out\"}",
        "herenow_bytes_total{direction=\"in\"}",
        "herenow_bytes_total{direction=\"out\"}",
        "herenow_heartbeats_total",
        "herenow_fanout_seconds_count",
        "herenow_accepted_total",
    ] {
        assert!(
            after[growing] > before[growing],
            "{growing}: {} {}",
            before[growing],
            after[growing]
        );
    }
    assert!(after["herenow_resident_memory_bytes"] > 1e6);
    let (_, text) = get(admin, "/metrics");
    assert!(!text.contains("secret") && !text.contains("127.0.0.1"), "{text}");
}

#[test]
fn every_byte_that_a_client_reads_is_counted() {
    let (server, admin) = observed(&["--threads", "1"]);
    let mut peer = ScriptedPeer::connect(server.address);
    peer.sign_in(hello("ada"));
    peer.round_trip();
    peer.send(&ClientMessage::Goodbye { reason: CloseReason::Goodbye });
    while !matches!(peer.next(PATIENCE), support::peer::Next::Closed) {}
    let figures = figures(admin);
    let (frames, bytes) =
        ("herenow_frames_total{direction=\"out\"}", "herenow_bytes_total{direction=\"out\"}");
    assert!(figures[frames] >= 2.0, "a welcome and an ack: {}", figures[frames]);
    assert!(figures[bytes] > 40.0 && figures[bytes] < 1_000.0, "{}", figures[bytes]);
}

#[test]
fn health_says_alive_ready_and_stopping() {
    let (server, admin) =
        observed(&["--heartbeat", "10s", "--frames-per-second", "0", "--bytes-per-second", "0"]);
    assert_eq!(get(admin, "/livez"), (200, "alive\n".to_owned()));
    let (status, body) = get(admin, "/readyz");
    assert_eq!((status, body.contains("\"ready\":true")), (200, true), "{body}");
    assert_eq!(get(admin, "/nothing").0, 404);
    // The registry is probed every second.
    wait_for("a probe", PATIENCE, || {
        (figures(admin)["herenow_registry_lag_seconds_count"] >= 1.0).then_some(())
    });
    // Somebody takes nothing, so that the stop takes a while.
    let mut clogged = ScriptedPeer::signed_in(server.address, "clogged");
    let beats = ClientMessage::Heartbeat { n: 1, round_trip_us: 0 }.encode().repeat(64);
    clogged.flood(&beats, Duration::from_millis(200));
    assert!(figures(admin)["herenow_outbox_bytes"] > 0.0);
    server.signal(Signal::SIGTERM);
    wait_for("the stop to be told", PATIENCE, || {
        let (status, body) = get(admin, "/readyz");
        (status == 503 && body.contains("stopping")).then_some(())
    });
}

#[test]
fn the_log_is_json_where_nobody_looks_and_never_holds_raw_names_or_secrets() {
    let server = {
        let mut command = std::process::Command::new("env");
        command.args(["RUST_LOG=trace", support::server::HERENOW]);
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-filter", "trace"]);
        TestServer::spawn(command)
    };
    let mut peer = ScriptedPeer::connect(server.address);
    let mut wish = hello("zoe");
    wish.name = herenow_protocol::DisplayName::new("Zoë 李").expect("valid");
    let welcome = peer.sign_in(wish);
    let token = welcome.token.expect("a listed session has a token").0;
    peer.round_trip();
    drop(peer);
    wait_for("the end in the log", PATIENCE, || server.log().contains("connection").then_some(()));
    let log = server.log();
    for line in log.lines() {
        let parsed: serde_json::Value =
            serde_json::from_str(line).expect("every line is one JSON object");
        for field in ["timestamp", "level", "message"] {
            assert!(!parsed[field].is_null(), "{field} is missing: {line}");
        }
    }
    let hex: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!log.to_lowercase().contains(&hex) && !log.contains(&format!("{token:?}")), "{log}");
    assert!(!log.contains("Zoë"), "{log}");
    assert!(!log.bytes().any(|byte| byte < 0x20 && byte != b'\n'), "a raw control byte");
}
