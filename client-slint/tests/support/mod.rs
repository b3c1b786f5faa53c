//! The window without a display: real pixels and elements, a clock turned by hand, and a line to the
//! server that the test itself speaks into. The only place that uses the testing backend.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod desktop;
pub mod people;
pub mod picture;
pub mod scenes;
pub mod screen;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use desktop::TestDesktop;
use herenow_client::protocol::{
    Choice, CloseReason, Entry, OperatorKey, Query, RoomName, ViewProof, WatchTarget, pairing,
};
use herenow_client::view::Mismatch;
use herenow_client::{Answer, Disconnect, Event, QueryError, ViewKey};
use herenow_desktop::account::Keys;
use herenow_desktop::app::{App, Outside};
use herenow_desktop::call::{Call, Deliver, Dialer, Then};
use herenow_desktop::clock::Clock;
use herenow_desktop::core::batch::{Batch, Whole};
use herenow_desktop::core::history::ListFacts;
use herenow_desktop::core::language::Language;
use herenow_desktop::core::link::Link;
use herenow_desktop::core::people::Snapshot;
use herenow_desktop::core::settings::Settings;
use herenow_desktop::core::sign_in::{Form, Start};
use herenow_desktop::store::Store;
use i_slint_backend_testing::mock_elapsed_time;
use screen::Screen;

const VIEW: ViewKey = ViewKey::FIRST;
pub const SNAPSHOT: Event = Event::Snapshot { view: VIEW };
pub const FRESH: Event = Event::Fresh { view: VIEW };
pub const STALE: Event = Event::Stale { view: VIEW, age: Duration::ZERO };
pub const REPAIRED: Event = Event::Repaired { view: VIEW, entries: 1 };
pub const DIVERGED: Event =
    Event::Diverged { view: VIEW, mismatch: Mismatch::Count { held: 1, told: 2 } };

pub fn joined(entry: Entry) -> Event {
    Event::Joined { view: VIEW, entry }
}

pub fn updated(entry: Entry) -> Event {
    Event::Updated { view: VIEW, entry }
}

pub fn left(entry: Entry, cause: CloseReason) -> Event {
    Event::Left { view: VIEW, entry, cause }
}

/// What the window asked of the network.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    Dial {
        server: String,
        name: String,
        choice: Choice,
        /// What others call this device.
        device: String,
    },
    Choose(Choice),
    RetryNow,
    /// Watch a list, which gets this number.
    Watch(WatchTarget, ViewKey),
    Unwatch(ViewKey),
    Join(RoomName),
    Part(RoomName),
    Ask(Query),
    Leave,
    HangUp,
    /// Of the account: take over the key of another device.
    Adopt(String),
}

/// The pairing code of the account under test.
pub const CODE: &str = "00041-06105-0R3GG-28A1C-60T3GF";

const WALL: Duration = Duration::from_secs(1_800_000_000);

/// The program, with a test in place of the network.
pub struct World {
    pub app: App,
    pub screen: Screen,
    pub desktop: Rc<TestDesktop>,
    line: Rc<Line>,
    time: Time,
    people: RefCell<Vec<Entry>>,
    /// Lists other than the lobby.
    others: RefCell<BTreeMap<ViewKey, Vec<Entry>>>,
    link: RefCell<Link>,
    /// When the list was last proved exact; whether the client said that it is stale now.
    proved_at: Cell<Option<Instant>>,
    stale: Cell<bool>,
    /// What outlives the program.
    pub kept: Kept,
}

/// What the computer keeps from one start of the program to the next.
#[derive(Clone, Default)]
pub struct Kept {
    pub file: Rc<RefCell<Option<Vec<u8>>>>,
    pub aside: Rc<RefCell<Vec<Vec<u8>>>>,
    /// How often it was written.
    pub saves: Rc<Cell<usize>>,
    /// The disk is full.
    pub full: Rc<Cell<bool>>,
}

impl Kept {
    pub fn of(text: &str) -> Self {
        Self { file: Rc::new(RefCell::new(Some(text.into()))), ..Self::default() }
    }

    /// The settings as a new start of the program would find them.
    pub fn settings(&self) -> Settings {
        let bytes = self.file.borrow().clone().unwrap_or_default();
        let reading = Settings::read(&bytes).expect("what was saved can be read");
        assert_eq!(reading.complaints, []);
        reading.settings
    }
}

impl Store for Kept {
    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.file.borrow().clone())
    }

    fn save(&self, text: &str) -> io::Result<()> {
        if self.full.get() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.saves.set(self.saves.get() + 1);
        self.file.replace(Some(text.into()));
        Ok(())
    }

    fn set_aside(&self) -> io::Result<String> {
        if self.full.get() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.aside.borrow_mut().extend(self.file.borrow().clone());
        Ok("desktop.unreadable-1.toml".to_owned())
    }
}

