//! Every mailbox message, on one page. Who sends what to whom: [`crate::actors`].

use std::sync::Arc;
use std::time::Duration;

use actix::Message;
use herenow_protocol::{CloseReason, Presence, SessionId};

use crate::registry::{Answer, Command};
use crate::roster::{PageBatch, PublishedDelta};

/// A session's command. To the registry.
#[derive(Debug, Message)]
#[rtype(result = "Answer")]
pub struct FromSession {
    /// The session that wants it.
    pub session: SessionId,
    /// What it wants.
    pub command: Command,
}

/// New steps of a view. To every fan-out; the bytes are shared.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Publish(pub Arc<[PublishedDelta]>);

/// Something for one session. To the fan-out of its arbiter, in order with what is published.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ToSession {
    /// The session.
    pub session: SessionId,
    /// What it gets.
    pub delivery: Delivery,
}

/// What one session gets.
#[derive(Debug)]
pub enum Delivery {
    /// Pages that it asked for.
    Pages(PageBatch),
    /// How others see its user from now on.
    Mirror(Option<Presence>),
    /// The session is over.
    Close(CloseReason),
}

/// Accept no more. To every listener.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StopAccepting;

/// The server stops: publish no more. To the registry.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StopPublishing;

/// Say goodbye to every session and wait until they have left. To every fan-out; answered with the
/// number of sessions that had not left in time.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub struct Drain {
    /// How long to wait for slow sockets.
    pub patience: Duration,
}
