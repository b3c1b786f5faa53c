//! What a server answers to the questions why, and how it is.

use serde::de::SeqAccess;

use super::{Checked, Read, chosen_status, close_reason, display_name, shown_status};
use crate::fields::{Array, Fields, FromFields, List, Str, Uint};
use crate::frame::DecodeError;
use crate::ids::SessionId;
use crate::message::ServerMessage;
use crate::name::DeviceLabel;
use crate::presence::Presence;
use crate::report::{
    Explanation, Health, Rule, SessionReport, SessionState, StoreState, Transition, TransitionKind,
};

pub(super) fn explanation<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (request, name): (Uint, Str<'de>) = (fields.required("request")?, fields.required("name")?);
    let me: Option<Array<Checked<Presence>>> = fields.required("me")?;
    let rule: Uint = fields.required("rule")?;
    let winner: Option<Uint> = fields.required("winner")?;
    let sessions: List<SessionReport> = fields.required("sessions")?;
    let transitions: List<Transition> = fields.required("transitions")?;
    let checked = || {
        let explanation = Explanation {
            name: display_name(name)?,
            me: me.map(|Array(me)| me).transpose()?,
            rule: Rule::from_wire(rule.get("rule")?),
            winner: winner.map(|winner| winner.get("winner").map(SessionId)).transpose()?,
            sessions: sessions.0?,
            transitions: transitions.0?,
        };
        Ok(ServerMessage::Explanation { request: request.narrow("request")?, explanation })
    };
    Ok(checked())
}

pub(super) fn health<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let request: Uint = fields.required("request")?;
    let (sessions, users): (Uint, Uint) = (fields.required("sessions")?, fields.required("users")?);
    let (store, waiting): (Uint, Uint) = (fields.required("store")?, fields.required("waiting")?);
    let (dropped, divergences): (Uint, Uint) =
        (fields.required("dropped")?, fields.required("divergences")?);
    let text: Str<'de> = fields.or(Str(""))?;
    let checked = || {
        let health = Health {
            sessions: sessions.get("sessions")?,
            users: users.get("users")?,
            store: StoreState::from_wire(store.get("store")?),
            waiting: waiting.get("waiting")?,
            dropped: dropped.get("dropped")?,
            divergences: divergences.get("divergences")?,
            text: text.0.to_owned(),
        };
        Ok(ServerMessage::Health { request: request.narrow("request")?, health })
    };
    Ok(checked())
}

/// A session of an explanation.
impl<'de> FromFields<'de> for Checked<SessionReport> {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let (session, device): (Uint, Str<'de>) =
            (fields.required("session")?, fields.required("device")?);
        let (state, status): (Uint, Uint) = (fields.required("state")?, fields.required("status")?);
        let automatic: bool = fields.required("automatic")?;
        let (since, heard): (Uint, Uint) =
            (fields.required("since")?, fields.required("heard_ms_ago")?);
        let (sent, round_trip): (Option<Uint>, Option<Uint>) =
            (fields.required("sent_ms_ago")?, fields.required("round_trip_us")?);
        let misses: Uint = fields.required("misses")?;
        let (grace, resume): (Option<Uint>, Option<Uint>) =
            (fields.required("grace_ms")?, fields.required("resume_ms")?);
        let checked = || {
            Ok(SessionReport {
                session: SessionId(session.get("session")?),
                device: DeviceLabel::new(device.0)
                    .map_err(|_| DecodeError::OutOfRange("a device label"))?,
                state: SessionState::from_wire(state.get("state")?),
                status: chosen_status(status)?,
                automatic,
                since_ms: since.get("since")?,
                heard_ms_ago: heard.get("heard_ms_ago")?,
                sent_ms_ago: optional(sent, "sent_ms_ago")?,
                round_trip_us: optional(round_trip, "round_trip_us")?,
                misses: misses.narrow("misses")?,
                grace_ms: optional(grace, "grace_ms")?,
                resume_ms: optional(resume, "resume_ms")?,
            })
        };
        Ok(checked())
    }
}

/// A transition of an explanation.
impl<'de> FromFields<'de> for Checked<Transition> {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let (at, kind): (Uint, Uint) = (fields.required("at")?, fields.required("kind")?);
        let (session, cause): (Option<Uint>, Option<Uint>) =
            (fields.required("session")?, fields.required("cause")?);
        let (detail, not_before): (Uint, Uint) =
            (fields.required("detail")?, fields.required("not_before")?);
        let status: Option<Uint> = fields.required("status")?;
        let checked = || {
            // A number without meaning must be a number, too.
            detail.get("detail")?;
            Ok(Transition {
                at_ms: at.get("at")?,
                kind: TransitionKind::from_wire(kind.get("kind")?),
                session: optional(session, "session")?.map(SessionId),
                cause: cause.map(|cause| close_reason(cause, detail)).transpose()?,
                not_before_ms: not_before.get("not_before")?,
                status: status.map(shown_status).transpose()?,
            })
        };
        Ok(checked())
    }
}

fn optional(number: Option<Uint>, what: &'static str) -> Checked<Option<u64>> {
    number.map(|number| number.get(what)).transpose()
}
