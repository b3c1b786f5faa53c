//! The view against a naive roster that recomputes everything, and against planted errors.

mod faults;

use std::collections::BTreeMap;

use herenow_protocol::{DisplayName, Presence, Shown, Status, StatusText};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::clock::now as some_instant;

const EPOCH: Epoch = Epoch([9; 16]);
const NAMES: [&str; 6] = ["ada", "bob", "eve", "Žofie", "李小龍", "O'Neil"];

/// The roster of a server that thinks slowly: its proof is summed up from nothing each time.
#[derive(Clone, Debug, Default)]
struct Roster {
    entries: BTreeMap<u32, Entry>,
    version: u64,
    /// What happened since the last delta, and the version before it.
    pending: Vec<Change>,
    told: u64,
    /// The id at which the next page begins, while a snapshot is under way.
    page_from: Option<u32>,
}

impl Roster {
    fn proof(&self) -> ViewProof {
        let hasher = EntryHasher::new(EPOCH);
        let mut digest = Digest::default();
        self.entries.values().for_each(|entry| digest.add(hasher.hash(entry)));
        let count = u32::try_from(self.entries.len()).expect("a test roster is small");
        ViewProof { version: self.version, count, digest }
    }

    fn change(&mut self, change: Change) {
        match &change {
            Change::Joined(entry) => drop(self.entries.insert(entry.id.0, entry.clone())),
            Change::Updated { id, shown } => {
                let Some(entry) = self.entries.get_mut(&id.0) else { return };
                entry.shown = shown.clone();
            }
            Change::Left { id, .. } => {
                if self.entries.remove(&id.0).is_none() {
                    return;
                }
            }
        }
        self.version += 1;
        self.pending.push(change);
    }

    fn delta(&mut self) -> (u64, ViewProof, Vec<Change>) {
        let from = std::mem::replace(&mut self.told, self.version);
        (from, self.proof(), std::mem::take(&mut self.pending))
    }

    /// The page of `width` ids that follows the last one, and whether it was the final one.
    fn page(&mut self, first: u32, width: u32) -> (UserId, UserId, Vec<Entry>) {
        let last = first.checked_add(width).filter(|&last| last < 16).unwrap_or(u32::MAX);
        self.page_from = last.checked_add(1);
        let entries = self.entries.range(first..=last).map(|(_, entry)| entry.clone()).collect();
        (UserId(first), UserId(last), entries)
    }
}

fn entry(id: u32, name: &str, text: &str, since_ms: u64) -> Entry {
    let name = DisplayName::new(name).expect("a test name is valid");
    Entry { id: UserId(id), name, shown: shown(text, since_ms) }
}

fn shown(text: &str, since_ms: u64) -> Shown {
    let text = StatusText::new(text).expect("a test text is valid");
    Shown { presence: Presence::chosen(Status::Busy, text), since_ms, ..Shown::default() }
}

/// Takes a whole snapshot of `roster` in pages of `width` ids.
fn snapshot(view: &mut View, roster: &mut Roster, width: u32) -> Result<Proved, Mismatch> {
    view.begin_snapshot();
    roster.page_from = Some(0);
    while let Some(first) = roster.page_from {
        let (first, last, entries) = roster.page(first, width);
        view.page(first, last, entries);
    }
    view.end_snapshot(&roster.proof(), some_instant())
}

fn copied(view: &View) -> Vec<Entry> {
    view.entries().collect()
}

fn held(roster: &Roster) -> Vec<Entry> {
    roster.entries.values().cloned().collect()
}

/// A view and a roster that agree on these names.
fn agreed(names: &[&str]) -> (View, Roster) {
    let (mut view, mut roster) = (View::default(), Roster::default());
    view.follow(EPOCH);
    for (id, name) in (0..).zip(names) {
        roster.change(Change::Joined(entry(id, name, "", 7)));
    }
    roster.delta();
    snapshot(&mut view, &mut roster, 100).expect("an honest snapshot proves itself");
    (view, roster)
}

#[test]
fn an_empty_room_is_a_complete_view() {
    let (view, _) = agreed(&[]);
    assert!(view.is_complete() && view.is_empty());
}

#[test]
fn a_snapshot_is_shown_whole_or_not_at_all() {
    let (mut view, mut roster) = agreed(&["ada", "bob"]);
    roster.change(Change::Left { id: UserId(0), cause: CloseReason::Goodbye });
    roster.delta();
    view.page(UserId(0), UserId(u32::MAX), held(&roster));
    assert!(!view.is_complete());
    assert_eq!(view.len(), 2, "the old list is shown until the new one is whole");
    view.end_snapshot(&roster.proof(), some_instant()).expect("an honest snapshot proves itself");
    assert_eq!(copied(&view), held(&roster));
}

