//! The ways in which a connection ends, and what is left for the next one.

use std::time::Instant;

use herenow_protocol::{ClientMessage, CloseReason};

use super::resume::ends_session;
use super::{Effect, Phase, Session};
use crate::reconnect::{Invitation, JITTER_MAX};
use crate::{Disconnect, Event};

impl Session {
    pub(super) fn leave(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.is_over() {
            return;
        }
        if self.is_signed_in() {
            let reason = CloseReason::Goodbye;
            effects.push(Effect::Send(ClientMessage::Goodbye { reason }));
        }
        self.give_up(Disconnect::Left, now, effects);
    }

    /// Ends the connection from this side.
    pub(super) fn give_up(&mut self, reason: Disconnect, now: Instant, effects: &mut Vec<Effect>) {
        if self.has_connection() {
            effects.push(Effect::Disconnect);
        }
        self.end(reason, Invitation::Unsaid, now, effects);
    }

    pub(super) fn end(
        &mut self,
        reason: Disconnect,
        invitation: Invitation,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let reason = self.blame_own_network(reason);
        if ends_session(&reason) {
            self.ticket = None;
        }
        let range_max = self.ticket.as_mut().map_or(JITTER_MAX, |ticket| ticket.lost(now));
        let retry = self.reconnect.ended(&reason, invitation, range_max, now, &mut self.rng);
        self.requests.lost();
        self.views.lost(now, effects);
        self.rooms.lost();
        self.status.lost();
        self.delay.lost();
        self.queries.lost(&reason, effects);
        self.phase = retry.map_or(Phase::Over, Phase::Waiting);
        let retry_in = retry.map(|retry| retry.at - now);
        effects.push(Effect::Emit(Event::Closed { reason, retry_in }));
    }

    /// With the network of this computer down, a server that cannot be reached is not to blame.
    fn blame_own_network(&self, reason: Disconnect) -> Disconnect {
        use Disconnect as D;
        match reason {
            D::ServerSilent { .. } | D::ConnectionReset | D::Unreachable(_) | D::SignInTimeout
                if !self.network_up =>
            {
                D::NetworkDown
            }
            reason => reason,
        }
    }
}
