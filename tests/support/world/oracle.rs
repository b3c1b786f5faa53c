//! What one watcher was told, checked as it is told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use herenow_client::protocol::{CloseReason, ErrorCode, Presence, SessionId, Shown};
use herenow_client::query::QueryId;
use herenow_client::session::Session;
use herenow_client::{Answer, Event, QueryError, View, ViewKey};

/// What a watcher was told, and what was wrong with it.
#[derive(Debug, Default)]
pub struct Watcher {
    /// Every list that was told.
    pub lists: BTreeMap<ViewKey, List>,
    /// Everyone who was seen leaving the first list, with cause and time.
    pub departures: Vec<(String, CloseReason, Instant)>,
    /// Everyone who was seen coming into it after the snapshot, with the time.
    pub arrivals: Vec<(String, Instant)>,
    /// Everyone who was in it before a further snapshot or repair, and not after it.
    pub vanished: Vec<(String, Instant)>,
    /// Everyone who was in it after a further snapshot or repair, and not before it.
    pub appeared: Vec<(String, Instant)>,
    /// The reasons of closed connections.
    pub closings: Vec<(&'static str, Instant)>,
    /// How often contact was lost.
    pub contacts_lost: usize,
    /// Every sign-in: the session, whether it was resumed, when.
    pub sign_ins: Vec<(SessionId, bool, Instant)>,
    /// How others see this user, as it was told, and when.
    pub mirrors: Vec<(Option<Presence>, Instant)>,
    /// Lists that were found wrong, and when.
    pub found: Vec<(ViewKey, Instant)>,
    /// Lists that were mended or replaced after that, and when.
    pub mended: Vec<(ViewKey, Instant)>,
    /// When lists became old, and how old they said they were.
    pub stales: Vec<(ViewKey, Duration, Instant)>,
    /// How often each list was told as a snapshot.
    pub snapshots: BTreeMap<ViewKey, usize>,
    /// Refused requests.
    pub refusals: Vec<(ErrorCode, String)>,
    /// Answered questions.
    pub answers: Vec<(QueryId, Result<Answer, QueryError>)>,
    /// Lists are planted wrong: without this, one that is found wrong ends the test.
    pub expects_faults: bool,
}

/// One list as the events tell it.
#[derive(Debug, Default)]
pub struct List {
    /// Names shown, with what is shown of them.
    pub shown: BTreeMap<String, Shown>,
    /// The list is announced as old.
    pub stale: bool,
    /// It was found wrong, and not mended since: what is told of it means nothing.
    pub wrong: bool,
}

impl Watcher {
    /// Takes one event of this session.
    ///
    /// # Panics
    /// If the event contradicts what was told before.
    pub fn told(&mut self, event: &Event, session: &Session, now: Instant) {
        match event {
            Event::Snapshot { view } => {
                *self.snapshots.entry(*view).or_default() += 1;
                self.read_anew(*view, session, now);
            }
            Event::Repaired { view, .. } => self.read_anew(*view, session, now),
            Event::Joined { view, entry } => {
                let name = entry.name.to_string();
                let list = self.list(*view, event);
                let before = list.shown.insert(name.clone(), entry.shown.clone());
                assert!(before.is_none() || list.wrong, "{name} joined twice");
                self.note(*view, |watcher| watcher.arrivals.push((name, now)));
            }
            Event::Updated { view, entry } => {
                let list = self.list(*view, event);
                let before = list.shown.insert(entry.name.to_string(), entry.shown.clone());
                assert!(before.is_some() || list.wrong, "{} was updated unseen", entry.name);
                let news = before.as_ref() != Some(&entry.shown);
                assert!(news || self.expects_faults, "{} was updated to the same", entry.name);
            }
            Event::Left { view, entry, cause } => {
                let name = entry.name.to_string();
                let list = self.list(*view, event);
                let before = list.shown.remove(&name);
                assert!(before.is_some() || list.wrong, "{name} left without having been here");
                self.note(*view, |watcher| watcher.departures.push((name, *cause, now)));
            }
            Event::Stale { view, age } => {
                let list = self.list(*view, event);
                assert!(!std::mem::replace(&mut list.stale, true), "stale twice");
                self.stales.push((*view, *age, now));
            }
            Event::Fresh { view } => {
                let list = self.list(*view, event);
                assert!(std::mem::replace(&mut list.stale, false), "fresh twice");
                assert!(!list.wrong, "fresh before it is mended");
                assert_eq!(list.shown, shown(session.view_of(*view)), "what is proved");
            }
            Event::Diverged { view, mismatch } => {
                assert!(self.expects_faults, "a false alarm: {mismatch}");
                self.found.push((*view, now));
                self.lists.entry(*view).or_default().wrong = true;
            }
            event => self.told_of_the_session(event, now),
        }
    }