#[test]
fn an_update_of_somebody_unknown_between_pages_is_ignored() {
    let (mut view, roster) = agreed(&["ada"]);
    view.begin_snapshot();
    let (id, mut events) = (UserId(99), Vec::new());
    let changes = vec![
        Change::Updated { id, shown: shown("x", 1) },
        Change::Left { id, cause: CloseReason::Goodbye },
    ];
    let told = view.delta(0, &roster.proof(), changes, some_instant(), &mut events);
    assert_eq!((told, events), (Ok(Proved::NotYet), Vec::new()));
    view.page(UserId(0), UserId(u32::MAX), held(&roster));
    assert_eq!(view.end_snapshot(&roster.proof(), some_instant()), Ok(Proved::Replaced));
}

#[test]
fn a_place_taken_without_a_leave_is_still_told_as_leave_and_join() {
    let (mut view, mut roster) = agreed(&["ada"]);
    let eve = entry(0, "eve", "", 8);
    roster.change(Change::Joined(eve.clone()));
    let (from, proof, changes) = roster.delta();
    let mut events = Vec::new();
    assert_eq!(view.delta(from, &proof, changes, some_instant(), &mut events), Ok(Proved::Exact));
    let ada = Step::Left { entry: entry(0, "ada", "", 7), cause: CloseReason::InternalError };
    assert_eq!(events, [ada, Step::Joined(eve)]);
}

#[test]
fn a_lost_delta_is_found_by_its_version() {
    let (mut view, mut roster) = agreed(&["ada"]);
    let held = roster.version;
    roster.change(Change::Joined(entry(1, "bob", "", 8)));
    roster.delta();
    let eve = entry(2, "eve", "", 9);
    roster.change(Change::Joined(eve.clone()));
    let (from, proof, changes) = roster.delta();
    let mut steps = Vec::new();
    let told = view.delta(from, &proof, changes, some_instant(), &mut steps);
    assert_eq!(told, Err(Mismatch::Version { held, told: from }));
    assert!(view.is_diverged() && !view.is_complete());
    assert_eq!(steps, [Step::Joined(eve)], "what is known to be true is shown nevertheless");
}

#[test]
fn what_an_ack_proves_is_compared_in_every_part() {
    let honest = agreed(&["ada", "bob"]).1.proof();
    let now = some_instant();
    let lies = [
        ViewProof { version: honest.version + 1, ..honest },
        ViewProof { count: 3, ..honest },
        ViewProof { digest: Digest::from_bytes([1; 16]), ..honest },
    ];
    for lie in lies {
        let (mut view, _) = agreed(&["ada", "bob"]);
        assert_eq!(view.prove(&honest, now), Ok(Proved::Exact));
        assert!(view.prove(&lie, now).is_err(), "{lie:?}");
        assert!(view.is_diverged() && !view.is_complete());
        assert_eq!(view.version(), None, "nothing to be continued from");
        assert_eq!(view.prove(&honest, now), Ok(Proved::Mended { entries: 0 }));
        assert!(view.is_complete(), "entries that add up are exact, whatever was said before");
    }
}

#[test]
fn the_time_of_the_last_proof_is_kept() {
    let (mut view, roster) = agreed(&["ada"]);
    let later = some_instant() + std::time::Duration::from_secs(5);
    view.prove(&roster.proof(), later).expect("an honest ack fits");
    assert_eq!(view.proved_at(), Some(later));
    let lie = ViewProof { count: 9, ..roster.proof() };
    view.prove(&lie, later + std::time::Duration::from_secs(1)).expect_err("nine are not one");
    assert_eq!(view.proved_at(), Some(later), "a failure proves nothing");
}

#[test]
fn a_complete_copy_outlives_its_connection_and_a_wrong_one_does_not() {
    let (mut view, mut roster) = agreed(&["ada"]);
    view.suspend();
    assert_eq!(view.version(), Some(roster.version));
    roster.change(Change::Joined(entry(1, "bob", "", 8)));
    let (from, proof, changes) = roster.delta();
    let told = view.delta(from, &proof, changes, some_instant(), &mut Vec::new());
    assert_eq!(told, Ok(Proved::Exact), "it goes on from its version");
    view.page(UserId(0), UserId(9), Vec::new());
    view.suspend();
    assert_eq!(view.version(), None, "a snapshot that broke off proves nothing");
}

