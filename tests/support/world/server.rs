//! The server without its actors: the same rules, driven by hand.

use std::collections::BTreeMap;
use std::task::Poll;
use std::time::{Duration, Instant};

use herenow::actors::outbox::Outbox;
use herenow::clock::Moment;
use herenow::config::Config;
use herenow::registry::{
    self, Answer, Command, ConnectionId, Delivery, Registry, Rules, SignIn, Vitals,
};
use herenow::session::{Credentials, Effect, Session, goodbye, repair_answer};
use herenow_client::protocol::frame::split_body;
use herenow_client::protocol::{CloseReason, Epoch, ServerMessage};

use super::journal::Journal;

/// How long a connection that was told goodbye may take to read it.
const LINGER: Duration = Duration::from_secs(1);

/// One connection at the server's end.
pub struct Desk {
    session: Session,
    credentials: Credentials,
    /// What it still has to send.
    pub outbox: Outbox,
    received: Vec<u8>,
    regular_check: Option<(Instant, Duration)>,
    early_check: Option<Instant>,
    known: bool,
    vitals: Vitals,
    part_at: Option<Instant>,
}

/// The server.
pub struct Server {
    /// The knobs.
    pub config: Config,
    /// Who is signed in.
    pub registry: Registry,
    /// Every connection.
    pub desks: BTreeMap<ConnectionId, Desk>,
    /// What is written down.
    pub journal: Journal,
    /// Connections that were told goodbye long enough ago.
    pub parted: Vec<ConnectionId>,
    /// What it takes to write a publication to one connection; nothing in most worlds.
    pub write_cost: Duration,
    /// When everything published is written, and how long that takes from its publication on.
    writing: Option<(Instant, Duration)>,
    publishing: bool,
    connections: u64,
}

impl Server {
    /// A server that has just started, in its `run`-th run, with what a former process left if `restores`.
    pub fn started(config: Config, run: u8, journal: Journal, restores: bool, now: Moment) -> Self {
        let rules = Rules { journal: true, ..Rules::from(&config) };
        let misses = config.misses;
        let mut server = Self {
            config,
            registry: Registry::new(Epoch([run; 16]), rules),
            desks: BTreeMap::new(),
            journal,
            parted: Vec::new(),
            write_cost: Duration::ZERO,
            writing: None,
            publishing: true,
            connections: u64::from(run) << 32,
        };
        if restores {
            let mut effects = Vec::new();
            server.registry.restore(server.journal.restored(), misses, now, &mut effects);
            server.perform_registry(effects, now);
        }
        server
    }

    /// Accepts a connection.
    pub fn accept(&mut self, credentials: Credentials, now: Instant) -> ConnectionId {
        self.connections += 1;
        let id = ConnectionId(self.connections);
        let interval = Duration::ZERO;
        let desk = Desk {
            session: Session::new(&self.config, now),
            credentials,
            outbox: Outbox::new(self.config.outbox_bytes_max),
            received: Vec::new(),
            regular_check: None,
            early_check: Some(now + self.config.sign_in_deadline),
            known: false,
            vitals: Vitals { heard_at: now, sent_at: None, round_trip_us: 0, interval },
            part_at: None,
        };
        self.desks.insert(id, desk);
        id
    }

    /// Bytes came from a client.
    pub fn receive(&mut self, id: ConnectionId, bytes: &[u8], now: Moment) {
        let Some(desk) = self.desks.get_mut(&id) else { return };
        desk.received.extend_from_slice(bytes);
        self.handle_frames(id, now);
    }

    /// A client's end of the connection is gone.
    pub fn lost(&mut self, id: ConnectionId, cause: CloseReason, now: Moment) {
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
        checks.chain(self.registry.next_due()).chain(self.journal.next()).min()
    }

    /// Does what is due.
    pub fn wake(&mut self, now: Moment) {
        let due: Vec<_> =
            self.desks.iter().filter(|(_, d)| d.is_due(now.instant)).map(|(id, _)| *id).collect();
        for id in due {
            self.check(id, now);
        }
        self.poll_when_due(now);
        self.journal.wake(now);
    }

    /// Gives the bytes of a desk to `write`, then asks for what its views need. Returns why the session ends, once
    /// everything is written.
    pub fn write(
        &mut self,
        id: ConnectionId,
        now: Moment,
        mut write: impl FnMut(&[u8]) -> usize,
    ) -> Option<CloseReason> {
        loop {
            let desk = self.desks.get_mut(&id)?;
            let was_full = desk.outbox.is_full();
            let flushed = desk.outbox.flush(now.instant, |frames| match write(&frames[0]) {
                0 => Poll::Pending,
                n => Poll::Ready(Ok(n)),
            });
            let resumes = was_full && !desk.outbox.is_full();
            if let Some(reason) = desk.outbox.ending() {
                desk.part_at.get_or_insert(now.instant + LINGER);
                if !desk.session.is_ended() {
                    self.over(id, reason, now);
                }
                return Some(reason).filter(|_| flushed.is_ready());
            }
            let mut wished = false;
            while let Some((view, wish)) = self.desks.get_mut(&id)?.outbox.next_wish() {
                self.tell(id, Command::Fetch(view, wish), now);
                wished = true;
            }
            if resumes {
                self.handle_frames(id, now);
            }
            if flushed.is_pending() || !(wished || resumes) {
                return None;
            }
        }
    }

