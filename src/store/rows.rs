//! Records as rows: the statements that write them, and how values are read back.

use std::fmt::Display;

use herenow_protocol::{
    CloseReason, DisplayName, Metadata, RoomName, SessionId, Status, StatusText,
};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Result, Row, named_params, params};
use serde_json::{Map, Value};

use super::log;
use super::pending::Pending;
use crate::journal::{Fingerprint, LostRecord, PersonRecord, SessionRecord};

const PUT_SESSION: &str = "
    REPLACE INTO session (session, token, name, device, label, heartbeat_ms, status, automatic,
                          since_ms, rooms, opened_ms, lost_cause, heard_ms, shown_until_ms,
                          resume_until_ms)
    VALUES (:session, :token, :name, :device, :label, :heartbeat_ms, :status, :automatic,
            :since_ms, :rooms, :opened_ms, :lost_cause, :heard_ms, :shown_until_ms,
            :resume_until_ms)";

const DROP_SESSION: &str = "DELETE FROM session WHERE session = ?1";

const PUT_PERSON: &str = "
    REPLACE INTO person (name, key, text, until_ms, metadata)
    VALUES (:name, :key, :text, :until_ms, :metadata)";

const DROP_PERSON: &str = "DELETE FROM person WHERE name = ?1";

const PUT_LAST_SEEN: &str = "REPLACE INTO last_seen (name, at_ms) VALUES (?1, ?2)";

const PUT_BEACON: &str = "REPLACE INTO beacon (id, alive_ms, stopped) VALUES (1, ?1, ?2)";

const GET_BEACON: &str = "SELECT alive_ms, stopped FROM beacon";

/// Writes everything that waits. For one transaction.
pub(super) fn write(connection: &Connection, batch: &Pending) -> Result<()> {
    for (session, record) in &batch.sessions {
        match record {
            Some(record) => write_session(connection, record)?,
            None => drop_session(connection, *session)?,
        }
    }
    for (name, record) in &batch.people {
        match record {
            Some(record) => write_person(connection, record)?,
            None => drop_person(connection, name)?,
        }
    }
    let mut last_seen = connection.prepare_cached(PUT_LAST_SEEN)?;
    for (name, at_ms) in &batch.last_seen {
        last_seen.execute(params![name.as_str(), integer(*at_ms)])?;
    }
    log::append(connection, &batch.loss, &batch.transitions)
}

/// Says that the process is alive, or that it was stopped in order.
pub(super) fn write_beacon(connection: &Connection, alive_ms: u64, stopped: bool) -> Result<()> {
    let mut statement = connection.prepare_cached(PUT_BEACON)?;
    statement.execute(params![integer(alive_ms), stopped]).map(drop)
}

/// When the former process was last known to run, and whether it was stopped in order.
pub(super) fn read_beacon(connection: &Connection) -> Result<(u64, bool)> {
    let beacon = |row: &Row<'_>| Ok((Reading("beacon", row).number("alive_ms")?, row.get(1)?));
    Ok(connection.query_row(GET_BEACON, [], beacon).optional()?.unwrap_or_default())
}

/// SQLite has no unsigned integers. Times and numbers of the protocol are below 2^53, so nothing is cut.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn write_session(connection: &Connection, record: &SessionRecord) -> Result<()> {
    let rooms: Value = record.rooms.iter().map(RoomName::as_str).collect();
    let mut statement = connection.prepare_cached(PUT_SESSION)?;
    let row = named_params! {
        ":session": integer(record.session.0),
        ":token": record.token.0,
        ":name": record.name.as_str(),
        ":device": record.device.0,
        ":label": record.label.as_str(),
        ":heartbeat_ms": integer(record.heartbeat_ms),
        ":status": record.status.name(),
        ":automatic": record.automatic,
        ":since_ms": integer(record.since_ms),
        ":rooms": rooms.to_string(),
        ":opened_ms": integer(record.opened_ms),
        ":lost_cause": record.lost.map(|lost| lost.cause.name()),
        ":heard_ms": record.lost.map(|lost| integer(lost.heard_ms)),
        ":shown_until_ms": record.lost.map(|lost| integer(lost.shown_until_ms)),
        ":resume_until_ms": record.lost.map(|lost| integer(lost.resume_until_ms)),
    };
    statement.execute(row).map(drop)
}

fn drop_session(connection: &Connection, session: SessionId) -> Result<()> {
    connection.prepare_cached(DROP_SESSION)?.execute([integer(session.0)]).map(drop)
}

fn write_person(connection: &Connection, record: &PersonRecord) -> Result<()> {
    let metadata: Map<String, Value> =
        record.metadata.pairs().map(|(key, value)| (key.to_owned(), value.into())).collect();
    let mut statement = connection.prepare_cached(PUT_PERSON)?;
    let row = named_params! {
        ":name": record.name.as_str(),
        ":key": record.key.map(|key| key.0),
        ":text": record.text.as_str(),
        ":until_ms": integer(record.until_ms),
        ":metadata": Value::Object(metadata).to_string(),
    };
    statement.execute(row).map(drop)
}

