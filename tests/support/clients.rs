//! Real clients, and a journal of what each of them told its user and when.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::net::Namespace;
use super::now;
use super::server::{HERENOW, signal_process};

/// Something that a client told its user.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// Signed in, under this rule.
    SignedIn(Rule),
    /// Signed in again, and the session goes on.
    Resumed,
    /// These are here; the list is proved exact.
    List(BTreeSet<String>),
    /// The list that was shown before is proved exact again.
    Fresh,
    /// Somebody came.
    Joined(String),
    /// Somebody left, with the cause of this name.
    Left(String, String),
    /// Some heartbeats stay unanswered.
    ContactLost,
    /// The server was heard again.
    ContactBack,
    /// The client's own network is there, or not.
    Network(bool),
    /// The connection ended, for the reason of this name.
    Closed(String),
}

/// The heartbeat rule that the server announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Between two beats.
    pub(crate) interval: Duration,
    /// How long nothing may be heard.
    pub(crate) silence_max: Duration,
    /// From the last sign of life until everyone is told, at most.
    pub(crate) bound: Duration,
}

/// What a client told its user so far. Cheap to clone; all clones are the same journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    shared: Arc<(Mutex<Vec<Entry>>, Condvar)>,
}

/// When something was told, and what.
type Entry = (Instant, Told);

impl Journal {
    fn write(&self, told: Told) {
        let (_, written) = &*self.shared;
        self.entries().push((now(), told));
        written.notify_all();
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything since `start`, in order.
    pub(crate) fn since(&self, start: Instant) -> Vec<Entry> {
        self.entries().iter().filter(|(at, _)| *at >= start).cloned().collect()
    }

    /// The first thing since `start` in which `choose` finds something, and when it was told.
    pub(crate) fn find<T>(
        &self,
        start: Instant,
        mut choose: impl FnMut(&Told) -> Option<T>,
    ) -> Option<(Instant, T)> {
        let entries = self.entries();
        let mut recent = entries.iter().filter(|(at, _)| *at >= start);
        recent.find_map(|(at, told)| Some((*at, choose(told)?)))
    }

    /// When the server was heard last between two moments, as far as it had something to tell.
    pub(crate) fn last_news(&self, from: Instant, to: Instant) -> Option<Instant> {
        let entries = self.entries();
        let news = |(at, told): &&Entry| {
            let is_news = matches!(
                told,
                Told::List(_) | Told::Fresh | Told::Joined(_) | Told::Left(..) | Told::ContactBack
            );
            is_news && (from..to).contains(at)
        };
        entries.iter().rfind(news).map(|(at, _)| *at)
    }

    /// Waits until [`Self::find`] finds something.
    ///
    /// # Panics
    /// If it finds nothing within `limit`.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        start: Instant,
        mut choose: impl FnMut(&Told) -> Option<T>,
    ) -> (Instant, T) {
        let deadline = now() + limit;
        loop {
            if let Some(found) = self.find(start, &mut choose) {
                return found;
            }
            let left = deadline.saturating_duration_since(now());
            assert!(!left.is_zero(), "waited {limit:?} for {what}: {:#?}", self.since(start));
            let entries = self.entries();
            // Whatever was written since the look above is found at the next turn at the latest.
            let turn = left.min(Duration::from_millis(20));
            drop(self.shared.1.wait_timeout(entries, turn));
        }
    }

    /// Waits for the end of a connection; returns when it came and the name of its reason.
    pub(crate) fn wait_for_end(&self, limit: Duration, start: Instant) -> (Instant, String) {
        self.wait("the end of a connection", limit, start, |told| match told {
            Told::Closed(reason) => Some(reason.clone()),
            _ => None,
        })
    }

    /// Waits for a list that is proved, a new one or the old one; returns when that was.
    pub(crate) fn wait_for_list(&self, limit: Duration, start: Instant) -> Instant {
        let is_list = |told: &Told| matches!(told, Told::List(_) | Told::Fresh).then_some(());
        self.wait("a list", limit, start, is_list).0
    }

