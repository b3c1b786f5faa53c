//! TLS between real peers: who is trusted, what a certificate's change does, and what a port that speaks TLS makes of
//! whatever else comes to it.

#[allow(dead_code, reason = "each test binary uses a part of the shared helpers")]
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use herenow_client::protocol::{ClientMessage, CloseReason, DeviceId, DisplayName, ServerMessage};
use herenow_client::{Disconnect, Distrust, Event, Options, Trust, connect_through, link::Network};
use herenow_protocol::frame::split_body;
use herenow_protocol::limits::SERVER_FRAME_BYTES_MAX;
use nix::sys::signal::Signal;
use support::certificates::Authority;
use support::peer::{ScriptedPeer, hello};
use support::server::{HERENOW, TestServer};
use support::{PATIENCE, now, wait_for};

/// A year whose end has passed, and one whose end has not.
const PAST: i32 = 2020;
const FUTURE: i32 = 2090;

/// Signs in once, waits for the lobby's list, and says who is in it.
fn visit(server: &str, trust: Trust, folder: &Path, name: &str) -> Result<Vec<String>, Disconnect> {
    let name = DisplayName::new(name).expect("a test name is valid");
    let device = DeviceId::new("a-device").expect("a test device is valid");
    let options = Options { reconnect: false, ..Options::new(server, name, device) };
    let network = Network::new(trust).remembering_in(folder.to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        let (client, mut connection) = connect_through(network, options, 7);
        loop {
            match connection.next().await.expect("it ends with a reason") {
                Event::Snapshot { .. } => break,
                Event::Closed { reason, .. } => return Err(reason),
                _ => {}
            }
        }
        let names = connection.view().entries().map(|entry| entry.name.to_string()).collect();
        client.goodbye();
        while connection.next().await.is_some() {}
        Ok(names)
    })
}

/// Why a visit was given up.
fn distrust(server: &str, trust: Trust, folder: &Path) -> Distrust {
    match visit(server, trust, folder, "ada") {
        Err(Disconnect::Untrusted(why)) => why,
        other => panic!("{server} is not to be trusted: {other:?}"),
    }
}

