//! A server's messages to the wire: arrays `[op, field, field, ...]`.

use serde::ser::{Serialize, Serializer};

use super::{
    Change, DELTA, ERROR, GOODBYE, HEARTBEAT_ACK, JOINED, LEFT, RESULT, SNAPSHOT_END,
    SNAPSHOT_PAGE, ServerMessage, UPDATED, ViewProof, WELCOME, Welcome,
};
use crate::ids::ViewId;
use crate::message::Bin;
use crate::presence::Entry;

impl Serialize for ServerMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Welcome(welcome) => welcome.serialize(serializer),
            Self::HeartbeatAck { n, me, views } => {
                let me = me.as_ref().map(|me| (me.status.to_wire(), me.text.as_str()));
                let views: Vec<_> = views.iter().map(WireProof::new).collect();
                (HEARTBEAT_ACK, n, me, views).serialize(serializer)
            }
            Self::SnapshotPage { view, first, last, entries } => {
                let entries: Vec<_> = entries.iter().map(WireEntry).collect();
                (SNAPSHOT_PAGE, view.0, first.0, last.0, entries).serialize(serializer)
            }
            Self::SnapshotEnd { view, proof } => {
                let digest = Bin(proof.digest.to_bytes());
                (SNAPSHOT_END, view.0, proof.version, proof.count, digest).serialize(serializer)
            }
            Self::Delta { view, from, proof, changes } => {
                let digest = Bin(proof.digest.to_bytes());
                (DELTA, view.0, from, proof.version, proof.count, digest, changes)
                    .serialize(serializer)
            }
            Self::Result { request, view } => {
                (RESULT, request, view.map(|view| view.0)).serialize(serializer)
            }
            Self::Error { request, code, text } => {
                (ERROR, request, code.to_wire(), text).serialize(serializer)
            }
            Self::Goodbye { reason, reconnect, come_back_after_ms, text } => {
                let (number, detail) = reason.to_wire();
                (GOODBYE, number, detail, reconnect, come_back_after_ms, text).serialize(serializer)
            }
        }
    }
}

impl Serialize for Welcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (
            WELCOME,
            self.version,
            self.session.0,
            self.heartbeat_ms,
            self.misses,
            self.detection_bound_ms,
            Bin(self.epoch.0),
            self.frame_bytes_max,
            &self.server,
        )
            .serialize(serializer)
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Joined(Entry { id, name, presence, since_ms }) => {
                let (status, text) = (presence.status.to_wire(), presence.text.as_str());
                (JOINED, id.0, name.as_str(), status, text, since_ms).serialize(serializer)
            }
            Self::Updated { id, presence, since_ms } => {
                let (status, text) = (presence.status.to_wire(), presence.text.as_str());
                (UPDATED, id.0, status, text, since_ms).serialize(serializer)
            }
            Self::Left { id, cause } => {
                let (cause, detail) = cause.to_wire();
                (LEFT, id.0, cause, detail).serialize(serializer)
            }
        }
    }
}

/// `[id, name, status, text, since]`, in a page and as the input of the digest.
pub(crate) struct WireEntry<'a>(pub(crate) &'a Entry);

impl Serialize for WireEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Entry { id, name, presence, since_ms } = self.0;
        let (status, text) = (presence.status.to_wire(), presence.text.as_str());
        (id.0, name.as_str(), status, text, since_ms).serialize(serializer)
    }
}

/// `[view, version, count, digest]` in an ack.
struct WireProof(u32, u64, u32, Bin);

impl WireProof {
    fn new((view, proof): &(ViewId, ViewProof)) -> Self {
        Self(view.0, proof.version, proof.count, Bin(proof.digest.to_bytes()))
    }
}

impl Serialize for WireProof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0, self.1, self.2, &self.3).serialize(serializer)
    }
}
