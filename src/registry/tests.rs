//! Stories of people with several devices, told to a registry whose time is an argument.

mod invisible;
mod journal;
mod lists;
mod names;
mod people;
mod queries;
mod restore;
mod resume;
mod rooms;
mod telling;
mod text;

use herenow_protocol::frame::split_body;
use herenow_protocol::limits::FRAME_BYTES_MAX;
use herenow_protocol::{
    Change, DeviceId, DeviceLabel, Resume, ServerMessage, Shown, Status, StatusText, Transition,
    TransitionKind, UserKey,
};

use super::*;

const TICK: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(5);
const WINDOW: Duration = Duration::from_secs(60);
const EPOCH: Epoch = Epoch([1; 16]);
const START_MS: u64 = 1_000_000;

/// Beats every two seconds and is given up after ten.
const RULE: Liveness = Liveness { interval: Duration::from_secs(2), misses: 5 };

/// A registry, the time, and what it wants others to hear.
struct Desk {
    registry: Registry,
    start: Instant,
    now: Moment,
    effects: Vec<Effect>,
    connections: u64,
}

fn rules() -> Rules {
    Rules {
        tick: TICK,
        tick_max: Duration::from_secs(2),
        grace: GRACE,
        resume_window: WINDOW,
        rooms_max: 1_000,
        last_seen_max: 1_000,
        last_seen: LastSeenTold::Exactly,
        mutual_consent: false,
        operator: Some(OperatorKey([9; 16])),
        journal: true,
    }
}

impl Desk {
    fn new() -> Self {
        Self::with_rules(rules())
    }

    fn with_rules(rules: Rules) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
        let instant = Instant::now() + SECOND * 60;
        let now = Moment { instant, unix_ms: START_MS };
        let registry = Registry::new(EPOCH, rules);
        Self { registry, start: instant, now, effects: Vec::new(), connections: 0 }
    }

    /// One command of one connection.
    fn say(&mut self, connection: ConnectionId, command: Command) -> Answer {
        self.registry.apply(connection, command, self.now, &mut self.effects)
    }

    /// A connection says hello. Its session, if one begins, gets the connection's number.
    fn try_sign_in(&mut self, hello: Hello) -> (ConnectionId, Answer) {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        let (session, token) = (SessionId(self.connections), token(connection));
        let sign_in = SignIn::new(hello, RULE, session, token);
        (connection, self.say(connection, Command::SignIn(Box::new(sign_in))))
    }

    #[track_caller]
    fn sign_in(&mut self, hello: Hello) -> ConnectionId {
        let (connection, answer) = self.try_sign_in(hello);
        assert!(matches!(answer, Answer::SignedIn(_)), "{answer:?}");
        connection
    }

    /// Goes on with the session that this connection began.
    #[track_caller]
    fn resume(&mut self, hello: Hello, session: ConnectionId) -> (ConnectionId, SignedIn) {
        let (connection, answer) = self.try_sign_in(resuming(hello, session, &[]));
        (connection, signed_in(answer))
    }

    #[track_caller]
    fn refused(&mut self, hello: Hello) -> CloseReason {
        let (_, answer) = self.try_sign_in(hello);
        let Answer::Refused(reason, text) = answer else { panic!("{answer:?}") };
        assert!(!text.is_empty());
        reason
    }

    fn end(&mut self, connection: ConnectionId, cause: CloseReason) {
        self.say(connection, Command::End(cause, self.now.instant));
    }

    #[track_caller]
    fn choose(&mut self, connection: ConnectionId, choice: Choice) {
        assert_eq!(self.say(connection, Command::Choose(choice)), Answer::Done);
    }

    #[track_caller]
    fn join(&mut self, connection: ConnectionId, name: &str) {
        assert_eq!(self.say(connection, Command::Join(room(name))), Answer::Done);
    }

    #[track_caller]
    fn leave(&mut self, connection: ConnectionId, name: &str) {
        assert_eq!(self.say(connection, Command::Leave(room(name))), Answer::Done);
    }

    #[track_caller]
    fn watch(&mut self, connection: ConnectionId, name: &str) -> ViewId {
        let answer = self.say(connection, Command::Watch(WatchTarget::Room(room(name))));
        let Answer::Watching(view) = answer else { panic!("{answer:?}") };
        view
    }

    fn try_watch_people(
        &mut self,
        connection: ConnectionId,
        names: &[&str],
        view: Option<ViewId>,
    ) -> Answer {
        let names = names.iter().map(|text| name(text)).collect();
        self.say(connection, Command::Watch(WatchTarget::People { names, view }))
    }

    #[track_caller]
    fn watch_people(&mut self, connection: ConnectionId, names: &[&str]) -> ViewId {
        match self.try_watch_people(connection, names, None) {
            Answer::Watching(view) => view,
            answer => panic!("{answer:?}"),
        }
    }

    /// Lets time pass and the registry do what is due, each thing at its time.
    fn advance(&mut self, span: Duration) {
        let end = self.now.instant + span;
        while let Some(due) = self.registry.next_due().filter(|due| *due <= end) {
            self.pass(due.saturating_duration_since(self.now.instant));
            self.registry.poll(self.now, &mut self.effects);
        }
        self.pass(end - self.now.instant);
    }

    fn pass(&mut self, span: Duration) {
        self.now.instant += span;
        let passed = self.now.instant - self.start;
        self.now.unix_ms = START_MS + millis(passed);
    }

    /// What is to be heard since the last call, everything published.
    fn news(&mut self) -> News {
        self.advance(TICK * 2);
        News(std::mem::take(&mut self.effects))
    }

    /// Who is listed in the lobby, by name.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.registry.listed().map(|entry| entry.name.to_string()).collect();
        names.sort_unstable();
        names
    }

    fn find(&self, text: &str) -> Option<Shown> {
        let entry = self.registry.listed().find(|entry| entry.name.as_str() == text);
        entry.map(|entry| entry.shown)
    }

    #[track_caller]
    fn shown(&self, text: &str) -> Shown {
        self.find(text).unwrap_or_else(|| panic!("{text} is not listed"))
    }

    #[track_caller]
    fn status(&self, text: &str) -> Status {
        self.shown(text).presence.status
    }

    #[track_caller]
    fn text(&self, name: &str) -> String {
        self.shown(name).presence.text.as_str().to_owned()
    }

    fn devices(&self, text: &str) -> Vec<String> {
        let devices = self.shown(text).devices;
        devices.as_slice().iter().map(|label| label.as_str().to_owned()).collect()
    }

    /// Who is in a room, as a query says it.
    #[track_caller]
    fn room(&mut self, asker: ConnectionId, text: &str) -> Vec<String> {
        let page = Query::Page { room: room(text), from: UserId(0) };
        let answer = self.say(asker, Command::Query(page));
        let Answer::People(count, entries, None) = answer else { panic!("{answer:?}") };
        assert_eq!(count as usize, entries.len());
        let mut names: Vec<_> = entries.iter().map(|e| e.name.as_str().to_owned()).collect();
        names.sort_unstable();
        names
    }

    /// How a list of people or an answer shows somebody.
    #[track_caller]
    fn ask(&mut self, asker: ConnectionId, text: &str) -> Shown {
        let answer = self.say(asker, Command::Query(Query::People(vec![name(text)])));
        let Answer::People(1, entries, None) = answer else { panic!("{answer:?}") };
        entries[0].shown.clone()
    }

    fn explain(&mut self, asker: ConnectionId, text: &str) -> Explanation {
        let operator = Some(OperatorKey([9; 16]));
        let query = Query::Explain { name: name(text), operator };
        match self.say(asker, Command::Query(query)) {
            Answer::Explanation(explanation, _) => *explanation,
            answer => panic!("{answer:?}"),
        }
    }
}

