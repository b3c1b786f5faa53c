//! Frozen, killed, broken off, starved and abused: what everyone else notices of it, and when.

#[allow(dead_code, reason = "each test binary uses a part of the shared helpers")]
mod support;

use std::thread;
use std::time::{Duration, Instant};

use herenow_protocol::limits::SIGN_IN_DEADLINE;
use herenow_protocol::{Choice, ClientMessage, CloseReason, Presence, Status, StatusText};
use nix::sys::signal::Signal;
use support::clients::{Client, Told};
use support::peer::{Herd, Next, ScriptedPeer, hello};
use support::server::{TestServer, UNLIMITED};
use support::{PATIENCE, now, say, say_spread, wait_for};

/// A client that must outlast a frozen server asks for beats so rare that its bound is longer.
const PATIENT: [&str; 2] = ["--heartbeat", "10s"];

fn names(kind: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{kind} {i:02}")).collect()
}

/// What a connection that never signed in hears at last, and when.
fn end_of_a_stranger(mut stranger: ScriptedPeer, limit: Duration) -> (Instant, CloseReason) {
    let reason = stranger.expect_goodbye(limit).reason;
    let at = now();
    assert!(matches!(stranger.next(PATIENCE), Next::Closed), "nothing follows a goodbye");
    (at, reason)
}

#[test]
fn a_server_that_was_frozen_drops_nobody_who_kept_beating() {
    let server = TestServer::start(&["--heartbeat", "1s"]);
    let mut peers: Vec<_> = names("peer", 49)
        .iter()
        .map(|name| ScriptedPeer::signed_in(server.address, name))
        .collect();
    peers.push(ScriptedPeer::watching(server.address, "watcher"));
    let herd = Herd::of(peers);
    let patient = Client::start(server.address, "patient", &PATIENT);
    patient.journal.wait_for_list(PATIENCE, server.started_at);
    // One who is gone when the server wakes up, and one who has not said a word.
    let mut mute = ScriptedPeer::connect(server.address);
    let welcome = mute.sign_in(hello("mute"));
    let bound = Duration::from_millis(welcome.detection_bound_ms);
    mute.stop_beating();
    let stranger = ScriptedPeer::connect(server.address);

    let frozen_at = now();
    server.signal(Signal::SIGSTOP);
    thread::sleep(Duration::from_secs(20));
    server.signal(Signal::SIGCONT);
    let thawed_at = now();
    let (stranger_at, reason) = end_of_a_stranger(stranger, PATIENCE);
    assert_eq!(reason, CloseReason::SignInTimeout);
    // Whoever was to be dropped by mistake is dropped within the bound.
    thread::sleep((bound + Duration::from_secs(1)).saturating_sub(thawed_at.elapsed()));

    let mut herd = herd.release();
    let dropped = herd.iter().filter(|herded| herded.end.is_some()).count();
    say(&format!("a server was frozen for 20 s: {dropped} of {} peers were dropped", herd.len()));
    assert_eq!(dropped, 0);
    let ended = patient.journal.find(frozen_at, |told| match told {
        Told::Closed(reason) => Some(reason.clone()),
        _ => None,
    });
    assert!(ended.is_none(), "a client with a longer bound gave up: {ended:?}");

    let watcher = &mut herd.last_mut().expect("there are fifty").peer;
    let leaves: Vec<_> = watcher.leaves.iter().map(|leave| (&*leave.name, leave.cause)).collect();
    assert_eq!(leaves, [("mute", CloseReason::HeartbeatTimeout)]);
    // The server forgave once: it counts from the end of its own stall.
    let took = watcher.leaves[0].at - thawed_at;
    assert!(took <= bound, "the one who had left was told after {took:?}, announced {bound:?}");
    say(&format!(
        "after the thaw: who had fallen silent was told gone after {took:?}, \
         who had said nothing was sent away after {:?}",
        stranger_at - thawed_at
    ));
}

