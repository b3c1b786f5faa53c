//! What the program asks once. Every question is answered exactly once, if only with why there is no answer.

use std::collections::VecDeque;

use herenow_protocol::limits::{FRAME_PREFIX_BYTES, NAMES_MAX};
use herenow_protocol::{ClientMessage, Query};

use super::Effect;
use super::requests::{Asked, Requests};
use crate::Disconnect;
use crate::query::{Answer, QueryError, QueryId};

/// Questions that the server is asked at a time, so that they do not fill the way to it.
const IN_FLIGHT_MAX: usize = 8;

/// Questions without an answer. How many there may be is the [shell's](crate::query::QUERIES_MAX) to bound.
#[derive(Debug, Default)]
pub(super) struct Queries {
    waiting: VecDeque<(QueryId, Query)>,
    in_flight: Vec<QueryId>,
}

impl Queries {
    pub(super) fn ask(&mut self, id: QueryId, query: Query) {
        self.waiting.push_back((id, query));
    }

    /// Sends what waits, as far as the server may be asked more. A frame may have this many bytes.
    pub(super) fn send(
        &mut self,
        frame_max: usize,
        requests: &mut Requests,
        effects: &mut Vec<Effect>,
    ) {
        while self.in_flight.len() < IN_FLIGHT_MAX {
            let Some((id, query)) = self.waiting.pop_front() else { return };
            if is_too_long(&query, frame_max) {
                effects.push(Effect::Answer(id, Err(QueryError::TooLong)));
                continue;
            }
            self.in_flight.push(id);
            let build = |request| ClientMessage::Query { request, query };
            requests.send(Asked::Query(id), effects, build);
        }
    }

    pub(super) fn answered(
        &mut self,
        id: QueryId,
        answer: Result<Answer, QueryError>,
        effects: &mut Vec<Effect>,
    ) {
        self.in_flight.retain(|open| *open != id);
        effects.push(Effect::Answer(id, answer));
    }

    /// The connection, or the try to make one, ended.
    pub(super) fn lost(&mut self, reason: &Disconnect, effects: &mut Vec<Effect>) {
        let waiting = self.waiting.drain(..).map(|(id, _)| id);
        for id in self.in_flight.drain(..).chain(waiting) {
            effects.push(Effect::Answer(id, Err(QueryError::Disconnected(reason.clone()))));
        }
    }
}

fn is_too_long(query: &Query, frame_max: usize) -> bool {
    if let Query::People(names) = query
        && names.len() > NAMES_MAX
    {
        return true;
    }
    // The largest number of a request takes the most bytes.
    let message = ClientMessage::Query { request: u32::MAX, query: query.clone() };
    message.encode().len() - FRAME_PREFIX_BYTES > frame_max
}