    /// Says goodbye to everyone, as a planned stop does: each gets a slot of its own to come back.
    pub fn say_goodbye(&mut self, now: Moment) {
        self.publishing = false;
        let reason = CloseReason::ServerShutdown;
        let (soonest, latest) = (self.config.come_back_min, self.config.come_back_max);
        let ids: Vec<_> = self.desks.keys().copied().collect();
        let slots = u32::try_from(ids.len()).expect("few");
        for (id, slot) in ids.into_iter().zip(0..) {
            let share = (f64::from(slot) + 0.5) / f64::from(slots);
            let come_back = soonest + latest.saturating_sub(soonest).mul_f64(share);
            let frame = goodbye(reason, String::new(), come_back).encode();
            self.outbox(id, |outbox| outbox.end(reason, frame));
            if self.desks.get(&id).is_some_and(|desk| !desk.session.is_ended()) {
                self.over(id, reason, now);
            }
        }
    }

    fn handle_frames(&mut self, id: ConnectionId, now: Moment) {
        while let Some(desk) = self.desks.get_mut(&id) {
            if desk.session.is_busy() || desk.session.is_ended() || desk.outbox.is_full() {
                return;
            }
            let mut rest = &desk.received[..];
            let before = rest.len();
            let mut effects = Vec::new();
            match split_body(&mut rest, desk.session.frame_bytes_max(&self.config)) {
                Ok(Some(body)) => {
                    desk.session.receive(body, &self.config, now.instant, &mut effects);
                }
                Ok(None) => return,
                Err(error) => desk.session.violated(&error, &mut effects),
            }
            let handled = before - rest.len();
            desk.received.drain(..handled);
            desk.vitals.heard_at = now.instant;
            self.perform(id, effects, now);
        }
    }

