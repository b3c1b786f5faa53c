//! A desktop on which the test sees the notifications, and sits at the computer.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use herenow_desktop::core::idle::Look;
use herenow_desktop::core::notify::Place;
use herenow_desktop::desktop::{Desktop, Hear, Notification, Sign};

/// The desktop of one window.
#[derive(Default)]
pub struct TestDesktop {
    hear: RefCell<Option<Hear>>,
    shown: RefCell<Vec<Notification>>,
    look_in: Cell<Option<Duration>>,
    kept: RefCell<Vec<(String, String)>>,
    full: Cell<bool>,
}

impl TestDesktop {
    /// What notifications said since the last call of this.
    pub fn told(&self) -> Vec<String> {
        self.shown.take().into_iter().map(|shown| shown.summary).collect()
    }

    /// The notifications since the last call of this.
    pub fn notifications(&self) -> Vec<Notification> {
        self.shown.take()
    }

    /// The user is seen like this.
    pub fn see(&self, untouched: Duration, locked: bool) {
        self.sign(Sign::Seen(Look { untouched: Some(untouched), locked }));
    }

    /// The user clicks on the notification that stands there.
    pub fn click(&self, place: Place) {
        self.sign(Sign::Opened(place));
    }

    /// After what time the user is to be looked at.
    pub fn look_in(&self) -> Option<Duration> {
        self.look_in.get()
    }

    /// The names and texts of files that were kept.
    pub fn kept(&self) -> Vec<(String, String)> {
        self.kept.take()
    }

    /// From now on nothing can be kept.
    pub fn fill(&self) {
        self.full.set(true);
    }

    fn sign(&self, sign: Sign) {
        self.hear.borrow().as_ref().expect("the window listens")(sign);
    }
}

impl Desktop for TestDesktop {
    fn listen(&self, hear: Hear) {
        self.hear.replace(Some(hear));
    }

    fn show(&self, notification: Notification) {
        self.shown.borrow_mut().push(notification);
    }

    fn look_in(&self, time: Option<Duration>) {
        self.look_in.set(time);
    }

    fn keep(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        if self.full.get() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.kept.borrow_mut().push((name.to_owned(), text.to_owned()));
        Ok(PathBuf::from("/home/ada/.local/state/herenow").join(name))
    }
}
