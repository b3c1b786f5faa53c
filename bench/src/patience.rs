//! How long the load waits before it calls a run failed.

use std::time::{Duration, Instant};

use crate::clock;
use crate::failure::Failure;

/// A turn of the poll while nothing is due.
pub(crate) const TURN: Duration = Duration::from_millis(50);

/// Waits for something, but not for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    what: &'static str,
    span: Duration,
    until: Instant,
}

impl Patience {
    /// Waits this long from now.
    pub(crate) fn new(what: &'static str, span: Duration) -> Self {
        Self { what, span, until: clock::now() + span }
    }

    /// # Errors
    /// [`Failure::Timeout`] once it is over.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if clock::now() < self.until {
            return Ok(());
        }
        Err(Failure::Timeout { what: self.what, seconds: self.span.as_secs() })
    }
}
