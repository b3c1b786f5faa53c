//! Real files in directories of their own, real processes, and where the system allows it real full disks.

mod disk;
mod kill;
mod log;
mod model;
mod person;
mod refusals;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use herenow_protocol::{
    CloseReason, DeviceLabel, DisplayName, Metadata, RoomName, SessionId, Status, StatusText,
    StoreState, Transition, TransitionKind,
};
use rusqlite::Connection;

use super::{Cursor, LogReader, Store, StoreError, StoreOptions, Ticket};
use crate::journal::{
    Fingerprint, Logged, LostRecord, PersonRecord, Record, Restored, SessionRecord,
};

/// When the tests' clocks begin, in milliseconds since 1970.
const START_MS: u64 = 1_800_000_000_000;

/// A directory that goes away with its test.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("herenow-store-{}-{number}", process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// A data directory that is not there yet.
    fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A clock that a test sets.
#[derive(Clone)]
struct TestClock(Arc<AtomicU64>);

impl TestClock {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START_MS)))
    }

    fn set(&self, ms: u64) {
        self.0.store(ms, Ordering::Relaxed);
    }

    /// Keeps transitions of any age: most tests number them by their times.
    fn options(&self) -> StoreOptions {
        let time = Arc::clone(&self.0);
        let clock = Arc::new(move || time.load(Ordering::Relaxed));
        StoreOptions { log_keep: Duration::MAX, ..StoreOptions::new(clock) }
    }
}

fn options() -> StoreOptions {
    TestClock::new().options()
}

fn open(dir: &Path) -> (Store, Restored) {
    Store::open(dir, options()).unwrap()
}

/// A second connection to the database, as an operator's tool would have it.
fn tool(dir: &Path) -> Connection {
    Connection::open(dir.join("herenow.db")).unwrap()
}

fn wait_for_commit(store: &Store, ticket: Ticket) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.committed(ticket));
}

#[track_caller]
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if done() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("not within 20 s: {what}");
}

fn state(store: &Store) -> StoreState {
    store.health().state
}

fn name(text: &str) -> DisplayName {
    DisplayName::new(text).unwrap()
}

fn session(number: u64, user: &str) -> SessionRecord {
    SessionRecord {
        session: SessionId(number),
        token: Fingerprint([number as u8; 16]),
        name: name(user),
        device: Fingerprint([7; 16]),
        label: DeviceLabel::new("phone").unwrap(),
        heartbeat_ms: 2_000,
        status: Status::Away,
        automatic: true,
        since_ms: START_MS + 1,
        rooms: vec![
            RoomName::new("kitchen, \"the\" first").unwrap(),
            RoomName::new("zoo").unwrap(),
        ],
        opened_ms: START_MS - number,
        lost: number.is_multiple_of(2).then_some(LostRecord {
            cause: CloseReason::HeartbeatTimeout,
            heard_ms: START_MS + 2,
            shown_until_ms: START_MS + 3,
            resume_until_ms: START_MS + 4,
        }),
    }
}

fn person(user: &str) -> PersonRecord {
    PersonRecord {
        name: name(user),
        key: Some(Fingerprint([9; 16])),
        text: StatusText::new("back at 3").unwrap(),
        until_ms: START_MS + 9,
        metadata: Metadata::new([("b", "2\n\0\""), ("a", "")]).unwrap(),
    }
}

fn offline(user: &str, at_ms: u64) -> Record {
    Record::Transition(Logged {
        name: name(user),
        device: DeviceLabel::default(),
        transition: Transition {
            at_ms,
            kind: TransitionKind::Offline,
            session: None,
            cause: Some(CloseReason::HeartbeatTimeout),
            not_before_ms: at_ms - 1,
            status: Some(Status::Offline),
        },
    })
}

/// The times of all transitions in the log: tests number transitions by them.
fn logged_times(dir: &Path) -> Vec<u64> {
    let log = LogReader::open(dir).unwrap();
    let entries = log.read(Cursor::START, usize::MAX).unwrap();
    entries.into_iter().map(|(_, logged)| logged.transition.at_ms).collect()
}

#[test]
fn what_was_written_is_restored() {
    let temp = TempDir::new();
    let (store, restored) = open(&temp.data());
    assert_eq!(restored, Restored::default());
    let sessions = [session(1, "ada"), session(2, "ada")];
    let mut records: Vec<_> = sessions.iter().cloned().map(Box::new).map(Record::Session).collect();
    records.push(Record::Person(Box::new(person("ada"))));
    records.push(Record::LastSeen(name("bob"), 5));
    records.push(Record::LastSeen(name("cyd"), 6));
    store.write(records);
    store.close(true);

    let (store, restored) = open(&temp.data());
    let [first, second] = sessions;
    assert_eq!(restored.sessions, [second, first], "in the order of sign-in");
    assert_eq!(restored.people, [person("ada")]);
    assert_eq!(restored.last_seen, [(name("cyd"), 6), (name("bob"), 5)]);
    assert_eq!((restored.alive_ms, restored.stopped), (START_MS, true));
    store.write(vec![Record::SessionGone(SessionId(1)), Record::SessionGone(SessionId(2))]);
    store.close(true);

    let (store, restored) = open(&temp.data());
    assert!(restored.sessions.is_empty());
    assert!(restored.people.is_empty(), "nobody's session, nobody");
    store.close(false);
}

