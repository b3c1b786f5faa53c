//! A server's messages from the wire: shape first, then the values.

mod report;

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::{
    BUCKETS, CHOSEN, Change, DELTA, ERROR, EXPLANATION, ErrorCode, GOODBYE, HEALTH, HEARTBEAT_ACK,
    JOINED, LEFT, PEOPLE, RESULT, SNAPSHOT_END, SNAPSHOT_PAGE, ServerMessage, UPDATED, ViewProof,
    WELCOME, Welcome,
};
use crate::close::CloseReason;
use crate::digest::{Digest, Epoch};
use crate::fields::{
    Array, Bin16, BinRef, Fields, FromFields, FromText, List, Pairs, Str, TextList, Uint,
};
use crate::frame::{DecodeError, read_array};
use crate::ids::{ResumeToken, SessionId, UserId, ViewId};
use crate::limits::{LIST_ELEMENTS_MAX, SESSIONS_MAX};
use crate::metadata::Metadata;
use crate::name::{DeviceLabel, DisplayName, InvalidText, StatusText};
use crate::presence::{Choice, Entry, Presence, Shown, Status};

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
            CHOSEN => chosen(fields)?,
            PEOPLE => people(fields)?,
            EXPLANATION => report::explanation(fields)?,
            HEALTH => report::health(fields)?,
            BUCKETS => buckets(fields)?,
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
    let token: Option<Bin16> = fields.or(None)?;
    let resumed: bool = fields.or(false)?;
    let resume_window_ms = fields.or(Uint::new(0))?;
    let views: Uints = fields.or(Uints(Ok(Vec::new())))?;
    let credential_ms = fields.or(Uint::new(0))?;
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
            token: token.map(|token| token.get("token")).transpose()?.map(ResumeToken),
            resumed,
            resume_window_ms: resume_window_ms.get("resume_window_ms")?,
            views: views.0?.into_iter().map(ViewId).collect(),
            credential_ms: credential_ms.get("credential_ms")?,
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
    let delay = fields.or(Uint::new(0))?;
    let checked = || {
        let n = n.get("n")?;
        let me = me.map(|Array(me)| me).transpose()?;
        let views = views.0?;
        let delay_ms = delay.get("delay_ms")?;
        Ok(ServerMessage::HeartbeatAck { n, me, views, delay_ms })
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

fn chosen<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let status: Uint = fields.required("status")?;
    let text: Option<Str<'de>> = fields.or(Some(Str("")))?;
    let automatic: bool = fields.or(false)?;
    let text_for_ms = fields.or(Uint::new(0))?;
    let checked = || {
        let status = chosen_status(status)?;
        let text_for_ms = text_for_ms.get("text_for_ms")?;
        Ok(ServerMessage::Chosen(Choice {
            status,
            automatic,
            text: text.map(status_text).transpose()?,
            text_for: (text_for_ms > 0).then(|| Duration::from_millis(text_for_ms)),
            metadata: None,
        }))
    };
    Ok(checked())
}

fn people<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (request, count): (Uint, Uint) = (fields.required("request")?, fields.required("count")?);
    let entries: List<Entry> = fields.or(List(Ok(Vec::new())))?;
    let next: Option<Uint> = fields.or(None)?;
    let checked = || {
        let (request, count) = (request.narrow("request")?, count.narrow("count")?);
        let next = next.map(|id| id.narrow("next").map(UserId)).transpose()?;
        Ok(ServerMessage::People { request, count, entries: entries.0?, next })
    };
    Ok(checked())
}

fn buckets<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (view, first, width): (Uint, Uint, Uint) =
        (fields.required("view")?, fields.required("first")?, fields.required("width")?);
    let digests: BinRef<'de> = fields.required("digests")?;
    let more: bool = fields.or(false)?;
    let checked = || {
        let (digests, rest) = digests.0.as_chunks::<16>();
        let (first, width) = (first.narrow("first")?, width.narrow("width")?);
        // The last bucket must begin within the ids.
        let last = (u64::from(first) + digests.len() as u64).saturating_sub(1);
        let start = last.saturating_mul(width.into());
        if width == 0 || !rest.is_empty() || start > u64::from(u32::MAX) {
            return Err(DecodeError::OutOfRange("a bucket"));
        }
        let digests = digests.iter().map(|digest| Digest::from_bytes(*digest)).collect();
        let view = ViewId(view.narrow("view")?);
        Ok(ServerMessage::Buckets { view, first, width, digests, more })
    };
    Ok(checked())
}

/// What others are shown.
fn shown_status(status: Uint) -> Checked<Status> {
    status_but(Status::Invisible, status)
}

/// What a session chose.
fn chosen_status(status: Uint) -> Checked<Status> {
    status_but(Status::Offline, status)
}

fn status_but(never: Status, status: Uint) -> Checked<Status> {
    Status::from_wire(status.get("status")?)
        .filter(|status| *status != never)
        .ok_or(DecodeError::OutOfRange("a status"))
}

