//! Every session, by its number, its token and its connection.

use std::hash::RandomState;
use std::ops::Index;
use std::time::Instant;

use herenow_protocol::{DeviceLabel, DisplayName, SessionId, Status};

use super::ConnectionId;
use super::few::Few;
use super::lists::List;
use super::notes::Why;
use super::rooms::RoomId;
use super::table::{Key, Keyed, Places, Table};
use crate::config::Liveness;
use crate::journal::Fingerprint;
use crate::merge::Vote;

/// A session, with or without a connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) name: DisplayName,
    pub(super) device: Fingerprint,
    pub(super) label: DeviceLabel,
    /// [`NO_CONNECTION`], or what [`Sessions::connect`] said.
    connection: ConnectionId,
    /// What others may see of it; observers have nothing.
    pub(super) listed: Option<Listed>,
    rest: Option<Box<Rest>>,
}

/// No connection has this number, they begin at 1: an `Option` would take twice the space.
const NO_CONNECTION: ConnectionId = ConnectionId(0);

/// No session is at this place.
const NOWHERE: u32 = u32::MAX;

/// What others may see of a session.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) token: Fingerprint,
    pub(super) since_ms: u64,
    pub(super) opened_ms: u64,
    heartbeat_ms: u32,
    misses: u8,
    pub(super) status: Status,
    pub(super) automatic: bool,
    pub(super) lost: Option<Box<Lost>>,
}

/// A connection that is no more.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) why: Why,
    /// Until then the session counts.
    pub(super) shown_until: Instant,
    /// It has not been said yet that the session counts no more.
    pub(super) counts: bool,
    /// Until then it can be resumed.
    pub(super) resume_until: Instant,
}

/// What most sessions have nothing of.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Proves that an observer belongs to the user of its name.
    pub(super) key: Option<Fingerprint>,
    /// The rooms that it is in, without the lobby.
    pub(super) rooms: Few<RoomId>,
    /// The rooms that it watches.
    pub(super) views: Few<RoomId>,
    /// The people that it watches.
    pub(super) lists: Vec<List>,
    /// How many lists it ever opened.
    pub(super) lists_opened: u32,
}

impl Session {
    /// A session that is in no room but the lobby and watches nothing.
    pub(super) fn new(
        id: SessionId,
        name: DisplayName,
        device: Fingerprint,
        label: DeviceLabel,
        listed: Option<Listed>,
    ) -> Self {
        Self { id, name, device, label, connection: NO_CONNECTION, listed, rest: None }
    }

    pub(super) fn connection(&self) -> Option<ConnectionId> {
        Some(self.connection).filter(|connection| *connection != NO_CONNECTION)
    }

    pub(super) fn key(&self) -> Option<Fingerprint> {
        self.rest.as_ref()?.key
    }

    pub(super) fn rooms(&self) -> &[RoomId] {
        self.rest.as_ref().map_or(&[], |rest| &rest.rooms)
    }

    pub(super) fn views(&self) -> &[RoomId] {
        self.rest.as_ref().map_or(&[], |rest| &rest.views)
    }

    pub(super) fn lists(&self) -> &[List] {
        self.rest.as_ref().map_or(&[], |rest| &rest.lists)
    }

    /// What most sessions have nothing of, to be changed.
    pub(super) fn rest_mut(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// What this session says about its user, if it counts.
    pub(super) fn vote(&self) -> Option<Vote> {
        let listed = self.listed.as_ref()?;
        let counts = listed.lost.as_ref().is_none_or(|lost| lost.counts);
        let Listed { status, automatic, .. } = *listed;
        counts.then_some(Vote { session: self.id, status, automatic })
    }
}

impl Listed {
    /// A session that begins, or began at `opened_ms`.
    pub(super) fn new(
        token: Fingerprint,
        liveness: Liveness,
        (status, automatic): (Status, bool),
        since_ms: u64,
        opened_ms: u64,
    ) -> Self {
        let ((heartbeat_ms, misses), lost) = (liveness.numbers(), None);
        Self { token, since_ms, opened_ms, heartbeat_ms, misses, status, automatic, lost }
    }