/// `openssl s_client` towards a server, with this input, until it ends.
fn openssl(server: &TestServer, arguments: &[&str], input: &[u8]) -> Output {
    let mut process = Command::new("openssl")
        .args(["s_client", "-connect", &server.tls_address().to_string()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed: tests/support/packages.txt");
    let mut stdin = process.stdin.take().expect("its stdin is a pipe");
    // One that could not shake hands has closed it.
    let _ = stdin.write_all(input);
    drop(stdin);
    process.wait_with_output().expect("it ends with its connection")
}

fn messages(mut bytes: &[u8]) -> Vec<ServerMessage> {
    let mut messages = Vec::new();
    while let Some(body) = split_body(&mut bytes, SERVER_FRAME_BYTES_MAX).expect("whole frames") {
        let message = ServerMessage::decode(body).expect("sound frames");
        messages.push(message.expect("messages that we know"));
    }
    messages
}

#[test]
fn a41_openssl_signs_in_with_and_without_a_server_name() {
    let authority = Authority::new();
    let files = authority.certify("server", &["localhost", "127.0.0.1"], FUTURE);
    let server = TestServer::start(&files.flags());
    let authority_file = authority.file();
    let ca = ["-CAfile", authority_file.to_str().expect("a plain name"), "-verify_return_error"];
    let goodbye = ClientMessage::Goodbye { reason: CloseReason::Goodbye }.encode();
    for name in [["-servername", "localhost"].as_slice(), &["-noservername"]] {
        let hello = ClientMessage::Hello(hello("ada")).encode();
        let arguments = [&ca[..], name, &["-alpn", "herenow/1", "-quiet"]].concat();
        let output = openssl(&server, &arguments, &[&hello[..], &goodbye].concat());
        let said = messages(&output.stdout);
        assert!(matches!(said.first(), Some(ServerMessage::Welcome(_))), "{name:?}: {output:?}");
        assert!(matches!(said.last(), Some(ServerMessage::Goodbye { .. })), "{name:?}: {said:?}");
    }
    let report = openssl(&server, &["-alpn", "herenow/1", ca[0], ca[1]], b"");
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(report.contains("TLSv1.3"), "{report}");
    assert!(report.contains("ALPN protocol: herenow/1"), "{report}");
    assert!(report.contains("Verify return code: 0 (ok)"), "{report}");
}

#[test]
fn a41_an_older_tls_and_another_protocol_are_refused() {
    let authority = Authority::new();
    let server = TestServer::start(&authority.certify("server", &["127.0.0.1"], FUTURE).flags());
    for arguments in [["-tls1_2"].as_slice(), &["-alpn", "h2"]] {
        let output = openssl(&server, arguments, b"");
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
    }
    let folder = authority.folder();
    let pinned = server.tls.as_deref().expect("it speaks TLS");
    assert_eq!(visit(pinned, Trust::Known, folder, "ada"), Ok(vec!["ada".to_owned()]));
}

#[test]
fn an_authority_vouches_for_the_right_name_in_the_right_time_only() {
    let authority = Authority::new();
    let right = authority.certify("right", &["127.0.0.1"], FUTURE);
    let expired = authority.certify("expired", &["127.0.0.1"], PAST);
    let other_name = authority.certify("other-name", &["chat.example.org"], FUTURE);
    let strangers = Authority::new();
    let by_strangers = strangers.certify("server", &["127.0.0.1"], FUTURE);
    for (files, words) in [
        (right, None),
        (expired, Some("has expired")),
        (other_name, Some("is for another name")),
        (by_strangers, Some("no authority")),
    ] {
        let server = TestServer::start(&files.flags());
        let address = format!("tls://{}", server.tls_address());
        let trust = Trust::Authorities(authority.file());
        match words {
            None => {
                let seen = visit(&address, trust, authority.folder(), "ada");
                assert_eq!(seen, Ok(vec!["ada".to_owned()]), "{files:?}");
            }
            Some(words) => {
                let why = distrust(&address, trust, authority.folder());
                assert!(matches!(&why, Distrust::Unvouched(why) if why.contains(words)), "{why:?}");
            }
        }
    }
}

#[test]
fn an_unknown_server_is_refused_with_the_address_that_would_trust_it() {
    let authority = Authority::new();
    let server = TestServer::start(&authority.certify("server", &["127.0.0.1"], FUTURE).flags());
    let pinned = server.tls.clone().expect("it speaks TLS");
    let address = format!("tls://{}", server.tls_address());
    let folder = authority.folder();
    let why = distrust(&address, Trust::Known, folder);
    assert!(matches!(&why, Distrust::Unknown { pinned: told, .. } if *told == pinned), "{why:?}");
    // Given once, the fingerprint is remembered.
    assert_eq!(visit(&pinned, Trust::Known, folder, "ada"), Ok(vec!["ada".to_owned()]));
    assert_eq!(visit(&address, Trust::Known, folder, "ada"), Ok(vec!["ada".to_owned()]));
    let wrong = format!("{address}#{}", "0".repeat(64));
    let why = distrust(&wrong, Trust::Known, folder);
    assert!(matches!(why, Distrust::Unexpected { shown } if pinned.ends_with(&shown.to_string())));
}

#[test]
fn what_was_seen_at_the_first_contact_must_be_shown_ever_after() {
    let authority = Authority::new();
    let files = authority.certify("server", &["127.0.0.1"], FUTURE);
    let mut server = TestServer::start(&files.flags());
    let (address, listen) = (format!("tls://{}", server.tls_address()), server.tls_address());
    let folder = authority.folder();
    for _ in 0..2 {
        assert_eq!(visit(&address, Trust::FirstUse, folder, "ada"), Ok(vec!["ada".to_owned()]));
    }
    server.kill();
    let other = authority.certify("other", &["127.0.0.1"], FUTURE);
    let listen = listen.to_string();
    let mut flags = other.flags();
    flags[1] = &listen;
    let server = TestServer::start(&flags);
    let why = distrust(&address, Trust::FirstUse, folder);
    let pinned = server.tls.clone().expect("it speaks TLS");
    assert_eq!(why, Distrust::Changed { pinned: pinned.clone() });
    // Whoever was told the new fingerprint goes on, and so does everybody of this account.
    assert_eq!(visit(&pinned, Trust::Known, folder, "ada"), Ok(vec!["ada".to_owned()]));
    assert_eq!(visit(&address, Trust::Known, folder, "ada"), Ok(vec!["ada".to_owned()]));
}

#[test]
fn a_pinned_certificate_may_be_old_and_bear_any_name() {
    let authority = Authority::new();
    let server = TestServer::start(&authority.certify("server", &["elsewhere"], PAST).flags());
    wait_for("a warning", PATIENCE, || server.log().contains("has expired").then_some(()));
    let pinned = server.tls.as_deref().expect("it speaks TLS");
    let seen = visit(pinned, Trust::Known, authority.folder(), "ada");
    assert_eq!(seen, Ok(vec!["ada".to_owned()]));
}

#[test]
fn what_does_not_speak_tls_is_said_to() {
    let server = TestServer::start(&[]);
    let authority = Authority::new();
    let address = format!("tls://{}", server.address);
    let refused = visit(&address, Trust::FirstUse, authority.folder(), "ada");
    let Err(Disconnect::Unreachable(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("TLS"), "{why}");
    assert!(!authority.folder().join("known-servers").exists(), "nothing was learned of it");
}

#[test]
fn people_inside_and_outside_of_tls_see_one_list() {
    let authority = Authority::new();
    let server = TestServer::start(&authority.certify("server", &["127.0.0.1"], FUTURE).flags());
    let mut crowd: Vec<_> = (0..300)
        .map(|i| ScriptedPeer::signed_in(server.address, &format!("somebody with a long name {i}")))
        .collect();
    let pinned = server.tls.as_deref().expect("it speaks TLS");
    let seen = visit(pinned, Trust::Known, authority.folder(), "ada").expect("it is pinned");
    // It is proved exact, or there would have been no snapshot.
    assert_eq!(seen.len(), crowd.len() + 1);
    crowd.iter_mut().for_each(ScriptedPeer::stop_beating);
}

#[test]
fn sighup_and_a_change_of_the_files_bring_a_new_certificate() {
    let authority = Authority::new();
    let files = authority.certify("server", &["127.0.0.1"], FUTURE);
    let server = TestServer::start(&files.flags());
    let address = format!("tls://{}", server.tls_address());
    let (first, folder) = (server.tls.clone().expect("it speaks TLS"), authority.folder());
    let shown = |address: &str| match distrust(address, Trust::Known, folder) {
        Distrust::Unknown { pinned, .. } => pinned,
        other => panic!("nothing is remembered: {other:?}"),
    };
    assert_eq!(shown(&address), first);

    // A certificate whose key does not come with it is told, and not used.
    let next = authority.certify("next", &["127.0.0.1"], FUTURE);
    std::fs::copy(&next.certificate, &files.certificate).expect("the folder is ours");
    server.signal(Signal::SIGHUP);
    wait_for("the complaint", PATIENCE, || {
        server.log().contains("the old one stays").then_some(())
    });
    assert_eq!(shown(&address), first);

    next.replace(&files);
    server.signal(Signal::SIGHUP);
    let second = wait_for("the second certificate", PATIENCE, || {
        Some(shown(&address)).filter(|shown| *shown != first)
    });
    // Without a signal it takes a while.
    authority.certify("third", &["127.0.0.1"], FUTURE).replace(&files);
    wait_for("the third certificate", PATIENCE, || {
        Some(shown(&address)).filter(|shown| ![&first, &second].contains(&shown))
    });
}

#[test]
fn a41_plain_bytes_and_stalled_handshakes_end_and_harm_nobody() {
    let authority = Authority::new();
    let files = authority.certify("server", &["127.0.0.1"], FUTURE);
    let flags = [&files.flags()[..], &["--sign-in-deadline", "1s"]].concat();
    let server = TestServer::start(&flags);
    let mut healthy = ScriptedPeer::watching(server.address, "healthy");
    let connect = || TcpStream::connect(server.tls_address()).expect("it listens");

    // What is no TLS ends at once, with TLS's own word for that.
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], &ClientMessage::Hello(hello("ada")).encode()] {
        let mut stream = connect();
        stream.write_all(nonsense).expect("it is open");
        let mut answer = Vec::new();
        stream.set_read_timeout(Some(PATIENCE)).expect("it is open");
        // The rest of the nonsense may be answered with a reset.
        let _ = stream.read_to_end(&mut answer);
        assert!(matches!(answer[..], [] | [21, ..]), "an alert or nothing: {answer:?}");
    }

    // A handshake that begins and stalls: nothing, a part of the header, a header that announces more.
    let begun = now();
    let stalled = [&b""[..], &[22, 3], &[22, 3, 1, 2, 0, 1, 0, 1, 252]].map(|part| {
        let mut stream = connect();
        stream.write_all(part).expect("it is open");
        stream
    });
    let mut many: Vec<_> = (0..200).map(|_| connect()).collect();
    many.extend(stalled);
    healthy.round_trip();
    for mut stream in many {
        stream.set_read_timeout(Some(PATIENCE)).expect("it is open");
        let ended = stream.read(&mut [0; 16]);
        assert!(matches!(ended, Ok(0) | Err(_)), "nothing is said to them: {ended:?}");
        let kind = ended.err().map(|error| error.kind());
        assert_ne!(kind, Some(std::io::ErrorKind::WouldBlock), "the deadline is theirs too");
    }
    assert!(begun.elapsed() >= Duration::from_millis(900), "not before the deadline");
    healthy.round_trip();
    let pinned = server.tls.as_deref().expect("it speaks TLS");
    let seen = visit(pinned, Trust::Known, authority.folder(), "ada").expect("it is pinned");
    assert_eq!(seen.len(), 2);
}

#[test]
fn who_says_nothing_inside_tls_is_dismissed_at_the_deadline() {
    let authority = Authority::new();
    let files = authority.certify("server", &["127.0.0.1"], FUTURE);
    let flags = [&files.flags()[..], &["--sign-in-deadline", "1s"]].concat();
    let server = TestServer::start(&flags);
    let mut process = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &server.tls_address().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    let held = process.stdin.take();
    let output = process.wait_with_output().expect("the server ends it");
    drop(held);
    let said = messages(&output.stdout);
    let [ServerMessage::Goodbye { reason, .. }] = &said[..] else { panic!("{said:?}") };
    assert_eq!(*reason, CloseReason::SignInTimeout);
}

#[test]
fn the_command_line_speaks_tls_and_says_why_it_does_not() {
    let authority = Authority::new();
    let server = TestServer::start(&authority.certify("server", &["127.0.0.1"], FUTURE).flags());
    let address = format!("tls://{}", server.tls_address());
    let who = |arguments: &[&str]| {
        Command::new(HERENOW)
            .args(["who", "--json", "--server"])
            .args(arguments)
            .env("XDG_STATE_HOME", authority.folder())
            .output()
            .expect("the program can be started")
    };
    let refused = who(&[&address]);
    assert_eq!(refused.status.code(), Some(69), "{refused:?}");
    let words = String::from_utf8(refused.stderr).expect("messages are UTF-8");
    let pinned = server.tls.as_deref().expect("it speaks TLS");
    assert!(words.contains(pinned) && words.lines().count() == 1, "{words}");
    let authority_file = authority.file();
    let by_authority = who(&[&address, "--ca", authority_file.to_str().expect("a plain name")]);
    assert!(by_authority.status.success(), "{by_authority:?}");
    // An authority vouched for it, so a client that trusts none of that kind does not do with less.
    let lesser = who(&[&address, "--trust-first-use"]);
    assert_eq!(lesser.status.code(), Some(69), "{lesser:?}");
    assert!(who(&[pinned]).status.success());
    assert!(who(&[&address]).status.success(), "the fingerprint is remembered");
}

#[test]
fn a_server_whose_certificate_cannot_be_used_does_not_start() {
    let authority = Authority::new();
    let (one, other) = (
        authority.certify("one", &["127.0.0.1"], FUTURE),
        authority.certify("other", &["127.0.0.1"], FUTURE),
    );
    let mixed = support::certificates::Files { key: other.key, ..one };
    let output = Command::new(HERENOW)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(mixed.flags())
        .output()
        .expect("the program can be started");
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let words = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert!(words.contains("is not that of the certificate"), "{words}");
    assert!(output.stdout.is_empty(), "it greets although it refuses");
}
