//! The line between the window and the desktop around it: what the one may ask of the other.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::core::idle::Look;
use crate::core::notify::Place;

/// Takes what the desktop tells. Called on the thread of the window only.
pub type Hear = Box<dyn Fn(Sign)>;

/// The desktop around the window. The program has one that uses the session's buses, tests have one of their own.
///
/// Nothing of it is needed: where the desktop has no place for a notification, nothing is shown and nothing is said.
pub trait Desktop {
    /// `hear` gets everything from now on.
    fn listen(&self, hear: Hear);

    /// Shows a notification. Never waits.
    fn show(&self, notification: Notification);

    /// Looks after this time whether the user is at the computer, and tells by [`Sign::Seen`]; `None` to look no more.
    /// Each call replaces the one before. The lock of the screen is told without being asked for.
    fn look_in(&self, time: Option<Duration>);

    /// Keeps a text in a file of this name where the account keeps such, and tells where.
    ///
    /// # Errors
    /// It cannot be written; nothing is left behind.
    fn keep(&self, name: &str, text: &str) -> io::Result<PathBuf>;
}

/// What the desktop tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// What was seen of the user.
    Seen(Look),
    /// There is a place for a tray icon from now on, or there no longer is.
    TrayHost(bool),
    /// The user wants to see what a notification told of.
    Opened(Place),
}

/// What a notification says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Where it stands; it replaces the one that stands there.
    pub place: Place,
    /// It also replaces the one that stands there.
    pub in_place_of: Option<Place>,
    /// One line, plain text.
    pub summary: String,
    /// Further words, or none. Desktops read it as markup, so nobody's words but ours are in it.
    pub body: String,
    /// What a click does, in words.
    pub action: String,
}
