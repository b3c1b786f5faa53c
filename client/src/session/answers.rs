//! The server's answers to requests, each to whoever asked.

use std::time::Instant;

use herenow_protocol::{ErrorCode, ViewId};

use super::requests::Asked;
use super::{Effect, Session};
use crate::Event;
use crate::query::{Answer, QueryError};

impl Session {
    pub(super) fn carried_out(
        &mut self,
        request: u32,
        view: Option<ViewId>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        match self.requests.answered(request) {
            Some(Asked::Watch(key, room)) => {
                self.views.watching(key, room.as_ref(), view, now, effects);
            }
            Some(Asked::Status) => self.status.accepted(effects),
            Some(Asked::Join(room)) => self.rooms.joined(&room),
            Some(Asked::Leave(room)) => self.rooms.left(&room),
            Some(Asked::Query(id)) => {
                self.queries.answered(id, Err(QueryError::Misunderstood), effects);
            }
            Some(Asked::Renew) => effects.push(Effect::Emit(Event::Renewed)),
            Some(Asked::Unwatch | Asked::Repair(_)) | None => {}
        }
    }

    pub(super) fn refused(
        &mut self,
        request: u32,
        code: ErrorCode,
        text: String,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        match self.requests.answered(request) {
            Some(Asked::Query(id)) => {
                let refusal = QueryError::Refused { code, text };
                return self.queries.answered(id, Err(refusal), effects);
            }
            // The program asked for neither, and need not know: a view that is not mended is watched anew.
            Some(Asked::Repair(key)) => {
                return self
                    .views
                    .by_key(key)
                    .into_iter()
                    .for_each(|view| view.repair_refused(now));
            }
            Some(Asked::Unwatch) => return,
            Some(Asked::Watch(key, _)) => self.views.refused(key),
            Some(Asked::Status) => self.status.refused(),
            Some(Asked::Join(room) | Asked::Leave(room)) => self.rooms.refused(&room),
            Some(Asked::Renew) | None => {}
        }
        effects.push(Effect::Emit(Event::Refused { code, text }));
    }

    /// An answer to a question. To anything else it is none.
    pub(super) fn told(&mut self, request: u32, answer: Answer, effects: &mut Vec<Effect>) {
        if let Some(Asked::Query(id)) = self.requests.answered(request) {
            self.queries.answered(id, Ok(answer), effects);
        }
    }
}
