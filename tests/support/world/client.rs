//! One client's program, and the wires of its connections.

use std::time::{Duration, Instant};

use herenow_client::Options;
use herenow_client::session::Session;

use super::cable::Direction;
use super::oracle::Watcher;

/// Which client.
pub type Who = usize;

/// What happens to the frames that a client is sent, one by one.
pub type Tamper = Box<dyn FnMut(Vec<u8>, Instant) -> Vec<Vec<u8>>>;

/// One client.
pub struct Client {
    pub(super) session: Session,
    pub(super) watcher: Watcher,
    pub(super) name: String,
    pub(super) device: String,
    pub(super) wire: Option<herenow::registry::ConnectionId>,
    pub(super) received: Vec<u8>,
    /// An attempt to connect that nobody answers ends here.
    pub(super) connecting_until: Option<Instant>,
    pub(super) frozen: bool,
    /// Its process was killed.
    pub(super) dead: bool,
    pub(super) cut: Cut,
    /// How many connections it had.
    pub(super) connections: u64,
    /// How often its program was started again.
    pub(super) runs: u64,
    /// What it sends always takes this long.
    pub delay: Option<Duration>,
    /// Plants faults between the server and this client.
    pub tamper: Option<Tamper>,
    /// Everything that came, with the time since the start, if it is to be kept.
    pub frames: Option<Vec<(Duration, Vec<u8>)>>,
    /// Bytes that came.
    pub bytes: usize,
}

/// Which directions of a client's cable are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// From the client to the server.
    pub up: bool,
    /// From the server to the client.
    pub down: bool,
}

impl Cut {
    /// The cable is pulled.
    pub const BOTH: Self = Self { up: true, down: true };
    /// The cable is whole.
    pub const NONE: Self = Self { up: false, down: false };
}

/// A connection on its way.
pub(super) struct Wire {
    pub(super) client: Who,
    pub(super) up: Direction,
    pub(super) down: Direction,
}

impl Client {
    pub(super) fn new(session: Session, options: &Options) -> Self {
        Self {
            session,
            watcher: Watcher::default(),
            name: options.name.to_string(),
            device: options.device.as_str().to_owned(),
            wire: None,
            received: Vec::new(),
            connecting_until: None,
            frozen: false,
            dead: false,
            cut: Cut::NONE,
            connections: 0,
            runs: 0,
            delay: None,
            tamper: None,
            frames: None,
            bytes: 0,
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.session.next_deadline().into_iter().chain(self.connecting_until).min()
    }
}
