//! Who takes too much: floods, slow writers, silent crowds, lies about lengths. The ids are those of `docs/reliability.md`.

#[allow(dead_code, reason = "each test binary uses a part of the shared helpers")]
mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use herenow_protocol::limits::{CLIENT_FRAME_BYTES_MAX, HELLO_BYTES_MAX, SIGN_IN_DEADLINE};
use herenow_protocol::{ClientMessage, CloseReason, DisplayName, ServerMessage, Violation};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use support::peer::{Goodbye, Herd, Next, ScriptedPeer, hello};
use support::server::TestServer;
use support::{PATIENCE, now, say, wait_for};

/// This process needs a descriptor for each of its peers.
fn with_descriptors() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("there is a limit");
    assert!(hard >= 8_192, "{hard} descriptors are not enough for this test");
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(65_536), hard).expect("it may be raised to that");
}

/// Somebody who lives an ordinary life beside the abuse, and how long the answers to its heartbeats take.
struct Healthy {
    stop: Arc<AtomicBool>,
    life: thread::JoinHandle<(ScriptedPeer, Vec<Duration>)>,
}

impl Healthy {
    fn begin(server: SocketAddr, name: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (until, mut peer) = (Arc::clone(&stop), ScriptedPeer::watching(server, name));
        let life = thread::spawn(move || {
            let mut trips = Vec::new();
            while !until.load(Ordering::Relaxed) {
                trips.push(peer.round_trip());
                peer.read_for(Duration::from_millis(100));
            }
            (peer, trips)
        });
        Self { stop, life }
    }

    /// Ends it, and tells how it was.
    fn end(self, beside: &str) -> ScriptedPeer {
        self.stop.store(true, Ordering::Relaxed);
        let (mut peer, mut trips) = self.life.join().expect("it kept its connection");
        trips.sort_unstable();
        let p99 = trips[(trips.len() * 99).div_ceil(100).min(trips.len()) - 1];
        say(&format!("beside {beside}: {} round trips, p99 {p99:?}", trips.len()));
        peer.round_trip();
        peer
    }
}

/// G8: 100 who watch and never read, beside people who come and go.
#[test]
fn a15_watchers_that_never_read_cost_little_and_are_told_or_sent_away() {
    const LAZY: usize = 100;
    const GROWTH_MAX: u64 = 12_800 * 1024;
    with_descriptors();
    let server = TestServer::start(&["--grace", "0s", "--heartbeat", "1s"]);
    let address = server.address;
    let healthy = Healthy::begin(address, "healthy");
    let mut lazy: Vec<_> =
        (0..LAZY).map(|n| ScriptedPeer::watching(address, &format!("lazy {n}"))).collect();
    let churn = |thread: usize, rounds: usize| {
        move || {
            for round in 0..rounds {
                // The longest of names.
                let name = format!("{thread} {round} {}", "x".repeat(64));
                let mut wish = hello(&format!("{thread} {round}"));
                wish.name = DisplayName::new(&name[..64]).expect("64 bytes are allowed");
                let mut peer = ScriptedPeer::connect(address);
                peer.sign_in(wish);
                peer.send(&ClientMessage::Goodbye { reason: CloseReason::Goodbye });
            }
        }
    };
    thread::spawn(churn(9, 100)).join().expect("people may come and go");
    for lazy in &mut lazy {
        lazy.beat();
    }
    let before = server.resident_bytes();
    let start = now();
    let threads: Vec<_> = (0..4).map(|thread| thread::spawn(churn(thread, 300))).collect();
    let mut beaten = now();
    while threads.iter().any(|thread| !thread.is_finished()) {
        if beaten.elapsed() > Duration::from_millis(700) {
            // Alive they are, and the server may have sent them away.
            lazy.iter_mut().for_each(|lazy| drop(lazy.try_send(&beat_bytes())));
            beaten = now();
        }
        thread::sleep(Duration::from_millis(20));
    }
    let took = start.elapsed();
    threads.into_iter().for_each(|thread| thread.join().expect("people may come and go"));
    let growth = server.resident_bytes().saturating_sub(before);
    say(&format!(
        "A15: {:.0} comings and goings a second before {LAZY} who never read grew the server by {} KiB",
        2_400.0 / took.as_secs_f64(),
        growth / 1024
    ));
    assert!(growth <= GROWTH_MAX, "{growth} bytes");
    let peer = healthy.end("A15");
    assert!(peer.leaves.iter().all(|leave| leave.cause != CloseReason::HeartbeatTimeout));
    // Who reads again gets an exact list, or a reason.
    let fates: Vec<_> = lazy.iter_mut().map(fate).collect();
    say(&format!(
        "A15: {} of {LAZY} got a list when they read again",
        fates.iter().filter(|told| **told).count()
    ));
}

