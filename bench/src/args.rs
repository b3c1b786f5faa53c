//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::floor::Floor;
use crate::pinning::Pinning;
use crate::server::Source;
use crate::setting::Setting;

/// Measures a herenow server beside the floor of the machine it runs on
#[derive(Debug, Parser)]
#[command(name = "herenow-bench", version, about)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every measure.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// Measure the server that listens there already
    #[arg(long, global = true, value_name = "ADDR:PORT", requires = "pid")]
    server: Option<SocketAddr>,

    /// The process of that server
    #[arg(long, global = true, value_name = "PID", requires = "server")]
    pid: Option<u32>,

    /// The program to start as the server; without it the one beside this program
    #[arg(long, global = true, value_name = "FILE", env = "HERENOW_BIN")]
    server_bin: Option<PathBuf>,

    /// How often each measure is taken
    #[arg(long, global = true, value_name = "N", default_value_t = 3)]
    runs: usize,

    /// Small numbers and one run, to see that everything works; the figures mean nothing
    #[arg(long, global = true)]
    quick: bool,

    /// Keep the server on one core and the load on another (the default)
    #[arg(long, global = true, overrides_with = "no_pin")]
    pin: bool,

    /// Let the kernel choose the cores
    #[arg(long, global = true, action = ArgAction::SetTrue)]
    no_pin: bool,

    /// One line of JSON for each measure; the table goes to the standard error then
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Memory of a session that only beats
    Idle(Idle),
    /// Processor time for heartbeats, the server saturated
    Heartbeat(Heartbeat),
    /// Processor time or latency of changes that are told to everyone
    FanOut(FanOut),
    /// Processor time for sign-ins
    SignIn(SignIn),
    /// Processor time of sessions that only beat, and of timers alone
    IdleCpu(IdleCpu),
    /// What a second thread of the server gains
    Cores(Cores),
    /// Memory of watchers that read little or nothing, and what others feel of them
    SlowReader(SlowReader),
    /// Processor time, memory and duration of everyone's signing in at once
    Storm(Storm),
    /// Time and memory that the registry takes without sockets
    Registry(Registry),
    /// Every measure
    All,
    /// Be a floor
    #[command(subcommand, hide = true)]
    Floor(Floor),
}

/// Arguments of `registry`.
#[derive(Args, Debug)]
pub(crate) struct Registry {
    /// People who sign in, change and leave
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) users: usize,
}

/// Arguments of `idle`.
#[derive(Args, Debug)]
pub(crate) struct Idle {
    /// People signed in
    #[arg(long, value_name = "N", default_value_t = 19_000)]
    pub(crate) sessions: usize,

    /// Seconds from the last sign-in to the reading
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub(crate) settle: u64,
}

/// Arguments of `heartbeat`.
#[derive(Args, Debug)]
pub(crate) struct Heartbeat {
    /// People who watch the lobby and beat
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(crate) sessions: usize,

    /// Beats that each keeps in flight
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) pipeline: usize,

    /// For how long
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) seconds: u64,
}

/// Arguments of `fan-out`.
#[derive(Args, Debug)]
pub(crate) struct FanOut {
    /// People who watch the lobby; several numbers are measured one after the other
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_values_t = [100, 1_000, 5_000])]
    pub(crate) watchers: Vec<usize>,

    /// Changes in flight, each of a person of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) window: usize,

    /// Deliveries a second, whatever becomes of them: measures latency
    #[arg(
        long,
        value_name = "N",
        conflicts_with_all = ["window", "beaters"],
        value_parser = clap::value_parser!(u32).range(1..),
    )]
    pub(crate) rate: Option<u32>,

    /// People who only beat meanwhile: measures how long their acks take
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) beaters: usize,

    /// For how long
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) seconds: u64,
}

/// Arguments of `sign-in`.
#[derive(Args, Debug)]
pub(crate) struct SignIn {
    /// People who sign in
    #[arg(long, value_name = "N", default_value_t = 15_000)]
    pub(crate) sessions: usize,
}

/// Arguments of `idle-cpu`.
#[derive(Args, Debug)]
pub(crate) struct IdleCpu {
    /// People signed in, beating every 2 s
    #[arg(long, value_name = "N", default_value_t = 19_000)]
    pub(crate) sessions: usize,

    /// Sessions without sockets, whose heartbeats are checked every 5 s
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) timers: usize,

    /// For how long each is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub(crate) seconds: u64,
}

/// Arguments of `cores`.
#[derive(Args, Debug)]
pub(crate) struct Cores {
    /// People who watch the lobby
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(crate) watchers: usize,

    /// Changes in flight
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) window: usize,

    /// For how long each is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) seconds: u64,
}

/// Arguments of `slow-reader`.
#[derive(Args, Debug)]
pub(crate) struct SlowReader {
    /// Watchers that read everything at once
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(crate) healthy: usize,

    /// Watchers that never read
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) stuck: usize,

    /// Watchers that read 1 KB/s
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) slow: usize,

    /// Who make changes, in turns
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..10_000))]
    pub(crate) senders: u32,

    /// Changes a second, of all senders together
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) changes: u32,

    /// For how long
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) seconds: u64,
}

/// Arguments of `storm`.
#[derive(Args, Debug)]
pub(crate) struct Storm {
    /// People who sign in at once and watch the lobby; several numbers are measured one after the other
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_values_t = [1_000, 2_000, 10_000])]
    pub(crate) users: Vec<usize>,
}

impl Common {
    /// What the measures have in common.
    pub(crate) fn setting(&self) -> Setting {
        let source = match (self.server, self.pid) {
            (Some(address), Some(pid)) => Source::Running { address, pid },
            _ => Source::Start(self.server_bin.clone().unwrap_or_else(|| beside("herenow"))),
        };
        let runs = if self.quick { 1 } else { self.runs.max(1) };
        let pinning = Pinning { on: !self.no_pin };
        Setting { source, pinning, threads: 1, runs, quick: self.quick }
    }
}

/// A program that was built together with this one.
pub(crate) fn beside(name: &str) -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name(name)
}

/// The command in a line that this program itself wrote.
pub(crate) fn parse(line: &str) -> Command {
    let words = ["herenow-bench"].into_iter().chain(line.split(' '));
    Arguments::parse_from(words).command
}
