//! The log: its reader, its retention, and the last-seen times as a projection of it.

use super::super::log::{self as store_log, Disagreement, PRUNE_STEP, Retention};
use super::super::pending::Loss;
use super::super::schema;
use super::*;

#[test]
fn a_reader_that_starts_anew_misses_nothing_and_sees_nothing_twice() {
    const COUNT: u64 = 5_000;
    let temp = TempDir::new();
    let (store, _) = open(&temp.data());
    let writer = store.clone();
    let writing = thread::spawn(move || {
        for first in (1..=COUNT).step_by(5) {
            let ticket = writer.write((first..first + 5).map(|n| offline("ada", n)).collect());
            if first % 50 == 1 {
                wait_for_commit(&writer, ticket);
            }
        }
    });
    let mut seen = Vec::new();
    let mut last = Cursor::START;
    wait_until("the reader has seen everything", || {
        // As if it had been killed: nothing but the cursor is left.
        let log = LogReader::open(&temp.data()).unwrap();
        for _ in 0..7 {
            for (cursor, logged) in log.read(last, 13).unwrap() {
                assert!(cursor > last);
                last = cursor;
                seen.push(logged.transition.at_ms);
            }
        }
        seen.len() as u64 >= COUNT
    });
    writing.join().unwrap();
    assert!(seen.into_iter().eq(1..=COUNT));
    assert_eq!(LogReader::open(&temp.data()).unwrap().newest().unwrap(), last);
    store.close(true);
    assert_eq!(LogReader::open(&temp.data()).unwrap().newest().unwrap(), last, "after the end too");
}

#[test]
fn old_transitions_go_and_cursors_stay() {
    let temp = TempDir::new();
    let clock = TestClock::new();
    let options = StoreOptions { log_keep: Duration::from_secs(60), ..clock.options() };
    let (store, _) = Store::open(&temp.data(), options.clone()).unwrap();
    let times = (0..10).map(|n| START_MS + n * 10_000);
    wait_for_commit(&store, store.write(times.map(|at_ms| offline("ada", at_ms)).collect()));
    clock.set(START_MS + 100_000);
    // A commit with nothing else to do prunes.
    store.close(true);
    let kept: Vec<_> = (4..10).map(|n| START_MS + n * 10_000).collect();
    assert_eq!(logged_times(&temp.data()), kept);

    clock.set(START_MS + 1_000_000);
    Store::open(&temp.data(), options.clone()).unwrap().0.close(true);
    let log = LogReader::open(&temp.data()).unwrap();
    assert!(log.read(Cursor::START, 99).unwrap().is_empty());
    assert_eq!(log.newest().unwrap(), Cursor(10), "though none is left");
    let (store, _) = Store::open(&temp.data(), options).unwrap();
    wait_for_commit(&store, store.write(vec![offline("ada", START_MS + 1_000_000)]));
    assert_eq!(log.read(Cursor(10), 99).unwrap()[0].0, Cursor(11), "no place is used again");
    store.close(true);
}

#[test]
fn the_log_has_a_largest_length() {
    let temp = TempDir::new();
    let options = StoreOptions { log_rows_max: 100, ..options() };
    let (store, _) = Store::open(&temp.data(), options).unwrap();
    store.write((1..=1_000).map(|n| offline("ada", START_MS + n)).collect());
    store.close(true);
    assert!(logged_times(&temp.data()).into_iter().eq(START_MS + 901..=START_MS + 1_000));
}

#[test]
fn pruning_goes_in_small_steps() {
    let temp = TempDir::new();
    let (_lock, connection, _) = schema::open(&temp.data()).unwrap();
    let count = PRUNE_STEP + 1_000;
    let transitions = (1..=count).map(|n| match offline("ada", n) {
        Record::Transition(logged) => logged,
        other => panic!("{other:?}"),
    });
    store_log::append(&connection, &Loss::default(), &transitions.collect()).unwrap();
    let options = StoreOptions { log_keep: Duration::from_secs(60), ..options() };
    let retention = Retention::at(START_MS, &options);
    store_log::prune(&connection, &retention).unwrap();
    assert_eq!(logged_times(&temp.data()).len(), 1_000);
    store_log::prune(&connection, &retention).unwrap();
    assert_eq!(logged_times(&temp.data()).len(), 0);
}

#[test]
fn last_seen_is_what_the_log_says() {
    let temp = TempDir::new();
    let (store, _) = open(&temp.data());
    for at_ms in START_MS..START_MS + 200 {
        let user = ["ada", "bob", "cyd"][at_ms as usize % 3];
        // The wall clock may go back; the later transition counts.
        let at_ms = if at_ms % 50 == 0 { at_ms - 40 } else { at_ms };
        // The transition may have happened one millisecond before it was decided.
        store.write(vec![offline(user, at_ms), Record::LastSeen(name(user), at_ms - 1)]);
    }
    store.close(true);
    let log = LogReader::open(&temp.data()).unwrap();
    assert_eq!(log.check_last_seen().unwrap(), []);

    let (store, _) = open(&temp.data());
    store.write(vec![Record::LastSeen(name("ada"), 5), offline("dan", START_MS)]);
    store.close(true);
    let ada = Some(START_MS + 197);
    let found = log.check_last_seen().unwrap();
    let expected = [("ada", Some(5), ada), ("dan", None, Some(START_MS - 1))];
    let expected = expected.map(|(user, table_ms, log_ms)| Disagreement {
        name: name(user),
        table_ms,
        log_ms,
    });
    assert_eq!(found, expected);
}