fn beat_bytes() -> bytes::Bytes {
    ClientMessage::Heartbeat { n: 1, round_trip_us: 0 }.encode()
}

/// Whether a reader that was slow has a whole list in the end; else it was told why it is sent away.
fn fate(lazy: &mut ScriptedPeer) -> bool {
    loop {
        if lazy.try_send(&beat_bytes()).is_err() {
            return false;
        }
        match lazy.next(PATIENCE) {
            Next::Message(ServerMessage::HeartbeatAck { views, .. }) if !views.is_empty() => {
                return true;
            }
            Next::Message(ServerMessage::Goodbye { reason, .. }) => {
                assert_eq!(reason, CloseReason::SlowConsumer);
                return false;
            }
            Next::Message(_) => {}
            Next::Closed | Next::Broken(_) => return false,
            Next::Nothing => panic!("neither a list nor a goodbye"),
        }
    }
}

#[test]
fn a16_a_flood_that_reads_is_held_to_its_rate_and_then_sent_away() {
    let server = TestServer::start(&["--heartbeat", "1s"]);
    let healthy = Healthy::begin(server.address, "healthy");
    let mut flooder = ScriptedPeer::signed_in(server.address, "flooder");
    let (start, used) = (now(), server.cpu_time());
    let beats = beat_bytes().repeat(20);
    let mut acks = 0_u32;
    let goodbye = loop {
        // What the server does not take is not sent: the flood waits in the sockets between the two.
        flooder.flood(&beats, Duration::from_millis(1));
        match flooder.next(Duration::from_millis(1)) {
            Next::Message(ServerMessage::HeartbeatAck { .. }) => acks += 1,
            Next::Message(ServerMessage::Goodbye { reason, reconnect, .. }) => {
                break Some((reason, reconnect));
            }
            Next::Closed | Next::Broken(_) => break None,
            _ => {}
        }
        assert!(start.elapsed() < PATIENCE, "it is never sent away");
    };
    let took = start.elapsed().as_secs_f64();
    let share = (server.cpu_time() - used).as_secs_f64() / took;
    say(&format!(
        "A16: {acks} answers in {took:.1} s, then sent away; {:.1} % of a core",
        share * 100.0
    ));
    // Unread bytes may break the connection before the goodbye is read.
    assert!(
        goodbye.is_none_or(|goodbye| goodbye == (CloseReason::TooManyRequests, true)),
        "{goodbye:?}"
    );
    assert!(f64::from(acks) <= 60.0 + 20.0 * took, "{acks} answers in {took} s");
    assert!(took >= 10.0, "it had its chances");
    let mut peer = healthy.end("A16");
    assert_eq!(peer.expect_leave("flooder", PATIENCE).cause, CloseReason::TooManyRequests);
}

