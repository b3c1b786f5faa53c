//! The contract between a herenow client and server, as `docs/protocol.md` states it.
//!
//! Reading order: [`limits`], [`frame`] (bytes to messages), [`message`] (what is said), [`name`] and
//! [`presence`] (what a user shows), [`close`] (why a session ends), [`digest`] (how a list proves itself).
//!
//! Pure: no sockets, no clock, no knowledge of either side. Values are checked while decoding, so a
//! [`DisplayName`] or [`StatusText`] in hand is always valid.

pub mod close;
pub mod digest;
mod fields;
pub mod frame;
pub mod ids;
pub mod limits;
pub mod message;
pub mod name;
pub mod presence;
mod scan;

pub use close::{CloseReason, Violation};
pub use digest::{Digest, Epoch};
pub use frame::DecodeError;
pub use ids::{DeviceId, SessionId, UserId, ViewId};
pub use message::{Change, ClientMessage, ErrorCode, Hello, ServerMessage, ViewProof, Welcome};
pub use name::{DisplayName, StatusText};
pub use presence::{Entry, Presence, Status};
