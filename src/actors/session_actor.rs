//! Drives one [`Session`]: bytes in, commands out, heartbeat checks.
//!
//! Three things run in its context, in this order: the read loop, the write loop, the heartbeat
//! check. Reading comes first, so that after a stall of the process the heartbeats that wait in the
//! socket are heard before silence is judged.

mod read_loop;
mod write_loop;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use actix::prelude::*;
use herenow_protocol::frame::split_body;
use herenow_protocol::limits::INTEGER_MAX;
use herenow_protocol::{CloseReason, ResumeToken, SessionId};
use tokio::io::AsyncWrite;

use super::line::{Line, Lines, SharedLine};
use super::messages::{FromSession, Patiently};
use super::outbox::Outbox;
use super::registry_actor::RegistryActor;
use crate::clock::Clock;
use crate::config::{Config, Liveness};
use crate::registry::{Answer, Command, ConnectionId};
use crate::session::{Credentials, Effect, Session, goodbye, repair_answer};
use read_loop::ReadLoop;
pub use read_loop::Reader;
use write_loop::WriteLoop;

/// What the sessions of one arbiter share.
#[derive(Clone)]
pub struct Local {
    /// The index of the arbiter.
    pub arbiter: usize,
    /// The knobs.
    pub config: Arc<Config>,
    /// The clock.
    pub clock: Clock,
    /// The registry.
    pub registry: Addr<RegistryActor>,
    /// The lines of this arbiter.
    pub lines: Lines,
}

/// Drives one session.
pub struct SessionActor {
    connection: ConnectionId,
    session: Session,
    line: SharedLine,
    local: Local,
    effects: Vec<Effect>,
    /// Wakes the read loop.
    reader: Option<Waker>,
    /// The rule was agreed on; the socket and the timer follow.
    agreed: Option<Liveness>,
    /// The timer of the check that decides.
    decisive: Option<SpawnHandle>,
    /// The registry must be told when this session ends.
    known: bool,
    span: tracing::Span,
}

impl SessionActor {
    /// Starts a session for an accepted connection, on this thread.
    pub fn begin<R: Reader>(
        reader: R,
        writer: Box<dyn AsyncWrite + Unpin>,
        address: SocketAddr,
        local: &Local,
    ) -> Addr<Self> {
        let connection = local.lines.next_connection(local.arbiter);
        let outbox = Outbox::new(local.config.outbox_bytes_max);
        let now = local.clock.now().instant;
        let line = Rc::new(RefCell::new(Line::new(outbox, writer, now)));
        local.lines.insert(connection, Rc::clone(&line));
        let session = Session::new(new_credentials(), &local.config, now);
        let span = tracing::info_span!("connection", id = connection.0, %address);
        tracing::debug!(parent: &span, "connected");
        Self::create(|ctx| {
            ctx.spawn(ReadLoop::new(reader));
            ctx.spawn(WriteLoop::default());
            let mut actor = Self {
                connection,
                session,
                line,
                local: local.clone(),
                effects: Vec::new(),
                reader: None,
                agreed: None,
                decisive: None,
                known: false,
                span,
            };
            actor.check(ctx);
            actor
        })
    }

    fn now(&self) -> Instant {
        self.local.clock.now().instant
    }

    /// Handles complete frames at the start of `bytes`; returns how many it handled.
    fn receive(&mut self, bytes: &mut &[u8], frames_max: usize, ctx: &mut Context<Self>) -> usize {
        let now = self.now();
        let mut frames = 0;
        while frames < frames_max && self.is_reading() {
            match split_body(bytes, self.session.frame_bytes_max()) {
                Ok(Some(body)) => {
                    self.session.receive(body, &self.local.config, now, &mut self.effects);
                }
                Ok(None) => break,
                Err(error) => self.session.violated(&error, &mut self.effects),
            }
            self.perform_effects(ctx);
            frames += 1;
        }
        if frames > 0 {
            self.line.borrow_mut().heard(now);
        }
        frames
    }

    fn is_reading(&self) -> bool {
        !self.session.is_busy() && !self.session.is_ended() && !self.line.borrow().outbox.is_full()
    }

    fn answered(&mut self, answer: Answer, ctx: &mut Context<Self>) {
        let now = self.now();
        self.session.answered(answer, now, &mut self.effects);
        self.perform_effects(ctx);
        self.line.borrow_mut().flush(now);
        self.wake_reader();
    }

    /// Whatever kept the read loop from reading may be over.
    fn wake_reader(&self) {
        if let Some(reader) = &self.reader {
            reader.wake_by_ref();
        }
    }

