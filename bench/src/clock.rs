//! The only place of this program that reads a clock.

use std::time::Instant;

/// The time by the machine's monotonic clock.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
