//! Writes what the registry decided to the sessions of one arbiter.
//!
//! Deliveries are carried out strictly in the order of the mailbox. A publication to many sessions
//! is done in slices of [`SLICE`], between which the arbiter's other tasks run: writing to 10,000
//! sockets in one go would hold up heartbeats and sign-ins for 70 ms and more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use herenow_protocol::{CloseReason, ServerMessage};

use super::line::SharedLine;
use super::lines::{Lines, Watchers};
use super::messages::{Drain, Inspect, Publish, Reconfigure, TakeStock, ToSession};
use super::publication::Publication;
use crate::clock::Clock;
use crate::config::Config;
use crate::counts::Left;
use crate::registry::{ConnectionId, Delivery, Vitals};
use crate::session::goodbye;

/// Sockets written to before other tasks get a turn, for publications and for single deliveries alike.
pub const SLICE: usize = 200;

/// How often a drain looks whether everyone has left.
const DRAIN_POLL: Duration = Duration::from_millis(5);

/// Writes to the sessions of one arbiter.
pub struct FanoutActor {
    lines: Lines,
    config: Arc<Config>,
    clock: Clock,
    jobs: VecDeque<Job>,
    /// What is left of the slice.
    budget: usize,
    /// The rest of a publication waits for its turn.
    resting: bool,
}

enum Job {
    Publish { publication: Arc<Publication>, watchers: Watchers, next: usize },
    Deliver(ToSession),
}

impl FanoutActor {
    /// The fan-out for these lines.
    #[must_use]
    pub fn new(lines: Lines, config: Arc<Config>, clock: Clock) -> Self {
        Self { lines, config, clock, jobs: VecDeque::new(), budget: SLICE, resting: false }
    }

    /// Carries out jobs until a slice is used up; the rest follows after the other tasks.
    fn work(&mut self, ctx: &mut Context<Self>) {
        if self.resting {
            return;
        }
        while let Some(job) = self.jobs.pop_front() {
            match job {
                Job::Deliver(message) => {
                    self.deliver(message);
                    self.budget -= 1;
                }
                Job::Publish { publication, watchers, next } => {
                    let end = watchers.len().min(next + self.budget);
                    self.publish(&publication, &watchers[next..end], end == watchers.len());
                    if end < watchers.len() {
                        self.jobs.push_front(Job::Publish { publication, watchers, next: end });
                    }
                }
            }
            if self.budget == 0 {
                return self.rest(ctx);
            }
        }
    }

    /// Writes a publication to some of its watchers, perhaps the last ones.
    fn publish(
        &mut self,
        publication: &Publication,
        watchers: &[(ConnectionId, SharedLine)],
        last: bool,
    ) {
        let now = self.clock.instant();
        let mut left = Left::default();
        for (_, line) in watchers {
            let mut line = line.borrow_mut();
            line.tell(&publication.deltas, now);
            left.add(line.take_left());
        }
        self.budget -= watchers.len();
        let now = self.clock.instant();
        if last {
            publication.written(now);
        }
        self.lines.count(|counts| {
            counts.left(left);
            if last && !watchers.is_empty() {
                counts.fanout.add(publication.age(now));
            }
        });
        self.lines.wrote(publication.age(now), now);
    }

    fn deliver(&self, ToSession { connection, delivery }: ToSession) {
        let Some(line) = self.lines.get(connection) else { return };
        let mut line = line.borrow_mut();
        match delivery {
            Delivery::Deltas(deltas) => {
                deltas.iter().for_each(|delta| line.outbox.deliver(delta));
            }
            Delivery::Pages(batch) => line.outbox.deliver_pages(batch),
            Delivery::Missed(missed) => line.outbox.deliver_missed(missed),
            Delivery::Buckets(batch) => line.outbox.deliver_buckets(batch),
            Delivery::Ranges(batch) => line.outbox.deliver_ranges(batch),
            Delivery::Chosen(choice) => line.outbox.push(ServerMessage::Chosen(choice).encode()),
            Delivery::Mirror(me) => line.outbox.set_me(me),
            Delivery::Close(reason) => {
                let frame = goodbye(reason, String::new(), Duration::ZERO).encode();
                line.outbox.end(reason, frame);
            }
        }
        line.flush(self.clock.instant());
        let left = line.take_left();
        self.lines.count(|counts| counts.left(left));
    }

