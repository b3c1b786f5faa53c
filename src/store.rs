//! Keeps on disk what must outlive the process, in one SQLite file, and never makes presence wait for it.
//!
//! [`Store::write`] queues records and returns; a thread of the store's own takes everything that waits
//! into one transaction, commits, and goes on. A disk that fails or hangs is a state that
//! [`Store::health`] tells, not an error that a caller has to handle: records stay in memory, in order,
//! and are written when the disk works again. [`LogReader`] reads the log of transitions from
//! another process, whether the server runs or not.
//!
//! What is committed survives the end of the process, however it ends. A power cut may lose the last
//! commits (`synchronous=NORMAL`), but damages nothing.
//!
//! Reading order: `pending` (what waits, and what happens when there is no room), `shared` (between the
//! handle and the thread), `writer` (the thread), `schema`, `rows`, `restore`, [`log`], [`person`] (what is kept of one, told or erased).

mod error;
pub mod log;
mod pending;
pub mod person;
mod restore;
mod rows;
mod schema;
mod shared;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use herenow_protocol::StoreState;
use rusqlite::Connection;

use crate::journal::{Record, Restored};
pub use error::StoreError;
pub use log::{Cursor, Disagreement, Gap, LogReader};
use shared::{Shared, lock};
use writer::Writer;

/// Tells the wall clock, in milliseconds since 1970.
pub type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How long [`Store::close`] waits for the thread to notice that its time is up: longer than the thread
/// waits for somebody else who writes.
const LAST_TRY: Duration = Duration::from_millis(1_500);

/// How a store behaves.
#[derive(Clone)]
pub struct StoreOptions {
    /// For the beacon and the age of the log. Called by the store's thread and by those who write.
    pub clock: WallClock,
    /// For how many users the last-seen time is restored, the newest first. All of them stay on disk.
    /// Default: 100,000.
    pub last_seen_max: usize,
    /// How many records may wait for a failing disk. Beyond it the oldest transitions are dropped;
    /// what describes sessions and users never is, see `pending`. Default: 262,144.
    pub queue_max: usize,
    /// How long a transition stays in the log. Default: 30 days.
    pub log_keep: Duration,
    /// How many transitions the log has at most. Default: 5,000,000, about 500 MB.
    pub log_rows_max: u64,
    /// How long [`Store::close`] tries to write what waits. Default: 5 s.
    pub close_deadline: Duration,
}

impl StoreOptions {
    /// The defaults, with this clock.
    #[must_use]
    pub fn new(clock: WallClock) -> Self {
        Self {
            clock,
            last_seen_max: 100_000,
            queue_max: 262_144,
            log_keep: Duration::from_secs(30 * 24 * 60 * 60),
            log_rows_max: 5_000_000,
            close_deadline: Duration::from_secs(5),
        }
    }
}

/// Stands for what was written up to one call of [`Store::write`]. Later tickets are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// How a store is at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHealth {
    /// Written or failing, never [`StoreState::None`].
    pub state: StoreState,
    /// Transitions that are not written yet.
    pub waiting: u64,
    /// Transitions that were lost for lack of room since the store was opened.
    pub dropped: u64,
    /// What is wrong, for people; empty if nothing is.
    pub text: String,
}

/// A handle of the store: cheap to clone, usable from any thread.
///
/// When the last one is dropped without [`Store::close`], the thread writes what waits if it can at
/// once, and ends by itself; the next server finds a process that was not stopped in order.
#[derive(Clone)]
pub struct Store(Arc<Handle>);

/// What all clones of a [`Store`] share, and the thread does not.
struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<(JoinHandle<()>, mpsc::Receiver<()>)>>,
    close_deadline: Duration,
}

impl Store {
    /// Opens the store in `dir`, which is made if it is not there, and tells what the former process left.
    ///
    /// From here on the store counts as running, and as not stopped in order. Blocks for as long as it
    /// takes to read what is restored.
    ///
    /// # Errors
    /// Any [`StoreError`] but [`StoreError::Missing`]. What is on disk is as before, except that a
    /// directory and empty files may have been made.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<(Self, Restored), StoreError> {
        let (lock, mut connection, path) = schema::open(dir)?;
        let now_ms = (options.clock)();
        let restored = restore::restore(&mut connection, &path, options.last_seen_max, now_ms)?;
        let store = Self::start(connection, lock, &restored, options)?;
        Ok((store, restored))
    }

    /// Starts the thread that writes.
    fn start(
        connection: Connection,
        lock: File,
        restored: &Restored,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let on_disk = restored.sessions.iter().map(|session| session.session).collect();
        let shared = Arc::new(Shared::new(options.queue_max, Arc::clone(&options.clock), on_disk));
        let close_deadline = options.close_deadline;
        let writer = Writer::new(connection, lock, Arc::clone(&shared), options);
        let (running, end) = mpsc::channel();
        let life = move || {
            // Dropped at the end, even if that is a panic: this is what `close` waits for.
            let _running: mpsc::Sender<()> = running;
            writer.run();
        };
        let thread = thread::Builder::new().name("herenow-store".to_owned()).spawn(life);
        let thread = thread.map_err(|source| StoreError::Thread { source })?;
        let thread = Mutex::new(Some((thread, end)));
        Ok(Self(Arc::new(Handle { shared, thread, close_deadline })))
    }

    /// Queues `records`, which are written together and in order. Never waits for the disk, never fails.
    ///
    /// No records give the ticket of what was written before. After [`Store::close`] records go nowhere.
    #[expect(clippy::must_use_candidate, reason = "most writers do not wait")]
    pub fn write(&self, records: Vec<Record>) -> Ticket {
        Ticket(self.0.shared.push(records))
    }

    /// Resolves when everything up to `ticket` is on disk, or as soon as the store cannot promise
    /// that: when it is failing, hangs, or is closed.
    ///
    /// A disk that hangs without an error is noticed by the next [`Store::write`] or [`Store::health`].
    pub fn committed(&self, ticket: Ticket) -> impl Future<Output = ()> + Send + use<> {
        let mut progress = self.0.shared.progress.subscribe();
        async move {
            // An error means that the store is gone, which is one more reason not to wait.
            let _ = progress.wait_for(|now| now.given_up || now.committed >= ticket.0).await;
        }
    }

    /// How the store is at the moment.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        self.0.shared.health()
    }

    /// Writes what waits, marks whether the server was `stopped` in order, and gives the directory free.
    ///
    /// Blocks until that is done, at most [`StoreOptions::close_deadline`] and 1.5 s more; what a failing disk did
    /// not take until then is lost, and the log says how much. Further calls do nothing.
    pub fn close(&self, stopped: bool) {
        let Some((thread, end)) = lock(&self.0.thread).take() else { return };
        self.0.shared.close(stopped);
        let ends_within = |time| end.recv_timeout(time) == Err(RecvTimeoutError::Disconnected);
        let in_time = ends_within(self.0.close_deadline) || {
            self.0.shared.abandon();
            ends_within(LAST_TRY)
        };
        // A thread that hangs in the disk cannot be ended; the process goes without it.
        if in_time && thread.join().is_err() {
            tracing::error!("the store's thread panicked");
        }
        self.0.shared.tell_what_is_lost();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close(false);
        self.shared.abandon();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("health", &self.health()).finish_non_exhaustive()
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("last_seen_max", &self.last_seen_max)
            .field("queue_max", &self.queue_max)
            .field("log_keep", &self.log_keep)
            .field("log_rows_max", &self.log_rows_max)
            .field("close_deadline", &self.close_deadline)
            .finish_non_exhaustive()
    }
}
