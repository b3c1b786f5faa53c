//! From the server's `Welcome` to the end of that connection.

use std::time::{Duration, Instant};

use herenow_protocol::limits::{CLIENT_FRAME_BYTES_MAX, VERSION};
use herenow_protocol::{ClientMessage, CloseReason, DecodeError, ServerMessage, ViewId, Welcome};
use rand::RngExt;

use super::{Effect, Phase, Session, Ticket};
use crate::heartbeat::{Heartbeat, Pulse};
use crate::options::{PEOPLE_MAX, PERSON_BYTES};
use crate::query::Answer;
use crate::reconnect::Invitation;
use crate::view::Size;
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
        self.frame_max = usize::try_from(welcome.frame_bytes_max)
            .map_or(CLIENT_FRAME_BYTES_MAX, |max| max.min(CLIENT_FRAME_BYTES_MAX));
        self.take_up(&welcome, interval, now);
        effects.push(Effect::Emit(Event::SignedIn(welcome)));
        self.send_what_is_due(now, effects);
    }

    /// Goes on where the last session ended, as far as the server does; the rest is asked for anew.
    fn take_up(&mut self, welcome: &Welcome, interval: Duration, now: Instant) {
        let resumed = welcome.resumed && self.ticket.is_some();
        let same_epoch = self.ticket.as_ref().is_some_and(|ticket| ticket.epoch() == welcome.epoch);
        // A copy that the server takes for newer or older than it is will not prove itself, and is mended then.
        let goes_on = |id: ViewId| resumed && same_epoch && welcome.views.contains(&id);
        self.ticket = Ticket::of(welcome);
        self.views.start(welcome.epoch, interval, goes_on, now);
        self.rooms.start(resumed);
        self.status.signed_in(resumed, self.text_left_out, now);
    }

    pub(super) fn while_signed_in(
        &mut self,
        message: Option<ServerMessage>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        use ServerMessage as M;
        match message {
            Some(M::HeartbeatAck { n, me, views, delay_ms }) => {
                self.round_trip(n, now, effects);
                self.status.seen(me, effects);
                self.delay.acked(delay_ms, effects);
                self.views.acked(&views, self.is_proof_overdue(), now, effects);
            }
            Some(M::Chosen(choice)) => self.status.chosen(choice, now, effects),
            Some(M::Goodbye { reason, reconnect, come_back_after_ms, text }) => {
                let reason = Disconnect::Goodbye { reason, text };
                self.dismissed(reason, invitation(reconnect, come_back_after_ms), now, effects);
            }
            Some(M::Welcome(_)) => self.unexpected("a second Welcome", now, effects),
            Some(M::Result { request, view }) => self.carried_out(request, view, now, effects),
            Some(M::Error { request, code, text }) => {
                self.refused(request, code, text, now, effects);
            }
            Some(M::People { request, count, entries, next }) => {
                self.told(request, Answer::People { count, entries, next }, effects);
            }
            Some(M::Explanation { request, explanation }) => {
                self.told(request, Answer::Explanation(explanation), effects);
            }
            Some(M::Health { request, health }) => {
                self.told(request, Answer::Health(health), effects);
            }
            Some(news) => self.news_of_a_view(news, now, effects),
            None => {}
        }
        if self.is_signed_in() && self.lists_too_much() {
            return self.give_up(Disconnect::ListTooLarge, now, effects);
        }
        self.send_what_is_due(now, effects);
    }

    /// Whether the lists are larger than a server's can be that means well.
    fn lists_too_much(&self) -> bool {
        let Size { people, bytes } = self.views.size();
        people > PEOPLE_MAX || bytes > self.lists_bytes_max + people * PERSON_BYTES
    }

    fn news_of_a_view(&mut self, news: ServerMessage, now: Instant, effects: &mut Vec<Effect>) {
        use ServerMessage as M;
        let id = match &news {
            M::SnapshotPage { view, .. }
            | M::SnapshotEnd { view, .. }
            | M::Delta { view, .. }
            | M::Buckets { view, .. } => *view,
            _ => return,
        };
        let Some(watched) = self.views.by_id(id) else { return };
        match news {
            M::SnapshotPage { first, last, entries, .. } => {
                watched.page(first, last, entries, now, effects);
            }
            M::SnapshotEnd { proof, .. } => watched.end_snapshot(&proof, now, effects),
            M::Delta { from, proof, changes, .. } => {
                watched.delta(from, &proof, changes, now, effects);
            }
            M::Buckets { first, width, digests, more, .. } => {
                watched.buckets(first, width, &digests, more, now);
            }
            _ => {}
        }
    }

    pub(super) fn poll_signed_in(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.send_what_is_due(now, effects);
        let Phase::SignedIn(heartbeat) = &mut self.phase else { return };
        let (mut due, of) = (Vec::new(), heartbeat.misses());
        heartbeat.poll(now, &mut due);
        let round_trip_us = heartbeat.round_trip_us();
        for pulse in due {
            match pulse {
                Pulse::Beat { n } => {
                    effects.push(Effect::Send(ClientMessage::Heartbeat { n, round_trip_us }));
                }
                Pulse::ContactLost { unanswered } => {
                    effects.push(Effect::Emit(Event::ContactLost { unanswered, of }));
                }
                Pulse::ProofOverdue => self.views.overdue(true, now, effects),
                Pulse::Over { unanswered } => {
                    let reason = CloseReason::HeartbeatTimeout;
                    effects.push(Effect::Send(ClientMessage::Goodbye { reason }));
                    self.give_up(Disconnect::ServerSilent { unanswered }, now, effects);
                }
            }
        }
    }

    /// Sends what waits, as far as it may be sent now.
    pub(super) fn send_what_is_due(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.is_signed_in() {
            let requests = &mut self.requests;
            self.views.send(now, self.frame_max, requests, effects);
            self.rooms.send(requests, effects);
            self.status.send(now, requests, effects);
            self.queries.send(self.frame_max, requests, effects);
        }
    }

    fn is_proof_overdue(&self) -> bool {
        matches!(&self.phase, Phase::SignedIn(heartbeat) if heartbeat.is_proof_overdue())
    }

    fn round_trip(&mut self, n: u64, now: Instant, effects: &mut Vec<Effect>) {
        let Phase::SignedIn(heartbeat) = &mut self.phase else { return };
        let took = heartbeat.answered(n, now);
        effects.extend(took.map(|took| Effect::Emit(Event::RoundTrip(took))));
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