    /// Another rule is agreed on.
    pub(super) fn agree(&mut self, liveness: Liveness) {
        (self.heartbeat_ms, self.misses) = liveness.numbers();
    }

    /// The rule under which it beats.
    pub(super) fn liveness(&self) -> Liveness {
        Liveness::of(self.heartbeat_ms, self.misses)
    }
}

impl Keyed for Session {
    type Key = SessionId;

    fn key(&self) -> &SessionId {
        &self.id
    }
}

/// Every session.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: Table<Session>,
    by_token: Places,
    /// By the arbiter and the place of the connection: where its session is, [`NOWHERE`] without one.
    by_connection: Vec<Vec<u32>>,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn get(&self, id: &SessionId) -> Option<&Session> {
        self.sessions.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(id)
    }

    /// The session that this token resumes.
    pub(super) fn of_token(&self, token: Fingerprint) -> Option<&Session> {
        let has = |place| token_at(&self.sessions, place) == Some(token);
        self.sessions.at(self.by_token.find(&token, has)?)
    }

    /// The session of a connection.
    pub(super) fn of_connection(&self, connection: ConnectionId) -> Option<SessionId> {
        let place = *self.by_connection.get(connection.arbiter())?.get(connection.place())?;
        let session = self.sessions.at(place)?;
        (session.connection == connection).then_some(session.id)
    }

    /// Adds a session without connection.
    pub(super) fn insert(&mut self, session: Session) {
        let token = session.listed.as_ref().map(|listed| listed.token);
        self.remove(&session.id);
        let place = self.sessions.insert(session);
        if let Some(token) = token {
            let sessions = &self.sessions;
            let hash = |place, secret: &RandomState| {
                token_at(sessions, place).expect("it is known by its token").hash(secret)
            };
            self.by_token.insert(&token, place, hash);
        }
    }

    /// Removes a session. Its connection, if it has one, has none any more.
    pub(super) fn remove(&mut self, id: &SessionId) -> Option<Session> {
        let place = self.sessions.place(id)?;
        self.disconnect(*id);
        if let Some(token) = token_at(&self.sessions, place) {
            self.by_token.remove(&token, place);
        }
        self.sessions.remove(id)
    }

    /// The connection is this session's from now on. Returns the one that it had.
    pub(super) fn connect(
        &mut self,
        id: SessionId,
        connection: ConnectionId,
    ) -> Option<ConnectionId> {
        debug_assert_ne!(connection, NO_CONNECTION);
        let old = self.disconnect(id);
        let place = self.sessions.place(&id).expect("the caller has it");
        self.sessions.get_mut(&id).expect("the caller has it").connection = connection;
        *self.by_connection_mut(connection) = place;
        old
    }

    /// The session has no connection from now on. Returns the one that it had.
    pub(super) fn disconnect(&mut self, id: SessionId) -> Option<ConnectionId> {
        let place = self.sessions.place(&id)?;
        let session = self.sessions.at_mut(place);
        let connection = session.connection()?;
        session.connection = NO_CONNECTION;
        let at = self.by_connection_mut(connection);
        if *at == place {
            *at = NOWHERE;
        }
        Some(connection)
    }

    fn by_connection_mut(&mut self, connection: ConnectionId) -> &mut u32 {
        let (arbiter, place) = (connection.arbiter(), connection.place());
        if self.by_connection.len() <= arbiter {
            self.by_connection.resize_with(arbiter + 1, Vec::new);
        }
        let places = &mut self.by_connection[arbiter];
        if places.len() <= place {
            places.resize(place + 1, NOWHERE);
        }
        &mut places[place]
    }
}

fn token_at(sessions: &Table<Session>, place: u32) -> Option<Fingerprint> {
    sessions.at(place)?.listed.as_ref().map(|listed| listed.token)
}

impl Index<&SessionId> for Sessions {
    type Output = Session;

    fn index(&self, id: &SessionId) -> &Session {
        &self.sessions[id]
    }
}
