//! What the window shows, decided without a window: nothing in here names Slint, a socket or a clock.

pub mod batch;
pub mod bidi;
pub mod calendar;
pub mod history;
pub mod idle;
pub mod language;
pub mod link;
pub mod look;
pub mod minutes;
pub mod notify;
pub mod own;
pub mod people;
pub mod settings;
pub mod sign_in;
pub mod views;
pub mod watching;
pub mod why;
