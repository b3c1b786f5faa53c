//! Every mailbox message, on one page. Who sends what to whom: [`crate::actors`].

use std::sync::Arc;
use std::time::Duration;

use actix::Message;

use super::publication::Publication;
use crate::config::Config;
use crate::counts::Counts;
use crate::limits::memory::Pressure;
use crate::registry::{Answer, Command, ConnectionId, Delivery, Roll, Vitals};

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

/// What has been counted here? To every fan-out.
#[derive(Debug, Message)]
#[rtype(result = "Stock")]
pub struct TakeStock;

/// What an arbiter has counted.
#[derive(Clone, Debug)]
pub struct Stock {
    /// Everything that was counted since the start.
    pub counts: Counts,
    /// Open connections.
    pub connections: u64,
    /// Bytes that wait for them.
    pub outbox_bytes: u64,
    /// Connections that take none at the moment.
    pub blocked: u64,
}

/// Who is here? To the registry.
#[derive(Debug, Message)]
#[rtype(result = "Roll")]
pub struct CallRoll;

/// What counts from now on. To every listener and every fan-out.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Reconfigure(pub Arc<Config>);

/// Memory is short: give up what can be given up. To every listener, again and again while that lasts.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Relieve(pub Pressure);

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
