//! The log of transitions: whatever happens to the server, to those who are signed in, to those who read it and to the disk
//! that it is on, it tells everything that happened, once and in order.

#[allow(dead_code, reason = "each test binary uses a part of the shared helpers")]
mod outage;

use std::collections::BTreeMap;
use std::time::Duration;

use herenow::store::LogReader;
use herenow_client::protocol::Status;
use outage::commotion::Commotion;
use outage::crowd::{Home, Member, watching};
use outage::place::{Place, stop};
use outage::replay::{Phase, Replay};
use outage::tail::Tail;
use outage::{PATIENCE, say, wait_for};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Spans so short that all of them pass while the test runs.
const SHORT: &[&str] = &["--heartbeat", "200ms", "--grace", "300ms", "--resume-window", "1500ms"];

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
fn assert_complete(place: &Place, tail: Tail, welcomed: &[(String, herenow_client::protocol::SessionId)]) {
    let log = place.log();
    let newest = log.last().expect("something happened").0.0;
    wait_for("the reader to be at the end", PATIENCE, || (tail.cursor() == newest).then_some(()));
    let told = tail.finish();
    let state = place.state.to_str().expect("a test's paths are text");
    let whole = place.run(&["log", "--json", "--state", state]);
    let whole = String::from_utf8(whole.stdout).expect("the log is text");
    assert!(told.iter().map(String::as_str).eq(whole.lines()), "the readers told something else");
    assert_eq!(told.len(), log.len());

    let replay = Replay::of(&log);
    assert_eq!(replay.online(), BTreeMap::new());
    for (name, session) in welcomed {
        let phase = replay.phase(name, *session);
        assert_eq!(phase, Some(Phase::Closed), "{name} was welcomed to session {session}");
    }
    let disagreements = LogReader::open(&place.state).and_then(|log| log.check_last_seen());
    assert_eq!(disagreements.expect("the log can be read"), []);
    say(&format!("{} welcomes, {} transitions", welcomed.len(), log.len()));
}
