//! The handle with which a program steers its connection, from any thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use herenow_protocol::Presence;
use tokio::sync::Notify;

use crate::session::Command;

/// Steers a [`Connection`](crate::Connection). Cheap to clone; nothing here blocks or fails, and what is said after the end of
/// the connection has no effect.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

/// The connection's end of all its clients.
#[derive(Debug)]
pub(crate) struct Commands {
    shared: Arc<Shared>,
}

/// Holds one wish of each kind, so it is bounded however often a program repeats itself.
#[derive(Debug, Default)]
struct Shared {
    wishes: Mutex<Wishes>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Wishes {
    presence: Option<Presence>,
    retry: bool,
    goodbye: bool,
}

/// The two ends.
pub(crate) fn pair() -> (Client, Commands) {
    let shared = Arc::new(Shared::default());
    (Client { shared: Arc::clone(&shared) }, Commands { shared })
}

impl Client {
    /// Shows this presence from now on, also after a reconnect. Of several that wait to be sent, the last wins.
    /// [`Event::Mirror`](crate::Event::Mirror) tells when others see it.
    ///
    /// For an observer it changes the listed user with the same name and device; if there is none,
    /// [`Event::Refused`](crate::Event::Refused) says so.
    pub fn set_presence(&self, presence: Presence) {
        self.wish(|wishes| wishes.presence = Some(presence));
    }

    /// Does not wait any longer for the next try to connect. At most two tries a second are made.
    pub fn retry_now(&self) {
        self.wish(|wishes| wishes.retry = true);
    }

    /// Signs out, for good: the connection ends with [`Event::Closed`](crate::Event::Closed).
    pub fn goodbye(&self) {
        self.wish(|wishes| wishes.goodbye = true);
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.shared.wishes());
        self.shared.changed.notify_one();
    }
}

impl Commands {
    /// The next command. Cancel-safe.
    pub(crate) async fn next(&self) -> Command {
        loop {
            if let Some(command) = self.shared.wishes().take() {
                return command;
            }
            self.shared.changed.notified().await;
        }
    }
}

impl Shared {
    /// A panic while the lock is held cannot leave a wish half made, so poison is no reason to stop.
    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wishes {
    fn take(&mut self) -> Option<Command> {
        if let Some(presence) = self.presence.take() {
            return Some(Command::SetPresence(presence));
        }
        if std::mem::take(&mut self.retry) {
            return Some(Command::RetryNow);
        }
        std::mem::take(&mut self.goodbye).then_some(Command::Goodbye)
    }
}
