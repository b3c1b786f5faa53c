//! The one owner of presence: who is signed in, from which devices, in which rooms, and what watchers must be told.
//!
//! Pure: no sockets, no actors, no clock; callers pass `now`, and every random number. A command goes
//! in, its answer comes out, and what others must do about it is appended to the effects.
//!
//! Reading order: this page (what is asked and answered), [`people`] (users and sessions, and how they become what
//! others see), [`users`] and [`sessions`] (what is kept of them, and where), [`sign_in`], [`endings`], [`rooms`] and
//! [`lists`] (what can be watched), [`serving`] (pages, news and repairs), [`explain`], [`restore`].
//!
//! Invariants: what others see of a user is what [`crate::merge`] says of the sessions that count; somebody who is
//! invisible leaves no trace in anything that another session gets; a session is closed exactly once.

mod cadence;
mod choose;
mod deadlines;
mod endings;
mod explain;
mod few;
mod lists;
mod notes;
mod people;
mod recent;
mod restore;
mod rooms;
mod serving;
mod sessions;
mod sign_in;
mod table;
mod users;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use herenow_protocol::{
    Choice, CloseReason, DisplayName, Entry, Epoch, ErrorCode, Explanation, Health, Hello,
    OperatorKey, Presence, Query, ResumeToken, RoomName, SessionId, UserId, ViewId, ViewProof,
    WatchTarget,
};

use crate::clock::Moment;
use crate::config::{Config, LastSeenTold, Liveness};
use crate::counts::Detections;
use crate::journal::{Fingerprint, Record};
use crate::roster::{BucketBatch, Missed, PageBatch, PublishedDelta, RangeBatch};
use crate::tick::Tick;
use deadlines::Deadlines;
use notes::LastSeen;
use rooms::Rooms;
use sessions::{SessionAt, Sessions};
use users::Users;

#[cfg(test)]
mod tests;

pub use explain::Vitals;
pub use rooms::LOBBY_VIEW;

/// One connection. Unique within a process and never 0; never on the wire, where it would tell how many there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// Bits that say the place among the connections of an arbiter.
    const PLACE_BITS: u32 = 24;

    /// The bits above these say the arbiter; between them and the place is a count of connections, so that who gets the
    /// place of another is not taken for that one.
    const ARBITER_SHIFT: u32 = 58;

    /// The connection at this place of this arbiter, the `count`-th there ever was, from 1 on. There are at most 64
    /// arbiters, and fewer places than descriptors.
    #[must_use]
    pub fn new(arbiter: usize, count: u64, place: u32) -> Self {
        let count = count % (1 << (Self::ARBITER_SHIFT - Self::PLACE_BITS));
        let arbiter = (arbiter as u64) << Self::ARBITER_SHIFT;
        Self(arbiter | (count << Self::PLACE_BITS) | u64::from(place))
    }

    /// The index of the arbiter that serves it.
    #[must_use]
    pub fn arbiter(self) -> usize {
        usize::try_from(self.0 >> Self::ARBITER_SHIFT).expect("six bits fit")
    }

    /// Its place among those of its arbiter. No other has it at the same time.
    #[must_use]
    pub fn place(self) -> usize {
        usize::try_from(self.0 & ((1 << Self::PLACE_BITS) - 1)).expect("24 bits fit")
    }
}

/// A sign-in, with what it may need: a session number and a token that nobody could guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    hello: Hello,
    liveness: Liveness,
    session: SessionId,
    token: ResumeToken,
    /// Of the token.
    recognised_by: Fingerprint,
    device: Fingerprint,
    key: Option<Fingerprint>,
    resume: Option<Fingerprint>,
    /// The name is theirs, whatever key they bring.
    is_proven: bool,
}

impl SignIn {
    /// A sign-in under this heartbeat rule. If a session begins, it gets this number and this token.
    ///
    /// What can be hashed without the registry is hashed here, on the thread of the connection.
    #[must_use]
    pub fn new(hello: Hello, liveness: Liveness, session: SessionId, token: ResumeToken) -> Self {
        let device = Fingerprint::of(hello.device.as_str().as_bytes());
        let key = hello.key.map(|key| Fingerprint::of(&key.0));
        let resume = hello.resume.as_ref().map(|resume| Fingerprint::of(&resume.token.0));
        let (recognised_by, is_proven) = (Fingerprint::of(&token.0), false);
        Self { hello, liveness, session, token, recognised_by, device, key, resume, is_proven }
    }

    /// The same; `is_proven` says whether it was proven that the name is theirs.
    #[must_use]
    pub fn proven(self, is_proven: bool) -> Self {
        Self { is_proven, ..self }
    }
}

impl SignIn {
    /// Under which name.
    #[must_use]
    pub fn name(&self) -> &DisplayName {
        &self.hello.name
    }

    /// Whether others will see it.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        !self.hello.observe
    }
}

