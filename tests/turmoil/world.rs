//! A server and three people on a simulated network, under virtual time.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use herenow::actors::fanout_actor::{FanoutActor, Fanouts};
use herenow::actors::lines::Lines;
use herenow::actors::registry_actor::RegistryActor;
use herenow::actors::session_actor::{Local, SessionActor};
use herenow::actors::socket::AnySocket;
use herenow::registry::{Registry, Rules};
use herenow::tick::Tick;
use herenow::{Clock, Config};
use herenow_client::protocol::{
    Choice, DeviceId, DeviceLabel, DisplayName, Epoch, RoomName, Status, StatusText, WatchTarget,
};
use herenow_client::{Options, connect_through};
use turmoil::net::TcpListener;
use turmoil::{Builder, Sim};

use super::journal::{ATTIC, Journal, LOBBY, PEOPLE, Shot};
use super::wire::{Breaker, ServerSocket, Wire};

pub(crate) const SERVER: &str = "server";
const PORT: u16 = 4373;

/// Whose cable is pulled, and two who watch. Only ada is in the attic.
pub(crate) const EVERYONE: [&str; 3] = ["ada", "bob", "cyd"];

/// How far apart deliveries are. Timers are exact.
const NETWORK_TICK: Duration = Duration::from_millis(20);

/// The wall clock when the server starts.
const UNIX_MS: u64 = 1_700_000_000_000;

/// What ada shows, and what becomes of somebody who is gone.
const ADA: &str = r#"busy deep in it ["of ada"]"#;
const GONE: &str = "offline  []";

/// A server and three people.
pub(crate) struct World {
    pub(crate) sim: Sim<'static>,
    people: BTreeMap<&'static str, Person>,
}

#[derive(Clone, Default)]
struct Person {
    journal: Journal,
    breaker: Breaker,
}

impl World {
    /// The server listens, everyone connects.
    pub(crate) fn seeded(seed: u64) -> Self {
        let mut sim = Builder::new()
            .rng_seed(seed)
            .tick_duration(NETWORK_TICK)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(40))
            .build();
        let starts = Rc::new(std::cell::Cell::new(0));
        sim.host(SERVER, move || {
            starts.set(starts.get() + 1);
            serve(Epoch([starts.get(); 16]))
        });
        let mut people = BTreeMap::new();
        for (name, n) in EVERYONE.into_iter().zip(0..) {
            let person = Person::default();
            people.insert(name, person.clone());
            sim.host(name, move || live(name, seed * 100 + n, person.clone()));
        }
        Self { sim, people }
    }

    /// The virtual time since the beginning.
    pub(crate) fn now(&self) -> Duration {
        self.sim.elapsed()
    }

    /// Lets time pass.
    pub(crate) fn run_until(&mut self, end: Duration) {
        while self.now() < end {
            self.sim.step().expect("no host ends by itself");
        }
    }

    /// Lets this much time pass.
    pub(crate) fn run_for(&mut self, span: Duration) {
        self.run_until(self.now() + span);
    }

    /// What somebody's client told.
    pub(crate) fn journal(&self, name: &str) -> &Journal {
        &self.people[name].journal
    }

    /// Breaks somebody's connection.
    pub(crate) fn reset(&self, name: &str) {
        self.people[name].breaker.reset();
    }

    /// Everything that anybody told, in order.
    pub(crate) fn transcript(&self) -> Vec<(Duration, &'static str, String)> {
        let of = |(name, person): (&&'static str, &Person)| {
            let (name, told) = (*name, person.journal.transcript());
            told.into_iter().map(move |(at, words)| (at, name, words))
        };
        let mut all: Vec<_> = self.people.iter().flat_map(of).collect();
        all.sort();
        all
    }

    /// These people show exactly the three lists that they must, and had that proved within the last heartbeat.
    pub(crate) fn assert_exact(&self, watchers: &[&str], here: &[&str]) {
        for watcher in watchers {
            let journal = self.journal(watcher);
            let lobby = EVERYONE.iter().filter(|name| here.contains(name));
            let attic = here.iter().filter(|name| **name == "ada");
            self.assert_shows(&journal.shot(LOBBY), lobby.copied(), here, watcher);
            self.assert_shows(&journal.shot(PEOPLE), EVERYONE.into_iter(), here, watcher);
            self.assert_shows(&journal.shot(ATTIC), attic.copied(), here, watcher);
        }
    }

    fn assert_shows<'a>(
        &self,
        shot: &Shot,
        names: impl Iterator<Item = &'a str>,
        here: &[&str],
        watcher: &str,
    ) {
        let expected: BTreeMap<_, _> = names
            .map(|name| match name {
                _ if !here.contains(&name) => (name.to_owned(), GONE.to_owned()),
                "ada" => (name.to_owned(), ADA.to_owned()),
                _ => (name.to_owned(), format!(r#"available  ["of {name}"]"#)),
            })
            .collect();
        assert_eq!(shot.people, expected, "what {watcher} shows");
        assert!(shot.complete, "a view of {watcher} is complete");
        let age = self.now() - shot.proved;
        assert!(age < Duration::from_millis(2_100), "{watcher} had a proof {age:?} ago");
    }
}

/// A registry that is dropped in a panic ends the process, as it must in a server. A test that fails has words to say
/// before: its world is forgotten instead.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::mem::forget(std::mem::replace(&mut self.sim, Builder::new().build()));
        }
    }
}

/// The actors of one arbiter, and an accept loop in place of the listener.
async fn serve(epoch: Epoch) -> turmoil::Result {
    let (config, clock) = (Arc::new(Config::default()), Clock::simulated(UNIX_MS));
    let lines = Lines::new(0, Tick::new(config.tick, config.tick_max));
    let fanout = FanoutActor::new(lines.clone(), Arc::clone(&config), clock).start();
    let registry = Registry::new(epoch, Rules::from(&*config));
    let registry = RegistryActor::new(registry, Fanouts(vec![fanout]), clock, None).start();
    let local = Rc::new(Local::new(&config, clock, registry, lines));
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (stream, address) = listener.accept().await?;
        let socket = AnySocket::Other(Box::new(ServerSocket(stream)));
        SessionActor::begin(socket, address, &local);
    }
}

/// A client, as long as its host runs.
async fn live(name: &'static str, seed: u64, person: Person) -> turmoil::Result {
    let wire = Wire { breaker: person.breaker };
    let (client, mut connection) = connect_through(wire, options(name), seed);
    while let Some(event) = connection.next().await {
        let at = turmoil::sim_elapsed().expect("inside the simulation");
        person.journal.write(at, event, &connection);
    }
    drop(client);
    std::future::pending().await
}

fn options(name: &str) -> Options {
    let display = |name: &str| DisplayName::new(name).expect("a test name is valid");
    let attic = RoomName::new("attic").expect("a test room is valid");
    let device = DeviceId::new(&format!("device-of-{name}")).expect("a test device is valid");
    let everyone = EVERYONE.iter().map(|name| display(name)).collect();
    let mut options = Options::new(format!("{SERVER}:{PORT}"), display(name), device);
    options.label = DeviceLabel::new(&format!("of {name}")).expect("a test label is valid");
    options.views = vec![
        WatchTarget::Room(RoomName::lobby()),
        WatchTarget::People { names: everyone, view: None },
        WatchTarget::Room(attic.clone()),
    ];
    if name == "ada" {
        let text = StatusText::new("deep in it").expect("a test text is valid");
        options.choice = Choice::chosen(Status::Busy, text);
        options.rooms = vec![attic];
    }
    options
}
