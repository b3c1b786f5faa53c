//! What a server says.

use std::fmt;

use bytes::{Bytes, BytesMut};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::Bin;
use crate::close::CloseReason;
use crate::digest::{Digest, Epoch};
use crate::fields::{Bin16, Fields, List, Str};
use crate::frame::{DecodeError, put_frame, read_value};
use crate::ids::{SessionId, UserId, ViewId};
use crate::name::{DisplayName, StatusText};
use crate::presence::{Entry, Presence, Status};

const WELCOME: u64 = 65;
const HEARTBEAT_ACK: u64 = 66;
const SNAPSHOT_PAGE: u64 = 67;
const SNAPSHOT_END: u64 = 68;
const DELTA: u64 = 69;
const RESULT: u64 = 70;
const ERROR: u64 = 71;
const GOODBYE: u64 = 72;

const JOINED: u64 = 0;
const UPDATED: u64 = 1;
const LEFT: u64 = 2;

/// What a server says. Every value in it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// You are signed in.
    Welcome(Welcome),
    /// I heard your heartbeat; this is what you must be showing.
    HeartbeatAck {
        /// The heartbeat answered.
        n: u64,
        /// How others see this session's user, `None` for one who is not listed.
        me: Option<Presence>,
        /// Every complete view at this place of the stream.
        views: Vec<(ViewId, ViewProof)>,
    },
    /// In this range of ids a view has exactly these entries.
    SnapshotPage {
        /// The view.
        view: ViewId,
        /// The first id of the range.
        first: UserId,
        /// The last id of the range.
        last: UserId,
        /// The entries, ascending by id.
        entries: Vec<Entry>,
    },
    /// The pages are complete; the view must now prove itself.
    SnapshotEnd {
        /// The view.
        view: ViewId,
        /// What it must be like.
        proof: ViewProof,
    },
    /// A view goes from one version to another.
    Delta {
        /// The view.
        view: ViewId,
        /// The version before.
        from: u64,
        /// What the view must be like afterwards.
        proof: ViewProof,
        /// What changes, in order.
        changes: Vec<Change>,
    },
    /// A request was carried out.
    Result {
        /// The client's number for the request.
        request: u32,
        /// The view that a `Watch` opened.
        view: Option<ViewId>,
    },
    /// A request was not carried out.
    Error {
        /// The client's number for the request.
        request: u32,
        /// What is wrong, for programs.
        code: ErrorCode,
        /// What is wrong, for people.
        text: String,
    },
    /// The session ends.
    Goodbye {
        /// Why.
        reason: CloseReason,
        /// Whether the client may come back by itself.
        reconnect: bool,
        /// Not before this many milliseconds have passed.
        come_back_after_ms: u64,
        /// For people; may be empty.
        text: String,
    },
}

/// The answer to a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The protocol version that the server will speak.
    pub version: u64,
    /// This session.
    pub session: SessionId,
    /// The heartbeat interval, in milliseconds.
    pub heartbeat_ms: u64,
    /// Heartbeats that may stay unanswered.
    pub misses: u32,
    /// From the last sign of life until every watcher is told, in milliseconds, at most.
    pub detection_bound_ms: u64,
    /// Changes with every start of the server.
    pub epoch: Epoch,
    /// Bytes of a frame that the server accepts from now on.
    pub frame_bytes_max: u64,
    /// Name and version of the server, for people.
    pub server: String,
}

/// What a view must be like at one place of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewProof {
    /// The roster's version.
    pub version: u64,
    /// How many entries there are.
    pub count: u32,
    /// The sum of their hashes.
    pub digest: Digest,
}

/// One change of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A user is listed from now on.
    Joined(Entry),
    /// A listed user shows another presence.
    Updated {
        /// The user.
        id: UserId,
        /// The new presence.
        presence: Presence,
        /// When it began, in milliseconds since 1970.
        since_ms: u64,
    },
    /// A user is no longer listed.
    Left {
        /// The user.
        id: UserId,
        /// Why.
        cause: CloseReason,
    },
}

/// What is wrong with a request. Meanings: `docs/protocol.md`, section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// A field breaks its rule.
    BadRequest,
    /// The server does not know the op.
    UnknownOp,
    /// There is no room of this name.
    NoSuchRoom,
    /// This session has no view of this number.
    NoSuchView,
    /// Only a listed user has what was asked for.
    NotListed,
    /// A code that this build has no name for.
    Other,
}

const ERROR_CODES: [(u64, &str, ErrorCode); 6] = [
    (0, "other", ErrorCode::Other),
    (1, "bad_request", ErrorCode::BadRequest),
    (2, "unknown_op", ErrorCode::UnknownOp),
    (3, "no_such_room", ErrorCode::NoSuchRoom),
    (4, "no_such_view", ErrorCode::NoSuchView),
    (5, "not_listed", ErrorCode::NotListed),
];