/// What a connection wants of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Sign in, or go on with a session.
    SignIn(Box<SignIn>),
    /// Show this from now on.
    Choose(Choice),
    /// Watch a room or some people.
    Watch(WatchTarget),
    /// Watch a view no more.
    Unwatch(ViewId),
    /// Be in this room.
    Join(RoomName),
    /// Be in this room no more.
    Leave(RoomName),
    /// Ask once.
    Query(Query),
    /// Send something of a view. Answered by a [`Delivery`] once everything before it is published.
    Fetch(ViewId, Wish),
    /// The connection is over; its last sign of life was then.
    End(CloseReason, Instant),
}

/// What an outbox wants of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Pages, from this number on.
    Pages(u32),
    /// What came after this version; all pages where that is not known any more.
    Since(u64),
    /// The digests of the buckets, from this number on.
    Buckets(u32),
    /// The entries in these ranges.
    Ranges(Vec<(UserId, UserId)>),
}

/// What the registry says to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Signed in.
    SignedIn(Box<SignedIn>),
    /// The sign-in is refused and the connection over.
    Refused(CloseReason, String),
    /// The command was carried out.
    Done,
    /// The connection may open this view.
    Watching(ViewId),
    /// The people were added to this view.
    Added(ViewId),
    /// The view is closed.
    Unwatched(ViewId),
    /// How some people are shown; how many there are; where the rest begins.
    People(u32, Vec<Entry>, Option<UserId>),
    /// Why someone is shown as they are. Of sessions with a connection the shell still has to fill in what it
    /// knows of that.
    Explanation(Box<Explanation>, Vec<Option<ConnectionId>>),
    /// How the server is. The shell still has to fill in what it knows of the store.
    Health(Box<Health>),
    /// The command was not carried out.
    Failed(ErrorCode, String),
}

/// A session that began or goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The session.
    pub session: SessionId,
    /// What resumes it; observers get none.
    pub token: Option<ResumeToken>,
    /// The server's epoch.
    pub epoch: Epoch,
    /// How others see the session's user; `None` if they do not.
    pub me: Option<Presence>,
    /// The session goes on.
    pub resumed: bool,
    /// For how long it may be resumed after its connection is lost.
    pub resume_window: Duration,
    /// The views that go on, with the version from which the client's copy does.
    pub views: Vec<(ViewId, u64)>,
}

/// What others must do about a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell everyone who watches this room.
    Publish(Vec<PublishedDelta>),
    /// Give this to one connection, in order with what is published.
    Deliver(ConnectionId, Delivery),
    /// Write this down.
    Record(Record),
}

/// What one connection gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Steps of a list of its own.
    Deltas(Vec<PublishedDelta>),
    /// Pages that it asked for.
    Pages(PageBatch),
    /// The news that it asked for.
    Missed(Missed),
    /// The digests that it asked for.
    Buckets(BucketBatch),
    /// The ranges that it asked for.
    Ranges(RangeBatch),
    /// How others see its user from now on.
    Mirror(Option<Presence>),
    /// Its status was chosen through another connection.
    Chosen(Choice),
    /// The connection is over.
    Close(CloseReason),
}

/// The knobs of a registry. Meanings and defaults: [`Config`].
#[derive(Clone, Debug)]
pub struct Rules {
    /// How far publications of one list are apart at least.
    pub tick: Duration,
    /// How far at most under load.
    pub tick_max: Duration,
    /// How long a session without a connection counts.
    pub grace: Duration,
    /// How long it can be resumed.
    pub resume_window: Duration,
    /// Rooms at a time.
    pub rooms_max: usize,
    /// Users of whom it is known when they were last seen.
    pub last_seen_max: usize,
    /// How exactly that is told.
    pub last_seen: LastSeenTold,
    /// Whether lists show only people who have the one who looks in a list of their own.
    pub mutual_consent: bool,
    /// Who may ask everything.
    pub operator: Option<OperatorKey>,
    /// Whether there is anyone to write records down.
    pub journal: bool,
}

impl From<&Config> for Rules {
    fn from(config: &Config) -> Self {
        Self {
            tick: config.tick,
            tick_max: config.tick_max,
            grace: config.grace,
            resume_window: config.resume_window,
            rooms_max: config.rooms_max,
            last_seen_max: config.last_seen_max,
            last_seen: config.last_seen,
            mutual_consent: config.mutual_consent,
            operator: config.operator,
            journal: config.state.is_some(),
        }
    }
}

/// Everyone who is signed in.
#[derive(Debug)]
pub struct Registry {
    epoch: Epoch,
    rules: Rules,
    users: Users,
    sessions: Sessions,
    rooms: Rooms,
    /// Who has whom in a list: the session, the list, and the entry there.
    watched: HashMap<DisplayName, Vec<(SessionAt, ViewId, UserId)>>,
    /// Lists with something to publish.
    dirty_lists: Vec<(SessionAt, ViewId)>,
    /// Wishes that wait for a publication.
    wishes: Vec<(ConnectionId, ViewId, Wish)>,
    tick: Tick,
    /// When the next publication is due.
    flush_at: Option<Instant>,
    deadlines: Deadlines,
    last_seen: LastSeen,
    divergences: u64,
    detections: Detections,
}

