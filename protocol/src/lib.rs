//! The contract between a herenow client and server, as `docs/protocol.md` states it.
//!
//! Reading order: [`limits`], [`frame`] (bytes to messages), [`message`] (what is said), [`name`] and
//! [`presence`] (what a user shows), [`close`] (why a session ends), [`digest`] (how a list proves itself),
//! [`report`] (why someone is shown as they are), [`fingerprint`] (how a certificate is told).
//!
//! Pure: no sockets, no clock, no knowledge of either side. Values are checked while decoding, so a
//! [`DisplayName`] or [`StatusText`] in hand is always valid.

pub mod close;
pub mod credential;
pub mod digest;
mod fields;
pub mod fingerprint;
pub mod frame;
pub mod ids;
pub mod limits;
pub mod message;
pub mod metadata;
pub mod name;
pub mod pairing;
pub mod presence;
pub mod report;
mod scan;
mod text;

pub use close::{CloseReason, Violation};
pub use credential::Credential;
pub use digest::{Digest, Epoch};
pub use fingerprint::CertificateFingerprint;
pub use frame::DecodeError;
pub use ids::{DeviceId, OperatorKey, ResumeToken, SessionId, UserId, UserKey, ViewId};
pub use message::{
    Change, Changes, ClientMessage, EncodedEntry, ErrorCode, Hello, Query, Resume, ServerMessage,
    ViewProof, WatchTarget, Welcome, page_frame,
};
pub use metadata::Metadata;
pub use name::{DeviceLabel, DisplayName, RoomName, StatusText};
pub use presence::{Choice, Devices, Entry, Presence, Shown, Status};
pub use report::{
    Explanation, Health, Rule, SessionReport, SessionState, StoreState, Transition, TransitionKind,
};
