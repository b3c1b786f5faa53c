//! The adapter of the minutes.

use slint::{ComponentHandle as _, Weak};

use crate::clock::Clock;
use crate::core::minutes::Minutes;
use crate::ui::{AppWindow, Time};

/// Shows how late it is.
pub struct TimeAdapter {
    window: Weak<AppWindow>,
    minutes: Minutes,
    clock: Clock,
}

impl TimeAdapter {
    pub(super) fn new(window: &AppWindow, minutes: Minutes, clock: Clock) -> Self {
        Self { window: window.as_weak(), minutes, clock }
    }

    /// Shows this time, in milliseconds since 1970.
    pub fn show(&self, time_ms: u64) {
        if let Some(window) = self.window.upgrade() {
            let time = window.global::<Time<'_>>();
            time.set_minute(self.minutes.of(time_ms));
            time.set_day(self.clock.local_day(time_ms));
        }
    }
}
