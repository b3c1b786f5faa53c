//! Drives one [`Session`]: bytes in, commands out, heartbeat checks.
//!
//! Three things run in its context, in this order: the read loop, the write loop, the heartbeat
//! check. Reading comes first, so that after a stall of the process the heartbeats that wait in the
//! socket are heard before silence is judged.

mod context;
mod read_loop;
mod strangers;
mod write_loop;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use herenow_protocol::frame::split_body;
use herenow_protocol::limits::INTEGER_MAX;
use herenow_protocol::{CloseReason, Credential, DisplayName, Hello, ResumeToken, SessionId};

use super::gate::Gate;
use super::line::{Line, SharedLine};
use super::lines::Lines;
use super::messages::{FromSession, Patiently};
use super::outbox::Outbox;
use super::registry_actor::RegistryActor;
use super::socket::AnySocket;
use crate::auth::Grant;
use crate::clock::Clock;
use crate::config::{Config, Liveness};
use crate::registry::{Answer, Command, ConnectionId, SignIn};
use crate::session::{Credentials, Effect, Refusal, Session, goodbye, repair_answer};
pub use context::SessionContext;
use context::SessionTask;
use read_loop::ReadLoop;
use strangers::Strangers;
use write_loop::WriteLoop;

/// Heartbeat checks begin on a grid of this width, so that one waking of the thread serves many sessions.
const CHECK_GRID: Duration = Duration::from_millis(250);

/// What the sessions of one arbiter share.
pub struct Local {
    /// Replaced when the configuration is reloaded. Not shared with other arbiters, which would slow down counting who
    /// holds it.
    config: RefCell<Rc<Config>>,
    /// The heartbeat rule that sockets inherit from their listener.
    usual: Liveness,
    clock: Clock,
    registry: Addr<RegistryActor>,
    lines: Lines,
    strangers: Strangers,
    /// Who may come in; none where everybody may.
    gate: Option<Arc<Gate>>,
    /// Where the grid of checks begins.
    begun: Instant,
    /// Room for the effects of whichever session has its turn.
    effects: Cell<Vec<Effect>>,
}

impl Local {
    /// What the sessions with these lines share.
    #[must_use]
    pub fn new(config: &Config, clock: Clock, registry: Addr<RegistryActor>, lines: Lines) -> Self {
        let (begun, effects, usual) = (clock.instant(), Cell::default(), config.liveness(None));
        let config = RefCell::new(Rc::new(config.clone()));
        let (strangers, gate) = (Strangers::default(), None);
        Self { config, usual, clock, registry, lines, strangers, gate, begun, effects }
    }

    /// The same, where `gate` decides who may come in.
    #[must_use]
    pub fn guarded_by(self, gate: Arc<Gate>) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// The knobs as they are now.
    #[must_use]
    pub fn config(&self) -> Rc<Config> {
        Rc::clone(&self.config.borrow())
    }

    /// These knobs count from now on.
    pub fn reconfigure(&self, config: &Config) {
        self.config.replace(Rc::new(config.clone()));
    }

    /// The heartbeat rule that the sockets of this arbiter inherit.
    #[must_use]
    pub fn usual(&self) -> Liveness {
        self.usual
    }

    /// This arbiter's share of the connections that are accepted in a second.
    #[must_use]
    pub fn accepts_per_second(&self) -> u32 {
        let config = self.config.borrow();
        let arbiters = u32::try_from(config.arbiters).unwrap_or(1).max(1);
        config.accepts_per_second.div_ceil(arbiters)
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }
}

/// Drives one session.
pub struct SessionActor {
    connection: ConnectionId,
    session: Session,
    line: SharedLine,
    local: Rc<Local>,
    /// The timer of the check that decides; the default for none.
    decisive: SpawnHandle,
    /// A rule was agreed on; the socket follows.
    agreed: bool,
    /// The registry must be told when this session ends.
    known: bool,
}

impl SessionActor {
    /// Starts a session for an accepted connection, on this thread.
    pub fn begin(socket: AnySocket, address: SocketAddr, local: &Rc<Local>) {
        Self::begin_accepted(socket, address, local.clock.instant(), local);
    }

