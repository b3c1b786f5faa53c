//! The only place of the desktop program that reads a clock.

use std::sync::Arc;
use std::time::Instant;

/// Where the program gets the time from; tests turn the hands of their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
    /// The clock of the operating system.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock module of the desktop program"
    )]
    pub fn system() -> Self {
        Self(Arc::new(Instant::now))
    }

    /// A clock that shows what `now` returns.
    #[must_use]
    pub fn showing(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        (self.0)()
    }
}
