//! The desktop window of herenow.
//!
//! Reading order: [`core`] (what is shown, decided without a window), [`account`] (whose device this is),
//! [`store`] and [`keeper`] (what is remembered),
//! [`network`] (the thread that talks to the server), [`platform`] (the thread that talks to the desktop, by the words of
//! [`desktop`]), [`desk`] (what the user's wishes and the server's news do), [`adapters`] (Rust values to the window's and
//! back), [`instance`] (one window for each account), [`app`] (puts them together). The window itself is in `ui/`.

/// What this program is called among desktop programs: its window class, and the name of its `.desktop` file.
pub const APP_ID: &str = "org.example.herenow";

pub mod account;
pub mod adapters;
pub mod app;
pub mod call;
pub mod clock;
pub mod connection_log;
pub mod core;
pub mod desk;
pub mod desktop;
pub mod errors;
pub mod instance;
pub mod keeper;
pub mod network;
pub mod platform;
pub mod store;
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    rust_2018_idioms,
    clippy::all,
    clippy::needless_pass_by_value,
    clippy::redundant_closure_for_method_calls,
    clippy::semicolon_if_nothing_returned,
    clippy::todo,
    clippy::unwrap_used,
    reason = "Slint generates this module"
)]
pub mod ui;
