//! The server without its actors: the same rules, driven by hand.

use std::collections::BTreeMap;
use std::task::Poll;
use std::time::{Duration, Instant};

use herenow::actors::outbox::Outbox;
use herenow::clock::Moment;
use herenow::config::Config;
use herenow::registry::{self, Command, Registry};
use herenow::session::{Effect, Session, goodbye, unwatch_answer};
use herenow_client::protocol::frame::split_body;
use herenow_client::protocol::{CloseReason, Epoch, SessionId};

/// One connection at the server's end.
pub struct Desk {
    session: Session,
    /// What it still has to send.
    pub outbox: Outbox,
    received: Vec<u8>,
    regular_check: Option<(Instant, Duration)>,
    early_check: Option<Instant>,
    known: bool,
}

/// The server.
pub struct Server {
    /// The knobs.
    pub config: Config,
    /// Who is signed in.
    pub registry: Registry,
    /// Every connection, by session.
    pub desks: BTreeMap<SessionId, Desk>,
    flush_at: Option<Instant>,
    sessions_begun: u64,
}

impl Server {
    /// A server that has just started, in its `run`-th run.
    pub fn started(config: Config, run: u8) -> Self {
        let registry = Registry::new(Epoch([run; 16]), config.tick);
        let sessions_begun = u64::from(run) << 32;
        Self { config, registry, desks: BTreeMap::new(), flush_at: None, sessions_begun }
    }

    /// Accepts a connection.
    pub fn accept(&mut self, now: Instant) -> SessionId {
        self.sessions_begun += 1;
        let id = SessionId(self.sessions_begun);
        let session = Session::new(id, &self.config, now);
        let desk = Desk {
            session,
            outbox: Outbox::new(self.config.outbox_bytes_max),
            received: Vec::new(),
            regular_check: None,
            early_check: Some(now + self.config.sign_in_deadline),
            known: false,
        };
        self.desks.insert(id, desk);
        id
    }

    /// Bytes came from a client.
    pub fn receive(&mut self, id: SessionId, bytes: &[u8], now: Moment) {
        let Some(desk) = self.desks.get_mut(&id) else { return };
        desk.received.extend_from_slice(bytes);
        self.handle_frames(id, now);
    }

    /// A client's end of the connection is gone.
    pub fn lost(&mut self, id: SessionId, cause: CloseReason, now: Moment) {
        if let Some(desk) = self.desks.get_mut(&id)
            && !desk.session.is_ended()
        {
            self.over(id, cause, now);
        }
        self.desks.remove(&id);
    }

    /// When the server has something to do by itself.
    pub fn next(&self) -> Option<Instant> {
        let checks = self.desks.values().filter_map(Desk::next_check);
        checks.chain(self.flush_at).min()
    }

    /// Does what is due.
    pub fn wake(&mut self, now: Moment) {
        let due: Vec<_> =
            self.desks.iter().filter(|(_, d)| d.is_due(now.instant)).map(|(id, _)| *id).collect();
        for id in due {
            self.check(id, now);
        }
        self.flush(now);
    }

    /// Gives the bytes of a desk to `write`, then asks for pages if there is room. Returns why the session
    /// ends, once everything is written.
    pub fn write(
        &mut self,
        id: SessionId,
        now: Moment,
        mut write: impl FnMut(&[u8]) -> usize,
    ) -> Option<CloseReason> {
        let desk = self.desks.get_mut(&id)?;
        let was_full = desk.outbox.is_full();
        let flushed = desk.outbox.flush(now.instant, |bytes| match write(bytes) {
            0 => Poll::Pending,
            n => Poll::Ready(Ok(n)),
        });
        let ending = desk.outbox.ending();
        let wish = desk.outbox.wants_pages();
        let resumes = was_full && !desk.outbox.is_full();
        if let Some(reason) = ending.filter(|_| !desk.session.is_ended()) {
            self.over(id, reason, now);
        }
        if let Some((view, page)) = wish {
            self.ask(id, Command::Pages(view, page), now);
        }
        if resumes {
            self.handle_frames(id, now);
        }
        ending.filter(|_| flushed.is_ready())
    }

    /// Says goodbye to everyone, as a planned stop does.
    pub fn say_goodbye(&mut self, come_back: Duration) {
        let reason = CloseReason::ServerShutdown;
        for desk in self.desks.values_mut() {
            desk.outbox.end(reason, goodbye(reason, String::new(), come_back).encode());
        }
    }

    fn handle_frames(&mut self, id: SessionId, now: Moment) {
        while let Some(desk) = self.desks.get_mut(&id) {
            if desk.session.is_busy() || desk.session.is_ended() || desk.outbox.is_full() {
                return;
            }
            let mut rest = &desk.received[..];
            let before = rest.len();
            let mut effects = Vec::new();
            match split_body(&mut rest, desk.session.frame_bytes_max()) {
                Ok(Some(body)) => {
                    desk.session.receive(body, &self.config, now.instant, &mut effects);
                }
                Ok(None) => return,
                Err(error) => desk.session.violated(&error, &mut effects),
            }
            let handled = before - rest.len();
            desk.received.drain(..handled);
            self.perform(id, effects, now);
        }
    }

