use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "any point in time will do")]
fn start() -> Instant {
    Instant::now()
}

fn name(id: u32) -> DisplayName {
    DisplayName::new(&format!("p{id}")).expect("a valid name")
}

fn person(id: u32) -> Arrival {
    Arrival { name: name(id), favourite: true, awaited: false }
}

fn awaited(id: u32) -> Arrival {
    Arrival { favourite: false, awaited: true, ..person(id) }
}

/// Notices with a clock turned by hand, for which every deadline is kept.
struct Told {
    notices: Notices,
    now: Instant,
    out: Vec<Notice>,
}

impl Told {
    fn new() -> Self {
        Self { notices: Notices::default(), now: start(), out: Vec::new() }
    }

    fn come(&mut self, arrivals: impl IntoIterator<Item = Arrival>) {
        for arrival in arrivals {
            self.notices.came(arrival, self.now, &mut self.out);
        }
    }

    fn contact(&mut self, contact: Contact) {
        self.notices.connection(contact, self.now, &mut self.out);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.notices.next_deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.notices.poll(self.now, &mut self.out);
        }
        self.now = end;
    }

    /// What was told since the last call of this, in short.
    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out).iter().map(short).collect()
    }
}

fn short(notice: &Notice) -> String {
    match notice {
        Notice::Came(arrival) => arrival.name.to_string(),
        Notice::CameTogether { names: [a, b], others, .. } => format!("{a}, {b} and {others}"),
        Notice::Lost(kind) => format!("lost: {kind:?}"),
        Notice::Back => "back".to_owned(),
        Notice::Over(kind) => format!("over: {kind:?}"),
    }
}

#[test]
fn one_person_is_told_of_at_once_and_three_one_by_one() {
    let mut world = Told::new();
    world.come([person(1)]);
    assert_eq!(world.told(), ["p1"]);
    world.come([person(2), person(3)]);
    assert_eq!(world.told(), [""; 0], "they wait for others");
    world.pass(BURST);
    assert_eq!(world.told(), ["p2", "p3"]);
}

#[test]
fn more_than_three_become_one_that_replaces_the_first() {
    let mut world = Told::new();
    world.come((1..=7).map(person));
    assert_eq!(world.told(), ["p1"]);
    world.pass(BURST);
    let expected = Notice::CameTogether {
        names: [name(1), name(2)],
        others: 5,
        in_place_of: Some(Place::Person(name(1))),
    };
    assert_eq!(world.out, [expected]);
}

#[test]
fn an_endless_stream_is_told_once_in_two_seconds() {
    let mut world = Told::new();
    for id in 0..40 {
        world.come([person(id)]);
        world.pass(SECOND / 4);
    }
    let told = world.told();
    assert_eq!(
        told,
        [
            "p0",
            "p0, p1 and 6",
            "p8, p9 and 6",
            "p16, p17 and 6",
            "p24, p25 and 6",
            "p32, p33 and 6"
        ]
    );
}

#[test]
fn who_goes_again_meanwhile_is_not_told_of() {
    let mut world = Told::new();
    world.come([person(1), person(2), person(3)]);
    world.notices.left(&name(2));
    world.pass(BURST);
    assert_eq!(world.told(), ["p1", "p3"]);
}

#[test]
fn favourites_are_told_of_unless_the_user_wants_all_or_nobody() {
    let stranger = |id| Arrival { favourite: false, ..person(id) };
    let mut world = Told::new();
    world.come([stranger(1), person(2)]);
    assert_eq!(world.told(), ["p2"]);
    world.pass(BURST);
    world.notices.tell_of(Whom::All);
    world.come([stranger(3)]);
    assert_eq!(world.told(), ["p3"]);
    world.pass(BURST);
    world.notices.tell_of(Whom::Nobody);
    world.come([stranger(4), person(5), awaited(6)]);
    assert_eq!(world.told(), ["p6"], "a promise is kept");
}

#[test]
fn after_a_sign_in_nobody_is_news_but_a_promise_is_kept_when_the_quiet_ends() {
    let mut world = Told::new();
    world.notices.signed_in(world.now);
    world.come([person(1), awaited(2), awaited(3)]);
    world.notices.left(&name(3));
    world.pass(QUIET - Duration::from_millis(1));
    world.come([person(4)]);
    assert_eq!(world.told(), [""; 0]);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.told(), ["p2"]);
    world.pass(BURST);
    world.come([person(5)]);
    assert_eq!(world.told(), ["p5"]);
}

#[test]
fn a_reconnect_within_a_burst_keeps_only_promises() {
    let mut world = Told::new();
    world.come([person(1), person(2), awaited(3)]);
    world.notices.signed_in(world.now);
    world.pass(QUIET + BURST);
    assert_eq!(world.told(), ["p1", "p3"]);
}

#[test]
fn the_busy_are_told_nothing_until_they_no_longer_are() {
    let mut world = Told::new();
    world.come([person(1), person(2), awaited(3)]);
    assert_eq!(world.told(), ["p1"]);
    world.notices.set_busy(true);
    world.come([person(4), awaited(5)]);
    world.contact(Contact::Fine);
    world.contact(Contact::Troubled(Kind::Refused));
    world.pass(SECOND * 60);
    assert_eq!(world.told(), [""; 0]);
    world.notices.set_busy(false);
    world.pass(Duration::ZERO);
    world.notices.poll(world.now, &mut world.out);
    world.pass(BURST);
    assert_eq!(world.told(), ["p3", "lost: Refused", "p5"]);
}