    fn rest(&mut self, ctx: &mut Context<Self>) {
        self.resting = true;
        // A message to oneself would not yield: a mailbox is drained in one go.
        let turn = tokio::task::yield_now().into_actor(self).map(|(), fanout, ctx| {
            (fanout.resting, fanout.budget) = (false, SLICE);
            fanout.work(ctx);
        });
        ctx.spawn(turn);
    }

    /// Everyone gets a slot of their own to come back, so that the restarted server is not stormed.
    fn say_goodbye(&self) {
        let now = self.clock.instant();
        let lines = self.lines.all();
        let slots = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        for (line, slot) in lines.into_iter().zip(0..) {
            let come_back = slot_to_come_back(self.config.slots(), slot, slots);
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

    fn handle(&mut self, Publish(publication): Publish, ctx: &mut Context<Self>) {
        let view = publication.deltas.first().map(|delta| delta.view);
        let watchers = view.map(|view| self.lines.watchers(view)).unwrap_or_default();
        self.lines.set_tick(publication.tick);
        self.jobs.push_back(Job::Publish { publication, watchers, next: 0 });
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

impl Handler<Inspect> for FanoutActor {
    type Result = MessageResult<Inspect>;

    fn handle(&mut self, Inspect(connection): Inspect, _: &mut Context<Self>) -> Self::Result {
        MessageResult(
            self.lines.get(connection).map(|line| line.borrow().vitals(self.clock.instant())),
        )
    }
}

impl Handler<TakeStock> for FanoutActor {
    type Result = MessageResult<TakeStock>;

    fn handle(&mut self, _: TakeStock, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.lines.stock())
    }
}

impl Handler<Reconfigure> for FanoutActor {
    type Result = ();

    fn handle(&mut self, Reconfigure(config): Reconfigure, _: &mut Context<Self>) {
        self.config = config;
    }
}

impl Handler<Drain> for FanoutActor {
    type Result = ResponseFuture<usize>;

    fn handle(&mut self, Drain { patience }: Drain, _: &mut Context<Self>) -> Self::Result {
        self.jobs.clear();
        self.say_goodbye();
        let (lines, clock) = (self.lines.clone(), self.clock);
        let deadline = clock.instant() + patience;
        Box::pin(async move {
            while !lines.is_empty() && clock.instant() < deadline {
                tokio::time::sleep(DRAIN_POLL).await;
            }
            lines.len()
        })
    }
}

/// The middle of one of `slots` equal parts of the range.
fn slot_to_come_back(range: (Duration, Duration), slot: u32, slots: u32) -> Duration {
    let (soonest, latest) = range;
    let width = latest.saturating_sub(soonest);
    soonest + width.mul_f64((f64::from(slot) + 0.5) / f64::from(slots.max(1)))
}

/// Where the fan-out of a connection is.
#[derive(Clone)]
pub struct Fanouts(pub Vec<Addr<FanoutActor>>);

impl Fanouts {
    /// To every session that watches.
    pub fn publish(&self, publication: &Arc<Publication>) {
        self.0.iter().for_each(|fanout| fanout.do_send(Publish(Arc::clone(publication))));
    }

    /// To one connection.
    pub fn deliver(&self, connection: ConnectionId, delivery: Delivery) {
        if let Some(fanout) = self.0.get(connection.arbiter()) {
            fanout.do_send(ToSession { connection, delivery });
        }
    }

    /// What is known of some connections, in their order.
    pub fn inspect(
        &self,
        connections: &[Option<ConnectionId>],
    ) -> impl Future<Output = Vec<Option<Vitals>>> + use<> {
        let questions: Vec<_> = connections
            .iter()
            .map(|connection| {
                let connection = (*connection)?;
                let fanout = self.0.get(connection.arbiter())?;
                Some(fanout.send(Inspect(connection)))
            })
            .collect();
        async move {
            let mut answers = Vec::with_capacity(questions.len());
            for question in questions {
                answers.push(match question {
                    // A fan-out that is being dropped knows nothing any more.
                    Some(question) => question.await.ok().flatten(),
                    None => None,
                });
            }
            answers
        }
    }
}