#[test]
fn only_the_newest_last_seen_times_are_restored() {
    let temp = TempDir::new();
    let (store, _) = open(&temp.data());
    store.write((1..=9).map(|n| Record::LastSeen(name(&format!("user {n}")), n)).collect());
    store.close(true);
    let options = StoreOptions { last_seen_max: 2, ..options() };
    let (store, restored) = Store::open(&temp.data(), options).unwrap();
    assert_eq!(restored.last_seen, [(name("user 9"), 9), (name("user 8"), 8)]);
    store.close(true);
}

#[test]
fn the_beacon_tells_when_a_server_that_was_not_stopped_was_alive() {
    let temp = TempDir::new();
    let clock = TestClock::new();
    let (store, _) = Store::open(&temp.data(), clock.options()).unwrap();
    clock.set(START_MS + 1_000);
    let beacon = tool(&temp.data());
    wait_until("the beacon without a write", || {
        let alive = beacon.query_row("SELECT alive_ms FROM beacon", [], |row| row.get(0));
        alive == Ok(START_MS as i64 + 1_000)
    });
    clock.set(START_MS + 1_500);
    wait_for_commit(&store, store.write(vec![offline("ada", 1)]));
    store.close(false);
    let (store, restored) = open(&temp.data());
    assert_eq!((restored.alive_ms, restored.stopped), (START_MS + 1_500, false));
    store.close(true);
}

#[test]
fn opening_marks_the_store_as_running() {
    let temp = TempDir::new();
    open(&temp.data()).0.close(true);
    let (store, restored) = open(&temp.data());
    assert!(restored.stopped);
    let running = "SELECT NOT stopped FROM beacon";
    assert_eq!(tool(&temp.data()).query_row(running, [], |row| row.get(0)), Ok(true), "at once");
    drop(store);
    wait_until("the directory is free", || match Store::open(&temp.data(), options()) {
        Ok((store, restored)) => {
            assert!(!restored.stopped, "dropped, not closed");
            store.close(true);
            true
        }
        Err(StoreError::InUse { .. }) => false,
        Err(error) => panic!("{error}"),
    });
}

#[test]
fn a_dropped_store_has_written_what_waited() {
    let temp = TempDir::new();
    let (store, _) = open(&temp.data());
    store.write(vec![offline("ada", 1)]);
    drop(store);
    wait_until("it is written", || logged_times(&temp.data()) == [1]);
}

#[test]
fn nobody_waits_for_a_closed_store() {
    let temp = TempDir::new();
    let (store, _) = open(&temp.data());
    let first = store.write(vec![offline("ada", 1)]);
    store.close(true);
    let second = store.write(vec![offline("ada", 2)]);
    assert_eq!(first, second, "what is written after the end gets no ticket of its own");
    wait_for_commit(&store, second);
    store.close(false);
    assert_eq!(logged_times(&temp.data()), [1]);
}

#[test]
fn files_are_for_their_owner_only() {
    let temp = TempDir::new();
    let (store, _) = open(&temp.data());
    wait_for_commit(&store, store.write(vec![offline("ada", 1)]));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&temp.data()), 0o700);
    for file in ["herenow.db", "herenow.db-wal", "herenow.db-shm", "herenow.lock"] {
        assert_eq!(mode(&temp.data().join(file)), 0o600, "{file}");
    }
    store.close(true);
}

/// Not a test of anything: prints what `docs/benchmarks.md` may cite.
#[test]
#[ignore = "a measurement; run it with --release --ignored --nocapture"]
#[expect(clippy::disallowed_methods, reason = "measures real time")]
fn figures() {
    let temp = TempDir::new();
    let (store, _) = open(&temp.data());
    let mut times: Vec<_> = (0..2_000)
        .map(|n| {
            let begin = std::time::Instant::now();
            let records = vec![Record::Session(Box::new(session(n, "ada"))), offline("ada", n + 1)];
            wait_for_commit(&store, store.write(records));
            begin.elapsed()
        })
        .collect();
    times.sort();
    println!(
        "commit of 2 records: p50 {:?}, p99 {:?}, max {:?}",
        times[999], times[1979], times[1999]
    );
    let batches: Vec<Vec<_>> = (0..2_000u64)
        .map(|n| (0..100).map(|i| offline("ada", n * 100 + i + 1)).collect())
        .collect();
    let begin = std::time::Instant::now();
    let mut slowest = Duration::ZERO;
    let mut ticket = store.write(Vec::new());
    for batch in batches {
        let call = std::time::Instant::now();
        ticket = store.write(batch);
        slowest = slowest.max(call.elapsed());
    }
    wait_for_commit(&store, ticket);
    let rate = 200_000.0 / begin.elapsed().as_secs_f64();
    println!("200,000 transitions: {rate:.0} a second; slowest write call {slowest:?}");
    store.close(true);
    let bytes = fs::metadata(temp.data().join("herenow.db")).unwrap().len();
    println!("{} bytes a transition", bytes / 200_000);
}
