//! The program beside this one that holds sessions without sockets.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::accounting::Account;
use crate::args::beside;
use crate::failure::{Failure, Tried as _};
use crate::pinning::Pinning;

/// What it says when everyone is signed in, before their number.
const GREETING: &str = "signed in: ";

/// Its process, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Timers {
    /// What it uses.
    pub(crate) account: Account,
    child: Child,
}

impl Timers {
    /// Starts it, and waits until so many sessions are signed in, each with this heartbeat interval.
    pub(crate) fn start(
        sessions: usize,
        interval: Duration,
        pinning: Pinning,
    ) -> Result<Self, Failure> {
        let mut command = Command::new(beside("herenow-bench-timers"));
        command
            .args(["--sessions", &sessions.to_string()])
            .args(["--interval-ms", &interval.as_millis().to_string()])
            // It ends with this pipe, whatever becomes of this process.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let child = pinning.start(|| command.spawn().tried("starting the timers"))?;
        let mut timers = Self { account: Account::of(child.id()), child };
        let silent = || Failure::Server("the timers did not say how many they are".to_owned());
        let mut line = String::new();
        let out = timers.child.stdout.as_mut().ok_or_else(silent)?;
        BufReader::new(out).read_line(&mut line).tried("reading the greeting")?;
        let told = line.trim().strip_prefix(GREETING).and_then(|count| count.parse().ok());
        if told == Some(sessions) { Ok(timers) } else { Err(silent()) }
    }
}

impl Drop for Timers {
    /// Nothing of it is needed any more.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
