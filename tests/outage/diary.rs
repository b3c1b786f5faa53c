//! What one client lived through.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use herenow_client::protocol::{SessionId, Welcome};
use herenow_client::{Connection, Disconnect, Event};

use super::now;
use super::sight::Sight;

/// A client's memory. Cheap to clone; all clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Diary(Arc<Mutex<Pages>>);

/// What is in it, in the order in which it happened.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// Sign-ins.
    pub(crate) welcomes: Vec<Greeted>,
    /// Tries to connect.
    pub(crate) tries: Vec<Instant>,
    /// Ends of connections, with the time until the next try.
    pub(crate) ends: Vec<(Instant, Disconnect, Option<Duration>)>,
    /// Whatever a person would have to look at.
    pub(crate) troubles: Vec<String>,
    /// It is signed in at present.
    pub(crate) is_in: bool,
    /// What its first view shows.
    pub(crate) sight: Sight,
}

/// One sign-in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Greeted {
    pub(crate) at: Instant,
    pub(crate) session: SessionId,
    pub(crate) resumed: bool,
    pub(crate) bound: Duration,
}

impl Diary {
    /// What is in it by now. Nothing is written meanwhile.
    pub(crate) fn open(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lives a client's life to its end.
    pub(crate) async fn keep(self, mut connection: Connection) {
        while let Some(event) = connection.next().await {
            self.open().write(event, &connection);
        }
    }
}

impl Pages {
    fn write(&mut self, event: Event, connection: &Connection) {
        self.sight.look(&event, connection.view());
        match event {
            Event::SignedIn(welcome) => {
                self.is_in = true;
                self.welcomes.push(Greeted::by(&welcome));
            }
            Event::Closed { reason, retry_in } => {
                self.is_in = false;
                self.ends.push((now(), reason, retry_in));
            }
            Event::Connecting { .. } => self.tries.push(now()),
            Event::Refused { .. } | Event::Diverged { .. } | Event::Network { .. } => {
                self.troubles.push(format!("{event:?}"));
            }
            _ => {}
        }
    }

    /// The last sign-in.
    pub(crate) fn last_welcome(&self) -> Option<Greeted> {
        self.welcomes.last().copied()
    }
}

impl Greeted {
    fn by(welcome: &Welcome) -> Self {
        Self {
            at: now(),
            session: welcome.session,
            resumed: welcome.resumed,
            bound: Duration::from_millis(welcome.detection_bound_ms),
        }
    }
}
