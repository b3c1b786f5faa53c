//! One connection's way out: its [`Outbox`] and the writing half of its socket.
//!
//! The session and the fan-out of an arbiter both push to it, on one thread. Whoever pushes also
//! tries to write; what the socket does not take at once is left to the session's write loop.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use herenow_protocol::SessionId;
use tokio::io::AsyncWrite;

use super::outbox::Outbox;

/// A line that the session and the fan-out of one arbiter share.
pub type SharedLine = Rc<RefCell<Line>>;

/// One connection's way out.
pub struct Line {
    /// What is still to be sent.
    pub outbox: Outbox,
    socket: Box<dyn AsyncWrite + Unpin>,
    /// Wakes the session's write loop.
    writer: Option<Waker>,
    /// The error with which the socket ended, until the session has seen it.
    error: Option<io::Error>,
}

impl Line {
    /// A line over the writing half of a socket.
    #[must_use]
    pub fn new(outbox: Outbox, socket: Box<dyn AsyncWrite + Unpin>) -> Self {
        Self { outbox, socket, writer: None, error: None }
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
#[derive(Clone, Default)]
pub struct Lines(Rc<Shared>);

#[derive(Default)]
struct Shared {
    lines: RefCell<BTreeMap<SessionId, SharedLine>>,
    sessions_begun: Cell<u64>,
}

/// Bits of a session number that count the sessions of one arbiter; the arbiter's index is above
/// them. 64 arbiters then stay below 2^53.
const COUNTER_BITS: u32 = 44;

/// The index of the arbiter that serves a session.
#[must_use]
pub fn arbiter_of(session: SessionId) -> usize {
    usize::try_from(session.0 >> COUNTER_BITS).expect("there are at most 64 arbiters")
}

impl Lines {
    /// A session number that no other session of this process has.
    #[must_use]
    pub fn next_session(&self, arbiter: usize) -> SessionId {
        let count = self.0.sessions_begun.get() + 1;
        self.0.sessions_begun.set(count);
        SessionId(((arbiter as u64) << COUNTER_BITS) | count)
    }

    /// Makes a line known to the fan-out.
    pub fn insert(&self, session: SessionId, line: SharedLine) {
        self.0.lines.borrow_mut().insert(session, line);
    }

    /// Forgets a line.
    pub fn remove(&self, session: SessionId) {
        self.0.lines.borrow_mut().remove(&session);
    }

    /// The line of a session, if it is still there.
    #[must_use]
    pub fn get(&self, session: SessionId) -> Option<SharedLine> {
        self.0.lines.borrow().get(&session).cloned()
    }

    /// The lines that `wanted` chooses.
    #[must_use]
    pub fn choose(&self, wanted: impl Fn(&Line) -> bool) -> Vec<SharedLine> {
        let lines = self.0.lines.borrow();
        lines.values().filter(|line| wanted(&line.borrow())).cloned().collect()
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
