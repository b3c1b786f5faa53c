//! What is written down: enough to go on after a restart, and every session closed exactly once.

use std::collections::{BTreeMap, BTreeSet};

use herenow_protocol::Metadata;
use proptest::prelude::*;

use super::*;
use crate::journal::{Logged, PersonRecord, Restored, SessionRecord};

/// What a disk would have after some records.
#[derive(Clone, Default)]
pub(super) struct Disk {
    sessions: BTreeMap<SessionId, SessionRecord>,
    people: BTreeMap<DisplayName, PersonRecord>,
    last_seen: BTreeMap<DisplayName, u64>,
    opened: BTreeSet<SessionId>,
    closed: BTreeSet<SessionId>,
}

impl Disk {
    pub(super) fn write(&mut self, record: &Record) {
        match record.clone() {
            Record::Session(session) => {
                assert!(!self.closed.contains(&session.session), "it is closed already");
                self.sessions.insert(session.session, *session);
            }
            Record::SessionGone(session) => drop(self.sessions.remove(&session)),
            Record::Person(person) => drop(self.people.insert(person.name.clone(), *person)),
            Record::PersonGone(name) => drop(self.people.remove(&name)),
            Record::LastSeen(name, ms) => drop(self.last_seen.insert(name, ms)),
            Record::Transition(Logged { transition, .. }) => self.log(&transition),
        }
    }

    fn log(&mut self, transition: &Transition) {
        assert!(transition.not_before_ms <= transition.at_ms, "{transition:?}");
        let Some(session) = transition.session else { return };
        match transition.kind {
            TransitionKind::Opened => assert!(self.opened.insert(session), "opened twice"),
            TransitionKind::Closed => {
                assert!(transition.cause.is_some());
                assert!(self.closed.insert(session), "{session} is closed twice");
            }
            _ => {}
        }
        assert!(self.opened.contains(&session), "never opened");
    }

    pub(super) fn read(&mut self, desk: &mut Desk) {
        let News(effects) = desk.news();
        effects.iter().for_each(|effect| {
            if let Effect::Record(record) = effect {
                self.write(record);
            }
        });
    }

    pub(super) fn restored(&self, alive_ms: u64, stopped: bool) -> Restored {
        let mut sessions: Vec<_> = self.sessions.values().cloned().collect();
        sessions.sort_by_key(|session| (session.opened_ms, session.session));
        let mut last_seen: Vec<_> = self.last_seen.clone().into_iter().collect();
        last_seen.sort_by_key(|(_, ms)| std::cmp::Reverse(*ms));
        let people = self.people.values().cloned().collect();
        Restored { sessions, people, last_seen, alive_ms, stopped }
    }

    /// Every session that was opened is closed or can be restored, not both.
    pub(super) fn check(&self) {
        let open: BTreeSet<_> = self.sessions.keys().copied().collect();
        assert!(open.is_disjoint(&self.closed));
        assert_eq!(&open | &self.closed, self.opened);
        let users: BTreeSet<_> = self.sessions.values().map(|s| s.name.clone()).collect();
        assert_eq!(self.people.keys().cloned().collect::<BTreeSet<_>>(), users);
    }
}

/// A process that goes on where the other one ended.
pub(super) fn restart(desk: &mut Desk, disk: &mut Disk, stopped: bool, outage: Duration) -> Desk {
    disk.read(desk);
    let restored = disk.restored(desk.now.unix_ms, stopped);
    desk.pass(outage);
    let mut next = Desk::new();
    (next.start, next.now, next.connections) = (desk.start, desk.now, desk.connections);
    next.registry.restore(restored, RULE.misses, next.now, &mut next.effects);
    next
}

/// Everyone in the lobby as others see them, without when they began to.
pub(super) fn listed(desk: &Desk) -> BTreeMap<String, Shown> {
    let shown = |entry: &Entry| Shown { since_ms: 0, ..entry.shown.clone() };
    desk.registry.listed().map(|entry| (entry.name.to_string(), shown(&entry))).collect()
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    SignIn(u8, u8, Status, bool),
    Resume(u8),
    End(u8, u8),
    Choose(u8, Status, bool, Option<String>, u64),
    Metadata(u8),
    Join(u8, u8),
    Leave(u8, u8),
    Wait(u64),
}

fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(&Status::CHOICES[..])
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let text = prop::option::of(prop::sample::select(&["", "lunch", "brb"][..]));
    let text = text.prop_map(|text| text.map(str::to_owned));
    let waits = prop::sample::select(&[1, 40, 900, 3_000, 5_000, 11_000, 61_000][..]);
    prop_oneof![
        4 => (0..3_u8, 0..4_u8, status(), any::<bool>())
            .prop_map(|(user, device, status, key)| Step::SignIn(user, device, status, key)),
        2 => any::<u8>().prop_map(Step::Resume),
        3 => (any::<u8>(), 0..4_u8).prop_map(|(who, cause)| Step::End(who, cause)),
        3 => (any::<u8>(), status(), any::<bool>(), text, 0..3_000_u64)
            .prop_map(|(who, status, auto, text, span)| Step::Choose(who, status, auto, text, span)),
        1 => any::<u8>().prop_map(Step::Metadata),
        2 => (any::<u8>(), 0..3_u8).prop_map(|(who, room)| Step::Join(who, room)),
        1 => (any::<u8>(), 0..3_u8).prop_map(|(who, room)| Step::Leave(who, room)),
        3 => waits.prop_map(Step::Wait),
    ]
}

/// Carries out one step of a script; a number stands for one of the connections so far, over or not.
pub(super) fn carry_out(desk: &mut Desk, step: &Step) {
    // Sessions of one millisecond have no order.
    desk.advance(Duration::from_millis(1));
    let all = desk.connections;
    let nth = move |who: u8| ConnectionId(u64::from(who) % all.max(1) + 1);
    match step.clone() {
        Step::SignIn(user, device, status, with_key) => {
            let user = ["ada", "bob", "eve"][usize::from(user)];
            let hello = if with_key { keyed(user, "d") } else { hello(user, "d") };
            let id = DeviceId::new(&format!("{user}.{device}")).expect("valid");
            let label = DeviceLabel::new(&device.to_string()).expect("valid");
            let choice = Choice { status, automatic: with_key, ..Choice::default() };
            desk.try_sign_in(Hello { device: id, label, choice, ..hello });
        }
        Step::Resume(who) => {
            for user in ["ada", "bob", "eve"] {
                // A token is one user's; for the others this is a plain sign-in.
                let hello = resuming(hello(user, "d"), nth(who), &[]);
                if desk.registry.sessions.of_token(Fingerprint::of(&token(nth(who)).0)).is_some() {
                    desk.try_sign_in(hello);
                }
            }
        }
        Step::End(who, cause) => {
            let cause = [
                CloseReason::Goodbye,
                CloseReason::ConnectionReset,
                CloseReason::HeartbeatTimeout,
                CloseReason::InternalError,
            ][usize::from(cause)];
            desk.end(nth(who), cause);
        }
        Step::Choose(who, status, automatic, text, span) => {
            let text = text.map(|text| words(&text));
            let text_for = (span > 0).then(|| Duration::from_millis(span));
            let choice = Choice { status, automatic, text, text_for, metadata: None };
            desk.say(nth(who), Command::Choose(choice));
        }
        Step::Metadata(who) => {
            let metadata = Metadata::new([("k", &*who.to_string())]).expect("small");
            let choice = Choice { metadata: Some(metadata), ..chosen(Status::Available) };
            desk.say(nth(who), Command::Choose(choice));
        }
        Step::Join(who, n) => drop(desk.say(nth(who), Command::Join(room(&n.to_string())))),
        Step::Leave(who, n) => drop(desk.say(nth(who), Command::Leave(room(&n.to_string())))),
        Step::Wait(ms) => desk.advance(Duration::from_millis(ms)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_session_that_is_opened_is_closed_exactly_once(
        lives in proptest::collection::vec(
            (proptest::collection::vec(step(), 0..60), any::<bool>(), 0..70_000_u64),
            1..4,
        ),
    ) {
        let (mut desk, mut disk) = (Desk::new(), Disk::default());
        for (steps, stopped, outage) in lives {
            for step in steps {
                carry_out(&mut desk, &step);
                disk.read(&mut desk);
                disk.check();
            }
            desk = restart(&mut desk, &mut disk, stopped, Duration::from_millis(outage));
            disk.read(&mut desk);
            disk.check();
        }
        for n in 1..=desk.connections {
            desk.end(ConnectionId(n), CloseReason::ConnectionReset);
        }
        desk.advance(WINDOW * 2);
        disk.read(&mut desk);
        disk.check();
        prop_assert_eq!(&disk.opened, &disk.closed);
        prop_assert_eq!(desk.registry.session_count(), 0);
        prop_assert_eq!(desk.registry.users.len(), 0, "nobody is remembered for ever");
    }

    #[test]
    fn a_restart_shows_the_same_people(
        steps in proptest::collection::vec(step(), 0..80),
        outage in 0..9_000_u64,
    ) {
        let (mut desk, mut disk) = (Desk::new(), Disk::default());
        steps.iter().for_each(|step| carry_out(&mut desk, step));
        let texts_end = desk.registry.listed().any(|entry| entry.shown.presence.until_ms > 0);
        let outage = if texts_end { Duration::ZERO } else { Duration::from_millis(outage) };
        let mut next = restart(&mut desk, &mut disk, false, outage);
        prop_assert_eq!(listed(&next), listed(&desk));
        let rooms = [&mut desk, &mut next].map(|desk| {
            let tool = desk.sign_in(observer("tool", "cli"));
            ["0", "1", "2"].map(|text| desk.room(tool, text))
        });
        prop_assert_eq!(&rooms[0], &rooms[1]);
    }
}

#[test]
fn a_session_is_opened_lost_resumed_and_closed_and_its_user_online_and_offline() {
    use TransitionKind::{Changed, Closed, Lost, Offline, Online, Opened, Resumed};
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.choose(ada, chosen(Status::Busy));
    desk.choose(ada, saying("and no other status"));
    desk.end(ada, CloseReason::ConnectionReset);
    desk.advance(GRACE);
    let (new, _) = desk.resume(hello("ada", "desk"), ada);
    desk.end(new, CloseReason::Goodbye);
    let news = desk.news();
    let (session, offline): (Vec<_>, Vec<_>) =
        news.transitions().into_iter().partition(|t| t.session.is_some());
    let kinds = |of: &[&Transition]| of.iter().map(|t| t.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&session), [Opened, Lost, Resumed, Closed]);
    assert_eq!(kinds(&offline), [Online, Changed, Changed, Offline, Online, Offline]);
    assert_eq!(offline[1].status, Some(Status::Busy));
    let causes: Vec<_> = session.iter().map(|t| t.cause).collect();
    let (lost, closed) = (Some(CloseReason::ConnectionReset), Some(CloseReason::Goodbye));
    assert_eq!(causes, [None, lost, None, closed]);
}

#[test]
fn who_was_seen_last_is_written_when_others_see_them_no_more() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.advance(SECOND);
    desk.choose(ada, chosen(Status::Invisible));
    let hidden_ms = desk.now.unix_ms;
    desk.advance(SECOND);
    desk.end(ada, CloseReason::Goodbye);
    let news = desk.news();
    let seen: Vec<_> =
        news.records().filter(|record| matches!(record, Record::LastSeen(..))).collect();
    assert_eq!(seen, [&Record::LastSeen(name("ada"), hidden_ms)], "once, when she hid");
}

