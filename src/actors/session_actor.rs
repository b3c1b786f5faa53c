//! Drives one [`Session`]: bytes in, commands out, heartbeat checks.
//!
//! Three things run in its context, in this order: the read loop, the write loop, the heartbeat
//! check. Reading comes first, so that after a stall of the process the heartbeats that wait in the
//! socket are heard before silence is judged.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use actix::prelude::*;
use bytes::{Buf, BytesMut};
use herenow_protocol::frame::split_body;
use herenow_protocol::{CloseReason, ServerMessage, SessionId};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;

use super::line::{Line, Lines, SharedLine};
use super::messages::FromSession;
use super::outbox::Outbox;
use super::registry_actor::RegistryActor;
use crate::clock::Clock;
use crate::config::{Config, Liveness};
use crate::registry::{Answer, Command};
use crate::session::{Effect, Session, goodbye};

/// Frames of one connection handled before other tasks get a turn.
const FRAMES_PER_TURN: usize = 32;

/// Bytes read from a socket at a time, into a buffer that all sessions of a thread share.
const SCRATCH_BYTES: usize = 16 * 1024;

/// How long a connection that was told goodbye may take to close its end. Closing ours earlier
/// could destroy the goodbye on its way.
const LINGER: Duration = Duration::from_secs(1);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

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

/// The reading half of a connection.
pub trait Reader: AsyncRead + Unpin + 'static {
    /// Lets the kernel give up on unacknowledged bytes after this time; a backup only.
    fn set_user_timeout(&self, timeout: Duration);
}

impl Reader for OwnedReadHalf {
    fn set_user_timeout(&self, timeout: Duration) {
        let socket = socket2::SockRef::from(self.as_ref());
        if let Err(error) = socket.set_tcp_user_timeout(Some(timeout)) {
            tracing::debug!(%error, "cannot set TCP_USER_TIMEOUT");
        }
    }
}

