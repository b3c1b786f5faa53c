//! Drives the [`Registry`]: applies commands in mailbox order, publishes when that is due and what was published before
//! is written.
//!
//! The order of this mailbox is what a reader/writer lock would be elsewhere: it has one reader, and
//! that one is the only writer.

use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::dev::{MessageResponse, OneshotSender};
use actix::prelude::*;
use herenow_protocol::CloseReason;

use super::fanout_actor::Fanouts;
use super::messages::{CallRoll, Finish, FromSession, Patiently, StopPublishing};
use super::publication::{Publication, Unwritten};
use crate::clock::Clock;
use crate::journal::Record;
use crate::limits::churn::Churn;
use crate::registry::{Answer, Command, Effect, Registry};
use crate::store::{Store, Ticket};

/// The exit code of a process whose registry panicked: `EX_SOFTWARE` of `sysexits.h`.
pub const EXIT_SOFTWARE: i32 = 70;

/// How soon it is looked again whether the arbiters have written what was published before. Shorter than what the tick
/// takes notice of.
const LOOK_AGAIN: Duration = Duration::from_millis(4);

/// Drives the registry.
pub struct RegistryActor {
    registry: Registry,
    fanouts: Fanouts,
    clock: Clock,
    store: Option<Store>,
    effects: Vec<Effect>,
    /// What the arbiters still write.
    unwritten: Unwritten,
    /// The timer of what is due next, and when that is.
    timer: Option<(Instant, SpawnHandle)>,
    publishing: bool,
    /// Who signed in lately, and how often one user may in a second.
    churn: Churn,
    sign_ins_per_second: u32,
}

impl RegistryActor {
    /// A driver that tells these fan-outs, and writes into this store.
    #[must_use]
    pub fn new(registry: Registry, fanouts: Fanouts, clock: Clock, store: Option<Store>) -> Self {
        let (effects, unwritten) = (Vec::new(), Unwritten::default());
        Self {
            registry,
            fanouts,
            clock,
            store,
            effects,
            unwritten,
            timer: None,
            publishing: true,
            churn: Churn::default(),
            sign_ins_per_second: 0,
        }
    }

    /// The same, but every user may sign in so many times a second only; 0 for no limit.
    #[must_use]
    pub fn limited(mut self, sign_ins_per_second: u32) -> Self {
        self.sign_ins_per_second = sign_ins_per_second;
        self
    }

    /// Whether whoever wants this has wanted it too often.
    fn comes_too_often(&mut self, command: &Command) -> bool {
        let Command::SignIn(sign_in) = command else { return false };
        let (limit, now) = (self.sign_ins_per_second, self.clock.instant());
        sign_in.is_listed() && !self.churn.sign_in(sign_in.name(), limit, now)
    }

    /// Carries out one command. Returns its answer, and what stands for the records of it.
    fn apply(&mut self, message: FromSession, ctx: &mut Context<Self>) -> (Answer, Option<Ticket>) {
        let FromSession { connection, command } = message;
        let now = self.clock.now();
        let answer = self.registry.apply(connection, command, now, &mut self.effects);
        let ticket = self.perform_effects();
        self.poll_when_due(ctx);
        (answer, ticket)
    }

    /// Does what is due, and sets the timer for what will be.
    fn poll_when_due(&mut self, ctx: &mut Context<Self>) {
        let now = self.clock.now();
        if self.registry.next_due().is_some_and(|due| due <= now.instant) {
            if !self.unwritten.settle(self.registry.tick_mut()) {
                self.registry.hold_publications(now.instant + LOOK_AGAIN);
            }
            self.registry.poll(now, &mut self.effects);
            self.perform_effects();
        }
        let Some(due) = self.registry.next_due() else { return };
        if self.timer.as_ref().is_some_and(|(at, _)| *at <= due) {
            return;
        }
        let handle = ctx.run_later(due.saturating_duration_since(now.instant), |actor, ctx| {
            actor.timer = None;
            actor.poll_when_due(ctx);
        });
        if let Some((_, later)) = self.timer.replace((due, handle)) {
            ctx.cancel_future(later);
        }
    }