#[test]
fn a_frozen_client_is_told_gone_although_its_kernel_answers_and_comes_back() {
    let server = TestServer::start(&["--heartbeat", "400ms"]);
    let mut watcher = ScriptedPeer::watching(server.address, "watcher");
    let client = Client::start(server.address, "frozen", &[]);
    client.journal.wait_for_list(PATIENCE, server.started_at);
    let bound = client.journal.rule().bound;
    watcher.expect_join("frozen", PATIENCE);

    let frozen_at = now();
    client.signal(Signal::SIGSTOP);
    let leave = watcher.expect_leave("frozen", PATIENCE);
    assert_eq!(leave.cause, CloseReason::HeartbeatTimeout);
    let took = leave.at - frozen_at;
    say(&format!("a client was frozen: told gone after {took:?}, announced {bound:?}"));
    assert!(took <= bound, "{took:?}");

    watcher.joins.clear();
    let thawed_at = now();
    client.signal(Signal::SIGCONT);
    // The server's goodbye is the first thing that it reads.
    let (_, reason) = client.journal.wait_for_end(PATIENCE, thawed_at);
    assert_eq!(reason, "heartbeat_timeout");
    watcher.expect_join("frozen", PATIENCE);
    client.journal.wait_for_list(PATIENCE, thawed_at);
    // It goes on with the list that it had, so it is told of its own leave and return.
    wait_for("the list with itself in it", PATIENCE, || {
        let here: Vec<_> = client.journal.list().into_iter().collect();
        (here == ["frozen", "watcher"]).then_some(())
    });
}

#[test]
fn a_connection_that_is_reset_ends_alone() {
    let mut server = TestServer::start(&[&["--grace", "0s"], &UNLIMITED[..]].concat());
    let mut watcher = ScriptedPeer::watching(server.address, "watcher");
    let beats = ClientMessage::Heartbeat { n: 1, round_trip_us: 0 }.encode().repeat(500);
    for name in names("reset", 100) {
        let mut peer = ScriptedPeer::watching(server.address, &name);
        watcher.expect_join(&name, PATIENCE);
        // The server has 500 answers to write, and half of another frame to read.
        peer.try_send(&beats).expect("the server reads");
        peer.try_send(&[0, 9, 0x92]).expect("the server reads");
        peer.reset();
        let leave = watcher.expect_leave(&name, PATIENCE);
        assert_eq!(leave.cause, CloseReason::ConnectionReset, "{name}");
    }
    assert_eq!(watcher.leaves.len(), 100);
    assert_eq!(watcher.list.names(), ["watcher"]);
    watcher.round_trip();
    assert!(server.is_running());
}

#[test]
fn a_client_that_is_killed_is_told_gone_after_the_grace_period() {
    const GRACE: Duration = Duration::from_secs(1);
    let server = TestServer::start(&["--grace", "1s"]);
    let mut watcher = ScriptedPeer::watching(server.address, "watcher");
    let client = Client::start(server.address, "killed", &[]);
    client.journal.wait_for_list(PATIENCE, server.started_at);
    watcher.expect_join("killed", PATIENCE);
    let killed_at = now();
    client.signal(Signal::SIGKILL);
    let leave = watcher.expect_leave("killed", PATIENCE);
    assert_eq!(leave.cause, CloseReason::ConnectionClosed);
    assert!(leave.at - killed_at >= GRACE, "{:?}", leave.at - killed_at);
    say(&format!("a client was killed: told gone after {:?}", leave.at - killed_at));
}

#[test]
fn clients_of_a_server_that_is_killed_know_at_once_and_come_back_to_the_next() {
    let mut server = TestServer::start(&[]);
    let names = names("client", 10);
    let clients: Vec<_> =
        names.iter().map(|name| Client::start(server.address, name, &[])).collect();
    let everyone = names.into_iter().collect();
    let all_lists_are_exact = |clients: &[Client]| {
        for Client { journal, .. } in clients {
            support::wait_for("an exact list", PATIENCE, || {
                (journal.list() == everyone).then_some(())
            });
        }
    };
    all_lists_are_exact(&clients);

    let killed_at = now();
    server.kill();
    let mut times = Vec::new();
    for Client { journal, .. } in &clients {
        let (at, reason) = journal.wait_for_end(PATIENCE, killed_at);
        assert!(["connection_closed", "connection_reset"].contains(&&*reason), "{reason}");
        times.push(at - killed_at);
    }
    say_spread("clients of a killed server knew after", None, &times);

    let restarted_at = now();
    let _server = TestServer::start_at(&server.address.to_string(), &[]);
    let back = |client: &Client| client.journal.wait_for_list(PATIENCE, restarted_at);
    let times: Vec<_> = clients.iter().map(|client| back(client) - restarted_at).collect();
    say_spread("clients were back at the next server after", None, &times);
    all_lists_are_exact(&clients);
}

