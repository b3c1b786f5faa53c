//! A client's messages to the wire: arrays `[op, field, field, ...]`.

use std::time::Duration;

use serde::ser::{Serialize, SerializeTuple as _, Serializer};

use super::{
    ClientMessage, GOODBYE, HEARTBEAT, HELLO, Hello, JOIN, LEAVE, PEOPLE, QUERY, QUERY_COUNT,
    QUERY_EXPLAIN, QUERY_HEALTH, QUERY_PAGE, QUERY_PEOPLE, Query, RENEW, REPAIR, ROOM, SET_STATUS,
    UNWATCH, WATCH, WatchTarget,
};
use crate::limits::{INTEGER_MAX, VERSION};
use crate::message::{Bin, WireMetadata};
use crate::name::{DisplayName, StatusText};

impl Serialize for ClientMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Hello(hello) => hello.serialize(serializer),
            Self::Heartbeat { n, round_trip_us } => {
                (HEARTBEAT, n, round_trip_us).serialize(serializer)
            }
            Self::SetStatus { request, choice } => (
                SET_STATUS,
                request,
                choice.status.to_wire(),
                choice.text.as_ref().map(StatusText::as_str),
                choice.automatic,
                millis(choice.text_for),
                choice.metadata.as_ref().map(WireMetadata),
            )
                .serialize(serializer),
            Self::Watch { request, target } => match target {
                WatchTarget::Room(room) => {
                    (WATCH, request, ROOM, room.as_str()).serialize(serializer)
                }
                WatchTarget::People { names, view } => {
                    let view = view.map_or(0, |view| view.0);
                    (WATCH, request, PEOPLE, texts(names), view).serialize(serializer)
                }
            },
            Self::Unwatch { request, view } => (UNWATCH, request, view.0).serialize(serializer),
            Self::Goodbye { reason } => (GOODBYE, reason.to_wire().0).serialize(serializer),
            Self::Join { request, room } => (JOIN, request, room.as_str()).serialize(serializer),
            Self::Leave { request, room } => (LEAVE, request, room.as_str()).serialize(serializer),
            Self::Query { request, query } => serialize_query(*request, query, serializer),
            Self::Repair { request, view, ranges } => {
                let ranges: Vec<_> = ranges.iter().map(|(first, last)| (first.0, last.0)).collect();
                (REPAIR, request, view.0, ranges).serialize(serializer)
            }
            Self::Renew { request, credential } => {
                (RENEW, request, credential.expose()).serialize(serializer)
            }
        }
    }
}

fn serialize_query<S: Serializer>(
    request: u32,
    query: &Query,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match query {
        Query::People(names) => (QUERY, request, QUERY_PEOPLE, texts(names)).serialize(serializer),
        Query::Count(room) => (QUERY, request, QUERY_COUNT, room.as_str()).serialize(serializer),
        Query::Page { room, from } => {
            (QUERY, request, QUERY_PAGE, room.as_str(), from.0).serialize(serializer)
        }
        Query::Explain { name, operator } => {
            let operator = operator.map(|key| Bin(key.0));
            (QUERY, request, QUERY_EXPLAIN, name.as_str(), operator).serialize(serializer)
        }
        Query::Health { operator } => {
            let operator = operator.map(|key| Bin(key.0));
            (QUERY, request, QUERY_HEALTH, operator).serialize(serializer)
        }
    }
}

impl Serialize for Hello {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let resume = self.resume.as_ref();
        let views = resume.map_or(&[][..], |resume| &resume.views);
        let views: Vec<_> = views.iter().map(|(view, version)| (view.0, version)).collect();
        // Only a server that wants a credential need know that there is such a field.
        let fields = if self.credential.is_some() { 16 } else { 15 };
        let mut tuple = serializer.serialize_tuple(fields)?;
        tuple.serialize_element(&HELLO)?;
        tuple.serialize_element(&VERSION)?;
        tuple.serialize_element(self.name.as_str())?;
        tuple.serialize_element(self.device.as_str())?;
        tuple.serialize_element(self.label.as_str())?;
        tuple.serialize_element(&millis(self.heartbeat))?;
        tuple.serialize_element(&self.observe)?;
        tuple.serialize_element(&self.choice.status.to_wire())?;
        tuple.serialize_element(self.choice.text.as_ref().map_or("", StatusText::as_str))?;
        tuple.serialize_element(&self.choice.automatic)?;
        tuple.serialize_element(&millis(self.choice.text_for))?;
        tuple.serialize_element(&self.key.map(|key| Bin(key.0)))?;
        tuple.serialize_element(&resume.map(|resume| Bin(resume.token.0)))?;
        tuple
            .serialize_element(&resume.and_then(|resume| resume.epoch).map(|epoch| Bin(epoch.0)))?;
        tuple.serialize_element(&views)?;
        if let Some(credential) = &self.credential {
            tuple.serialize_element(credential.expose())?;
        }
        tuple.end()
    }
}

fn texts(names: &[DisplayName]) -> Vec<&str> {
    names.iter().map(DisplayName::as_str).collect()
}

/// 0 for none.
fn millis(span: Option<Duration>) -> u64 {
    let ms = span.map_or(0, |span| span.as_millis());
    u64::try_from(ms).map_or(INTEGER_MAX, |ms| ms.min(INTEGER_MAX))
}
