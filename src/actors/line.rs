//! One connection's way out: its [`Outbox`] and the writing half of its socket.
//!
//! The session and the fan-out of an arbiter both push to it, on one thread. Whoever pushes also
//! tries to write; what the socket does not take at once is left to the session's write loop.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use herenow_protocol::ViewId;
use tokio::io::AsyncWrite;

use super::outbox::Outbox;
use crate::registry::{ConnectionId, Vitals};
use crate::tick::Tick;

/// A line that the session and the fan-out of one arbiter share.
pub type SharedLine = Rc<RefCell<Line>>;

/// One connection's way out.
pub struct Line {
    /// What is still to be sent.
    pub outbox: Outbox,
    /// The last sign of life of the peer.
    heard_at: Instant,
    interval: Duration,
    round_trip_us: u64,
    socket: Box<dyn AsyncWrite + Unpin>,
    /// Wakes the session's write loop.
    writer: Option<Waker>,
    /// The error with which the socket ended, until the session has seen it.
    error: Option<io::Error>,
}

impl Line {
    /// A line over the writing half of a socket.
    #[must_use]
    pub fn new(outbox: Outbox, socket: Box<dyn AsyncWrite + Unpin>, now: Instant) -> Self {
        Self {
            outbox,
            heard_at: now,
            interval: Duration::ZERO,
            round_trip_us: 0,
            socket,
            writer: None,
            error: None,
        }
    }

    /// The peer was heard.
    pub fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// The heartbeat interval was agreed on.
    pub fn agreed(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// The client measured a round trip, in microseconds.
    pub fn round_trip(&mut self, us: u64) {
        self.round_trip_us = us;
    }

    /// What is known of the connection.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        let Self { heard_at, interval, round_trip_us, .. } = *self;
        Vitals { heard_at, sent_at: self.outbox.sent_at(), round_trip_us, interval }
    }

    /// Writes what the socket takes now, and wakes the session if it has something left to do.
    pub fn flush(&mut self, now: Instant) {
        if self.outbox.outflow().blocked_since.is_some() {
            // The write loop is woken when the socket takes more.
            return if self.outbox.ending().is_some() {
                self.wake()
            };
        }
        let written = self.write(now, &mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Err(error)) = written {
            self.error = Some(error);
            self.wake();
        } else if written.is_pending() || self.outbox.has_wish() || self.outbox.ending().is_some() {
            self.wake();
        }
    }

    /// The write loop's turn: writes, and is woken when the socket takes more.
    ///
    /// # Errors
    /// The socket's, also one that [`Self::flush`] met.
    pub fn poll_flush(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Err(error));
        }
        if !self.writer.as_ref().is_some_and(|writer| writer.will_wake(cx.waker())) {
            self.writer = Some(cx.waker().clone());
        }
        self.write(now, cx)
    }

    /// Tells the peer that nothing more will come.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    /// Gives the session's write loop a turn.
    pub fn wake(&self) {
        if let Some(writer) = &self.writer {
            writer.wake_by_ref();
        }
    }

    fn write(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { outbox, socket, .. } = self;
        outbox.flush(now, |bytes| Pin::new(&mut *socket).poll_write(cx, bytes))
    }
}

/// Every line of one arbiter.
#[derive(Clone)]
pub struct Lines(Rc<Shared>);

struct Shared {
    lines: RefCell<BTreeMap<ConnectionId, SharedLine>>,
    /// Who watches what.
    watchers: RefCell<HashMap<ViewId, BTreeMap<ConnectionId, SharedLine>>>,
    begun: Cell<u64>,
    /// How far publications are apart, as far as this arbiter knows.
    tick: Cell<Tick>,
}

/// Bits of a connection's number that count the connections of one arbiter; the arbiter's index is above them.
const COUNTER_BITS: u32 = 44;

/// The index of the arbiter that serves a connection.
#[must_use]
pub fn arbiter_of(connection: ConnectionId) -> usize {
    usize::try_from(connection.0 >> COUNTER_BITS).expect("there are at most 64 arbiters")
}

impl Lines {
    /// No lines yet, and this tick.
    #[must_use]
    pub fn new(tick: Tick) -> Self {
        let (lines, watchers) = (RefCell::default(), RefCell::default());
        Self(Rc::new(Shared { lines, watchers, begun: Cell::default(), tick: Cell::new(tick) }))
    }

    /// The registry's tick.
    pub fn set_tick(&self, tick: Tick) {
        self.0.tick.set(tick);
    }

    /// A publication is so old, and written here or still being written.
    pub fn wrote(&self, age: Duration, now: Instant) {
        let mut tick = self.0.tick.get();
        tick.wrote(age, now);
        self.0.tick.set(tick);
    }

    /// How old what the lines show may be at most.
    #[must_use]
    pub fn delay_at(&self, now: Instant) -> Duration {
        self.0.tick.get().delay_at(now)
    }

    /// A number that no other connection of this process has.
    #[must_use]
    pub fn next_connection(&self, arbiter: usize) -> ConnectionId {
        let count = self.0.begun.get() + 1;
        self.0.begun.set(count);
        ConnectionId(((arbiter as u64) << COUNTER_BITS) | count)
    }

    /// Makes a line known to the fan-out.
    pub fn insert(&self, connection: ConnectionId, line: SharedLine) {
        self.0.lines.borrow_mut().insert(connection, line);
    }

    /// A line watches a view from now on.
    pub fn watch(&self, view: ViewId, connection: ConnectionId, line: &SharedLine) {
        let mut watchers = self.0.watchers.borrow_mut();
        watchers.entry(view).or_default().insert(connection, Rc::clone(line));
    }

    /// A line watches a view no more.
    pub fn unwatch(&self, view: ViewId, connection: ConnectionId) {
        let mut watchers = self.0.watchers.borrow_mut();
        if let Some(lines) = watchers.get_mut(&view) {
            lines.remove(&connection);
            if lines.is_empty() {
                watchers.remove(&view);
            }
        }
    }

    /// Forgets a line.
    pub fn remove(&self, connection: ConnectionId) {
        let Some(line) = self.0.lines.borrow_mut().remove(&connection) else { return };
        let views: Vec<_> = line.borrow().outbox.views().collect();
        views.into_iter().for_each(|view| self.unwatch(view, connection));
    }

    /// The line of a connection, if it is still there.
    #[must_use]
    pub fn get(&self, connection: ConnectionId) -> Option<SharedLine> {
        self.0.lines.borrow().get(&connection).cloned()
    }

    /// The lines that watch a view.
    #[must_use]
    pub fn watchers(&self, view: ViewId) -> Vec<SharedLine> {
        let watchers = self.0.watchers.borrow();
        watchers.get(&view).map(|lines| lines.values().cloned().collect()).unwrap_or_default()
    }

    /// Every line.
    #[must_use]
    pub fn all(&self) -> Vec<SharedLine> {
        self.0.lines.borrow().values().cloned().collect()
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lines.borrow().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
