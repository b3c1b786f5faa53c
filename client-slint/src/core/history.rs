//! What the connection went through: its last events with their times, its round trips, and what is known of the session.
//!
//! The network notes event by event what is new since the window last looked; the window adds that to what it has. Both
//! are a [`History`], and bounded.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use herenow_client::protocol::{Digest, Epoch, SessionId, Welcome};
use herenow_client::{Disconnect, Event, ViewKey};

use super::link::{Kind, kind_of, one_line};

/// How many events are kept; older ones are forgotten. Some hours of a connection that has trouble.
pub const STEPS_MAX: usize = 200;

/// How many round trips are kept: five minutes at the usual heartbeat of 5 s.
pub const ROUND_TRIPS_MAX: usize = 60;

/// What happened to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A try began, the how manyeth since the last sign-in.
    Trying(u32),
    /// The server let the user in.
    SignedIn,
    /// It did, and the session from before goes on.
    Resumed,
    /// Heartbeats stayed unanswered: how many, and of how many.
    ContactLost(u32, u32),
    /// The server was heard again.
    ContactBack,
    /// The list came, and was proved exact.
    Listed,
    /// The list could no longer be proved.
    Stale,
    /// It was proved again.
    Proved,
    /// The list was found wrong.
    Wrong,
    /// So many entries of it were mended, and it was proved exact.
    Mended(usize),
    /// This computer's network went away.
    NetworkDown,
    /// It came back.
    NetworkUp,
    /// The connection ended, or the try did: what it was for people, its one name for programs, and after what time the
    /// next try comes.
    Closed {
        /// For people.
        kind: Kind,
        /// For programs.
        name: &'static str,
        /// `None` if it does not come by itself.
        retry_in: Option<Duration>,
    },
}

/// A step and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stepped {
    /// When.
    pub at: Instant,
    /// What.
    pub step: Step,
}

/// The session that exists, or existed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// Its number at the server.
    pub session: SessionId,
    /// The server's name and version in its own words.
    pub server: String,
    /// The server's start.
    pub epoch: Epoch,
    /// From the last sign of life until every watcher is told, at most.
    pub bound: Duration,
}

/// What is known of the list of everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListFacts {
    /// The server's version of it, while this copy is complete.
    pub version: Option<u64>,
    /// What its entries add up to.
    pub digest: Digest,
    /// How many there are.
    pub people: usize,
    /// When it was last proved exact.
    pub proved_at: Option<Instant>,
    /// How far the server may be behind, as it said last.
    pub delay: Option<Duration>,
}

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    steps: VecDeque<Stepped>,
    round_trips: VecDeque<Duration>,
    session: Option<SessionFacts>,
    list: ListFacts,
}

impl History {
    /// Takes note of an event that happened at the time `now`, and of what the list is like after it.
    pub fn add(&mut self, event: &Event, list: ListFacts, now: Instant) {
        self.list = list;
        match event {
            Event::RoundTrip(time) => push(&mut self.round_trips, *time, ROUND_TRIPS_MAX),
            Event::SignedIn(welcome) => self.session = Some(SessionFacts::of(welcome)),
            _ => {}
        }
        if let Some(step) = step_of(event) {
            push(&mut self.steps, Stepped { at: now, step }, STEPS_MAX);
        }
    }

    /// Takes in what happened next.
    pub fn extend(&mut self, next: Self) {
        next.steps.into_iter().for_each(|step| push(&mut self.steps, step, STEPS_MAX));
        for time in next.round_trips {
            push(&mut self.round_trips, time, ROUND_TRIPS_MAX);
        }
        self.session = next.session.or(self.session.take());
        self.list = next.list;
    }

    /// What happened, the last first.
    pub fn latest(&self) -> impl Iterator<Item = &Stepped> {
        self.steps.iter().rev()
    }

