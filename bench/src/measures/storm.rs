//! What it costs when everyone signs in at once and watches the lobby, until every view is exact.

use std::time::Duration;

use herenow_client::protocol::limits::FRAME_PREFIX_BYTES;
use herenow_client::protocol::{ClientMessage, RoomName, WatchTarget};

use crate::accounting::Used;
use crate::crowd::{CONNECTING_MAX, Crowd, Heard, Lines};
use crate::failure::Failure;
use crate::floor::{Floor, ReadyList, ready_list};
use crate::measures::{part, repeat};
use crate::patience::{Patience, TURN};
use crate::people::{self, NO_BEATS};
use crate::report::{Figures, Record};
use crate::setting::Setting;
use crate::watchers::{Told, Watchers};

/// Ten thousand views of ten thousand entries each take minutes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// Bytes of a mebibyte.
const MIB: f64 = 1_048_576.0;

/// What a storm at the server came to.
struct Weathered {
    used: Used,
    peak_bytes: u64,
    grown_bytes: u64,
    hello_bytes: usize,
    list_bytes: usize,
}

/// How far somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    /// Without a `Welcome`.
    Outside,
    /// Watching, or about to.
    Watching,
    /// With a proved view that shows everyone.
    Full,
}

/// The views of a storm, once the epoch is known.
struct Views {
    users: usize,
    watchers: Option<Watchers>,
    watch: bytes::Bytes,
    hello_bytes: usize,
    seats: Vec<Seat>,
    /// Who does not have everyone.
    missing: usize,
}

/// So many people at once.
pub(crate) fn measure(setting: &Setting, users: usize) -> Result<Record, Failure> {
    let users = setting.count(users).max(1);
    let runs = repeat(setting, || run(setting, users))?;
    Ok(Record::new("storm", vec![("users", users.into())], runs))
}

fn run(setting: &Setting, users: usize) -> Result<Figures, Failure> {
    let real = at_server(setting, users)?;
    let least = at_floor(setting, users, &real)?;
    let view_entries = users as u64 * users as u64;
    Ok(vec![
        ("seconds", real.used.seconds()),
        ("floor_seconds", least.seconds()),
        ("cpu_us_per_view_entry", real.used.us_each(view_entries)),
        ("floor_cpu_us_per_view_entry", least.us_each(view_entries)),
        ("server_peak_rss_mib", real.peak_bytes as f64 / MIB),
        ("peak_rss_growth_mib", real.grown_bytes as f64 / MIB),
        ("busy_percent", real.used.busy_percent()),
        ("floor_busy_percent", least.busy_percent()),
        ("load_percent", real.used.load_percent()),
    ])
}

fn at_server(setting: &Setting, users: usize) -> Result<Weathered, Failure> {
    let server = setting.server()?;
    let base = server.account.rss_bytes()?;
    let mut crowd = Crowd::new(server.address)?;
    let mut views = Views::new(users);
    let meter = server.account.meter()?;
    rush(&mut crowd, users, |lines, who, heard| views.hear(lines, who, heard))?;
    let used = meter.used()?;
    let peak_bytes = server.account.peak_rss_bytes()?;
    let mut watchers = views.watchers.ok_or(Failure::Server("nobody signed in".to_owned()))?;
    people::prove_all(&mut crowd, &mut watchers)?;
    let list_bytes = list_bytes(&mut crowd, &mut watchers)?;
    part(setting, &mut crowd)?;
    let (hello_bytes, grown_bytes) = (views.hello_bytes, peak_bytes.saturating_sub(base));
    Ok(Weathered { used, peak_bytes, grown_bytes, hello_bytes, list_bytes })
}

