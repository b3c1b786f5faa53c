//! The adapter of the minutes.

use slint::{ComponentHandle as _, Weak};

use crate::core::minutes::Minutes;
use crate::ui::{AppWindow, Time};

/// Shows how late it is.
pub struct TimeAdapter {
    window: Weak<AppWindow>,
    minutes: Minutes,
}

impl TimeAdapter {
    pub(super) fn new(window: &AppWindow, minutes: Minutes) -> Self {
        Self { window: window.as_weak(), minutes }
    }

    /// Shows this time, in milliseconds since 1970.
    pub fn show(&self, time_ms: u64) {
        if let Some(window) = self.window.upgrade() {
            window.global::<Time<'_>>().set_minute(self.minutes.of(time_ms));
        }
    }
}