#[test]
fn of_too_many_users_the_newest_are_known() {
    let mut desk = Desk::with_rules(Rules { last_seen_max: 2, ..rules() });
    for user in ["ada", "bob", "ada", "eve"] {
        desk.advance(SECOND);
        let connection = desk.sign_in(hello(user, "desk"));
        desk.end(connection, CloseReason::Goodbye);
    }
    let tool = desk.sign_in(observer("tool", "cli"));
    let known = ["ada", "bob", "eve"].map(|user| desk.ask(tool, user).since_ms > 0);
    assert_eq!(known, [true, false, true]);
}

#[test]
fn nothing_is_written_where_nobody_keeps_it() {
    let mut desk = Desk::with_rules(Rules { journal: false, ..rules() });
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.end(ada, CloseReason::Goodbye);
    assert_eq!(desk.news().records().count(), 0);
}

#[test]
fn secrets_are_written_as_fingerprints_only() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(keyed("ada", "desk"));
    let news = desk.news();
    let session = news.records().find_map(|record| match record {
        Record::Session(session) => Some(session),
        _ => None,
    });
    let session = session.expect("a session that begins is written down");
    assert_eq!(session.token, Fingerprint::of(&token(ada).0));
    assert_ne!(session.token.0, token(ada).0);
    assert_eq!(session.device, Fingerprint::of(b"ada.desk"));
}