    fn check(&mut self, id: SessionId, now: Moment) {
        let Some(desk) = self.desks.get_mut(&id) else { return };
        let mut effects = Vec::new();
        let outflow = desk.outbox.outflow();
        desk.early_check = desk.session.check(outflow, &self.config, now.instant, &mut effects);
        if let Some((at, interval)) = &mut desk.regular_check {
            while *at <= now.instant {
                *at += *interval;
            }
        }
        self.perform(id, effects, now);
    }

    fn perform(&mut self, id: SessionId, effects: Vec<Effect>, now: Moment) {
        for effect in effects {
            let Some(desk) = self.desks.get_mut(&id) else { return };
            match effect {
                Effect::Send(message) => desk.outbox.push(message.encode()),
                Effect::Ack(n) => desk.outbox.push_ack(n),
                Effect::Open(view) => desk.outbox.open(view),
                Effect::Shut(request, view) => {
                    let answer = unwatch_answer(request, desk.outbox.shut(view));
                    desk.outbox.push(answer.encode());
                }
                Effect::SignedIn(liveness, me) => {
                    desk.outbox.set_me(me);
                    desk.regular_check = Some((now.instant + liveness.interval, liveness.interval));
                    self.check(id, now);
                }
                Effect::Ask(command) => self.ask(id, command, now),
                Effect::Close(reason, text) => {
                    desk.outbox.end(reason, goodbye(reason, text, Duration::ZERO).encode());
                    self.over(id, reason, now);
                }
            }
        }
    }

    fn ask(&mut self, id: SessionId, command: Command, now: Moment) {
        let pages = matches!(command, Command::Pages(..));
        if let Some(desk) = self.desks.get_mut(&id) {
            desk.known |= matches!(command, Command::SignIn(_));
        }
        let mut effects = Vec::new();
        let answer = self.registry.apply(id, command, now, &mut effects);
        self.perform_registry(effects);
        self.flush(now);
        let Some(desk) = self.desks.get_mut(&id).filter(|_| !pages) else { return };
        let mut effects = Vec::new();
        desk.session.answered(answer, now.instant, &mut effects);
        self.perform(id, effects, now);
    }

    fn over(&mut self, id: SessionId, cause: CloseReason, now: Moment) {
        let Some(desk) = self.desks.get_mut(&id) else { return };
        desk.session.end();
        if std::mem::take(&mut desk.known) {
            let mut effects = Vec::new();
            self.registry.apply(id, Command::End(cause), now, &mut effects);
            self.perform_registry(effects);
            self.flush(now);
        }
    }

    fn flush(&mut self, now: Moment) {
        self.flush_at = self.registry.flush_due(now.instant);
        if self.flush_at.is_some_and(|at| at <= now.instant) {
            let mut effects = Vec::new();
            self.registry.flush(now.instant, &mut effects);
            self.perform_registry(effects);
            self.flush_at = None;
        }
    }

    fn perform_registry(&mut self, effects: Vec<registry::Effect>) {
        for effect in effects {
            match effect {
                registry::Effect::Publish(deltas) => {
                    for desk in self.desks.values_mut() {
                        deltas.iter().for_each(|delta| desk.outbox.deliver(delta));
                    }
                }
                registry::Effect::Pages(id, batch) => {
                    self.outbox(id, |outbox| outbox.deliver_pages(batch));
                }
                registry::Effect::Mirror(id, me) => self.outbox(id, |outbox| outbox.set_me(me)),
                registry::Effect::Close(id, reason) => {
                    let frame = goodbye(reason, String::new(), Duration::ZERO).encode();
                    self.outbox(id, |outbox| outbox.end(reason, frame));
                }
            }
        }
    }

    fn outbox(&mut self, id: SessionId, act: impl FnOnce(&mut Outbox)) {
        if let Some(desk) = self.desks.get_mut(&id) {
            act(&mut desk.outbox);
        }
    }
}

impl Desk {
    /// Whether [`Server::write`] would find something to write, ask or end.
    pub fn has_something_to_do(&self) -> bool {
        !self.outbox.is_empty() || self.outbox.has_wish() || self.outbox.ending().is_some()
    }

    fn next_check(&self) -> Option<Instant> {
        let regular = self.regular_check.map(|(at, _)| at);
        let checks = regular.into_iter().chain(self.early_check);
        checks.min().filter(|_| !self.session.is_ended())
    }

    fn is_due(&self, now: Instant) -> bool {
        self.next_check().is_some_and(|at| at <= now)
    }
}
