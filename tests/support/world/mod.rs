//! A seeded world: the real rules of server and clients, virtual time, and cables that can be cut.
//!
//! Nothing here sleeps, and nothing is random but by the seed: the same seed gives the same
//! transcript. Every frame is encoded and decoded on its way.
//!
//! This page is what a test does to the world; [`run`] lets time pass in it.

pub mod cable;
pub mod client;
pub mod dice;
pub mod journal;
pub mod oracle;
mod puppets;
mod run;
pub mod server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cable::Parcel;
use client::{Client, Wire};
pub use client::{Cut, Who};
use dice::For;
use herenow::clock::Moment;
use herenow::config::Config;
use herenow::registry::ConnectionId;
use herenow_client::protocol::{Choice, DeviceId, DisplayName, Shown, Status, StatusText};
use herenow_client::session::{Command, Session};
use herenow_client::{Disconnect, Options, View, ViewKey};
use journal::Journal;
use oracle::Watcher;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use server::Server;

/// The wall clock at the start of every world.
pub const UNIX_MS: u64 = 1_700_000_000_000;

/// The slowest delivery of a cable that is whole.
pub const DELIVERY_MAX: Duration = Duration::from_millis(30);

/// Everything there is.
pub struct World {
    seed: u64,
    rng: StdRng,
    start: Instant,
    now: Instant,
    config: Config,
    /// The server; `None` while it is down.
    pub server: Option<Server>,
    /// What is on disk while the server is down.
    disk: Journal,
    keeps_state: bool,
    server_runs: u8,
    server_frozen: bool,
    clients: Vec<Client>,
    wires: BTreeMap<ConnectionId, Wire>,
    /// What every client was told, one line each.
    pub transcript: Vec<String>,
}

impl World {
    /// A world with a running server and nobody in it.
    pub fn seeded(seed: u64) -> Self {
        Self::with(seed, Config::default())
    }

    /// A world with this configuration.
    pub fn with(seed: u64, config: Config) -> Self {
        Self::new(seed, config, None)
    }

    /// A world whose server keeps its state on a disk. A crash of a `lossy` one takes what is not committed.
    pub fn with_state(seed: u64, config: Config, lossy: bool) -> Self {
        Self::new(seed, config, Some(lossy))
    }

    fn new(seed: u64, config: Config, state: Option<bool>) -> Self {
        config.check().expect("a test's configuration holds");
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
        let start = Instant::now();
        let mut world = Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            start,
            now: start,
            config,
            server: None,
            disk: Journal::new(state == Some(true)),
            keeps_state: state.is_some(),
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
        let mut options = options(name, device);
        adapt(&mut options);
        let who = self.clients.len();
        let seed = dice::number(self.seed, lane(who), For::Jitter, 0);
        self.clients.push(Client::new(Session::new(&options, seed, self.now), &options));
        self.drive(who, Session::poll);
        who
    }

    /// A client's program is started again. Of what the former one was told, only when its connections began and ended
    /// is kept.
    pub fn start_again(&mut self, who: Who, adapt: impl FnOnce(&mut Options)) {
        self.hang_up(who, Parcel::Reset);
        let Client { name, device, runs, .. } = &self.clients[who];
        let mut options = options(name, device);
        adapt(&mut options);
        let runs = runs + 1;
        let seed = dice::number(self.seed, lane(who), For::Jitter, runs);
        let session = Session::new(&options, seed, self.now);
        let client = &mut self.clients[who];
        (client.session, client.runs) = (session, runs);
        let Watcher { closings, sign_ins, .. } = std::mem::take(&mut client.watcher);
        client.watcher = Watcher { closings, sign_ins, ..Watcher::default() };
        (client.frozen, client.dead) = (false, false);
        self.drive(who, Session::poll);
    }

    /// Cuts or mends a client's cable.
    pub fn cut(&mut self, who: Who, cut: Cut) {
        self.clients[who].cut = cut;
        if let Some(wire) = self.clients[who].wire.and_then(|id| self.wires.get_mut(&id)) {
            wire.up.set_cut(cut.up, self.now);
            wire.down.set_cut(cut.down, self.now);
        }
    }

    /// Stops a client's process, or lets it run on. One that was killed does not.
    pub fn freeze(&mut self, who: Who, frozen: bool) {
        let client = &mut self.clients[who];
        client.frozen = frozen || client.dead;
    }

    /// Stops the server's process, or lets it run on.
    pub fn freeze_server(&mut self, frozen: bool) {
        self.server_frozen = frozen;
    }

    /// The client's process dies: its kernel closes the connection.
    pub fn kill(&mut self, who: Who, last: Parcel) {
        self.hang_up(who, last);
        let client = &mut self.clients[who];
        (client.frozen, client.dead) = (true, true);
    }

    /// The connection breaks, and both ends learn of it.
    pub fn reset(&mut self, who: Who) {
        let Some(wire) = self.clients[who].wire.and_then(|id| self.wires.get_mut(&id)) else {
            return;
        };
        wire.up.finish(Parcel::Reset, self.now, Duration::ZERO);
        wire.down.finish(Parcel::Reset, self.now, Duration::ZERO);
    }

