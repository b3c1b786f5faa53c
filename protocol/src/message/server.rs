//! What a server says.

use bytes::{Bytes, BytesMut};
use serde::de::SeqAccess;
use serde::ser::{Serialize, Serializer};

use super::Bin;
use crate::close::CloseReason;
use crate::digest::{Digest, Epoch};
use crate::fields::{Array, Bin16, Fields, FromFields, List, Str, Uint};
use crate::frame::{DecodeError, put_frame, read_array};
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
        read_array::<Verdict>(body)?.0
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

/// The shape is right; the values may still break a rule of the wire.
struct Verdict(Result<Option<ServerMessage>, DecodeError>);

impl<'de> FromFields<'de> for Verdict {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let op: Uint = fields.required("op")?;
        let op = match op.get("op") {
            Ok(op) => op,
            Err(error) => return Ok(Self(Err(error))),
        };
        let message = match op {
            WELCOME => welcome(fields)?,
            HEARTBEAT_ACK => heartbeat_ack(fields)?,
            SNAPSHOT_PAGE => snapshot_page(fields)?,
            SNAPSHOT_END => snapshot_end(fields)?,
            DELTA => delta(fields)?,
            RESULT => result(fields)?,
            ERROR => error(fields)?,
            GOODBYE => goodbye(fields)?,
            _ => return Ok(Self(Ok(None))),
        };
        Ok(Self(message.map(Some)))
    }
}

type Read<E> = Result<Checked<ServerMessage>, E>;

fn welcome<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (version, session): (Uint, Uint) =
        (fields.required("version")?, fields.required("session")?);
    let (heartbeat_ms, misses): (Uint, Uint) =
        (fields.required("heartbeat_ms")?, fields.required("misses")?);
    let detection_bound_ms: Uint = fields.required("detection_bound_ms")?;
    let epoch: Bin16 = fields.required("epoch")?;
    let frame_bytes_max: Uint = fields.required("frame_bytes_max")?;
    let server: Str<'de> = fields.or(Str(""))?;
    let checked = || {
        let welcome = Welcome {
            version: version.get("version")?,
            session: SessionId(session.get("session")?),
            heartbeat_ms: heartbeat_ms.get("heartbeat_ms")?,
            misses: misses.narrow("misses")?,
            detection_bound_ms: detection_bound_ms.get("detection_bound_ms")?,
            epoch: Epoch(epoch.get("epoch")?),
            frame_bytes_max: frame_bytes_max.get("frame_bytes_max")?,
            server: server.0.to_owned(),
        };
        if welcome.heartbeat_ms == 0 || welcome.misses == 0 {
            return Err(DecodeError::OutOfRange("the heartbeat rule"));
        }
        Ok(ServerMessage::Welcome(welcome))
    };
    Ok(checked())
}

fn heartbeat_ack<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let n: Uint = fields.required("n")?;
    let me: Option<Array<Checked<Presence>>> = fields.required("me")?;
    let views: List<(ViewId, ViewProof)> = fields.required("views")?;
    let checked = || {
        let n = n.get("n")?;
        let me = me.map(|Array(me)| me).transpose()?;
        let views = views.0?;
        Ok(ServerMessage::HeartbeatAck { n, me, views })
    };
    Ok(checked())
}

fn snapshot_page<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (view, first, last): (Uint, Uint, Uint) =
        (fields.required("view")?, fields.required("first")?, fields.required("last")?);
    let entries: List<Entry> = fields.required("entries")?;
    let checked = || {
        let view = ViewId(view.narrow("view")?);
        let (first, last) = (UserId(first.narrow("first")?), UserId(last.narrow("last")?));
        let entries = entries.0?;
        let in_range = entries.iter().all(|entry| (first..=last).contains(&entry.id));
        if first > last || !in_range || !entries.is_sorted_by(|a, b| a.id < b.id) {
            return Err(DecodeError::OutOfRange("an id of a page"));
        }
        Ok(ServerMessage::SnapshotPage { view, first, last, entries })
    };
    Ok(checked())
}

fn snapshot_end<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let proof: Checked<(ViewId, ViewProof)> = FromFields::read(fields)?;
    Ok(proof.map(|(view, proof)| ServerMessage::SnapshotEnd { view, proof }))
}

fn delta<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (view, from, to): (Uint, Uint, Uint) =
        (fields.required("view")?, fields.required("from")?, fields.required("to")?);
    let (count, digest): (Uint, Bin16) = (fields.required("count")?, fields.required("digest")?);
    let changes: List<Change> = fields.required("changes")?;
    let checked = || {
        let (view, from) = (ViewId(view.narrow("view")?), from.get("from")?);
        let proof = view_proof(to, count, digest)?;
        let changes = changes.0?;
        Ok(ServerMessage::Delta { view, from, proof, changes })
    };
    Ok(checked())
}

