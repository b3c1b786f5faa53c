//! The window without a display: real pixels and elements, a clock turned by hand, and a line to the
//! server that the test itself speaks into. The only place that uses the testing backend.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod people;
pub mod screen;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use herenow_client::protocol::{Choice, CloseReason, Entry, pairing};
use herenow_client::view::Mismatch;
use herenow_client::{Disconnect, Event, ViewKey};
use herenow_desktop::account::Keys;
use herenow_desktop::app::App;
use herenow_desktop::call::{Call, Deliver, Dialer};
use herenow_desktop::clock::Clock;
use herenow_desktop::core::batch::Batch;
use herenow_desktop::core::link::Link;
use herenow_desktop::core::sign_in::Form;
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
    },
    Choose(Choice),
    RetryNow,
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
    line: Rc<Line>,
    time: Time,
    people: RefCell<Vec<Entry>>,
    link: RefCell<Link>,
    /// When the list was last proved exact; whether the client said that it is stale now.
    proved_at: Cell<Option<Instant>>,
    stale: Cell<bool>,
}

/// The line between the window and the test.
#[derive(Default)]
struct Line {
    deliver: RefCell<Option<Deliver>>,
    wishes: RefCell<Vec<Wish>>,
    broken: RefCell<bool>,
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
        screen::use_testing_backend();
        let (line, time) = (Rc::<Line>::default(), Time::new());
        let (dialer, keys) = (TestDialer(line.clone()), TestKeys(line.clone()));
        let app = App::new(Box::new(dialer), Box::new(keys), time.clock()).expect("a window");
        app.offer("127.0.0.1", "");
        let screen = Screen::new(app.window(), width, height);
        let (people, link) = (RefCell::default(), RefCell::default());
        let (proved_at, stale) = (Cell::default(), Cell::default());
        Self { app, screen, line, time, people, link, proved_at, stale }
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
        self.app.sign_in("127.0.0.1", "Ada Lovelace");
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
            let everybody = || self.people.borrow().clone();
            batch.add(event.clone(), self.time.now(), self.proved_at.get(), everybody);
        }
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

    fn follow(&self, event: &Event) {
        let mut people = self.people.borrow_mut();
        match event {
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
        self.0.wishes.borrow_mut().push(Wish::Dial { server, name, choice });
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
