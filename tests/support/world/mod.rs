//! A seeded world: the real rules of server and clients, virtual time, and cables that can be cut.
//!
//! Nothing here sleeps, and nothing is random but by the seed: the same seed gives the same
//! transcript. Every frame is encoded and decoded on its way.

pub mod cable;
pub mod oracle;
pub mod server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cable::{Direction, Parcel};
use herenow::clock::Moment;
use herenow::config::Config;
use herenow_client::protocol::frame::split_body;
use herenow_client::protocol::limits::FRAME_BYTES_MAX;
use herenow_client::protocol::{CloseReason, DeviceId, DisplayName, Presence, SessionId};
use herenow_client::session::{Command, Effect, Session};
use herenow_client::{Disconnect, Event, Options, View};
use oracle::Watcher;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use server::Server;

/// The wall clock at the start of every world.
const UNIX_MS: u64 = 1_700_000_000_000;

/// Longer than any connection attempt that nobody answers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Events in a row at one instant, before the world is considered stuck.
const STEPS_PER_INSTANT: usize = 100_000;

/// Which client.
pub type Who = usize;

/// Everything there is.
pub struct World {
    rng: StdRng,
    start: Instant,
    now: Instant,
    config: Config,
    /// The server; `None` while it is down.
    pub server: Option<Server>,
    server_runs: u8,
    server_frozen: bool,
    clients: Vec<Client>,
    wires: BTreeMap<SessionId, Wire>,
    /// What every client was told, one line each.
    pub transcript: Vec<String>,
}

struct Client {
    session: Session,
    watcher: Watcher,
    wire: Option<SessionId>,
    received: Vec<u8>,
    /// An attempt to connect that nobody answers ends here.
    connecting_until: Option<Instant>,
    frozen: bool,
    cut: Cut,
}

/// Which directions of a client's cable are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// From the client to the server.
    pub up: bool,
    /// From the server to the client.
    pub down: bool,
}

impl Cut {
    /// The cable is pulled.
    pub const BOTH: Self = Self { up: true, down: true };
    /// The cable is whole.
    pub const NONE: Self = Self { up: false, down: false };
}

struct Wire {
    client: Who,
    up: Direction,
    down: Direction,
}

impl World {
    /// A world with a running server and nobody in it.
    pub fn seeded(seed: u64) -> Self {
        Self::with(seed, Config::default())
    }