fn result<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let request: Uint = fields.required("request")?;
    let value: Option<Uint> = fields.or(None)?;
    let checked = || {
        let view = value.map(|view| view.narrow("value").map(ViewId)).transpose()?;
        Ok(ServerMessage::Result { request: request.narrow("request")?, view })
    };
    Ok(checked())
}

fn error<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (request, code): (Uint, Uint) = (fields.required("request")?, fields.required("code")?);
    let text: Str<'de> = fields.or(Str(""))?;
    let checked = || {
        let code = ErrorCode::from_wire(code.get("code")?);
        let request = request.narrow("request")?;
        Ok(ServerMessage::Error { request, code, text: text.0.to_owned() })
    };
    Ok(checked())
}

fn goodbye<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (reason, detail): (Uint, Uint) = (fields.required("reason")?, fields.or(Uint::new(0))?);
    let reconnect: bool = fields.or(false)?;
    let come_back_after_ms = fields.or(Uint::new(0))?;
    let text: Str<'de> = fields.or(Str(""))?;
    let checked = || {
        let reason = close_reason(reason, detail)?;
        let come_back_after_ms = come_back_after_ms.get("come_back_after_ms")?;
        let text = text.0.to_owned();
        Ok(ServerMessage::Goodbye { reason, reconnect, come_back_after_ms, text })
    };
    Ok(checked())
}

fn close_reason(reason: Uint, detail: Uint) -> Result<CloseReason, DecodeError> {
    Ok(CloseReason::from_wire(reason.get("a close reason")?, detail.get("detail")?))
}

fn view_proof(version: Uint, count: Uint, digest: Bin16) -> Result<ViewProof, DecodeError> {
    Ok(ViewProof {
        version: version.get("version")?,
        count: count.narrow("count")?,
        digest: Digest::from_bytes(digest.get("digest")?),
    })
}

fn presence(status: Uint, text: &str) -> Result<Presence, DecodeError> {
    let status = Status::from_wire(status.get("status")?);
    let status = status.ok_or(DecodeError::OutOfRange("a status"))?;
    let text = StatusText::new(text).map_err(|_| DecodeError::OutOfRange("a status text"))?;
    Ok(Presence { status, text })
}

/// A value whose shape is right and that may still break a rule of the wire.
type Checked<T> = Result<T, DecodeError>;

/// `[view, version, count, digest]`.
impl<'de> FromFields<'de> for Checked<(ViewId, ViewProof)> {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let (view, version, count): (Uint, Uint, Uint) =
            (fields.required("view")?, fields.required("version")?, fields.required("count")?);
        let digest: Bin16 = fields.required("digest")?;
        let checked = || Ok((ViewId(view.narrow("view")?), view_proof(version, count, digest)?));
        Ok(checked())
    }
}

/// `[status, text]`.
impl<'de> FromFields<'de> for Checked<Presence> {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let status: Uint = fields.required("status")?;
        let text: Str<'de> = fields.or(Str(""))?;
        Ok(presence(status, text.0))
    }
}

/// `[id, name, status, text, since]`.
impl<'de> FromFields<'de> for Checked<Entry> {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let (id, name): (Uint, Str<'de>) = (fields.required("id")?, fields.required("name")?);
        let (status, text): (Uint, Str<'de>) =
            (fields.required("status")?, fields.required("text")?);
        let since: Uint = fields.required("since")?;
        let checked = || {
            Ok(Entry {
                id: UserId(id.narrow("id")?),
                name: DisplayName::new(name.0).map_err(|_| DecodeError::OutOfRange("a name"))?,
                presence: presence(status, text.0)?,
                since_ms: since.get("since")?,
            })
        };
        Ok(checked())
    }
}

/// `[kind, id, ...]`.
impl<'de> FromFields<'de> for Checked<Change> {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let kind: Uint = fields.required("kind")?;
        Ok(match kind.get("the kind of a change") {
            Ok(JOINED) => Checked::<Entry>::read(fields)?.map(Change::Joined),
            Ok(UPDATED) => updated(fields)?,
            Ok(LEFT) => left(fields)?,
            Ok(_) => Err(DecodeError::OutOfRange("the kind of a change")),
            Err(error) => Err(error),
        })
    }
}

fn updated<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Checked<Change>, A::Error> {
    let (id, status): (Uint, Uint) = (fields.required("id")?, fields.required("status")?);
    let (text, since): (Str<'de>, Uint) = (fields.required("text")?, fields.required("since")?);
    let checked = || {
        let (id, since_ms) = (UserId(id.narrow("id")?), since.get("since")?);
        Ok(Change::Updated { id, presence: presence(status, text.0)?, since_ms })
    };
    Ok(checked())
}

fn left<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Checked<Change>, A::Error> {
    let (id, cause): (Uint, Uint) = (fields.required("id")?, fields.required("cause")?);
    let detail = fields.or(Uint::new(0))?;
    let checked =
        || Ok(Change::Left { id: UserId(id.narrow("id")?), cause: close_reason(cause, detail)? });
    Ok(checked())
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