#[test]
fn a17_who_trickles_a_sign_in_is_sent_away_at_the_deadline() {
    const CROWD: usize = 500;
    with_descriptors();
    let server = TestServer::start(&[]);
    let healthy = Healthy::begin(server.address, "healthy");
    let bytes = ClientMessage::Hello(hello("slow")).encode();
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push((now(), ScriptedPeer::connect(server.address)));
    }
    let mut times = Vec::new();
    let mut sent = 0;
    while !crowd.is_empty() {
        crowd.retain_mut(|(connected_at, peer)| {
            // The byte may meet a closed door.
            let _ = peer.try_send(&bytes[sent..=sent]);
            match peer.next(Duration::from_micros(50)) {
                Next::Message(ServerMessage::Goodbye { reason, .. }) => {
                    assert_eq!(reason, CloseReason::SignInTimeout);
                    times.push(connected_at.elapsed());
                    false
                }
                Next::Closed | Next::Broken(_) => {
                    times.push(connected_at.elapsed());
                    false
                }
                _ => true,
            }
        });
        sent = (sent + 1).min(bytes.len() - 2);
        thread::sleep(Duration::from_millis(100));
        let _ = sent;
    }
    support::say_spread("A17: who trickled was sent away after", None, &times);
    assert_eq!(times.len(), CROWD);
    assert!(times.iter().all(|time| *time >= SIGN_IN_DEADLINE), "{:?}", times.iter().min());
    healthy.end("A17");
}

#[test]
fn a18_a_silent_crowd_sheds_its_oldest_and_a_sign_in_works_beside_it() {
    const CROWD: usize = 2_000;
    const PLACES: usize = 500;
    with_descriptors();
    let server = TestServer::start(&["--pre-sign-in-max", "500", "--threads", "1"]);
    let healthy = Healthy::begin(server.address, "healthy");
    let before = server.resident_bytes();
    let mut crowd: Vec<_> = (0..CROWD).map(|_| ScriptedPeer::connect(server.address)).collect();
    let start = now();
    ScriptedPeer::signed_in(server.address, "newcomer");
    let took = start.elapsed();
    let each = server.resident_bytes().saturating_sub(before) / PLACES as u64;
    say(&format!(
        "A18: beside {CROWD} silent connections a sign-in took {took:?}; {each} bytes for each that has a place"
    ));
    assert!(each <= 8 * 1024, "{each} bytes");
    // The oldest make place, in order; the newest keep theirs until the deadline.
    let goodbyes: Vec<_> =
        crowd[..CROWD - PLACES].iter_mut().map(|peer| peer.expect_goodbye(PATIENCE)).collect();
    for Goodbye { reason, reconnect, come_back_after } in goodbyes {
        assert_eq!((reason, reconnect), (CloseReason::ServerFull, true));
        assert!(come_back_after >= Duration::from_secs(1));
    }
    for peer in &mut crowd[CROWD - PLACES + 1..] {
        assert_eq!(peer.expect_goodbye(PATIENCE).reason, CloseReason::SignInTimeout);
    }
    healthy.end("A18");
}

/// What is no frame: the bytes, and what is wrong with them; `None` if only the deadline tells.
fn lies() -> Vec<(&'static str, Vec<u8>, Option<Violation>)> {
    let length = |length: u16| length.to_be_bytes().to_vec();
    let over = u16::try_from(HELLO_BYTES_MAX + 1).expect("two bytes hold it");
    let most = u16::try_from(HELLO_BYTES_MAX).expect("two bytes hold it");
    let client_hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03].to_vec();
    vec![
        ("length 0", length(0), Some(Violation::EmptyFrame)),
        ("length 1, no message", [length(1), vec![0xc1]].concat(), Some(Violation::NotMessagePack)),
        ("the most, never sent", length(most), None),
        ("one more than the most", length(over), Some(Violation::FrameTooLong)),
        (
            "the most that a signed-in client may send",
            length(CLIENT_FRAME_BYTES_MAX as u16),
            Some(Violation::FrameTooLong),
        ),
        ("2^16 - 1", length(u16::MAX), Some(Violation::FrameTooLong)),
        ("2^31 in four bytes", vec![0x80, 0, 0, 0], Some(Violation::FrameTooLong)),
        ("2^32 - 1 in four bytes", vec![0xff; 4], Some(Violation::FrameTooLong)),
        ("an HTTP request", b"GET / HTTP/1.1\r\n\r\n".to_vec(), Some(Violation::FrameTooLong)),
        ("a TLS ClientHello", client_hello, Some(Violation::FrameTooLong)),
        (
            "a PROXY header",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n".to_vec(),
            Some(Violation::FrameTooLong),
        ),
    ]
}

