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
use bytes::Bytes;
use herenow_protocol::frame::split_body;
use herenow_protocol::limits::INTEGER_MAX;
use herenow_protocol::{CloseReason, Credential, DisplayName, Hello, ResumeToken, SessionId};

use super::desk::Desk;
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
use crate::limits;
use crate::limits::admission::Block;
use crate::limits::lobby::Lobby;
use crate::limits::memory::Pressure;
use crate::registry::{Answer, Command, ConnectionId, SignIn};
use crate::session::{Credentials, Effect, Refusal, Session, goodbye, repair_answer};
pub use context::SessionContext;
use context::SessionTask;
use read_loop::ReadLoop;
use strangers::Strangers;
use write_loop::WriteLoop;

/// Heartbeat checks begin on a grid of this width, so that one waking of the thread serves many sessions.
const CHECK_GRID: Duration = Duration::from_millis(250);

/// When those may come back who were sent away because there was too little room.
const COME_BACK: Duration = Duration::from_secs(5);

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
    /// Who gets in, for all arbiters.
    desk: Arc<Desk>,
    /// Who is in, but has not said anything.
    lobby: RefCell<Lobby>,
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
        let (desk, lobby) = (Arc::default(), RefCell::default());
        Self { config, usual, clock, registry, lines, strangers, gate, desk, lobby, begun, effects }
    }

    /// The same, where `gate` decides who may come in.
    #[must_use]
    pub fn guarded_by(self, gate: Arc<Gate>) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// The same, with the desk of all arbiters.
    #[must_use]
    pub fn sharing(self, desk: Arc<Desk>) -> Self {
        Self { desk, ..self }
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

    /// Gives up what a server short of memory must give up.
    pub fn relieve(&self, pressure: Pressure) {
        if pressure >= Pressure::Short {
            let waiting = self.lobby.borrow_mut().clear();
            waiting
                .into_iter()
                .for_each(|connection| self.shed(connection, limits::Refusal::ShortOfMemory));
        }
        if pressure >= Pressure::Critical {
            for line in self.lines.slowest() {
                let reason = CloseReason::SlowConsumer;
                let text = limits::Refusal::ShortOfMemory.words().to_owned();
                let mut line = line.borrow_mut();
                line.outbox.end(reason, goodbye(reason, text, COME_BACK).encode());
                line.flush(self.clock.instant());
            }
        }
    }

    /// Sends a connection away that has not signed in.
    fn shed(&self, connection: ConnectionId, refusal: limits::Refusal) {
        let Some(line) = self.lines.get(connection) else { return };
        self.lines.count(|counts| counts.refuse(refusal));
        let mut line = line.borrow_mut();
        line.outbox.end(CloseReason::ServerFull, refusal_frame(refusal));
        line.flush(self.clock.instant());
    }

    /// A connection arrives from this address. It has its place until that is dropped.
    ///
    /// # Errors
    /// Why it gets none.
    pub(super) fn admit(self: &Rc<Self>, address: SocketAddr) -> Result<Place, limits::Refusal> {
        self.lines.count(|counts| counts.accepted += 1);
        let block = Block::of(address.ip());
        let (quota, now) = (self.config.borrow().quota(), self.clock.instant());
        match self.desk.arrive(block, &quota, now) {
            Ok(()) => Ok(Place { local: Rc::clone(self), block, handed_over: false }),
            Err(refusal) => {
                tracing::debug!(refusal = refusal.name(), "a connection was refused");
                self.lines.count(|counts| counts.refuse(refusal));
                Err(refusal)
            }
        }
    }

    /// Says why there is no place, as far as the socket takes it at once.
    fn refuse(&self, socket: AnySocket, refusal: limits::Refusal, now: Instant) {
        let mut line = Line::new(Outbox::new(self.config().outbox_bytes_max), socket, now);
        line.outbox.end(CloseReason::ServerFull, refusal_frame(refusal));
        line.flush(now);
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

fn refusal_frame(refusal: limits::Refusal) -> Bytes {
    goodbye(CloseReason::ServerFull, refusal.words().to_owned(), COME_BACK).encode()
}

/// A place among the connections.
pub(super) struct Place {
    local: Rc<Local>,
    block: Block,
    /// A session gives it back.
    handed_over: bool,
}

impl Place {
    /// The block that a session gives back when it ends, as the place itself no longer does.
    fn hand_over(mut self) -> Block {
        self.handed_over = true;
        self.block
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.handed_over {
            self.local.desk.leave(self.block);
        }
    }
}

/// Drives one session.
pub struct SessionActor {
    connection: ConnectionId,
    /// Where its place was taken, which is given back when it ends.
    block: Block,
    session: Session,
    line: SharedLine,
    local: Rc<Local>,
    /// The timer of the check that decides; the default for none.
    decisive: SpawnHandle,
    /// Kept here, where it takes no room of its own.
    writing: WriteLoop,
    /// A rule was agreed on; the socket follows.
    agreed: bool,
    /// Nothing has come from it yet, so it waits in the lobby.
    waiting: bool,
    /// The registry must be told when this session ends.
    known: bool,
}

impl SessionActor {
    /// Starts a session for an accepted connection, on this thread.
    pub fn begin(socket: AnySocket, address: SocketAddr, local: &Rc<Local>) {
        let now = local.clock.instant();
        match local.admit(address) {
            Ok(place) => Self::begin_admitted(socket, address, now, place),
            Err(refusal) => local.refuse(socket, refusal, now),
        }
    }

    /// [`Self::begin`] for a connection that got its place a while ago: its sign-in deadline counts from then.
    pub(super) fn begin_admitted(
        socket: AnySocket,
        address: SocketAddr,
        accepted_at: Instant,
        place: Place,
    ) {
        let local = Rc::clone(&place.local);
        let config = local.config();
        let outbox = Outbox::new(config.outbox_bytes_max);
        let line = Rc::new(RefCell::new(Line::new(outbox, socket, accepted_at)));
        let connection = local.lines.insert(Rc::clone(&line));
        let longest = local.lobby.borrow_mut().enter(connection, config.pre_sign_in_share());
        longest.into_iter().for_each(|longest| local.shed(longest, limits::Refusal::Shed));
        tracing::debug!(connection = connection.0, %address, "connected");
        let actor = Self {
            connection,
            block: place.hand_over(),
            session: Session::new(&config, accepted_at),
            line,
            local: Rc::clone(&local),
            writing: WriteLoop::default(),
            decisive: SpawnHandle::default(),
            agreed: false,
            waiting: true,
            known: false,
        };
        local.expect_hello(connection, &actor.line, accepted_at + config.sign_in_deadline);
        let (context, reading) = (SessionContext::new(), ReadLoop::default());
        actix_rt::spawn(SessionTask { actor, context, reading });
    }

    fn now(&self) -> Instant {
        self.local.clock.instant()
    }

    /// Handles complete frames at the start of `bytes`; returns how many it handled.
    fn receive(&mut self, bytes: &mut &[u8], frames_max: usize, ctx: &mut SessionContext) -> usize {
        let now = self.now();
        let (mut frames, came) = (0, bytes.len());
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
            if std::mem::take(&mut self.waiting) {
                self.local.lobby.borrow_mut().leave(self.connection);
            }
            self.line.borrow_mut().heard(now);
            self.local.lines.count(|counts| {
                counts.frames_in += frames as u64;
                counts.bytes_in += (came - bytes.len()) as u64;
            });
        }
        frames
    }

    fn is_reading(&self) -> bool {
        !self.session.is_busy() && !self.session.is_ended() && !self.line.borrow().outbox.is_full()
    }

    fn answered(&mut self, answer: Answer, ctx: &mut SessionContext) {
        self.count_answer(&answer);
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
        let left = line.take_left();
        self.local.lines.count(|counts| counts.left(left));
        // What kept the session from reading may be over.
        line.wake();
    }

    fn count_answer(&self, answer: &Answer) {
        match answer {
            Answer::SignedIn(it) if it.resumed => {
                self.local.lines.count(|counts| counts.resumed += 1)
            }
            Answer::SignedIn(_) => self.local.lines.count(|counts| counts.signed_in += 1),
            _ => {}
        }
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
                    self.local.lines.count(|counts| counts.heartbeats += 1);
                }
                Effect::RoundTrip(us) => {
                    line.round_trip(us);
                    let took = Duration::from_micros(us);
                    self.local.lines.count(|counts| counts.round_trips.add(took));
                }
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
                Effect::Pause(pause) => {
                    self.local.lines.count(|counts| counts.throttled += 1);
                    ctx.run_later(pause, |actor, _| {
                        actor.session.go_on();
                        actor.line.borrow().wake();
                    });
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
                    let come_back = match reason {
                        CloseReason::TooManyRequests => COME_BACK,
                        _ => Duration::ZERO,
                    };
                    line.outbox.end(reason, goodbye(reason, text, come_back).encode());
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
        self.local.lines.count(|counts| {
            counts.closed(cause);
            if !self.agreed {
                counts.sign_ins_refused[cause.index()] += 1;
            }
        });
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
        self.local.desk.leave(self.block);
        self.local.lines.remove(self.connection);
        self.local.lobby.borrow_mut().leave(self.connection);

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
