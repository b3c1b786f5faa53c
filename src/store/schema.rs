//! The files of a store, the tables in them, and the check that they are what they should be.
//!
//! `herenow.lock` is locked by the server that has the directory, and tells its process. `herenow.db` is
//! an SQLite database in WAL mode, so `herenow.db-wal` and `herenow.db-shm` stand beside it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::StoreError;

const DATABASE: &str = "herenow.db";
const LOCK: &str = "herenow.lock";

/// Marks the database as ours, in its header: "here".
const APPLICATION_ID: i64 = 0x6865_7265;

/// How long to wait for somebody else who writes, such as an operator with a tool.
const BUSY: Duration = Duration::from_secs(1);

/// What the write-ahead log is cut down to after it had to grow, in bytes.
const WAL_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// Each step leads from the format of its index to the next one. Steps that were released never change.
const MIGRATIONS: &[&str] = &["
    -- Milliseconds since 1970 by the server's wall clock end in _ms, except heartbeat_ms, a duration.
    -- Words are the names in docs/protocol.md, sections 2, 4 and 7.

    CREATE TABLE beacon (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        alive_ms INTEGER NOT NULL,              -- when the server was last known to run
        stopped INTEGER NOT NULL                -- 1 after it was stopped in order
    ) STRICT;

    CREATE TABLE session (
        session INTEGER PRIMARY KEY,
        token BLOB NOT NULL,                    -- hash of the resume token
        name TEXT NOT NULL,
        device BLOB NOT NULL,                   -- hash of the device id
        label TEXT NOT NULL,
        heartbeat_ms INTEGER NOT NULL,
        status TEXT NOT NULL,
        automatic INTEGER NOT NULL,             -- 1 if a program chose the status
        since_ms INTEGER NOT NULL,
        rooms TEXT NOT NULL,                    -- JSON array of names, without the lobby
        opened_ms INTEGER NOT NULL,
        lost_cause TEXT,                        -- NULL while it has a connection, as the next three
        heard_ms INTEGER,
        shown_until_ms INTEGER,
        resume_until_ms INTEGER
    ) STRICT;

    CREATE TABLE person (
        name TEXT PRIMARY KEY,
        key BLOB,                               -- hash of the user key
        text TEXT NOT NULL,
        until_ms INTEGER NOT NULL,              -- when the text expires; 0 if it does not
        metadata TEXT NOT NULL                  -- JSON object
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE last_seen (
        name TEXT PRIMARY KEY,
        at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX last_seen_at ON last_seen (at_ms DESC);

    CREATE TABLE transition (
        cursor INTEGER PRIMARY KEY AUTOINCREMENT, -- without holes, never used again
        at_ms INTEGER NOT NULL,
        not_before_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,                     -- 'gap' where transitions could not be kept
        session INTEGER,
        name TEXT NOT NULL,
        device TEXT NOT NULL,
        cause TEXT,
        detail TEXT,                            -- the violation of a protocol_error
        status TEXT,
        dropped INTEGER                         -- of a gap: how many transitions are missing here
    ) STRICT;
"];

/// The format that this program writes.
const FORMAT: i64 = MIGRATIONS.len() as i64;

/// Opens the database in `dir` for the one server that may write it, with tables as they are now.
///
/// The lock comes first, so nothing is changed under a server that runs.
pub(super) fn open(dir: &Path) -> Result<(File, Connection, PathBuf), StoreError> {
    let directory_error = |source| StoreError::Directory { path: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(directory_error)?;
    let lock = take_lock(dir)?;
    let path = dir.join(DATABASE);
    // SQLite makes its other files with the mode of this one.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            return Err(StoreError::Directory { path, source });
        }
        _ => {}
    }
    let database_error = |source| StoreError::of(&path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags).map_err(database_error)?;
    let format = format(&connection, &path)?;
    prepare(&connection).map_err(database_error)?;
    migrate(&mut connection, format).map_err(database_error)?;
    Ok((lock, connection, path))
}

/// Opens the database in `dir` for reading only, whether a server runs or not.
pub(super) fn open_to_read(dir: &Path) -> Result<(Connection, PathBuf), StoreError> {
    let path = dir.join(DATABASE);
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::Missing { path });
        }
        Err(source) => return Err(StoreError::Directory { path, source }),
        Ok(_) => {}
    }
    let database_error = |source| StoreError::of(&path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(database_error)?;
    connection.busy_timeout(BUSY).map_err(database_error)?;
    match format(&connection, &path)? {
        // A server that is just starting for the first time.
        0 => Err(StoreError::Missing { path }),
        _ => Ok((connection, path)),
    }
}

fn take_lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = match options.open(&path) {
        Ok(file) => file,
        Err(source) => return Err(StoreError::Directory { path, source }),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
            return Err(StoreError::InUse { path: dir.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(StoreError::Directory { path, source }),
    }
    // The number only helps people; the lock holds without it.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", process::id()));
    Ok(file)
}

/// The format of the database; 0 if it is empty. Changes nothing.
fn format(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get(0));
    let tables = "SELECT count(*) FROM sqlite_schema";
    let found = || -> rusqlite::Result<(i64, i64, i64)> {
        let tables = connection.query_one(tables, [], |row| row.get(0))?;
        Ok((tables, number("application_id")?, number("user_version")?))
    };
    match found().map_err(|source| StoreError::of(path, source))? {
        (0, 0, 0) => Ok(0),
        (_, APPLICATION_ID, found) if found > FORMAT => {
            Err(StoreError::Newer { path: path.to_owned(), found, known: FORMAT })
        }
        (_, APPLICATION_ID, found) => Ok(found),
        _ => Err(StoreError::NotOurs { path: path.to_owned() }),
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    let mode = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", mode)?;
    if mode != "wal" {
        tracing::warn!(mode, "this file system allows no write-ahead log: readers block the store");
    }
    // A power cut may lose the last commits; the end of the process does not.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)
}

fn migrate(connection: &mut Connection, from: i64) -> rusqlite::Result<()> {
    if from == FORMAT {
        return Ok(());
    }
    let done = usize::try_from(from).unwrap_or_default();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}
