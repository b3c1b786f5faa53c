//! The thread that owns the connection to the database and does all the writing.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::StoreOptions;
use super::log::{self, Retention};
use super::rows;
use super::shared::{Shared, Work};

/// The first wait after a failure, and all of them while closing.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);

/// The longest wait between two tries.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);

/// The log is pruned with every commit that has nothing else to do, and once in so many transitions.
const PRUNE_EVERY: u64 = 1_000;

/// Writes what [`Shared`] gives it, until the store is closed.
pub(super) struct Writer {
    connection: Connection,
    /// Keeps other servers out for as long as it is open.
    lock: File,
    shared: Arc<Shared>,
    options: StoreOptions,
    /// Transitions that were written since the log was pruned.
    unpruned: u64,
}

/// Releases those who wait when the thread ends, even by a panic.
struct Farewell(Arc<Shared>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        lock: File,
        shared: Arc<Shared>,
        options: StoreOptions,
    ) -> Self {
        Self { connection, lock, shared, options, unpruned: 0 }
    }

    /// The whole life of the thread. When it returns, the directory is free again.
    pub(super) fn run(mut self) {
        let farewell = Farewell(Arc::clone(&self.shared));
        self.write_until_closed();
        // Before the lock, so that the next server finds nobody in the database.
        drop(self.connection);
        drop(self.lock);
        drop(farewell);
    }

    fn write_until_closed(&mut self) {
        let mut delay = BACK_OFF_MIN;
        loop {
            let work = self.shared.take();
            let closing = work.closing.is_some();
            match self.commit(&work) {
                Ok(()) => {
                    self.shared.written(work);
                    delay = BACK_OFF_MIN;
                    if closing {
                        return;
                    }
                }
                Err(error) => {
                    self.shared.put_back(work, &error.to_string());
                    if !self.shared.back_off(if closing { BACK_OFF_MIN } else { delay }) {
                        return;
                    }
                    delay = (delay * 2).min(BACK_OFF_MAX);
                }
            }
        }
    }

    /// Writes all of `work` or nothing.
    fn commit(&mut self, work: &Work) -> rusqlite::Result<()> {
        let now_ms = (self.options.clock)();
        let unpruned = self.unpruned + work.batch.transitions.len() as u64;
        let prune = work.batch.is_empty() || unpruned >= PRUNE_EVERY;
        let transaction = begin(&mut self.connection)?;
        rows::write(&transaction, &work.batch)?;
        rows::write_beacon(&transaction, now_ms, work.closing.unwrap_or(false))?;
        if prune {
            log::prune(&transaction, &Retention::at(now_ms, &self.options))?;
        }
        transaction.commit()?;
        self.unpruned = if prune { 0 } else { unpruned };
        Ok(())
    }
}

/// Begins a transaction that may write.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    if !connection.is_autocommit() {
        // The disk refused even to take back the last transaction.
        connection.execute_batch("ROLLBACK")?;
    }
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}