    /// A world with this configuration.
    pub fn with(seed: u64, config: Config) -> Self {
        config.check().expect("a test's configuration holds");
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
        let start = Instant::now();
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            start,
            now: start,
            config,
            server: None,
            server_runs: 0,
            server_frozen: false,
            clients: Vec::new(),
            wires: BTreeMap::new(),
            transcript: Vec::new(),
        };
        world.start_server();
        world
    }

    /// A new client that signs in at once from a device of its own.
    pub fn join(&mut self, name: &str) -> Who {
        let device = format!("device-{}", self.clients.len());
        self.join_as(name, &device, |_| {})
    }

    /// A new client from this device, with other options.
    pub fn join_as(&mut self, name: &str, device: &str, adapt: impl FnOnce(&mut Options)) -> Who {
        let name = DisplayName::new(name).expect("a test name is valid");
        let device = DeviceId::new(device).expect("a test device id is valid");
        let mut options = Options::new("server", name, device);
        adapt(&mut options);
        let session = Session::new(&options, self.rng.random(), self.now);
        let who = self.clients.len();
        self.clients.push(Client {
            session,
            watcher: Watcher::default(),
            wire: None,
            received: Vec::new(),
            connecting_until: None,
            frozen: false,
            cut: Cut::NONE,
        });
        self.drive(who, Session::poll);
        who
    }

    /// Cuts or mends a client's cable.
    pub fn cut(&mut self, who: Who, cut: Cut) {
        self.clients[who].cut = cut;
        if let Some(wire) = self.clients[who].wire.and_then(|id| self.wires.get_mut(&id)) {
            wire.up.set_cut(cut.up, self.now);
            wire.down.set_cut(cut.down, self.now);
        }
    }

    /// Stops a client's process, or lets it run on.
    pub fn freeze(&mut self, who: Who, frozen: bool) {
        self.clients[who].frozen = frozen;
    }

    /// Stops the server's process, or lets it run on.
    pub fn freeze_server(&mut self, frozen: bool) {
        self.server_frozen = frozen;
    }

    /// The client's process dies: its kernel closes the connection.
    pub fn kill(&mut self, who: Who, last: Parcel) {
        self.hang_up(who, last);
        self.clients[who].frozen = true;
    }

    /// The connection breaks, and both ends learn of it.
    pub fn reset(&mut self, who: Who) {
        let Some(wire) = self.clients[who].wire.and_then(|id| self.wires.get_mut(&id)) else {
            return;
        };
        wire.up.finish(Parcel::Reset, self.now, Duration::ZERO);
        wire.down.finish(Parcel::Reset, self.now, Duration::ZERO);
    }

    /// A client shows another presence.
    pub fn set_presence(&mut self, who: Who, presence: Presence) {
        self.command(who, Command::SetPresence(presence));
    }

    /// A client signs out.
    pub fn goodbye(&mut self, who: Who) {
        self.command(who, Command::Goodbye);
    }

    /// The server's process dies without a word.
    pub fn kill_server(&mut self) {
        self.server = None;
        for wire in self.wires.values_mut() {
            wire.down.finish(Parcel::End, self.now, Duration::from_millis(1));
        }
    }

    /// The server says goodbye to everyone and ends.
    pub fn stop_server(&mut self, come_back: Duration) {
        if let Some(server) = &mut self.server {
            server.say_goodbye(come_back);
        }
        self.write_all();
        self.kill_server();
    }

    /// The server is there (again), with an empty list and another epoch.
    pub fn start_server(&mut self) {
        self.server_runs += 1;
        self.server = Some(Server::started(self.config.clone(), self.server_runs));
        self.server_frozen = false;
    }

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

    /// What a watcher was told.
    pub fn watcher(&self, who: Who) -> &Watcher {
        &self.clients[who].watcher
    }

    /// A client's list.
    pub fn view(&self, who: Who) -> &View {
        self.clients[who].session.view()
    }

    /// Whether a client is signed in.
    pub fn is_signed_in(&self, who: Who) -> bool {
        self.clients[who].session.is_signed_in()
    }

    /// Whether a client has stopped for good.
    pub fn is_over(&self, who: Who) -> bool {
        self.clients[who].session.is_over()
    }

    /// The server's list: names with their presence.
    pub fn listed(&self) -> BTreeMap<String, Presence> {
        let server = self.server.as_ref().expect("the server runs");
        server.registry.listed().map(|e| (e.name.to_string(), e.presence.clone())).collect()
    }

    /// Bytes that wait at the server for a client.
    pub fn queued_bytes(&self, who: Who) -> usize {
        let desks = self.server.as_ref().map(|server| &server.desks);
        let desk = desks.and_then(|desks| desks.get(&self.clients[who].wire?));
        desk.map_or(0, |desk| desk.outbox.queued_bytes())
    }

    /// The present instant.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// A number below `end`, by the seed.
    pub fn dice(&mut self, end: u64) -> u64 {
        self.rng.random_range(0..end)
    }

    fn moment(&self) -> Moment {
        let elapsed = u64::try_from(self.elapsed().as_millis()).expect("a short life");
        Moment { instant: self.now, unix_ms: UNIX_MS + elapsed }
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

    fn arrive(&mut self, id: SessionId) {
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
    fn write_all(&mut self) {
        let moment = self.moment();
        let Some(server) = self.server.as_mut().filter(|_| !self.server_frozen) else { return };
        let busy = server.desks.iter().filter(|(_, desk)| desk.has_something_to_do());
        for id in busy.map(|(id, _)| *id).collect::<Vec<_>>() {
            let Some(wire) = self.wires.get_mut(&id) else { continue };
            let delay = Duration::from_micros(self.rng.random_range(100..30_000));
            let ended = server.write(id, moment, |bytes| wire.down.send(bytes, self.now, delay));
            if ended.is_some() {
                wire.down.finish(Parcel::End, self.now, delay);
                server.desks.remove(&id);
            }
        }
    }

    fn client_received(&mut self, who: Who, id: SessionId, bytes: &[u8]) {
        if self.clients[who].wire != Some(id) {
            return;
        }
        self.clients[who].received.extend_from_slice(bytes);
        loop {
            let received = std::mem::take(&mut self.clients[who].received);
            let mut rest = &received[..];
            let body = split_body(&mut rest, FRAME_BYTES_MAX).expect("the server frames well");
            let body = body.map(<[u8]>::to_vec);
            self.clients[who].received = rest.to_vec();
            let Some(body) = body else { return };
            self.drive(who, |session, now, effects| session.frame(&body, now, effects));
            if self.clients[who].wire != Some(id) {
                return;
            }
        }
    }

    fn client_lost(&mut self, who: Who, id: SessionId, cause: Disconnect) {
        if self.clients[who].wire == Some(id) {
            self.hang_up(who, Parcel::End);
            self.drive(who, |session, now, effects| session.disconnected(cause, now, effects));
        }
    }

    fn command(&mut self, who: Who, command: Command) {
        self.drive(who, |session, now, effects| session.command(command, now, effects));
    }

    /// Runs one input of a client's session and performs what it asks for.
    fn drive(&mut self, who: Who, input: impl FnOnce(&mut Session, Instant, &mut Vec<Effect>)) {
        let mut effects = Vec::new();
        input(&mut self.clients[who].session, self.now, &mut effects);
        for effect in effects {
            match effect {
                Effect::Connect => self.connect(who),
                Effect::Send(message) => self.send(who, &message.encode()),
                Effect::Disconnect => self.hang_up(who, Parcel::End),
                Effect::Emit(event) => self.tell(who, &event),
            }
        }
    }

    fn tell(&mut self, who: Who, event: &Event) {
        if !matches!(event, Event::RoundTrip(_)) {
            let ms = self.elapsed().as_millis();
            self.transcript.push(format!("{ms:>8} client {who}: {event:?}"));
        }
        let Client { session, watcher, .. } = &mut self.clients[who];
        watcher.told(event, session.view(), self.now);
    }

    fn connect(&mut self, who: Who) {
        let whole = self.clients[who].cut == Cut::NONE;
        match self.server.as_mut() {
            Some(server) if whole && !self.server_frozen => {
                let id = server.accept(self.now);
                let wire =
                    Wire { client: who, up: Direction::default(), down: Direction::default() };
                self.wires.insert(id, wire);
                self.clients[who].wire = Some(id);
                self.clients[who].received.clear();
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

    fn send(&mut self, who: Who, bytes: &[u8]) {
        let delay = Duration::from_micros(self.rng.random_range(100..30_000));
        let Some(wire) = self.clients[who].wire.and_then(|id| self.wires.get_mut(&id)) else {
            return;
        };
        wire.up.send(bytes, self.now, delay);
    }

    fn hang_up(&mut self, who: Who, last: Parcel) {
        self.clients[who].connecting_until = None;
        let Some(wire) = self.clients[who].wire.take().and_then(|id| self.wires.get_mut(&id))
        else {
            return;
        };
        wire.up.finish(last, self.now, Duration::from_millis(1));
    }
}

impl Client {
    fn next(&self) -> Option<Instant> {
        self.session.next_deadline().into_iter().chain(self.connecting_until).min()
    }
}
