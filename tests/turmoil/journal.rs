//! What a client told its user and when, and what its screen shows.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use herenow_client::protocol::{CloseReason, DeviceLabel, Entry, SessionId};
use herenow_client::{Connection, Disconnect, Event, View, ViewKey};

/// The views of every client of this world, in the order of its options.
pub(crate) const LOBBY: ViewKey = ViewKey(0);
pub(crate) const PEOPLE: ViewKey = ViewKey(1);
pub(crate) const ATTIC: ViewKey = ViewKey(2);

/// Everything that a client said so far. Clones are the same journal.
#[derive(Clone, Default)]
pub(crate) struct Journal(Rc<RefCell<Pages>>);

#[derive(Default)]
struct Pages {
    events: Vec<(Duration, Event)>,
    screen: BTreeMap<ViewKey, Shot>,
}

/// What one view shows.
#[derive(Clone, Default)]
pub(crate) struct Shot {
    /// Each person as `status text [labels]`.
    pub(crate) people: BTreeMap<String, String>,
    pub(crate) complete: bool,
    /// When the last proof came.
    pub(crate) proved: Duration,
    proof: Option<Instant>,
}

impl Journal {
    /// Writes down an event, and what the screen shows after it.
    pub(crate) fn write(&self, at: Duration, event: Event, connection: &Connection) {
        let mut pages = self.0.borrow_mut();
        pages.events.push((at, event));
        for key in [LOBBY, PEOPLE, ATTIC] {
            if let Some(view) = connection.view_of(key) {
                pages.screen.entry(key).or_default().take(at, view);
            }
        }
    }

    /// What a view shows now.
    pub(crate) fn shot(&self, key: ViewKey) -> Shot {
        self.0.borrow().screen.get(&key).cloned().unwrap_or_default()
    }

    /// Everything in which `choose` finds something since `start`, with its time.
    pub(crate) fn find<T>(
        &self,
        start: Duration,
        choose: impl Fn(&Event) -> Option<T>,
    ) -> Vec<(Duration, T)> {
        let pages = self.0.borrow();
        let since = pages.events.iter().filter(|(at, _)| *at >= start);
        since.filter_map(|(at, event)| Some((*at, choose(event)?))).collect()
    }

    /// When somebody left the lobby, and why.
    pub(crate) fn departures(&self, name: &str) -> Vec<(Duration, CloseReason)> {
        self.find(Duration::ZERO, |event| match event {
            Event::Left { view: LOBBY, entry, cause } if entry.name.as_str() == name => {
                Some(*cause)
            }
            _ => None,
        })
    }

    /// When connections ended, and why.
    pub(crate) fn closings(&self) -> Vec<(Duration, Disconnect)> {
        self.find(Duration::ZERO, |event| match event {
            Event::Closed { reason, .. } => Some(reason.clone()),
            _ => None,
        })
    }

    /// Every sign-in: the session, and whether it went on.
    pub(crate) fn sign_ins(&self) -> Vec<(SessionId, bool)> {
        let welcomes = self.find(Duration::ZERO, |event| match event {
            Event::SignedIn(welcome) => Some((welcome.session, welcome.resumed)),
            _ => None,
        });
        welcomes.into_iter().map(|(_, welcome)| welcome).collect()
    }

    /// What was told since `start` of others or of the connection; measured round trips are neither.
    pub(crate) fn news(&self, start: Duration) -> Vec<(Duration, String)> {
        self.find(start, |event| match event {
            Event::RoundTrip(_) => None,
            event => Some(in_words(event)),
        })
    }

    /// Everything, in words that are the same in every run.
    pub(crate) fn transcript(&self) -> Vec<(Duration, String)> {
        self.find(Duration::ZERO, |event| Some(in_words(event)))
    }
}

impl Shot {
    fn take(&mut self, at: Duration, view: &View) {
        self.complete = view.is_complete();
        if self.proof != view.proved_at() {
            (self.proof, self.proved) = (view.proved_at(), at);
        }
        self.people = view.entries().map(|entry| person(&entry)).collect();
    }
}

fn person(entry: &Entry) -> (String, String) {
    let shown = &entry.shown;
    let labels: Vec<_> = shown.devices.as_slice().iter().map(DeviceLabel::as_str).collect();
    let (status, text) = (shown.presence.status, shown.presence.text.as_str());
    (entry.name.as_str().to_owned(), format!("{status} {text} {labels:?}"))
}

/// The number and the token of a session are random, and are left out.
fn in_words(event: &Event) -> String {
    match event {
        Event::SignedIn(welcome) => format!("SignedIn, resumed: {}", welcome.resumed),
        event => format!("{event:?}"),
    }
}
