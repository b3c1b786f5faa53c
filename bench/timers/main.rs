//! `herenow-bench-timers`: sessions without sockets, whose heartbeats are checked like anybody's, and nothing else.
//!
//! A process has far fewer descriptors than these are sessions, so they run on the server's own actors in this process.
//! Each says hello and then nothing; so many heartbeats may be missed that none of them ends. When all are signed in the
//! program says so in a line, and goes on until its standard input ends.

mod silent;

use std::cell::Cell;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use clap::Parser;
use herenow::actors::fanout_actor::{FanoutActor, Fanouts};
use herenow::actors::lines::Lines;
use herenow::actors::registry_actor::RegistryActor;
use herenow::actors::session_actor::{Local, SessionActor};
use herenow::actors::socket::AnySocket;
use herenow::registry::{Registry, Rules};
use herenow::tick::Tick;
use herenow::{Clock, Config};
use herenow_client::protocol::Epoch;

use silent::SilentSocket;

/// The allocator of the server.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The most that a server allows: with intervals of 5 s it waits 500 s before it ends a silent session.
const MISSES: u32 = 100;

/// Sessions that begin before others have a turn.
const TOGETHER: usize = 500;

/// Sign-ins that take longer than that have failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Holds sessions without sockets, whose heartbeats are checked
#[derive(Clone, Copy, Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    sessions: usize,

    /// The heartbeat interval of each
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    interval_ms: u64,
}

#[actix::main]
async fn main() -> io::Result<()> {
    let Arguments { sessions, interval_ms } = Arguments::parse();
    let interval = Duration::from_millis(interval_ms);
    let (welcomed, address) = (Rc::new(Cell::new(0)), SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
    let local = arbiter(Config { misses: MISSES, ..Config::default() });
    for who in 0..sessions {
        let socket = SilentSocket::new(silent::hello(who, interval), Rc::clone(&welcomed));
        SessionActor::begin(AnySocket::Other(Box::new(socket)), address, &local);
        if who % TOGETHER == TOGETHER - 1 {
            wait_for(&welcomed, who + 1).await?;
        }
    }
    wait_for(&welcomed, sessions).await?;
    writeln!(io::stdout(), "signed in: {sessions}")?;
    io::stdout().flush()?;
    // On a thread that only waits, so that the runtime goes on.
    let ended = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    ended.await.map_err(io::Error::other)?.map(drop)
}

/// The actors of a server with one thread, without a listener.
fn arbiter(config: Config) -> Rc<Local> {
    let (config, clock) = (Arc::new(config), Clock::system());
    let lines = Lines::new(0, Tick::new(config.tick, config.tick_max));
    let fanout = FanoutActor::new(lines.clone(), Arc::clone(&config), clock).start();
    let registry = Registry::new(Epoch([1; 16]), Rules::from(&*config));
    let registry = RegistryActor::new(registry, Fanouts(vec![fanout]), clock, None).start();
    Rc::new(Local::new(&config, clock, registry, lines))
}

/// Lets the sessions run until so many are signed in.
async fn wait_for(welcomed: &Cell<usize>, count: usize) -> io::Result<()> {
    let all = async {
        while welcomed.get() < count {
            tokio::task::yield_now().await;
        }
    };
    Ok(tokio::time::timeout(PATIENCE, all).await?)
}
