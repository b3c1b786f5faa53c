//! Everything that is kept of one person: told to whoever asks for it, and erased.

use std::path::Path;

use herenow_protocol::DisplayName;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Result, Row, TransactionBehavior, params};
use serde_json::{Map, Value, json};

use super::rows::integer;
use super::{StoreError, schema};

/// The tables that speak of people, by name.
const TABLES: [&str; 4] = ["session", "person", "last_seen", "transition"];

const OPEN_SESSIONS: &str = "SELECT session FROM session WHERE name = ?1 ORDER BY opened_ms";

/// Whether others saw them when the log ends.
const SEEN: &str = "
    SELECT kind <> 'offline' FROM transition
    WHERE name = ?1 AND kind IN ('online', 'offline', 'changed') ORDER BY cursor DESC LIMIT 1";

const END: &str = "
    INSERT INTO transition (at_ms, not_before_ms, kind, session, name, device, cause, status)
    VALUES (?1, ?1, ?2, ?3, ?4, '', 'goodbye', ?5)";

const FORGET_NAME: &str = "UPDATE transition SET name = ?2, device = '' WHERE name = ?1";

/// What was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Sessions that might have been resumed.
    pub sessions: usize,
    /// Transitions that speak of somebody without a name from now on.
    pub transitions: usize,
    /// Other rows: text, metadata, when they were last seen.
    pub others: usize,
}

/// Everything that the store in `dir` keeps of this person, table by table. Keys and tokens are told as the hashes that
/// are kept of them.
///
/// # Errors
/// As [`super::LogReader::open`].
pub fn export(dir: &Path, name: &DisplayName) -> std::result::Result<Value, StoreError> {
    let (connection, path) = schema::open_to_read(dir)?;
    read_all(&connection, name).map_err(|source| StoreError::of(&path, source))
}

/// Erases this person from the store in `dir`, which no server may have open: sessions, words and last seen go, and
/// transitions bear a random name instead, so that every session that was opened is still closed once. What was
/// erased is overwritten on disk.
///
/// # Errors
/// [`StoreError::InUse`] while a server has it; others as of [`super::Store::open`]. Nothing was changed then.
pub fn erase(
    dir: &Path,
    name: &DisplayName,
    now_ms: u64,
) -> std::result::Result<Erased, StoreError> {
    // Whoever misspells the folder must not get an empty store.
    drop(schema::open_to_read(dir)?);
    let (_lock, mut connection, path) = schema::open(dir)?;
    erase_all(&mut connection, name, now_ms).map_err(|source| StoreError::of(&path, source))
}

fn read_all(connection: &Connection, name: &DisplayName) -> Result<Value> {
    let mut all = json!({"user": name.as_str()});
    for table in TABLES {
        let mut statement =
            connection.prepare(&format!("SELECT * FROM {table} WHERE name = ?1"))?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let rows = statement.query_map([name.as_str()], |row| object(row, &columns))?;
        all[table] = rows.collect::<Result<Vec<Value>>>()?.into();
    }
    Ok(all)
}

fn object(row: &Row<'_>, columns: &[String]) -> Result<Value> {
    let mut object = Map::new();
    for (index, column) in columns.iter().enumerate() {
        let value = match row.get_ref(index)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => number.into(),
            ValueRef::Real(number) => number.into(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
            ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        object.insert(column.clone(), value);
    }
    Ok(object.into())
}

fn erase_all(connection: &mut Connection, name: &DisplayName, now_ms: u64) -> Result<Erased> {
    connection.pragma_update(None, "secure_delete", true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    close_all(&transaction, name, now_ms)?;
    let mut erased = Erased::default();
    for table in ["session", "person", "last_seen"] {
        let rows = transaction
            .execute(&format!("DELETE FROM {table} WHERE name = ?1"), [name.as_str()])?;
        match table {
            "session" => erased.sessions = rows,
            _ => erased.others += rows,
        }
    }
    let nobody = format!("erased-{:016x}", rand::random::<u64>());
    erased.transitions = transaction.execute(FORGET_NAME, [name.as_str(), &nobody])?;
    transaction.commit()?;
    // The write-ahead log has the old pages, and free pages may have still older ones.
    connection.execute_batch(
        "PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE);",
    )?;
    Ok(erased)
}

/// Whoever might have been resumed has left now.
fn close_all(connection: &Connection, name: &DisplayName, now_ms: u64) -> Result<()> {
    let mut open = connection.prepare(OPEN_SESSIONS)?;
    let open: Vec<i64> =
        open.query_map([name.as_str()], |row| row.get(0))?.collect::<Result<_>>()?;
    let mut end = connection.prepare(END)?;
    for session in &open {
        end.execute(params![integer(now_ms), "closed", session, name.as_str(), None::<&str>])?;
    }
    let seen: Option<bool> =
        connection.query_row(SEEN, [name.as_str()], |row| row.get(0)).optional()?;
    if seen == Some(true) {
        let offline = (integer(now_ms), "offline", None::<i64>, name.as_str(), Some("offline"));
        end.execute(offline)?;
    }
    Ok(())
}
