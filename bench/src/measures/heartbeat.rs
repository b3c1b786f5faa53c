//! What a heartbeat costs: beat in, ack with the proof of the lobby out, the server saturated.

use std::time::{Duration, Instant};

use herenow_client::protocol::limits::FRAME_PREFIX_BYTES;

use crate::accounting::Used;
use crate::clock;
use crate::crowd::{Crowd, Heard};
use crate::failure::Failure;
use crate::floor::{Echo, Floor};
use crate::measures::{meet_floor, part, repeat};
use crate::patience::{Patience, TURN};
use crate::people::{self, NO_BEATS};
use crate::report::{Figures, Record};
use crate::server::Server;
use crate::setting::Setting;
use crate::watchers::{Told, Watchers};

/// Answers may take that long to come in at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the server is beaten at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beating {
    /// Who beat, all watching the lobby.
    pub(crate) sessions: usize,
    /// Beats that each keeps in flight.
    pub(crate) pipeline: usize,
    /// For how long.
    pub(crate) time: Duration,
}

/// What one run counted.
pub(super) struct Counted {
    pub(super) answers: u64,
    answer_bytes: usize,
    pub(super) used: Used,
}

impl Beating {
    pub(super) fn quick_if(self, setting: &Setting) -> Self {
        let (sessions, time) = (setting.count(self.sessions), setting.time(self.time));
        Self { sessions, time, ..self }
    }
}

/// Beats as often as the server answers.
pub(crate) fn measure(setting: &Setting, beating: Beating) -> Result<Record, Failure> {
    let beating = beating.quick_if(setting);
    let runs = repeat(setting, || run(setting, beating))?;
    let parameters =
        vec![("sessions", beating.sessions.into()), ("pipeline", beating.pipeline.into())];
    Ok(Record::new("heartbeat", parameters, runs))
}

fn run(setting: &Setting, beating: Beating) -> Result<Figures, Failure> {
    let real = beat_at_server(setting, beating)?;
    let request_bytes = people::heartbeat(TYPICAL_BEAT).len();
    let echo = Echo { request_bytes, answer_bytes: real.answer_bytes };
    let floor = setting.floor(&Floor::Echo(echo))?;
    let mut crowd = Crowd::new(floor.address)?;
    meet_floor(&mut crowd, beating.sessions, &[])?;
    let request = people::heartbeat(TYPICAL_BEAT);
    let floor = saturate(&floor, &mut crowd, beating, |_| request.clone(), |_, _| Ok(()))?;
    // A second for a million beats is a microsecond for one.
    Ok(vec![
        ("cpu_s_per_million", real.used.us_each(real.answers)),
        ("floor_cpu_s_per_million", floor.used.us_each(floor.answers)),
        ("busy_percent", real.used.busy_percent()),
        ("floor_busy_percent", floor.used.busy_percent()),
    ])
}

/// The number of a beat as long as nearly all of a run: it takes three bytes from 256 on.
const TYPICAL_BEAT: u64 = 300;

/// The server's part, with every view proved at the end.
pub(super) fn beat_at_server(setting: &Setting, beating: Beating) -> Result<Counted, Failure> {
    let server = setting.server()?;
    let mut crowd = Crowd::new(server.address)?;
    let signed_in = people::sign_in(&mut crowd, beating.sessions, NO_BEATS)?;
    let mut watchers = people::watch_lobby(&mut crowd, signed_in.epoch, 0, beating.sessions)?;
    let mut last = vec![0; beating.sessions];
    let counted = saturate(&server, &mut crowd, beating, people::heartbeat, |who, body| {
        answered(&mut watchers, &mut last, who, body)
    })?;
    people::prove_all(&mut crowd, &mut watchers)?;
    part(setting, &mut crowd)?;
    Ok(counted)
}

/// The answer must be that to the oldest beat on its way, and prove the view, since nothing is going on.
fn answered(
    watchers: &mut Watchers,
    last: &mut [u64],
    who: usize,
    body: &[u8],
) -> Result<(), Failure> {
    last[who] += 1;
    match watchers.hear(who, body)? {
        Told::Ack { n, proved: Some(_) } if n == last[who] => Ok(()),
        told => Err(Failure::Unexpected { who, message: format!("{told:?}") }),
    }
}

/// Keeps as many beats in flight as wanted on every connection, until the time is over and all are answered.
fn saturate(
    server: &Server,
    crowd: &mut Crowd,
    beating: Beating,
    beat: impl Fn(u64) -> bytes::Bytes,
    mut answered: impl FnMut(usize, &[u8]) -> Result<(), Failure>,
) -> Result<Counted, Failure> {
    let Beating { sessions, pipeline, time } = beating;
    let patience = Patience::new("answers to heartbeats", time + PATIENCE);
    let meter = server.account.meter()?;
    let until: Instant = clock::now() + time;
    for n in 1..=pipeline as u64 {
        (0..sessions).try_for_each(|who| crowd.lines().send(who, &beat(n)))?;
    }
    let mut next = vec![pipeline as u64 + 1; sessions];
    let (mut in_flight, mut answers, mut answer_bytes) = (sessions * pipeline, 0, 0);
    while in_flight > 0 {
        crowd.turn(TURN, |lines, who, heard| {
            let Heard::Frame(body) = heard else { return Ok(()) };
            answered(who, body)?;
            answers += 1;
            answer_bytes = body.len() + FRAME_PREFIX_BYTES;
            if lines.now >= until {
                in_flight -= 1;
                return Ok(());
            }
            next[who] += 1;
            lines.send(who, &beat(next[who] - 1))
        })?;
        patience.check()?;
    }
    Ok(Counted { answers, answer_bytes, used: meter.used()? })
}
