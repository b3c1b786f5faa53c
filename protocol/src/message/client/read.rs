//! A client's messages from the wire: shape first, then range, then the rules of the values.

use std::time::Duration;

use serde::de::SeqAccess;

use super::{
    BadChoice, BadHello, ClientMessage, GOODBYE, HEARTBEAT, HELLO, Hello, Incoming, JOIN, LEAVE,
    PEOPLE, QUERY, QUERY_COUNT, QUERY_EXPLAIN, QUERY_HEALTH, QUERY_PAGE, QUERY_PEOPLE, Query,
    RENEW, REPAIR, ROOM, Resume, SET_STATUS, UNWATCH, WATCH, WatchTarget,
};
use crate::close::CloseReason;
use crate::credential::Credential;
use crate::digest::Epoch;
use crate::fields::{
    Bin16, Fields, FromFields, FromText, List, Pairs, Str, TextList, TextListError, Uint, UintOrAny,
};
use crate::frame::DecodeError;
use crate::ids::{DeviceId, OperatorKey, ResumeToken, UserId, UserKey, ViewId};
use crate::limits::{HELLO_VIEWS_MAX, NAMES_MAX, REPAIR_RANGES_MAX, VERSION};
use crate::name::{DeviceLabel, DisplayName, InvalidName, RoomName, StatusText};
use crate::presence::{Choice, Status};

/// The shape is right; the values may still break a rule of the wire.
pub(super) struct Verdict(pub(super) Result<Incoming, DecodeError>);

impl<'de> FromFields<'de> for Verdict {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let op: Uint = fields.required("op")?;
        let op = match op.get("op") {
            Ok(op) => op,
            Err(error) => return Ok(Self(Err(error))),
        };
        Ok(Self(match op {
            HELLO => hello(fields)?,
            HEARTBEAT => heartbeat(fields.required("n")?, fields.or(Uint::new(0))?),
            SET_STATUS => set_status(fields)?,
            WATCH => watch(fields)?,
            UNWATCH => unwatch(fields.required("request")?, fields.required("view")?),
            GOODBYE => goodbye(fields.or(Uint::new(0))?),
            JOIN => in_room(fields, |request, room| ClientMessage::Join { request, room })?,
            LEAVE => in_room(fields, |request, room| ClientMessage::Leave { request, room })?,
            QUERY => query(fields)?,
            REPAIR => repair(fields)?,
            RENEW => renew(fields.required("request")?, fields.required("credential")?),
            op => {
                let UintOrAny(first) = fields.or(UintOrAny(Uint::new(0)))?;
                Ok(Incoming::UnknownOp { op, request: first.narrow("request").unwrap_or(0) })
            }
        }))
    }
}

type Read<E> = Result<Result<Incoming, DecodeError>, E>;

fn hello<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let version: Uint = fields.required("version")?;
    match version.get("version") {
        Ok(VERSION) => {}
        Ok(other) => return Ok(Ok(Incoming::BadHello(BadHello::Version(other)))),
        Err(error) => return Ok(Err(error)),
    }
    let name: Str<'de> = fields.required("name")?;
    let device: Str<'de> = fields.required("device")?;
    let label: Str<'de> = fields.or(Str(""))?;
    let heartbeat_ms = fields.or(Uint::new(0))?;
    let observe: bool = fields.or(false)?;
    let status = fields.or(Uint::new(0))?;
    let text: Option<Str<'de>> = fields.or(None)?;
    let automatic: bool = fields.or(true)?;
    let text_for_ms = fields.or(Uint::new(0))?;
    let key: Option<Bin16> = fields.or(None)?;
    let token: Option<Bin16> = fields.or(None)?;
    let epoch: Option<Bin16> = fields.or(None)?;
    let views: List<(ViewId, u64)> = fields.or(List(Ok(Vec::new())))?;
    let credential: Option<Str<'de>> = fields.or(None)?;
    let in_range = || -> Result<_, DecodeError> {
        let heartbeat = span(heartbeat_ms, "heartbeat_ms")?;
        let (status, text_for) = (status.get("status")?, span(text_for_ms, "text_for_ms")?);
        let key = key.map(|key| key.get("key")).transpose()?.map(UserKey);
        let token = token.map(|token| token.get("resume")).transpose()?.map(ResumeToken);
        let epoch = epoch.map(|epoch| epoch.get("epoch")).transpose()?.map(Epoch);
        let mut views = views.0?;
        views.truncate(HELLO_VIEWS_MAX);
        let resume = token.map(|token| Resume { token, epoch, views });
        Ok((heartbeat, status, text_for, key, resume))
    };
    let checked = |(heartbeat, status, text_for, key, resume)| -> Result<Hello, BadHello> {
        // An empty text of a Hello says nothing.
        let text = text.map(|text| text.0).filter(|text| !text.is_empty());
        Ok(Hello {
            label: DeviceLabel::new(label.0).map_err(BadHello::Label)?,
            name: DisplayName::new(name.0)?,
            device: DeviceId::new(device.0)?,
            heartbeat,
            observe,
            choice: choice(status, text, automatic, text_for)?,
            key,
            resume,
            credential: credential.map(|text| Credential::from(text.0)),
        })
    };
    Ok(in_range().map(|values| match checked(values) {
        Ok(hello) => Incoming::Message(ClientMessage::Hello(hello)),
        Err(error) => Incoming::BadHello(error),
    }))
}

