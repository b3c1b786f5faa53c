//! The session against a server played by hand, in virtual time.

mod contact;
mod queries;
mod repair;
mod resume;
mod rooms;
mod sign_in;
mod status;
mod views;

use herenow_protocol::digest::EntryHasher;
use herenow_protocol::limits::INTEGER_MAX;
use herenow_protocol::{
    CloseReason, DeviceId, Digest, DisplayName, Entry, Epoch, ErrorCode, Presence, ResumeToken,
    SessionId, Shown, Status, StatusText, UserId, ViewId, ViewProof, WatchTarget, Welcome,
};

use super::*;
use crate::clock::now as some_instant;

pub(super) const EPOCH: Epoch = Epoch([3; 16]);
pub(super) const VIEW: ViewId = ViewId(1);
pub(super) const BEAT: Duration = Duration::from_secs(2);

/// A session, a clock, and what the session did since it was last asked.
pub(super) struct Rig {
    pub(super) session: Session,
    pub(super) now: Instant,
    effects: Vec<Effect>,
    wanted: WantedViews,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(adapt: impl FnOnce(&mut Options)) -> Self {
        Self::seeded(11, adapt)
    }

    pub(super) fn seeded(seed: u64, adapt: impl FnOnce(&mut Options)) -> Self {
        let name = DisplayName::new("ada").expect("a test name is valid");
        let device = DeviceId::new("device-1").expect("a test id is valid");
        let mut options = Options::new("nowhere", name, device);
        adapt(&mut options);
        let now = some_instant();
        let (session, wanted) = (Session::new(&options, seed, now), options.wanted_views());
        Self { session, now, effects: Vec::new(), wanted }
    }

    /// A rig that is signed in and has the list of `names`.
    pub(super) fn signed_in(names: &[&str]) -> Self {
        let mut rig = Self::new();
        rig.sign_in(names);
        rig.ack(0, names);
        rig.done();
        rig
    }

    pub(super) fn sign_in(&mut self, names: &[&str]) {
        self.reach_server();
        self.hear(ServerMessage::Welcome(welcome()));
        self.answer_watch();
        self.snapshot(names);
    }

    /// Up to the `Hello`.
    pub(super) fn reach_server(&mut self) {
        self.poll();
        self.session.connected(self.now, &mut self.effects);
    }

    pub(super) fn poll(&mut self) {
        self.session.poll(self.now, &mut self.effects);
    }

    /// Lets time pass, with a poll at each deadline.
    pub(super) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.session.next_deadline().filter(|&at| at <= until) {
            self.now = self.now.max(deadline);
            self.poll();
        }
        self.now = until;
    }

    /// Waits for the next try to connect.
    pub(super) fn wait_for_retry(&mut self) {
        let at = self.session.next_deadline().expect("the session waits for its next try");
        self.wait(at - self.now);
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "every caller builds the message on the spot"
    )]
    pub(super) fn hear(&mut self, message: ServerMessage) {
        self.hear_bytes(&message.encode()[2..]);
    }

    pub(super) fn hear_bytes(&mut self, body: &[u8]) {
        self.session.frame(body, self.now, &mut self.effects);
    }

    pub(super) fn command(&mut self, command: Command) {
        self.session.command(command, self.now, &mut self.effects);
    }

    pub(super) fn network(&mut self, up: bool) {
        self.session.network(up, self.now, &mut self.effects);
    }

    pub(super) fn lose_connection(&mut self) {
        self.session.disconnected(Disconnect::ConnectionReset, self.now, &mut self.effects);
    }

    /// Answers the last `Watch`.
    pub(super) fn answer_watch(&mut self) {
        let watch = |effect: &Effect| match effect {
            Effect::Send(ClientMessage::Watch { request, .. }) => Some(*request),
            _ => None,
        };
        let request = self.effects.iter().rev().find_map(watch).expect("the client watches");
        self.hear(ServerMessage::Result { request, view: Some(VIEW) });
    }

    pub(super) fn snapshot(&mut self, names: &[&str]) {
        let (first, last, entries) = (UserId(0), UserId(u32::MAX), entries(names));
        self.hear(ServerMessage::SnapshotPage { view: VIEW, first, last, entries });
        self.hear(ServerMessage::SnapshotEnd { view: VIEW, proof: proof(names) });
    }

    /// Waits for the next try, connects, and returns what the sign-in says.
    pub(super) fn next_hello(&mut self) -> Hello {
        if !self.session.has_connection() {
            self.wait_for_retry();
        }
        self.done();
        self.session.connected(self.now, &mut self.effects);
        match self.sent().into_iter().next() {
            Some(ClientMessage::Hello(hello)) => hello,
            other => panic!("not a Hello: {other:?}"),
        }
    }

    /// Answers every `Watch` with an empty list, until there are none.
    pub(super) fn serve_all_watches(&mut self) {
        loop {
            let request = |message: &ClientMessage| match message {
                ClientMessage::Watch { request, .. } => Some(*request),
                _ => None,
            };
            let requests: Vec<u32> = self.sent().iter().filter_map(request).collect();
            if requests.is_empty() {
                return;
            }
            for request in requests {
                // The largest numbers take the most bytes.
                let view = ViewId(u32::MAX - request);
                self.hear(ServerMessage::Result { request, view: Some(view) });
                let (first, last, entries) = (UserId(0), UserId(u32::MAX), Vec::new());
                self.hear(ServerMessage::SnapshotPage { view, first, last, entries });
                let proof = ViewProof { version: INTEGER_MAX, ..ViewProof::default() };
                self.hear(ServerMessage::SnapshotEnd { view, proof });
            }
        }
    }

    /// Watches this as well.
    pub(super) fn watch(&mut self, key: u32, target: WatchTarget) {
        self.wanted.insert(ViewKey(key), target);
        self.command(Command::Views(self.wanted.clone()));
    }

    pub(super) fn unwatch(&mut self, key: u32) {
        self.wanted.remove(&ViewKey(key));
        self.command(Command::Views(self.wanted.clone()));
    }

    /// An ack of beat `n` that proves a list of `names`.
    pub(super) fn ack(&mut self, n: u64, names: &[&str]) {
        self.hear(ack(n, Some(me()), vec![(VIEW, proof(names))]));
    }

    /// What the session did since the last call.
    pub(super) fn done(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// What it told the program since the last call.
    pub(super) fn told(&mut self) -> Vec<Event> {
        let event = |effect| match effect {
            Effect::Emit(event) => Some(event),
            _ => None,
        };
        self.done().into_iter().filter_map(event).collect()
    }

    /// What it sent since the last call.
    pub(super) fn sent(&mut self) -> Vec<ClientMessage> {
        let message = |effect| match effect {
            Effect::Send(message) => Some(message),
            _ => None,
        };
        self.done().into_iter().filter_map(message).collect()
    }
}

