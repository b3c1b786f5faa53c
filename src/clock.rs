//! The only place that reads a clock. Everything else takes a [`Moment`] or an [`Instant`].

use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// For all logic: never goes back, never jumps.
    pub instant: Instant,
    /// For display only: milliseconds since 1970 by the wall clock, which may be set at any time.
    pub unix_ms: u64,
}

/// Where the time comes from. Only actors hold one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    simulated: Option<Moment>,
}

impl Clock {
    /// The machine's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self { simulated: None }
    }

    /// A wall clock that follows the runtime's own time, which a test may pause and advance,
    /// and that begins now at `unix_ms`.
    #[must_use]
    pub fn simulated(unix_ms: u64) -> Self {
        Self { simulated: Some(Moment { instant: runtime_now(), unix_ms }) }
    }

    /// The present instant; where nothing is displayed, the wall clock need not be read.
    #[must_use]
    pub fn instant(&self) -> Instant {
        runtime_now()
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Moment {
        let instant = runtime_now();
        let unix_ms = match self.simulated {
            None => wall_ms(),
            Some(start) => start.unix_ms + millis(instant.duration_since(start.instant)),
        };
        Moment { instant, unix_ms }
    }
}

/// An instant of the last weeks, to the millisecond, in four bytes: there are many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(NonZeroU32);

/// What marks and stamps count from.
static BEGUN: LazyLock<Instant> = LazyLock::new(runtime_now);

impl Mark {
    /// Marks an instant.
    #[must_use]
    pub fn of(instant: Instant) -> Self {
        let ms = match instant.checked_duration_since(*BEGUN) {
            Some(after) => after.as_millis() as u32,
            None => (BEGUN.duration_since(instant).as_millis() as u32).wrapping_neg(),
        };
        Self(NonZeroU32::new(ms).unwrap_or(NonZeroU32::MIN))
    }

    /// The instant that was marked, at most 49 days before `now`.
    #[must_use]
    pub fn instant(self, now: Instant) -> Instant {
        let ago = Self::of(now).0.get().wrapping_sub(self.0.get());
        now.checked_sub(Duration::from_millis(ago.into())).unwrap_or(now)
    }
}

/// An instant within 292 years, to the nanosecond, in eight bytes, half of what [`Instant`] takes: there are many sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(i64);

impl Stamp {
    /// Stamps an instant.
    #[must_use]
    pub fn of(instant: Instant) -> Self {
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        Self(match instant.checked_duration_since(*BEGUN) {
            Some(after) => nanos(after),
            None => -nanos(BEGUN.duration_since(instant)),
        })
    }

    /// The instant.
    #[must_use]
    pub fn instant(self) -> Instant {
        let span = Duration::from_nanos(self.0.unsigned_abs());
        let instant = match self.0 < 0 {
            true => BEGUN.checked_sub(span),
            false => BEGUN.checked_add(span),
        };
        instant.expect("it was one before it was stamped")
    }
}

/// The runtime's time, so that a paused runtime pauses the server's logic with it.
#[expect(clippy::disallowed_methods, reason = "this module is the clock")]
fn runtime_now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[expect(clippy::disallowed_methods, reason = "this module is the clock")]
fn wall_ms() -> u64 {
    // A wall clock before 1970 shows as 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_the_same_instant_and_the_same_order() {
        let (now, ns) = (runtime_now(), Duration::from_nanos);
        let early = now.checked_sub(ns(1_000_000_007)).expect("the machine runs for a second");
        let ascending = [early, early + ns(1), now, now + ns(1), now + ns(1 << 60)];
        assert_eq!(ascending.map(|instant| Stamp::of(instant).instant()), ascending);
        assert!(ascending.map(Stamp::of).is_sorted());
    }

    #[test]
    fn a_mark_finds_back_within_seven_weeks_wherever_it_was_made() {
        let (now, ms) = (runtime_now(), Duration::from_millis);
        for start in [now, now + ms(u32::MAX.into()) - ms(700), now + ms(1 << 40), now - ms(40)] {
            for ago in [0, 1, 999, 2_000, u64::from(u32::MAX) / 2] {
                let found = Mark::of(start).instant(start + ms(ago));
                assert!(found <= start + ms(1) && found + ms(2) > start, "{ago} ms ago");
            }
        }
    }
}