    /// The client's computer changes its address: it knows that its connection is gone, the server never hears of it.
    pub fn roam(&mut self, who: Who) {
        let Some(id) = self.clients[who].wire.take() else { return };
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.up.set_cut(true, self.now);
            wire.down.set_cut(true, self.now);
        }
        self.drive(who, |session, now, effects| {
            session.disconnected(Disconnect::ConnectionReset, now, effects);
        });
    }

    /// The client's process beats, but takes nothing from its socket any more, whose buffers are full.
    pub fn choke(&mut self, who: Who) {
        self.narrow(who, 0);
    }

    /// A client's cable takes only so many bytes until they have arrived.
    pub fn narrow(&mut self, who: Who, bytes: usize) {
        if let Some(wire) = self.clients[who].wire.and_then(|id| self.wires.get_mut(&id)) {
            wire.down.set_window(bytes);
        }
    }

    /// A client sends bytes that its rules would not.
    pub fn inject(&mut self, who: Who, bytes: &[u8]) {
        self.send(who, bytes);
    }

    /// A client shows another status, and says so itself.
    pub fn show(&mut self, who: Who, status: Status, text: &str) {
        let text = StatusText::new(text).expect("a test text is valid");
        self.command(who, Command::Choose(Choice::chosen(status, text)));
    }

    /// A client signs out.
    pub fn goodbye(&mut self, who: Who) {
        self.command(who, Command::Goodbye);
    }

    /// A client's program wants something; a process that stands still wants nothing.
    pub fn command(&mut self, who: Who, command: Command) {
        if self.clients[who].frozen {
            return;
        }
        self.drive(who, |session, now, effects| session.command(command, now, effects));
    }

    /// The server's process dies without a word.
    pub fn kill_server(&mut self) {
        let moment = self.moment();
        if let Some(mut server) = self.server.take() {
            server.journal.crash(moment);
            self.disk = server.journal;
        }
        self.close_wires();
    }

    /// The server says goodbye to everyone and ends.
    pub fn stop_server(&mut self) {
        let moment = self.moment();
        self.server_frozen = false;
        if let Some(server) = &mut self.server {
            server.say_goodbye(moment);
        }
        self.write_all();
        if let Some(mut server) = self.server.take() {
            server.journal.close(moment);
            self.disk = server.journal;
        }
        self.close_wires();
    }

    /// The server is there (again), in another epoch, with the list that its disk kept, if it has one.
    pub fn start_server(&mut self) {
        self.server_runs += 1;
        let (disk, moment) = (std::mem::take(&mut self.disk), self.moment());
        let restores = self.keeps_state && self.server_runs > 1;
        let config = self.config.clone();
        self.server = Some(Server::started(config, self.server_runs, disk, restores, moment));
        self.server_frozen = false;
    }

    /// What the server wrote down.
    pub fn journal(&self) -> &Journal {
        self.server.as_ref().map_or(&self.disk, |server| &server.journal)
    }

    /// What a watcher was told.
    pub fn watcher(&self, who: Who) -> &Watcher {
        &self.clients[who].watcher
    }

    /// A watcher, to tell what it may see.
    pub fn watcher_mut(&mut self, who: Who) -> &mut Watcher {
        &mut self.clients[who].watcher
    }

    /// A client as a whole.
    pub fn client(&mut self, who: Who) -> &mut Client {
        &mut self.clients[who]
    }

    /// A client's first list.
    pub fn view(&self, who: Who) -> &View {
        self.clients[who].session.view()
    }

    /// A client's list of this number.
    pub fn view_of(&self, who: Who, key: ViewKey) -> Option<&View> {
        self.clients[who].session.view_of(key)
    }

    /// Whether a client is signed in.
    pub fn is_signed_in(&self, who: Who) -> bool {
        self.clients[who].session.is_signed_in()
    }

    /// Whether a client has stopped for good, or was killed.
    pub fn is_over(&self, who: Who) -> bool {
        self.clients[who].session.is_over() || self.clients[who].dead
    }

    /// How old the lists of a client may be, as its server said last.
    pub fn delay(&self, who: Who) -> Option<Duration> {
        self.clients[who].session.delay()
    }

    /// The connection that a client has.
    pub fn connection(&self, who: Who) -> Option<ConnectionId> {
        self.clients[who].wire
    }

    /// The server's list: names with what is shown of them.
    pub fn listed(&self) -> BTreeMap<String, Shown> {
        let server = self.server.as_ref().expect("the server runs");
        server.registry.listed().map(|e| (e.name.to_string(), e.shown.clone())).collect()
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

    /// The present moment by the server's clocks.
    pub fn moment(&self) -> Moment {
        let elapsed = u64::try_from(self.elapsed().as_millis()).expect("a short life");
        Moment { instant: self.now, unix_ms: UNIX_MS + elapsed }
    }

    /// A number below `end`, by the seed.
    pub fn dice(&mut self, end: u64) -> u64 {
        self.rng.random_range(0..end)
    }
}

/// The numbers of a client come from its own lane.
fn lane(who: Who) -> u64 {
    u64::try_from(who).expect("few")
}

/// A listed user who watches the lobby.
fn options(name: &str, device: &str) -> Options {
    let name = DisplayName::new(name).expect("a test name is valid");
    let device = DeviceId::new(device).expect("a test device id is valid");
    Options::new("server", name, device)
}
