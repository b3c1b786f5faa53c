//! Writes what a session's line holds, asks for pages when it has room, and closes after a goodbye.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use actix::prelude::*;

use super::SessionActor;

/// How long a connection that was told goodbye may take to close its end. Closing ours earlier
/// could destroy the goodbye on its way.
const LINGER: Duration = Duration::from_secs(1);

/// The writing part of a session's context. Ends when the goodbye is out.
#[derive(Default)]
pub(super) struct WriteLoop {
    /// The goodbye was seen and the time to part is running.
    lingering: bool,
}

impl WriteLoop {
    /// The session is told to end: tells the registry, and gives the peer a moment to close its end, for
    /// which the read loop waits.
    fn part(&mut self, actor: &mut SessionActor, ctx: &mut Context<SessionActor>) {
        let ending = actor.line.borrow().outbox.ending();
        if let Some(reason) = ending.filter(|_| !actor.session.is_ended()) {
            actor.over(reason);
        }
        if !std::mem::replace(&mut self.lingering, true) {
            ctx.run_later(LINGER, |_, ctx| ctx.stop());
        }
    }
}

impl ActorFuture<SessionActor> for WriteLoop {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut SessionActor,
        ctx: &mut Context<SessionActor>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let was_full = actor.line.borrow().outbox.is_full();
        let flushed = actor.line.borrow_mut().poll_flush(actor.now(), task);
        if let Poll::Ready(Err(error)) = flushed {
            actor.lost(&Err(error), ctx);
            return Poll::Ready(());
        }
        actor.ask_for_wishes();
        if was_full && !actor.line.borrow().outbox.is_full() {
            actor.wake_reader();
        }
        if actor.line.borrow().outbox.ending().is_none() {
            return Poll::Pending;
        }
        self.part(actor, ctx);
        ready!(flushed).ok();
        ready!(actor.line.borrow_mut().poll_shutdown(task)).ok();
        Poll::Ready(())
    }
}
