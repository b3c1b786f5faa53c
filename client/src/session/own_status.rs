//! The presence that the user wants, what the server was told of it, and how others see it.

use herenow_protocol::{ClientMessage, Presence};

use super::Effect;
use crate::Event;

/// One `SetStatus` is in flight at most; of those that wait behind it, only the last is worth sending.
#[derive(Debug, Default)]
pub(super) struct OwnStatus {
    unsent: Option<Presence>,
    asked: Option<(u32, Presence)>,
    mirror: Option<Presence>,
}

impl OwnStatus {
    /// The user wants this presence from now on.
    pub(super) fn want(&mut self, presence: Presence) {
        self.unsent = Some(presence);
    }

    /// The `Hello` went out. What it said needs no request; an observer's says nothing to anyone, and
    /// one that had to be shortened does not say it all.
    pub(super) fn said_with_hello(&mut self, left_unsaid: bool) {
        if !left_unsaid {
            self.unsent = None;
        }
    }

    /// The request to send now, if there is one and none is in flight.
    pub(super) fn next_request(&mut self, request: u32) -> Option<ClientMessage> {
        if self.asked.is_some() {
            return None;
        }
        let presence = self.unsent.take()?;
        self.asked = Some((request, presence.clone()));
        Some(ClientMessage::SetStatus { request, presence })
    }

    /// A request was carried out. If it was the one in flight, others see that presence now.
    pub(super) fn answered(&mut self, request: u32, effects: &mut Vec<Effect>) {
        if let Some((_, presence)) = self.asked.take_if(|(asked, _)| *asked == request) {
            self.reflect(Some(presence), effects);
        }
    }

    /// A request was refused.
    pub(super) fn refused(&mut self, request: u32) {
        self.asked.take_if(|(asked, _)| *asked == request);
    }

    /// The server says how others see this user. Returns a presence that this session did not set itself:
    /// it is what the user wants now, for they set it through another connection.
    pub(super) fn seen(
        &mut self,
        me: Option<Presence>,
        effects: &mut Vec<Effect>,
    ) -> Option<Presence> {
        let settled = self.asked.is_none() && self.unsent.is_none();
        let elsewhere = me.clone().filter(|_| settled);
        self.reflect(me, effects);
        elsewhere
    }

    /// The connection ended. What an observer asked for and nobody answered is asked again.
    pub(super) fn disconnected(&mut self, observe: bool) {
        let asked = self.asked.take().map(|(_, presence)| presence);
        if observe && self.unsent.is_none() {
            self.unsent = asked;
        }
    }

    fn reflect(&mut self, presence: Option<Presence>, effects: &mut Vec<Effect>) {
        if self.mirror != presence {
            self.mirror.clone_from(&presence);
            effects.push(Effect::Emit(Event::Mirror(presence)));
        }
    }
}
