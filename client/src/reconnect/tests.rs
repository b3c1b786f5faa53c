use herenow_protocol::Violation;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

const AGAIN: Invitation = Invitation::ComeBackAfter(Duration::ZERO);

struct Bench {
    policy: Reconnect,
    rng: StdRng,
    now: Instant,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn seeded(seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { policy: Reconnect::new(true), rng, now: Instant::now() }
    }

    fn fail(&mut self, invitation: Invitation) -> Duration {
        let reason = Disconnect::ConnectionRefused;
        let retry = self.ended(&reason, invitation);
        retry.expect("a refused connection is tried again").at - self.now
    }

    /// An end with nothing to go on with.
    fn ended(&mut self, reason: &Disconnect, invitation: Invitation) -> Option<Retry> {
        self.policy.ended(reason, invitation, JITTER_MAX, self.now, &mut self.rng)
    }
}

fn goodbye(reason: CloseReason) -> Disconnect {
    Disconnect::Goodbye { reason, text: String::new() }
}

#[test]
fn the_range_doubles_up_to_twenty_seconds_and_never_falls_below_half_a_second() {
    let ranges = [1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0];
    let mut longest = [Duration::ZERO; 8];
    for seed in 0..300 {
        let mut bench = Bench::seeded(seed);
        for (failure, range) in ranges.iter().enumerate() {
            let wait = bench.fail(Invitation::Unsaid);
            assert!(
                wait >= RETRY_MIN && wait <= Duration::from_secs_f64(*range),
                "{failure}: {wait:?}"
            );
            longest[failure] = longest[failure].max(wait);
        }
    }
    for (longest, range) in longest.iter().zip(ranges) {
        assert!(
            longest.as_secs_f64() > 0.9 * range,
            "the whole range is used: {longest:?} of {range}"
        );
    }
}

#[test]
fn a_server_that_says_goodbye_for_ever_is_tried_ever_more_rarely() {
    let mut bench = Bench::seeded(3);
    let mut waited = Duration::ZERO;
    for _ in 0..100 {
        bench.policy.signed_in(bench.now);
        let wait = bench.fail(AGAIN);
        assert!(wait >= RETRY_MIN, "{wait:?}");
        waited += wait;
    }
    assert!(waited > Duration::from_secs(500), "{waited:?} for 100 tries");
}

#[test]
fn the_time_that_the_server_gave_is_kept_and_jittered() {
    let asked = Duration::from_secs(7);
    let waits: Vec<Duration> =
        (0..50).map(|seed| Bench::seeded(seed).fail(Invitation::ComeBackAfter(asked))).collect();
    let jitter = Duration::from_millis(250);
    assert!(waits.iter().all(|&wait| wait >= asked && wait <= asked + jitter), "{waits:?}");
    let longest = waits.iter().max().expect("fifty seeds");
    assert!(*longest > asked + jitter / 2, "the whole range is used: {longest:?}");
    assert!(waits.windows(2).any(|pair| pair[0] != pair[1]), "not all at once");
}

#[test]
fn who_was_given_a_time_keeps_to_it_however_often_he_failed() {
    let mut bench = Bench::seeded(4);
    for _ in 0..10 {
        bench.fail(Invitation::Unsaid);
    }
    let asked = Duration::from_secs(7);
    let wait = bench.fail(Invitation::ComeBackAfter(asked));
    assert!(wait >= asked && wait <= asked + SLOT_JITTER_MAX, "{wait:?}");
}

#[test]
fn the_range_can_be_bounded_but_never_below_half_a_second() {
    for (range_max, longest) in [(4_000, 4_000), (700, 700), (0, 500)] {
        let mut bench = Bench::seeded(6);
        let reason = Disconnect::ConnectionRefused;
        for _ in 0..50 {
            let range_max = Duration::from_millis(range_max);
            let (now, rng) = (bench.now, &mut bench.rng);
            let retry = bench.policy.ended(&reason, Invitation::Unsaid, range_max, now, rng);
            let wait = retry.expect("it is tried again").at - now;
            assert!(wait >= RETRY_MIN && wait <= Duration::from_millis(longest), "{wait:?}");
        }
    }
}

