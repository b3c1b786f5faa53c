//! What sessions that only beat take of a core, and what the timers of very many sessions take alone.

use std::thread::sleep;
use std::time::Duration;

use herenow_client::protocol::limits::FRAME_PREFIX_BYTES;

use crate::crowd::Crowd;
use crate::failure::Failure;
use crate::floor::{Echo, Floor};
use crate::measures::idle::{INTERVAL, beat, listed};
use crate::measures::{meet_floor, part, repeat};
use crate::people;
use crate::report::{Figures, Record};
use crate::setting::Setting;
use crate::timers::Timers;

/// How often the heartbeats of sessions without sockets are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Who rests, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resting {
    /// People signed in over sockets.
    pub(crate) sessions: usize,
    /// Sessions without sockets.
    pub(crate) timers: usize,
    /// For how long each is measured.
    pub(crate) time: Duration,
}

/// All of them signed in and settled.
pub(crate) fn measure(setting: &Setting, resting: Resting) -> Result<Record, Failure> {
    let Resting { sessions, timers, time } = resting;
    let (sessions, timers) = (setting.count(sessions).max(1), setting.count(timers));
    let resting = Resting { sessions, timers, time: setting.time(time) };
    let runs = repeat(setting, || run(setting, resting))?;
    let parameters = vec![("sessions", sessions.into()), ("timers", timers.into())];
    Ok(Record::new("idle-cpu", parameters, runs))
}

fn run(setting: &Setting, resting: Resting) -> Result<Figures, Failure> {
    let (real, answer_bytes) = of_server(setting, resting)?;
    let floor = of_floor(setting, resting, answer_bytes)?;
    let timers = of_timers(setting, resting)?;
    Ok(vec![("core_percent", real), ("floor_core_percent", floor), ("timers_core_percent", timers)])
}

/// How busy the server is, and the size of its acks.
fn of_server(setting: &Setting, resting: Resting) -> Result<(f64, usize), Failure> {
    let server = setting.server()?;
    let mut crowd = Crowd::new(server.address)?;
    people::sign_in(&mut crowd, resting.sessions, INTERVAL)?;
    let mut answer_bytes = 0;
    let mut answered = |who, body: &[u8]| {
        answer_bytes = body.len() + FRAME_PREFIX_BYTES;
        listed(who, body)
    };
    beat(&mut crowd, setting.time(INTERVAL), people::heartbeat, &mut answered)?;
    let meter = server.account.meter()?;
    beat(&mut crowd, resting.time, people::heartbeat, &mut answered)?;
    let used = meter.used()?;
    part(setting, &mut crowd)?;
    Ok((used.busy_percent(), answer_bytes))
}

fn of_floor(setting: &Setting, resting: Resting, answer_bytes: usize) -> Result<f64, Failure> {
    let request = people::heartbeat(1);
    let floor = setting.floor(&Floor::Echo(Echo { request_bytes: request.len(), answer_bytes }))?;
    let mut crowd = Crowd::new(floor.address)?;
    meet_floor(&mut crowd, resting.sessions, &request)?;
    beat(&mut crowd, setting.time(INTERVAL), |_| request.clone(), |_, _| Ok(()))?;
    let meter = floor.account.meter()?;
    beat(&mut crowd, resting.time, |_| request.clone(), |_, _| Ok(()))?;
    Ok(meter.used()?.busy_percent())
}

/// How busy the timers keep their process. Quick runs check more often, so that there is something to see.
fn of_timers(setting: &Setting, resting: Resting) -> Result<f64, Failure> {
    let interval = setting.time(CHECK_INTERVAL);
    let timers = Timers::start(resting.timers, interval, setting.pinning)?;
    sleep(interval);
    let meter = timers.account.meter()?;
    sleep(resting.time);
    Ok(meter.used()?.busy_percent())
}
