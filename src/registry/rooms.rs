//! Rooms: named lists that come into being when somebody joins or watches them.
//!
//! A room that nobody uses stays until there are too many, with its version: if it were forgotten earlier, its return
//! would tell whether somebody invisible had kept it.

use std::collections::HashMap;
use std::time::Instant;

use herenow_protocol::digest::fingerprint;
use herenow_protocol::limits::{ROOM_VIEWS_MAX, ROOMS_MAX};
use herenow_protocol::{Epoch, ErrorCode, RoomName, ViewId};

use super::cadence::{Cadence, Pace};
use super::few::Few;
use super::notes::Why;
use super::sessions::SessionAt;
use super::{Answer, Effect, Registry, failed};
use crate::clock::Moment;
use crate::roster::Roster;

/// The number of the view that watches the lobby, the same in every session.
pub const LOBBY_VIEW: ViewId = ViewId(1);

/// The lobby.
pub(super) const LOBBY: RoomId = RoomId(0);

/// Views from this number on are lists of people, which each session numbers by itself.
pub(super) const LIST_VIEWS: u32 = 1 << 31;

/// Bytes in which a room remembers its last changes for those who come back: 500 to 1,000 changes, several times what
/// fits a frame, since changes of one user merge.
const LOG_BYTES: usize = 64 * 1024;

/// A room's place in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RoomId(u32);

/// Every room.
#[derive(Debug)]
pub(super) struct Rooms {
    epoch: Epoch,
    rooms: Vec<Room>,
    by_name: HashMap<RoomName, RoomId>,
    by_view: HashMap<ViewId, RoomId>,
    dirty: Vec<RoomId>,
    /// The dirty ones of which nobody knows yet when they are due.
    newly_dirty: Vec<RoomId>,
    max: usize,
}

#[derive(Debug)]
struct Room {
    name: RoomName,
    roster: Roster,
    /// Sessions that are in it or watch it.
    users: usize,
    cadence: Cadence,
}

impl Rooms {
    pub(super) fn new(epoch: Epoch, max: usize) -> Self {
        let mut rooms = Self {
            epoch,
            rooms: Vec::new(),
            by_name: HashMap::new(),
            by_view: HashMap::new(),
            dirty: Vec::new(),
            newly_dirty: Vec::new(),
            max: max.max(1),
        };
        rooms.insert(RoomName::lobby(), LOBBY, LOBBY_VIEW);
        rooms.rooms[0].users = 1;
        rooms
    }

    pub(super) fn lobby(&self) -> &Roster {
        self.roster(LOBBY)
    }

    pub(super) fn roster(&self, room: RoomId) -> &Roster {
        &self.rooms[room.0 as usize].roster
    }

    pub(super) fn roster_mut(&mut self, room: RoomId) -> &mut Roster {
        &mut self.rooms[room.0 as usize].roster
    }

    pub(super) fn name(&self, room: RoomId) -> &RoomName {
        &self.rooms[room.0 as usize].name
    }

    /// The room of this name, if it is there.
    pub(super) fn find(&self, name: &RoomName) -> Option<RoomId> {
        self.by_name.get(name).copied()
    }

    /// The room with this view, if it is there.
    pub(super) fn of_view(&self, view: ViewId) -> Option<RoomId> {
        self.by_view.get(&view).copied()
    }

    /// The room of this name, made if it is not there and there is place for it.
    pub(super) fn find_or_make(&mut self, name: &RoomName) -> Option<RoomId> {
        if let Some(room) = self.find(name) {
            return Some(room);
        }
        let room = self.free_place()?;
        let view = self.free_view(name);
        self.insert(name.clone(), room, view);
        Some(room)
    }

    /// A session joins or watches the room from now on.
    pub(super) fn hold(&mut self, room: RoomId) {
        self.rooms[room.0 as usize].users += 1;
    }

    /// A session does no more.
    pub(super) fn release(&mut self, room: RoomId) {
        self.rooms[room.0 as usize].users -= 1;
    }

    /// Changes a room's list.
    pub(super) fn change<T>(&mut self, room: RoomId, change: impl FnOnce(&mut Roster) -> T) -> T {
        let roster = &mut self.rooms[room.0 as usize].roster;
        let was_dirty = roster.is_dirty();
        let changed = change(roster);
        if !was_dirty && roster.is_dirty() {
            self.dirty.push(room);
            self.newly_dirty.push(room);
        }
        changed
    }

    /// When the first of the rooms may be published that have changed since the last call.
    pub(super) fn newly_due(&mut self, now: Instant, pace: Pace) -> Option<Instant> {
        let Self { rooms, newly_dirty, .. } = self;
        newly_dirty.drain(..).map(|room| rooms[room.0 as usize].due(now, pace)).min()
    }

    /// Publishes the changed rooms whose time has come. Returns when the next one is due.
    pub(super) fn publish(
        &mut self,
        now: Instant,
        pace: Pace,
        effects: &mut Vec<Effect>,
    ) -> Option<Instant> {
        let Self { rooms, dirty, newly_dirty, .. } = self;
        newly_dirty.clear();
        // The order must not tell which rooms were made first, perhaps by somebody invisible.
        dirty.sort_unstable_by_key(|room| rooms[room.0 as usize].roster.view());
        let mut next = None;
        dirty.retain(|room| {
            let room = &mut rooms[room.0 as usize];
            let due = room.due(now, pace);
            if due > now {
                next = next.into_iter().chain([due]).min();
                return true;
            }
            room.cadence.published(room.roster.unpublished(), pace.tick, now);
            effects.push(Effect::Publish(room.roster.publish()));
            false
        });
        next
    }