    fn check(&mut self, id: ConnectionId, now: Moment) {
        let Some(desk) = self.desks.get_mut(&id) else { return };
        if desk.part_at.is_some_and(|at| at <= now.instant) {
            return self.parted.push(id);
        }
        if desk.session.is_ended() {
            return;
        }
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

    fn perform(&mut self, id: ConnectionId, effects: Vec<Effect>, now: Moment) {
        for effect in effects {
            let Some(desk) = self.desks.get_mut(&id) else { return };
            match effect {
                Effect::Send(message) => desk.outbox.push(message.encode()),
                Effect::Ack(n) => {
                    let delay = self.registry.tick_mut().delay_at(now.instant);
                    desk.outbox.push_ack(n, delay);
                }
                // Limits have tests of their own; people of this world say what they like.
                Effect::Pause(_) => desk.session.go_on(),
                Effect::RoundTrip(us) => desk.vitals.round_trip_us = us,
                Effect::Open(view) => desk.outbox.open(view),
                Effect::GoOn(view, version) => desk.outbox.go_on(view, version),
                Effect::Shut(view) => drop(desk.outbox.shut(view)),
                Effect::Repair(request, view, ranges) => {
                    let answer = repair_answer(request, desk.outbox.repair(view, ranges));
                    desk.outbox.push(answer.encode());
                }
                Effect::SignedIn(liveness, me) => {
                    desk.outbox.set_first_me(me);
                    desk.vitals.interval = liveness.interval;
                    desk.regular_check = Some((now.instant + liveness.interval, liveness.interval));
                    self.check(id, now);
                }
                Effect::Ask(command) => self.ask(id, command, now),
                Effect::Admit(_) | Effect::Renew(..) => unreachable!("everybody may come in"),
                Effect::SignIn(hello, liveness) => {
                    let Credentials { session, token } = desk.credentials;
                    let sign_in = SignIn::new(*hello, liveness, session, token);
                    self.ask(id, Command::SignIn(Box::new(sign_in)), now);
                }
                Effect::Close(reason, text) => {
                    desk.outbox.end(reason, goodbye(reason, text, Duration::ZERO).encode());
                    self.over(id, reason, now);
                }
            }
        }
    }

    fn ask(&mut self, id: ConnectionId, command: Command, now: Moment) {
        if let Some(desk) = self.desks.get_mut(&id) {
            desk.known |= matches!(command, Command::SignIn(_));
        }
        let mut answer = self.tell(id, command, now);
        match &mut answer {
            // A session is welcomed when its beginning is on disk.
            Answer::SignedIn(_) => self.journal.commit(now),
            Answer::Explanation(explanation, connections) => {
                for (report, connection) in explanation.sessions.iter_mut().zip(connections) {
                    let desk = connection.and_then(|id| self.desks.get(&id));
                    desk.into_iter().for_each(|desk| desk.vitals.complete(report, now.instant));
                }
            }
            _ => {}
        }
        let Some(desk) = self.desks.get_mut(&id) else { return };
        let mut effects = Vec::new();
        desk.session.answered(answer, now.instant, &mut effects);
        self.perform(id, effects, now);
    }

    pub(super) fn tell(&mut self, id: ConnectionId, command: Command, now: Moment) -> Answer {
        let mut effects = Vec::new();
        let answer = self.registry.apply(id, command, now, &mut effects);
        self.perform_registry(effects, now);
        self.poll_when_due(now);
        answer
    }

    fn over(&mut self, id: ConnectionId, cause: CloseReason, now: Moment) {
        let Some(desk) = self.desks.get_mut(&id) else { return };
        desk.session.end();
        let heard_at = desk.session.heard_at();
        if std::mem::take(&mut desk.known) {
            self.tell(id, Command::End(cause, heard_at), now);
        }
    }

    pub(super) fn poll_when_due(&mut self, now: Moment) {
        if self.registry.next_due().is_some_and(|due| due <= now.instant) {
            self.settle(now.instant);
            let mut effects = Vec::new();
            self.registry.poll(now, &mut effects);
            self.perform_registry(effects, now);
        }
    }

    /// What the arbiters would tell the registry of the time that they take.
    fn settle(&mut self, now: Instant) {
        match self.writing {
            Some((until, _)) if until > now => self.registry.hold_publications(until),
            Some((until, took)) => {
                self.registry.tick_mut().wrote(took, until);
                self.writing = None;
            }
            None => {}
        }
    }

    fn is_writing(&mut self, now: Instant) {
        let begun = self.writing.map_or(now, |(until, _)| until.max(now));
        let count = u32::try_from(self.desks.len()).expect("few");
        let until = begun + self.write_cost * count;
        self.writing = Some((until, until - now));
    }

    pub(super) fn perform_registry(&mut self, effects: Vec<registry::Effect>, now: Moment) {
        let mut records = Vec::new();
        for effect in effects {
            match effect {
                registry::Effect::Publish(deltas) if self.publishing => {
                    for desk in self.desks.values_mut() {
                        deltas.iter().for_each(|delta| desk.outbox.deliver(delta));
                    }
                    self.is_writing(now.instant);
                }
                registry::Effect::Publish(_) => {}
                registry::Effect::Deliver(id, delivery) => {
                    self.outbox(id, |outbox| deliver(outbox, delivery));
                }
                registry::Effect::Record(record) => records.push(record),
            }
        }
        self.journal.write(records, now);
    }

    fn outbox(&mut self, id: ConnectionId, act: impl FnOnce(&mut Outbox)) {
        if let Some(desk) = self.desks.get_mut(&id) {
            act(&mut desk.outbox);
        }
    }
}

fn deliver(outbox: &mut Outbox, delivery: Delivery) {
    match delivery {
        Delivery::Deltas(deltas) => deltas.iter().for_each(|delta| outbox.deliver(delta)),
        Delivery::Pages(batch) => outbox.deliver_pages(batch),
        Delivery::Missed(missed) => outbox.deliver_missed(missed),
        Delivery::Buckets(batch) => outbox.deliver_buckets(batch),
        Delivery::Ranges(batch) => outbox.deliver_ranges(batch),
        Delivery::Chosen(choice) => outbox.push(ServerMessage::Chosen(choice).encode()),
        Delivery::Mirror(me) => outbox.set_me(me),
        Delivery::Close(reason) => {
            outbox.end(reason, goodbye(reason, String::new(), Duration::ZERO).encode());
        }
    }
}

impl Desk {
    /// Whether [`Server::write`] would find something to write, ask or end.
    pub fn has_something_to_do(&self) -> bool {
        !self.outbox.is_empty() || self.outbox.has_wish() || self.outbox.ending().is_some()
    }

    fn next_check(&self) -> Option<Instant> {
        if self.session.is_ended() {
            return self.part_at;
        }
        let regular = self.regular_check.map(|(at, _)| at);
        regular.into_iter().chain(self.early_check).chain(self.part_at).min()
    }

    fn is_due(&self, now: Instant) -> bool {
        self.next_check().is_some_and(|at| at <= now)
    }
}