    /// [`Self::begin`] for a connection that was accepted a while ago: its sign-in deadline counts from then.
    pub(super) fn begin_accepted(
        socket: AnySocket,
        address: SocketAddr,
        accepted_at: Instant,
        local: &Rc<Local>,
    ) {
        let config = local.config();
        let outbox = Outbox::new(config.outbox_bytes_max);
        let line = Rc::new(RefCell::new(Line::new(outbox, socket, accepted_at)));
        let connection = local.lines.insert(Rc::clone(&line));
        tracing::debug!(connection = connection.0, %address, "connected");
        let actor = Self {
            connection,
            session: Session::new(&config, accepted_at),
            line,
            local: Rc::clone(local),
            decisive: SpawnHandle::default(),
            agreed: false,
            known: false,
        };
        local.expect_hello(connection, &actor.line, accepted_at + config.sign_in_deadline);
        let (reading, writing) = (ReadLoop::default(), WriteLoop::default());
        let context = SessionContext::new();
        actix_rt::spawn(SessionTask { actor, context, reading, writing });
    }

    fn now(&self) -> Instant {
        self.local.clock.instant()
    }

    /// Handles complete frames at the start of `bytes`; returns how many it handled.
    fn receive(&mut self, bytes: &mut &[u8], frames_max: usize, ctx: &mut SessionContext) -> usize {
        let now = self.now();
        let mut frames = 0;
        let config = self.local.config();
        let mut effects = self.local.effects.take();
        while frames < frames_max && self.is_reading() {
            match split_body(bytes, self.session.frame_bytes_max(&config)) {
                Ok(Some(body)) => {
                    self.session.receive(body, &config, now, &mut effects);
                }
                Ok(None) => break,
                Err(error) => self.session.violated(&error, &mut effects),
            }
            self.perform(&mut effects, now, ctx);
            frames += 1;
        }
        self.local.effects.set(effects);
        if frames > 0 {
            self.line.borrow_mut().heard(now);
        }
        frames
    }

    fn is_reading(&self) -> bool {
        !self.session.is_busy() && !self.session.is_ended() && !self.line.borrow().outbox.is_full()
    }

    fn answered(&mut self, answer: Answer, ctx: &mut SessionContext) {
        self.take_turn(ctx, |session, now, effects| session.answered(answer, now, effects));
    }

    /// The session is told something that it waited for.
    fn take_turn(
        &mut self,
        ctx: &mut SessionContext,
        tell: impl FnOnce(&mut Session, Instant, &mut Vec<Effect>),
    ) {
        let now = self.now();
        let mut effects = self.local.effects.take();
        tell(&mut self.session, now, &mut effects);
        self.perform(&mut effects, now, ctx);
        self.local.effects.set(effects);
        let mut line = self.line.borrow_mut();
        line.flush(now);
        // What kept the session from reading may be over.
        line.wake();
    }

    /// The heartbeat check: every interval by `run_interval`, and once more exactly when the
    /// silence would be complete. Before the sign-in: when its deadline has come.
    fn check(&mut self, ctx: &mut SessionContext) {
        if self.session.is_ended() {
            return;
        }
        let (now, outflow) = (self.now(), self.line.borrow().outbox.outflow());
        let mut effects = self.local.effects.take();
        let next = self.session.check(outflow, &self.local.config(), now, &mut effects);
        self.perform(&mut effects, now, ctx);
        self.local.effects.set(effects);
        let timer = next.map(|at| ctx.run_later(at.saturating_duration_since(now), Self::check));
        let earlier = std::mem::replace(&mut self.decisive, timer.unwrap_or_default());
        if earlier != SpawnHandle::default() {
            ctx.cancel_future(earlier);
        }
    }

