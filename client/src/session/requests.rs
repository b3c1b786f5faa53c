//! The requests that the server has not answered yet.

use std::collections::VecDeque;

use herenow_protocol::{ClientMessage, RoomName};

use super::Effect;
use crate::ViewKey;
use crate::query::QueryId;

/// A server that owes more answers than this does not follow the protocol; the oldest are not waited for any longer.
const OPEN_MAX: usize = 1_024;

/// What a request was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Status,
    /// To watch; the room, if it is one.
    Watch(ViewKey, Option<RoomName>),
    Unwatch,
    Repair(ViewKey),
    Join(RoomName),
    Leave(RoomName),
    Query(QueryId),
    Renew,
}

/// Numbers requests, and knows what an answer is to.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u32,
    open: VecDeque<(u32, Asked)>,
}

impl Requests {
    /// Sends the message that `build` makes with the number of this request.
    pub(super) fn send(
        &mut self,
        asked: Asked,
        effects: &mut Vec<Effect>,
        build: impl FnOnce(u32) -> ClientMessage,
    ) {
        self.last = self.last.wrapping_add(1);
        if self.open.len() == OPEN_MAX {
            self.open.pop_front();
        }
        self.open.push_back((self.last, asked));
        effects.push(Effect::Send(build(self.last)));
    }

    /// What the request of this number was for. A request is answered once.
    pub(super) fn answered(&mut self, request: u32) -> Option<Asked> {
        let place = self.open.iter().position(|(open, _)| *open == request)?;
        self.open.remove(place).map(|(_, asked)| asked)
    }

    /// The connection ended: nothing will be answered.
    pub(super) fn lost(&mut self) {
        self.open.clear();
    }

    #[cfg(test)]
    pub(super) fn last(&self) -> u32 {
        self.last
    }
}