    /// The heartbeat check: every interval by `run_interval`, and once more exactly when the
    /// silence would be complete.
    fn check(&mut self, ctx: &mut Context<Self>) {
        if self.session.is_ended() {
            return;
        }
        let (now, outflow) = (self.now(), self.line.borrow().outbox.outflow());
        let next = self.session.check(outflow, &self.local.config, now, &mut self.effects);
        self.perform_effects(ctx);
        let timer = next.map(|at| ctx.run_later(at.saturating_duration_since(now), Self::check));
        if let Some(earlier) = std::mem::replace(&mut self.decisive, timer) {
            ctx.cancel_future(earlier);
        }
    }

    fn perform_effects(&mut self, ctx: &mut Context<Self>) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            let mut line = self.line.borrow_mut();
            match effect {
                Effect::Send(message) => line.outbox.push(message.encode()),
                Effect::Ack(n) => {
                    let delay = self.local.lines.delay_at(self.local.clock.now().instant);
                    line.outbox.push_ack(n, delay);
                }
                Effect::RoundTrip(us) => line.round_trip(us),
                Effect::Open(view) => {
                    line.outbox.open(view);
                    self.local.lines.watch(view, self.connection, &self.line);
                }
                Effect::GoOn(view, version) => {
                    line.outbox.go_on(view, version);
                    self.local.lines.watch(view, self.connection, &self.line);
                }
                Effect::Shut(view) => {
                    line.outbox.shut(view);
                    self.local.lines.unwatch(view, self.connection);
                }
                Effect::Repair(request, view, ranges) => {
                    let answer = repair_answer(request, line.outbox.repair(view, ranges));
                    line.outbox.push(answer.encode());
                }
                Effect::SignedIn(liveness, me) => {
                    line.outbox.set_first_me(me);
                    line.agreed(liveness.interval);
                    self.agreed = Some(liveness);
                    drop(line);
                    self.follow(liveness, ctx);
                }
                Effect::Ask(command) => {
                    drop(line);
                    self.ask(command, ctx);
                }
                Effect::Close(reason, text) => {
                    line.outbox.end(reason, goodbye(reason, text, Duration::ZERO).encode());
                    drop(line);
                    self.over(reason);
                }
            }
        }
        self.effects = effects;
    }

    fn follow(&mut self, liveness: Liveness, ctx: &mut Context<Self>) {
        tracing::info!(parent: &self.span, heartbeat = ?liveness.interval, "signed in");
        ctx.run_interval(liveness.interval, Self::check);
        self.check(ctx);
    }

    fn ask(&mut self, command: Command, ctx: &mut Context<Self>) {
        self.known |= matches!(command, Command::SignIn(_));
        let takes_time = command.takes_time();
        let message = FromSession { connection: self.connection, command };
        let answered = |answer: Result<Answer, MailboxError>, actor: &mut Self, ctx: &mut _| {
            match answer {
                Ok(answer) => actor.answered(answer, ctx),
                // Only a registry that is being dropped does not answer.
                Err(_) => ActorContext::stop(ctx),
            }
        };
        if takes_time {
            let answer = self.local.registry.send(Patiently(message)).into_actor(self);
            ctx.spawn(answer.map(answered));
        } else {
            let answer = self.local.registry.send(message).into_actor(self);
            ctx.spawn(answer.map(answered));
        }
    }

    fn ask_for_wishes(&mut self) {
        while let Some((view, wish)) = self.line.borrow_mut().outbox.next_wish() {
            self.tell(Command::Fetch(view, wish));
        }
    }

    /// A command whose answer says nothing.
    fn tell(&self, command: Command) {
        self.local.registry.do_send(FromSession { connection: self.connection, command });
    }

    /// The session is over: tells the registry at once, whatever the socket still takes.
    fn over(&mut self, cause: CloseReason) {
        self.session.end();
        if std::mem::take(&mut self.known) {
            tracing::info!(parent: &self.span, reason = %cause, "connection over");
            self.tell(Command::End(cause, self.session.heard_at()));
        } else {
            tracing::debug!(parent: &self.span, reason = %cause, "connection closed");
        }
        self.line.borrow().wake();
    }

    /// The socket ended by itself.
    fn lost(&mut self, end: &io::Result<()>, ctx: &mut Context<Self>) {
        if !self.session.is_ended() {
            self.over(match end {
                Ok(()) => CloseReason::ConnectionClosed,
                Err(_) => CloseReason::ConnectionReset,
            });
        }
        ctx.stop();
    }
}

/// Nobody can guess them. Numbers on the wire stay below 2^53.
fn new_credentials() -> Credentials {
    let session = SessionId(rand::random_range(1..=INTEGER_MAX));
    Credentials { session, token: ResumeToken(rand::random()) }
}

impl Actor for SessionActor {
    type Context = Context<Self>;
}

impl Drop for SessionActor {
    fn drop(&mut self) {
        self.local.lines.remove(self.connection);
        if self.known {
            // Dropped in mid-life: a handler panicked, or the arbiter stops.
            self.over(CloseReason::InternalError);
        }
    }
}

impl std::fmt::Debug for SessionActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionActor({})", self.connection.0)
    }
}
