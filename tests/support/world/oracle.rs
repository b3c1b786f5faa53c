//! What one watcher was told, checked as it is told.

use std::collections::BTreeMap;
use std::time::Instant;

use herenow_client::protocol::{CloseReason, Presence};
use herenow_client::{Event, View};

/// The list as one watcher's events tell it, and what was wrong with them.
#[derive(Debug, Default)]
pub struct Watcher {
    /// Names shown, with their presence.
    pub shown: BTreeMap<String, Presence>,
    /// Everyone who was seen leaving, with cause and time.
    pub departures: Vec<(String, CloseReason, Instant)>,
    /// Everyone who was seen coming after the snapshot, with the time.
    pub arrivals: Vec<(String, Instant)>,
    /// The reasons of closed connections.
    pub closings: Vec<(&'static str, Instant)>,
    /// How often contact was lost.
    pub contacts_lost: usize,
    /// The list is announced as old.
    pub stale: bool,
    /// A snapshot came since the last sign-in.
    listening: bool,
}

impl Watcher {
    /// Takes one event; `view` is the client's list at that moment.
    ///
    /// # Panics
    /// If the event contradicts what was told before.
    pub fn told(&mut self, event: &Event, view: &View, now: Instant) {
        match event {
            Event::Snapshot => {
                let entries = view.entries();
                self.shown = entries.map(|e| (e.name.to_string(), e.presence.clone())).collect();
                self.listening = true;
            }
            Event::Joined(entry) => {
                self.expect_listening(event);
                let before = self.shown.insert(entry.name.to_string(), entry.presence.clone());
                assert_eq!(before, None, "{} joined twice", entry.name);
                self.arrivals.push((entry.name.to_string(), now));
            }
            Event::Updated(entry) => {
                self.expect_listening(event);
                let shown = self.shown.get_mut(entry.name.as_str());
                let shown = shown.unwrap_or_else(|| panic!("{} was updated unseen", entry.name));
                *shown = entry.presence.clone();
            }
            Event::Left { entry, cause } => {
                self.expect_listening(event);
                let before = self.shown.remove(entry.name.as_str());
                assert!(before.is_some(), "{} left without having been here", entry.name);
                self.departures.push((entry.name.to_string(), *cause, now));
            }
            Event::ContactLost { .. } => self.contacts_lost += 1,
            Event::Stale => self.stale = true,
            Event::Fresh => self.stale = false,
            Event::Closed { reason, .. } => {
                self.listening = false;
                self.closings.push((reason.name(), now));
            }
            _ => {}
        }
    }

    /// The causes with which `name` was seen leaving.
    pub fn causes(&self, name: &str) -> Vec<CloseReason> {
        let of_name = self.departures.iter().filter(|(who, ..)| who == name);
        of_name.map(|(_, cause, _)| *cause).collect()
    }

    fn expect_listening(&self, event: &Event) {
        assert!(self.listening, "no list to apply {event:?} to: a connection had ended");
    }
}
