//! What the former process left, read once when a store is opened.

use std::path::Path;

use rusqlite::{Connection, Result, Row, TransactionBehavior};

use super::rows::{self, Reading};
use super::{StoreError, rows::write_beacon};
use crate::journal::Restored;

/// Sessions of one millisecond have no order of their own; their numbers give them the same one each time.
const SESSIONS: &str = "SELECT * FROM session ORDER BY opened_ms, session";

/// People without sessions are of no use to anybody, so a mistake of the writer does not stay.
const DROP_STRAY_PEOPLE: &str = "DELETE FROM person WHERE name NOT IN (SELECT name FROM session)";

const PEOPLE: &str = "SELECT * FROM person ORDER BY name";

const LAST_SEEN: &str = "SELECT name, at_ms FROM last_seen ORDER BY at_ms DESC, name LIMIT ?1";

/// Reads what is restored, and marks the store as running from `now_ms` on.
pub(super) fn restore(
    connection: &mut Connection,
    path: &Path,
    last_seen_max: usize,
    now_ms: u64,
) -> std::result::Result<Restored, StoreError> {
    read_and_mark(connection, last_seen_max, now_ms).map_err(|source| StoreError::of(path, source))
}

fn read_and_mark(
    connection: &mut Connection,
    last_seen_max: usize,
    now_ms: u64,
) -> Result<Restored> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(DROP_STRAY_PEOPLE, [])?;
    let (alive_ms, stopped) = rows::read_beacon(&transaction)?;
    let last_seen_max = i64::try_from(last_seen_max).unwrap_or(i64::MAX);
    let restored = Restored {
        sessions: all(&transaction, SESSIONS, [], |row| Reading("session", row).session())?,
        people: all(&transaction, PEOPLE, [], |row| Reading("person", row).person())?,
        last_seen: all(&transaction, LAST_SEEN, [last_seen_max], |row| {
            Reading("last_seen", row).last_seen()
        })?,
        alive_ms,
        stopped,
    };
    write_beacon(&transaction, now_ms, false)?;
    transaction.commit()?;
    Ok(restored)
}

fn all<T>(
    connection: &Connection,
    query: &str,
    parameters: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection.prepare(query)?.query_map(parameters, read)?.collect()
}
