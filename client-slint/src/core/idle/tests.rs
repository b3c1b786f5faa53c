use proptest::prelude::*;

use super::*;

const AFTER: Duration = Duration::from_secs(300);
const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "any point in time will do")]
fn start() -> Instant {
    Instant::now() + SECOND * 100_000
}

/// A person at a computer, with a clock turned by hand.
struct Computer {
    idle: Idle,
    now: Instant,
    touched: Instant,
    locked: bool,
    showing: Showing,
}

impl Computer {
    fn new(status: Status) -> Self {
        let (idle, now) = (Idle::after(Some(AFTER)), start());
        Self { idle, now, touched: now, locked: false, showing: (status, false) }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn touch(&mut self) {
        self.touched = self.now;
    }

    fn choose(&mut self, status: Status) {
        self.showing = (status, false);
        self.idle.chosen(self.now);
    }

    /// Looks, and shows what comes of it.
    fn look(&mut self) -> Showing {
        let look = self.what_is_seen();
        if let Some(choice) = self.idle.see(look, self.showing, self.now) {
            self.showing = (choice.status, choice.automatic);
        }
        self.showing
    }

    fn what_is_seen(&self) -> Look {
        Look { untouched: Some(self.now - self.touched), locked: self.locked }
    }
}

const AWAY: Showing = (Status::Away, true);
const HERE: Showing = (Status::Available, false);

#[test]
fn who_leaves_the_computer_alone_is_away_and_comes_back_to_the_status_before() {
    for automatic in [false, true] {
        let mut computer = Computer::new(Status::Available);
        computer.showing.1 = automatic;
        computer.pass(AFTER - SECOND);
        assert_eq!(computer.look(), (Status::Available, automatic));
        computer.pass(SECOND);
        assert_eq!(computer.look(), AWAY);
        for _ in 0..2 {
            computer.pass(RETURN_LOOK);
            computer.touch();
            computer.look();
        }
        assert_eq!(computer.showing, (Status::Available, automatic));
    }
}

#[test]
fn one_touch_is_no_return() {
    let mut computer = Computer::new(Status::Available);
    computer.pass(AFTER);
    assert_eq!(computer.look(), AWAY);
    for _ in 0..3 {
        computer.pass(SECOND * 60);
        computer.touch();
        assert_eq!(computer.look(), AWAY);
        computer.pass(RETURN_LOOK);
        assert_eq!(computer.look(), AWAY, "nothing followed the touch");
    }
}

#[test]
fn a_lock_is_away_at_once_and_an_unlock_is_back_at_once() {
    let mut computer = Computer::new(Status::Available);
    computer.locked = true;
    assert_eq!(computer.look(), AWAY);
    computer.touch();
    computer.pass(RETURN_LOOK);
    assert_eq!(computer.look(), AWAY, "somebody tries passwords");
    computer.locked = false;
    assert_eq!(computer.look(), HERE);
}

#[test]
fn where_touches_cannot_be_seen_locks_still_count() {
    let mut idle = Idle::after(Some(AFTER));
    let look = |locked| Look { untouched: None, locked };
    assert_eq!(idle.see(look(false), HERE, start()), None);
    assert_eq!(idle.see(look(true), HERE, start()), Some(Choice::automatic(Status::Away)));
    assert_eq!(idle.see(look(false), AWAY, start()), Some(Choice::default()));
}

#[test]
fn only_who_is_available_goes_away() {
    for status in [Status::Busy, Status::Invisible, Status::Away] {
        let mut computer = Computer::new(status);
        computer.pass(AFTER * 3);
        assert_eq!(computer.look(), (status, false));
        computer.locked = true;
        assert_eq!(computer.look(), (status, false));
        computer.locked = false;
        computer.touch();
        assert_eq!(computer.look(), (status, false));
    }
}

#[test]
fn a_choice_by_hand_wins_and_is_not_replaced_on_return() {
    let mut computer = Computer::new(Status::Available);
    computer.pass(AFTER);
    assert_eq!(computer.look(), AWAY);
    computer.choose(Status::Busy);
    for _ in 0..3 {
        computer.pass(RETURN_LOOK);
        computer.touch();
        assert_eq!(computer.look(), (Status::Busy, false));
    }
}

#[test]
fn a_choice_from_elsewhere_counts_as_a_touch() {
    let mut computer = Computer::new(Status::Available);
    computer.pass(AFTER);
    computer.look();
    computer.choose(Status::Available);
    computer.pass(AFTER - SECOND);
    assert_eq!(computer.look(), HERE);
    computer.pass(SECOND);
    assert_eq!(computer.look(), AWAY);
}

#[test]
fn a_choice_behind_a_locked_screen_is_not_undone_by_the_lock() {
    let mut computer = Computer::new(Status::Available);
    computer.locked = true;
    computer.look();
    computer.choose(Status::Available);
    assert_eq!(computer.look(), HERE);
    computer.locked = false;
    assert_eq!(computer.look(), HERE);
    computer.locked = true;
    assert_eq!(computer.look(), AWAY, "it is another lock");
}

#[test]
fn who_does_not_want_it_never_goes_away_by_idling() {
    let mut computer = Computer::new(Status::Available);
    computer.idle.set_away_after(None);
    computer.pass(AFTER * 100);
    assert_eq!(computer.look(), HERE);
}

#[test]
fn the_computer_is_looked_at_when_there_is_something_to_see() {
    let mut computer = Computer::new(Status::Available);
    computer.pass(SECOND);
    computer.look();
    let look_in =
        |computer: &Computer| computer.idle.look_in(computer.what_is_seen(), computer.now);
    assert_eq!(look_in(&computer), AFTER - SECOND);
    computer.pass(AFTER - SECOND);
    computer.look();
    assert_eq!(look_in(&computer), RETURN_LOOK);
    let blind = Look::default();
    assert_eq!(Idle::after(Some(AFTER)).look_in(blind, computer.now), BLIND_LOOK);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    Touch,
    Lock(bool),
    Choose(Status),
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop::sample::select(Status::CHOICES.to_vec());
    prop_oneof![
        3 => (0_u64..400).prop_map(Step::Pass),
        3 => Just(Step::Touch),
        1 => any::<bool>().prop_map(Step::Lock),
        1 => status.prop_map(Step::Choose),
        5 => Just(Step::Look),
    ]
}

proptest! {
    /// Whatever happens: the user is shown what was chosen by hand, or away by itself and only in place of available; and
    /// never away while there was a touch or a choice lately and the screen was not locked.
    #[test]
    fn the_rules_hold_in_any_order_of_events(steps in prop::collection::vec(step(), 1..200)) {
        let mut computer = Computer::new(Status::Available);
        let (mut chosen, mut chosen_at) = (Status::Available, computer.now);
        for step in steps {
            let before = computer.showing;
            match step {
                Step::Pass(seconds) => computer.pass(SECOND * u32::try_from(seconds).expect("few")),
                Step::Touch => computer.touch(),
                Step::Lock(locked) => computer.locked = locked,
                Step::Choose(status) => {
                    computer.choose(status);
                    (chosen, chosen_at) = (status, computer.now);
                }
                Step::Look => {
                    computer.look();
                }
            }
            let after = computer.showing;
            prop_assert!(after == (chosen, false) || after == AWAY && chosen == Status::Available);
            let last = computer.touched.max(chosen_at);
            if before != AWAY && after == AWAY {
                prop_assert!(computer.locked || computer.now - last >= AFTER);
            }
            prop_assert!(computer.idle.look_in(computer.what_is_seen(), computer.now) >= LOOK_MIN);
        }
    }
}
