//! Drives the [`Registry`]: applies commands in mailbox order, publishes at most once a tick.
//!
//! The order of this mailbox is what a reader/writer lock would be elsewhere: it has one reader, and
//! that one is the only writer.

use std::process;

use actix::prelude::*;

use super::fanout_actor::Fanouts;
use super::messages::{Delivery, FromSession, StopPublishing};
use crate::clock::Clock;
use crate::registry::{Answer, Effect, Registry};

/// The exit code of a process whose registry panicked: `EX_SOFTWARE` of `sysexits.h`.
pub const EXIT_SOFTWARE: i32 = 70;

/// Drives the registry.
pub struct RegistryActor {
    registry: Registry,
    fanouts: Fanouts,
    clock: Clock,
    effects: Vec<Effect>,
    /// The timer of the next publication, while there is one.
    flush: Option<SpawnHandle>,
    publishing: bool,
}

impl RegistryActor {
    /// A driver that tells these fan-outs.
    #[must_use]
    pub fn new(registry: Registry, fanouts: Fanouts, clock: Clock) -> Self {
        Self { registry, fanouts, clock, effects: Vec::new(), flush: None, publishing: true }
    }

    fn flush_when_due(&mut self, ctx: &mut Context<Self>) {
        let now = self.clock.now().instant;
        match self.registry.flush_due(now) {
            Some(due) if due <= now => {
                self.registry.flush(now, &mut self.effects);
                self.perform_effects();
            }
            Some(due) if self.flush.is_none() => {
                self.flush = Some(ctx.run_later(due - now, |actor, ctx| {
                    actor.flush = None;
                    actor.flush_when_due(ctx);
                }));
            }
            _ => {}
        }
    }

    fn perform_effects(&mut self) {
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Publish(deltas) if self.publishing => self.fanouts.publish(deltas),
                Effect::Publish(_) => {}
                Effect::Pages(session, batch) => {
                    self.fanouts.deliver(session, Delivery::Pages(batch));
                }
                Effect::Mirror(session, me) => self.fanouts.deliver(session, Delivery::Mirror(me)),
                Effect::Close(session, reason) => {
                    self.fanouts.deliver(session, Delivery::Close(reason));
                }
            }
        }
    }
}

impl Actor for RegistryActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Bounded by the sessions, not by this number: see the bounds in `actors`.
        ctx.set_mailbox_capacity(1024);
    }
}

impl Handler<FromSession> for RegistryActor {
    type Result = MessageResult<FromSession>;

    fn handle(&mut self, message: FromSession, ctx: &mut Context<Self>) -> Self::Result {
        let FromSession { session, command } = message;
        let now = self.clock.now();
        let answer: Answer = self.registry.apply(session, command, now, &mut self.effects);
        self.perform_effects();
        self.flush_when_due(ctx);
        MessageResult(answer)
    }
}

impl Handler<StopPublishing> for RegistryActor {
    type Result = ();

    fn handle(&mut self, _: StopPublishing, _: &mut Context<Self>) {
        self.publishing = false;
    }
}

/// Without its registry the server would go on answering heartbeats while nobody is listed any
/// more: actix drops the actor alone, and messages to it vanish. So the process ends, and whoever
/// supervises it starts it anew.
impl Drop for RegistryActor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the registry panicked; the server ends");
            process::exit(EXIT_SOFTWARE);
        }
    }
}
