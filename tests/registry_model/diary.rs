//! What the registry writes down, read as its store would read it.

use std::collections::{BTreeMap, BTreeSet};

use herenow::journal::{PersonRecord, Record, SessionRecord};
use herenow_protocol::{CloseReason, SessionId, Status, Transition, TransitionKind};

/// Everything that was written down.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    pub(crate) opened: BTreeSet<u64>,
    pub(crate) closed: BTreeMap<u64, CloseReason>,
    /// Who is shown, and how.
    pub(crate) online: BTreeMap<String, Status>,
    pub(crate) arrivals: BTreeMap<String, u32>,
    pub(crate) departures: BTreeMap<String, (Option<CloseReason>, u64)>,
    pub(crate) last_seen: BTreeMap<String, u64>,
    /// What a restart would find.
    pub(crate) sessions: BTreeMap<u64, SessionRecord>,
    pub(crate) people: BTreeMap<String, PersonRecord>,
}

impl Diary {
    pub(crate) fn write(&mut self, record: Record) {
        match record {
            Record::Session(session) => {
                self.sessions.insert(session.session.0, *session);
            }
            Record::SessionGone(SessionId(number)) => {
                self.sessions.remove(&number);
            }
            Record::Person(person) => {
                self.people.insert(person.name.as_str().to_owned(), *person);
            }
            Record::PersonGone(name) => {
                self.people.remove(name.as_str());
            }
            Record::LastSeen(name, ms) => {
                self.last_seen.insert(name.as_str().to_owned(), ms);
            }
            Record::Transition(logged) => self.note(logged.name.as_str(), &logged.transition),
        }
    }

    fn note(&mut self, name: &str, transition: &Transition) {
        let session = || transition.session.expect("it is about a session").0;
        let status = || transition.status.expect("it is about a status");
        match transition.kind {
            TransitionKind::Opened => {
                assert!(self.opened.insert(session()), "{} is opened twice", session());
            }
            TransitionKind::Closed => {
                let cause = transition.cause.expect("an end has a cause");
                assert!(self.opened.contains(&session()), "{} was never opened", session());
                let before = self.closed.insert(session(), cause);
                assert_eq!(before, None, "{} is closed twice", session());
            }
            TransitionKind::Lost | TransitionKind::Resumed => {
                assert!(!self.closed.contains_key(&session()), "{} is over", session());
            }
            TransitionKind::Online => {
                let before = self.online.insert(name.to_owned(), status());
                assert_eq!(before, None, "{name} comes online twice");
                *self.arrivals.entry(name.to_owned()).or_default() += 1;
            }
            TransitionKind::Offline => {
                assert!(self.online.remove(name).is_some(), "{name} goes offline twice");
                let departure = (transition.cause, transition.not_before_ms);
                self.departures.insert(name.to_owned(), departure);
            }
            TransitionKind::Changed => {
                let before = self.online.insert(name.to_owned(), status());
                assert!(before.is_some_and(|before| before != status()), "{name} did not change");
            }
        }
    }
}