fn at_floor(setting: &Setting, users: usize, real: &Weathered) -> Result<Used, Failure> {
    let Weathered { hello_bytes: request_bytes, list_bytes, .. } = *real;
    let floor = setting.floor(&Floor::ReadyList(ReadyList { request_bytes, list_bytes }))?;
    let mut crowd = Crowd::new(floor.address)?;
    let introduction = vec![0; request_bytes];
    let wanted = ready_list::frames(list_bytes).len();
    let (mut got, mut missing) = (vec![0; users], users);
    let meter = floor.account.meter()?;
    rush(&mut crowd, users, |lines, who, heard| {
        match heard {
            Heard::Connected => lines.send(who, &introduction)?,
            Heard::Frame(body) => {
                got[who] += body.len() + FRAME_PREFIX_BYTES;
                missing -= usize::from(got[who] == wanted);
            }
            Heard::Closed => {}
        }
        Ok(missing)
    })?;
    meter.used()
}

/// Opens so many connections as fast as they are accepted, and goes on until `hear` says that nobody is missing.
fn rush<F>(crowd: &mut Crowd, users: usize, mut hear: F) -> Result<(), Failure>
where
    F: FnMut(&mut Lines<'_>, usize, Heard<'_>) -> Result<usize, Failure>,
{
    let patience = Patience::new("everyone to be seen by everyone", PATIENCE);
    let (mut connected, mut missing) = (0, users);
    while missing > 0 {
        while crowd.len() < users && crowd.len() - connected < CONNECTING_MAX {
            crowd.connect()?;
        }
        crowd.turn(TURN, |lines, who, heard| {
            connected += usize::from(matches!(heard, Heard::Connected));
            missing = hear(lines, who, heard)?;
            Ok(())
        })?;
        patience.check()?;
    }
    Ok(())
}

/// The bytes of a snapshot as somebody gets it who watches now.
fn list_bytes(crowd: &mut Crowd, watchers: &mut Watchers) -> Result<usize, Failure> {
    let patience = Patience::new("one more snapshot", PATIENCE);
    crowd.lines().send(0, &watch())?;
    let (mut bytes, mut complete) = (0, false);
    while !complete {
        crowd.turn(TURN, |_, who, heard| {
            let Heard::Frame(body) = heard else { return Ok(()) };
            bytes += body.len() + FRAME_PREFIX_BYTES;
            complete |= matches!(watchers.hear(who, body)?, Told::Complete);
            Ok(())
        })?;
        patience.check()?;
    }
    Ok(bytes)
}

fn watch() -> bytes::Bytes {
    let target = WatchTarget::Room(RoomName::lobby());
    ClientMessage::Watch { request: 1, target }.encode()
}

impl Views {
    fn new(users: usize) -> Self {
        let (watch, hello_bytes) = (watch(), people::hello(0, NO_BEATS).len());
        let seats = vec![Seat::Outside; users];
        Self { users, watchers: None, watch, hello_bytes, seats, missing: users }
    }

    /// Signs in whoever is connected, has them watch, and compares what they are told with its proofs. Returns how many
    /// do not have everyone.
    fn hear(
        &mut self,
        lines: &mut Lines<'_>,
        who: usize,
        heard: Heard<'_>,
    ) -> Result<usize, Failure> {
        match heard {
            Heard::Connected => lines.send(who, &people::hello(who, NO_BEATS))?,
            Heard::Frame(body) if self.seats[who] == Seat::Outside => {
                let epoch = people::welcome(who, body)?.epoch;
                self.watchers.get_or_insert_with(|| Watchers::new(epoch, 0, self.users));
                self.seats[who] = Seat::Watching;
                lines.send(who, &self.watch)?;
            }
            Heard::Frame(body) => self.told(who, body)?,
            Heard::Closed => {}
        }
        Ok(self.missing)
    }

    /// Nobody leaves, so whoever has everyone once keeps them, except while a new snapshot comes in.
    fn told(&mut self, who: usize, body: &[u8]) -> Result<(), Failure> {
        let Some(watchers) = &mut self.watchers else { return Ok(()) };
        watchers.hear(who, body)?;
        let everyone = watchers.count(who).is_some_and(|count| count as usize == self.users);
        let seat = if everyone { Seat::Full } else { Seat::Watching };
        let before = std::mem::replace(&mut self.seats[who], seat);
        self.missing += usize::from(before == Seat::Full);
        self.missing -= usize::from(seat == Seat::Full);
        Ok(())
    }
}