    /// Who is here, as a user sees it who follows what is told.
    pub(crate) fn list(&self) -> BTreeSet<String> {
        let mut list = BTreeSet::new();
        for (_, told) in self.entries().iter() {
            match told {
                Told::List(names) => list.clone_from(names),
                Told::Joined(name) => {
                    list.insert(name.clone());
                }
                Told::Left(name, _) => {
                    list.remove(name);
                }
                _ => {}
            }
        }
        list
    }

    /// The rule that the server announced last.
    pub(crate) fn rule(&self) -> Rule {
        let rules = |(_, told): &Entry| match told {
            Told::SignedIn(rule) => Some(*rule),
            _ => None,
        };
        self.entries().iter().rev().find_map(rules).expect("the client is signed in")
    }
}

/// `herenow watch`, as a process of its own.
///
/// Dropping it kills the process, also a frozen one.
#[derive(Debug)]
pub(crate) struct Client {
    process: Child,
    /// What it told.
    pub(crate) journal: Journal,
    reader: Option<JoinHandle<()>>,
}

impl Client {
    /// A client of this name on the machine's own network.
    pub(crate) fn start(server: SocketAddr, name: &str, arguments: &[&str]) -> Self {
        Self::spawn(Command::new(HERENOW), server, name, arguments)
    }

    /// A client of this name in a namespace.
    pub(crate) fn start_in(network: &Namespace, server: SocketAddr, name: &str) -> Self {
        Self::spawn(network.command(HERENOW), server, name, &[])
    }

    fn spawn(mut command: Command, server: SocketAddr, name: &str, arguments: &[&str]) -> Self {
        let mut process = command
            .args(["watch", "--json", "--server", &server.to_string(), "--name", name])
            .args(arguments)
            // The device id of this folder is not that of whoever runs the tests.
            .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the client can be started");
        let stdout = process.stdout.take().expect("its stdout is a pipe");
        let journal = Journal::default();
        let written = journal.clone();
        let reader = thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).expect("every line is an object");
                told(&event).into_iter().for_each(|told| written.write(told));
            }
        });
        Self { process, journal, reader: Some(reader) }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        signal_process(&self.process, signal);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already; then neither call has anything to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(reader) = self.reader.take() {
            let read = reader.join();
            assert!(thread::panicking() || read.is_ok(), "a client told what cannot be read");
        }
    }
}

/// What these tests want to know of an event.
fn told(event: &Value) -> Option<Told> {
    let text = |field: &str| {
        let text = event[field].as_str();
        text.unwrap_or_else(|| panic!("{field} is missing: {event}")).to_owned()
    };
    Some(match event["event"].as_str()? {
        "signed_in" if event["resumed"] == true => Told::Resumed,
        "signed_in" => {
            let number = |field: &str| event[field].as_u64().expect("rules are numbers");
            let interval = Duration::from_millis(number("heartbeat_ms"));
            let misses = u32::try_from(number("misses")).expect("misses are few");
            let bound = Duration::from_millis(number("detection_bound_ms"));
            Told::SignedIn(Rule { interval, silence_max: interval * misses, bound })
        }
        "snapshot" => {
            let users = event["users"].as_array().expect("the users are a list");
            let name = |user: &Value| user["user"].as_str().expect("a user has a name").to_owned();
            Told::List(users.iter().map(name).collect())
        }
        "fresh" => Told::Fresh,
        "join" => Told::Joined(text("user")),
        "leave" => Told::Left(text("user"), text("cause")),
        "contact_lost" => Told::ContactLost,
        "contact_back" => Told::ContactBack,
        "network" => Told::Network(event["up"].as_bool().expect("a network is up or not")),
        "closed" => Told::Closed(text("reason")),
        _ => return None,
    })
}
