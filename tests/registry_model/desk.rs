//! The real registry, with clients that believe only what it sends them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use herenow::clock::Moment;
use herenow::config::Config;
use herenow::registry::{Answer, Command, ConnectionId, Delivery, Effect, Registry, Rules, Wish};
use herenow::roster::PublishedDelta;
use herenow_protocol::{
    Choice, CloseReason, DisplayName, Entry, Epoch, OperatorKey, Presence, Query, RoomName,
    StatusText, ViewId, WatchTarget,
};

use super::copies::{Copy, News};
use super::diary::Diary;
use super::model::{GRACE, RESUME_WINDOW, Reply, UNIX_MS, metadata};
use super::step::{EPOCH, Greeting, Room, Say, Step, View};

/// Who asks and watches, and is nobody for others.
pub(crate) const EYE: u64 = 0;
pub(crate) const OPERATOR: OperatorKey = OperatorKey([5; 16]);
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// A registry and its clients.
pub(crate) struct Desk {
    pub(crate) registry: Registry,
    start: Instant,
    pub(crate) now: u64,
    pub(crate) clients: BTreeMap<u64, Client>,
    /// What clients without a connection still have, by session.
    pub(super) parked: BTreeMap<u64, Copies>,
    pub(crate) diary: Diary,
    /// How often each came into the lobby, and why each left it last, as the eye saw it.
    pub(crate) lobby_news: LobbyNews,
    pub(super) lists_opened: BTreeMap<u64, u32>,
    effects: Vec<Effect>,
}

/// By name: how often they came, and why they went if they are not back.
type LobbyNews = BTreeMap<String, (u32, Option<CloseReason>)>;

pub(crate) type Copies = BTreeMap<View, Copy>;

/// One connection's client.
pub(crate) struct Client {
    pub(crate) session: u64,
    pub(crate) me: Option<Presence>,
    pub(crate) copies: Copies,
    pub(super) connected_at: u64,
}

impl Client {
    fn copy(&mut self, id: ViewId) -> &mut Copy {
        let mut copies = self.copies.values_mut();
        copies.find(|copy| copy.id == id).expect("nothing is sent of what is not watched")
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        let config = Config {
            grace: Duration::from_millis(GRACE),
            resume_window: Duration::from_millis(RESUME_WINDOW),
            tick: TICK,
            operator: Some(OPERATOR),
            state: Some("a folder: so that records are written".into()),
            ..Config::default()
        };
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
        let start = Instant::now() + Duration::from_secs(3_600);
        let mut desk = Self {
            registry: Registry::new(Epoch([EPOCH; 16]), Rules::from(&config)),
            start,
            now: 0,
            clients: BTreeMap::new(),
            parked: BTreeMap::new(),
            diary: Diary::default(),
            lobby_news: BTreeMap::new(),
            lists_opened: BTreeMap::new(),
            effects: Vec::new(),
        };
        desk.apply(&Step::SignIn(EYE, Greeting::of_observer("eye")));
        desk.apply(&Step::WatchRoom(EYE, "lobby"));
        desk
    }

    /// Does a step, and what is due after it.
    pub(crate) fn apply(&mut self, step: &Step) -> Reply {
        let reply = match step {
            Step::Pass(span) => self.pass(*span),
            Step::SignIn(connection, greeting) => self.sign_in(*connection, greeting),
            Step::End(connection, cause, silence) => {
                let connected_at = self.clients.get(connection).map_or(0, |c| c.connected_at);
                let heard = self.now.saturating_sub(*silence).max(connected_at);
                let heard = self.start + Duration::from_millis(heard);
                self.command(*connection, Command::End(*cause, heard));
                if let Some(client) = self.clients.remove(connection) {
                    self.parked.insert(client.session, client.copies);
                }
                self.perform();
                Reply::Done
            }
            Step::Choose(connection, say) => {
                self.request(*connection, Command::Choose(choice(*say)))
            }
            Step::Join(connection, name) => self.request(*connection, Command::Join(room(name))),
            Step::Leave(connection, name) => self.request(*connection, Command::Leave(room(name))),
            Step::WatchRoom(connection, name) => {
                let target = WatchTarget::Room(room(name));
                self.watch(*connection, target, View::Room(name))
            }
            Step::WatchPeople(connection, names, list) => {
                self.watch_people(*connection, names, *list)
            }
            Step::Unwatch(connection, view) => self.unwatch(*connection, *view),
        };
        self.poll();
        assert!(self.effects.is_empty(), "everything is done");
        reply
    }

    /// Whether everything is published: what is not would be due within a tick.
    pub(crate) fn is_quiet(&self) -> bool {
        let soon = self.moment().instant + TICK;
        self.registry.next_due().is_none_or(|due| due > soon)
    }

