//! Every session, by its place in memory, its token and its connection.

use std::ops::{Index, IndexMut};
use std::time::Instant;

use herenow_protocol::{DeviceLabel, DisplayName, SessionId, Status};

use super::ConnectionId;
use super::few::Few;
use super::lists::List;
use super::notes::Why;
use super::rooms::RoomId;
use super::table::{Places, Slab};
use super::users::UserAt;
use crate::config::Liveness;
use crate::journal::Fingerprint;
use crate::merge::Vote;

/// Where a session is in memory, as long as it is there. Its number on the wire is its [`Session::id`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SessionAt(u32);

/// A session, with or without a connection.
#[derive(Debug)]
pub(super) struct Session {
    /// What is told to others than its own registry.
    pub(super) id: SessionId,
    /// [`NO_CONNECTION`], or what [`Sessions::connect`] said.
    connection: ConnectionId,
    pub(super) device: Fingerprint,
    pub(super) label: DeviceLabel,
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
    /// Whose session it is.
    pub(super) user: UserAt,
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
    /// The last sign of life; `None` if that was before a restart.
    pub(super) heard_at: Option<Instant>,
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
    /// Under which name an observer came, who need not be a user.
    observes_as: Option<DisplayName>,
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
        device: Fingerprint,
        label: DeviceLabel,
        listed: Listed,
    ) -> Self {
        let listed = Some(listed);
        Self { id, connection: NO_CONNECTION, device, label, listed, rest: None }
    }

    /// A session that others do not see and that watches nothing yet.
    pub(super) fn observer(
        id: SessionId,
        device: Fingerprint,
        label: DeviceLabel,
        name: DisplayName,
        key: Option<Fingerprint>,
    ) -> Self {
        let rest = Some(Box::new(Rest { observes_as: Some(name), key, ..Rest::default() }));
        Self { id, connection: NO_CONNECTION, device, label, listed: None, rest }
    }

    /// Whose session it is; an observer's is nobody's.
    pub(super) fn user(&self) -> Option<UserAt> {
        self.listed.as_ref().map(|listed| listed.user)
    }

    /// Under which name an observer came.
    pub(super) fn observes_as(&self) -> Option<&DisplayName> {
        self.rest.as_ref()?.observes_as.as_ref()
    }

    pub(super) fn connection(&self) -> Option<ConnectionId> {
        Some(self.connection).filter(|connection| *connection != NO_CONNECTION)
    }

    fn token(&self) -> Option<Fingerprint> {
        self.listed.as_ref().map(|listed| listed.token)
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
        user: UserAt,
        token: Fingerprint,
        liveness: Liveness,
        (status, automatic): (Status, bool),
        since_ms: u64,
        opened_ms: u64,
    ) -> Self {
        let ((heartbeat_ms, misses), lost) = (liveness.numbers(), None);
        Self { user, token, since_ms, opened_ms, heartbeat_ms, misses, status, automatic, lost }
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

/// Every session.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    slab: Slab<Session>,
    by_token: Places,
    /// By the arbiter and the place of the connection: where its session is, [`NOWHERE`] without one.
    by_connection: Vec<Vec<u32>>,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// The session with this number, if it is still where it was.
    pub(super) fn still(&self, at: SessionAt, id: SessionId) -> Option<&Session> {
        self.slab.at(at.0).filter(|session| session.id == id)
    }

    /// The session that this token resumes.
    pub(super) fn of_token(&self, token: Fingerprint) -> Option<SessionAt> {
        let has = |place| self.slab.at(place).and_then(Session::token) == Some(token);
        self.by_token.find(&token, has).map(SessionAt)
    }

    /// The session of a connection.
    pub(super) fn of_connection(&self, connection: ConnectionId) -> Option<SessionAt> {
        let place = *self.by_connection.get(connection.arbiter())?.get(connection.place())?;
        let session = self.slab.at(place)?;
        (session.connection == connection).then_some(SessionAt(place))
    }

    /// Adds a session without connection.
    pub(super) fn add(&mut self, session: Session) -> SessionAt {
        let token = session.token();
        let place = self.slab.add(session);
        token.into_iter().for_each(|token| self.by_token.insert(&token, place));
        SessionAt(place)
    }

    /// Removes a session. Its connection, if it has one, has none any more.
    pub(super) fn remove(&mut self, at: SessionAt) -> Session {
        self.disconnect(at);
        let session = self.slab.take(at.0).expect(HAD);
        session.token().into_iter().for_each(|token| self.by_token.remove(&token, at.0));
        session
    }

    /// The connection is this session's from now on. Returns the one that it had.
    pub(super) fn connect(
        &mut self,
        at: SessionAt,
        connection: ConnectionId,
    ) -> Option<ConnectionId> {
        debug_assert_ne!(connection, NO_CONNECTION);
        let old = self.disconnect(at);
        self[at].connection = connection;
        *self.by_connection_mut(connection) = at.0;
        old
    }

    /// The session has no connection from now on. Returns the one that it had.
    pub(super) fn disconnect(&mut self, at: SessionAt) -> Option<ConnectionId> {
        let connection = self[at].connection()?;
        self[at].connection = NO_CONNECTION;
        let place = self.by_connection_mut(connection);
        if *place == at.0 {
            *place = NOWHERE;
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

/// Whoever goes by a place has just been told it, or holds the session: it is told to nobody who may outlive it.
const HAD: &str = "who has the place of a session has the session";

impl Index<SessionAt> for Sessions {
    type Output = Session;

    fn index(&self, at: SessionAt) -> &Session {
        self.slab.at(at.0).expect(HAD)
    }
}

impl IndexMut<SessionAt> for Sessions {
    fn index_mut(&mut self, at: SessionAt) -> &mut Session {
        self.slab.at_mut(at.0).expect(HAD)
    }
}