impl ErrorCode {
    /// The code for a number from the wire; an unknown one is [`Self::Other`].
    #[must_use]
    pub fn from_wire(number: u64) -> Self {
        ERROR_CODES.iter().find(|row| row.0 == number).map_or(Self::Other, |row| row.2)
    }

    /// The number of this code on the wire.
    #[must_use]
    pub fn to_wire(self) -> u64 {
        self.row().0
    }

    /// The one name of this code, in `snake_case`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> &'static (u64, &'static str, ErrorCode) {
        ERROR_CODES
            .iter()
            .find(|row| row.2 == self)
            .expect("ERROR_CODES has a row for every variant, as a test checks")
    }
}

impl ServerMessage {
    /// Appends this message to `buffer` as one frame.
    ///
    /// # Panics
    /// If it takes more than 65,535 bytes: who builds lists splits them.
    pub fn encode_into(&self, buffer: &mut BytesMut) {
        put_frame(self, buffer);
    }

    /// This message as one frame.
    ///
    /// # Panics
    /// As [`Self::encode_into`].
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut buffer = BytesMut::with_capacity(64);
        self.encode_into(&mut buffer);
        buffer.freeze()
    }

    /// Reads the body of one frame; `None` for an op that this build does not know.
    ///
    /// # Errors
    /// [`DecodeError`]: the connection must be closed.
    pub fn decode(body: &[u8]) -> Result<Option<Self>, DecodeError> {
        read_value::<Verdict>(body)?.0
    }
}

impl Serialize for ServerMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Welcome(welcome) => welcome.serialize(serializer),
            Self::HeartbeatAck { n, me, views } => {
                let me = me.as_ref().map(|me| (me.status.to_wire(), me.text.as_str()));
                let views: Vec<_> = views.iter().map(WireProof::new).collect();
                (HEARTBEAT_ACK, n, me, views).serialize(serializer)
            }
            Self::SnapshotPage { view, first, last, entries } => {
                let entries: Vec<_> = entries.iter().map(WireEntry).collect();
                (SNAPSHOT_PAGE, view.0, first.0, last.0, entries).serialize(serializer)
            }
            Self::SnapshotEnd { view, proof } => {
                let digest = Bin(proof.digest.to_bytes());
                (SNAPSHOT_END, view.0, proof.version, proof.count, digest).serialize(serializer)
            }
            Self::Delta { view, from, proof, changes } => {
                let digest = Bin(proof.digest.to_bytes());
                (DELTA, view.0, from, proof.version, proof.count, digest, changes)
                    .serialize(serializer)
            }
            Self::Result { request, view } => {
                (RESULT, request, view.map(|view| view.0)).serialize(serializer)
            }
            Self::Error { request, code, text } => {
                (ERROR, request, code.to_wire(), text).serialize(serializer)
            }
            Self::Goodbye { reason, reconnect, come_back_after_ms, text } => {
                let (number, detail) = reason.to_wire();
                (GOODBYE, number, detail, reconnect, come_back_after_ms, text).serialize(serializer)
            }
        }
    }
}

impl Serialize for Welcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (
            WELCOME,
            self.version,
            self.session.0,
            self.heartbeat_ms,
            self.misses,
            self.detection_bound_ms,
            Bin(self.epoch.0),
            self.frame_bytes_max,
            &self.server,
        )
            .serialize(serializer)
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Joined(Entry { id, name, presence, since_ms }) => {
                let (status, text) = (presence.status.to_wire(), presence.text.as_str());
                (JOINED, id.0, name.as_str(), status, text, since_ms).serialize(serializer)
            }
            Self::Updated { id, presence, since_ms } => {
                let (status, text) = (presence.status.to_wire(), presence.text.as_str());
                (UPDATED, id.0, status, text, since_ms).serialize(serializer)
            }
            Self::Left { id, cause } => {
                let (cause, detail) = cause.to_wire();
                (LEFT, id.0, cause, detail).serialize(serializer)
            }
        }
    }
}

/// `[id, name, status, text, since]`, in a page and as the input of the digest.
pub(crate) struct WireEntry<'a>(pub(crate) &'a Entry);

impl Serialize for WireEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Entry { id, name, presence, since_ms } = self.0;
        let (status, text) = (presence.status.to_wire(), presence.text.as_str());
        (id.0, name.as_str(), status, text, since_ms).serialize(serializer)
    }
}

/// `[view, version, count, digest]` in an ack.
struct WireProof(u32, u64, u32, Bin);