pub(super) fn welcome() -> Welcome {
    Welcome {
        version: 1,
        session: SessionId(5),
        heartbeat_ms: u64::try_from(BEAT.as_millis()).expect("two seconds fit"),
        misses: 5,
        detection_bound_ms: 10_500,
        epoch: EPOCH,
        frame_bytes_max: 4_096,
        server: "test".to_owned(),
        token: Some(ResumeToken([9; 16])),
        resumed: false,
        resume_window_ms: 60_000,
        views: Vec::new(),
        credential_ms: 0,
    }
}

pub(super) fn entries(names: &[&str]) -> Vec<Entry> {
    let entry = |(id, name): (u32, &&str)| Entry {
        id: UserId(id),
        name: DisplayName::new(name).expect("a test name is valid"),
        shown: Shown { since_ms: 1_000, ..Shown::default() },
    };
    (0..).zip(names).map(entry).collect()
}

/// What a list of `names` must be like, at a version that is their number.
pub(super) fn proof(names: &[&str]) -> ViewProof {
    let mut digest = Digest::default();
    let hasher = EntryHasher::new(EPOCH);
    entries(names).iter().for_each(|entry| digest.add(hasher.hash(entry)));
    let count = u32::try_from(names.len()).expect("a test list is short");
    ViewProof { version: u64::from(count), count, digest }
}

pub(super) fn ack(n: u64, me: Option<Presence>, views: Vec<(ViewId, ViewProof)>) -> ServerMessage {
    ServerMessage::HeartbeatAck { n, me, views, delay_ms: 0 }
}

/// How a user is shown whose program chose to be available.
pub(super) fn me() -> Presence {
    Presence { automatic: true, ..Presence::default() }
}

/// What is told of the lobby.
pub(super) fn snapshot() -> Event {
    Event::Snapshot { view: ViewKey::FIRST }
}

pub(super) fn fresh() -> Event {
    Event::Fresh { view: ViewKey::FIRST }
}

pub(super) fn stale(age: Duration) -> Event {
    Event::Stale { view: ViewKey::FIRST, age }
}

pub(super) fn is_stale(event: &Event) -> bool {
    matches!(event, Event::Stale { view: ViewKey::FIRST, .. })
}

pub(super) fn presence(status: Status, text: &str) -> Presence {
    Presence::chosen(status, StatusText::new(text).expect("a test text is valid"))
}

/// What somebody chooses who wants to show [`presence`].
pub(super) fn choice(status: Status, text: &str) -> Choice {
    Choice::chosen(status, StatusText::new(text).expect("a test text is valid"))
}

pub(super) fn goodbye(
    reason: CloseReason,
    reconnect: bool,
    come_back_after_ms: u64,
) -> ServerMessage {
    ServerMessage::Goodbye { reason, reconnect, come_back_after_ms, text: String::new() }
}

/// The end that these events tell.
pub(super) fn closed(told: &[Event]) -> (Disconnect, Option<Duration>) {
    match told.last() {
        Some(Event::Closed { reason, retry_in }) => (reason.clone(), *retry_in),
        other => panic!("not closed: {other:?}"),
    }
}

pub(super) fn refusal(request: u32) -> ServerMessage {
    let text = "nobody of this name is listed".to_owned();
    ServerMessage::Error { request, code: ErrorCode::NotListed, text }
}
