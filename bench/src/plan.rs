//! From a command to the measures that it takes.

use std::time::Duration;

use crate::args::{self, Command};
use crate::measures::Measure;
use crate::measures::cores::Work;
use crate::measures::fan_out::{FanOut, Pace};
use crate::measures::heartbeat::Beating;
use crate::measures::idle_cpu::Resting;
use crate::measures::slow_reader::Slowness;

/// Who take turns at a rate: enough that none changes twice within a tick.
const SENDERS_AT_RATE: usize = 64;

/// The measures of a command, in order.
pub(crate) fn measures(command: &Command) -> Vec<Measure> {
    match command {
        Command::Idle(args::Idle { sessions, settle }) => {
            let settle = Duration::from_secs(*settle);
            vec![Measure::Idle { sessions: *sessions, settle }]
        }
        Command::Heartbeat(args::Heartbeat { sessions, pipeline, seconds }) => {
            let time = Duration::from_secs(*seconds);
            let pipeline = (*pipeline).max(1);
            vec![Measure::Heartbeat(Beating { sessions: *sessions, pipeline, time })]
        }
        Command::FanOut(fan_out) => self::fan_out(fan_out),
        Command::SignIn(args::SignIn { sessions }) => {
            vec![Measure::SignIn { sessions: *sessions }]
        }
        Command::IdleCpu(args::IdleCpu { sessions, timers, seconds }) => {
            let time = Duration::from_secs(*seconds);
            vec![Measure::IdleCpu(Resting { sessions: *sessions, timers: *timers, time })]
        }
        Command::SlowReader(wanted) => vec![Measure::SlowReader(Slowness {
            healthy: wanted.healthy.max(1),
            stuck: wanted.stuck,
            slow: wanted.slow,
            senders: wanted.senders as usize,
            changes: wanted.changes,
            time: Duration::from_secs(wanted.seconds),
        })],
        Command::Cores(wanted) => cores(wanted),
        Command::Storm(args::Storm { users }) => {
            users.iter().map(|users| Measure::Storm { users: *users }).collect()
        }
        Command::Registry(args::Registry { users }) => vec![Measure::Registry { users: *users }],
        Command::All => all(),
        Command::Floor(_) => Vec::new(),
    }
}

fn fan_out(wanted: &args::FanOut) -> Vec<Measure> {
    let time = Duration::from_secs(wanted.seconds);
    let (senders, pace) = match wanted.rate {
        Some(rate) => (SENDERS_AT_RATE, Pace::Rate(rate)),
        None => (wanted.window.max(1), Pace::Closed),
    };
    let one = |watchers: &usize| {
        let beaters = wanted.beaters;
        let fan_out = FanOut { watchers: (*watchers).max(1), senders, pace, time, beaters };
        if beaters > 0 { Measure::BeatsBeside(fan_out) } else { Measure::FanOut(fan_out) }
    };
    wanted.watchers.iter().map(one).collect()
}

fn cores(wanted: &args::Cores) -> Vec<Measure> {
    let (watchers, senders) = (wanted.watchers.max(1), wanted.window.max(1));
    let time = Duration::from_secs(wanted.seconds);
    let beating = Beating { sessions: watchers, pipeline: 1, time };
    let fan_out = FanOut { watchers, senders, pace: Pace::Closed, time, beaters: 0 };
    vec![Measure::Cores(Work::Heartbeat(beating)), Measure::Cores(Work::FanOut(fan_out))]
}

/// Every measure as its subcommand takes it by default.
fn all() -> Vec<Measure> {
    const LINES: [&str; 12] = [
        "registry",
        "idle",
        "heartbeat",
        "fan-out --window 1",
        "fan-out --window 64",
        "fan-out --rate 10000",
        "fan-out --watchers 5000 --window 64 --beaters 100",
        "sign-in",
        "storm",
        "idle-cpu",
        "slow-reader",
        "cores",
    ];
    LINES.into_iter().flat_map(|line| measures(&args::parse(line))).collect()
}
