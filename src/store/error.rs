//! Why a store could not be opened or read.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why a store could not be opened or read. Each says which file, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be made, or nothing can be written in it.
    #[error(
        "cannot use {path} as the data directory: {source}. Name another directory, or let the \
         server's user write in this one"
    )]
    Directory {
        /// The directory or the file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another server has the directory.
    #[error(
        "another server{} uses {path}: one directory serves one server at a time. Stop the other, or \
         name another directory", pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other server's process, if it is known.
        pid: Option<u32>,
    },
    /// The file is not what this program wrote.
    #[error(
        "{path} is not a database of herenow. Move it away to begin anew, or name another directory"
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of this program wrote the file.
    #[error(
        "{path} has format {found}, and this version of herenow knows formats up to {known}. Run the \
         newer version, or move the file away to begin anew"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this program knows.
        known: i64,
    },
    /// The file has content that cannot be.
    #[error(
        "{path} is damaged: {what}. Restore it from a backup, or move it away to begin anew; then \
         everybody signs in again"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        what: String,
    },
    /// There is nothing to read.
    #[error(
        "there is no database at {path}. Name the data directory of a server that has run with one"
    )]
    Missing {
        /// The file that is not there.
        path: PathBuf,
    },
    /// SQLite could not read or write the file.
    #[error(
        "cannot use the database {path}: {source}. Look for a full or failing disk, then start again"
    )]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The system gives no thread.
    #[error("cannot start the store's thread: {source}")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// What an error of SQLite means for the file at `path`.
    pub(super) fn of(path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => return Self::NotOurs { path },
            Some(ErrorCode::DatabaseCorrupt) => {
                return Self::Damaged { path, what: source.to_string() };
            }
            _ => {}
        }
        match source {
            // What `rows` says of a value that it cannot read.
            E::FromSqlConversionFailure(_, _, what) => {
                Self::Damaged { path, what: what.to_string() }
            }
            E::InvalidColumnType(..) | E::IntegralValueOutOfRange(..) | E::Utf8Error(..) => {
                Self::Damaged { path, what: source.to_string() }
            }
            source => Self::Database { path, source },
        }
    }
}