    /// Forgets what happened so far, and keeps what is shown.
    pub fn begin_again(&mut self) {
        let (lists, sign_ins) = (std::mem::take(&mut self.lists), self.sign_ins.pop());
        let expects_faults = self.expects_faults;
        let sign_ins = sign_ins.into_iter().collect();
        *self = Self { lists, sign_ins, expects_faults, ..Self::default() };
    }

    /// The causes with which `name` was seen leaving.
    pub fn causes(&self, name: &str) -> Vec<CloseReason> {
        let of_name = self.departures.iter().filter(|(who, ..)| who == name);
        of_name.map(|(_, cause, _)| *cause).collect()
    }

    /// The first list.
    pub fn shown(&self) -> &BTreeMap<String, Shown> {
        &self.lists[&ViewKey::FIRST].shown
    }

    /// Whether the first list is announced as old.
    pub fn is_stale(&self) -> bool {
        self.lists[&ViewKey::FIRST].stale
    }

    /// Whether nobody was seen coming or going, by news or between two snapshots.
    pub fn saw_nothing(&self) -> bool {
        self.departures.is_empty()
            && self.arrivals.is_empty()
            && self.vanished.is_empty()
            && self.appeared.is_empty()
    }

    fn told_of_the_session(&mut self, event: &Event, now: Instant) {
        match event {
            Event::SignedIn(welcome) => {
                self.sign_ins.push((welcome.session, welcome.resumed, now));
            }
            Event::ContactLost { .. } => self.contacts_lost += 1,
            Event::Mirror(me) => self.mirrors.push((me.clone(), now)),
            Event::Refused { code, text } => self.refusals.push((*code, text.clone())),
            Event::Closed { reason, .. } => self.closings.push((reason.name(), now)),
            _ => {}
        }
    }

    fn read_anew(&mut self, key: ViewKey, session: &Session, now: Instant) {
        let is_first_time = !self.lists.contains_key(&key);
        let list = self.lists.entry(key).or_default();
        let after = shown(session.view_of(key));
        let before = std::mem::replace(&mut list.shown, after.clone());
        if std::mem::take(&mut list.wrong) {
            self.mended.push((key, now));
        }
        if !is_first_time && key == ViewKey::FIRST {
            let gone = before.keys().filter(|name| !after.contains_key(*name));
            self.vanished.extend(gone.map(|name| (name.clone(), now)));
            let new = after.keys().filter(|name| !before.contains_key(*name));
            self.appeared.extend(new.map(|name| (name.clone(), now)));
        }
    }

    fn note(&mut self, key: ViewKey, note: impl FnOnce(&mut Self)) {
        if key == ViewKey::FIRST {
            note(self);
        }
    }

    fn list(&mut self, key: ViewKey, event: &Event) -> &mut List {
        let list = self.lists.get_mut(&key);
        list.unwrap_or_else(|| panic!("no list to apply {event:?} to"))
    }
}

fn shown(view: Option<&View>) -> BTreeMap<String, Shown> {
    let entries = view.into_iter().flat_map(View::entries);
    entries.map(|entry| (entry.name.to_string(), entry.shown.clone())).collect()
}