#[test]
fn those_asked_for_are_named_first() {
    let mut world = Told::new();
    world.come((1..=4).map(person));
    world.come([awaited(5)]);
    world.pass(BURST);
    assert_eq!(world.out.last().map(short).as_deref(), Some("p5, p1 and 3"));
}

#[test]
fn a_connection_is_told_lost_only_when_it_stays_so() {
    let mut world = Told::new();
    world.contact(Contact::Fine);
    world.contact(Contact::Troubled(Kind::ContactLost));
    world.pass(LOST_LASTS - Duration::from_millis(1));
    world.contact(Contact::Fine);
    world.pass(SECOND * 60);
    assert_eq!(world.told(), [""; 0], "neither its loss nor its return");

    world.contact(Contact::Troubled(Kind::ContactLost));
    world.pass(SECOND * 6);
    world.contact(Contact::Troubled(Kind::ServerSilent));
    world.pass(SECOND * 4);
    assert_eq!(world.told(), ["lost: ServerSilent"]);
    world.pass(SECOND * 600);
    assert_eq!(world.told(), [""; 0], "once");
    world.contact(Contact::Fine);
    assert_eq!(world.told(), ["back"]);
}

#[test]
fn an_end_for_good_is_told_at_once() {
    let mut world = Told::new();
    world.contact(Contact::Fine);
    world.contact(Contact::Over(Kind::Replaced));
    assert_eq!(world.told(), ["over: Replaced"]);
    world.contact(Contact::Over(Kind::Replaced));
    assert_eq!(world.told(), [""; 0]);
    world.notices.signed_out();
    world.contact(Contact::None);
    assert_eq!(world.told(), [""; 0], "who signs out knows");
}

#[test]
fn an_end_after_a_loss_that_was_told_is_told_too() {
    let mut world = Told::new();
    world.contact(Contact::Troubled(Kind::Refused));
    world.pass(LOST_LASTS);
    world.contact(Contact::Over(Kind::NameInUse));
    assert_eq!(world.told(), ["lost: Refused", "over: NameInUse"]);
}

#[test]
fn names_of_a_crowd_are_not_kept_without_bound() {
    let mut world = Told::new();
    world.come((0..5_000).map(person));
    let waiting = world.notices.burst.as_ref().map_or(0, |burst| burst.waiting.len());
    assert_eq!(waiting, WAITING_MAX);
    world.pass(BURST);
    assert_eq!(world.told(), ["p0", "p0, p1 and 4998"]);
}

#[derive(Clone, Debug)]
enum Step {
    Come { id: u32, favourite: bool, awaited: bool },
    Leave(u32),
    SignIn,
    Busy(bool),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u32..30, any::<bool>(), any::<bool>())
            .prop_map(|(id, favourite, awaited)| Step::Come { id, favourite, awaited }),
        2 => (0_u32..30).prop_map(Step::Leave),
        1 => Just(Step::SignIn),
        1 => any::<bool>().prop_map(Step::Busy),
        6 => (0_u64..3_000).prop_map(Step::Pass),
    ]
}

/// When something was told.
#[derive(Default)]
struct Tally(Vec<Instant>);

impl Tally {
    fn check(
        &mut self,
        told: Vec<Notice>,
        now: Instant,
        wanted: &HashMap<DisplayName, bool>,
        may_tell: bool,
    ) -> Result<(), TestCaseError> {
        for notice in told {
            prop_assert!(may_tell, "{notice:?} was told in the quiet");
            self.0.push(now);
            if let Notice::Came(arrival) = &notice {
                prop_assert!(wanted[&arrival.name], "{arrival:?} is nobody's business");
            }
        }
        let recent = self.0.iter().filter(|&&then| now.duration_since(then) < BURST).count();
        prop_assert!(recent <= BURST_MAX, "{recent} in two seconds");
        Ok(())
    }
}

proptest! {
    /// Whatever happens: never more than three in two seconds, nothing in the quiet or while busy, and nobody told of
    /// who was not wanted.
    #[test]
    fn the_rules_hold_in_any_order_of_events(steps in prop::collection::vec(step(), 1..200)) {
        let mut notices = Notices::default();
        let (begin, mut now) = (start(), start());
        let (mut quiet_until, mut busy) = (begin, false);
        let (mut told, mut came) = (Tally::default(), HashMap::new());
        for step in steps {
            let mut out = Vec::new();
            match step {
                Step::Come { id, favourite, awaited } => {
                    *came.entry(name(id)).or_default() |= favourite || awaited;
                    let arrival = Arrival { favourite, awaited, ..person(id) };
                    notices.came(arrival, now, &mut out);
                }
                Step::Leave(id) => notices.left(&name(id)),
                Step::SignIn => {
                    notices.signed_in(now);
                    quiet_until = now + QUIET;
                }
                Step::Busy(now_busy) => {
                    busy = now_busy;
                    notices.set_busy(busy);
                    notices.poll(now, &mut out);
                }
                Step::Pass(ms) => {
                    let end = now + Duration::from_millis(ms);
                    while let Some(due) = notices.next_deadline().filter(|due| *due <= end) {
                        now = due.max(now);
                        let mut due_now = Vec::new();
                        notices.poll(now, &mut due_now);
                        told.check(due_now, now, &came, now >= quiet_until && !busy)?;
                    }
                    now = end;
                }
            }
            told.check(out, now, &came, now >= quiet_until && !busy)?;
            let is_done = notices.next_deadline().is_none_or(|due| due > now);
            prop_assert!(is_done, "what is due was done");
        }
    }
}
