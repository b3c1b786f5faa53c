//! What outlives the server's process, folded by hand: what a store would give back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use herenow::clock::Moment;
use herenow::journal::{Logged, PersonRecord, Record, Restored, SessionRecord};
use herenow_client::protocol::{DisplayName, SessionId};

/// Records wait so long for the disk, unless a `Welcome` waits for them.
const COMMIT: Duration = Duration::from_millis(50);

/// The process says so often that it is alive.
const BEACON_MS: u64 = 1_000;

/// What is on disk, and what is on its way there.
#[derive(Debug, Default)]
pub struct Journal {
    /// A crash takes what was not committed.
    lossy: bool,
    /// Every transition that is on disk.
    pub log: Vec<Logged>,
    sessions: BTreeMap<SessionId, SessionRecord>,
    people: BTreeMap<String, PersonRecord>,
    last_seen: BTreeMap<String, (DisplayName, u64)>,
    alive_ms: u64,
    stopped: bool,
    pending: Vec<Record>,
    /// The oldest record that is pending was written then, and is due on disk then.
    pending_since: Option<(Moment, Instant)>,
}

impl Journal {
    /// Nothing is written yet. A crash of a `lossy` one takes what was not committed.
    pub fn new(lossy: bool) -> Self {
        Self { lossy, ..Self::default() }
    }

    /// Takes records that are not on disk yet.
    pub fn write(&mut self, records: Vec<Record>, now: Moment) {
        if records.is_empty() {
            return;
        }
        self.pending.extend(records);
        self.pending_since.get_or_insert((now, now.instant + COMMIT));
        if !self.lossy {
            self.commit(now);
        }
    }

    /// Everything so far is on disk from now on.
    pub fn commit(&mut self, now: Moment) {
        self.pending_since = None;
        if self.lossy {
            self.alive_ms = now.unix_ms;
        }
        for record in std::mem::take(&mut self.pending) {
            self.fold(record);
        }
    }

    /// When [`Self::wake`] has something to do.
    pub fn next(&self) -> Option<Instant> {
        self.pending_since.map(|(_, at)| at)
    }

    /// Commits what is due.
    pub fn wake(&mut self, now: Moment) {
        if self.next().is_some_and(|at| at <= now.instant) {
            self.commit(now);
        }
    }

    /// The process dies.
    pub fn crash(&mut self, now: Moment) {
        self.pending.clear();
        // That the process is alive is written once a second, and with every commit: what is lost is newer. A disk that
        // loses nothing does without the latter, so that it does not tell by the time how busy it was.
        let newest = self.pending_since.take().map_or(now.unix_ms, |(since, _)| since.unix_ms);
        let beacon = newest.min(now.unix_ms - now.unix_ms % BEACON_MS);
        self.alive_ms = self.alive_ms.max(beacon);
        self.stopped = false;
    }

    /// The process ends as it should.
    pub fn close(&mut self, now: Moment) {
        self.commit(now);
        (self.alive_ms, self.stopped) = (now.unix_ms, true);
    }

    /// What the next process finds.
    pub fn restored(&self) -> Restored {
        let mut sessions: Vec<_> = self.sessions.values().cloned().collect();
        sessions.sort_by_key(|session| (session.opened_ms, session.session));
        let names: Vec<_> = sessions.iter().map(|session| session.name.clone()).collect();
        let people = self.people.values().filter(|person| names.contains(&person.name));
        let mut last_seen: Vec<_> = self.last_seen.values().cloned().collect();
        last_seen.sort_by_key(|(_, ms)| std::cmp::Reverse(*ms));
        Restored {
            sessions,
            people: people.cloned().collect(),
            last_seen,
            alive_ms: self.alive_ms,
            stopped: self.stopped,
        }
    }

    fn fold(&mut self, record: Record) {
        match record {
            Record::Session(session) => {
                self.sessions.insert(session.session, *session);
            }
            Record::SessionGone(session) => {
                self.sessions.remove(&session);
            }
            Record::Person(person) => {
                self.people.insert(person.name.to_string(), *person);
            }
            Record::PersonGone(name) => {
                self.people.remove(name.as_str());
            }
            Record::LastSeen(name, ms) => {
                self.last_seen.insert(name.to_string(), (name, ms));
            }
            Record::Transition(logged) => self.log.push(logged),
        }
    }
}