/// Drives one session.
pub struct SessionActor {
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
        let id = local.lines.next_session(local.arbiter);
        let outbox = Outbox::new(local.config.outbox_bytes_max);
        let line = Rc::new(RefCell::new(Line::new(outbox, writer)));
        local.lines.insert(id, Rc::clone(&line));
        let now = local.clock.now().instant;
        let session = Session::new(id, &local.config, now);
        let span = tracing::info_span!("session", %id, %address);
        tracing::debug!(parent: &span, "connected");
        Self::create(|ctx| {
            ctx.spawn(ReadLoop { reader, received: BytesMut::new(), tuned: false });
            ctx.spawn(WriteLoop { lingering: false });
            let mut actor = Self {
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
                Effect::Ack(n) => line.outbox.push_ack(n),
                Effect::Open(view) => line.outbox.open(view),
                Effect::Shut(request, view) => {
                    let answer = shut_answer(request, line.outbox.shut(view));
                    line.outbox.push(answer.encode());
                }
                Effect::SignedIn(liveness, me) => {
                    line.outbox.set_me(me);
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
        let message = FromSession { session: self.session.id(), command };
        let answer = self.local.registry.send(message).into_actor(self);
        ctx.spawn(answer.map(|answer, actor, ctx| match answer {
            Ok(answer) => actor.answered(answer, ctx),
            // Only a registry that is being dropped does not answer.
            Err(_) => ctx.stop(),
        }));
    }

    fn ask_for_pages(&mut self) {
        while let Some((view, page)) = self.line.borrow_mut().outbox.wants_pages() {
            let command = Command::Pages(view, page);
            self.local.registry.do_send(FromSession { session: self.session.id(), command });
        }
    }

    /// The session is over: tells the registry at once, whatever the socket still takes.
    fn over(&mut self, cause: CloseReason) {
        self.session.end();
        if std::mem::take(&mut self.known) {
            tracing::info!(parent: &self.span, reason = %cause, "session closed");
            let (session, command) = (self.session.id(), Command::End(cause));
            self.local.registry.do_send(FromSession { session, command });
        } else {
            tracing::debug!(parent: &self.span, reason = %cause, "connection closed");
        }
        self.line.borrow().wake();
    }

    /// The socket ended by itself.
    fn lost(&mut self, cause: CloseReason, ctx: &mut Context<Self>) {
        if !self.session.is_ended() {
            self.over(cause);
        }
        ctx.stop();
    }
}

impl Actor for SessionActor {
    type Context = Context<Self>;
}

impl Drop for SessionActor {
    fn drop(&mut self) {
        self.local.lines.remove(self.session.id());
        if self.known {
            // Dropped in mid-life: a handler panicked, or the arbiter stops.
            self.over(CloseReason::InternalError);
        }
    }
}

fn shut_answer(request: u32, was_open: bool) -> ServerMessage {
    if was_open {
        return ServerMessage::Result { request, view: None };
    }
    let (code, text) =
        (herenow_protocol::ErrorCode::NoSuchView, "there is no such view".to_owned());
    ServerMessage::Error { request, code, text }
}

/// Why a socket that returned an error is over.
fn cause_of(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => CloseReason::ConnectionClosed,
        _ => CloseReason::ConnectionReset,
    }
}

/// Reads frames and hands them to the session.
struct ReadLoop<R> {
    reader: R,
    /// Bytes that are not handled yet: an incomplete frame, or what came while the session was busy.
    received: BytesMut,
    tuned: bool,
}

impl<R: Reader> ActorFuture<SessionActor> for ReadLoop<R> {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut SessionActor,
        ctx: &mut Context<SessionActor>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let this = self.get_mut();
        if !actor.reader.as_ref().is_some_and(|reader| reader.will_wake(task.waker())) {
            actor.reader = Some(task.waker().clone());
        }
        let turn = this.turn(actor, ctx, task);
        this.tune(actor);
        turn
    }
}

impl<R: Reader> ReadLoop<R> {
    fn turn(
        &mut self,
        actor: &mut SessionActor,
        ctx: &mut Context<SessionActor>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let mut budget = FRAMES_PER_TURN;
        budget -= self.handle_received(actor, budget, ctx);
        while budget > 0 && (actor.is_reading() || actor.session.is_ended()) {
            let ended = actor.session.is_ended();
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                match Pin::new(&mut self.reader).poll_read(task, &mut buffer) {
                    Poll::Ready(Ok(())) => {
                        let mut bytes = buffer.filled();
                        let len = bytes.len();
                        if !ended {
                            budget -= self.handle(&mut bytes, actor, budget, ctx);
                        }
                        Poll::Ready(Ok(len))
                    }
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Pending => Poll::Pending,
                }
            });
            match read {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => actor.lost(CloseReason::ConnectionClosed, ctx),
                Poll::Ready(Err(error)) => actor.lost(cause_of(&error), ctx),
                Poll::Ready(Ok(_)) => {
                    budget = budget.saturating_sub(1);
                    continue;
                }
            }
            return Poll::Ready(());
        }
        if budget == 0 {
            task.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Handles what an earlier turn left.
    fn handle_received(
        &mut self,
        actor: &mut SessionActor,
        budget: usize,
        ctx: &mut Context<SessionActor>,
    ) -> usize {
        let mut rest = &self.received[..];
        let frames = actor.receive(&mut rest, budget, ctx);
        let handled = self.received.len() - rest.len();
        self.received.advance(handled);
        if self.received.is_empty() {
            self.received = BytesMut::new();
        }
        frames
    }

    /// Handles new bytes, behind those that are left from before, and keeps the rest.
    fn handle(
        &mut self,
        bytes: &mut &[u8],
        actor: &mut SessionActor,
        budget: usize,
        ctx: &mut Context<SessionActor>,
    ) -> usize {
        if self.received.is_empty() {
            let frames = actor.receive(bytes, budget, ctx);
            self.received.extend_from_slice(bytes);
            return frames;
        }
        self.received.extend_from_slice(bytes);
        self.handle_received(actor, budget, ctx)
    }

    /// Follows the rule that was agreed on at sign-in.
    fn tune(&mut self, actor: &SessionActor) {
        if let (false, Some(liveness)) = (self.tuned, actor.agreed) {
            self.tuned = true;
            self.reader.set_user_timeout(actor.local.config.user_timeout(liveness));
        }
    }
}

/// Writes what the line holds, asks for pages when it has room, and closes after a goodbye.
struct WriteLoop {
    /// The goodbye was seen and the time to part is running.
    lingering: bool,
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
            actor.lost(cause_of(&error), ctx);
            return Poll::Ready(());
        }
        actor.ask_for_pages();
        let (ending, is_full) = {
            let outbox = &actor.line.borrow().outbox;
            (outbox.ending(), outbox.is_full())
        };
        if let (true, false, Some(reader)) = (was_full, is_full, &actor.reader) {
            reader.wake_by_ref();
        }
        let Some(reason) = ending else { return Poll::Pending };
        if !actor.session.is_ended() {
            actor.over(reason);
        }
        if !std::mem::replace(&mut self.lingering, true) {
            // The read loop now waits for the peer to close its end.
            ctx.run_later(LINGER, |_, ctx| ctx.stop());
        }
        std::task::ready!(flushed).ok();
        std::task::ready!(actor.line.borrow_mut().poll_shutdown(task)).ok();
        Poll::Ready(())
    }
}

impl std::fmt::Debug for SessionActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SessionId(id) = self.session.id();
        write!(f, "SessionActor({id})")
    }
}
