//! How much one session may say: frames, bytes and changes that everybody is told of.
//!
//! Three token buckets in 20 bytes, for there are many sessions. Who says more is read from later, so that the network
//! holds it up; who never stops is sent away.

use std::time::{Duration, Instant};

use crate::clock::Mark;

/// Who says too much without a pause for this long is sent away.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How much may be said in a second; twice as many frames and bytes, and five changes, at once. 0 stands for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Frames.
    pub frames: u32,
    /// Bytes.
    pub bytes: u32,
    /// Changes of what others see.
    pub changes: u32,
}

/// What came in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Its bytes.
    pub bytes: u32,
    /// Whether others must be told.
    pub is_change: bool,
}

/// How much may be said at once, in seconds of the rate.
const BURST_SECONDS: u64 = 2;

/// How many changes may be made at once.
const BURST_CHANGES: u64 = 5;

const SECOND_US: u64 = 1_000_000;

/// What a session has said, less what the time has given back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    /// When the debts were last brought up to date.
    at: Option<Mark>,
    /// How long it takes until all of it is given back, in microseconds.
    frames: u32,
    bytes: u32,
    changes: u32,
    /// Since when it has said too much without a pause.
    over_since: Option<Mark>,
}

/// What to do about a session that has said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Read on.
    GoOn,
    /// Read on after this time.
    Wait(Duration),
    /// It has had its chances.
    SendAway,
}

impl Meter {
    /// A session has said this.
    pub fn charge(&mut self, load: Load, rates: &Rates, now: Instant) -> Verdict {
        self.give_back(now);
        let frames =
            charge(&mut self.frames, 1, rates.frames, BURST_SECONDS * u64::from(rates.frames));
        let burst = BURST_SECONDS * u64::from(rates.bytes);
        let bytes = charge(&mut self.bytes, load.bytes, rates.bytes, burst);
        let changed = u32::from(load.is_change);
        let changes = charge(&mut self.changes, changed, rates.changes, BURST_CHANGES);
        let wait = frames.max(bytes).max(changes);
        if wait.is_zero() {
            self.over_since = None;
            return Verdict::GoOn;
        }
        let since = self.over_since.get_or_insert(Mark::of(now)).instant(now);
        match now.saturating_duration_since(since) > PATIENCE {
            true => Verdict::SendAway,
            false => Verdict::Wait(wait),
        }
    }

    /// Whether it is like a new one: all is given back, and no patience was needed lately.
    #[must_use]
    pub fn is_settled(&self, now: Instant) -> bool {
        let owed = self.frames.max(self.bytes).max(self.changes);
        self.over_since.is_none() && owed <= self.given_back_us(now)
    }

    /// What the time has given back since the debts were last brought up to date.
    fn given_back_us(&self, now: Instant) -> u32 {
        let passed =
            self.at.map_or(Duration::MAX, |at| now.saturating_duration_since(at.instant(now)));
        u32::try_from(passed.as_micros()).unwrap_or(u32::MAX)
    }

    fn give_back(&mut self, now: Instant) {
        let us = self.given_back_us(now);
        self.at = Some(Mark::of(now));
        for debt in [&mut self.frames, &mut self.bytes, &mut self.changes] {
            *debt = debt.saturating_sub(us);
        }
    }
}

