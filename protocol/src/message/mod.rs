//! What client and server say to each other. Ops and fields: `docs/protocol.md`, sections 3 and 4.

mod client;
mod server;

pub use client::{BadHello, BadPresence, ClientMessage, Hello, Incoming};
pub(crate) use server::WireEntry;
pub use server::{Change, ErrorCode, ServerMessage, ViewProof, Welcome};

use serde::ser::{Serialize, Serializer};

/// 16 opaque bytes, written as `bin`.
struct Bin([u8; 16]);

impl Serialize for Bin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}
