//! Reads frames from a socket and hands them to the session.
//!
//! All sessions of a thread read into one scratch buffer; a session keeps bytes of its own only while a
//! frame is incomplete or the session is busy.

use std::cell::RefCell;
use std::io;
use std::task::{Context as TaskContext, Poll, ready};

use super::SessionActor;
use super::context::SessionContext;

/// Frames of one connection handled before other tasks get a turn.
const FRAMES_PER_TURN: usize = 32;

/// Bytes read from a socket at a time.
const SCRATCH_BYTES: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

/// Bytes of an ended session that are read and thrown away, so that its peer sees the goodbye before the
/// connection breaks. Who sends more does not read goodbyes.
const DISCARD_BYTES_MAX: u32 = 256 * 1024;

/// What the kernel has been told.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Tuned {
    #[default]
    No,
    Agreed,
    Ended,
}

/// The reading part of a session. Ends with the socket.
#[derive(Default)]
pub(super) struct ReadLoop {
    discarded: u32,
    tuned: Tuned,
}

impl ReadLoop {
    /// Takes a turn; stops the session when the socket has ended.
    pub(super) fn poll(
        &mut self,
        actor: &mut SessionActor,
        ctx: &mut SessionContext,
        task: &mut TaskContext<'_>,
    ) {
        let turn = self.turn(actor, ctx, task);
        self.tune(actor);
        if let Poll::Ready(end) = turn {
            actor.lost(&end, ctx);
        }
    }

    /// Handles frames until the socket has no more, the session must wait, or the turn is over. Ready
    /// when the socket has ended.
    fn turn(
        &mut self,
        actor: &mut SessionActor,
        ctx: &mut SessionContext,
        task: &mut TaskContext<'_>,
    ) -> Poll<io::Result<()>> {
        let mut budget = FRAMES_PER_TURN;
        budget -= self.handle(&[], actor, budget, ctx);
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
        ctx: &mut SessionContext,
        task: &mut TaskContext<'_>,
    ) -> Poll<io::Result<(usize, usize)>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let bytes = ready!(actor.line.borrow_mut().poll_read(task, scratch))?;
            if actor.session.is_ended() {
                self.discarded += u32::try_from(bytes.len()).expect("a scratch buffer is small");
                return Poll::Ready(Ok((bytes.len(), 0)));
            }
            let frames = self.handle(bytes, actor, frames_max, ctx);
            Poll::Ready(Ok((bytes.len(), frames)))
        })
    }

    /// Handles new bytes, behind those that are left from before, and keeps the rest.
    fn handle(
        &self,
        mut bytes: &[u8],
        actor: &mut SessionActor,
        frames_max: usize,
        ctx: &mut SessionContext,
    ) -> usize {
        let mut left = actor.line.borrow_mut().take_unhandled();
        if left.is_empty() {
            if bytes.is_empty() {
                return 0;
            }
            let frames = actor.receive(&mut bytes, frames_max, ctx);
            actor.line.borrow_mut().keep_unhandled(bytes.to_vec());
            return frames;
        }
        left.extend_from_slice(bytes);
        let mut rest = &left[..];
        let frames = actor.receive(&mut rest, frames_max, ctx);
        let handled = left.len() - rest.len();
        left.drain(..handled);
        actor.line.borrow_mut().keep_unhandled(left);
        frames
    }

    /// Tells the kernel what was agreed on, and later that the session is over.
    fn tune(&mut self, actor: &SessionActor) {
        if !actor.agreed {
            return;
        }
        let (config, liveness) = (actor.local.config(), actor.session.liveness());
        if self.tuned == Tuned::No {
            self.tuned = Tuned::Agreed;
            // What is usual the socket has inherited.
            if liveness != actor.local.usual() {
                actor.line.borrow().socket().agreed(liveness.detection_bound());
            }
        }
        if self.tuned == Tuned::Agreed && actor.session.is_ended() {
            self.tuned = Tuned::Ended;
            actor.line.borrow().socket().ended(config.user_timeout(liveness));
        }
    }
}