/// Who is here, in numbers.
#[derive(Clone, Debug)]
pub struct Roll {
    /// Sessions, observers and resumable ones included.
    pub sessions: u64,
    /// Users whom others see.
    pub users: u64,
    /// Repairs that clients asked for.
    pub divergences: u64,
    /// How long it took until those who vanished were told gone.
    pub detections: Detections,
}

impl Command {
    /// Whether the answer may take a moment: for the disk, or for what other threads know.
    #[must_use]
    pub fn takes_time(&self) -> bool {
        matches!(self, Self::SignIn(_) | Self::Query(Query::Explain { .. } | Query::Health { .. }))
    }
}

impl Registry {
    /// Nobody is here yet. `epoch` is random.
    #[must_use]
    pub fn new(epoch: Epoch, rules: Rules) -> Self {
        let (rooms, last_seen) =
            (Rooms::new(epoch, rules.rooms_max), LastSeen::new(rules.last_seen_max));
        Self {
            epoch,
            users: Users::default(),
            sessions: Sessions::default(),
            rooms,
            watched: HashMap::new(),
            dirty_lists: Vec::new(),
            wishes: Vec::new(),
            tick: Tick::new(rules.tick, rules.tick_max),
            flush_at: None,
            deadlines: Deadlines::default(),
            last_seen,
            divergences: 0,
            detections: Detections::default(),
            rules,
        }
    }

    /// Carries out one command of one connection.
    pub fn apply(
        &mut self,
        connection: ConnectionId,
        command: Command,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        match command {
            Command::SignIn(sign_in) => self.sign_in(connection, *sign_in, now, effects),
            Command::End(cause, heard_at) => {
                self.connection_ended(connection, cause, heard_at, now, effects);
                Answer::Done
            }
            command => match self.sessions.of_connection(connection) {
                Some(session) => self.carry_out(connection, session, command, now, effects),
                // The session was ended from elsewhere, and its connection has not heard of it yet.
                None => failed(ErrorCode::NotListed, "this session is over"),
            },
        }
    }

    /// When [`Self::poll`] has something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.deadlines.next().into_iter().chain(self.flush_at).min()
    }

    /// Does what is due: ends what has waited long enough, publishes what changed, and serves those who wait for that.
    pub fn poll(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.run_deadlines(now, effects);
        if self.flush_at.is_some_and(|at| at <= now.instant) {
            self.flush(now.instant, effects);
        }
        // What is still held back is waited for by `flush_at`.
        if self.flush_at.is_none_or(|at| at > now.instant) {
            self.detections.published(now.instant);
        }
    }

    /// Who is here, in numbers.
    #[must_use]
    pub fn roll(&self) -> Roll {
        Roll {
            sessions: self.sessions.len() as u64,
            users: u64::from(self.rooms.lobby().proof().count),
            divergences: self.divergences,
            detections: self.detections.clone(),
        }
    }

    /// How many sessions there are, observers and resumable ones included.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Everyone who is listed in the lobby, ascending by id.
    pub fn listed(&self) -> impl Iterator<Item = Entry> {
        self.rooms.lobby().entries()
    }

    /// Version, count and digest of the lobby, unpublished changes included.
    #[must_use]
    pub fn proof(&self) -> ViewProof {
        self.rooms.lobby().proof()
    }

    /// The name under which a session came.
    fn name_of(&self, at: SessionAt) -> &DisplayName {
        let session = &self.sessions[at];
        match session.user() {
            Some(user) => self.users[user].name(),
            None => session.observes_as().expect("an observer says its name"),
        }
    }

    fn carry_out(
        &mut self,
        connection: ConnectionId,
        session: SessionAt,
        command: Command,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        match command {
            Command::Choose(choice) => self.choose(session, &choice, now, effects),
            Command::Watch(WatchTarget::Room(room)) => self.watch_room(session, &room),
            Command::Watch(WatchTarget::People { names, view }) => {
                self.watch_people(session, names, view, now)
            }
            Command::Unwatch(view) => self.unwatch(session, view, now.instant),
            Command::Join(room) => self.join(session, &room, now, effects),
            Command::Leave(room) => self.leave(session, &room, now, effects),
            Command::Query(query) => self.query(session, query, now),
            Command::Fetch(view, wish) => self.fetch(connection, view, wish, effects),
            Command::SignIn(_) | Command::End(..) => unreachable!("apply() carries these out"),
        }
    }
}

fn failed(code: ErrorCode, text: impl Into<String>) -> Answer {
    Answer::Failed(code, text.into())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The wall clock at another instant, by what it shows now.
fn unix_ms_at(instant: Instant, now: Moment) -> u64 {
    match now.instant.checked_duration_since(instant) {
        Some(ago) => now.unix_ms.saturating_sub(millis(ago)),
        None => now.unix_ms.saturating_add(millis(instant - now.instant)),
    }
}