#[test]
fn a19_lies_about_lengths_end_one_connection_with_its_reason() {
    let server = TestServer::start(&[]);
    let healthy = Healthy::begin(server.address, "healthy");
    let mut violations = BTreeMap::new();
    for (what, bytes, violation) in lies() {
        let mut liar = ScriptedPeer::connect(server.address);
        liar.try_send(&bytes).expect("the server listens");
        let reason = liar.expect_goodbye(PATIENCE).reason;
        match violation {
            Some(violation) => {
                assert_eq!(reason, CloseReason::ProtocolError(violation), "{what}");
                *violations.entry(violation.name()).or_insert(0) += 1;
            }
            None => assert_eq!(reason, CloseReason::SignInTimeout, "{what}"),
        }
        assert!(matches!(liar.next(PATIENCE), Next::Closed | Next::Broken(_)), "{what}");
    }
    say(&format!("A19: {violations:?}"));
    // After the sign-in the limit is another one.
    let mut liar = ScriptedPeer::signed_in(server.address, "liar");
    let over = u16::try_from(CLIENT_FRAME_BYTES_MAX + 1).expect("two bytes hold it");
    liar.try_send(&over.to_be_bytes()).expect("the server listens");
    let reason = liar.expect_goodbye(PATIENCE).reason;
    assert_eq!(reason, CloseReason::ProtocolError(Violation::FrameTooLong));
    healthy.end("A19");
}

/// G15: the kernel keeps a storm while the server does not run.
#[test]
fn a24_a_storm_while_the_server_is_stopped_waits_in_the_kernel() {
    const CROWD: usize = 2_000;
    with_descriptors();
    let server = TestServer::start(&[]);
    let mut watcher = ScriptedPeer::watching(server.address, "watcher");
    let overflows = listen_overflows();
    server.signal(Signal::SIGSTOP);
    let call = |n| {
        let mut peer = ScriptedPeer::connect(server.address);
        peer.send(&ClientMessage::Hello(hello(&format!("user {n}"))));
        peer
    };
    let mut crowd: Vec<_> = (0..CROWD).map(call).collect();
    thread::sleep(Duration::from_secs(1));
    let thawed_at = now();
    server.signal(Signal::SIGCONT);
    for peer in &mut crowd {
        peer.expect("a Welcome", PATIENCE, |message| {
            matches!(message, ServerMessage::Welcome(_)).then_some(())
        });
    }
    let took = thawed_at.elapsed();
    say(&format!(
        "A24: {CROWD} were welcomed {took:?} after the server went on; {} overflows",
        listen_overflows() - overflows
    ));
    assert_eq!(listen_overflows(), overflows, "connections were turned away by the kernel");
    watcher.read_until("everybody", PATIENCE, |watcher| watcher.list.names().len() == CROWD + 1);
}

/// How many connections the kernel could not queue, by `/proc/net/netstat`.
fn listen_overflows() -> u64 {
    let text = std::fs::read_to_string("/proc/net/netstat").expect("the kernel counts");
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let place = names.split_whitespace().position(|name| name == "ListenOverflows");
    let value = values.split_whitespace().nth(place.expect("the kernel counts overflows"));
    value.and_then(|value| value.parse().ok()).expect("a number")
}