    /// A question that changes nothing.
    pub(crate) fn ask(&mut self, query: Query) -> Answer {
        self.command(EYE, Command::Query(query))
    }

    fn moment(&self) -> Moment {
        let instant = self.start + Duration::from_millis(self.now);
        Moment { instant, unix_ms: UNIX_MS + self.now }
    }

    /// As the actor does: whenever something is due, and not before.
    fn pass(&mut self, span: u64) -> Reply {
        let target = self.now + span;
        while let Some(due) = self.registry.next_due() {
            // A story counts in milliseconds, and nothing is done before its time.
            let at = due.saturating_duration_since(self.start).as_nanos().div_ceil(1_000_000);
            let at = u64::try_from(at).expect("stories are short").max(self.now);
            if at > target {
                break;
            }
            self.now = at;
            self.poll();
        }
        self.now = target;
        Reply::Nothing
    }

    fn poll(&mut self) {
        let now = self.moment();
        while self.registry.next_due().is_some_and(|due| due <= now.instant) {
            self.registry.poll(now, &mut self.effects);
            self.perform();
        }
    }

    pub(super) fn command(&mut self, connection: u64, command: Command) -> Answer {
        let now = self.moment();
        // The story counts from 0, connections from 1.
        self.registry.apply(ConnectionId(connection + 1), command, now, &mut self.effects)
    }

    fn request(&mut self, connection: u64, command: Command) -> Reply {
        let reply = match self.command(connection, command) {
            Answer::Done => Reply::Done,
            Answer::Failed(code, _) => Reply::Failed(code),
            answer => panic!("a request is done or failed, not {answer:?}"),
        };
        self.perform();
        reply
    }

    pub(super) fn fetch(&mut self, connection: u64, view: ViewId, wish: Wish) {
        assert_eq!(self.command(connection, Command::Fetch(view, wish)), Answer::Done);
    }

    /// Does what the registry wants done, in order.
    pub(super) fn perform(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Record(record) => self.diary.write(record),
                Effect::Deliver(ConnectionId(to), delivery) => self.deliver(to - 1, delivery),
                Effect::Publish(deltas) => {
                    deltas.iter().for_each(|delta| self.publish(delta));
                }
            }
        }
    }

    fn publish(&mut self, delta: &PublishedDelta) {
        for (connection, client) in &mut self.clients {
            let watched = client.copies.values_mut().filter(|copy| copy.id == delta.view);
            let mut news = News::new();
            watched.for_each(|copy| copy.delta(delta, &mut news));
            if *connection == EYE {
                news.into_iter().for_each(|(who, left)| note(&mut self.lobby_news, &who, left));
            }
        }
    }

    fn deliver(&mut self, to: u64, delivery: Delivery) {
        let client = self.clients.get_mut(&to).expect("nothing is said to who is gone");
        match delivery {
            Delivery::Pages(batch) => client.copy(batch.view).pages(&batch),
            Delivery::Missed(missed) => client.copy(missed.view).missed(&missed),
            Delivery::Deltas(deltas) => {
                deltas
                    .iter()
                    .for_each(|delta| client.copy(delta.view).delta(delta, &mut News::new()));
            }
            Delivery::Mirror(me) => client.me = me,
            Delivery::Chosen(_) => {}
            Delivery::Close(reason) => self.closed(to, reason),
            Delivery::Buckets(_) | Delivery::Ranges(_) => panic!("nobody repairs here"),
        }
    }

    /// A connection is told that it is over, and says so as the last thing it does.
    fn closed(&mut self, connection: u64, reason: CloseReason) {
        self.clients.remove(&connection);
        let heard = self.moment().instant;
        self.command(connection, Command::End(reason, heard));
        assert!(self.effects.is_empty(), "what is over cannot end: {:?}", self.effects);
    }
}

/// The eye saw somebody come, or go with this cause.
fn note(news: &mut LobbyNews, who: &Entry, left: Option<CloseReason>) {
    let (arrivals, cause) = news.entry(who.name.as_str().to_owned()).or_default();
    *arrivals += u32::from(left.is_none());
    *cause = left;
}

pub(crate) fn name(name: &str) -> DisplayName {
    DisplayName::new(name).expect("a name of this test is valid")
}

pub(crate) fn room(name: Room) -> RoomName {
    RoomName::new(name).expect("a room of this test is valid")
}

pub(crate) fn choice(say: Say) -> Choice {
    Choice {
        status: say.status,
        automatic: say.automatic,
        text: say.text.map(|text| StatusText::new(text).expect("a text of this test is valid")),
        text_for: say.text_for_ms.map(Duration::from_millis),
        metadata: say.metadata.map(metadata),
    }
}