/// The order of the keys counts for the digest, so a server's is not mended here.
fn sorted_metadata(pairs: Pairs) -> Checked<Metadata> {
    pairs.metadata.ok().filter(|_| pairs.ascending).ok_or(DecodeError::OutOfRange("metadata"))
}

fn status_text(text: Str<'_>) -> Checked<StatusText> {
    StatusText::new(text.0).map_err(|_| DecodeError::OutOfRange("a status text"))
}

fn display_name(name: Str<'_>) -> Checked<DisplayName> {
    DisplayName::new(name.0).map_err(|_| DecodeError::OutOfRange("a name"))
}

/// Integers of 32 bits.
struct Uints(Checked<Vec<u32>>);

impl<'de> Deserialize<'de> for Uints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UintsVisitor;
        impl<'de> Visitor<'de> for UintsVisitor {
            type Value = Uints;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of integers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Uints, A::Error> {
                let mut list = Ok(Vec::new());
                while let Some(number) = seq.next_element::<Uint>()? {
                    list = list.and_then(|mut numbers: Vec<u32>| {
                        if numbers.len() == LIST_ELEMENTS_MAX {
                            return Err(DecodeError::OutOfRange("the length of a list"));
                        }
                        numbers.push(number.narrow("a view")?);
                        Ok(numbers)
                    });
                }
                Ok(Uints(list))
            }

            // serde's own error would quote the whole text.
            fn visit_str<E: Error>(self, _: &str) -> Result<Uints, E> {
                Err(E::custom("a str instead of a list"))
            }
        }
        // Asked for a sequence, rmp-serde takes a `bin` for an array of small numbers.
        deserializer.deserialize_any(UintsVisitor)
    }
}

type Labels = TextList<DeviceLabel, InvalidText>;

impl FromText<InvalidText> for DeviceLabel {
    const MAX: usize = SESSIONS_MAX;

    fn from_text(text: &str) -> Result<Self, InvalidText> {
        Self::new(text)
    }
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

/// `[status, text, automatic, until]`.
impl<'de> FromFields<'de> for Checked<Presence> {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let status: Uint = fields.required("status")?;
        let text: Str<'de> = fields.or(Str(""))?;
        let automatic: bool = fields.or(false)?;
        let until = fields.or(Uint::new(0))?;
        let checked = || {
            let (status, text) = (shown_status(status)?, status_text(text)?);
            if status == Status::Offline {
                return Err(DecodeError::OutOfRange("a status of someone who is shown"));
            }
            Ok(Presence { status, text, automatic, until_ms: until.get("until")? })
        };
        Ok(checked())
    }
}

/// `[status, text, since, automatic, until, devices, metadata]`, the end of an entry and of changes.
impl<'de> FromFields<'de> for Checked<Shown> {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let status: Uint = fields.required("status")?;
        let (text, since): (Str<'de>, Uint) = (fields.required("text")?, fields.required("since")?);
        let automatic: bool = fields.or(false)?;
        let until = fields.or(Uint::new(0))?;
        let devices: Labels = fields.or(TextList(Ok(Vec::new())))?;
        let none = Pairs { metadata: Ok(Metadata::default()), ascending: true };
        let metadata: Pairs = fields.or(none)?;
        let checked = || {
            let (status, text) = (shown_status(status)?, status_text(text)?);
            let since_ms = since.get("since")?;
            let presence = Presence { status, text, automatic, until_ms: until.get("until")? };
            let devices = devices.0.map_err(|_| DecodeError::OutOfRange("a device label"))?;
            let devices = devices.into_iter().collect();
            Ok(Shown { presence, since_ms, devices, metadata: sorted_metadata(metadata)? })
        };
        Ok(checked())
    }
}

/// One entry by itself.
pub(super) fn read_entry(bytes: &[u8]) -> Result<Entry, DecodeError> {
    read_array::<Checked<Entry>>(bytes)?
}

/// `[id, name, status, text, since, automatic, until, devices, metadata]`.
impl<'de> FromFields<'de> for Checked<Entry> {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let (id, name): (Uint, Str<'de>) = (fields.required("id")?, fields.required("name")?);
        let shown = Checked::<Shown>::read(fields)?;
        let checked = || {
            let (id, name) = (UserId(id.narrow("id")?), display_name(name)?);
            Ok(Entry { id, name, shown: shown? })
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
    let id: Uint = fields.required("id")?;
    let shown = Checked::<Shown>::read(fields)?;
    let checked = || Ok(Change::Updated { id: UserId(id.narrow("id")?), shown: shown? });
    Ok(checked())
}

fn left<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Checked<Change>, A::Error> {
    let (id, cause): (Uint, Uint) = (fields.required("id")?, fields.required("cause")?);
    let detail = fields.or(Uint::new(0))?;
    let checked =
        || Ok(Change::Left { id: UserId(id.narrow("id")?), cause: close_reason(cause, detail)? });
    Ok(checked())
}
