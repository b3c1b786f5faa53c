//! Writes what the registry decided to the sessions of one arbiter.
//!
//! Deliveries are carried out strictly in the order of the mailbox. A publication to many sessions
//! is done in slices of [`SLICE`], between which the arbiter's other tasks run: writing to 10,000
//! sockets in one go would hold up heartbeats and sign-ins for 70 ms and more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use herenow_protocol::{CloseReason, SessionId};

use super::line::{Lines, SharedLine};
use super::messages::{Delivery, Drain, Publish, ToSession};
use crate::clock::Clock;
use crate::config::Config;
use crate::roster::PublishedDelta;
use crate::session::goodbye;

/// Sockets written to before other tasks get a turn.
pub const SLICE: usize = 200;

/// How often a drain looks whether everyone has left.
const DRAIN_POLL: Duration = Duration::from_millis(5);

/// Writes to the sessions of one arbiter.
pub struct FanoutActor {
    lines: Lines,
    config: Arc<Config>,
    clock: Clock,
    jobs: VecDeque<Job>,
    /// The rest of a publication waits for its turn.
    resting: bool,
}

enum Job {
    Publish { deltas: Arc<[PublishedDelta]>, watchers: std::vec::IntoIter<SharedLine> },
    Deliver(ToSession),
}

impl FanoutActor {
    /// The fan-out for these lines.
    #[must_use]
    pub fn new(lines: Lines, config: Arc<Config>, clock: Clock) -> Self {
        Self { lines, config, clock, jobs: VecDeque::new(), resting: false }
    }

    /// Carries out jobs until a slice is used up; the rest follows after the other tasks.
    fn work(&mut self, ctx: &mut Context<Self>) {
        if self.resting {
            return;
        }
        let mut budget = SLICE;
        while let Some(job) = self.jobs.pop_front() {
            match job {
                Job::Deliver(message) => self.deliver(message),
                Job::Publish { deltas, mut watchers } => {
                    budget -= self.publish(&deltas, &mut watchers, budget);
                    if watchers.len() > 0 {
                        self.jobs.push_front(Job::Publish { deltas, watchers });
                        return self.rest(ctx);
                    }
                }
            }
        }
    }

    fn publish(
        &self,
        deltas: &[PublishedDelta],
        watchers: &mut std::vec::IntoIter<SharedLine>,
        budget: usize,
    ) -> usize {
        let now = self.clock.now().instant;
        let mut written = 0;
        for line in watchers.by_ref().take(budget) {
            let mut line = line.borrow_mut();
            deltas.iter().for_each(|delta| line.outbox.deliver(delta));
            line.flush(now);
            written += 1;
        }
        written
    }

    fn deliver(&self, ToSession { session, delivery }: ToSession) {
        let Some(line) = self.lines.get(session) else { return };
        let mut line = line.borrow_mut();
        match delivery {
            Delivery::Pages(batch) => line.outbox.deliver_pages(batch),
            Delivery::Mirror(me) => line.outbox.set_me(me),
            Delivery::Close(reason) => {
                let frame = goodbye(reason, String::new(), Duration::ZERO).encode();
                line.outbox.end(reason, frame);
            }
        }
        line.flush(self.clock.now().instant);
    }

    fn rest(&mut self, ctx: &mut Context<Self>) {
        self.resting = true;
        // A message to oneself would not yield: a mailbox is drained in one go.
        let turn = tokio::task::yield_now().into_actor(self).map(|(), fanout, ctx| {
            fanout.resting = false;
            fanout.work(ctx);
        });
        ctx.spawn(turn);
    }

    /// Everyone gets a time of their own to come back, so that the restarted server is not stormed.
    fn say_goodbye(&self) {
        let now = self.clock.now().instant;
        for line in self.lines.choose(|_| true) {
            let (soonest, latest) = self.config.come_back;
            let come_back = rand::random_range(soonest..=latest.max(soonest));
            let reason = CloseReason::ServerShutdown;
            let mut line = line.borrow_mut();
            line.outbox.end(reason, goodbye(reason, String::new(), come_back).encode());
            line.flush(now);
        }
    }
}

impl Actor for FanoutActor {
    type Context = Context<Self>;
}

impl Handler<Publish> for FanoutActor {
    type Result = ();

    fn handle(&mut self, Publish(deltas): Publish, ctx: &mut Context<Self>) {
        let view = deltas.first().map(|delta| delta.view);
        let watchers = self.lines.choose(|line| view.is_some_and(|view| line.outbox.watches(view)));
        self.jobs.push_back(Job::Publish { deltas, watchers: watchers.into_iter() });
        self.work(ctx);
    }
}

impl Handler<ToSession> for FanoutActor {
    type Result = ();

    fn handle(&mut self, message: ToSession, ctx: &mut Context<Self>) {
        self.jobs.push_back(Job::Deliver(message));
        self.work(ctx);
    }
}

impl Handler<Drain> for FanoutActor {
    type Result = ResponseFuture<usize>;

    fn handle(&mut self, Drain { patience }: Drain, _: &mut Context<Self>) -> Self::Result {
        self.jobs.clear();
        self.say_goodbye();
        let (lines, clock) = (self.lines.clone(), self.clock);
        let deadline = clock.now().instant + patience;
        Box::pin(async move {
            while !lines.is_empty() && clock.now().instant < deadline {
                tokio::time::sleep(DRAIN_POLL).await;
            }
            lines.len()
        })
    }
}

/// Where the fan-out of a session is.
pub struct Fanouts(pub Vec<Addr<FanoutActor>>);

impl Fanouts {
    /// To every session that watches.
    pub fn publish(&self, deltas: Vec<PublishedDelta>) {
        let deltas: Arc<[_]> = deltas.into();
        self.0.iter().for_each(|fanout| fanout.do_send(Publish(Arc::clone(&deltas))));
    }

    /// To one session.
    pub fn deliver(&self, session: SessionId, delivery: Delivery) {
        if let Some(fanout) = self.0.get(super::line::arbiter_of(session)) {
            fanout.do_send(ToSession { session, delivery });
        }
    }
}
