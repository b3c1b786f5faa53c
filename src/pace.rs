//! How fast connections are accepted: a storm of them must leave time for everyone who is here already.
//!
//! Pure: a bucket of tokens, filled by time; callers pass `now`. Connections that must wait do so in the kernel's queue.

use std::time::{Duration, Instant};

/// The bucket holds what may be accepted within this span.
const BURST: Duration = Duration::from_millis(100);

/// Lets so many through in a second, a tenth of that at once.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: f64,
    tokens: f64,
    filled_at: Instant,
}

impl Pace {
    /// A full bucket. `per_second` is at least 1.
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self { per_second, tokens: Self::room(per_second), filled_at: now }
    }

    /// Takes a token. Returns how long to wait before the next one is taken.
    pub(crate) fn take(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.filled_at);
        self.filled_at = self.filled_at.max(now);
        let filled = self.tokens + passed.as_secs_f64() * self.per_second;
        self.tokens = filled.min(Self::room(self.per_second)) - 1.0;
        match self.tokens < 0.0 {
            // Waiting for a tenth of the bucket costs fewer wake-ups than waiting for single tokens.
            true => {
                Duration::from_secs_f64((-self.tokens / self.per_second).max(0.001)).max(BURST / 10)
            }
            false => Duration::ZERO,
        }
    }

    fn room(per_second: f64) -> f64 {
        (per_second * BURST.as_secs_f64()).max(1.0)
    }
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
            now += pace.take(now);
        }
        assert!((2_000..=2_110).contains(&accepted), "{accepted} in two seconds and a burst");
        assert_eq!(
            Pace::new(1, start).take(start),
            Duration::ZERO,
            "a quiet server accepts at once"
        );
    }
}