/// What a registry wanted others to hear.
struct News(Vec<Effect>);

impl News {
    /// What is published about a room.
    fn changes(&self, view: ViewId) -> Vec<Change> {
        let published = self.0.iter().filter_map(|effect| match effect {
            Effect::Publish(deltas) => Some(deltas),
            _ => None,
        });
        published.flatten().filter(|delta| delta.view == view).flat_map(changes_of).collect()
    }

    /// What is published about the lobby.
    fn lobby(&self) -> Vec<Change> {
        self.changes(LOBBY_VIEW)
    }

    /// Why users left a room.
    fn leaves(&self, view: ViewId) -> Vec<CloseReason> {
        let cause = |change| match change {
            Change::Left { cause, .. } => Some(cause),
            _ => None,
        };
        self.changes(view).into_iter().filter_map(cause).collect()
    }

    /// What one connection gets.
    fn to(&self, connection: ConnectionId) -> Vec<&Delivery> {
        let to = |effect| match effect {
            &Effect::Deliver(c, ref delivery) if c == connection => Some(delivery),
            _ => None,
        };
        self.0.iter().filter_map(to).collect()
    }

    /// What is told about a list of one connection.
    fn list(&self, connection: ConnectionId, view: ViewId) -> Vec<Change> {
        let deltas = self.to(connection).into_iter().filter_map(|delivery| match delivery {
            Delivery::Deltas(deltas) => Some(deltas),
            _ => None,
        });
        deltas.flatten().filter(|delta| delta.view == view).flat_map(changes_of).collect()
    }

    /// How the connection's user is seen, as it was told last.
    fn mirror(&self, connection: ConnectionId) -> Option<&Option<Presence>> {
        self.to(connection).into_iter().rev().find_map(|delivery| match delivery {
            Delivery::Mirror(me) => Some(me),
            _ => None,
        })
    }

    fn closed(&self, connection: ConnectionId) -> Option<CloseReason> {
        self.to(connection).into_iter().find_map(|delivery| match delivery {
            Delivery::Close(reason) => Some(*reason),
            _ => None,
        })
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        self.0.iter().filter_map(|effect| match effect {
            Effect::Record(record) => Some(record),
            _ => None,
        })
    }

