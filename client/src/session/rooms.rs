//! The rooms that the user wants to be in besides the lobby, and what the server knows of it.

use std::collections::{BTreeMap, BTreeSet};

use herenow_protocol::limits::ROOMS_MAX;
use herenow_protocol::{ClientMessage, RoomName};

use super::Effect;
use super::requests::{Asked, Requests};

/// Each room has one request under way at most.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: BTreeMap<RoomName, Room>,
}

#[derive(Debug)]
struct Room {
    wanted: bool,
    known: Known,
    asked: bool,
}

/// What the server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Out,
    In,
    /// It was asked, and the connection ended before it answered.
    Unsure,
    /// It does not let this session in, and is not asked again before the next session.
    Refused,
}

impl Rooms {
    pub(super) fn new(wanted: &BTreeSet<RoomName>) -> Self {
        let mut rooms = Self::default();
        rooms.want(wanted);
        rooms
    }

    /// The user wants to be in these rooms and no others.
    pub(super) fn want(&mut self, wanted: &BTreeSet<RoomName>) {
        for (name, room) in &mut self.rooms {
            room.wanted = wanted.contains(name);
        }
        for name in wanted {
            let out = || Room { wanted: true, known: Known::Out, asked: false };
            self.rooms.entry(name.clone()).or_insert_with(out);
        }
        self.tidy();
    }

    /// A sign-in was accepted. A session that goes on is still in its rooms.
    pub(super) fn start(&mut self, resumed: bool) {
        if !resumed {
            self.rooms.values_mut().for_each(|room| room.known = Known::Out);
        }
        self.tidy();
    }

    /// Sends what is not as it is wanted. No more requests are under way than there may be rooms.
    pub(super) fn send(&mut self, requests: &mut Requests, effects: &mut Vec<Effect>) {
        let under_way = self.rooms.values().filter(|room| room.asked).count();
        let idle = self.rooms.iter_mut().filter(|(_, room)| !room.asked && room.is_to_change());
        for (name, state) in idle.take(ROOMS_MAX.saturating_sub(under_way)) {
            state.asked = true;
            let room = name.clone();
            if state.wanted {
                let build = |request| ClientMessage::Join { request, room };
                requests.send(Asked::Join(name.clone()), effects, build);
            } else {
                let build = |request| ClientMessage::Leave { request, room };
                requests.send(Asked::Leave(name.clone()), effects, build);
            }
        }
    }

    pub(super) fn joined(&mut self, room: &RoomName) {
        self.answered(room, Known::In);
    }

    pub(super) fn left(&mut self, room: &RoomName) {
        self.answered(room, Known::Out);
    }

    pub(super) fn refused(&mut self, room: &RoomName) {
        self.answered(room, Known::Refused);
    }

    /// The connection ended.
    pub(super) fn lost(&mut self) {
        for room in self.rooms.values_mut().filter(|room| room.asked) {
            (room.asked, room.known) = (false, Known::Unsure);
        }
    }

    fn answered(&mut self, name: &RoomName, known: Known) {
        if let Some(room) = self.rooms.get_mut(name) {
            (room.asked, room.known) = (false, known);
        }
        self.tidy();
    }

    /// A room in which one neither is nor wants to be needs no place.
    fn tidy(&mut self) {
        self.rooms.retain(|_, room| {
            room.wanted || room.asked || matches!(room.known, Known::In | Known::Unsure)
        });
    }
}

impl Room {
    fn is_to_change(&self) -> bool {
        match self.wanted {
            true => matches!(self.known, Known::Out | Known::Unsure),
            false => matches!(self.known, Known::In | Known::Unsure),
        }
    }
}