/// The line between the window and the test.
#[derive(Default)]
struct Line {
    deliver: RefCell<Option<Deliver>>,
    wishes: RefCell<Vec<Wish>>,
    broken: RefCell<bool>,
    /// The number of the last list that was watched.
    views: Cell<u32>,
    /// Questions that are not answered yet.
    asking: RefCell<Vec<Then>>,
    operator: Cell<Option<OperatorKey>>,
}

struct TestDialer(Rc<Line>);

struct TestKeys(Rc<Line>);

struct TestCall(Rc<Line>);

#[derive(Clone)]
struct Time {
    now: Arc<Mutex<Instant>>,
    start: Instant,
}

impl World {
    /// A window of the given size at the sign-in page.
    pub fn sized(width: u32, height: u32) -> Self {
        let world = Self::kept(Kept::default(), Language::English, (width, height));
        world.app.start(&Start::default());
        world.screen.settle();
        world
    }

    /// A window on a computer where this is kept, of which nothing was asked yet.
    pub fn kept(kept: Kept, language: Language, (width, height): (u32, u32)) -> Self {
        screen::use_testing_backend();
        let (line, time) = (Rc::<Line>::default(), Time::new());
        let (dialer, keys) = (TestDialer(line.clone()), TestKeys(line.clone()));
        let outside = Outside {
            dialer: Box::new(dialer),
            keys: Box::new(keys),
            store: Box::new(kept.clone()),
            clock: time.clock(),
            language,
            first: ("127.0.0.1".to_owned(), String::new()),
        };
        let app = App::new(outside).expect("a window");
        let desktop = Rc::<TestDesktop>::default();
        app.settle(desktop.clone());
        let screen = Screen::new(app.window(), width, height);
        let (people, link) = (RefCell::default(), RefCell::default());
        let (proved_at, stale) = (Cell::default(), Cell::default());
        let others = RefCell::default();
        Self { app, screen, desktop, line, time, people, others, link, proved_at, stale, kept }
    }

    /// A window in this language at the sign-in page, so high that every page is in sight as a whole.
    pub fn speaking(language: Language) -> Self {
        let world = Self::kept(Kept::default(), language, (360, 2_000));
        world.app.start(&Start::default());
        world.screen.settle();
        world
    }

    /// A window of the usual size at the sign-in page.
    pub fn new() -> Self {
        Self::sized(360, 640)
    }

    /// A window in which Ada is signed in among `people`.
    pub fn signed_in(people: Vec<Entry>) -> Self {
        let world = Self::new();
        world.sign_in(people);
        world
    }

    pub fn sign_in(&self, people: Vec<Entry>) {
        let [server, name] = ["127.0.0.1", "Ada Lovelace"].map(|text| Some(text.to_owned()));
        self.app.start(&Start { server, name });
        self.tell(&[Event::Connecting { attempt: 1 }]);
        self.welcome(people);
    }

    /// The server lets the user in, sends its list, and proves it.
    pub fn welcome(&self, people: Vec<Entry>) {
        *self.people.borrow_mut() = people;
        let mut events = vec![Event::SignedIn(people::welcome()), SNAPSHOT];
        events.extend(self.stale.get().then_some(FRESH));
        events.push(Event::RoundTrip(Duration::from_millis(12)));
        self.tell(&events);
    }

    /// From now on this is the list, of which the window is not told yet.
    pub fn mend(&self, people: Vec<Entry>) {
        *self.people.borrow_mut() = people;
    }

    /// These events happen, and the window hears of them at once.
    pub fn tell(&self, events: &[Event]) {
        let link = std::mem::take(&mut *self.link.borrow_mut());
        let mut batch = Batch { link, ..Batch::default() };
        for event in events {
            self.follow(event);
            let whole = Whole::wanted_by(event, batch.news.len()).map(|view| self.whole(view));
            let list = ListFacts {
                version: Some(1_024),
                people: self.people.borrow().len(),
                proved_at: self.proved_at.get(),
                ..ListFacts::default()
            };
            batch.add(event.clone(), self.time.now(), list, whole);
        }
        let count = u32::try_from(self.people.borrow().len()).expect("not that many");
        batch.proof = Some(ViewProof { version: 17, count, ..ViewProof::default() });
        self.link.borrow_mut().clone_from(&batch.link);
        self.line.deliver.borrow().as_ref().expect("a call is under way")(batch);
        self.screen.settle();
    }

    pub fn close(&self, reason: Disconnect, retry_in: Option<Duration>) {
        let is_known = self.proved_at.get().is_some() && !self.stale.get();
        let closed = Event::Closed { reason, retry_in };
        self.tell(&is_known.then_some(STALE).into_iter().chain([closed]).collect::<Vec<_>>());
    }

    /// Time passes, for timers and clocks alike.
    pub fn pass(&self, time: Duration) {
        self.time.forward(time);
        mock_elapsed_time(time);
    }

    /// What the window asked of the network since the last call of this.
    pub fn wishes(&self) -> Vec<Wish> {
        self.line.wishes.take()
    }

    /// The time on the wall, in milliseconds since 1970.
    pub fn wall_ms(&self) -> u64 {
        self.time.clock().wall_ms()
    }

