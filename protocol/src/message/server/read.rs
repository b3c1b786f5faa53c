//! A server's messages from the wire: shape first, then the values.

use serde::de::SeqAccess;

use super::{
    Change, DELTA, ERROR, ErrorCode, GOODBYE, HEARTBEAT_ACK, JOINED, LEFT, RESULT, SNAPSHOT_END,
    SNAPSHOT_PAGE, ServerMessage, UPDATED, ViewProof, WELCOME, Welcome,
};
use crate::close::CloseReason;
use crate::digest::{Digest, Epoch};
use crate::fields::{Array, Bin16, Fields, FromFields, List, Str, Uint};
use crate::frame::DecodeError;
use crate::ids::{SessionId, UserId, ViewId};
use crate::name::{DisplayName, StatusText};
use crate::presence::{Entry, Presence, Status};

/// The shape is right; the values may still break a rule of the wire.
pub(super) struct Verdict(pub(super) Result<Option<ServerMessage>, DecodeError>);

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
