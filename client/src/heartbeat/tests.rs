use super::*;
use std::cell::Cell;

const H: Duration = Duration::from_secs(2);
const MISSES: u32 = 5;

/// A heartbeat on a clock that is moved by hand.
struct Bench {
    heartbeat: Heartbeat,
    start: Instant,
    now: Cell<Duration>,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn new(first_in: Duration) -> Self {
        let start = Instant::now();
        let heartbeat = Heartbeat::new(H, MISSES, first_in, start);
        Self { heartbeat, start, now: Cell::new(Duration::ZERO) }
    }

    fn now(&self) -> Instant {
        self.start + self.now.get()
    }

    /// Polls at each deadline up to `until`, and lists what was due, with its time.
    fn run(&mut self, until: Duration) -> Vec<(Duration, Pulse)> {
        let mut log = Vec::new();
        while self.heartbeat.deadline() <= self.start + until {
            self.now.set(self.heartbeat.deadline() - self.start);
            let pulses = self.poll();
            let over = pulses.iter().any(|pulse| matches!(pulse, Pulse::Over { .. }));
            log.extend(pulses.into_iter().map(|pulse| (self.now.get(), pulse)));
            if over {
                return log;
            }
        }
        self.now.set(until);
        log
    }

    fn poll(&mut self) -> Vec<Pulse> {
        let mut due = Vec::new();
        self.heartbeat.poll(self.now(), &mut due);
        due
    }

