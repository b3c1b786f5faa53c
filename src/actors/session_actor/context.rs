//! The context of a session: what actix's own does for an actor that nobody sends messages to.
//!
//! actix's context has room for a mailbox and its queues, which takes more memory than all the rest of an idle
//! session. This one keeps the life cycle and the futures; `docs/decisions/0016-a-context-without-mailbox.md`.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use actix::dev::channel;
use actix::prelude::*;
use smallvec::SmallVec;

use super::SessionActor;

type Future = Pin<Box<dyn ActorFuture<SessionActor, Output = ()>>>;

/// Runs the futures of a session: its interval, its timers, and what it awaits of the registry.
pub struct SessionContext {
    /// In the order in which they were spawned. A future is taken out while it runs.
    futures: SmallVec<[(SpawnHandle, Option<Future>); 1]>,
    newest: SpawnHandle,
    state: ActorState,
}

impl SessionContext {
    pub(super) fn new() -> Self {
        Self {
            futures: SmallVec::new(),
            newest: SpawnHandle::default(),
            state: ActorState::Started,
        }
    }

    fn is_stopping(&self) -> bool {
        self.state.stopping()
    }

    /// Gives every future a turn, those too that are spawned meanwhile.
    fn poll_futures(&mut self, actor: &mut SessionActor, task: &mut TaskContext<'_>) {
        let mut at = 0;
        while at < self.futures.len() && !self.is_stopping() {
            let (handle, future) = &mut self.futures[at];
            let (handle, mut future) = (*handle, future.take().expect("put back after its turn"));
            let polled = future.as_mut().poll(actor, self, task);
            // It may have cancelled others, or itself.
            match self.place_of(handle) {
                Some(place) if polled.is_pending() => {
                    self.futures[place].1 = Some(future);
                    at = place + 1;
                }
                Some(place) => {
                    self.forget(place);
                    at = place;
                }
                None => {}
            }
        }
    }

    fn place_of(&self, handle: SpawnHandle) -> Option<usize> {
        self.futures.iter().position(|(spawned, _)| *spawned == handle)
    }

    /// Most sessions have one future most of the time.
    fn forget(&mut self, place: usize) {
        self.futures.remove(place);
        self.futures.shrink_to_fit();
    }
}

impl ActorContext for SessionContext {
    fn stop(&mut self) {
        if self.state.alive() {
            self.state = ActorState::Stopping;
        }
    }

    fn terminate(&mut self) {
        self.state = ActorState::Stopped;
    }

    fn state(&self) -> ActorState {
        self.state
    }
}

impl AsyncContext<SessionActor> for SessionContext {
    /// The address of nobody: a session is spoken to through its line. What is sent there fails.
    fn address(&self) -> Addr<SessionActor> {
        Addr::new(channel::channel(1).0)
    }

    fn spawn<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<SessionActor, Output = ()> + 'static,
    {
        self.newest = self.newest.next();
        self.futures.push((self.newest, Some(Box::pin(future))));
        self.newest
    }

    /// Sessions wait by reading no further, so that heartbeats go on.
    fn wait<F>(&mut self, future: F)
    where
        F: ActorFuture<SessionActor, Output = ()> + 'static,
    {
        self.spawn(future);
    }

    fn waiting(&self) -> bool {
        self.is_stopping()
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        let place = self.place_of(handle);
        place.into_iter().for_each(|place| self.forget(place));
        place.is_some()
    }
}

/// A session as a task: reads, writes, and runs what its context holds, in this order, so that after a stall of the
/// process the heartbeats that wait in the socket are heard before silence is judged.
pub(super) struct SessionTask {
    pub(super) actor: SessionActor,
    pub(super) context: SessionContext,
    pub(super) reading: super::read_loop::ReadLoop,
}

impl std::future::Future for SessionTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let Self { actor, context, reading } = self.get_mut();
        if context.state == ActorState::Started {
            context.state = ActorState::Running;
            actor.started(context);
        }
        actor.line.borrow_mut().woken_by(task.waker());
        reading.poll(actor, context, task);
        if actor.line.borrow_mut().takes_check() {
            actor.check(context);
        }
        if !context.is_stopping() {
            let mut writing = actor.writing;
            writing.poll(actor, context, task);
            actor.writing = writing;
        }
        context.poll_futures(actor, task);
        if !context.is_stopping() {
            return Poll::Pending;
        }
        // Nobody asks `stopping`: a session that is over cannot rather go on.
        context.terminate();
        actor.stopped(context);
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::actors::line::Line;

    /// There are many sessions. tokio allocates a task with 104 bytes of its own, on a boundary of 128 bytes and so in
    /// multiples of them: one more than 152 costs 128. A line is allocated with the two counts of its `Rc`, 16 bytes, for
    /// which jemalloc has a place of 224 and the next of 256.
    #[test]
    fn an_idle_session_fits_into_the_smaller_place() {
        assert!(size_of::<SessionTask>() <= 152, "{} bytes", size_of::<SessionTask>());
        assert!(size_of::<RefCell<Line>>() <= 208, "{} bytes", size_of::<RefCell<Line>>());
    }
}
