//! The adapter of the notifications: their words are the window's.

use slint::{ComponentHandle as _, SharedString, Weak};

use super::link::window_kind;
use crate::core::notify::Notice;
use crate::desktop::Notification;
use crate::ui::{AppWindow, Notices};

/// Finds the words for notifications.
pub struct NoticesAdapter(Weak<AppWindow>);

impl NoticesAdapter {
    pub(super) fn new(window: &AppWindow) -> Self {
        Self(window.as_weak())
    }

    /// A notice as the desktop shows it; `None` if the window is gone.
    pub fn words(&self, notice: Notice) -> Option<Notification> {
        let window = self.0.upgrade()?;
        let words = window.global::<Notices<'_>>();
        let place = notice.place();
        let mut in_place_of = None;
        let (summary, body): (SharedString, SharedString) = match notice {
            Notice::Came(arrival) => (words.invoke_came(arrival.name.as_str().into()), "".into()),
            Notice::CameTogether { names: [first, second], others, in_place_of: older } => {
                in_place_of = older;
                let others = i32::try_from(others).unwrap_or(i32::MAX);
                let (first, second) = (first.as_str().into(), second.as_str().into());
                (words.invoke_came_together(first, second, others), "".into())
            }
            Notice::Lost(kind) => (words.invoke_lost(), words.invoke_reason(window_kind(kind))),
            Notice::Back => (words.invoke_back(), "".into()),
            Notice::Over(kind) => (words.invoke_over(), words.invoke_reason(window_kind(kind))),
        };
        let action = words.invoke_action();
        let [summary, body, action] = [summary, body, action].map(String::from);
        Some(Notification { place, in_place_of, summary, body, action })
    }
}
