//! The adapter of the about page.

use std::rc::Rc;

use slint::{ComponentHandle as _, Weak};

use super::at_desk;
use crate::desk::Desk;
use crate::ui::{About, AppWindow};

/// Shows what this program is, and the pairing code.
pub struct AboutAdapter(Weak<AppWindow>);

impl AboutAdapter {
    pub(super) fn new(window: &AppWindow) -> Self {
        window.global::<About<'_>>().set_version(env!("CARGO_PKG_VERSION").into());
        Self(window.as_weak())
    }

    /// Shows the pairing code; `None` if it cannot be read.
    pub fn show_code(&self, code: Option<&str>) {
        if let Some(window) = self.0.upgrade() {
            let about = window.global::<About<'_>>();
            about.set_code(code.unwrap_or_default().into());
            about.set_code_unreadable(code.is_none());
        }
    }
}

pub(super) fn connect(window: &AppWindow, desk: &Rc<Desk>) {
    let about = window.global::<About<'_>>();
    let weak = Rc::downgrade(desk);
    about.on_show_code(move || {
        at_desk(&weak, Desk::show_code);
    });
    let handle = window.as_weak();
    about.on_hide_code(move || {
        if let Some(window) = handle.upgrade() {
            let about = window.global::<About<'_>>();
            about.set_code("".into());
            about.set_code_unreadable(false);
        }
    });
}
