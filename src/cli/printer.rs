//! Lines to stdout that no reader can hold up.
//!
//! A pager that is not scrolled lets its pipe fill up. Were the lines written where the heartbeats are sent, the
//! server would take the user for gone; so a thread writes them.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::Duration;

use super::output::Closed;

/// Lines that wait for the reader. When as many wait, further ones are left out, and the reader is given the whole
/// list once there is room again.
const LINES_MAX: usize = 1_024;

/// Writes lines in order, in a thread of its own.
pub(crate) struct Printer {
    lines: SyncSender<String>,
    ended: Receiver<()>,
    missed: u64,
}

impl Printer {
    /// Starts the thread, which hands each line to `write`.
    pub(crate) fn start(
        mut write: impl FnMut(&str) -> Result<(), Closed> + Send + 'static,
    ) -> Self {
        let (lines, waiting) = sync_channel::<String>(LINES_MAX);
        let (alive, ended) = channel();
        thread::spawn(move || {
            // Dropped at the end of the thread, which is how the end is seen.
            let _alive: std::sync::mpsc::Sender<()> = alive;
            while let Ok(text) = waiting.recv() {
                if let Err(Closed) = write(&text) {
                    return;
                }
            }
        });
        Self { lines, ended, missed: 0 }
    }

    /// Lets a line be written, or leaves it out if too many wait.
    ///
    /// # Errors
    /// [`Closed`] if stdout takes no more.
    pub(crate) fn print(&mut self, text: String) -> Result<(), Closed> {
        match self.lines.try_send(text) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                self.missed += 1;
                Ok(())
            }
            Err(TrySendError::Disconnected(_)) => Err(Closed),
        }
    }

    /// If lines were left out and there may be room again, lets `whole` be written in their place; it is told how many
    /// they were. Returns whether it was.
    ///
    /// # Errors
    /// [`Closed`] if stdout takes no more.
    pub(crate) fn catch_up(&mut self, whole: impl FnOnce(u64) -> String) -> Result<bool, Closed> {
        if self.missed == 0 {
            return Ok(false);
        }
        match self.lines.try_send(whole(self.missed)) {
            Ok(()) => {
                self.missed = 0;
                Ok(true)
            }
            Err(TrySendError::Full(_)) => Ok(false),
            Err(TrySendError::Disconnected(_)) => Err(Closed),
        }
    }

    /// Waits until every line was written, but not longer than `patience`.
    pub(crate) fn finish(self, patience: Duration) {
        drop(self.lines);
        // Either the thread ended, or its reader keeps it waiting and will miss the rest.
        let _ = self.ended.recv_timeout(patience);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than the pipe, the queue and the line in the writer's hand hold together.
    const MANY: u64 = 5_000;

    #[test]
    fn a_reader_that_pauses_holds_up_nobody_and_gets_the_whole_list_afterwards() {
        let (resume, paused) = channel::<()>();
        let (written, seen) = channel();
        let mut printer = Printer::start(move |text| {
            // Waits while the test holds the other end.
            let _ = paused.recv();
            written.send(text.to_owned()).map_err(|_| Closed)
        });
        for n in 0..MANY {
            printer.print(n.to_string()).expect("the reader only pauses");
        }
        assert!(!printer.catch_up(|_| "too early".to_owned()).expect("the reader only pauses"));
        drop(resume);
        let mut read: Vec<String> = vec![seen.recv().expect("the reader reads on")];
        while !printer.catch_up(|missed| format!("missed {missed}")).expect("it reads on") {
            read.push(seen.recv().expect("the reader reads on"));
        }
        printer.print("next".to_owned()).expect("the reader reads on");
        printer.finish(Duration::from_secs(20));
        read.extend(seen);
        let (ends, numbers) = (read.split_off(read.len() - 2), read);
        let missed = MANY - numbers.len() as u64;
        assert!(missed > 0);
        assert_eq!(ends, [format!("missed {missed}"), "next".to_owned()]);
        // The printer may have begun late, and then had room once more in between.
        let numbers = numbers.iter().map(|line| line.parse::<u64>().expect("a number"));
        assert!(numbers.is_sorted_by(|one, next| one < next), "in order");
    }

    #[test]
    fn a_reader_that_is_gone_is_noticed() {
        let mut printer = Printer::start(|_| Err(Closed));
        let printed = (0..1_000_000).try_for_each(|_| {
            thread::yield_now();
            printer.print("line".to_owned())
        });
        assert!(matches!(printed, Err(Closed)));
        printer.finish(Duration::ZERO);
    }
}
