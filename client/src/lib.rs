//! The headless client of herenow: signs in, keeps a list that proves itself, notices within the
//! announced bound when the server is gone, and comes back by itself.

mod event;

pub use event::{Disconnect, Event};
pub use herenow_protocol as protocol;