/// Adds what `count` pieces cost, of which so many are given back in a second and so many may be taken at once. Returns
/// how long to wait until no more than that is owed.
fn charge(debt: &mut u32, count: u32, per_second: u32, burst: u64) -> Duration {
    if per_second == 0 || count == 0 {
        return Duration::ZERO;
    }
    let per_second = u64::from(per_second);
    let cost = u64::from(count) * SECOND_US / per_second;
    let owed = u64::from(*debt) + cost;
    *debt = u32::try_from(owed).unwrap_or(u32::MAX);
    Duration::from_micros(owed.saturating_sub(burst * SECOND_US / per_second))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATES: Rates = Rates { frames: 20, bytes: 8_192, changes: 1 };

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
    fn start() -> Instant {
        Instant::now()
    }

    fn small(is_change: bool) -> Load {
        Load { bytes: 10, is_change }
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<Meter>() <= 20, "{} bytes", size_of::<Meter>());
    }

    #[test]
    fn a_flood_is_read_at_the_rate_and_sent_away_after_its_patience() {
        let (begun, mut meter, mut frames) = (start(), Meter::default(), 0);
        let mut now = begun;
        loop {
            match meter.charge(small(false), &RATES, now) {
                Verdict::GoOn => frames += 1,
                Verdict::Wait(wait) => {
                    frames += 1;
                    now += wait;
                }
                Verdict::SendAway => break,
            }
        }
        let took = now - begun;
        assert!(took > PATIENCE && took < PATIENCE + Duration::from_millis(200), "{took:?}");
        assert!((240..=250).contains(&frames), "{frames} frames: 40 at once and 20 a second");
    }

    #[test]
    fn who_beats_at_the_fastest_interval_and_who_speaks_in_turn_is_never_held_up() {
        let (begun, mut meter) = (start(), Meter::default());
        for n in 0..1_000 {
            let now = begun + Duration::from_millis(100 * n);
            let load = Load { bytes: 300, is_change: n % 10 == 0 };
            assert_eq!(meter.charge(load, &RATES, now), Verdict::GoOn, "after {n} frames");
        }
    }

    #[test]
    fn five_changes_at_once_are_free_and_the_sixth_waits() {
        let (now, mut meter) = (start(), Meter::default());
        for _ in 0..5 {
            assert_eq!(meter.charge(small(true), &RATES, now), Verdict::GoOn);
        }
        let Verdict::Wait(wait) = meter.charge(small(true), &RATES, now) else { panic!() };
        assert!(wait > Duration::from_millis(900) && wait <= Duration::from_secs(1), "{wait:?}");
    }

    #[test]
    fn without_limits_nobody_waits() {
        let (now, mut meter) = (start(), Meter::default());
        let none = Rates { frames: 0, bytes: 0, changes: 0 };
        for _ in 0..100_000 {
            let load = Load { bytes: 4_096, is_change: true };
            assert_eq!(meter.charge(load, &none, now), Verdict::GoOn);
        }
    }

    proptest! {
        /// Whatever the frames and pauses are like, who waits as told gets no more than burst and rate in any span.
        #[test]
        fn nobody_says_more_than_the_rate_allows(
            loads in proptest::collection::vec((0_u32..4_096, any::<bool>(), 0_u64..2_000), 1..200)
        ) {
            let begun = start();
            let (mut now, mut meter) = (begun, Meter::default());
            let mut said: Vec<(Instant, u32, bool)> = Vec::new();
            for (bytes, is_change, pause) in loads {
                now += Duration::from_millis(pause);
                said.push((now, bytes, is_change));
                match meter.charge(Load { bytes, is_change }, &RATES, now) {
                    Verdict::GoOn => {}
                    // Marks count whole milliseconds.
                    Verdict::Wait(wait) => now += wait + Duration::from_millis(1),
                    Verdict::SendAway => break,
                }
            }
            for (first, (then, ..)) in said.iter().enumerate() {
                let (mut bytes, mut changes) = (0_u64, 0_u32);
                for (count, (at, more, is_change)) in said[first..].iter().enumerate() {
                    bytes += u64::from(*more);
                    changes += u32::from(*is_change);
                    let span = at.duration_since(*then).as_secs_f64() + 0.002 * (count + 1) as f64;
                    // One frame is read before it is known what it costs.
                    prop_assert!((count as f64) <= 41.0 + 20.0 * span);
                    prop_assert!((bytes as f64) <= 16_384.0 + 4_096.0 + 8_192.0 * span);
                    prop_assert!(f64::from(changes) <= 6.0 + span);
                }
            }
        }
    }
}
