//! What the connection bar says: a state machine over the client's events and the time.
//!
//! Invariant: [`Link::is_exact`] only while every sign that the list could be old is absent, so that
//! nothing green is shown which is not proved.

use std::time::{Duration, Instant};

use herenow_client::protocol::{CloseReason, Violation};
use herenow_client::{Disconnect, Event};

/// Characters of a foreign explanation that are shown; the rest is cut off.
const SAID_CHARS_MAX: usize = 120;

/// The connection as the user must see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    stage: Stage,
    /// Why the last connection ended, until the next sign-in succeeds.
    ending: Option<Ending>,
    network_down: bool,
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
    complete: bool,
    stale: bool,
    contact_lost: Option<(u32, u32)>,
    round_trip: Option<Duration>,
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
    /// One end broke the protocol.
    NotUnderstood,
    /// The server speaks another version.
    OtherVersion,
    /// The same device signed in elsewhere.
    Replaced,
    /// The name is signed in from another device.
    NameInUse,
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
    /// The last round trip of this session.
    pub round_trip: Option<Duration>,
    /// Unanswered heartbeats, and at how many the connection ends.
    pub contact_lost: Option<(u32, u32)>,
    /// What the server or the operating system said; may be empty.
    pub said: String,
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
            Event::Joined(_) | Event::Updated(_) | Event::Left { .. } => {}
            Event::Mirror(_) | Event::Refused { .. } => {}
            Event::Snapshot
            | Event::Stale
            | Event::Fresh
            | Event::RoundTrip(_)
            | Event::ContactLost { .. }
            | Event::ContactBack => self.feel(event),
        }
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
        self.current() == Kind::Connected
    }

    /// Whether a session exists now.
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        matches!(self.stage, Stage::SignedIn(_))
    }

    /// Whether the picture changes with time alone.
    #[must_use]
    pub fn is_counting_down(&self) -> bool {
        matches!(self.stage, Stage::Waiting { .. })
    }

    /// What to show at the time `now`.
    #[must_use]
    pub fn shown(&self, now: Instant) -> Shown {
        let kind = self.current();
        let health = match self.stage {
            Stage::SignedIn(health) => health,
            _ => Health::default(),
        };
        Shown {
            kind,
            phase: self.phase(),
            action: self.action(kind),
            retry_in: self.retry_in(now),
            round_trip: health.round_trip,
            contact_lost: health.contact_lost,
            said: self.ending.as_ref().map(|ending| ending.said.clone()).unwrap_or_default(),
        }
    }

    fn feel(&mut self, event: &Event) {
        let Stage::SignedIn(health) = &mut self.stage else { return };
        match event {
            Event::Snapshot => (health.complete, health.stale) = (true, false),
            Event::Stale => health.stale = true,
            Event::Fresh => health.stale = false,
            Event::RoundTrip(time) => health.round_trip = Some(*time),
            Event::ContactLost { unanswered, of } => {
                health.contact_lost = Some((*unanswered, *of));
            }
            Event::ContactBack => health.contact_lost = None,
            _ => {}
        }
    }

    fn close(&mut self, reason: &Disconnect, retry_in: Option<Duration>, now: Instant) {
        self.ending = Some(Ending { kind: kind_of(reason), said: said_by(reason) });
        self.stage = match retry_in {
            Some(wait) => Stage::Waiting { until: now + wait },
            None => Stage::Over,
        };
    }

    fn current(&self) -> Kind {
        let ended = self.ending.as_ref().map(|ending| ending.kind);
        match self.stage {
            Stage::SignedOut => Kind::SignedOut,
            Stage::Over => ended.unwrap_or(Kind::Ended),
            _ if self.network_down => Kind::NetworkDown,
            Stage::Trying | Stage::Waiting { .. } => ended.unwrap_or(Kind::Connecting),
            Stage::SignedIn(Health { contact_lost: Some(_), .. }) => Kind::ContactLost,
            Stage::SignedIn(Health { complete: false, .. }) => Kind::Loading,
            Stage::SignedIn(Health { stale: true, .. }) => Kind::Checking,
            Stage::SignedIn(_) => Kind::Connected,
        }
    }

    fn phase(&self) -> Phase {
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

    fn retry_in(&self, now: Instant) -> u32 {
        match self.stage {
            Stage::Waiting { until } => whole_seconds(until.saturating_duration_since(now)).max(1),
            _ => 0,
        }
    }
}

/// Seconds, rounded up: a countdown ends when it would show 0.
fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

fn kind_of(reason: &Disconnect) -> Kind {
    match reason {
        Disconnect::Goodbye { reason, .. } => kind_of_goodbye(*reason),
        Disconnect::Left => Kind::Ended,
        Disconnect::ServerSilent { .. } => Kind::ServerSilent,
        Disconnect::ConnectionRefused => Kind::Refused,
        Disconnect::Unreachable(_) => Kind::Unreachable,
        Disconnect::NetworkDown => Kind::NetworkDown,
        Disconnect::ConnectionClosed | Disconnect::ConnectionReset => Kind::Lost,
        Disconnect::SignInTimeout => Kind::NoAnswer,
        Disconnect::ProtocolError(_) => Kind::NotUnderstood,
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
        CloseReason::InternalError => Kind::ServerFailed,
    }
}

fn said_by(reason: &Disconnect) -> String {
    let violation = reason.violation().map(Violation::name);
    match reason {
        Disconnect::Goodbye { text, .. } if !text.is_empty() => one_line(text),
        Disconnect::Unreachable(text) => one_line(text),
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
