//! What one watcher shows its user, and whether that ever was something else than it should be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use herenow_client::protocol::{CloseReason, Entry, Shown, UserId};
use herenow_client::{Event, View};

use super::now;

/// People by name, with all that others see of them.
pub(crate) type People = BTreeMap<String, Shown>;

/// A list as a user sees it who follows what is told.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// Who is shown, by id.
    pub(crate) entries: BTreeMap<UserId, Entry>,
    /// Who left, when and why.
    pub(crate) leaves: Vec<(Instant, String, CloseReason)>,
    /// Who came.
    pub(crate) joins: Vec<String>,
    /// Lists that came whole.
    pub(crate) snapshots: usize,
    /// Since when the list is proved exact, `None` while it is not.
    pub(crate) proved_at: Option<Instant>,
    /// What others must be shown as, if anything.
    expected: Option<People>,
    /// Who may go, and need not be shown.
    going: BTreeSet<String>,
    /// Where the list was not as expected.
    pub(crate) differences: Vec<String>,
}

impl Sight {
    /// From now on, this is what the list must show at every moment, except that some may go.
    pub(crate) fn expect(&mut self, people: People, going: BTreeSet<String>) {
        self.going = going;
        self.leaves.clear();
        self.joins.clear();
        self.snapshots = 0;
        self.expected = Some(people);
        self.compare_all("at first");
    }

    /// Who is shown now.
    pub(crate) fn people(&self) -> People {
        let entries = self.entries.values();
        entries.map(|entry| (entry.name.to_string(), entry.shown.clone())).collect()
    }

    /// Takes in what was told about the first view.
    pub(crate) fn look(&mut self, event: &Event, view: &View) {
        match event {
            Event::Snapshot { .. } | Event::Repaired { .. } => {
                self.snapshots += 1;
                self.entries = view.entries().map(|entry| (entry.id, entry)).collect();
                self.compare_all("in a whole list");
            }
            Event::Joined { entry, .. } => {
                self.joins.push(entry.name.to_string());
                self.differ_if_expecting("came", &entry.name);
                self.entries.insert(entry.id, entry.clone());
            }
            Event::Updated { entry, .. } => {
                self.entries.insert(entry.id, entry.clone());
                self.compare(entry);
            }
            Event::Left { entry, cause, .. } => {
                self.leaves.push((now(), entry.name.to_string(), *cause));
                if !self.going.contains(entry.name.as_str()) {
                    self.differ_if_expecting("left", &entry.name);
                }
                self.entries.remove(&entry.id);
            }
            _ => {}
        }
        self.proved_at = view.proved_at().filter(|_| view.is_complete());
    }

    fn compare_all(&mut self, when: &str) {
        let Some(expected) = &self.expected else { return };
        let shown = self.people();
        if shown == *expected {
            return;
        }
        let missing = |name: &&String| !shown.contains_key(*name) && !self.going.contains(*name);
        let missing = expected.keys().filter(missing).count();
        let other = shown.iter().filter(|(name, shown)| expected.get(*name) != Some(shown));
        let other: Vec<_> = other.collect();
        if missing > 0 || !other.is_empty() {
            let some = &other[..other.len().min(3)];
            let (others, text) = (other.len(), format!("{when}: {missing} missing, "));
            self.differences.push(text + &format!("{others} are not as before, such as {some:?}"));
        }
    }

    fn compare(&mut self, entry: &Entry) {
        let expected = self.expected.as_ref().map(|people| people.get(entry.name.as_str()));
        if expected.is_some_and(|shown| shown != Some(&entry.shown)) {
            self.differences.push(format!("{entry:?} is not as before"));
        }
    }

    fn differ_if_expecting(&mut self, what: &str, name: &dyn std::fmt::Display) {
        if self.expected.is_some() {
            self.differences.push(format!("{name} {what}"));
        }
    }
}
