//! The desktop window of herenow.
//!
//! Reading order: [`core`] (what is shown, decided without a window), [`account`] (whose device this is),
//! [`store`] and [`keeper`] (what is remembered),
//! [`network`] (the thread that talks to the server), [`desk`] (what the user's wishes and the server's news do),
//! [`adapters`] (Rust values to the window's and back), [`instance`] (one window for each account), [`app`] (puts them together). The window itself is in `ui/`.

pub mod account;
pub mod adapters;
pub mod app;
pub mod call;
pub mod clock;
pub mod core;
pub mod desk;
pub mod instance;
pub mod keeper;
pub mod network;
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