    /// From now on neither a call can be started nor the code be read.
    pub fn break_dialer(&self) {
        self.line.broken.replace(true);
    }

    fn whole(&self, view: ViewKey) -> Whole {
        match self.others.borrow().get(&view) {
            Some(entries) => Whole::Other(view, entries.clone()),
            None => Whole::Lobby(Snapshot::of(self.people.borrow().iter())),
        }
    }

    /// A list other than the lobby is like this from now on, and the window is told.
    pub fn list(&self, view: ViewKey, people: Vec<Entry>) {
        self.others.borrow_mut().insert(view, people);
        self.tell(&[Event::Snapshot { view }]);
    }

    /// Answers the oldest question that is open.
    pub fn answer(&self, answer: Result<Answer, QueryError>) {
        let then = self.line.asking.borrow_mut().remove(0);
        then(answer);
        self.screen.settle();
    }

    /// From now on this account operates the server.
    pub fn operate(&self, key: OperatorKey) {
        self.line.operator.set(Some(key));
    }

    fn follow(&self, event: &Event) {
        let mut people = self.people.borrow_mut();
        match event {
            Event::Joined { view, .. } | Event::Updated { view, .. } | Event::Left { view, .. }
                if *view != VIEW => {}
            Event::Joined { entry, .. } | Event::Updated { entry, .. } => {
                people.retain(|old| old.id != entry.id);
                people.push(entry.clone());
            }
            Event::Left { entry, .. } => people.retain(|old| old.id != entry.id),
            Event::Stale { .. } => self.stale.set(true),
            Event::Fresh { .. } => self.stale.set(false),
            _ => {}
        }
        if matches!(event, Event::Snapshot { .. } | Event::Fresh { .. } | Event::Repaired { .. }) {
            self.proved_at.set(Some(self.time.now()));
        }
    }
}

impl Dialer for TestDialer {
    fn dial(&self, form: &Form, choice: Choice, deliver: Deliver) -> io::Result<Box<dyn Call>> {
        if *self.0.broken.borrow() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let (server, name) = (form.server.clone(), form.name.to_string());
        let device = form.label.as_str().to_owned();
        self.0.wishes.borrow_mut().push(Wish::Dial { server, name, choice, device });
        self.0.deliver.replace(Some(deliver));
        Ok(Box::new(TestCall(self.0.clone())))
    }
}

impl Keys for TestKeys {
    fn code(&self) -> io::Result<String> {
        match *self.0.broken.borrow() {
            true => Err(io::ErrorKind::PermissionDenied.into()),
            false => Ok(CODE.to_owned()),
        }
    }

    fn adopt(&self, code: &str) -> io::Result<()> {
        pairing::key(code).expect("what is no code is not adopted");
        self.0.wishes.borrow_mut().push(Wish::Adopt(code.to_owned()));
        Ok(())
    }

    fn operator(&self) -> Option<OperatorKey> {
        self.0.operator.get()
    }

    fn device_label(&self) -> String {
        "desk".to_owned()
    }
}

impl TestCall {
    fn wish(&self, wish: Wish) {
        self.0.wishes.borrow_mut().push(wish);
    }
}

impl Call for TestCall {
    fn choose(&self, choice: Choice) {
        self.wish(Wish::Choose(choice));
    }

    fn retry_now(&self) {
        self.wish(Wish::RetryNow);
    }

    fn watch(&self, target: WatchTarget) -> Option<ViewKey> {
        let view = ViewKey(self.0.views.get() + 1);
        self.0.views.set(view.0);
        self.wish(Wish::Watch(target, view));
        Some(view)
    }

    fn unwatch(&self, view: ViewKey) {
        self.wish(Wish::Unwatch(view));
    }

    fn join(&self, room: RoomName) -> bool {
        self.wish(Wish::Join(room));
        true
    }

    fn part(&self, room: &RoomName) {
        self.wish(Wish::Part(room.clone()));
    }

    fn ask(&self, query: Query, then: Then) {
        self.wish(Wish::Ask(query));
        self.0.asking.borrow_mut().push(then);
    }

    fn leave(&mut self, _limit: Duration) {
        self.wish(Wish::Leave);
    }
}

impl Drop for TestCall {
    fn drop(&mut self) {
        self.wish(Wish::HangUp);
    }
}

impl Time {
    #[expect(clippy::disallowed_methods, reason = "any start will do, and only this makes one")]
    fn new() -> Self {
        let start = Instant::now();
        Self { now: Arc::new(Mutex::new(start)), start }
    }

    fn clock(&self) -> Clock {
        let (hands, wall) = (self.clone(), self.clone());
        Clock::showing(move || hands.now(), move || WALL + (wall.now() - wall.start))
    }

    fn now(&self) -> Instant {
        *self.now.lock().expect("no test panics in between")
    }

    fn forward(&self, time: Duration) {
        *self.now.lock().expect("no test panics in between") += time;
    }
}
