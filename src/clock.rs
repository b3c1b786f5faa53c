//! The only place that reads a clock. Everything else takes a [`Moment`] or an [`Instant`].

use std::time::{Instant, SystemTime, UNIX_EPOCH};

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

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
