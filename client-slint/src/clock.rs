//! The only place of the desktop program that reads a clock.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::DateTime;

use crate::core::calendar::{self, Local};

/// Where the program gets the time from; tests turn the hands of their own.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> Instant + Send + Sync>,
    wall: Arc<dyn Fn() -> Duration + Send + Sync>,
    offset: Arc<dyn Fn(u64) -> i32 + Send + Sync>,
}

impl Clock {
    /// The clocks of the operating system.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock module of the desktop program"
    )]
    pub fn system() -> Self {
        // Before 1970 the clock was never set, and nothing that depends on it can be right.
        let wall = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { offset: Arc::new(local_offset), ..Self::showing(Instant::now, wall) }
    }

    /// A clock that shows what `now` returns, and on the wall, which is in the zone of UTC, the time since 1970 that `wall`
    /// returns.
    #[must_use]
    pub fn showing(
        now: impl Fn() -> Instant + Send + Sync + 'static,
        wall: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), wall: Arc::new(wall), offset: Arc::new(|_| 0) }
    }

    /// The time, for measuring.
    #[must_use]
    pub fn now(&self) -> Instant {
        (self.now)()
    }

    /// The time on the wall in milliseconds since 1970, for people.
    #[must_use]
    pub fn wall_ms(&self) -> u64 {
        u64::try_from((self.wall)().as_millis()).unwrap_or(u64::MAX)
    }

    /// What the local calendar and clock show at a time in milliseconds since 1970.
    #[must_use]
    pub fn local(&self, time_ms: u64) -> Local {
        calendar::local(time_ms, (self.offset)(time_ms))
    }

    /// The day on the local calendar of a time in milliseconds since 1970.
    #[must_use]
    pub fn local_day(&self, time_ms: u64) -> i32 {
        calendar::day(time_ms, (self.offset)(time_ms))
    }
}

/// By how many seconds the clock of this computer's time zone was ahead of UTC at that time.
fn local_offset(time_ms: u64) -> i32 {
    let time = i64::try_from(time_ms).ok().and_then(DateTime::from_timestamp_millis);
    time.map_or(0, |time| time.with_timezone(&chrono::Local).offset().local_minus_utc())
}