#[test]
fn another_epoch_needs_another_snapshot() {
    let (mut view, roster) = agreed(&["ada"]);
    view.follow(Epoch([1; 16]));
    assert!(!view.is_complete());
    assert_eq!(view.len(), 1, "the old list is shown until there is a new one");
    view.page(UserId(0), UserId(u32::MAX), held(&roster));
    assert!(matches!(
        view.end_snapshot(&roster.proof(), some_instant()),
        Err(Mismatch::Digest { .. })
    ));
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Join(u32, &'static str, u64),
    Update(u32, &'static str, u64),
    Leave(u32),
    Delta,
    Snapshot,
    Page(u32),
    Ack,
}

fn steps() -> impl Strategy<Value = Vec<Act>> {
    let id = || 0..16_u32;
    let step = prop_oneof![
        (id(), select(&NAMES[..]), 0..1_u64 << 53).prop_map(|(i, n, s)| Act::Join(i, n, s)),
        (id(), select(vec!["", "tea", "昼"]), 0..99_u64).prop_map(|(i, t, s)| Act::Update(i, t, s)),
        id().prop_map(Act::Leave),
        Just(Act::Delta),
        Just(Act::Snapshot),
        (0..20_u32).prop_map(Act::Page),
        Just(Act::Ack),
    ];
    proptest::collection::vec(step, 0..120)
}

/// A view, its server, and a list kept only from the events.
struct Rig {
    view: View,
    roster: Roster,
    listener: BTreeMap<UserId, Entry>,
}

impl Rig {
    fn run(&mut self, step: Act) {
        match step {
            Act::Join(id, name, since) => self.join(id, name, since),
            Act::Update(id, text, since_ms) => {
                self.roster.change(Change::Updated { id: UserId(id), shown: shown(text, since_ms) })
            }
            Act::Leave(id) => {
                let (id, cause) = (UserId(id), CloseReason::HeartbeatTimeout);
                self.roster.change(Change::Left { id, cause });
            }
            Act::Delta => self.delta(),
            Act::Snapshot => {
                self.view.begin_snapshot();
                self.roster.page_from = Some(0);
            }
            Act::Page(width) => self.page(width),
            Act::Ack => self.ack(),
        }
    }

    /// As a server does it: whoever has the id leaves first.
    fn join(&mut self, id: u32, name: &str, since_ms: u64) {
        if !self.roster.entries.contains_key(&id) {
            self.roster.change(Change::Joined(entry(id, name, "", since_ms)));
        }
    }

    fn delta(&mut self) {
        let (from, proof, changes) = self.roster.delta();
        let mut steps = Vec::new();
        let told = self.view.delta(from, &proof, changes, some_instant(), &mut steps);
        told.expect("an honest delta fits");
        steps.into_iter().for_each(|step| self.listen(step));
    }

    fn listen(&mut self, step: Step) {
        match step {
            Step::Joined(entry) => assert_eq!(self.listener.insert(entry.id, entry), None),
            Step::Updated(entry) => assert!(self.listener.insert(entry.id, entry).is_some()),
            Step::Left { entry, .. } => {
                assert_eq!(self.listener.remove(&entry.id), Some(entry), "as last seen");
            }
        }
    }

    fn page(&mut self, width: u32) {
        let Some(first) = self.roster.page_from else { return };
        let (first, last, entries) = self.roster.page(first, width);
        self.view.page(first, last, entries);
        if self.roster.page_from.is_none() {
            self.delta();
            self.view
                .end_snapshot(&self.roster.proof(), some_instant())
                .expect("an honest snapshot fits");
            self.listener = self.view.entries().map(|entry| (entry.id, entry)).collect();
        }
    }

    fn ack(&mut self) {
        self.delta();
        self.view.prove(&self.roster.proof(), some_instant()).expect("an honest ack fits");
    }

    fn check(&self) {
        if self.view.is_complete() && self.roster.pending.is_empty() {
            assert_eq!(copied(&self.view), held(&self.roster));
            assert!(
                self.view.entries().eq(self.listener.values().cloned()),
                "the events tell the same"
            );
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_a_complete_view_is_the_roster(steps in steps()) {
        let (view, roster) = agreed(&["ada"]);
        let listener = view.entries().map(|entry| (entry.id, entry)).collect();
        let mut rig = Rig { view, roster, listener };
        for step in steps {
            rig.run(step);
            rig.check();
        }
    }

    #[test]
    fn one_wrong_character_is_found_and_a_snapshot_sets_it_right(
        steps in steps(), victim in 0..16_u32, width in 0..20_u32,
    ) {
        let (view, roster) = agreed(&NAMES);
        let listener = view.entries().map(|entry| (entry.id, entry)).collect();
        let mut rig = Rig { view, roster, listener };
        steps.into_iter().for_each(|step| rig.run(step));
        let Rig { mut view, mut roster, .. } = rig;
        roster.delta();
        snapshot(&mut view, &mut roster, width).expect("an honest snapshot proves itself");

        // The server means one text, the client is told another.
        roster.change(Change::Joined(entry(victim, "victim", "meant", 1)));
        let (from, proof, _) = roster.delta();
        let told = vec![Change::Joined(entry(victim, "victim", "told", 1))];
        let found = view.delta(from, &proof, told, some_instant(), &mut Vec::new());
        prop_assert!(matches!(found, Err(Mismatch::Digest { .. })), "{found:?}");
        prop_assert!(!view.is_complete());

        prop_assert_eq!(snapshot(&mut view, &mut roster, width), Ok(Proved::Replaced));
        prop_assert_eq!(copied(&view), held(&roster));
    }
}
