//! One connection: its socket, what came from it, and its [`Outbox`].
//!
//! The session and the fan-out of an arbiter both push to it, on one thread. Whoever pushes also
//! tries to write; what the socket does not take at once is left to the session.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::outbox::Outbox;
use super::socket::{AnySocket, Socket};
use crate::clock::Mark;
use crate::config::Liveness;
use crate::counts::Left;
use crate::registry::Vitals;
use crate::roster::PublishedDelta;

/// A line that the session and the fan-out of one arbiter share.
pub type SharedLine = Rc<RefCell<Line>>;

/// One connection.
pub struct Line {
    /// What is still to be sent.
    pub outbox: Outbox,
    socket: AnySocket,
    /// Bytes that came and wait: an incomplete frame, or what came while the session was busy.
    #[expect(clippy::box_collection, reason = "most lines have none, and there are many lines")]
    unhandled: Option<Box<Vec<u8>>>,
    /// Wakes the session.
    session: Option<Waker>,
    /// The error with which the socket ended, until the session has seen it.
    error: Option<io::Error>,
    /// The last sign of life of the peer.
    heard: Mark,
    /// When the socket last took bytes.
    sent: Option<Mark>,
    /// 0 until a rule is agreed on.
    interval_ms: u32,
    round_trip_us: u32,
    /// The session is to look at the clock.
    checks: bool,
    /// What the socket took and nobody has counted yet.
    left: Left,
}

impl Line {
    /// A line over a socket.
    #[must_use]
    pub fn new(outbox: Outbox, socket: AnySocket, now: Instant) -> Self {
        Self {
            outbox,
            socket,
            unhandled: None,
            session: None,
            error: None,
            heard: Mark::of(now),
            sent: None,
            interval_ms: 0,
            round_trip_us: 0,
            checks: false,
            left: Left::default(),
        }
    }

    /// The peer was heard.
    pub fn heard(&mut self, now: Instant) {
        self.heard = Mark::of(now);
    }

    /// The heartbeat rule was agreed on.
    pub fn agreed(&mut self, liveness: Liveness) {
        (self.interval_ms, _) = liveness.numbers();
    }

    /// Whether no rule was agreed on yet: nobody has signed in.
    #[must_use]
    pub fn is_of_a_stranger(&self) -> bool {
        self.interval_ms == 0
    }

    /// Has the session look at the clock.
    pub fn check(&mut self) {
        self.checks = true;
        self.wake();
    }

    /// Whether the session is to look at the clock; asked once.
    pub fn takes_check(&mut self) -> bool {
        std::mem::take(&mut self.checks)
    }

    /// The client measured a round trip, in microseconds.
    pub fn round_trip(&mut self, us: u64) {
        self.round_trip_us = u32::try_from(us).unwrap_or(u32::MAX);
    }

    /// What is known of the connection.
    #[must_use]
    pub fn vitals(&self, now: Instant) -> Vitals {
        Vitals {
            heard_at: self.heard.instant(now),
            sent_at: self.sent.map(|sent| sent.instant(now)),
            round_trip_us: self.round_trip_us.into(),
            interval: Duration::from_millis(self.interval_ms.into()),
        }
    }

    /// The socket, to be told what was agreed on.
    #[must_use]
    pub fn socket(&self) -> &dyn Socket {
        &self.socket
    }

    /// Writes what the socket takes now, and wakes the session if it has something left to do.
    pub fn flush(&mut self, now: Instant) {
        if self.outbox.outflow().blocked_since.is_some() {
            // The session is woken when the socket takes more.
            return if self.outbox.ending().is_some() {
                self.wake()
            };
        }
        let written = self.write(now, try_write);
        self.leave_to_session(written);
    }