fn choice(
    status: u64,
    text: Option<&str>,
    automatic: bool,
    text_for: Option<Duration>,
) -> Result<Choice, BadChoice> {
    let status = Status::from_wire(status)
        .filter(|status| *status != Status::Offline)
        .ok_or(BadChoice::Status(status))?;
    let text = text.map(StatusText::new).transpose()?;
    Ok(Choice { status, automatic, text, text_for, metadata: None })
}

/// `None` for 0.
fn span(ms: Uint, what: &'static str) -> Result<Option<Duration>, DecodeError> {
    let ms = ms.get(what)?;
    Ok((ms > 0).then(|| Duration::from_millis(ms)))
}

fn heartbeat(n: Uint, round_trip_us: Uint) -> Result<Incoming, DecodeError> {
    let (n, round_trip_us) = (n.get("n")?, round_trip_us.get("round_trip_us")?);
    Ok(Incoming::Message(ClientMessage::Heartbeat { n, round_trip_us }))
}

fn set_status<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (request, status): (Uint, Uint) = (fields.required("request")?, fields.required("status")?);
    let text: Option<Str<'de>> = fields.or(Some(Str("")))?;
    let automatic: bool = fields.or(false)?;
    let text_for_ms = fields.or(Uint::new(0))?;
    let metadata: Option<Pairs> = fields.or(None)?;
    let checked = || {
        let (request, status) = (request.narrow("request")?, status.get("status")?);
        let text_for = span(text_for_ms, "text_for_ms")?;
        let choice = || -> Result<Choice, BadChoice> {
            let metadata = metadata.map(|pairs| pairs.metadata).transpose()?;
            let text = text.map(|text| text.0);
            Ok(Choice { metadata, ..choice(status, text, automatic, text_for)? })
        };
        Ok(judge(request, choice(), |choice| ClientMessage::SetStatus { request, choice }))
    };
    Ok(checked())
}

fn watch<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (request, kind): (Uint, Uint) = (fields.required("request")?, fields.required("kind")?);
    match kind.get("kind") {
        Ok(ROOM) => watch_room(request, fields),
        Ok(PEOPLE) => watch_people(request, fields),
        Ok(kind) => {
            let error = format!("there is no kind of view {kind}: 0 is a room, 1 is people");
            Ok(request.narrow("request").map(|request| Incoming::BadRequest { request, error }))
        }
        Err(error) => Ok(Err(error)),
    }
}

fn watch_room<'de, A: SeqAccess<'de>>(request: Uint, fields: &mut Fields<A>) -> Read<A::Error> {
    let room: Str<'de> = fields.required("room")?;
    Ok(request.narrow("request").map(|request| {
        let target = RoomName::new(room.0).map(WatchTarget::Room);
        judge(request, target, |target| ClientMessage::Watch { request, target })
    }))
}

fn watch_people<'de, A: SeqAccess<'de>>(request: Uint, fields: &mut Fields<A>) -> Read<A::Error> {
    let names: Names = fields.required("names")?;
    let view = fields.or(Uint::new(0))?;
    let checked = || {
        let (request, view) = (request.narrow("request")?, view.narrow("view")?);
        let view = (view > 0).then_some(ViewId(view));
        let target = names_of(names).map(|names| WatchTarget::People { names, view });
        Ok(judge(request, target, |target| ClientMessage::Watch { request, target }))
    };
    Ok(checked())
}

fn unwatch(request: Uint, view: Uint) -> Result<Incoming, DecodeError> {
    let (request, view) = (request.narrow("request")?, ViewId(view.narrow("view")?));
    Ok(Incoming::Message(ClientMessage::Unwatch { request, view }))
}

fn goodbye(reason: Uint) -> Result<Incoming, DecodeError> {
    let reason = match CloseReason::from_wire(reason.get("reason")?, 0) {
        CloseReason::HeartbeatTimeout => CloseReason::HeartbeatTimeout,
        _ => CloseReason::Goodbye,
    };
    Ok(Incoming::Message(ClientMessage::Goodbye { reason }))
}

