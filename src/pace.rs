//! How fast connections are accepted: a storm of them must leave time for everyone who is here already.
//!
//! Pure: a bucket of tokens, filled by time; callers pass `now`. Connections that must wait do so in the kernel's queue.

use std::time::{Duration, Instant};

/// The bucket holds what may be accepted within this span.
const BURST: Duration = Duration::from_millis(100);

/// Lets so many through in a second, a tenth of that at once.
#[derive(Debug)]
pub(crate) struct Pace {
    tokens: f64,
    filled_at: Instant,
}

impl Pace {
    /// A full bucket.
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self { tokens: Self::room(rate(per_second)), filled_at: now }
    }

    /// Takes a token of a bucket that is filled at this rate, at least 1. Returns how long to wait before the next one is
    /// taken.
    pub(crate) fn take(&mut self, per_second: u32, now: Instant) -> Duration {
        let rate = rate(per_second);
        let passed = now.saturating_duration_since(self.filled_at);
        self.filled_at = self.filled_at.max(now);
        let filled = self.tokens + passed.as_secs_f64() * rate;
        self.tokens = filled.min(Self::room(rate)) - 1.0;
        match self.tokens < 0.0 {
            // Waiting for a tenth of the bucket costs fewer wake-ups than waiting for single tokens.
            true => Duration::from_secs_f64((-self.tokens / rate).max(0.001)).max(BURST / 10),
            false => Duration::ZERO,
        }
    }

    fn room(rate: f64) -> f64 {
        (rate * BURST.as_secs_f64()).max(1.0)
    }
}

fn rate(per_second: u32) -> f64 {
    f64::from(per_second.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
    fn a_storm_is_let_in_at_the_given_rate() {
        let start = Instant::now();
        let (mut pace, mut now, mut accepted) = (Pace::new(1_000, start), start, 0);
        while now < start + Duration::from_secs(2) {
            accepted += 1;
            now += pace.take(1_000, now);
        }
        assert!((2_000..=2_110).contains(&accepted), "{accepted} in two seconds and a burst");
        assert_eq!(
            Pace::new(1, start).take(1, start),
            Duration::ZERO,
            "a quiet server accepts at once"
        );
    }
}
