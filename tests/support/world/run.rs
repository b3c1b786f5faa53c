//! How time passes: whatever comes first happens first.

use std::time::{Duration, Instant};

use herenow::registry::ConnectionId;
use herenow_client::protocol::CloseReason;
use herenow_client::protocol::frame::split_body;
use herenow_client::protocol::limits::FRAME_BYTES_MAX;
use herenow_client::session::{Effect, Session};
use herenow_client::{Disconnect, Event};

use super::cable::{Direction, Parcel};
use super::client::{Client, Cut, Who, Wire};
use super::dice::{self, For};
use super::server::Server;
use super::{World, lane};

/// Longer than any connection attempt that nobody answers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Events in a row at one instant, before the world is considered stuck.
const STEPS_PER_INSTANT: usize = 100_000;

impl World {
    /// Lets time pass.
    pub fn advance(&mut self, span: Duration) {
        let end = self.now + span;
        let mut steps = 0;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            if at > self.now {
                (self.now, steps) = (at, 0);
            }
            steps += 1;
            assert!(steps < STEPS_PER_INSTANT, "the world is stuck at {:?}", self.elapsed());
            self.step();
        }
        self.now = end;
    }

    fn next(&self) -> Option<Instant> {
        let clients = self.clients.iter().filter(|client| !client.frozen).filter_map(Client::next);
        let server = self.server.iter().filter(|_| !self.server_frozen).filter_map(Server::next);
        let wires = self.wires.values().filter_map(|wire| self.next_arrival(wire));
        clients.chain(server).chain(wires).min().map(|at| at.max(self.now))
    }

    fn next_arrival(&self, wire: &Wire) -> Option<Instant> {
        let up = wire.up.next().filter(|_| !self.server_frozen);
        let down = wire.down.next().filter(|_| !self.clients[wire.client].frozen);
        up.into_iter().chain(down).min()
    }

    /// Arrivals come before timers, as a runtime polls its sockets before its clock.
    fn step(&mut self) {
        let now = self.now;
        let due = |wire: &Wire| self.next_arrival(wire).is_some_and(|at| at <= now);
        let arrived = self.wires.iter().filter(|(_, wire)| due(wire)).map(|(id, _)| *id);
        for id in arrived.collect::<Vec<_>>() {
            self.arrive(id);
        }
        let moment = self.moment();
        if let Some(server) = self.server.as_mut().filter(|_| !self.server_frozen) {
            server.wake(moment);
        }
        self.write_all();
        for who in 0..self.clients.len() {
            self.wake_client(who);
        }
    }

    fn arrive(&mut self, id: ConnectionId) {
        let moment = self.moment();
        let Some(wire) = self.wires.get_mut(&id) else { return };
        let who = wire.client;
        let up = if self.server_frozen { None } else { wire.up.receive(self.now) };
        let down = if self.clients[who].frozen { None } else { wire.down.receive(self.now) };
        match (up, &mut self.server) {
            (Some(Parcel::Bytes(bytes)), Some(server)) => server.receive(id, &bytes, moment),
            (Some(Parcel::End), Some(server)) => {
                server.lost(id, CloseReason::ConnectionClosed, moment);
            }
            (Some(Parcel::Reset), Some(server)) => {
                server.lost(id, CloseReason::ConnectionReset, moment);
            }
            _ => {}
        }
        match down {
            Some(Parcel::Bytes(bytes)) => self.client_received(who, id, &bytes),
            Some(Parcel::End) => self.client_lost(who, id, Disconnect::ConnectionClosed),
            Some(Parcel::Reset) => self.client_lost(who, id, Disconnect::ConnectionReset),
            None => {}
        }
        self.forget_if_dead(id);
    }

    /// A wire that nobody holds at either end.
    fn forget_if_dead(&mut self, id: ConnectionId) {
        let Some(wire) = self.wires.get(&id) else { return };
        let held = self.clients[wire.client].wire == Some(id);
        let served = self.server.as_ref().is_some_and(|server| server.desks.contains_key(&id));
        if !held && !served {
            self.wires.remove(&id);
        }
    }

    fn wake_client(&mut self, who: Who) {
        let client = &self.clients[who];
        if client.frozen {
            return;
        }
        if client.connecting_until.is_some_and(|at| at <= self.now) {
            self.clients[who].connecting_until = None;
            let unreachable = || Disconnect::Unreachable("timed out".to_owned());
            self.drive(who, |session, now, out| session.disconnected(unreachable(), now, out));
        }
        if self.clients[who].session.next_deadline().is_some_and(|at| at <= self.now) {
            self.drive(who, Session::poll);
        }
    }

    /// Every desk writes what its wire takes.
    pub(super) fn write_all(&mut self) {
        let (moment, micros) = (self.moment(), self.micros());
        let Some(server) = self.server.as_mut().filter(|_| !self.server_frozen) else { return };
        let busy = server.desks.iter().filter(|(_, desk)| desk.has_something_to_do());
        let (busy, mut gone) = (busy.map(|(id, _)| *id).collect::<Vec<_>>(), Vec::new());
        for id in busy {
            let Some(wire) = self.wires.get_mut(&id) else { continue };
            let delay = dice::delay(self.seed, lane(wire.client), For::Down, micros);
            let ended = server.write(id, moment, |bytes| wire.down.send(bytes, self.now, delay));
            if ended.is_some() {
                wire.down.finish(Parcel::End, self.now, delay);
                server.desks.remove(&id);
                gone.push(id);
            }
        }
        for id in std::mem::take(&mut server.parted) {
            server.desks.remove(&id);
            if let Some(wire) = self.wires.get_mut(&id) {
                wire.down.finish(Parcel::End, self.now, Duration::from_millis(1));
                gone.push(id);
            }
        }
        gone.into_iter().for_each(|id| self.forget_if_dead(id));
    }

    /// The server's process is gone.
    pub(super) fn close_wires(&mut self) {
        for wire in self.wires.values_mut() {
            wire.down.finish(Parcel::End, self.now, Duration::from_millis(1));
        }
        let clients = &self.clients;
        self.wires.retain(|id, wire| clients[wire.client].wire == Some(*id));
    }

    fn client_received(&mut self, who: Who, id: ConnectionId, bytes: &[u8]) {
        if self.clients[who].wire != Some(id) {
            return;
        }
        let elapsed = self.elapsed();
        let client = &mut self.clients[who];
        client.bytes += bytes.len();
        client.frames.iter_mut().for_each(|frames| frames.push((elapsed, bytes.to_vec())));
        client.received.extend_from_slice(bytes);
        loop {
            let received = std::mem::take(&mut self.clients[who].received);
            let mut rest = &received[..];
            let body = split_body(&mut rest, FRAME_BYTES_MAX).expect("the server frames well");
            let body = body.map(<[u8]>::to_vec);
            self.clients[who].received = rest.to_vec();
            let Some(body) = body else { return };
            let bodies = match &mut self.clients[who].tamper {
                Some(tamper) => tamper(body, self.now),
                None => vec![body],
            };
            for body in bodies {
                self.drive(who, |session, now, effects| session.frame(&body, now, effects));
                if self.clients[who].wire != Some(id) {
                    return;
                }
            }
        }
    }

    fn client_lost(&mut self, who: Who, id: ConnectionId, cause: Disconnect) {
        if self.clients[who].wire == Some(id) {
            self.hang_up(who, Parcel::End);
            self.drive(who, |session, now, effects| session.disconnected(cause, now, effects));
        }
    }

    /// Runs one input of a client's session and performs what it asks for.
    pub(super) fn drive(
        &mut self,
        who: Who,
        input: impl FnOnce(&mut Session, Instant, &mut Vec<Effect>),
    ) {
        let mut effects = Vec::new();
        input(&mut self.clients[who].session, self.now, &mut effects);
        for effect in effects {
            match effect {
                Effect::Connect => self.connect(who),
                Effect::Send(message) => self.send(who, &message.encode()),
                Effect::Disconnect => self.hang_up(who, Parcel::End),
                Effect::Emit(event) => self.tell(who, &event),
                Effect::Answer(query, answer) => {
                    self.clients[who].watcher.answers.push((query, answer));
                }
            }
        }
    }

    fn tell(&mut self, who: Who, event: &Event) {
        if !matches!(event, Event::RoundTrip(_)) {
            let ms = self.elapsed().as_millis();
            self.transcript.push(format!("{ms:>8} client {who}: {event:?}"));
        }
        let Client { session, watcher, .. } = &mut self.clients[who];
        watcher.told(event, session, self.now);
    }

    fn connect(&mut self, who: Who) {
        let whole = self.clients[who].cut == Cut::NONE;
        match self.server.as_mut() {
            Some(server) if whole && !self.server_frozen => {
                let client = &mut self.clients[who];
                client.connections += 1;
                let credentials = dice::credentials(self.seed, lane(who), client.connections);
                let id = server.accept(credentials, self.now);
                let wire =
                    Wire { client: who, up: Direction::default(), down: Direction::default() };
                self.wires.insert(id, wire);
                client.wire = Some(id);
                client.received.clear();
                self.drive(who, Session::connected);
            }
            None if whole => {
                self.drive(who, |session, now, effects| {
                    session.disconnected(Disconnect::ConnectionRefused, now, effects);
                });
            }
            _ => self.clients[who].connecting_until = Some(self.now + CONNECT_TIMEOUT),
        }
    }

    pub(super) fn send(&mut self, who: Who, bytes: &[u8]) {
        let drawn = dice::delay(self.seed, lane(who), For::Up, self.micros());
        let delay = self.clients[who].delay.unwrap_or(drawn);
        let Some(wire) = self.clients[who].wire.and_then(|id| self.wires.get_mut(&id)) else {
            return;
        };
        wire.up.send(bytes, self.now, delay);
    }

    pub(super) fn hang_up(&mut self, who: Who, last: Parcel) {
        self.clients[who].connecting_until = None;
        let Some(wire) = self.clients[who].wire.take().and_then(|id| self.wires.get_mut(&id))
        else {
            return;
        };
        wire.up.finish(last, self.now, Duration::from_millis(1));
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.elapsed().as_micros()).expect("a short life")
    }
}
