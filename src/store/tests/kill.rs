//! A process that is killed while it writes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

const DIRECTORY: &str = "HERENOW_TEST_STORE";

/// What `Command` needs to run [`a_child_that_writes`] alone.
fn child(dir: &Path) -> Command {
    let module = module_path!().split_once("::").unwrap().1;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("{module}::a_child_that_writes"), "--exact", "--nocapture"]);
    command.env(DIRECTORY, dir).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Does nothing in an ordinary run. As a child it says what is committed, until it is killed.
#[test]
fn a_child_that_writes() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let (store, restored) = open(Path::new(&dir));
    let begin = restored.sessions.len() as u64;
    for number in begin + 1..begin + 1_000_000 {
        // Each write is one: a session, and the transition that tells of it.
        store
            .write(vec![Record::Session(Box::new(session(number, "ada"))), offline("ada", number)]);
        if number % 3 == 0 {
            wait_for_commit(&store, store.write(Vec::new()));
            println!("\ncommitted {number}");
        }
    }
}

#[test]
fn nothing_that_was_committed_is_lost_by_a_kill() {
    let temp = TempDir::new();
    let mut committed = 0;
    for lines in [40, 7, 90] {
        let mut child = child(&temp.data()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut numbers =
            output.by_ref().filter_map(|line| line.strip_prefix("committed ")?.parse().ok());
        committed = numbers.nth(lines).expect("the child writes");
        child.kill().unwrap();
        // What it said before the kill reached it counts as well.
        committed = numbers.last().unwrap_or(committed);
        child.wait().unwrap();

        let times = logged_times(&temp.data());
        assert!(times.len() as u64 >= committed, "{} of {committed}", times.len());
        assert!(times.iter().copied().eq(1..=times.len() as u64), "none is missing, none is twice");
        let (store, restored) = open(&temp.data());
        assert_eq!(restored.sessions.len(), times.len(), "a write is whole or not there");
        assert_eq!((restored.alive_ms, restored.stopped), (START_MS, false));
        store.close(false);
    }
    assert!(committed > 137, "the lives add up: {committed}");
}
