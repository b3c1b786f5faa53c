//! Reads frames from a socket and hands them to the session.
//!
//! All sessions of a thread read into one scratch buffer; a session keeps bytes of its own only while a
//! frame is incomplete or the session is busy.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use actix::prelude::*;
use bytes::{Buf, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;

use super::SessionActor;

/// Frames of one connection handled before other tasks get a turn.
const FRAMES_PER_TURN: usize = 32;

/// Bytes read from a socket at a time.
const SCRATCH_BYTES: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

/// Bytes of an ended session that are read and thrown away, so that its peer sees the goodbye before the
/// connection breaks. Who sends more does not read goodbyes.
const DISCARD_BYTES_MAX: usize = 256 * 1024;

/// Between two probes of a connection that the kernel suspects to be dead.
const KEEPALIVE_PROBE: Duration = Duration::from_secs(5);

/// The reading half of a connection. What it asks of the kernel is a backup: heartbeats decide.
pub trait Reader: AsyncRead + Unpin + 'static {
    /// Silence shorter than this is no reason to doubt the connection.
    fn agreed(&self, detection_bound: Duration);

    /// The session is over; the kernel may give up on what was said last after this time. Not set
    /// before: `docs/decisions/0009-no-user-timeout-on-live-connections.md`.
    fn ended(&self, timeout: Duration);
}

impl Reader for OwnedReadHalf {
    fn agreed(&self, detection_bound: Duration) {
        let keepalive =
            TcpKeepalive::new().with_time(detection_bound).with_interval(KEEPALIVE_PROBE);
        let set = SockRef::from(self.as_ref()).set_tcp_keepalive(&keepalive);
        log_refusal("keepalive", set);
    }

    fn ended(&self, timeout: Duration) {
        let set = SockRef::from(self.as_ref()).set_tcp_user_timeout(Some(timeout));
        log_refusal("TCP_USER_TIMEOUT", set);
    }
}

/// The heartbeats decide in any case, so an option that the system refuses ends nothing.
fn log_refusal(option: &str, set: io::Result<()>) {
    if let Err(error) = set {
        tracing::debug!(option, %error, "cannot set a socket option");
    }
}

/// What the kernel has been told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tuned {
    No,
    Agreed,
    Ended,
}

/// The reading part of a session's context. Ends with the socket.
pub(super) struct ReadLoop<R> {
    reader: R,
    /// Bytes that are not handled yet: an incomplete frame, or what came while the session was busy.
    received: BytesMut,
    discarded: usize,
    tuned: Tuned,
}

impl<R: Reader> ReadLoop<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, received: BytesMut::new(), discarded: 0, tuned: Tuned::No }
    }

    /// Handles frames until the socket has no more, the session must wait, or the turn is over. Ready
    /// when the socket has ended.
    fn turn(
        &mut self,
        actor: &mut SessionActor,
        ctx: &mut Context<SessionActor>,
        task: &mut TaskContext<'_>,
    ) -> Poll<io::Result<()>> {
        let mut budget = FRAMES_PER_TURN;
        budget -= self.handle_received(actor, budget, ctx);
        // After its end a session reads on, and throws away, to see the peer close its own end.
        while budget > 0 && (actor.is_reading() || actor.session.is_ended()) {
            let (bytes, frames) = ready!(self.read(actor, budget, ctx, task))?;
            if bytes == 0 || self.discarded > DISCARD_BYTES_MAX {
                return Poll::Ready(Ok(()));
            }
            budget = budget.saturating_sub(frames.max(1));
        }
        if budget == 0 {
            task.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Reads once. Returns how many bytes came and how many frames were handled.
    fn read(
        &mut self,
        actor: &mut SessionActor,
        frames_max: usize,
        ctx: &mut Context<SessionActor>,
        task: &mut TaskContext<'_>,
    ) -> Poll<io::Result<(usize, usize)>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.reader).poll_read(task, &mut buffer))?;
            let bytes = buffer.filled();
            if actor.session.is_ended() {
                self.discarded += bytes.len();
                return Poll::Ready(Ok((bytes.len(), 0)));
            }
            let frames = self.handle(bytes, actor, frames_max, ctx);
            Poll::Ready(Ok((bytes.len(), frames)))
        })
    }

    /// Handles new bytes, behind those that are left from before, and keeps the rest.
    fn handle(
        &mut self,
        mut bytes: &[u8],
        actor: &mut SessionActor,
        frames_max: usize,
        ctx: &mut Context<SessionActor>,
    ) -> usize {
        if self.received.is_empty() {
            let frames = actor.receive(&mut bytes, frames_max, ctx);
            self.received.extend_from_slice(bytes);
            return frames;
        }
        self.received.extend_from_slice(bytes);
        self.handle_received(actor, frames_max, ctx)
    }

    /// Handles what an earlier read left.
    fn handle_received(
        &mut self,
        actor: &mut SessionActor,
        frames_max: usize,
        ctx: &mut Context<SessionActor>,
    ) -> usize {
        let mut rest = &self.received[..];
        let frames = actor.receive(&mut rest, frames_max, ctx);
        let handled = self.received.len() - rest.len();
        self.received.advance(handled);
        if self.received.is_empty() {
            // An idle session keeps no buffer.
            self.received = BytesMut::new();
        }
        frames
    }

    /// Tells the kernel what was agreed on, and later that the session is over.
    fn tune(&mut self, actor: &SessionActor) {
        let Some(liveness) = actor.agreed else { return };
        if self.tuned == Tuned::No {
            self.tuned = Tuned::Agreed;
            self.reader.agreed(liveness.detection_bound());
        }
        if self.tuned == Tuned::Agreed && actor.session.is_ended() {
            self.tuned = Tuned::Ended;
            self.reader.ended(actor.local.config.user_timeout(liveness));
        }
    }
}

impl<R: Reader> ActorFuture<SessionActor> for ReadLoop<R> {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut SessionActor,
        ctx: &mut Context<SessionActor>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let this = self.get_mut();
        if !actor.reader.as_ref().is_some_and(|reader| reader.will_wake(task.waker())) {
            actor.reader = Some(task.waker().clone());
        }
        let turn = this.turn(actor, ctx, task);
        this.tune(actor);
        let end = ready!(turn);
        actor.lost(&end, ctx);
        Poll::Ready(())
    }
}