    /// What happened, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Stepped> {
        self.steps.iter()
    }

    /// The round trips, the last one last. They may be of several sessions.
    pub fn round_trips(&self) -> impl Iterator<Item = Duration> {
        self.round_trips.iter().copied()
    }

    /// The session that exists, or existed last.
    #[must_use]
    pub fn session(&self) -> Option<&SessionFacts> {
        self.session.as_ref()
    }

    /// The list as it was last.
    #[must_use]
    pub fn list(&self) -> &ListFacts {
        &self.list
    }
}

impl SessionFacts {
    fn of(welcome: &Welcome) -> Self {
        Self {
            session: welcome.session,
            server: one_line(&welcome.server),
            epoch: welcome.epoch,
            bound: Duration::from_millis(welcome.detection_bound_ms),
        }
    }
}

fn push<T>(kept: &mut VecDeque<T>, one: T, max: usize) {
    if kept.len() == max {
        kept.pop_front();
    }
    kept.push_back(one);
}

/// Of the lists only that of everybody counts, since it is the one that the bar speaks of.
fn step_of(event: &Event) -> Option<Step> {
    let of_everybody = |view: &ViewKey| *view == ViewKey::FIRST;
    Some(match event {
        Event::Connecting { attempt } => Step::Trying(*attempt),
        Event::SignedIn(welcome) if welcome.resumed => Step::Resumed,
        Event::SignedIn(_) => Step::SignedIn,
        Event::ContactLost { unanswered, of } => Step::ContactLost(*unanswered, *of),
        Event::ContactBack => Step::ContactBack,
        Event::Snapshot { view } if of_everybody(view) => Step::Listed,
        Event::Stale { view, .. } if of_everybody(view) => Step::Stale,
        Event::Fresh { view } if of_everybody(view) => Step::Proved,
        Event::Diverged { view, .. } if of_everybody(view) => Step::Wrong,
        Event::Repaired { view, entries } if of_everybody(view) => Step::Mended(*entries),
        Event::Network { up: false } => Step::NetworkDown,
        Event::Network { up: true } => Step::NetworkUp,
        Event::Closed { reason, retry_in } => closed(reason, *retry_in),
        _ => return None,
    })
}

fn closed(reason: &Disconnect, retry_in: Option<Duration>) -> Step {
    Step::Closed { kind: kind_of(reason), name: reason.name(), retry_in }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any point in time will do")]
    fn start() -> Instant {
        Instant::now()
    }

    fn trace(events: &[Event], now: Instant) -> History {
        let mut trace = History::default();
        events.iter().for_each(|event| trace.add(event, ListFacts::default(), now));
        trace
    }

    #[test]
    fn what_happened_is_told_the_last_first() {
        let (mut history, now) = (History::default(), start());
        let closed =
            Event::Closed { reason: Disconnect::ConnectionRefused, retry_in: Some(Duration::ZERO) };
        history.extend(trace(&[Event::Connecting { attempt: 1 }, closed], now));
        history.extend(trace(&[Event::Connecting { attempt: 2 }], now));
        let refused = Step::Closed {
            kind: Kind::Refused,
            name: "connection_refused",
            retry_in: Some(Duration::ZERO),
        };
        let steps: Vec<Step> = history.latest().map(|stepped| stepped.step).collect();
        assert_eq!(steps, [Step::Trying(2), refused, Step::Trying(1)]);
    }

    #[test]
    fn other_lists_are_not_told_of() {
        let other = Event::Fresh { view: ViewKey(1) };
        assert_eq!(trace(&[other], start()).steps.len(), 0);
    }

    #[test]
    fn a_history_does_not_grow_without_bound() {
        let now = start();
        let events: Vec<Event> = (0..1_000)
            .flat_map(|n| [Event::Connecting { attempt: n }, Event::RoundTrip(Duration::ZERO)])
            .collect();
        let long = trace(&events, now);
        assert_eq!((long.steps.len(), long.round_trips.len()), (STEPS_MAX, ROUND_TRIPS_MAX));
        let mut history = History::default();
        history.extend(long.clone());
        history.extend(long);
        assert_eq!((history.steps.len(), history.round_trips.len()), (STEPS_MAX, ROUND_TRIPS_MAX));
        assert_eq!(history.latest().next().map(|last| last.step), Some(Step::Trying(999)));
    }
}
