//! A server's messages to the wire: arrays `[op, field, field, ...]`.

use serde::ser::{Serialize, SerializeTuple, Serializer};

use super::{
    BUCKETS, CHOSEN, Change, DELTA, ERROR, EXPLANATION, GOODBYE, HEALTH, HEARTBEAT_ACK, JOINED,
    LEFT, PEOPLE, RESULT, SNAPSHOT_END, SNAPSHOT_PAGE, ServerMessage, UPDATED, ViewProof, WELCOME,
    Welcome,
};
use crate::ids::ViewId;
use crate::limits::INTEGER_MAX;
use crate::message::{Bin, WireMetadata};
use crate::name::{DeviceLabel, StatusText};
use crate::presence::{Choice, Devices, Entry, Presence, Shown};
use crate::report::{Explanation, SessionReport, Transition};

impl Serialize for ServerMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Welcome(welcome) => welcome.serialize(serializer),
            Self::HeartbeatAck { n, me, views, delay_ms } => {
                let me = me.as_ref().map(WirePresence);
                let views = WireProofs(views);
                (HEARTBEAT_ACK, n, me, views, delay_ms).serialize(serializer)
            }
            Self::SnapshotPage { view, first, last, entries } => {
                (SNAPSHOT_PAGE, view.0, first.0, last.0, WireEntries(entries)).serialize(serializer)
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
            Self::Chosen(choice) => serialize_choice(choice, serializer),
            Self::People { request, count, entries, next } => {
                (PEOPLE, request, count, WireEntries(entries), next.map(|id| id.0))
                    .serialize(serializer)
            }
            Self::Explanation { request, explanation } => {
                serialize_explanation(*request, explanation, serializer)
            }
            Self::Health { request, health } => (
                HEALTH,
                request,
                health.sessions,
                health.users,
                health.store.to_wire(),
                health.waiting,
                health.dropped,
                health.divergences,
                &health.text,
            )
                .serialize(serializer),
            Self::Buckets { view, first, width, digests, more } => {
                let digests: Vec<u8> =
                    digests.iter().flat_map(|digest| digest.to_bytes()).collect();
                (BUCKETS, view.0, first, width, Bytes(&digests), more).serialize(serializer)
            }
        }
    }
}

impl Serialize for Welcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A credential that lasts as long as the session is not spoken of.
        let fields = if self.credential_ms > 0 { 14 } else { 13 };
        let mut tuple = serializer.serialize_tuple(fields)?;
        tuple.serialize_element(&WELCOME)?;
        tuple.serialize_element(&self.version)?;
        tuple.serialize_element(&self.session.0)?;
        tuple.serialize_element(&self.heartbeat_ms)?;
        tuple.serialize_element(&self.misses)?;
        tuple.serialize_element(&self.detection_bound_ms)?;
        tuple.serialize_element(&Bin(self.epoch.0))?;
        tuple.serialize_element(&self.frame_bytes_max)?;
        tuple.serialize_element(&self.server)?;
        tuple.serialize_element(&self.token.map(|token| Bin(token.0)))?;
        tuple.serialize_element(&self.resumed)?;
        tuple.serialize_element(&self.resume_window_ms)?;
        tuple.serialize_element(&self.views.iter().map(|view| view.0).collect::<Vec<_>>())?;
        if self.credential_ms > 0 {
            tuple.serialize_element(&self.credential_ms)?;
        }
        tuple.end()
    }
}

fn serialize_choice<S: Serializer>(choice: &Choice, serializer: S) -> Result<S::Ok, S::Error> {
    let text = choice.text.as_ref().map(StatusText::as_str);
    let text_for_ms = choice.text_for.map_or(0, |span| span.as_millis());
    let text_for_ms = u64::try_from(text_for_ms).map_or(INTEGER_MAX, |ms| ms.min(INTEGER_MAX));
    (CHOSEN, choice.status.to_wire(), text, choice.automatic, text_for_ms).serialize(serializer)
}

