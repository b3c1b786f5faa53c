//! The log of transitions: how it is written and kept short, and [`LogReader`] for everybody else.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use herenow_protocol::{
    CloseReason, DeviceLabel, DisplayName, SessionId, Status, Transition, TransitionKind, Violation,
};
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

use super::pending::Loss;
use super::rows::{Reading, integer, status};
use super::{StoreError, StoreOptions, schema};
use crate::journal::Logged;

const APPEND: &str = "
    INSERT INTO transition (at_ms, not_before_ms, kind, session, name, device, cause, detail, status)
    VALUES (:at_ms, :not_before_ms, :kind, :session, :name, :device, :cause, :detail, :status)";

const APPEND_GAP: &str = "
    INSERT INTO transition (at_ms, not_before_ms, kind, name, device, dropped)
    VALUES (?1, ?2, 'gap', '', '', ?3)";

const READ: &str = "
    SELECT * FROM transition WHERE cursor > ?1 AND kind <> 'gap' ORDER BY cursor LIMIT ?2";

const GAPS: &str = "
    SELECT * FROM transition WHERE cursor > ?1 AND cursor <= ?2 AND kind = 'gap' ORDER BY cursor";

/// What was given out last, even if it has been pruned since.
const NEWEST: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'transition'";

/// The log is nearly in the order of time, so old rows are at its beginning, and only it is looked at.
const PRUNE: &str = "
    DELETE FROM transition
    WHERE cursor < (SELECT min(cursor) FROM transition) + :step
      AND (at_ms < :keep_from_ms OR cursor <= (SELECT max(cursor) FROM transition) - :rows_max)";

const DISAGREEMENTS: &str = "
    WITH logged AS (
        -- SQLite takes not_before_ms from the row that has the maximum.
        SELECT name, not_before_ms AS at_ms, max(cursor) FROM transition WHERE kind = 'offline' GROUP BY name
    )
    SELECT coalesce(last_seen.name, logged.name) AS name,
           last_seen.at_ms AS table_ms, logged.at_ms AS log_ms
    FROM last_seen FULL JOIN logged ON last_seen.name = logged.name
    WHERE last_seen.at_ms IS NOT logged.at_ms
    ORDER BY 1";

/// How many of the oldest rows one step of pruning looks at. More than what is written between two steps, so that
/// pruning wins, and few enough to take a few milliseconds.
pub(super) const PRUNE_STEP: u64 = 4_000;

/// The numbers of violations end well below this.
const VIOLATIONS: u64 = 64;

/// A place in the log: that of one transition. Later ones are greater; a place is never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub u64);

impl Cursor {
    /// Before the first transition.
    pub const START: Self = Self(0);

    /// After the last transition, however many there will be.
    pub const END: Self = Self(u64::MAX);
}

/// A place where transitions are missing, because a failing disk left no room for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its place in the log; no transition has it.
    pub cursor: Cursor,
    /// How many are missing.
    pub dropped: u64,
    /// When the first of them was decided, in milliseconds since 1970.
    pub from_ms: u64,
    /// When the last of them was decided, in milliseconds since 1970.
    pub to_ms: u64,
}

/// A user whose last-seen time is not what the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The user.
    pub name: DisplayName,
    /// What is kept, in milliseconds since 1970.
    pub table_ms: Option<u64>,
    /// Since when the user may have been gone, by the last `offline`; in milliseconds since 1970.
    pub log_ms: Option<u64>,
}

/// Reads the log of a server, while it runs or after its end. Writes nothing.
#[derive(Debug)]
pub struct LogReader {
    connection: Connection,
    path: PathBuf,
}

impl LogReader {
    /// Opens the log in a server's data directory.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none; others if it is not ours, newer, or cannot be read.
    pub fn open(dir: &Path) -> std::result::Result<Self, StoreError> {
        let (connection, path) = schema::open_to_read(dir)?;
        Ok(Self { connection, path })
    }

    /// The transitions that follow `after`, the oldest first, at most `limit`.
    ///
    /// Whoever passes the last cursor that they got misses nothing and sees nothing twice, however
    /// often they start anew; except for what was pruned, or is a [`Gap`].
    ///
    /// # Errors
    /// [`StoreError::Database`] or [`StoreError::Damaged`]; a later call may succeed.
    pub fn read(
        &self,
        after: Cursor,
        limit: usize,
    ) -> std::result::Result<Vec<(Cursor, Logged)>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(READ, params![integer(after.0), limit], |row| Reading("transition", row).logged())
    }

    /// The gaps that follow `after`, up to `end`, the oldest first. Reads all of the log between them.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn gaps(&self, after: Cursor, end: Cursor) -> std::result::Result<Vec<Gap>, StoreError> {
        self.all(GAPS, [integer(after.0), integer(end.0)], |row| Reading("transition", row).gap())
    }

    /// The place of the newest transition, pruned or not; [`Cursor::START`] if there never was one.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn newest(&self) -> std::result::Result<Cursor, StoreError> {
        let newest = self.connection.query_row(NEWEST, [], |row| row.get::<_, i64>(0)).optional();
        let newest = newest.map_err(|source| StoreError::of(&self.path, source))?;
        Ok(Cursor(newest.map_or(0, |cursor| u64::try_from(cursor).unwrap_or_default())))
    }

    /// Everybody whose last-seen time is not that of their last `offline` in the log.
    ///
    /// Nobody, as long as the writer gives both the same time and the log was not pruned and has no gap.
    /// Reads all of the log.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn check_last_seen(&self) -> std::result::Result<Vec<Disagreement>, StoreError> {
        self.all(DISAGREEMENTS, [], |row| {
            let time = |column: &str| row.get::<_, Option<i64>>(column);
            Ok(Disagreement {
                name: Reading("last_seen", row).parsed("name", DisplayName::new)?,
                table_ms: time("table_ms")?.and_then(|ms| ms.try_into().ok()),
                log_ms: time("log_ms")?.and_then(|ms| ms.try_into().ok()),
            })
        })
    }

    fn all<T>(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
        read: impl Fn(&Row<'_>) -> Result<T>,
    ) -> std::result::Result<Vec<T>, StoreError> {
        let rows = || -> Result<Vec<T>> {
            self.connection.prepare_cached(query)?.query_map(parameters, read)?.collect()
        };
        rows().map_err(|source| StoreError::of(&self.path, source))
    }
}