#[test]
fn the_bound_of_a_resumable_session_is_a_part_of_the_silence() {
    let range = |silence_ms| resume_range(Duration::from_millis(silence_ms)).as_millis();
    assert_eq!([range(10_000), range(5_000)], [4_000, 2_000]);
    assert_eq!([range(500), range(3_600_000)], [500, 4_000], "within sensible bounds");
}

#[test]
fn an_endless_wait_is_cut_to_a_day() {
    let wait = Bench::seeded(1).fail(Invitation::ComeBackAfter(Duration::MAX));
    assert!(wait <= COME_BACK_MAX + JITTER_MAX);
}

#[test]
fn a_minute_signed_in_makes_up_for_earlier_failures() {
    for (signed_in_for, range) in [(59, JITTER_MAX), (60, Duration::from_secs(1))] {
        let longest = (0..100).map(|seed| {
            let mut bench = Bench::seeded(seed);
            for _ in 0..10 {
                bench.fail(Invitation::Unsaid);
            }
            bench.policy.signed_in(bench.now);
            bench.now += Duration::from_secs(signed_in_for);
            bench.fail(Invitation::Unsaid)
        });
        let longest = longest.max().expect("a hundred seeds");
        assert!(longest <= range && longest > range / 2, "{signed_in_for} s: {longest:?}");
    }
}

#[test]
fn nobody_comes_back_where_he_is_not_wanted() {
    use CloseReason as R;
    let mut bench = Bench::seeded(1);
    let finals = [
        goodbye(R::Replaced),
        goodbye(R::NameInUse),
        goodbye(R::BadHello),
        goodbye(R::UnsupportedVersion),
        goodbye(R::ProtocolError(Violation::WrongShape)),
        Disconnect::Left,
    ];
    for reason in finals {
        let retry = bench.ended(&reason, AGAIN);
        assert_eq!(retry, None, "{reason:?}, even if the server says that it may");
    }
    let reason = goodbye(R::ServerShutdown);
    let stay_away = bench.ended(&reason, Invitation::StayAway);
    assert_eq!(stay_away, None);
    assert!(bench.ended(&reason, AGAIN).is_some());
    let mut never = Reconnect::new(false);
    assert_eq!(never.ended(&reason, AGAIN, JITTER_MAX, bench.now, &mut bench.rng), None);
}

#[test]
fn a_link_that_comes_back_is_used_soon_but_not_before_the_server_wants() {
    let mut bench = Bench::seeded(5);
    let reason = Disconnect::NetworkDown;
    for _ in 0..9 {
        bench.fail(Invitation::Unsaid);
    }
    for _ in 0..50 {
        let retry = bench.ended(&reason, Invitation::Unsaid);
        let mut retry = retry.expect("it is tried again");
        let before = retry.at;
        retry.link_up(bench.now, &mut bench.rng);
        assert!(retry.at <= before && retry.at <= bench.now + LINK_UP_RANGE.1);
        assert!(retry.at >= bench.now + RETRY_MIN);
    }
    let asked = Invitation::ComeBackAfter(Duration::from_secs(9));
    let retry = bench.ended(&reason, asked);
    let mut retry = retry.expect("it is tried again");
    retry.link_up(bench.now, &mut bench.rng);
    assert!(retry.at >= bench.now + Duration::from_secs(9));
}

#[test]
fn an_impatient_user_waits_for_half_a_second_at_most() {
    let mut bench = Bench::seeded(5);
    let asked = Invitation::ComeBackAfter(Duration::from_secs(9));
    let reason = goodbye(CloseReason::ServerShutdown);
    let retry = bench.ended(&reason, asked);
    let mut retry = retry.expect("it is tried again");
    retry.hurry(bench.now);
    assert_eq!(retry.at, bench.now + RETRY_MIN);
    let later = bench.now + Duration::from_secs(2);
    retry.hurry(later);
    assert_eq!(retry.at, later);
}
