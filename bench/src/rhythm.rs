//! When something regular is due: beats of many, spread evenly, or changes at a rate.
//!
//! Pure: callers pass `now`. A late caller catches up; what was due is never moved, so that waiting counts as latency.

use std::time::{Duration, Instant};

/// Turns that are due one after the other, the same time apart.
#[derive(Clone, Debug)]
pub(crate) struct Rhythm {
    began: Instant,
    apart: Duration,
    taken: u64,
}

impl Rhythm {
    /// Turns from `began` on, `apart` from each other; at least a nanosecond.
    pub(crate) fn new(began: Instant, apart: Duration) -> Self {
        Self { began, apart: apart.max(Duration::from_nanos(1)), taken: 0 }
    }

    /// Turns of `count` that each have one every `interval`.
    pub(crate) fn of_many(began: Instant, interval: Duration, count: usize) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        Self::new(began, interval / count)
    }

    /// When the next turn is due.
    pub(crate) fn due(&self) -> Instant {
        let nanoseconds = self.apart.as_nanos() * u128::from(self.taken);
        self.began + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// Takes the next turn if it is due: its number, from 0, and when it was due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(u64, Instant)> {
        let due = self.due();
        (due <= now).then(|| {
            self.taken += 1;
            (self.taken - 1, due)
        })
    }
}

/// How long to wait for `due`: a little less than there is, since a poll counts in milliseconds and comes late.
pub(crate) fn wait(now: Instant, due: Instant) -> Duration {
    due.saturating_duration_since(now).saturating_sub(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_caller_catches_up_and_nothing_is_moved() {
        let began = crate::clock::now();
        let ms = Duration::from_millis;
        let mut rhythm = Rhythm::of_many(began, ms(40), 4);
        assert_eq!(rhythm.take(began), Some((0, began)));
        assert_eq!(rhythm.take(began + ms(9)), None);
        assert_eq!(rhythm.take(began + ms(25)), Some((1, began + ms(10))));
        assert_eq!(rhythm.take(began + ms(25)), Some((2, began + ms(20))));
        assert_eq!(rhythm.take(began + ms(25)), None);
        assert_eq!(rhythm.due(), began + ms(30));
    }
}
