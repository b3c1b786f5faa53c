//! Signing many people in, letting them watch the lobby, proving what they see.

use std::time::Duration;

use bytes::Bytes;
use herenow_client::protocol::{
    Choice, ClientMessage, CloseReason, DeviceId, DeviceLabel, DisplayName, Epoch, Hello, RoomName,
    ServerMessage, Status, StatusText, WatchTarget, Welcome,
};

use crate::crowd::{CONNECTING_MAX, Crowd, Heard};
use crate::failure::Failure;
use crate::patience::{Patience, TURN};
use crate::reading::{self, unexpected};
use crate::view::Mismatch;
use crate::watchers::{Told, Watchers};

/// Long enough for 20,000 sign-ins or snapshots on a machine that does something else besides.
const PATIENCE: Duration = Duration::from_secs(120);

/// The longest interval that a server allows unless configured otherwise: for those whose beats are not measured, so that
/// none are needed.
pub(crate) const NO_BEATS: Duration = Duration::from_secs(600);

/// Snapshots under way at once.
const SNAPSHOTS_MAX: usize = 64;

/// A round trip as a client on the same machine measures it, in microseconds: a heartbeat tells the last one.
const ROUND_TRIP_US: u64 = 500;

/// The number of the heartbeat that asks for a last proof; no other is as high.
const LAST_BEAT: u64 = 1 << 50;

/// What the sign-ins told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedIn {
    /// The server's epoch.
    pub(crate) epoch: Epoch,
    /// Bytes of a `Hello`'s frame.
    pub(crate) hello_bytes: usize,
    /// Bytes of a `Welcome`'s frame.
    pub(crate) welcome_bytes: usize,
}

/// The sign-in of one of the crowd: name, device, label and status, all as long for everyone.
pub(crate) fn hello(who: usize, heartbeat: Duration) -> Bytes {
    let valid = "letters and digits are valid";
    let hello = Hello {
        name: DisplayName::new(&format!("person {who:06}")).expect(valid),
        device: DeviceId::new(&format!("device-{who:06}")).expect(valid),
        label: DeviceLabel::new("laptop").expect(valid),
        heartbeat: Some(heartbeat),
        observe: false,
        choice: Choice::chosen(Status::Available, StatusText::default()),
        key: None,
        resume: None,
        credential: None,
    };
    ClientMessage::Hello(hello).encode()
}

/// The heartbeat with this number.
pub(crate) fn heartbeat(n: u64) -> Bytes {
    ClientMessage::Heartbeat { n, round_trip_us: ROUND_TRIP_US }.encode()
}

/// Reads a `Welcome`.
pub(crate) fn welcome(who: usize, body: &[u8]) -> Result<Welcome, Failure> {
    match reading::message(who, body)? {
        ServerMessage::Welcome(welcome) => Ok(welcome),
        other => Err(unexpected(who, &other)),
    }
}

/// Opens `count` more connections, at least one, and signs a person in on each. They say that they beat this often.
pub(crate) fn sign_in(
    crowd: &mut Crowd,
    count: usize,
    interval: Duration,
) -> Result<SignedIn, Failure> {
    let patience = Patience::new("sign-ins", PATIENCE);
    let hello_bytes = hello(0, interval).len();
    let (mut opened, mut welcomed, mut signed_in) = (0, 0, None);
    while welcomed < count {
        while opened < count && opened - welcomed < CONNECTING_MAX {
            crowd.connect()?;
            opened += 1;
        }
        crowd.turn(TURN, |lines, who, heard| {
            match heard {
                Heard::Connected => lines.send(who, &hello(who, interval))?,
                Heard::Closed => {}
                Heard::Frame(body) => {
                    let epoch = welcome(who, body)?.epoch;
                    let welcome_bytes = body.len() + 2;
                    signed_in = Some(SignedIn { epoch, hello_bytes, welcome_bytes });
                    welcomed += 1;
                }
            }
            Ok(())
        })?;
        patience.check()?;
    }
    signed_in.ok_or(Failure::Timeout { what: "sign-ins", seconds: 0 })
}

/// Lets `count` of the crowd from `first` on watch the lobby, until each view is proved.
pub(crate) fn watch_lobby(
    crowd: &mut Crowd,
    epoch: Epoch,
    first: usize,
    count: usize,
) -> Result<Watchers, Failure> {
    let patience = Patience::new("snapshots", PATIENCE);
    let room = RoomName::lobby();
    let watch = ClientMessage::Watch { request: 1, target: WatchTarget::Room(room) }.encode();
    let mut watchers = Watchers::new(epoch, first, count);
    let (mut asked, mut complete) = (0, 0);
    while complete < count {
        while asked < count && asked - complete < SNAPSHOTS_MAX {
            crowd.lines().send(first + asked, &watch)?;
            asked += 1;
        }
        crowd.turn(TURN, |_, who, heard| {
            if let Heard::Frame(body) = heard
                && let Told::Complete = watchers.hear(who, body)?
            {
                complete += 1;
            }
            Ok(())
        })?;
        patience.check()?;
    }
    Ok(watchers)
}

/// Asks for a last proof of every view: all must be exact at one and the same version, which is the server's, as
/// nothing changes any more. Returns it.
pub(crate) fn prove_all(crowd: &mut Crowd, watchers: &mut Watchers) -> Result<u64, Failure> {
    let patience = Patience::new("a last proof of every view", PATIENCE);
    let beat = heartbeat(LAST_BEAT);
    let mut versions = vec![None; watchers.len()];
    let first = watchers.first();
    for who in 0..watchers.len() {
        crowd.lines().send(first + who, &beat)?;
    }
    while versions.iter().any(Option::is_none) {
        crowd.turn(TURN, |lines, who, heard| {
            let Heard::Frame(body) = heard else { return Ok(()) };
            if !watchers.include(who) {
                return Ok(());
            }
            match watchers.hear(who, body)? {
                Told::Ack { n: LAST_BEAT, proved: None } => lines.send(who, &beat),
                Told::Ack { n: LAST_BEAT, proved } => {
                    versions[who - first] = proved;
                    Ok(())
                }
                _ => Ok(()),
            }
        })?;
        patience.check()?;
    }
    one_version(first, &versions)
}

fn one_version(first: usize, versions: &[Option<u64>]) -> Result<u64, Failure> {
    let told = versions.iter().flatten().max().copied().unwrap_or_default();
    match versions.iter().position(|held| *held != Some(told)) {
        None => Ok(told),
        Some(place) => {
            let held = versions[place].unwrap_or_default();
            let mismatch = Mismatch::Version { held, told };
            Err(Failure::View { who: first + place, mismatch })
        }
    }
}

/// Says goodbye for the whole crowd, and waits until the server has closed.
pub(crate) fn leave(crowd: &mut Crowd) -> Result<(), Failure> {
    let count = crowd.len();
    let patience = Patience::new("goodbyes", PATIENCE);
    let goodbye = ClientMessage::Goodbye { reason: CloseReason::Goodbye }.encode();
    for who in 0..count {
        let mut lines = crowd.lines();
        lines.expect_close(who);
        lines.send(who, &goodbye)?;
    }
    let mut left = 0;
    while left < count {
        crowd.turn(TURN, |_, _, heard| {
            left += usize::from(matches!(heard, Heard::Closed));
            Ok(())
        })?;
        patience.check()?;
    }
    Ok(())
}
