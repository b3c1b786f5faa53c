//! A crowd at a place, some of whom watch.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::crowd::{Home, Member, quiet, varied, watching};
use super::diary::Greeted;
use super::place::Place;
use super::server::TestServer;
use super::{PATIENCE, wait_for};

/// How often a crowd is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A server and its people.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) members: Vec<Member>,
    watchers: usize,
    /// Dropped after the members' handles, and before the server that would see them go.
    homes: Vec<Home>,
    pub(crate) server: TestServer,
    pub(crate) place: Place,
}

impl Scene {
    /// A crowd of which the first ones watch the lobby. Returns when all of these see everybody.
    pub(crate) fn gather(place: Place, count: usize, watchers: usize) -> Self {
        let server = place.serve();
        let homes: Vec<_> = (0..2).map(|_| Home::new()).collect();
        let mut scene = Self { members: Vec::new(), watchers, homes, server, place };
        for number in 0..count {
            scene.add(number);
        }
        scene.wait_until("everyone to be in", |scene| scene.members.iter().all(Member::is_in));
        scene.wait_until("everyone to be seen", |scene| {
            scene.watchers().iter().all(|watcher| {
                let sight = &watcher.diary.open().sight;
                sight.entries.len() == count && sight.proved_at.is_some()
            })
        });
        scene
    }

    fn add(&mut self, number: usize) {
        let (address, name) = (self.place.address, format!("user {number}"));
        let watches = number < self.watchers;
        let options = if watches { watching(address, &name) } else { quiet(address, &name) };
        let home = &self.homes[number % self.homes.len()];
        self.members.push(home.settle(varied(options, number)));
    }

    /// Those who watch the lobby.
    pub(crate) fn watchers(&self) -> &[Member] {
        &self.members[..self.watchers]
    }

    /// From now on every watcher must see everyone just as the first watcher sees them now, except that some may go.
    pub(crate) fn expect_no_change_but(&self, going: &[&Member]) {
        let people = self.watchers()[0].diary.open().sight.people();
        let names: BTreeSet<_> = self.members.iter().map(|member| member.name.clone()).collect();
        assert_eq!(people.keys().cloned().collect::<BTreeSet<_>>(), names);
        let going: BTreeSet<_> = going.iter().map(|member| member.name.clone()).collect();
        for watcher in self.watchers() {
            watcher.diary.open().sight.expect(people.clone(), going.clone());
        }
    }

    /// Waits until something is so, which is looked at now and then.
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        wait_for(what, PATIENCE, || {
            std::thread::sleep(LOOK);
            is_so(self).then_some(())
        });
    }

    /// Waits until these have signed in for the second time. Returns how, in their order.
    pub(crate) fn wait_for_return(&self, of: impl Fn(&Member) -> bool) -> Vec<Greeted> {
        let awaited: Vec<_> = self.members.iter().filter(|member| of(member)).collect();
        let returned = |member: &&Member| member.diary.open().welcomes.get(1).copied();
        self.wait_until("everyone to come back", |_| {
            awaited.iter().all(|member| returned(member).is_some())
        });
        awaited.iter().filter_map(returned).collect()
    }

    /// Waits until every watcher's list was proved exact after this moment.
    pub(crate) fn wait_for_proof_after(&self, moment: Instant) {
        self.wait_until("all lists to be proved", |scene| {
            let proved = |watcher: &Member| {
                watcher.diary.open().sight.proved_at.is_some_and(|proved_at| proved_at > moment)
            };
            scene.watchers().iter().all(proved)
        });
    }

    /// These went on by themselves, once, with the session that they had.
    pub(crate) fn assert_resumed(&self, of: impl Fn(&Member) -> bool) {
        for member in self.members.iter().filter(|member| of(member)) {
            let diary = member.diary.open();
            let [first, second] = diary.welcomes[..] else {
                panic!("{} signed in {} times", member.name, diary.welcomes.len())
            };
            assert!(second.resumed && second.session == first.session, "{}", member.name);
            assert!(diary.ends.iter().all(|(_, _, retry_in)| retry_in.is_some()), "{diary:?}");
            assert_eq!(diary.troubles, [""; 0], "{}", member.name);
        }
    }

    /// At no moment did any watcher show anything but what was expected, and now two of them show the very same.
    pub(crate) fn assert_seen_as_expected(&self) {
        for watcher in self.watchers() {
            let sight = &watcher.diary.open().sight;
            assert_eq!(sight.differences, [""; 0], "as {} saw it", watcher.name);
            assert!(sight.snapshots > 0, "{} never got the list of the new server", watcher.name);
        }
        let [one, other, ..] = self.watchers() else { panic!("two watchers are compared") };
        let (one, other) = (&one.diary.open().sight.entries, &other.diary.open().sight.entries);
        assert!(one == other, "two watchers differ");
    }
}
