//! Disks that are full, blocked or hang: presence goes on, and nothing is lost that there is room for.

use std::collections::HashSet;
use std::process::Command;

use super::super::pending::Pending;
use super::super::{restore, schema, shared};
use super::*;

/// Someone else who writes, and does not stop.
struct Blocked(Connection);

impl Blocked {
    fn new(dir: &Path) -> Self {
        let connection = tool(dir);
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }

    fn end(self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}

/// Writes transitions with these times, one call each. No call may take as long as a disk would.
#[expect(clippy::disallowed_methods, reason = "measures real time")]
fn write_at_once(store: &Store, times: impl Iterator<Item = u64>) -> Ticket {
    let mut ticket = store.write(Vec::new());
    for at_ms in times {
        let begin = std::time::Instant::now();
        ticket = store.write(vec![offline("ada", at_ms)]);
        // A commit that waits for the blocked database takes a second.
        assert!(begin.elapsed() < Duration::from_millis(500), "write() waited for the disk");
    }
    ticket
}

/// Writes until the disk is full and goes on for a while, makes room, and expects everything in order.
fn survive_a_full_disk(dir: &Path, store: &Store, make_room: impl FnOnce()) {
    let mut next = START_MS;
    wait_until("the disk is full", || {
        wait_for_commit(store, write_at_once(store, next..next + 200));
        next += 200;
        state(store) == StoreState::Failing
    });
    wait_for_commit(store, write_at_once(store, next..next + 1_000));
    next += 1_000;
    let health = store.health();
    assert_eq!(health.state, StoreState::Failing);
    assert!(health.text.contains("full"), "{}", health.text);
    assert!(health.waiting >= 1_000, "{health:?}");
    make_room();
    wait_until("it is written again", || state(store) == StoreState::Written);
    wait_for_commit(store, write_at_once(store, next..next + 1));
    assert_eq!((store.health().waiting, store.health().dropped), (0, 0));
    store.close(true);
    assert!(logged_times(dir).into_iter().eq(START_MS..=next), "all of it, in order");
}

/// A small file system of its own, for root only.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "herenow-test"]).arg(path);
        mount.output().is_ok_and(|output| output.status.success()).then(|| Self(path))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_is_survived() {
    let temp = TempDir::new();
    let Some(disk) = SmallDisk::mount(&temp.0) else {
        eprintln!("not run: only root may mount; `a_database_without_free_pages_is_survived` was");
        return;
    };
    let ballast = temp.0.join("ballast");
    fs::write(&ballast, vec![1; 3 * 1024 * 1024]).unwrap();
    let (store, _) = open(&temp.data());
    survive_a_full_disk(&temp.data(), &store, || fs::remove_file(&ballast).unwrap());
    drop(disk);
}

#[test]
fn a_database_without_free_pages_is_survived() {
    let temp = TempDir::new();
    let (lock, mut connection, path) = schema::open(&temp.data()).unwrap();
    let ballast = "CREATE TABLE ballast AS SELECT zeroblob(1048576) AS bytes";
    connection.execute_batch(ballast).unwrap();
    let restored = restore::restore(&mut connection, &path, 9, START_MS).unwrap();
    // SQLite says "full" here exactly as for a file system.
    let set = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    connection.pragma_update_and_check(None, "max_page_count", 300, set).unwrap();
    let store = Store::start(connection, lock, &restored, options()).unwrap();
    survive_a_full_disk(&temp.data(), &store, || {
        let tool = tool(&temp.data());
        tool.busy_timeout(Duration::from_secs(5)).unwrap();
        tool.execute_batch("DROP TABLE ballast").unwrap();
    });
}

#[test]
fn without_room_the_oldest_transitions_are_dropped_and_the_gap_is_told() {
    let temp = TempDir::new();
    let options = StoreOptions { queue_max: 100, ..options() };
    let (store, _) = Store::open(&temp.data(), options).unwrap();
    let blocked = Blocked::new(&temp.data());
    store.write(vec![Record::Session(Box::new(session(1, "ada")))]);
    let ticket = write_at_once(&store, START_MS..START_MS + 250);
    store.write(vec![Record::Session(Box::new(session(1, "bob")))]);
    wait_until("it fails", || state(&store) == StoreState::Failing);
    wait_for_commit(&store, ticket);
    let health = store.health();
    assert_eq!((health.waiting, health.dropped), (99, 151));
    assert!(health.text.contains("locked"), "{}", health.text);
    blocked.end();
    wait_until("it is written", || state(&store) == StoreState::Written);
    store.close(true);

    assert!(logged_times(&temp.data()).into_iter().eq(START_MS + 151..START_MS + 250));
    let log = LogReader::open(&temp.data()).unwrap();
    let gaps = log.gaps(Cursor::START, Cursor::END).unwrap();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].cursor, gaps[0].dropped), (Cursor(1), 151));
    assert_eq!((gaps[0].from_ms, gaps[0].to_ms), (START_MS, START_MS + 150));
    assert_eq!(log.gaps(gaps[0].cursor, Cursor::END).unwrap(), []);
    let (store, restored) = open(&temp.data());
    assert_eq!(restored.sessions, [session(1, "bob")], "state is never dropped");
    store.close(true);
}

