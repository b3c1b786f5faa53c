//! Every mailbox message, on one page. Who sends what to whom: [`crate::actors`].

use std::sync::Arc;
use std::time::Duration;

use actix::Message;

use super::publication::Publication;
use crate::config::Config;
use crate::registry::{Answer, Command, ConnectionId, Delivery, Vitals};

/// A connection's command. To the registry.
#[derive(Debug, Message)]
#[rtype(result = "Answer")]
pub struct FromSession {
    /// The connection that wants it.
    pub connection: ConnectionId,
    /// What it wants.
    pub command: Command,
}

/// A connection's command whose answer [takes time](Command::takes_time). To the registry.
#[derive(Debug, Message)]
#[rtype(result = "Answer")]
pub struct Patiently(pub FromSession);

/// New steps of a room's view. To every fan-out, which lets go of it when it is written.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Publish(pub Arc<Publication>);

/// Something for one connection. To the fan-out of its arbiter, in order with what is published.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ToSession {
    /// The connection.
    pub connection: ConnectionId,
    /// What it gets.
    pub delivery: Delivery,
}

/// What is known of this connection? To the fan-out of its arbiter.
#[derive(Debug, Message)]
#[rtype(result = "Option<Vitals>")]
pub struct Inspect(pub ConnectionId);

/// What counts from now on. To every listener and every fan-out.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Reconfigure(pub Arc<Config>);

/// Accept no more. To every listener.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StopAccepting;

/// The server stops: publish no more. To the registry.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StopPublishing;

/// Answered once everything before it has been handled. To the registry.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Finish;

/// Say goodbye to every session and wait until they have left. To every fan-out; answered with the
/// number of sessions that had not left in time.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub struct Drain {
    /// How long to wait for slow sockets.
    pub patience: Duration,
}
