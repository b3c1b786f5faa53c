//! What the connection bar says: a state machine over the client's events and the time.
//!
//! Invariant: [`Link::is_exact`] only while every sign that the list could be old is absent, so that
//! nothing green is shown which is not proved.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use herenow_client::protocol::{CloseReason, Violation};
use herenow_client::{Disconnect, Event, ViewKey};

/// Characters of a foreign explanation that are shown; the rest is cut off.
const SAID_CHARS_MAX: usize = 120;

/// From this age on a list's age is told in minutes.
const AGE_IN_MINUTES: Duration = Duration::from_secs(2 * MINUTE.as_secs());

/// From this age on a list's age is told in hours.
const AGE_IN_HOURS: Duration = Duration::from_secs(2 * HOUR.as_secs());

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The connection as the user must see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    stage: Stage,
    /// Why the last connection ended, until the next sign-in succeeds.
    ending: Option<Ending>,
    network_down: bool,
    lists: Lists,
}

/// What is known of the lists: the lobby, rooms and chosen people. It outlives connections, as the lists do.
#[derive(Clone, Debug, Default, PartialEq)]
struct Lists {
    stale: BTreeSet<ViewKey>,
    /// They were found wrong, and are being mended.
    wrong: BTreeSet<ViewKey>,
    /// When the lobby was last proved exact.
    proved_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Stage {
    #[default]
    SignedOut,
    Trying,
    SignedIn(Health),
    Waiting {
        until: Instant,
    },
    Over,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Health {
    /// The list was proved exact in this session.
    complete: bool,
    contact_lost: Option<(u32, u32)>,
    round_trip: Option<Duration>,
    /// How old the server says that the list may be, if people would notice.
    delay: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
struct Ending {
    kind: Kind,
    said: String,
}

/// What the connection is, or why it ended. The window has a sentence and a picture for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nobody asked for a connection.
    SignedOut,
    /// The first try is under way.
    Connecting,
    /// Signed in, the list is on its way.
    Loading,
    /// Signed in, the list is proved exact.
    Connected,
    /// Signed in, but the list is not proved exact.
    Checking,
    /// Signed in, but the list was found wrong and is being mended.
    Repairing,
    /// Heartbeats stay unanswered.
    ContactLost,
    /// This computer's own network is down.
    NetworkDown,
    /// Heartbeats stayed unanswered to the limit.
    ServerSilent,
    /// The server said that it stops.
    ServerShutdown,
    /// Nobody listens at the address.
    Refused,
    /// The address cannot be reached or resolved.
    Unreachable,
    /// The connection ended without a word.
    Lost,
    /// The sign-in was not answered in time.
    NoAnswer,
    /// The server heard nothing from here for too long.
    Unheard,
    /// This client was too slow for the server's news.
    TooSlow,
    /// The server failed.
    ServerFailed,
    /// The server has no place for another connection.
    ServerFull,
    /// The server lists more than this program takes.
    ListTooLarge,
    /// One end broke the protocol.
    NotUnderstood,
    /// The server speaks another version.
    OtherVersion,
    /// The same device signed in elsewhere.
    Replaced,
    /// The name is somebody else's.
    NameInUse,
    /// The user is signed in from as many devices as one may have.
    TooManyDevices,
    /// The server refused the sign-in.
    SignInRefused,
    /// The session ended, by the server's or the user's wish.
    Ended,
}

/// How it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The connection lives, or there is none to speak of.
    Live,
    /// A try is under way.
    Trying,
    /// The next try comes by itself.
    Waiting,
    /// Nothing happens until the user acts.
    Over,
}

/// What the user can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// Try again without waiting.
    Retry,
    /// Sign in here, which replaces the other window of this device.
    TakeOver,
    /// Go back to the sign-in page.
    SignIn,
}

/// Everything that the connection bar shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// What it is.
    pub kind: Kind,
    /// How it goes on.
    pub phase: Phase,
    /// What the user can do.
    pub action: Action,
    /// Seconds until the next try, at least 1 while waiting, else 0.
    pub retry_in: u32,
    /// How long ago the list was last proved exact; `None` while it is, and if it never was.
    pub proved_ago: Option<Age>,
    /// The last round trip of this session.
    pub round_trip: Option<Duration>,
    /// How far the list may be behind at a busy server; `None` if nobody would notice.
    pub delay: Option<Duration>,
    /// Unanswered heartbeats, and at how many the connection ends.
    pub contact_lost: Option<(u32, u32)>,
    /// What the server or the operating system said; may be empty.
    pub said: String,
}

/// An age in the unit in which people are told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Whole seconds.
    Seconds(u32),
    /// Whole minutes.
    Minutes(u32),
    /// Whole hours.
    Hours(u32),
}

impl Link {
    /// A connection that was just asked for.
    #[must_use]
    pub fn dialled() -> Self {
        Self { stage: Stage::Trying, ..Self::default() }
    }

