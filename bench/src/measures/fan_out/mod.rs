//! What it costs, and how long it takes, to tell a change to everyone who watches.

pub(super) mod drive;
pub(super) mod stage;

pub(crate) use drive::Pace;

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::accounting::Used;
use crate::crowd::Crowd;
use crate::failure::Failure;
use crate::floor::{Broadcast, Floor};
use crate::measures::{part, repeat};
use crate::people;
use crate::report::{Figures, Record};
use crate::server::Server;
use crate::setting::Setting;
use drive::{Beaters, Drive};
use stage::{Hall, Lobby, Stage};

/// How often each of those beats who beat beside a fan-out.
const BEAT_INTERVAL: Duration = Duration::from_millis(50);

/// What fans out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FanOut {
    /// Who watch the lobby.
    pub(crate) watchers: usize,
    /// Who make changes; in a closed loop, changes in flight.
    pub(crate) senders: usize,
    /// When.
    pub(crate) pace: Pace,
    /// For how long; a tenth of it more before, to warm up.
    pub(crate) time: Duration,
    /// Who beat beside it.
    pub(crate) beaters: usize,
}

/// What one run came to, on the server or a floor.
pub(super) struct Outcome {
    pub(super) used: Used,
    pub(super) deliveries: u64,
    latency: Histogram<u64>,
    beats: Option<Histogram<u64>>,
}

/// How the server told the changes.
pub(super) struct Told {
    /// The sizes of its frames, for a floor.
    sizes: Broadcast,
    /// Changes of different people that one frame brought, on average.
    deliveries_per_frame: f64,
}

impl FanOut {
    pub(super) fn quick_if(self, setting: &Setting) -> Self {
        Self {
            watchers: setting.count(self.watchers),
            senders: setting.count(self.senders),
            time: setting.time(self.time),
            beaters: setting.count(self.beaters),
            ..self
        }
    }
}

/// Processor time for a delivery in a closed loop, or latency at a rate.
pub(crate) fn measure(setting: &Setting, fan_out: FanOut) -> Result<Record, Failure> {
    let fan_out = fan_out.quick_if(setting);
    let runs = repeat(setting, || {
        let (real, told) = at_server(setting, fan_out)?;
        let floor = at_floor(setting, fan_out, told.sizes)?;
        let mut figures = figures(fan_out.pace, &real, &floor);
        figures.push(("deliveries_per_frame", told.deliveries_per_frame));
        Ok(figures)
    })?;
    Ok(Record::new("fan-out", parameters(fan_out), runs))
}

/// How long heartbeats of others wait for their acks while the fan-out keeps the server busy.
pub(crate) fn beats_beside(setting: &Setting, fan_out: FanOut) -> Result<Record, Failure> {
    let fan_out = fan_out.quick_if(setting);
    let runs = repeat(setting, || {
        let (real, _) = at_server(setting, fan_out)?;
        let beats = real.beats.ok_or(Failure::Server("nobody beat".to_owned()))?;
        Ok(vec![
            ("heartbeat_p99_during_fanout_us", beats.value_at_quantile(0.99) as f64),
            ("heartbeat_max_during_fanout_us", beats.max() as f64),
        ])
    })?;
    let mut parameters = parameters(fan_out);
    parameters.push(("beaters", fan_out.beaters.into()));
    Ok(Record::new("fan-out", parameters, runs))
}

fn parameters(fan_out: FanOut) -> Vec<(&'static str, serde_json::Value)> {
    let pace = match fan_out.pace {
        Pace::Closed => ("window", fan_out.senders.into()),
        Pace::Rate(rate) => ("rate", rate.into()),
    };
    vec![("watchers", fan_out.watchers.into()), pace]
}

fn figures(pace: Pace, real: &Outcome, floor: &Outcome) -> Figures {
    let each = |outcome: &Outcome| outcome.used.us_each(outcome.deliveries);
    let at = |outcome: &Outcome, quantile| outcome.latency.value_at_quantile(quantile) as f64;
    match pace {
        Pace::Closed => {
            vec![
                ("cpu_us_per_delivery", each(real)),
                ("floor_cpu_us_per_delivery", each(floor)),
                ("busy_percent", real.used.busy_percent()),
                ("floor_busy_percent", floor.used.busy_percent()),
            ]
        }
        Pace::Rate(_) => vec![
            ("p50_us", at(real, 0.5)),
            ("floor_p50_us", at(floor, 0.5)),
            ("p99_us", at(real, 0.99)),
            ("floor_p99_us", at(floor, 0.99)),
            ("max_us", real.latency.max() as f64),
            ("floor_max_us", floor.latency.max() as f64),
        ],
    }
}

/// Runs it on the server, and proves every view at the end.
pub(super) fn at_server(setting: &Setting, fan_out: FanOut) -> Result<(Outcome, Told), Failure> {
    let FanOut { watchers, senders, beaters, .. } = fan_out;
    let server = setting.server()?;
    let mut crowd = Crowd::new(server.address)?;
    let mut lobby = Lobby::open(&mut crowd, senders, watchers, beaters)?;
    let beaters = (beaters > 0).then(|| Beaters::new(senders + watchers, beaters, BEAT_INTERVAL));
    let drive = Drive::new(&mut crowd, &mut lobby, senders, watchers, beaters);
    let outcome = drive_on(drive, &server, fan_out, Lobby::count_anew)?;
    people::prove_all(&mut crowd, &mut lobby.watchers)?;
    part(setting, &mut crowd)?;
    let told = Told {
        sizes: lobby.floor(outcome.deliveries),
        deliveries_per_frame: lobby.deliveries_per_frame(outcome.deliveries),
    };
    Ok((outcome, told))
}

fn at_floor(setting: &Setting, fan_out: FanOut, sizes: Broadcast) -> Result<Outcome, Failure> {
    let FanOut { watchers, senders, .. } = fan_out;
    let floor = setting.floor(&Floor::Broadcast(sizes))?;
    let mut crowd = Crowd::new(floor.address)?;
    let mut hall = Hall::open(&mut crowd, sizes, senders, watchers)?;
    let drive = Drive::new(&mut crowd, &mut hall, senders, watchers, None);
    drive_on(drive, &floor, fan_out, |_| {})
}

fn drive_on<S: Stage>(
    mut drive: Drive<'_, S>,
    server: &Server,
    fan_out: FanOut,
    count_anew: impl FnOnce(&mut S),
) -> Result<Outcome, Failure> {
    drive.run(fan_out.pace, fan_out.time / 10)?;
    count_anew(drive.stage());
    let meter = server.account.meter()?;
    drive.run(fan_out.pace, fan_out.time)?;
    Ok(Outcome {
        used: meter.used()?,
        deliveries: drive.deliveries().delivered(),
        latency: drive.deliveries().latency().clone(),
        beats: drive.beaters().map(|beaters| beaters.latency().clone()),
    })
}
