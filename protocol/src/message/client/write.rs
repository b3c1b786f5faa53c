//! A client's messages to the wire: arrays `[op, field, field, ...]`.

use std::time::Duration;

use serde::ser::{Serialize, Serializer};

use super::{
    ClientMessage, GOODBYE, HEARTBEAT, HELLO, Hello, JOIN, LEAVE, PEOPLE, QUERY, QUERY_COUNT,
    QUERY_EXPLAIN, QUERY_HEALTH, QUERY_PAGE, QUERY_PEOPLE, Query, REPAIR, ROOM, SET_STATUS,
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
        (
            HELLO,
            VERSION,
            self.name.as_str(),
            self.device.as_str(),
            self.label.as_str(),
            millis(self.heartbeat),
            self.observe,
            self.choice.status.to_wire(),
            self.choice.text.as_ref().map_or("", StatusText::as_str),
            self.choice.automatic,
            millis(self.choice.text_for),
            self.key.map(|key| Bin(key.0)),
            resume.map(|resume| Bin(resume.token.0)),
            resume.and_then(|resume| resume.epoch).map(|epoch| Bin(epoch.0)),
            views,
        )
            .serialize(serializer)
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
