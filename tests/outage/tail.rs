//! A program that follows the log, dies, and goes on where it was.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::place::Place;
use super::server::signal_process;
use super::{PATIENCE, wait_for};

/// `herenow log --follow --json`, one process after the other, and everything that they told. Dropping it kills the
/// last one.
#[derive(Debug)]
pub(crate) struct Tail {
    lines: Arc<Mutex<Vec<String>>>,
    process: Child,
    reading: Option<JoinHandle<()>>,
}

impl Tail {
    /// From the beginning of the log.
    pub(crate) fn start(place: &Place) -> Self {
        let lines = Arc::default();
        let (process, reading) = follow(place, 0, &lines);
        Self { lines, process, reading: Some(reading) }
    }

    /// Kills the process, wherever it is just now, and lets another one go on behind what this one told.
    pub(crate) fn die_and_go_on(&mut self, place: &Place) {
        self.end_with(Signal::SIGKILL);
        let (process, reading) = follow(place, self.cursor(), &self.lines);
        (self.process, self.reading) = (process, Some(reading));
    }

    /// The last cursor that was told.
    pub(crate) fn cursor(&self) -> u64 {
        self.told().last().map_or(0, |line| cursor(line))
    }

    /// Ends the last process in order. Returns all that was told.
    pub(crate) fn finish(mut self) -> Vec<String> {
        self.end_with(Signal::SIGTERM);
        self.told().clone()
    }

    fn told(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It must not have ended by itself: a server that dies is no reason.
    fn end_with(&mut self, signal: Signal) {
        signal_process(&self.process, signal);
        let probe = || self.process.try_wait().expect("it is our child");
        let status = wait_for("a reader to end", PATIENCE, probe);
        match signal {
            Signal::SIGKILL => assert_eq!(status.signal(), Some(signal as i32), "{status}"),
            _ => assert_eq!(status.code(), Some(0), "{status}"),
        }
        let reading = self.reading.take().expect("it is there until the end");
        reading.join().expect("reading does not panic");
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // It may have ended already; then neither call has anything to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The place of a line of the log.
pub(crate) fn cursor(line: &str) -> u64 {
    let object: Value = serde_json::from_str(line).expect("every line is an object");
    object["cursor"].as_u64().expect("every line has a cursor")
}

fn follow(place: &Place, since: u64, told: &Arc<Mutex<Vec<String>>>) -> (Child, JoinHandle<()>) {
    let mut command = place.command();
    command.args(["log", "--follow", "--json", "--since", &since.to_string(), "--state"]);
    command.arg(&place.state).stdout(Stdio::piped());
    let mut process = command.spawn().expect("the program can be started");
    let stdout = process.stdout.take().expect("its stdout is a pipe");
    let told = Arc::clone(told);
    (process, thread::spawn(move || write_down(stdout, &told)))
}

/// Keeps whole lines. What a killed process left of a line was not told.
fn write_down(stdout: ChildStdout, told: &Mutex<Vec<String>>) {
    let (mut stdout, mut line) = (BufReader::new(stdout), String::new());
    while stdout.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
        let whole = line.trim_end().to_owned();
        told.lock().unwrap_or_else(PoisonError::into_inner).push(whole);
        line.clear();
    }
}
