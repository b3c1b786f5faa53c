//! From the server's `Welcome` to the end of that connection.

use std::time::{Duration, Instant};

use herenow_protocol::limits::VERSION;
use herenow_protocol::{
    ClientMessage, CloseReason, DecodeError, ErrorCode, ServerMessage, Welcome,
};
use rand::RngExt;

use super::{Effect, Phase, Session};
use crate::heartbeat::{Heartbeat, Pulse};
use crate::reconnect::Invitation;
use crate::{Disconnect, Event};

/// Heartbeat intervals that make sense to this client, in milliseconds.
const INTERVAL_MS: std::ops::RangeInclusive<u64> = 10..=60 * 60 * 1_000;

/// More unanswered heartbeats than this are no detection at all.
const MISSES_MAX: u32 = 1_000;

impl Session {
    pub(super) fn answer_to_hello(
        &mut self,
        message: Option<ServerMessage>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        match message {
            Some(ServerMessage::Welcome(welcome)) => match check(&welcome) {
                Ok(()) => self.sign_in(welcome, now, effects),
                Err(error) => self.broken(error, now, effects),
            },
            Some(ServerMessage::Goodbye { reason, reconnect, come_back_after_ms, text }) => {
                let reason = Disconnect::Goodbye { reason, text };
                self.dismissed(reason, invitation(reconnect, come_back_after_ms), now, effects);
            }
            Some(_) => self.unexpected("another message before the Welcome", now, effects),
            None => {}
        }
    }

    fn sign_in(&mut self, welcome: Welcome, now: Instant, effects: &mut Vec<Effect>) {
        let interval = Duration::from_millis(welcome.heartbeat_ms);
        let first_in = self.rng.random_range(Duration::ZERO..=interval);
        self.phase = Phase::SignedIn(Heartbeat::new(interval, welcome.misses, first_in, now));
        self.attempt = 0;
        self.reconnect.signed_in(now);
        self.lobby.follow(welcome.epoch);
        effects.push(Effect::Emit(Event::SignedIn(welcome)));
        self.watch(now, effects);
        self.send_status(effects);
    }

    pub(super) fn while_signed_in(
        &mut self,
        message: Option<ServerMessage>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        use ServerMessage as M;
        match message {
            Some(M::HeartbeatAck { n, me, views }) => {
                self.round_trip(n, now, effects);
                if !self.hello.observe
                    && let Some(presence) = self.status.seen(me, effects)
                {
                    self.hello.presence = presence;
                }
                self.lobby.acked(&views, now, effects);
            }
            Some(M::SnapshotPage { view, first, last, entries }) => {
                self.lobby.page(view, first, last, entries, effects);
            }
            Some(M::SnapshotEnd { view, proof }) => {
                self.lobby.end_snapshot(view, &proof, now, effects);
            }
            Some(M::Delta { view, from, proof, changes }) => {
                self.lobby.delta(view, from, &proof, changes, now, effects);
            }
            Some(M::Result { request, view }) => {
                self.lobby.watch_answered(request, view, effects);
                self.status.answered(request, effects);
            }
            Some(M::Error { request, code, text }) => self.refused(request, code, text, effects),
            Some(M::Goodbye { reason, reconnect, come_back_after_ms, text }) => {
                let reason = Disconnect::Goodbye { reason, text };
                self.dismissed(reason, invitation(reconnect, come_back_after_ms), now, effects);
            }
            Some(M::Welcome(_)) => self.unexpected("a second Welcome", now, effects),
            None => {}
        }
        if self.is_signed_in() {
            self.watch_if_due(now, effects);
            self.send_status(effects);
        }
    }

    pub(super) fn poll_signed_in(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.watch_if_due(now, effects);
        let Phase::SignedIn(heartbeat) = &mut self.phase else { return };
        let (mut due, of) = (Vec::new(), heartbeat.misses());
        heartbeat.poll(now, &mut due);
        for pulse in due {
            match pulse {
                Pulse::Beat { n } => effects.push(Effect::Send(ClientMessage::Heartbeat { n })),
                Pulse::ContactLost { unanswered } => {
                    effects.push(Effect::Emit(Event::ContactLost { unanswered, of }));
                    self.lobby.lose_proof(effects);
                }
                Pulse::Over { unanswered } => {
                    let reason = CloseReason::HeartbeatTimeout;
                    effects.push(Effect::Send(ClientMessage::Goodbye { reason }));
                    self.give_up(Disconnect::ServerSilent { unanswered }, now, effects);
                }
            }
        }
    }

    fn round_trip(&mut self, n: u64, now: Instant, effects: &mut Vec<Effect>) {
        let Phase::SignedIn(heartbeat) = &mut self.phase else { return };
        let took = heartbeat.answered(n, now);
        effects.extend(took.map(|took| Effect::Emit(Event::RoundTrip(took))));
    }

    fn watch_if_due(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.lobby.watch_again_at().is_some_and(|at| now >= at) {
            self.watch(now, effects);
        }
    }

    fn watch(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.last_request = self.last_request.wrapping_add(1);
        effects.push(Effect::Send(self.lobby.watch(self.last_request, now)));
    }

    fn refused(&mut self, request: u32, code: ErrorCode, text: String, effects: &mut Vec<Effect>) {
        self.lobby.watch_refused(request);
        self.status.refused(request);
        effects.push(Effect::Emit(Event::Refused { code, text }));
    }

    fn dismissed(
        &mut self,
        reason: Disconnect,
        invitation: Invitation,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::Disconnect);
        self.end(reason, invitation, now, effects);
    }

    fn unexpected(&mut self, what: &str, now: Instant, effects: &mut Vec<Effect>) {
        self.broken(DecodeError::WrongShape(what.to_owned()), now, effects);
    }
}

fn check(welcome: &Welcome) -> Result<(), DecodeError> {
    if welcome.version != VERSION {
        return Err(DecodeError::OutOfRange("the protocol version"));
    }
    if !INTERVAL_MS.contains(&welcome.heartbeat_ms) || welcome.misses > MISSES_MAX {
        return Err(DecodeError::OutOfRange("the heartbeat rule"));
    }
    Ok(())
}

fn invitation(reconnect: bool, come_back_after_ms: u64) -> Invitation {
    match reconnect {
        true => Invitation::ComeBackAfter(Duration::from_millis(come_back_after_ms)),
        false => Invitation::StayAway,
    }
}