#[test]
fn whoever_takes_too_long_to_sign_in_is_sent_away() {
    let server = TestServer::start(&[]);
    let hello = ClientMessage::Hello(hello("slow")).encode();
    let connected_at = now();
    let silent = ScriptedPeer::connect(server.address);
    let mut half = ScriptedPeer::connect(server.address);
    half.try_send(&hello[..hello.len() / 2]).expect("the server listens");
    let mut trickle = ScriptedPeer::connect(server.address);
    // The last byte of the Hello would be due long after the deadline.
    let mut bytes = hello[..hello.len() - 1].iter();
    while connected_at.elapsed() < SIGN_IN_DEADLINE - Duration::from_millis(250) {
        let byte = bytes.next().expect("the Hello is longer than the deadline");
        trickle.try_send(&[*byte]).expect("the server listens");
        thread::sleep(SIGN_IN_DEADLINE / u32::try_from(hello.len()).expect("a Hello is short"));
    }
    for stranger in [silent, half, trickle] {
        let (at, reason) = end_of_a_stranger(stranger, PATIENCE);
        assert_eq!(reason, CloseReason::SignInTimeout);
        let took = at - connected_at;
        assert!(took >= SIGN_IN_DEADLINE, "sent away after {took:?}");
        say(&format!("a stranger was sent away after {took:?}"));
    }
}

#[test]
fn a_server_without_descriptors_rests_serves_its_users_and_recovers() {
    let server = TestServer::start(&["--heartbeat", "500ms", "--grace", "0s"]);
    let address = server.address;
    let mut watcher = ScriptedPeer::watching(address, "watcher");
    let users = names("user", 20);
    let peers = users.iter().map(|name| ScriptedPeer::signed_in(address, name)).collect();
    let herd = Herd::of(peers);
    watcher.expect_join("user 19", PATIENCE);

    server.limit_descriptors(server.descriptors());
    // The kernel completes these connections; the server cannot take them.
    let waiting: Vec<_> = (0..200).map(|_| ScriptedPeer::connect(address)).collect();
    watcher.read_for(Duration::from_millis(500));
    let (start, used) = (now(), server.cpu_time());
    watcher.read_for(Duration::from_secs(4));
    let share = (server.cpu_time() - used).as_secs_f64() / start.elapsed().as_secs_f64();
    say(&format!("without descriptors the server used {:.1} % of a core", share * 100.0));
    assert!(share <= 0.05, "{share}");
    assert!(watcher.leaves.is_empty(), "{:?}", watcher.leaves);
    watcher.round_trip();

    // Those who waited give up, and a few users leave: their descriptors are enough for a newcomer.
    drop(waiting);
    let mut herd = herd.release();
    assert!(herd.iter().all(|herded| herded.end.is_none()), "{herd:?}");
    herd.truncate(10);
    let freed_at = now();
    let _stayed = Herd::of(herd.into_iter().map(|herded| herded.peer).collect());
    let mut newcomer = ScriptedPeer::watching(address, "newcomer");
    say(&format!("with descriptors again it took a newcomer after {:?}", freed_at.elapsed()));
    watcher.expect_join("newcomer", PATIENCE);
    newcomer.round_trip();
    assert_eq!(watcher.list.names().len(), 12);
}

#[test]
fn whoever_asks_and_never_reads_is_bounded_and_sent_away() {
    const GROWTH_MAX: u64 = 1024 * 1024;
    let server = TestServer::start(&[&["--heartbeat", "1s"], &UNLIMITED[..]].concat());
    let address = server.address;
    let mut watcher = ScriptedPeer::watching(address, "watcher");
    // The first of its kind touches memory that is used again for all others.
    for name in ["warm-up", "flooder"] {
        let before = server.resident_bytes();
        let flooder = thread::spawn(move || {
            let mut flooder = ScriptedPeer::signed_in(address, name);
            let beats = ClientMessage::Heartbeat { n: 1, round_trip_us: 0 }.encode().repeat(100);
            let sent = flooder.flood(&beats, PATIENCE);
            (flooder, sent)
        });
        watcher.expect_join(name, PATIENCE);
        let (mut growth, mut slowest) = (0, Duration::ZERO);
        while watcher.leaves.iter().all(|leave| leave.name != name) {
            slowest = slowest.max(watcher.round_trip());
            growth = growth.max(server.resident_bytes().saturating_sub(before));
            watcher.read_for(Duration::from_millis(20));
        }
        let leave = watcher.expect_leave(name, PATIENCE);
        assert_eq!(leave.cause, CloseReason::SlowConsumer);
        let (_, sent) = flooder.join().expect("it only writes");
        say(&format!(
            "{name}: {sent} bytes of heartbeats grew the server by {} KiB; \
             the slowest answer to another took {slowest:?}",
            growth / 1024
        ));
        assert!(growth <= GROWTH_MAX, "{growth} bytes");
    }
    assert_eq!(watcher.list.names(), ["watcher"]);
}