impl WireProof {
    fn new((view, proof): &(ViewId, ViewProof)) -> Self {
        Self(view.0, proof.version, proof.count, Bin(proof.digest.to_bytes()))
    }
}

impl Serialize for WireProof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0, self.1, self.2, &self.3).serialize(serializer)
    }
}

/// Parsing succeeded; the values may still break a rule of the wire.
struct Verdict(Result<Option<ServerMessage>, DecodeError>);

impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(VerdictVisitor)
    }
}

struct VerdictVisitor;

impl<'de> Visitor<'de> for VerdictVisitor {
    type Value = Verdict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array [op, ...]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Verdict, A::Error> {
        let mut fields = Fields(seq);
        let op: u64 = fields.required("op")?;
        let verdict = match op {
            WELCOME => welcome(&mut fields)?,
            HEARTBEAT_ACK => heartbeat_ack(&mut fields)?,
            SNAPSHOT_PAGE => snapshot_page(&mut fields)?,
            SNAPSHOT_END => snapshot_end(&mut fields)?,
            DELTA => delta(&mut fields)?,
            RESULT => result(&mut fields)?,
            ERROR => error(&mut fields)?,
            GOODBYE => goodbye(&mut fields)?,
            _ => {
                fields.finish()?;
                return Ok(Verdict(Ok(None)));
            }
        };
        fields.finish()?;
        Ok(Verdict(verdict.map(Some)))
    }
}

type Read<E> = Result<Result<ServerMessage, DecodeError>, E>;

fn welcome<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let version = fields.required("version")?;
    let session = SessionId(fields.required("session")?);
    let heartbeat_ms = fields.required("heartbeat_ms")?;
    let misses: u64 = fields.required("misses")?;
    let detection_bound_ms = fields.required("detection_bound_ms")?;
    let epoch = Epoch(fields.required::<Bin16>("epoch")?.0);
    let frame_bytes_max = fields.required("frame_bytes_max")?;
    let server: Str<'de> = fields.or(Str(""))?;
    Ok(narrow(misses, "misses").and_then(|misses| {
        if heartbeat_ms == 0 || misses == 0 {
            return Err(DecodeError::OutOfRange("the heartbeat rule"));
        }
        Ok(ServerMessage::Welcome(Welcome {
            version,
            session,
            heartbeat_ms,
            misses,
            detection_bound_ms,
            epoch,
            frame_bytes_max,
            server: server.0.to_owned(),
        }))
    }))
}

fn heartbeat_ack<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let n = fields.required("n")?;
    let me: Option<RawPresence> = fields.required("me")?;
    let views: List<RawProof> = fields.required("views")?;
    let checked = || {
        let me = me.map(|me| me.0).transpose()?;
        let views = views.0.into_iter().map(|view| view.0).collect::<Result<_, _>>()?;
        Ok(ServerMessage::HeartbeatAck { n, me, views })
    };
    Ok(checked())
}

fn snapshot_page<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (view, first, last) =
        (fields.required("view")?, fields.required("first")?, fields.required("last")?);
    let entries: List<RawEntry> = fields.required("entries")?;
    let checked = || {
        let (first, last) = (narrow(first, "first")?, narrow(last, "last")?);
        let entries: Vec<Entry> =
            entries.0.into_iter().map(|entry| entry.0).collect::<Result<_, _>>()?;
        let in_range = entries.iter().all(|entry| (first..=last).contains(&entry.id.0));
        if !in_range || !entries.is_sorted_by(|a, b| a.id < b.id) {
            return Err(DecodeError::OutOfRange("an id of a page"));
        }
        let (first, last) = (UserId(first), UserId(last));
        Ok(ServerMessage::SnapshotPage { view: ViewId(narrow(view, "view")?), first, last, entries })
    };
    Ok(checked())
}

fn snapshot_end<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let RawProof(proof) = proof(fields)?;
    Ok(proof.map(|(view, proof)| ServerMessage::SnapshotEnd { view, proof }))
}

fn delta<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let view = fields.required("view")?;
    let from = fields.required("from")?;
    let (version, count) = (fields.required("to")?, fields.required("count")?);
    let digest = Digest::from_bytes(fields.required::<Bin16>("digest")?.0);
    let changes: List<RawChange> = fields.required("changes")?;
    let checked = || {
        let proof = ViewProof { version, count: narrow(count, "count")?, digest };
        let changes = changes.0.into_iter().map(|change| change.0).collect::<Result<_, _>>()?;
        Ok(ServerMessage::Delta { view: ViewId(narrow(view, "view")?), from, proof, changes })
    };
    Ok(checked())
}

