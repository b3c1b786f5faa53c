//! What a session that does nothing but beat takes of memory.

use std::time::Duration;

use herenow_client::protocol::ServerMessage;
use herenow_client::protocol::limits::FRAME_PREFIX_BYTES;

use crate::clock;
use crate::crowd::{Crowd, Heard};
use crate::failure::Failure;
use crate::floor::{Echo, Floor};
use crate::measures::{meet_floor, part, repeat};
use crate::patience::TURN;
use crate::people;
use crate::reading::{self, unexpected};
use crate::report::{Figures, Record};
use crate::rhythm::{Rhythm, wait};
use crate::setting::Setting;

/// How often everyone beats: the server's default.
pub(super) const INTERVAL: Duration = Duration::from_secs(2);

/// Time for a process that served somebody, or nobody yet, to become quiet.
const QUIET: Duration = Duration::from_millis(500);

/// So many sessions, signed in and in the lobby, each with name, device, label, status, text and resume token.
pub(crate) fn measure(
    setting: &Setting,
    sessions: usize,
    settle: Duration,
) -> Result<Record, Failure> {
    let (sessions, settle) = (setting.count(sessions), setting.time(settle));
    let runs = repeat(setting, || run(setting, sessions, settle))?;
    let parameters =
        vec![("sessions", sessions.into()), ("settle_ms", (settle.as_millis() as u64).into())];
    Ok(Record::new("idle", parameters, runs))
}

fn run(setting: &Setting, sessions: usize, settle: Duration) -> Result<Figures, Failure> {
    let (real, answer_bytes) = rss_of_server(setting, sessions, settle)?;
    let floor = rss_of_floor(setting, sessions, settle, answer_bytes)?;
    let each = |bytes: u64| bytes as f64 / sessions as f64;
    Ok(vec![("rss_bytes_per_session", each(real)), ("floor_rss_bytes_per_session", each(floor))])
}

/// By how much the server grows, and the size of its acks.
fn rss_of_server(
    setting: &Setting,
    sessions: usize,
    settle: Duration,
) -> Result<(u64, usize), Failure> {
    let server = setting.server()?;
    // Whatever the first session makes the process set up is no cost of the others.
    let mut first = Crowd::new(server.address)?;
    people::sign_in(&mut first, 1, INTERVAL)?;
    people::leave(&mut first)?;
    std::thread::sleep(QUIET);
    let before = server.account.rss_bytes()?;
    let mut crowd = Crowd::new(server.address)?;
    people::sign_in(&mut crowd, sessions, INTERVAL)?;
    let mut answer_bytes = 0;
    beat(&mut crowd, settle, people::heartbeat, |who, body| {
        answer_bytes = body.len() + FRAME_PREFIX_BYTES;
        listed(who, body)
    })?;
    let grown = server.account.rss_bytes()?.saturating_sub(before);
    part(setting, &mut crowd)?;
    Ok((grown, answer_bytes))
}

fn rss_of_floor(
    setting: &Setting,
    sessions: usize,
    settle: Duration,
    answer_bytes: usize,
) -> Result<u64, Failure> {
    let request = people::heartbeat(1);
    let floor = setting.floor(&Floor::Echo(Echo { request_bytes: request.len(), answer_bytes }))?;
    let mut first = Crowd::new(floor.address)?;
    meet_floor(&mut first, 1, &request)?;
    drop(first);
    std::thread::sleep(QUIET);
    let before = floor.account.rss_bytes()?;
    let mut crowd = Crowd::new(floor.address)?;
    meet_floor(&mut crowd, sessions, &request)?;
    beat(&mut crowd, settle, |_| request.clone(), |_, _| Ok(()))?;
    Ok(floor.account.rss_bytes()?.saturating_sub(before))
}

/// Lets everyone beat for so long, evenly spread.
pub(super) fn beat(
    crowd: &mut Crowd,
    time: Duration,
    beat: impl Fn(u64) -> bytes::Bytes,
    mut answered: impl FnMut(usize, &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let count = crowd.len();
    let began = clock::now();
    let mut rhythm = Rhythm::of_many(began, INTERVAL, count);
    while clock::now() < began + time {
        let now = clock::now();
        while let Some((turn, _)) = rhythm.take(now) {
            let turn = turn as usize;
            crowd.lines().send(turn % count, &beat((turn / count) as u64 + 1))?;
        }
        let timeout = wait(now, rhythm.due()).min(TURN);
        crowd.turn(timeout, |_, who, heard| match heard {
            Heard::Frame(body) => answered(who, body),
            Heard::Connected | Heard::Closed => Ok(()),
        })?;
    }
    Ok(())
}

/// The answer to a beat must say that others see this session's user.
pub(super) fn listed(who: usize, body: &[u8]) -> Result<(), Failure> {
    match reading::message(who, body)? {
        ServerMessage::HeartbeatAck { me: Some(_), .. } => Ok(()),
        other => Err(unexpected(who, &other)),
    }
}