#[test]
fn a_watcher_that_does_not_read_for_a_while_gets_the_newest_list_and_costs_little() {
    const GROWTH_MAX: u64 = 1024 * 1024;
    const ROUNDS: usize = 150;
    let server = TestServer::start(&[&["--heartbeat", "2s"], &UNLIMITED[..]].concat());
    let mut healthy = ScriptedPeer::watching(server.address, "healthy");
    let names = names("talker", 40);
    let mut talkers: Vec<_> =
        names.iter().map(|name| ScriptedPeer::signed_in(server.address, name)).collect();
    let mut lazy = ScriptedPeer::watching(server.address, "lazy");
    let before = server.resident_bytes();

    // The longest of texts: a megabyte of news fills whatever server and kernel hold for the lazy one.
    let newest = |round: usize| {
        let text = StatusText::new(&format!("{round:0140}")).expect("140 characters are allowed");
        Presence::chosen(Status::Busy, text)
    };
    let (mut growth, mut beaten_at) = (0, now());
    for round in 0..ROUNDS {
        for talker in &mut talkers {
            let Presence { status, text, .. } = newest(round);
            let choice = Choice::chosen(status, text);
            talker.send(&ClientMessage::SetStatus { request: 1, choice });
        }
        talkers.iter_mut().for_each(|talker| talker.expect_result(1));
        // Every round is published, and not swallowed by the next one.
        let published = newest(round);
        healthy.read_until("this round", PATIENCE, |healthy| {
            names.iter().all(|name| healthy.list.presence(name) == Some(&published))
        });
        growth = growth.max(server.resident_bytes().saturating_sub(before));
        if beaten_at.elapsed() > Duration::from_secs(1) {
            beaten_at = lazy.beat();
        }
    }
    say(&format!("a lazy watcher grew the server by {} KiB", growth / 1024));
    assert!(growth <= GROWTH_MAX, "{growth} bytes");
    assert!(healthy.leaves.is_empty(), "{:?}", healthy.leaves);
    assert_eq!(healthy.list.snapshots(), 1, "who reads gets steps, not lists");

    let last = newest(ROUNDS - 1);
    lazy.read_until("the newest list", PATIENCE, |lazy| {
        let shows = |name: &String| lazy.list.presence(name) == Some(&last);
        lazy.list.is_complete() && names.iter().all(shows)
    });
    assert!(lazy.list.snapshots() > 1, "it was not slow enough to fall behind");
    // The ack proves the whole list once more.
    lazy.round_trip();
    assert_eq!(lazy.list.names(), healthy.list.names());
}

#[test]
fn the_shortest_heartbeat_keeps_its_bound() {
    let server = TestServer::start(&[]);
    let mut watcher = ScriptedPeer::watching(server.address, "watcher");
    let mut kept = false;
    // A machine that does something else for a tenth of a second gets another chance, visibly.
    for try_number in 1..=3 {
        let names = names(&format!("hasty {try_number}"), 10);
        let mut hasty: Vec<_> =
            names.iter().map(|_| ScriptedPeer::connect(server.address)).collect();
        let mut bound = Duration::ZERO;
        for (peer, name) in hasty.iter_mut().zip(&names) {
            let mut wish = hello(name);
            wish.heartbeat = Some(Duration::from_millis(100));
            let welcome = peer.sign_in(wish);
            assert_eq!((welcome.heartbeat_ms, welcome.misses), (100, 5));
            bound = Duration::from_millis(welcome.detection_bound_ms);
            assert_eq!(bound, Duration::from_millis(600));
        }
        let last_signs: Vec<_> = hasty
            .iter_mut()
            .map(|peer| {
                let last_sign = peer.beat();
                peer.stop_beating();
                last_sign
            })
            .collect();
        let silence = |(name, last_sign): (&String, Instant)| {
            let leave = watcher.expect_leave(name, PATIENCE);
            assert_eq!(leave.cause, CloseReason::HeartbeatTimeout);
            leave.at - last_sign
        };
        let times: Vec<_> = names.iter().zip(last_signs).map(silence).collect();
        let title = format!("five beats of 100 ms, try {try_number}: watchers were told after");
        say_spread(&title, Some(bound), &times);
        kept = times.iter().all(|time| *time <= bound);
        if kept {
            break;
        }
    }
    assert!(kept, "the announced bound was kept in none of three tries");
}
