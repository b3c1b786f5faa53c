//! Writes what a session's line holds, asks for pages when it has room, and closes after a goodbye.

use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::prelude::*;

use super::SessionActor;
use super::context::SessionContext;

/// How long a connection that was told goodbye may take to close its end. Closing ours earlier
/// could destroy the goodbye on its way.
const LINGER: Duration = Duration::from_secs(1);

/// The writing part of a session. Ends when the goodbye is out.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum WriteLoop {
    /// Writes what comes.
    #[default]
    Open,
    /// The goodbye was seen and the time to part is running.
    Parting,
    /// Nothing more will be written.
    Done,
}

impl WriteLoop {
    /// Takes a turn.
    pub(super) fn poll(
        &mut self,
        actor: &mut SessionActor,
        ctx: &mut SessionContext,
        task: &mut TaskContext<'_>,
    ) {
        if *self == Self::Done || actor.line.borrow().is_at_rest() {
            return;
        }
        let was_full = actor.line.borrow().outbox.is_full();
        let flushed = actor.line.borrow_mut().poll_flush(actor.now(), task);
        let left = actor.line.borrow_mut().take_left();
        actor.local.lines.count(|counts| counts.left(left));
        if let Poll::Ready(Err(error)) = flushed {
            *self = Self::Done;
            return actor.lost(&Err(error), ctx);
        }
        actor.ask_for_wishes();
        if was_full && !actor.line.borrow().outbox.is_full() {
            actor.line.borrow().wake();
        }
        if actor.line.borrow().outbox.ending().is_some() {
            self.part(actor, ctx);
            if flushed.is_ready() && actor.line.borrow_mut().poll_shutdown(task).is_ready() {
                *self = Self::Done;
            }
        }
    }

    /// The session is told to end: tells the registry, and gives the peer a moment to close its end, for
    /// which the read loop waits.
    fn part(&mut self, actor: &mut SessionActor, ctx: &mut SessionContext) {
        let ending = actor.line.borrow().outbox.ending();
        if let Some(reason) = ending.filter(|_| !actor.session.is_ended()) {
            actor.over(reason);
        }
        if *self == Self::Open {
            *self = Self::Parting;
            ctx.run_later(LINGER, |_, ctx| ctx.stop());
        }
    }
}