    /// Takes in what happened at the time `now`.
    pub fn apply(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Connecting { .. } => self.stage = Stage::Trying,
            Event::SignedIn(_) => {
                self.stage = Stage::SignedIn(Health::default());
                self.ending = None;
            }
            Event::Network { up } => self.network_down = !up,
            Event::Closed { reason, retry_in } => self.close(reason, *retry_in, now),
            Event::Snapshot { view }
            | Event::Repaired { view, .. }
            | Event::Stale { view, .. }
            | Event::Fresh { view }
            | Event::Diverged { view, .. } => self.judge(*view, event),
            Event::RoundTrip(_)
            | Event::Busy(_)
            | Event::ContactLost { .. }
            | Event::ContactBack => {
                self.feel(event);
            }
            Event::Joined { .. } | Event::Updated { .. } | Event::Left { .. } => {}
            Event::Mirror(_)
            | Event::Accepted(_)
            | Event::Chosen(_)
            | Event::Renewed
            | Event::Refused { .. } => {}
        }
    }

    /// Takes note of when the list was last proved exact, if it ever was.
    pub fn note_proof(&mut self, proved_at: Option<Instant>) {
        self.lists.proved_at = proved_at;
    }

    /// Only these lists are watched now; what was known of others does not matter any more.
    pub fn keep_lists(&mut self, watched: impl Fn(ViewKey) -> bool) {
        self.lists.stale.retain(|view| watched(*view));
        self.lists.wrong.retain(|view| watched(*view));
    }

    /// Takes note that the connection is over for good.
    pub fn finish(&mut self) {
        if self.stage != Stage::SignedOut {
            self.stage = Stage::Over;
        }
    }

    /// Whether the list may be shown as true.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.kind() == Kind::Connected
    }

    /// Whether a session exists now.
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        matches!(self.stage, Stage::SignedIn(_))
    }

    /// After what time the picture changes by itself, if it does.
    #[must_use]
    pub fn changes_in(&self, now: Instant) -> Option<Duration> {
        // It stays at 1 until the try begins.
        let left = self.until_retry(now).filter(|left| *left > SECOND);
        let countdown = left.map(|left| match left.subsec_nanos() {
            0 => SECOND,
            nanos => Duration::from_nanos(nanos.into()),
        });
        let age = self.age(now).map(|age| Age::of(age).1);
        countdown.into_iter().chain(age).min()
    }

    /// What to show at the time `now`.
    #[must_use]
    pub fn shown(&self, now: Instant) -> Shown {
        let kind = self.kind();
        let health = match self.stage {
            Stage::SignedIn(health) => health,
            _ => Health::default(),
        };
        Shown {
            kind,
            phase: self.phase(),
            action: self.action(kind),
            retry_in: self.until_retry(now).map_or(0, |left| whole_seconds(left).max(1)),
            proved_ago: self.age(now).map(Age::told),
            round_trip: health.round_trip,
            delay: health.delay,
            contact_lost: health.contact_lost,
            said: self.ending.as_ref().map(|ending| ending.said.clone()).unwrap_or_default(),
        }
    }

    fn feel(&mut self, event: &Event) {
        let Stage::SignedIn(health) = &mut self.stage else { return };
        match event {
            Event::RoundTrip(time) => health.round_trip = Some(*time),
            Event::Busy(delay) => health.delay = *delay,
            Event::ContactLost { unanswered, of } => {
                health.contact_lost = Some((*unanswered, *of));
            }
            Event::ContactBack => health.contact_lost = None,
            _ => {}
        }
    }

    fn judge(&mut self, view: ViewKey, event: &Event) {
        let Lists { stale, wrong, .. } = &mut self.lists;
        let is_whole = !matches!(event, Event::Stale { .. } | Event::Diverged { .. });
        match event {
            Event::Stale { .. } => _ = stale.insert(view),
            Event::Diverged { .. } => _ = wrong.insert(view),
            // A list that was stale stays so until the client says otherwise: it may be whole and yet not proved now.
            _ => _ = wrong.remove(&view),
        }
        if let Event::Fresh { .. } = event {
            stale.remove(&view);
        }
        if let Stage::SignedIn(health) = &mut self.stage {
            health.complete |= is_whole && view == ViewKey::FIRST;
        }
    }

    fn close(&mut self, reason: &Disconnect, retry_in: Option<Duration>, now: Instant) {
        self.ending = Some(Ending { kind: kind_of(reason), said: said_by(reason) });
        self.stage = match retry_in {
            Some(wait) => Stage::Waiting { until: now + wait },
            None => Stage::Over,
        };
    }

    /// What the connection is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let ended = self.ending.as_ref().map(|ending| ending.kind);
        match self.stage {
            Stage::SignedOut => Kind::SignedOut,
            Stage::Over => ended.unwrap_or(Kind::Ended),
            _ if self.network_down => Kind::NetworkDown,
            Stage::Trying | Stage::Waiting { .. } => ended.unwrap_or(Kind::Connecting),
            Stage::SignedIn(Health { contact_lost: Some(_), .. }) => Kind::ContactLost,
            Stage::SignedIn(Health { complete: false, .. }) => Kind::Loading,
            Stage::SignedIn(_) if !self.lists.wrong.is_empty() => Kind::Repairing,
            Stage::SignedIn(_) if !self.lists.stale.is_empty() => Kind::Checking,
            Stage::SignedIn(_) => Kind::Connected,
        }
    }

    /// How it goes on.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.stage {
            Stage::SignedOut | Stage::SignedIn(_) => Phase::Live,
            Stage::Trying => Phase::Trying,
            Stage::Waiting { .. } => Phase::Waiting,
            Stage::Over => Phase::Over,
        }
    }

    fn action(&self, kind: Kind) -> Action {
        match self.stage {
            Stage::Waiting { .. } => Action::Retry,
            Stage::Over if kind == Kind::Replaced => Action::TakeOver,
            Stage::Over => Action::SignIn,
            Stage::SignedOut | Stage::Trying | Stage::SignedIn(_) => Action::None,
        }
    }

    fn until_retry(&self, now: Instant) -> Option<Duration> {
        match self.stage {
            Stage::Waiting { until } => Some(until.saturating_duration_since(now)),
            _ => None,
        }
    }

    fn age(&self, now: Instant) -> Option<Duration> {
        let is_old = self.stage != Stage::SignedOut && !self.is_exact();
        let proved_at = self.lists.proved_at.filter(|_| is_old)?;
        Some(now.saturating_duration_since(proved_at))
    }
}

