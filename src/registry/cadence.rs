//! When a list may be published again.
//!
//! A change is told at once, as long as telling every change at once takes little of the time. When it would take much,
//! a tick passes between two publications, and what changes meanwhile is told together.
//!
//! How much it takes is guessed from how many are in the list, not from how many watch it: who is invisible is not in it
//! and must move nothing. Where what was measured is more, it counts.

use std::time::{Duration, Instant};

/// What it takes to write one frame to one socket: `docs/benchmarks.md`, the floor of a fan-out.
const DELIVERY: Duration = Duration::from_micros(6);

/// Telling changes one by one may take one part in this of the time.
const SHARE: u32 = 2;

/// Fewer changes in a tick than this are no crowd: waiting for one another would save little.
const CROWD: u64 = 4;

/// How fast the server tells changes now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) tick: Duration,
    /// What a publication takes to be written, as far as that was long enough to be measured.
    pub(super) writing: Duration,
}

/// What was published of a list lately.
#[derive(Debug, Default)]
pub(super) struct Cadence {
    last: Option<Instant>,
    /// When the span began in which changes are counted now; it is as long as a tick.
    span: Option<Instant>,
    changes: u64,
    /// Changes of the span before.
    changes_before: u64,
}

impl Cadence {
    /// When the list may be published again, not before `now`.
    pub(super) fn due(&self, listed: u32, pace: Pace, now: Instant) -> Instant {
        let Some(last) = self.last else { return now };
        let Pace { tick, writing } = pace;
        let writing = writing.max(DELIVERY.saturating_mul(listed));
        let changes = self.changes_lately(tick, now);
        let one_by_one = writing.saturating_mul(u32::try_from(changes).unwrap_or(u32::MAX));
        let busy = changes >= CROWD && one_by_one >= tick / SHARE;
        let apart = if busy { tick } else { tick.min(writing.saturating_mul(SHARE)) };
        now.max(last + apart)
    }

    /// The list was published, with so many changes.
    pub(super) fn published(&mut self, changes: u64, tick: Duration, now: Instant) {
        if self.span.is_none_or(|began| began + tick <= now) {
            (self.changes_before, self.changes) = (self.changes_lately(tick, now), 0);
            self.span = Some(now);
        }
        self.last = Some(now);
        self.changes += changes;
    }

    /// Changes in a tick that has passed, or has not passed yet.
    fn changes_lately(&self, tick: Duration, now: Instant) -> u64 {
        match self.span.map(|began| now.saturating_duration_since(began)) {
            Some(ago) if ago < tick => self.changes.max(self.changes_before),
            Some(ago) if ago < tick * 2 => self.changes,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(20);
    const PACE: Pace = Pace { tick: TICK, writing: Duration::ZERO };

    const fn us(n: u64) -> Duration {
        Duration::from_micros(n)
    }

    /// Publishes changes that come one by one, each `apart` from the one before. Returns how many publications it took
    /// and how long the longest had to wait.
    fn publish(listed: u32, apart: Duration, changes: u64) -> (u64, Duration) {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
        let start = Instant::now();
        let (mut cadence, mut publications, mut longest) = (Cadence::default(), 0, Duration::ZERO);
        let (mut oldest, mut waiting) = (start, 0);
        for n in 0..changes {
            let now = start + apart * u32::try_from(n).expect("few");
            oldest = if waiting == 0 { now } else { oldest };
            // What had become due before this change was published then.
            let due = cadence.due(listed, PACE, oldest);
            if waiting > 0 && due < now {
                cadence.published(waiting, TICK, due);
                longest = longest.max(due - oldest);
                (publications, waiting, oldest) = (publications + 1, 0, now);
            }
            waiting += 1;
            if cadence.due(listed, PACE, now) <= now {
                cadence.published(waiting, TICK, now);
                longest = longest.max(now - oldest);
                (publications, waiting) = (publications + 1, 0);
            }
        }
        (publications, longest)
    }

    #[test]
    fn few_changes_are_told_at_once() {
        for (listed, apart) in [(100, us(10_000)), (1_000, us(100_000)), (5_000, us(500_000))] {
            assert_eq!(publish(listed, apart, 100), (100, Duration::ZERO), "{listed}");
        }
    }

    #[test]
    fn many_changes_are_told_together_once_a_tick() {
        for listed in [100, 1_000, 5_000] {
            let (publications, longest) = publish(listed, us(200), 5_000);
            assert!((50..80).contains(&publications), "{publications} to {listed} in a second");
            assert!(longest <= TICK);
        }
    }

    #[test]
    fn a_publication_is_never_sooner_than_twice_what_the_last_one_takes() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
        let start = Instant::now();
        let mut cadence = Cadence::default();
        cadence.published(1, TICK, start);
        assert_eq!(cadence.due(1_000, PACE, start + us(500)), start + us(12_000));
        assert_eq!(cadence.due(1_000, PACE, start + us(13_000)), start + us(13_000));
    }

    #[test]
    fn what_was_measured_counts_for_short_lists_too() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
        let start = Instant::now();
        let mut cadence = Cadence::default();
        cadence.published(1, TICK, start);
        let pace = Pace { tick: TICK, writing: us(6_000) };
        assert_eq!(cadence.due(2, pace, start), start + us(12_000));
        let pace = Pace { tick: TICK * 3, writing: TICK * 3 / 2 };
        assert_eq!(cadence.due(2, pace, start), start + TICK * 3);
    }

    #[test]
    fn a_burst_is_forgotten_after_two_ticks() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
        let start = Instant::now();
        let mut cadence = Cadence::default();
        cadence.published(10_000, TICK, start);
        assert_eq!(cadence.due(100, PACE, start), start + TICK);
        let later = start + TICK * 2;
        assert_eq!(cadence.due(100, PACE, later), later);
        cadence.published(1, TICK, later);
        assert_eq!(cadence.due(100, PACE, later), later + us(1_200));
    }
}