    fn hear(&mut self) -> bool {
        self.heartbeat.heard(self.now())
    }
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn beats_come_on_their_own_clock_whatever_is_heard() {
    let mut bench = Bench::new(secs(0.5));
    let mut beats = Vec::new();
    for step in 1..=95 {
        beats.extend(bench.run(secs(f64::from(step) / 10.0)));
        bench.hear();
    }
    let expected: Vec<_> = [0.5, 2.5, 4.5, 6.5, 8.5].map(secs).into_iter().zip(1..).collect();
    let beat = |(at, n)| (at, Pulse::Beat { n });
    // Whatever is heard, it is no ack.
    assert_eq!(beats.remove(2), (secs(2.5), Pulse::ProofOverdue));
    assert_eq!(beats, expected.into_iter().map(beat).collect::<Vec<_>>());
}

#[test]
fn silence_is_told_at_two_and_ends_at_the_limit() {
    let mut bench = Bench::new(secs(1.0));
    let log = bench.run(secs(60.0));
    let expected = [
        (1.0, Pulse::Beat { n: 1 }),
        (3.0, Pulse::Beat { n: 2 }),
        (3.0, Pulse::ContactLost { unanswered: 2 }),
        (3.0, Pulse::ProofOverdue),
        (5.0, Pulse::Beat { n: 3 }),
        (5.0, Pulse::ContactLost { unanswered: 3 }),
        (7.0, Pulse::Beat { n: 4 }),
        (7.0, Pulse::ContactLost { unanswered: 4 }),
        (9.0, Pulse::Beat { n: 5 }),
        (9.0, Pulse::ContactLost { unanswered: 5 }),
        (10.0, Pulse::Over { unanswered: 5 }),
    ];
    assert_eq!(log, expected.map(|(at, pulse)| (secs(at), pulse)));
}

#[test]
fn it_is_never_over_before_misses_intervals_of_silence() {
    for phase in [0.0, 0.001, 0.7, 1.999, 2.0] {
        let mut bench = Bench::new(secs(phase));
        let (at, pulse) = *bench.run(secs(60.0)).last().expect("silence ends it");
        assert_eq!((at, pulse), (secs(10.0), Pulse::Over { unanswered: 5 }), "phase {phase}");
    }
}

#[test]
fn any_frame_clears_the_count_and_contact_is_back_once() {
    let mut bench = Bench::new(secs(1.0));
    bench.run(secs(5.5));
    assert!(bench.hear());
    assert!(!bench.hear());
    let log = bench.run(secs(60.0));
    assert_eq!(
        log.first(),
        Some(&(secs(7.0), Pulse::Beat { n: 4 })),
        "the clock goes on as before"
    );
    assert_eq!(log.last(), Some(&(secs(15.5), Pulse::Over { unanswered: 5 })));
}

#[test]
fn a_stall_of_this_process_is_forgiven_once() {
    let mut bench = Bench::new(secs(1.0));
    bench.run(secs(9.5));
    bench.now.set(secs(30.0));
    assert_eq!(bench.poll(), [Pulse::Beat { n: 6 }], "it counts from now");
    let log = bench.run(secs(90.0));
    assert_eq!(log.last(), Some(&(secs(40.0), Pulse::Over { unanswered: 5 })));

    let mut bench = Bench::new(secs(1.0));
    bench.run(secs(9.5));
    bench.now.set(secs(30.0));
    bench.poll();
    bench.run(secs(39.0));
    bench.now.set(secs(60.0));
    assert_eq!(bench.poll().last(), Some(&Pulse::Over { unanswered: 5 }), "but not twice in a row");
}

#[test]
fn a_timer_that_is_a_little_late_is_no_excuse() {
    let mut bench = Bench::new(secs(1.0));
    bench.run(secs(9.0));
    bench.now.set(secs(13.9));
    assert_eq!(bench.poll().last(), Some(&Pulse::Over { unanswered: 5 }));
}

#[test]
fn missed_beats_are_not_made_up_for() {
    let mut bench = Bench::new(secs(1.0));
    bench.now.set(secs(100.0));
    assert_eq!(bench.poll(), [Pulse::Beat { n: 1 }, Pulse::ProofOverdue]);
    assert_eq!(bench.poll(), []);
    assert_eq!(bench.heartbeat.deadline(), bench.start + secs(102.0));
}

#[test]
fn the_round_trip_belongs_to_its_beat() {
    let mut bench = Bench::new(secs(1.0));
    bench.run(secs(3.25));
    assert_eq!(bench.heartbeat.answered(1, bench.now()), Some(secs(2.25)));
    assert_eq!(bench.heartbeat.answered(2, bench.now()), Some(secs(0.25)));
    assert_eq!(bench.heartbeat.answered(2, bench.now()), None, "answered already");
    assert_eq!(bench.heartbeat.answered(77, bench.now()), None, "never sent");
}

#[test]
fn proof_is_overdue_after_two_beats_without_an_ack_whatever_else_is_heard() {
    let mut bench = Bench::new(secs(1.0));
    let mut overdue = Vec::new();
    for step in 1..=60 {
        let log = bench.run(secs(f64::from(step) / 5.0));
        overdue.extend(log.into_iter().filter(|(_, pulse)| *pulse == Pulse::ProofOverdue));
        bench.hear();
        if step == 26 {
            bench.heartbeat.answered(3, bench.now());
        }
    }
    let expected = [3.0, 9.0].map(|at| (secs(at), Pulse::ProofOverdue));
    assert_eq!(overdue, expected, "once for each time that acks are missing");
}

#[test]
fn acks_that_come_in_time_keep_the_proof() {
    let mut bench = Bench::new(secs(1.0));
    for n in 1..20_u32 {
        let log = bench.run(secs(2.0 * f64::from(n)));
        assert!(!log.iter().any(|(_, pulse)| *pulse == Pulse::ProofOverdue), "{log:?}");
        bench.hear();
        bench.heartbeat.answered(u64::from(n), bench.now());
        assert!(!bench.heartbeat.is_proof_overdue());
    }
}

#[test]
fn an_ack_of_an_old_beat_proves_only_what_was_then() {
    let mut bench = Bench::new(secs(1.0));
    bench.run(secs(6.0));
    bench.heartbeat.answered(1, bench.now());
    assert!(bench.heartbeat.is_proof_overdue(), "beats 2 and 3 are open");
    bench.heartbeat.answered(2, bench.now());
    assert!(!bench.heartbeat.is_proof_overdue());
    bench.heartbeat.answered(99, bench.now());
    assert!(!bench.heartbeat.is_proof_overdue(), "a number that was never sent does no harm");
}

#[test]
fn the_last_round_trip_is_remembered_in_microseconds() {
    let mut bench = Bench::new(secs(1.0));
    assert_eq!(bench.heartbeat.round_trip_us(), 0);
    bench.run(secs(1.25));
    bench.heartbeat.answered(1, bench.now());
    assert_eq!(bench.heartbeat.round_trip_us(), 250_000);
    bench.heartbeat.answered(1, bench.now());
    assert_eq!(bench.heartbeat.round_trip_us(), 250_000, "no news");
    bench.run(secs(3.0));
    bench.heartbeat.answered(2, bench.now());
    assert_eq!(bench.heartbeat.round_trip_us(), 1, "0 would say that none was measured");
}

#[test]
fn after_a_stall_the_first_beat_makes_the_proof_overdue() {
    let mut bench = Bench::new(secs(1.0));
    bench.run(secs(1.0));
    bench.heartbeat.answered(1, bench.now());
    bench.now.set(secs(100.0));
    assert_eq!(bench.poll(), [Pulse::Beat { n: 2 }, Pulse::ProofOverdue]);
    bench.heartbeat.answered(2, bench.now());
    assert!(!bench.heartbeat.is_proof_overdue());
}

#[test]
fn a_server_that_never_answers_but_talks_costs_no_memory() {
    let mut bench = Bench::new(secs(1.0));
    for second in 1..10_000 {
        bench.run(secs(f64::from(second)));
        bench.hear();
    }
    assert_eq!(bench.heartbeat.sent.len(), REMEMBERED_BEATS);
}