impl Age {
    /// How an age is told.
    #[must_use]
    pub fn told(age: Duration) -> Self {
        Self::of(age).0
    }

    /// How an age is told, and after what time it is told differently.
    fn of(age: Duration) -> (Self, Duration) {
        let (told, unit): (fn(u32) -> Self, _) = match age {
            _ if age < AGE_IN_MINUTES => (Self::Seconds, SECOND),
            _ if age < AGE_IN_HOURS => (Self::Minutes, MINUTE),
            _ => (Self::Hours, HOUR),
        };
        let units = age.as_secs() / unit.as_secs();
        let spent = age - unit * u32::try_from(units).unwrap_or(u32::MAX);
        (told(u32::try_from(units).unwrap_or(u32::MAX)), unit - spent)
    }
}

/// Seconds, rounded up: a countdown ends when it would show 0.
fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(SECOND.as_nanos())).unwrap_or(u32::MAX)
}

/// What a connection is that ended for this reason.
#[must_use]
pub fn kind_of(reason: &Disconnect) -> Kind {
    match reason {
        Disconnect::Goodbye { reason, .. } => kind_of_goodbye(*reason),
        Disconnect::Left => Kind::Ended,
        Disconnect::ServerSilent { .. } => Kind::ServerSilent,
        Disconnect::ConnectionRefused => Kind::Refused,
        // The reason says what to do; the server might as well be another one.
        Disconnect::Unreachable(_) | Disconnect::Untrusted(_) => Kind::Unreachable,
        Disconnect::NetworkDown => Kind::NetworkDown,
        Disconnect::ConnectionClosed | Disconnect::ConnectionReset => Kind::Lost,
        Disconnect::SignInTimeout => Kind::NoAnswer,
        Disconnect::ProtocolError(_) => Kind::NotUnderstood,
        Disconnect::ListTooLarge => Kind::ListTooLarge,
    }
}

fn kind_of_goodbye(reason: CloseReason) -> Kind {
    match reason {
        CloseReason::Goodbye => Kind::Ended,
        CloseReason::ConnectionClosed | CloseReason::ConnectionReset => Kind::Lost,
        CloseReason::HeartbeatTimeout => Kind::Unheard,
        CloseReason::Replaced => Kind::Replaced,
        CloseReason::ProtocolError(_) => Kind::NotUnderstood,
        CloseReason::SlowConsumer => Kind::TooSlow,
        CloseReason::ServerShutdown => Kind::ServerShutdown,
        CloseReason::NameInUse => Kind::NameInUse,
        CloseReason::BadHello => Kind::SignInRefused,
        CloseReason::UnsupportedVersion => Kind::OtherVersion,
        CloseReason::SignInTimeout => Kind::NoAnswer,
        CloseReason::ServerFull => Kind::ServerFull,
        CloseReason::TooManySessions => Kind::TooManyDevices,
        CloseReason::NotAuthorized | CloseReason::CredentialExpired => Kind::SignInRefused,
        CloseReason::InternalError
        | CloseReason::ServerCrash
        | CloseReason::TooManyRequests
        | CloseReason::Kicked => Kind::ServerFailed,
    }
}

fn said_by(reason: &Disconnect) -> String {
    let violation = reason.violation().map(Violation::name);
    match reason {
        Disconnect::Goodbye { text, .. } if !text.is_empty() => one_line(text),
        Disconnect::Unreachable(text) => one_line(text),
        Disconnect::Untrusted(why) => one_line(&why.to_string()),
        _ => violation.map(|name| name.replace('_', " ")).unwrap_or_default(),
    }
}

/// Foreign words, made fit for one line: no control characters, no more than [`SAID_CHARS_MAX`].
#[must_use]
pub fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(SAID_CHARS_MAX).map(plain).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests;