fn result<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let request = fields.required("request")?;
    let value: Option<u64> = fields.or(None)?;
    let checked = || {
        let view = value.map(|view| narrow(view, "value").map(ViewId)).transpose()?;
        Ok(ServerMessage::Result { request: narrow(request, "request")?, view })
    };
    Ok(checked())
}

fn error<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let request = fields.required("request")?;
    let code = ErrorCode::from_wire(fields.required("code")?);
    let text = fields.or(Str(""))?.0.to_owned();
    Ok(narrow(request, "request").map(|request| ServerMessage::Error { request, code, text }))
}

fn goodbye<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let reason = fields.required("reason")?;
    let reason = CloseReason::from_wire(reason, fields.or(0)?);
    let reconnect = fields.or(false)?;
    let come_back_after_ms = fields.or(0)?;
    let text = fields.or(Str(""))?.0.to_owned();
    Ok(Ok(ServerMessage::Goodbye { reason, reconnect, come_back_after_ms, text }))
}

fn narrow(number: u64, what: &'static str) -> Result<u32, DecodeError> {
    u32::try_from(number).map_err(|_| DecodeError::OutOfRange(what))
}

fn presence(status: u64, text: &str) -> Result<Presence, DecodeError> {
    let status = Status::from_wire(status).ok_or(DecodeError::OutOfRange("a status"))?;
    let text = StatusText::new(text).map_err(|_| DecodeError::OutOfRange("a status text"))?;
    Ok(Presence { status, text })
}

fn entry(id: u64, name: &str, status: u64, text: &str, since_ms: u64) -> Result<Entry, DecodeError> {
    let name = DisplayName::new(name).map_err(|_| DecodeError::OutOfRange("a name"))?;
    Ok(Entry { id: UserId(narrow(id, "id")?), name, presence: presence(status, text)?, since_ms })
}

fn proof<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<RawProof, A::Error> {
    let (view, version, count) =
        (fields.required("view")?, fields.required("version")?, fields.required("count")?);
    let digest = Digest::from_bytes(fields.required::<Bin16>("digest")?.0);
    let checked = || {
        let proof = ViewProof { version, count: narrow(count, "count")?, digest };
        Ok((ViewId(narrow(view, "view")?), proof))
    };
    Ok(RawProof(checked()))
}

/// Defines a value that is itself an array: its fields are read first, then checked.
macro_rules! array_value {
    ($name:ident => $value:ty, $read:expr) => {
        struct $name(Result<$value, DecodeError>);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ArrayVisitor;
                impl<'de> Visitor<'de> for ArrayVisitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an array")
                    }

                    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<$name, A::Error> {
                        let mut fields = Fields(seq);
                        let value = $read(&mut fields)?;
                        fields.finish()?;
                        Ok(value)
                    }
                }
                deserializer.deserialize_seq(ArrayVisitor)
            }
        }
    };
}

array_value!(RawProof => (ViewId, ViewProof), proof);
array_value!(RawPresence => Presence, raw_presence);
array_value!(RawEntry => Entry, raw_entry);
array_value!(RawChange => Change, raw_change);

fn raw_presence<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<RawPresence, A::Error> {
    let status = fields.required("status")?;
    let text: Str<'de> = fields.or(Str(""))?;
    Ok(RawPresence(presence(status, text.0)))
}

fn raw_entry<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<RawEntry, A::Error> {
    let id = fields.required("id")?;
    let name: Str<'de> = fields.required("name")?;
    let status = fields.required("status")?;
    let text: Str<'de> = fields.required("text")?;
    Ok(RawEntry(entry(id, name.0, status, text.0, fields.required("since")?)))
}

fn raw_change<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<RawChange, A::Error> {
    let kind: u64 = fields.required("kind")?;
    Ok(RawChange(match kind {
        JOINED => raw_entry(fields)?.0.map(Change::Joined),
        UPDATED => {
            let id = fields.required("id")?;
            let RawPresence(presence) = raw_presence(fields)?;
            let since_ms = fields.required("since")?;
            narrow(id, "id").and_then(|id| {
                Ok(Change::Updated { id: UserId(id), presence: presence?, since_ms })
            })
        }
        LEFT => {
            let id = fields.required("id")?;
            let cause = fields.required("cause")?;
            let cause = CloseReason::from_wire(cause, fields.or(0)?);
            narrow(id, "id").map(|id| Change::Left { id: UserId(id), cause })
        }
        _ => Err(DecodeError::OutOfRange("the kind of a change")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_code_survives_the_wire() {
        for (number, name, code) in ERROR_CODES {
            assert_eq!((code.to_wire(), code.name()), (number, name));
            assert_eq!(ErrorCode::from_wire(number), code);
        }
        assert_eq!(ErrorCode::from_wire(999), ErrorCode::Other);
    }
}