#[test]
fn a27_who_comes_and_goes_as_fast_as_possible_is_seen_twice_a_second() {
    let server = TestServer::start(&["--grace", "0s"]);
    let mut watcher = ScriptedPeer::watching(server.address, "watcher");
    let (address, start) = (server.address, now());
    let churn = thread::spawn(move || {
        let (mut welcomed, mut refused) = (0_u32, 0_u32);
        while start.elapsed() < Duration::from_secs(5) {
            let mut peer = ScriptedPeer::connect(address);
            peer.send(&ClientMessage::Hello(hello("restless")));
            let message = peer.expect("an answer", PATIENCE, |message| Some(message.clone()));
            match message {
                ServerMessage::Welcome(_) => {
                    welcomed += 1;
                    peer.send(&ClientMessage::Goodbye { reason: CloseReason::Goodbye });
                }
                ServerMessage::Goodbye { reason, reconnect, come_back_after_ms, .. } => {
                    assert_eq!((reason, reconnect), (CloseReason::TooManyRequests, true));
                    assert!(come_back_after_ms >= 1_000);
                    refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        (welcomed, refused)
    });
    while !churn.is_finished() {
        watcher.read_for(Duration::from_millis(50));
    }
    let (welcomed, refused) = churn.join().expect("the server answers");
    watcher.round_trip();
    let seconds = start.elapsed().as_secs_f64();
    say(&format!(
        "A27: in {seconds:.1} s {welcomed} sign-ins were welcome, {refused} were not; watchers saw {} joins",
        watcher.joins.len()
    ));
    assert!(refused > 0, "nobody was held up");
    assert!(f64::from(welcomed) <= 17.0 + 2.0 * seconds, "{welcomed} in {seconds} s");
    assert!(watcher.joins.len() <= welcomed as usize);
    // Nobody else pays.
    ScriptedPeer::signed_in(server.address, "newcomer");
}

#[test]
fn who_changes_status_all_the_time_is_held_to_one_a_second() {
    use herenow_protocol::{Choice, Status, StatusText};
    let server = TestServer::start(&[]);
    let mut talker = ScriptedPeer::signed_in(server.address, "talker");
    let start = now();
    for n in 0..8 {
        let text = StatusText::new(&format!("{n}")).expect("a test text is valid");
        let choice = Choice::chosen(Status::Busy, text);
        talker.send(&ClientMessage::SetStatus { request: n, choice });
    }
    for n in 0..8 {
        talker.expect_result(n);
    }
    // Five at once; the three others take a second each, less what passed meanwhile.
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    talker.round_trip();
}

#[test]
fn a_server_with_all_its_places_taken_says_so_and_takes_the_next_when_one_is_free() {
    let server = TestServer::start(&["--connections-max", "3"]);
    let mut users: Vec<_> =
        (0..3).map(|n| ScriptedPeer::signed_in(server.address, &format!("user {n}"))).collect();
    let mut late = ScriptedPeer::connect(server.address);
    let Goodbye { reason, reconnect, come_back_after } = late.expect_goodbye(PATIENCE);
    assert_eq!((reason, reconnect), (CloseReason::ServerFull, true));
    assert!(come_back_after >= Duration::from_secs(1));
    users.pop();
    wait_for("a place", PATIENCE, || {
        let mut next = ScriptedPeer::connect(server.address);
        next.try_send(&ClientMessage::Hello(hello("next")).encode()).ok()?;
        matches!(next.next(PATIENCE), Next::Message(ServerMessage::Welcome(_))).then_some(())
    });
    for user in &mut users {
        user.round_trip();
    }
}

/// A23 without a control group: what the server may occupy is told it by a flag.
#[test]
fn a23_a_server_short_of_memory_sheds_who_has_not_signed_in_and_keeps_the_others() {
    with_descriptors();
    let probe = TestServer::start(&["--threads", "2"]);
    // A server of this kind at rest takes so much; half as much again is short soon.
    let limit = probe.resident_bytes() * 5 / 4;
    drop(probe);
    let server = TestServer::start(&["--threads", "2", "--memory-max", &limit.to_string()]);
    let healthy = Healthy::begin(server.address, "healthy");
    let mut crowd = Vec::new();
    wait_for("a refusal", PATIENCE, || {
        crowd.extend((0..50).filter_map(|_| std::net::TcpStream::connect(server.address).ok()));
        server.log().contains("short").then_some(())
    });
    say(&format!("A23: short of memory after {} silent connections", crowd.len()));
    let mut late = ScriptedPeer::connect(server.address);
    assert_eq!(late.expect_goodbye(PATIENCE).reason, CloseReason::ServerFull);
    let peer = healthy.end("A23");
    let _stays = Herd::of(vec![peer]);
}

/// The same bytes with the first run of as many `x` as `words` has bytes replaced: what no valid value would encode.
fn forged(frame: &[u8], words: &str) -> Vec<u8> {
    let run = "x".repeat(words.len());
    let at = frame.windows(run.len()).position(|window| window == run.as_bytes());
    let at = at.expect("the frame has a run of that length");
    [&frame[..at], words.as_bytes(), &frame[at + run.len()..]].concat()
}

fn with_a_trace() -> TestServer {
    let mut command = std::process::Command::new("env");
    command.args(["RUST_LOG=trace", support::server::HERENOW]);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    TestServer::spawn(command)
}

fn assert_log_is_clean(log: &str) {
    let raw = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
    assert!(!log.contains(raw), "{}", log.escape_debug());
    assert!(log.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{log}");
}

/// A36, as far as single names go.
#[test]
fn a36_names_that_deceive_are_refused_and_never_reach_the_log() {
    let server = with_a_trace();
    let mut watcher = ScriptedPeer::watching(server.address, "watcher");
    let names = [
        "abc\u{202e}cba", // what follows is shown from right to left
        "ad\u{200d}a",    // joins, and does not show
        "ad\u{200b}a",    // a space without width
        "ad\0a",
        "ad\na",
        "\u{1b}[31mada",
        "ade\u{301}",  // not the composed form
        "ad\u{2028}a", // another line
        " ada",
        "ad  a",
    ];
    for name in names {
        let mut wish = hello("any");
        wish.name = DisplayName::new(&"x".repeat(name.len())).expect("a run of letters is valid");
        let mut liar = ScriptedPeer::connect(server.address);
        let bytes = forged(&ClientMessage::Hello(wish).encode(), name);
        liar.try_send(&bytes).expect("the server listens");
        assert_eq!(liar.expect_goodbye(PATIENCE).reason, CloseReason::BadHello, "{name:?}");
    }
    watcher.round_trip();
    assert!(watcher.joins.is_empty(), "{:?}", watcher.joins);
    assert_log_is_clean(&server.log());
}

/// A37.
#[test]
fn a37_a_text_cannot_write_lines_of_its_own_into_the_log() {
    use herenow_protocol::{Choice, ErrorCode, Status, StatusText};
    let server = with_a_trace();
    let mut liar = ScriptedPeer::signed_in(server.address, "liar");
    for text in ["ok\n2026-01-01 INFO login ok", "\u{1b}]0;title\u{7}", "left\u{202e}right"] {
        let valid = StatusText::new(&"x".repeat(text.len())).expect("a run of letters is valid");
        let choice = Choice::chosen(Status::Busy, valid);
        let bytes = forged(&ClientMessage::SetStatus { request: 7, choice }.encode(), text);
        liar.try_send(&bytes).expect("the server listens");
        let code = liar.expect("an error", PATIENCE, |message| match message {
            ServerMessage::Error { request: 7, code, .. } => Some(*code),
            _ => None,
        });
        assert_eq!(code, ErrorCode::BadRequest, "{text:?}");
    }
    liar.round_trip();
    assert_log_is_clean(&server.log());
}