/// What of the log is kept.
pub(super) struct Retention {
    keep_from_ms: u64,
    rows_max: u64,
}

impl Retention {
    pub(super) fn at(now_ms: u64, options: &StoreOptions) -> Self {
        let keep_ms = u64::try_from(options.log_keep.as_millis()).unwrap_or(u64::MAX);
        Self { keep_from_ms: now_ms.saturating_sub(keep_ms), rows_max: options.log_rows_max }
    }
}

/// Deletes a few of the oldest transitions that need not be kept.
pub(super) fn prune(connection: &Connection, retention: &Retention) -> Result<()> {
    let row = named_params! {
        ":step": integer(PRUNE_STEP),
        ":keep_from_ms": integer(retention.keep_from_ms),
        ":rows_max": integer(retention.rows_max),
    };
    connection.prepare_cached(PRUNE)?.execute(row).map(drop)
}

/// Adds transitions at the end, after a gap if some were lost before them.
pub(super) fn append(
    connection: &Connection,
    loss: &Loss,
    transitions: &VecDeque<Logged>,
) -> Result<()> {
    if loss.dropped > 0 {
        let gap = params![integer(loss.to_ms), integer(loss.from_ms), integer(loss.dropped)];
        connection.prepare_cached(APPEND_GAP)?.execute(gap)?;
    }
    let mut statement = connection.prepare_cached(APPEND)?;
    for Logged { name, device, transition } in transitions {
        let violation = transition.cause.and_then(CloseReason::violation);
        statement.execute(named_params! {
            ":at_ms": integer(transition.at_ms),
            ":not_before_ms": integer(transition.not_before_ms),
            ":kind": transition.kind.name(),
            ":session": transition.session.map(|session| integer(session.0)),
            ":name": name.as_str(),
            ":device": device.as_str(),
            ":cause": transition.cause.map(CloseReason::name),
            ":detail": violation.map(Violation::name),
            ":status": transition.status.map(Status::name),
        })?;
    }
    Ok(())
}

impl Reading<'_> {
    fn logged(&self) -> Result<(Cursor, Logged)> {
        let detail = self.parsed_if_any("detail", |name| Ok::<_, Infallible>(violation(name)))?;
        let transition = Transition {
            at_ms: self.number("at_ms")?,
            kind: self.parsed("kind", kind)?,
            session: self.session_if_any()?,
            cause: self.parsed_if_any("cause", |name| cause(name, detail))?,
            not_before_ms: self.number("not_before_ms")?,
            status: self.parsed_if_any("status", status)?,
        };
        let name = self.parsed("name", DisplayName::new)?;
        let device = self.parsed("device", DeviceLabel::new)?;
        Ok((Cursor(self.number("cursor")?), Logged { name, device, transition }))
    }

    fn gap(&self) -> Result<Gap> {
        Ok(Gap {
            cursor: Cursor(self.number("cursor")?),
            dropped: self.number("dropped")?,
            from_ms: self.number("not_before_ms")?,
            to_ms: self.number("at_ms")?,
        })
    }

    fn session_if_any(&self) -> Result<Option<SessionId>> {
        match self.1.get_ref("session")?.data_type() {
            rusqlite::types::Type::Null => Ok(None),
            _ => Ok(Some(SessionId(self.number("session")?))),
        }
    }
}

fn kind(name: &str) -> std::result::Result<TransitionKind, String> {
    let named = TransitionKind::ALL.iter().copied().find(|kind| kind.name() == name);
    named.ok_or_else(|| format!("there is no kind {name:?}"))
}

fn cause(name: &str, detail: Option<Violation>) -> std::result::Result<CloseReason, String> {
    match (CloseReason::from_name(name), detail) {
        (Some(CloseReason::ProtocolError(_)), Some(violation)) => {
            Ok(CloseReason::ProtocolError(violation))
        }
        (Some(reason), _) => Ok(reason),
        (None, _) => Err(format!("there is no close reason {name:?}")),
    }
}

/// The violation of this name; an unknown one is `Other`, as on the wire.
fn violation(name: &str) -> Violation {
    let mut all = (0..VIOLATIONS).map(Violation::from_wire);
    all.find(|violation| violation.name() == name).unwrap_or(Violation::Other)
}