    fn perform(&mut self, effects: &mut Vec<Effect>, now: Instant, ctx: &mut SessionContext) {
        for effect in effects.drain(..) {
            let mut line = self.line.borrow_mut();
            match effect {
                Effect::Send(message) => line.outbox.push(message.encode()),
                Effect::Ack(n) => {
                    let delay = self.local.lines.delay_at(now);
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
                    line.agreed(liveness);
                    self.agreed = true;
                    drop(line);
                    self.follow(liveness, now, ctx);
                }
                Effect::SignIn(hello, liveness) => {
                    drop(line);
                    let Credentials { session, token } = new_credentials();
                    let sign_in = SignIn::new(*hello, liveness, session, token)
                        .proven(self.session.is_proven());
                    self.ask(Command::SignIn(Box::new(sign_in)), ctx);
                }
                Effect::Admit(hello) => {
                    drop(line);
                    self.admit(hello, ctx);
                }
                Effect::Renew(name, credential) => {
                    drop(line);
                    self.renew(name, credential, ctx);
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
    }

    fn follow(&mut self, liveness: Liveness, now: Instant, ctx: &mut SessionContext) {
        let (connection, heartbeat) = (self.connection.0, liveness.interval);
        tracing::debug!(connection, ?heartbeat, "signed in");
        let first = on_grid(now + heartbeat, self.local.begun, heartbeat);
        ctx.run_interval_at(first.into(), heartbeat, Self::check);
        self.check(ctx);
    }

    fn ask(&mut self, command: Command, ctx: &mut SessionContext) {
        self.known |= matches!(command, Command::SignIn(_));
        let takes_time = command.takes_time();
        let message = FromSession { connection: self.connection, command };
        let answered =
            |answer: Result<Answer, MailboxError>, actor: &mut Self, ctx: &mut SessionContext| {
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

    fn admit(&mut self, hello: Box<Hello>, ctx: &mut SessionContext) {
        let (name, credential) = (hello.name.clone(), hello.credential.clone());
        self.find_out(name, credential, ctx, |session, verdict, now, effects| {
            session.admitted(hello, verdict, now, effects);
        });
    }

    fn renew(&mut self, name: DisplayName, credential: Credential, ctx: &mut SessionContext) {
        self.find_out(name, Some(credential), ctx, Session::renewed);
    }

    /// Asks the gate about somebody, and hands the session its verdict.
    fn find_out(
        &mut self,
        name: DisplayName,
        credential: Option<Credential>,
        ctx: &mut SessionContext,
        hand: impl FnOnce(&mut Session, Result<Grant, Refusal>, Instant, &mut Vec<Effect>) + 'static,
    ) {
        let gate = self.local.gate.clone();
        let peer = self.line.borrow().socket().peer();
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        // A task of its own: who hangs up meanwhile has failed all the same.
        let finding = actix_rt::spawn(async move {
            match gate {
                Some(gate) => gate.admit(&name, credential.as_ref(), peer).await,
                None => Err(Refusal::Refused),
            }
        });
        let found = finding.into_actor(self).map(|verdict, actor, ctx| {
            let verdict = verdict.unwrap_or(Err(Refusal::Refused));
            actor.take_turn(ctx, |session, now, effects| hand(session, verdict, now, effects));
        });
        ctx.spawn(found);
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
            tracing::debug!(connection = self.connection.0, reason = %cause, "connection over");
            self.tell(Command::End(cause, self.session.heard_at()));
        } else {
            tracing::debug!(connection = self.connection.0, reason = %cause, "connection closed");
        }
        self.line.borrow().wake();
    }

    /// Who was told goodbye and hung up before the session took notice ends for the reason that was told.
    fn told_or(&self, cause: CloseReason) -> CloseReason {
        self.line.borrow().outbox.ending().unwrap_or(cause)
    }

    /// The socket ended by itself.
    fn lost(&mut self, end: &io::Result<()>, ctx: &mut SessionContext) {
        if !self.session.is_ended() {
            self.over(self.told_or(match end {
                Ok(()) => CloseReason::ConnectionClosed,
                Err(_) => CloseReason::ConnectionReset,
            }));
        }
        ctx.stop();
    }
}

/// Nobody can guess them. Numbers on the wire stay below 2^53.
fn new_credentials() -> Credentials {
    let session = SessionId(rand::random_range(1..=INTEGER_MAX));
    Credentials { session, token: ResumeToken(rand::random()) }
}

/// The last point of the grid that is not after `at`: a check may come early, never late.
fn on_grid(at: Instant, begun: Instant, interval: Duration) -> Instant {
    let grid = CHECK_GRID.min(interval / 8).max(Duration::from_millis(1)).as_nanos();
    let past = at.saturating_duration_since(begun).as_nanos() % grid;
    at - Duration::from_nanos(u64::try_from(past).expect("less than a grid"))
}

impl Actor for SessionActor {
    type Context = SessionContext;
}

impl Drop for SessionActor {
    fn drop(&mut self) {
        self.local.lines.remove(self.connection);
        if self.known {
            // Dropped in mid-life: a handler panicked, or the arbiter stops.
            self.over(self.told_or(CloseReason::InternalError));
        }
    }
}

impl std::fmt::Debug for SessionActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionActor({})", self.connection.0)
    }
}