fn serialize_explanation<S: Serializer>(
    request: u32,
    explanation: &Explanation,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let Explanation { name, me, rule, winner, sessions, transitions } = explanation;
    (
        EXPLANATION,
        request,
        name.as_str(),
        me.as_ref().map(WirePresence),
        rule.to_wire(),
        winner.map(|session| session.0),
        sessions.iter().map(WireSession).collect::<Vec<_>>(),
        transitions.iter().map(WireTransition).collect::<Vec<_>>(),
    )
        .serialize(serializer)
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Joined(Entry { id, name, shown }) => {
                let (status, text, since, automatic, until, devices, metadata) = fields(shown);
                (
                    JOINED,
                    id.0,
                    name.as_str(),
                    status,
                    text,
                    since,
                    automatic,
                    until,
                    devices,
                    metadata,
                )
                    .serialize(serializer)
            }
            Self::Updated { id, shown } => {
                let (status, text, since, automatic, until, devices, metadata) = fields(shown);
                (UPDATED, id.0, status, text, since, automatic, until, devices, metadata)
                    .serialize(serializer)
            }
            Self::Left { id, cause } => {
                let (cause, detail) = cause.to_wire();
                (LEFT, id.0, cause, detail).serialize(serializer)
            }
        }
    }
}

struct WireEntries<'a>(&'a [Entry]);

impl Serialize for WireEntries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(WireEntry))
    }
}

/// `[id, name, status, text, since, automatic, until, devices, metadata]`, in a page and as the input of the
/// digest.
pub(crate) struct WireEntry<'a>(pub(crate) &'a Entry);

impl Serialize for WireEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Entry { id, name, shown } = self.0;
        let (status, text, since, automatic, until, devices, metadata) = fields(shown);
        (id.0, name.as_str(), status, text, since, automatic, until, devices, metadata)
            .serialize(serializer)
    }
}

/// `[status, text, since, automatic, until, devices, metadata]`.
pub(super) struct WireShown<'a>(pub(super) &'a Shown);

impl Serialize for WireShown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fields(self.0).serialize(serializer)
    }
}

/// What is shown of a user, as fields in order.
fn fields(shown: &Shown) -> (u64, &str, u64, bool, u64, WireDevices<'_>, WireMetadata<'_>) {
    let Shown { presence, since_ms, devices, metadata } = shown;
    let Presence { status, text, automatic, until_ms } = presence;
    (
        status.to_wire(),
        text.as_str(),
        *since_ms,
        *automatic,
        *until_ms,
        WireDevices(devices),
        WireMetadata(metadata),
    )
}

struct WireDevices<'a>(&'a Devices);

impl Serialize for WireDevices<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.as_slice().iter().map(DeviceLabel::as_str))
    }
}

/// `[status, text, automatic, until]`.
struct WirePresence<'a>(&'a Presence);

impl Serialize for WirePresence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Presence { status, text, automatic, until_ms } = self.0;
        (status.to_wire(), text.as_str(), automatic, until_ms).serialize(serializer)
    }
}

struct WireSession<'a>(&'a SessionReport);

impl Serialize for WireSession<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = self.0;
        (
            report.session.0,
            report.device.as_str(),
            report.state.to_wire(),
            report.status.to_wire(),
            report.automatic,
            report.since_ms,
            report.heard_ms_ago,
            report.sent_ms_ago,
            report.round_trip_us,
            report.misses,
            report.grace_ms,
            report.resume_ms,
        )
            .serialize(serializer)
    }
}

struct WireTransition<'a>(&'a Transition);

impl Serialize for WireTransition<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let transition = self.0;
        let cause = transition.cause.map(crate::close::CloseReason::to_wire);
        (
            transition.at_ms,
            transition.kind.to_wire(),
            transition.session.map(|session| session.0),
            cause.map(|(number, _)| number),
            cause.map_or(0, |(_, detail)| detail),
            transition.not_before_ms,
            transition.status.map(crate::presence::Status::to_wire),
        )
            .serialize(serializer)
    }
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// `[view, version, count, digest]` in an ack.
struct WireProofs<'a>(&'a [(ViewId, ViewProof)]);

impl Serialize for WireProofs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(WireProof::new))
    }
}

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