    fn insert(&mut self, name: RoomName, room: RoomId, view: ViewId) {
        let roster = Roster::new(view, self.epoch, LOG_BYTES);
        self.by_name.insert(name.clone(), room);
        self.by_view.insert(view, room);
        let made = Room { name, roster, users: 0, cadence: Cadence::default() };
        match self.rooms.get_mut(room.0 as usize) {
            Some(place) => *place = made,
            None => self.rooms.push(made),
        }
    }

    /// A place for another room: a new one, or that of a room that nobody uses.
    fn free_place(&mut self) -> Option<RoomId> {
        if self.rooms.len() < self.max {
            return Some(RoomId(u32::try_from(self.rooms.len()).expect("a bounded number")));
        }
        let idle = |room: &Room| room.users == 0 && !room.roster.is_dirty();
        let index = self.rooms.iter().position(idle)?;
        let gone = &self.rooms[index];
        self.by_name.remove(&gone.name);
        self.by_view.remove(&gone.roster.view());
        Some(RoomId(u32::try_from(index).expect("a bounded number")))
    }

    /// A number that follows from the name, so that it does not tell which rooms were made before.
    fn free_view(&self, name: &RoomName) -> ViewId {
        let hash = fingerprint(&[&self.epoch.0, name.as_str().as_bytes()].concat());
        let [a, b, c, d, ..] = hash;
        let mut number = u32::from_be_bytes([a, b, c, d]) % LIST_VIEWS;
        while number <= LOBBY_VIEW.0 || self.by_view.contains_key(&ViewId(number)) {
            number = (number + 1) % LIST_VIEWS;
        }
        ViewId(number)
    }
}

impl Room {
    fn due(&self, now: Instant, pace: Pace) -> Instant {
        self.cadence.due(self.roster.proof().count, pace, now)
    }
}

impl Registry {
    pub(super) fn watch_room(&mut self, at: SessionAt, name: &RoomName) -> Answer {
        let found = self.rooms.find(name);
        let session = &self.sessions[at];
        if let Some(room) = found.filter(|room| session.views().contains(room)) {
            return Answer::Watching(self.rooms.roster(room).view());
        }
        if session.views().len() >= ROOM_VIEWS_MAX {
            let text = format!("a session has at most {ROOM_VIEWS_MAX} views of rooms");
            return failed(ErrorCode::Limit, text);
        }
        let Some(room) = self.rooms.find_or_make(name) else { return no_more_rooms() };
        self.rooms.hold(room);
        self.sessions[at].rest_mut().views.push(room);
        Answer::Watching(self.rooms.roster(room).view())
    }

    pub(super) fn unwatch(&mut self, at: SessionAt, view: ViewId, now: Instant) -> Answer {
        let closed = match self.rooms.of_view(view) {
            Some(room) => self.unwatch_room(at, room),
            None => self.unwatch_list(at, view, now),
        };
        match closed {
            true => Answer::Unwatched(view),
            false => failed(ErrorCode::NoSuchView, "there is no such view"),
        }
    }

    fn unwatch_room(&mut self, at: SessionAt, room: RoomId) -> bool {
        let session = &mut self.sessions[at];
        let closes = session.views().contains(&room);
        if closes {
            session.rest_mut().views.retain(|watched| *watched != room);
            self.rooms.release(room);
        }
        closes
    }

    pub(super) fn join(
        &mut self,
        at: SessionAt,
        name: &RoomName,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        let session = &self.sessions[at];
        if session.listed.is_none() {
            return failed(ErrorCode::NotListed, "an observer is in no room");
        }
        let found = self.rooms.find(name);
        if found.is_some_and(|room| room == LOBBY || session.rooms().contains(&room)) {
            return Answer::Done;
        }
        if session.rooms().len() + 1 >= ROOMS_MAX {
            let text = format!("a session is in at most {ROOMS_MAX} rooms, the lobby included");
            return failed(ErrorCode::Limit, text);
        }
        let Some(room) = self.rooms.find_or_make(name) else { return no_more_rooms() };
        self.rooms.hold(room);
        self.change_rooms(at, |rooms| rooms.push(room), now, effects);
        Answer::Done
    }

    pub(super) fn leave(
        &mut self,
        at: SessionAt,
        name: &RoomName,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        let session = &self.sessions[at];
        if session.listed.is_none() {
            return failed(ErrorCode::NotListed, "an observer is in no room");
        }
        match self.rooms.find(name) {
            Some(LOBBY) => failed(ErrorCode::BadRequest, "everyone is in the lobby"),
            Some(room) if session.rooms().contains(&room) => {
                self.rooms.release(room);
                self.change_rooms(at, |rooms| rooms.retain(|r| *r != room), now, effects);
                Answer::Done
            }
            _ => Answer::Done,
        }
    }

    fn change_rooms(
        &mut self,
        at: SessionAt,
        change: impl FnOnce(&mut Few<RoomId>),
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let session = &mut self.sessions[at];
        change(&mut session.rest_mut().rooms);
        let user = session.user().expect("observers are in no room");
        self.record_session(at, now, effects);
        self.refresh(user, Why::wished(now), now, effects);
    }
}

fn no_more_rooms() -> Answer {
    failed(ErrorCode::NoSuchRoom, "this server keeps no further rooms")
}
