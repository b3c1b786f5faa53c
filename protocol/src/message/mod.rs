//! What client and server say to each other. Ops and fields: `docs/protocol.md`, sections 3 and 4.

mod client;
mod server;

pub use client::{BadChoice, BadHello, ClientMessage, Hello, Incoming, Query, Resume, WatchTarget};
pub use server::{
    Change, Changes, EncodedEntry, ErrorCode, ServerMessage, ViewProof, Welcome, page_frame,
};

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::metadata::Metadata;

/// 16 opaque bytes, written as `bin`.
struct Bin([u8; 16]);

impl Serialize for Bin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// Metadata as a map, ascending by key.
struct WireMetadata<'a>(&'a Metadata);

impl Serialize for WireMetadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0.pairs() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