#[test]
fn a_disk_that_hangs_is_noticed_without_an_error() {
    let temp = TempDir::new();
    let clock = TestClock::new();
    let (store, _) = Store::open(&temp.data(), clock.options()).unwrap();
    let blocked = Blocked::new(&temp.data());
    let ticket = store.write(vec![offline("ada", 1)]);
    thread::sleep(Duration::from_millis(100));
    assert_eq!(state(&store), StoreState::Written, "it is not late yet");
    clock.set(START_MS + shared::STALL_MS + 1);
    store.write(vec![offline("ada", 2)]);
    wait_for_commit(&store, ticket);
    let health = store.health();
    assert_eq!(health.state, StoreState::Failing);
    assert!(health.text.contains("not answered"), "{}", health.text);
    blocked.end();
    wait_until("it is written", || state(&store) == StoreState::Written);
    store.close(true);
    assert_eq!(logged_times(&temp.data()), [1, 2]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "measures real time")]
fn closing_gives_up_at_its_deadline() {
    let temp = TempDir::new();
    let options = StoreOptions { close_deadline: Duration::from_millis(200), ..options() };
    let (store, _) = Store::open(&temp.data(), options).unwrap();
    let blocked = Blocked::new(&temp.data());
    store.write(vec![offline("ada", 1)]);
    let begin = std::time::Instant::now();
    store.close(true);
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    let lock = fs::File::open(temp.data().join("herenow.lock")).unwrap();
    lock.try_lock().expect("the directory is free");
    blocked.end();
}

#[test]
fn closing_writes_what_a_disk_takes_again_in_time() {
    let temp = TempDir::new();
    let (store, _) = open(&temp.data());
    let blocked = Blocked::new(&temp.data());
    store.write(vec![offline("ada", 1)]);
    wait_until("it fails", || state(&store) == StoreState::Failing);
    let mending = thread::spawn(|| {
        thread::sleep(Duration::from_millis(300));
        blocked.end();
    });
    store.close(true);
    mending.join().unwrap();
    assert_eq!(logged_times(&temp.data()), [1]);
    let (store, restored) = open(&temp.data());
    assert!(restored.stopped);
    store.close(true);
}

#[test]
fn sessions_that_come_and_go_unwritten_take_no_room() {
    let mut pending = Pending::default();
    for number in 1..=1_000 {
        pending.push(Record::Session(Box::new(session(number, "ada"))));
        pending.push(Record::SessionGone(SessionId(number)));
    }
    let on_disk = HashSet::from([SessionId(7)]);
    pending.forget_unwritten(&on_disk);
    assert_eq!(pending.len(), 1, "only the one that must be deleted");
    assert_eq!(pending.sessions[&SessionId(7)], None);
}

#[test]
fn transitions_that_come_back_stand_before_newer_ones_and_losses_add_up() {
    let filled = |times: std::ops::Range<u64>| {
        let mut pending = Pending::default();
        times.for_each(|at_ms| pending.push(offline("ada", at_ms)));
        pending
    };
    let times = |pending: &Pending| -> Vec<u64> {
        pending.transitions.iter().map(|logged| logged.transition.at_ms).collect()
    };
    let mut older = filled(1..4);
    assert_eq!(older.append(filled(4..6)), 0);
    assert_eq!(times(&older), [1, 2, 3, 4, 5]);
    assert_eq!(older.make_room(4), 1);

    let mut newer = filled(6..20);
    assert_eq!(newer.make_room(4), 10);
    assert_eq!(older.append(newer), 4, "the older ones lie before a gap that was made already");
    assert_eq!(times(&older), [16, 17, 18, 19]);
    assert_eq!((older.loss.dropped, older.loss.from_ms, older.loss.to_ms), (15, 1, 15));
}
