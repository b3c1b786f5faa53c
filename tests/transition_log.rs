//! The log of transitions: whatever happens to the server, to those who are signed in, to those who read it and to the disk
//! that it is on, it tells everything that happened, once and in order.

#[allow(dead_code, reason = "each test binary uses a part of the shared helpers")]
mod outage;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use herenow::store::LogReader;
use herenow_client::protocol::{Choice, SessionId, Status, StatusText, TransitionKind};
use outage::commotion::Commotion;
use outage::crowd::{Home, Member, quiet, watching};
use outage::disk::with_disk;
use outage::place::{Place, stop};
use outage::replay::{Phase, Replay};
use outage::tail::Tail;
use outage::{PATIENCE, say, wait_for};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

/// Spans so short that all of them pass while the test runs.
const SHORT: &[&str] = &["--heartbeat", "100ms", "--grace", "300ms", "--resume-window", "1500ms"];

/// What `herenow` says when the answer is no.
const EXIT_REFUSED: i32 = 1;

/// What `herenow` says when its command line lacks something, as clap does.
const EXIT_USAGE: i32 = 2;

/// `EX_UNAVAILABLE` of `sysexits.h`.
const EXIT_UNAVAILABLE: i32 = 69;

/// `EX_OSERR` of `sysexits.h`.
const EXIT_OS: i32 = 71;

/// How often a server dies.
const DEATHS: usize = 8;

fn millis(rng: &mut StdRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.random_range(range))
}

/// Lets people come and go for a while, and the reader of the log die in between.
fn live(commotion: &mut Commotion, tail: &mut Tail, place: &Place, rng: &mut StdRng) {
    for step in 0..rng.random_range(20..60) {
        commotion.step();
        if step % 25 == 20 {
            tail.die_and_go_on(place);
        }
        std::thread::sleep(millis(rng, 1..30));
    }
}

/// What a watcher sees by now.
fn shown(watcher: &Member) -> BTreeMap<String, Status> {
    let sight = &watcher.diary.open().sight;
    let entries = sight.entries.values().filter(|_| sight.proved_at.is_some());
    entries.map(|entry| (entry.name.to_string(), entry.shown.presence.status)).collect()
}

#[test]
fn whatever_dies_the_log_tells_everything_once() {
    let seed = rand::random();
    say(&format!("the seed of the commotion is {seed}"));
    let rng = &mut StdRng::seed_from_u64(seed);
    let place = Place::new(SHORT);
    let mut server = place.serve();
    let mut tail = Tail::start(&place);
    let mut commotion = Commotion::new(place.address, seed);
    for death in 0..DEATHS {
        live(&mut commotion, &mut tail, &place, rng);
        match death % 4 {
            3 => assert_eq!(stop(&mut server).code(), Some(0)),
            _ => server.kill(),
        }
        std::thread::sleep(millis(rng, 10..700));
        tail.die_and_go_on(&place);
        server = place.serve();
    }
    live(&mut commotion, &mut tail, &place, rng);

    wait_for("everyone to be in", PATIENCE, || commotion.is_settled().then_some(()));
    let home = Home::new();
    let mut options = watching(place.address, "watcher");
    options.observe = true;
    let watcher = home.settle(options);
    wait_for("the log to say what is seen", PATIENCE, || {
        let (online, shown) = (Replay::of(&place.log()).online(), shown(&watcher));
        (!shown.is_empty() && online == shown).then_some(())
    });

    let welcomed = commotion.end();
    wait_for("all sessions to be closed", PATIENCE, || {
        (Replay::of(&place.log()).open() == 0).then_some(())
    });
    drop(home);
    assert_eq!(stop(&mut server).code(), Some(0));
    assert_complete(&place, tail, &welcomed);
}

/// The log is whole, and the readers that died told all of it.
fn assert_complete(place: &Place, tail: Tail, welcomed: &[(String, SessionId)]) {
    let log = place.log();
    let newest = log.last().expect("something happened").0.0;
    wait_for("the reader to be at the end", PATIENCE, || (tail.cursor() == newest).then_some(()));
    let told = tail.finish();
    let state = place.state.to_str().expect("a test's paths are text");
    let whole = place.run(&["log", "--json", "--state", state]);
    let whole = String::from_utf8(whole.stdout).expect("the log is text");
    assert!(told.iter().map(String::as_str).eq(whole.lines()), "the readers told something else");
    assert_eq!(told.len(), log.len());

    let kinds: BTreeSet<_> = log.iter().map(|(_, logged)| logged.transition.kind.name()).collect();
    assert_eq!(kinds.len(), TransitionKind::ALL.len(), "not all of it happened: {kinds:?}");
    let replay = Replay::of(&log);
    assert_eq!(replay.online(), BTreeMap::new());
    for (name, session) in welcomed {
        let phase = replay.phase(name, *session);
        assert_eq!(phase, Some(Phase::Closed), "{name} was welcomed to session {session}");
    }
    let disagreements = LogReader::open(&place.state).and_then(|log| log.check_last_seen());
    assert_eq!(disagreements.expect("the log can be read"), []);
    let causes: BTreeSet<_> =
        log.iter().filter_map(|(_, logged)| Some(logged.transition.cause?.name())).collect();
    say(&format!("{} welcomes, {} transitions: {causes:?}", welcomed.len(), log.len()));
}