    /// Tells steps of a view, past the queue if nothing waits there: most of the time nothing does.
    pub fn tell(&mut self, deltas: &[PublishedDelta], now: Instant) {
        let [delta] = deltas else { return self.tell_in_turn(deltas, now) };
        if !self.outbox.is_at_rest() {
            return self.tell_in_turn(deltas, now);
        }
        let Self { outbox, socket, .. } = self;
        let told = outbox.tell(delta, now, |frame| try_write(socket, &[IoSlice::new(frame)]));
        if !matches!(told, Poll::Ready(Ok(0))) {
            self.sent = Some(Mark::of(now));
        }
        self.leave_to_session(told.map_ok(drop));
    }

    fn tell_in_turn(&mut self, deltas: &[PublishedDelta], now: Instant) {
        deltas.iter().for_each(|delta| self.outbox.deliver(delta));
        self.flush(now);
    }

    /// Wakes the session if writing has left it something to do.
    fn leave_to_session(&mut self, written: Poll<io::Result<()>>) {
        let written = self.write_out(written, &mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Err(error)) = written {
            self.error = Some(error);
            self.wake();
        } else if written.is_pending() || self.outbox.has_wish() || self.outbox.ending().is_some() {
            self.wake();
        }
    }

    /// The session's turn to write. It is woken when the socket takes more.
    ///
    /// # Errors
    /// The socket's, also one that [`Self::flush`] met.
    pub fn poll_flush(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Err(error));
        }
        let written = self.write(now, |socket, slices| {
            let socket = Pin::new(socket);
            match slices {
                // Sending one buffer costs the kernel less than a list of one.
                [one] => socket.poll_write(cx, one),
                many => socket.poll_write_vectored(cx, many),
            }
        });
        self.write_out(written, cx)
    }

    /// What the socket itself still holds of what it took, as TLS does, must leave too.
    fn write_out(
        &mut self,
        written: Poll<io::Result<()>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match written {
            Poll::Ready(Ok(())) => Pin::new(&mut self.socket).poll_flush(cx),
            other => other,
        }
    }

    fn write(
        &mut self,
        now: Instant,
        mut write: impl FnMut(&mut AnySocket, &[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        let Self { outbox, socket, .. } = self;
        let (frames, bytes) = (outbox.queued_frames(), outbox.queued_bytes());
        let written = outbox.flush(now, |slices| write(socket, slices));
        if outbox.queued_bytes() < bytes {
            self.sent = Some(Mark::of(now));
            let (frames, bytes) = (frames - outbox.queued_frames(), bytes - outbox.queued_bytes());
            self.left.add(Left { frames: short(frames), bytes: short(bytes) });
        }
        written
    }

    /// Whether the session has nothing to do for what is sent.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.error.is_none() && self.outbox.is_at_rest() && self.socket.holds_nothing_back()
    }

    /// What the socket took since this was last asked.
    pub fn take_left(&mut self) -> Left {
        std::mem::take(&mut self.left)
    }

    /// Reads what has come.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_read<'b>(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &'b mut [u8],
    ) -> Poll<io::Result<&'b [u8]>> {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
        let read = buffer.filled().len();
        Poll::Ready(Ok(&scratch[..read]))
    }

    /// Takes the bytes that wait to be handled.
    pub fn take_unhandled(&mut self) -> Vec<u8> {
        self.unhandled.take().map(|bytes| *bytes).unwrap_or_default()
    }

    /// Keeps bytes until they can be handled. An idle connection keeps no buffer.
    pub fn keep_unhandled(&mut self, bytes: Vec<u8>) {
        self.unhandled = (!bytes.is_empty()).then(|| Box::new(bytes));
    }

    /// Tells the peer that nothing more will come.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    /// This wakes the session.
    pub fn woken_by(&mut self, waker: &Waker) {
        if !self.session.as_ref().is_some_and(|session| session.will_wake(waker)) {
            self.session = Some(waker.clone());
        }
    }

    /// Gives the session a turn.
    pub fn wake(&self) {
        if let Some(session) = &self.session {
            session.wake_by_ref();
        }
    }
}

fn try_write(socket: &mut AnySocket, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
    match socket.try_write(slices) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        written => Poll::Ready(written),
    }
}

/// What one socket takes before it is counted is little.
fn short(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
