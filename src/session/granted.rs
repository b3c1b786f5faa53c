//! What a session was granted when it came in: whose it is, what it may do, until when.

use std::sync::Arc;
use std::time::Instant;

use herenow_protocol::{
    ClientMessage, DisplayName, Hello, OperatorKey, Query, RoomName, Status, WatchTarget,
};

use crate::auth::Grant;
use crate::auth::rights::Rights;

const ROOM: &str = "this room is not open to you";
const LISTS: &str = "you may not ask for people by name";
const INVISIBLE: &str = "you may not be invisible";
const OBSERVE: &str = "you may not watch without being listed";

/// What a session was granted.
#[derive(Debug)]
pub(super) struct Granted {
    name: DisplayName,
    is_proven: bool,
    rights: Arc<Rights>,
    expires_at: Option<Instant>,
}

impl Granted {
    pub(super) fn new(name: DisplayName, grant: Grant, now: Instant) -> Self {
        let Grant { is_proven, rights, lasts } = grant;
        Self { name, is_proven, rights, expires_at: lasts.map(|lasts| now + lasts) }
    }

    pub(super) fn name(&self) -> &DisplayName {
        &self.name
    }

    pub(super) fn is_proven(&self) -> bool {
        self.is_proven
    }

    pub(super) fn expires_at(&self) -> Option<Instant> {
        self.expires_at
    }

    /// # Errors
    /// What this sign-in asks for and may not.
    pub(super) fn allows_hello(&self, hello: &Hello) -> Result<(), &'static str> {
        match () {
            () if hello.observe && !self.rights.observe => Err(OBSERVE),
            () if hello.choice.status == Status::Invisible && !self.rights.invisible => {
                Err(INVISIBLE)
            }
            () => Ok(()),
        }
    }

    /// The message as the registry is to hear it: who may explain asks as the operator does.
    ///
    /// # Errors
    /// The request that may not be made, and why.
    pub(super) fn allowed(
        &self,
        message: ClientMessage,
        operator: Option<OperatorKey>,
    ) -> Result<ClientMessage, (u32, &'static str)> {
        use ClientMessage as M;
        match message {
            M::SetStatus { request, choice } => {
                let hides = choice.status == Status::Invisible;
                allow(!hides || self.rights.invisible, request, INVISIBLE)?;
                Ok(M::SetStatus { request, choice })
            }
            M::Watch { request, target } => {
                match &target {
                    WatchTarget::Room(room) => self.allow_room(room, request)?,
                    WatchTarget::People { .. } => allow(self.rights.lists, request, LISTS)?,
                }
                Ok(M::Watch { request, target })
            }
            M::Join { request, room } => {
                self.allow_room(&room, request)?;
                Ok(M::Join { request, room })
            }
            M::Query { request, query } => {
                let query = self.allowed_query(request, query, operator)?;
                Ok(M::Query { request, query })
            }
            message => Ok(message),
        }
    }

    fn allowed_query(
        &self,
        request: u32,
        query: Query,
        operator: Option<OperatorKey>,
    ) -> Result<Query, (u32, &'static str)> {
        let own = operator.filter(|_| self.rights.explain);
        match query {
            Query::People(names) => {
                allow(self.rights.lists, request, LISTS)?;
                Ok(Query::People(names))
            }
            Query::Count(room) => {
                self.allow_room(&room, request)?;
                Ok(Query::Count(room))
            }
            Query::Page { room, from } => {
                self.allow_room(&room, request)?;
                Ok(Query::Page { room, from })
            }
            Query::Explain { name, operator } => {
                Ok(Query::Explain { name, operator: operator.or(own) })
            }
            Query::Health { operator } => Ok(Query::Health { operator: operator.or(own) }),
        }
    }

    fn allow_room(&self, room: &RoomName, request: u32) -> Result<(), (u32, &'static str)> {
        allow(self.rights.rooms.contain(room), request, ROOM)
    }
}

fn allow(is_allowed: bool, request: u32, why_not: &'static str) -> Result<(), (u32, &'static str)> {
    if is_allowed { Ok(()) } else { Err((request, why_not)) }
}