fn drop_person(connection: &Connection, name: &DisplayName) -> Result<()> {
    connection.prepare_cached(DROP_PERSON)?.execute([name.as_str()]).map(drop)
}

/// A row and its table, for saying where a value is that cannot be.
pub(super) struct Reading<'row>(pub(super) &'static str, pub(super) &'row Row<'row>);

impl Reading<'_> {
    pub(super) fn session(&self) -> Result<SessionRecord> {
        Ok(SessionRecord {
            session: SessionId(self.number("session")?),
            token: self
                .fingerprint("token")?
                .ok_or_else(|| self.wrong("token", "it is missing"))?,
            name: self.parsed("name", DisplayName::new)?,
            device: self
                .fingerprint("device")?
                .ok_or_else(|| self.wrong("device", "it is missing"))?,
            label: self.parsed("label", herenow_protocol::DeviceLabel::new)?,
            heartbeat_ms: self.number("heartbeat_ms")?,
            status: self.parsed("status", status)?,
            automatic: self.1.get("automatic")?,
            since_ms: self.number("since_ms")?,
            rooms: self.parsed("rooms", rooms)?,
            opened_ms: self.number("opened_ms")?,
            lost: self.lost()?,
        })
    }

    fn lost(&self) -> Result<Option<LostRecord>> {
        let Some(cause) = self.parsed_if_any("lost_cause", cause)? else { return Ok(None) };
        Ok(Some(LostRecord {
            cause,
            heard_ms: self.number("heard_ms")?,
            shown_until_ms: self.number("shown_until_ms")?,
            resume_until_ms: self.number("resume_until_ms")?,
        }))
    }

    pub(super) fn person(&self) -> Result<PersonRecord> {
        Ok(PersonRecord {
            name: self.parsed("name", DisplayName::new)?,
            key: self.fingerprint("key")?,
            text: self.parsed("text", StatusText::new)?,
            until_ms: self.number("until_ms")?,
            metadata: self.parsed("metadata", metadata)?,
        })
    }

    pub(super) fn last_seen(&self) -> Result<(DisplayName, u64)> {
        Ok((self.parsed("name", DisplayName::new)?, self.number("at_ms")?))
    }

    pub(super) fn number(&self, column: &str) -> Result<u64> {
        let number: i64 = self.1.get(column)?;
        u64::try_from(number).map_err(|_| self.wrong(column, "it is negative"))
    }

    pub(super) fn parsed<T, E: Display>(
        &self,
        column: &str,
        parse: impl FnOnce(&str) -> std::result::Result<T, E>,
    ) -> Result<T> {
        let text = self.1.get_ref(column)?;
        let text = text.as_str().map_err(|error| self.wrong(column, error))?;
        parse(text).map_err(|error| self.wrong(column, error))
    }

    /// For a column that may be empty.
    pub(super) fn parsed_if_any<T, E: Display>(
        &self,
        column: &str,
        parse: impl FnOnce(&str) -> std::result::Result<T, E>,
    ) -> Result<Option<T>> {
        match self.1.get_ref(column)?.data_type() {
            Type::Null => Ok(None),
            _ => self.parsed(column, parse).map(Some),
        }
    }

    fn fingerprint(&self, column: &str) -> Result<Option<Fingerprint>> {
        let bytes: Option<Vec<u8>> = self.1.get(column)?;
        let Some(bytes) = bytes else { return Ok(None) };
        let bytes = bytes.try_into().map_err(|_| self.wrong(column, "it has not 16 bytes"))?;
        Ok(Some(Fingerprint(bytes)))
    }

    /// The value of this column cannot be; `StoreError::of` makes it a damage.
    pub(super) fn wrong(&self, column: &str, why: impl Display) -> Error {
        let text = format!("a row of table {} has a wrong {column}: {why}", self.0);
        Error::FromSqlConversionFailure(0, Type::Text, text.into())
    }
}

/// The status of this name.
pub(super) fn status(name: &str) -> std::result::Result<Status, String> {
    let named = Status::ALL.into_iter().find(|status| status.name() == name);
    named.ok_or_else(|| format!("there is no status {name:?}"))
}

fn cause(name: &str) -> std::result::Result<CloseReason, String> {
    CloseReason::from_name(name).ok_or_else(|| format!("there is no cause {name:?}"))
}

fn rooms(json: &str) -> std::result::Result<Vec<RoomName>, String> {
    let names: Vec<String> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    names.iter().map(|name| RoomName::new(name).map_err(|error| error.to_string())).collect()
}

fn metadata(json: &str) -> std::result::Result<Metadata, String> {
    let map: Map<String, Value> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let pairs = map.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()));
    Metadata::new(pairs).map_err(|error| error.to_string())
}
