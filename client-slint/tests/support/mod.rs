//! The window without a display: real pixels and elements, a clock turned by hand, and a line to the
//! server that the test itself speaks into. The only place that uses the testing backend.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod people;
pub mod screen;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use herenow_client::protocol::{Entry, Presence};
use herenow_client::{Disconnect, Event};
use herenow_desktop::app::App;
use herenow_desktop::call::{Call, Deliver, Dialer};
use herenow_desktop::clock::Clock;
use herenow_desktop::core::batch::Batch;
use herenow_desktop::core::link::Link;
use herenow_desktop::core::sign_in::Form;
use i_slint_backend_testing::mock_elapsed_time;
use screen::Screen;

/// What the window asked of the network.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    Dial { server: String, name: String, presence: Presence },
    SetPresence(Presence),
    RetryNow,
    Leave,
    HangUp,
}

/// The program, with a test in place of the network.
pub struct World {
    pub app: App,
    pub screen: Screen,
    line: Rc<Line>,
    time: Time,
    people: RefCell<Vec<Entry>>,
    link: RefCell<Link>,
}

/// The line between the window and the test.
#[derive(Default)]
struct Line {
    deliver: RefCell<Option<Deliver>>,
    wishes: RefCell<Vec<Wish>>,
    broken: RefCell<bool>,
}

struct TestDialer(Rc<Line>);

struct TestCall(Rc<Line>);

#[derive(Clone)]
struct Time(Arc<Mutex<Instant>>);

impl World {
    /// A window of the given size at the sign-in page.
    pub fn sized(width: u32, height: u32) -> Self {
        screen::use_testing_backend();
        let (line, time) = (Rc::<Line>::default(), Time::new());
        let hands = time.clone();
        let clock = Clock::showing(move || hands.now());
        let app = App::new(Box::new(TestDialer(line.clone())), clock).expect("a window");
        app.offer("127.0.0.1", "");
        let screen = Screen::new(app.window(), width, height);
        let (people, link) = (RefCell::default(), RefCell::default());
        Self { app, screen, line, time, people, link }
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

    /// The server lets the user in and sends its list.
    pub fn welcome(&self, people: Vec<Entry>) {
        *self.people.borrow_mut() = people;
        self.tell(&[
            Event::SignedIn(people::welcome()),
            Event::Snapshot,
            Event::RoundTrip(Duration::from_millis(12)),
        ]);
    }

    /// These events happen, and the window hears of them at once.
    pub fn tell(&self, events: &[Event]) {
        let link = std::mem::take(&mut *self.link.borrow_mut());
        let mut batch = Batch { link, ..Batch::default() };
        for event in events {
            self.follow(event);
            batch.add(event.clone(), self.time.now(), || self.people.borrow().clone());
        }
        self.link.borrow_mut().clone_from(&batch.link);
        self.line.deliver.borrow().as_ref().expect("a call is under way")(batch);
        self.screen.settle();
    }

    pub fn close(&self, reason: Disconnect, retry_in: Option<Duration>) {
        self.tell(&[Event::Closed { reason, retry_in }]);
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

    /// From now on no call can be started.
    pub fn break_dialer(&self) {
        self.line.broken.replace(true);
    }

    fn follow(&self, event: &Event) {
        let mut people = self.people.borrow_mut();
        match event {
            Event::Joined(entry) | Event::Updated(entry) => {
                people.retain(|old| old.id != entry.id);
                people.push(entry.clone());
            }
            Event::Left { entry, .. } => people.retain(|old| old.id != entry.id),
            _ => {}
        }
    }
}

impl Dialer for TestDialer {
    fn dial(&self, form: &Form, presence: Presence, deliver: Deliver) -> io::Result<Box<dyn Call>> {
        if *self.0.broken.borrow() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let (server, name) = (form.server.clone(), form.name.to_string());
        self.0.wishes.borrow_mut().push(Wish::Dial { server, name, presence });
        self.0.deliver.replace(Some(deliver));
        Ok(Box::new(TestCall(self.0.clone())))
    }
}

impl TestCall {
    fn wish(&self, wish: Wish) {
        self.0.wishes.borrow_mut().push(wish);
    }
}

impl Call for TestCall {
    fn set_presence(&self, presence: Presence) {
        self.wish(Wish::SetPresence(presence));
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
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn now(&self) -> Instant {
        *self.0.lock().expect("no test panics in between")
    }

    fn forward(&self, time: Duration) {
        *self.0.lock().expect("no test panics in between") += time;
    }
}