fn renew(request: Uint, credential: Str<'_>) -> Result<Incoming, DecodeError> {
    let (request, credential) = (request.narrow("request")?, Credential::from(credential.0));
    Ok(Incoming::Message(ClientMessage::Renew { request, credential }))
}

fn in_room<'de, A: SeqAccess<'de>>(
    fields: &mut Fields<A>,
    message: impl FnOnce(u32, RoomName) -> ClientMessage,
) -> Read<A::Error> {
    let request: Uint = fields.required("request")?;
    let room: Str<'de> = fields.required("room")?;
    Ok(request
        .narrow("request")
        .map(|request| judge(request, RoomName::new(room.0), |room| message(request, room))))
}

fn query<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (request, kind): (Uint, Uint) = (fields.required("request")?, fields.required("kind")?);
    let kind = match kind.get("kind") {
        Ok(kind) => kind,
        Err(error) => return Ok(Err(error)),
    };
    let query: Result<Result<Query, String>, DecodeError> = match kind {
        QUERY_PEOPLE => Ok(names_of(fields.required("names")?).map(Query::People)),
        QUERY_COUNT => Ok(room(fields.required("room")?).map(Query::Count)),
        QUERY_PAGE => {
            let name = room(fields.required("room")?);
            let from = fields.or(Uint::new(0))?.narrow("from").map(UserId);
            from.map(|from| name.map(|room| Query::Page { room, from }))
        }
        QUERY_EXPLAIN => {
            let name: Str<'de> = fields.required("name")?;
            let name = DisplayName::new(name.0).map_err(|error| error.to_string());
            operator(fields.or(None)?)
                .map(|operator| name.map(|name| Query::Explain { name, operator }))
        }
        QUERY_HEALTH => operator(fields.or(None)?).map(|operator| Ok(Query::Health { operator })),
        kind => Ok(Err(format!("there is no kind of query {kind}"))),
    };
    let checked = || {
        let (request, query) = (request.narrow("request")?, query?);
        Ok(judge(request, query, |query| ClientMessage::Query { request, query }))
    };
    Ok(checked())
}

fn room(name: Str<'_>) -> Result<RoomName, String> {
    RoomName::new(name.0).map_err(|error| error.to_string())
}

fn operator(key: Option<Bin16>) -> Result<Option<OperatorKey>, DecodeError> {
    Ok(key.map(|key| key.get("operator")).transpose()?.map(OperatorKey))
}

fn repair<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (request, view): (Uint, Uint) = (fields.required("request")?, fields.required("view")?);
    let ranges: List<(UserId, UserId)> = fields.or(List(Ok(Vec::new())))?;
    let checked = || {
        let (request, view) = (request.narrow("request")?, ViewId(view.narrow("view")?));
        let ranges = sound_ranges(ranges.0?);
        Ok(judge(request, ranges, |ranges| ClientMessage::Repair { request, view, ranges }))
    };
    Ok(checked())
}

fn sound_ranges(ranges: Vec<(UserId, UserId)>) -> Result<Vec<(UserId, UserId)>, String> {
    if ranges.len() > REPAIR_RANGES_MAX {
        return Err(format!("at most {REPAIR_RANGES_MAX} ranges at a time, not {}", ranges.len()));
    }
    match ranges.iter().find(|(first, last)| first > last) {
        Some((first, last)) => Err(format!("{} to {} is no range of ids", first.0, last.0)),
        None => Ok(ranges),
    }
}

/// A message, or the request that breaks a rule.
fn judge<T, E: std::fmt::Display>(
    request: u32,
    value: Result<T, E>,
    message: impl FnOnce(T) -> ClientMessage,
) -> Incoming {
    match value {
        Ok(value) => Incoming::Message(message(value)),
        Err(error) => Incoming::BadRequest { request, error: error.to_string() },
    }
}

type Names = TextList<DisplayName, InvalidName>;

impl FromText<InvalidName> for DisplayName {
    const MAX: usize = NAMES_MAX;

    fn from_text(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

fn names_of(TextList(names): Names) -> Result<Vec<DisplayName>, String> {
    names.map_err(|error| match error {
        TextListError::TooMany(max) => format!("at most {max} names at a time"),
        TextListError::Element(error) => error.to_string(),
    })
}

/// `[view, version]`.
impl<'de> FromFields<'de> for Result<(ViewId, u64), DecodeError> {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let (view, version): (Uint, Uint) = (fields.required("view")?, fields.required("version")?);
        let checked = || Ok((ViewId(view.narrow("view")?), version.get("version")?));
        Ok(checked())
    }
}

/// `[first, last]`.
impl<'de> FromFields<'de> for Result<(UserId, UserId), DecodeError> {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let (first, last): (Uint, Uint) = (fields.required("first")?, fields.required("last")?);
        let checked = || Ok((UserId(first.narrow("first")?), UserId(last.narrow("last")?)));
        Ok(checked())
    }
}