    fn transitions(&self) -> Vec<&Transition> {
        let logged = self.records().filter_map(|record| match record {
            Record::Transition(logged) => Some(&logged.transition),
            _ => None,
        });
        logged.collect()
    }

    fn kinds(&self) -> Vec<TransitionKind> {
        self.transitions().iter().map(|transition| transition.kind).collect()
    }

    /// Whether nobody hears anything; what is written down does not count.
    fn is_quiet(&self) -> bool {
        self.0.iter().all(|effect| matches!(effect, Effect::Record(_)))
    }
}

fn changes_of(delta: &PublishedDelta) -> Vec<Change> {
    let body = split_body(&mut &delta.frame[..], FRAME_BYTES_MAX).expect("sound").expect("whole");
    match ServerMessage::decode(body).expect("our own frame") {
        Some(ServerMessage::Delta { changes, .. }) => changes,
        other => panic!("a delta, not {other:?}"),
    }
}

fn name(text: &str) -> DisplayName {
    DisplayName::new(text).expect("a test name is valid")
}

fn room(text: &str) -> RoomName {
    RoomName::new(text).expect("a test room is valid")
}

fn key(n: u8) -> UserKey {
    UserKey([n; 16])
}

fn token(connection: ConnectionId) -> ResumeToken {
    let [a, b] = [connection.0.to_be_bytes(); 2];
    ResumeToken([a, b].concat().try_into().expect("twice eight bytes"))
}

/// A device without a key; its label is its id.
fn hello(user: &str, device: &str) -> Hello {
    Hello {
        name: name(user),
        device: DeviceId::new(&format!("{user}.{device}")).expect("a test device id is valid"),
        label: DeviceLabel::new(device).expect("a test label is valid"),
        heartbeat: None,
        observe: false,
        choice: Choice::automatic(Status::Available),
        key: None,
        resume: None,
        credential: None,
    }
}

/// A device that proves itself with the key that the user's name stands for here.
fn keyed(user: &str, device: &str) -> Hello {
    Hello { key: Some(key(user.as_bytes()[0])), ..hello(user, device) }
}

fn observer(user: &str, device: &str) -> Hello {
    Hello { observe: true, ..hello(user, device) }
}

fn showing(hello: Hello, status: Status) -> Hello {
    Hello { choice: chosen(status), ..hello }
}

fn resuming(hello: Hello, session: ConnectionId, views: &[(ViewId, u64)]) -> Hello {
    let (token, views) = (token(session), views.to_vec());
    Hello { resume: Some(Resume { token, epoch: Some(EPOCH), views }), ..hello }
}

/// What a person chose, without a text.
fn chosen(status: Status) -> Choice {
    Choice { status, ..Choice::default() }
}

fn saying(text: &str) -> Choice {
    Choice::chosen(Status::Available, words(text))
}

fn words(text: &str) -> StatusText {
    StatusText::new(text).expect("a test text is valid")
}

#[track_caller]
fn signed_in(answer: Answer) -> SignedIn {
    match answer {
        Answer::SignedIn(signed_in) => *signed_in,
        answer => panic!("{answer:?}"),
    }
}

#[track_caller]
fn assert_failed(answer: &Answer, code: ErrorCode) {
    assert!(
        matches!(answer, Answer::Failed(c, text) if *c == code && !text.is_empty()),
        "{answer:?}"
    );
}

#[test]
fn who_signs_in_is_listed_and_who_ends_is_not() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.sign_in(hello("bob", "desk"));
    assert_eq!(desk.names(), ["ada", "bob"]);
    desk.news();
    desk.end(ada, CloseReason::Goodbye);
    assert_eq!(desk.names(), ["bob"]);
    assert_eq!(desk.registry.session_count(), 1);
    assert_eq!(desk.news().leaves(LOBBY_VIEW), [CloseReason::Goodbye]);
}

#[test]
fn who_was_ended_from_elsewhere_can_do_nothing_more() {
    let mut desk = Desk::new();
    let old = desk.sign_in(hello("ada", "desk"));
    let new = desk.sign_in(hello("ada", "desk"));
    assert_failed(&desk.say(old, Command::Choose(chosen(Status::Busy))), ErrorCode::NotListed);
    desk.end(old, CloseReason::Replaced);
    assert_eq!(desk.status("ada"), Status::Available);
    desk.choose(new, chosen(Status::Busy));
    assert_eq!(desk.status("ada"), Status::Busy);
}

#[test]
fn an_id_is_free_again_only_after_its_leave_was_published() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.news();
    desk.end(ada, CloseReason::Goodbye);
    let bob = desk.sign_in(hello("bob", "desk"));
    let id = |desk: &Desk| desk.registry.listed().next().map(|entry| entry.id.0);
    assert_eq!(id(&desk), Some(1), "0 still stands for ada");
    desk.news();
    desk.end(bob, CloseReason::Goodbye);
    desk.news();
    desk.sign_in(hello("eve", "desk"));
    assert!(id(&desk).is_some_and(|id| id < 2), "ids stay small");
}
