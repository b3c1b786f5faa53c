//! What watchers cost that read little or nothing while many changes go by, and what the others feel of them.
//!
//! The same is run with nobody but the healthy ones; what is more with the slow ones beside them is theirs.

mod drain;
mod readers;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::accounting::Used;
use crate::crowd::Crowd;
use crate::failure::Failure;
use crate::measures::fan_out::Pace;
use crate::measures::fan_out::drive::Drive;
use crate::measures::fan_out::stage::Lobby;
use crate::measures::{part, repeat};
use crate::people;
use crate::report::{Figures, Record};
use crate::server::Server;
use crate::setting::Setting;
use drain::Drained;
use readers::{Peaks, Readers};

/// Who watch, who make changes, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slowness {
    /// Watchers that read everything at once.
    pub(crate) healthy: usize,
    /// Watchers that never read.
    pub(crate) stuck: usize,
    /// Watchers that read 1 KB/s.
    pub(crate) slow: usize,
    /// Who make changes, in turns.
    pub(crate) senders: usize,
    /// Changes a second, of all senders together.
    pub(crate) changes: u32,
    /// For how long.
    pub(crate) time: Duration,
}

/// What one run came to.
struct Outcome {
    peaks: Peaks,
    /// From a change to a healthy watcher, in microseconds.
    p99_us: f64,
    drained: Drained,
    /// Readers that the lobby does not show any more.
    left: usize,
    used: Used,
}

/// With and without those who do not read.
pub(crate) fn measure(setting: &Setting, slowness: Slowness) -> Result<Record, Failure> {
    let slowness = Slowness {
        healthy: setting.count(slowness.healthy),
        senders: setting.count(slowness.senders),
        time: setting.time(slowness.time),
        ..slowness
    };
    let runs = repeat(setting, || run(setting, slowness))?;
    let Slowness { healthy, stuck, slow, senders, changes, time } = slowness;
    let parameters = vec![
        ("healthy", healthy.into()),
        ("stuck", stuck.into()),
        ("slow", slow.into()),
        ("senders", senders.into()),
        ("changes", changes.into()),
        ("milliseconds", (time.as_millis() as u64).into()),
    ];
    Ok(Record::new("slow-reader", parameters, runs))
}

fn run(setting: &Setting, slowness: Slowness) -> Result<Figures, Failure> {
    let without = run_once(setting, Slowness { stuck: 0, slow: 0, ..slowness })?;
    let with = run_once(setting, slowness)?;
    let each = |bytes: f64| bytes / (slowness.stuck + slowness.slow).max(1) as f64;
    let disconnected = with.drained.disconnected;
    Ok(vec![
        (
            "rss_bytes_per_stuck_reader",
            each(with.peaks.rss_bytes as f64 - without.peaks.rss_bytes as f64),
        ),
        ("kernel_bytes_per_stuck_reader", each(with.peaks.kernel_bytes as f64)),
        ("healthy_p99_us", with.p99_us),
        ("healthy_p99_without_us", without.p99_us),
        ("disconnected", disconnected as f64),
        ("dropped_never_reading", with.left.saturating_sub(disconnected) as f64),
        ("slow_exact_after_ms", with.drained.exact_after.as_secs_f64() * 1e3),
        ("busy_percent", with.used.busy_percent()),
        ("busy_percent_without", without.used.busy_percent()),
        ("load_percent", with.used.load_percent()),
        ("load_percent_without", without.used.load_percent()),
    ])
}

fn run_once(setting: &Setting, slowness: Slowness) -> Result<Outcome, Failure> {
    let Slowness { healthy, stuck, slow, senders, changes, time } = slowness;
    let server = setting.server()?;
    let mut crowd = Crowd::new(server.address)?;
    let mut lobby = Lobby::open(&mut crowd, senders, healthy, 0)?;
    let mut readers = Readers::sign_in(server.address, senders + healthy, stuck, slow)?;
    let pace = Pace::Rate(changes.saturating_mul(u32::try_from(healthy).unwrap_or(u32::MAX)));
    let mut drive = Drive::new(&mut crowd, &mut lobby, senders, healthy, None);
    let meter = server.account.meter()?;
    let (used, peaks) = beside(&mut readers, &server, || {
        drive.run(pace, time)?;
        meter.used()
    })?;
    let p99_us = drive.deliveries().latency().value_at_quantile(0.99) as f64;
    // Nothing changes any more, and every healthy watcher has the last change.
    let version = lobby.watchers.version(senders).unwrap_or_default();
    let drained = drain::drain(&server, &mut readers, lobby.watchers.epoch(), version)?;
    people::prove_all(&mut crowd, &mut lobby.watchers)?;
    let shown = lobby.watchers.count(senders).unwrap_or_default() as usize;
    let left = (senders + healthy + stuck + slow).saturating_sub(shown);
    part(setting, &mut crowd)?;
    Ok(Outcome { peaks, p99_us, drained, left, used })
}

/// Lets the readers linger on a thread of their own while something else goes on.
fn beside<T>(
    readers: &mut Readers,
    server: &Server,
    drive: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, Peaks), Failure> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let lingering = scope.spawn(|| readers.linger(server, &over));
        let driven = drive();
        over.store(true, Ordering::Relaxed);
        let peaks = lingering.join().expect("the readers do not panic");
        Ok((driven?, peaks?))
    })
}