/// Runs a command that must fail with this code and one line of explanation. Returns the line.
fn refused(place: &Place, arguments: &[&str], code: i32) -> String {
    let output = place.run(arguments);
    let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(code), "herenow {arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{arguments:?} tells something");
    stderr
}

#[test]
fn a_log_that_cannot_be_read_is_explained() {
    let place = Place::new(&[]);
    let state = place.state.to_str().expect("a test's paths are text");
    for follow in [&["log", "--state", state][..], &["log", "--follow", "--state", state]] {
        let line = refused(&place, follow, EXIT_UNAVAILABLE);
        assert!(line.contains("no database at") && line.contains(state), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
    std::fs::create_dir(&place.state).expect("the place is new");
    let line = refused(&place, &["log", "--state", state], EXIT_UNAVAILABLE);
    assert!(line.contains("no database at") && line.contains("herenow.db"), "{line}");
    std::fs::write(place.state.join("herenow.db"), "no database".repeat(100)).expect("it is new");
    let line = refused(&place, &["log", "--state", state], EXIT_UNAVAILABLE);
    assert!(line.contains("herenow.db is not a database of herenow"), "{line}");
}

#[test]
fn a_cursor_that_is_none_is_explained() {
    let place = Place::new(&[]);
    let state = place.state.to_str().expect("a test's paths are text");
    for cursor in ["soon", "", "1.5", "99999999999999999999"] {
        let line = refused(&place, &["log", "--state", state, "--since", cursor], EXIT_USAGE);
        assert!(line.contains("--since") && line.contains(&format!("'{cursor}'")), "{line}");
    }
    let line = refused(&place, &["log", "--state", state, "--since", "-1"], EXIT_USAGE);
    assert!(line.contains("-1"), "{line}");
}

#[test]
fn a_cursor_of_another_log_is_refused() {
    let place = Place::new(SHORT);
    let mut server = place.serve();
    let home = Home::new();
    let ada = home.settle(watching(place.address, "ada"));
    wait_for("ada to be in", PATIENCE, || ada.is_in().then_some(()));
    let state = place.state.to_str().expect("a test's paths are text");
    let from = |cursor| ["log", "--json", "--state", state, "--since", cursor];
    let at_the_end = place.run(&from("2"));
    assert_eq!((at_the_end.status.code(), at_the_end.stdout), (Some(0), Vec::new()));
    for cursor in ["3", "1000000", "18446744073709551615"] {
        let line = refused(&place, &from(cursor), EXIT_REFUSED);
        assert!(line.contains(cursor) && line.contains("end of this log, which is 2"), "{line}");
    }
    drop(home);
    assert_eq!(stop(&mut server).code(), Some(0));
}

/// The server's health as its operator asks for it, and the exit code of that.
fn health(place: &Place) -> (Option<i32>, Value) {
    let output = place.run(&["health", "--json"]);
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    let health = serde_json::from_str(&text);
    (output.status.code(), health.unwrap_or_else(|_| panic!("no health in {text:?}")))
}

/// Somebody comes, says something, and goes; a watcher sees all of it.
fn visit(place: &Place, home: &Home, watcher: &Member, name: &str) {
    let guest = home.settle(quiet(place.address, name));
    let seen = |status| {
        wait_for("what a guest does to be seen", PATIENCE, || {
            (shown(watcher).get(name).copied() == status).then_some(())
        });
    };
    seen(Some(Status::Available));
    guest.client.choose(Choice::chosen(Status::Busy, StatusText::default()));
    seen(Some(Status::Busy));
    guest.client.goodbye();
    seen(None);
}

#[test]
fn a_full_disk_disturbs_nobody_and_costs_nothing() {
    with_disk(1_000_000, |disk| {
        let place = Place::new(&[]).keeping(disk.join("state"));
        let mut server = place.serve();
        let home = Home::new();
        let watcher = home.settle(watching(place.address, "watcher"));
        visit(&place, &home, &watcher, "before");
        assert_eq!(health(&place).1["store"], "written");

        let filling = disk.fill();
        (0..20).for_each(|guest| visit(&place, &home, &watcher, &format!("guest {guest}")));
        let (code, failing) = health(&place);
        assert_eq!((code, &failing["store"]), (Some(EXIT_REFUSED), &"failing".into()), "{failing}");
        assert!(failing["text"].as_str().is_some_and(|text| text.contains("full")), "{failing}");
        assert!(failing["transitions_waiting"].as_u64() >= Some(100), "{failing}");
        let late = Place::new(&[]).keeping(disk.join("late"));
        let line = refused(&late, &texts(&late.serve_arguments()), EXIT_OS);
        assert!(line.contains("full"), "{line}");

        drop(filling);
        wait_for("the store to be written", PATIENCE, || {
            let (code, health) = health(&place);
            let all = health["transitions_waiting"] == 0 && health["transitions_dropped"] == 0;
            (code == Some(0) && health["store"] == "written" && all).then_some(())
        });
        let replay = Replay::of(&place.log());
        assert_eq!(replay.online(), shown(&watcher));
        assert_eq!((replay.open(), replay.users()), (1, 22));
        assert_eq!(watcher.diary.open().ends, []);
        drop(home);
        assert_eq!(stop(&mut server).code(), Some(0));
    });
}

fn texts(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}
