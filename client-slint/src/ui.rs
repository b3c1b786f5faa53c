//! The window as generated from `ui/app-window.slint`; its documentation is there.

slint::include_modules!();