    fn perform_effects(&mut self) -> Option<Ticket> {
        let mut records: Vec<Record> = Vec::new();
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Publish(deltas) if self.publishing => {
                    let (tick, now) = (*self.registry.tick_mut(), self.clock.now().instant);
                    let publication = Arc::new(Publication::new(deltas, tick, now));
                    self.unwritten.add(&publication);
                    self.fanouts.publish(&publication);
                }
                Effect::Publish(_) => {}
                Effect::Deliver(connection, delivery) => {
                    self.fanouts.deliver(connection, delivery);
                }
                Effect::Record(record) => records.push(record),
            }
        }
        let store = self.store.as_ref().filter(|_| !records.is_empty())?;
        Some(store.write(records))
    }
}

impl Actor for RegistryActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Bounded by the sessions, not by this number: see the bounds in `actors`.
        ctx.set_mailbox_capacity(1024);
        self.poll_when_due(ctx);
    }
}

impl Handler<FromSession> for RegistryActor {
    type Result = MessageResult<FromSession>;

    fn handle(&mut self, message: FromSession, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.apply(message, ctx).0)
    }
}

impl Handler<Patiently> for RegistryActor {
    type Result = Reply;

    /// A session is welcomed when its beginning is on disk, so that none is forgotten by a crash; a disk that fails
    /// holds up nobody.
    fn handle(&mut self, Patiently(message): Patiently, ctx: &mut Context<Self>) -> Reply {
        if self.comes_too_often(&message.command) {
            let text = "this user signs in too often".to_owned();
            return Reply::Now(Answer::Refused(CloseReason::TooManyRequests, text));
        }
        let (mut answer, ticket) = self.apply(message, ctx);
        let store = self.store.clone();
        match (&answer, store, ticket) {
            (Answer::SignedIn(_), Some(store), Some(ticket)) => {
                Reply::Later(Box::pin(async move {
                    store.committed(ticket).await;
                    answer
                }))
            }
            (Answer::Explanation(..) | Answer::Health(_), store, _) => {
                let (fanouts, clock) = (self.fanouts.clone(), self.clock);
                Reply::Later(Box::pin(async move {
                    complete(&mut answer, store.as_ref(), &fanouts, clock).await;
                    answer
                }))
            }
            _ => Reply::Now(answer),
        }
    }
}

/// An answer, or one that takes a moment. Each of those is a task of its own, which most sign-ins need not be.
pub enum Reply {
    /// Here it is.
    Now(Answer),
    /// It will be.
    Later(ResponseFuture<Answer>),
}

impl MessageResponse<RegistryActor, Patiently> for Reply {
    fn handle(self, ctx: &mut Context<RegistryActor>, asker: Option<OneshotSender<Answer>>) {
        match self {
            // A session that is gone needs no answer.
            Self::Now(answer) => drop(asker.map(|asker| asker.send(answer))),
            Self::Later(answer) => {
                MessageResponse::<RegistryActor, Patiently>::handle(answer, ctx, asker);
            }
        }
    }
}

/// Fills in what only other threads know.
async fn complete(answer: &mut Answer, store: Option<&Store>, fanouts: &Fanouts, clock: Clock) {
    match answer {
        Answer::Explanation(explanation, connections) => {
            let vitals = fanouts.inspect(connections).await;
            let now = clock.now().instant;
            for (report, vitals) in explanation.sessions.iter_mut().zip(vitals) {
                vitals.into_iter().for_each(|vitals| vitals.complete(report, now));
            }
        }
        Answer::Health(health) => {
            if let Some(store) = store.map(Store::health) {
                (health.store, health.text) = (store.state, store.text);
                (health.waiting, health.dropped) = (store.waiting, store.dropped);
            }
        }
        _ => {}
    }
}

impl Handler<CallRoll> for RegistryActor {
    type Result = MessageResult<CallRoll>;

    fn handle(&mut self, _: CallRoll, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.registry.roll())
    }
}

impl Handler<StopPublishing> for RegistryActor {
    type Result = ();

    fn handle(&mut self, _: StopPublishing, _: &mut Context<Self>) {
        self.publishing = false;
    }
}

impl Handler<Finish> for RegistryActor {
    type Result = ();

    fn handle(&mut self, _: Finish, _: &mut Context<Self>) {}
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
