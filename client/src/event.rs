//! What a program that uses herenow is told: [`Event`], and [`Disconnect`] when a connection ends.

use std::fmt;
use std::time::Duration;

use herenow_protocol::{
    Choice, CloseReason, DecodeError, Entry, ErrorCode, Presence, Violation, Welcome,
};

use crate::view::Mismatch;
use crate::{Distrust, ViewKey};

/// What happened on a connection, in order.
///
/// A program that keeps a list of its own reads the view anew at [`Snapshot`](Self::Snapshot) and at
/// [`Repaired`](Self::Repaired), and in between follows [`Joined`](Self::Joined), [`Updated`](Self::Updated) and
/// [`Left`](Self::Left).
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The client tries to reach the server. The first try is number 1; a sign-in starts anew.
    Connecting {
        /// Which try this is since the last sign-in.
        attempt: u32,
    },
    /// The client is signed in. Its lists are not here yet, or not proved yet if the session
    /// [resumed](Welcome::resumed).
    SignedIn(Welcome),
    /// The list is complete and proved exact; it replaces what was shown before.
    Snapshot {
        /// Which list.
        view: ViewKey,
    },
    /// A user is listed from now on.
    Joined {
        /// In which list.
        view: ViewKey,
        /// The user.
        entry: Entry,
    },
    /// A listed user is shown differently.
    Updated {
        /// In which list.
        view: ViewKey,
        /// The user from now on.
        entry: Entry,
    },
    /// A user is no longer listed.
    Left {
        /// In which list.
        view: ViewKey,
        /// The user as last seen.
        entry: Entry,
        /// Why.
        cause: CloseReason,
    },
    /// The list can no longer be proved exact: show it as old.
    Stale {
        /// Which list.
        view: ViewKey,
        /// How long ago it was last proved exact.
        age: Duration,
    },
    /// The list is proved exact again.
    Fresh {
        /// Which list.
        view: ViewKey,
    },
    /// The list was found wrong. It is mended, or asked for again; [`Repaired`](Self::Repaired) or
    /// [`Snapshot`](Self::Snapshot) tells when that is done.
    Diverged {
        /// Which list.
        view: ViewKey,
        /// How that showed.
        mismatch: Mismatch,
    },
    /// A list that was wrong is proved exact again: read it anew.
    Repaired {
        /// Which list.
        view: ViewKey,
        /// How many entries were wrong, missing or too many. None if only the version was off.
        entries: usize,
    },
    /// How long the last heartbeat took to be answered.
    RoundTrip(Duration),
    /// The server has too much to do: until further notice, or the end of the connection, its lists may be this old.
    /// Told if that is more than 250 ms and has changed; `None` if it no longer is.
    Busy(Option<Duration>),
    /// Heartbeats stay unanswered: told at two, and at every further one.
    ContactLost {
        /// How many are unanswered.
        unanswered: u32,
        /// At how many the connection ends.
        of: u32,
    },
    /// The server was heard again.
    ContactBack,
    /// How others see this user, merged from all of their devices; `None` if they do not. Told with the first ack
    /// after a sign-in and after a choice, and whenever it changes. An observer is told nothing.
    Mirror(Option<Presence>),
    /// The server took this choice of status.
    Accepted(Choice),
    /// The status of this device was chosen through another connection; it is kept for later sign-ins.
    Chosen(Choice),
    /// The server took the new credential.
    Renewed,
    /// A request was refused.
    Refused {
        /// What is wrong, for programs.
        code: ErrorCode,
        /// What is wrong, for people.
        text: String,
    },
    /// This computer's own network went away (`false`) or came back (`true`).
    Network {
        /// Whether the network is there.
        up: bool,
    },
    /// The connection ended.
    Closed {
        /// Why.
        reason: Disconnect,
        /// When the client tries again by itself, counted from now; `None` if it does not.
        retry_in: Option<Duration>,
    },
}

/// Why a connection ended, as seen from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// The server said why.
    Goodbye {
        /// The server's reason.
        reason: CloseReason,
        /// The server's words; may be empty.
        text: String,
    },
    /// This client left.
    Left,
    /// Heartbeats stayed unanswered to the limit.
    ServerSilent {
        /// How many.
        unanswered: u32,
    },
    /// Nobody listens at the address.
    ConnectionRefused,
    /// The address cannot be reached or resolved; the operating system's words.
    Unreachable(String),
    /// The server is not trusted, or not told what it should not hear; nothing was said to it.
    Untrusted(Distrust),
    /// This computer's own network is down.
    NetworkDown,
    /// The server closed the connection without a word.
    ConnectionClosed,
    /// The connection broke: reset, or reported dead by the network.
    ConnectionReset,
    /// No answer to the sign-in in time.
    SignInTimeout,
    /// The server's bytes break the protocol.
    ProtocolError(DecodeError),
    /// The server lists more than this client may keep; see
    /// [`Options::lists_bytes_max`](crate::Options::lists_bytes_max).
    ListTooLarge,
}

impl Disconnect {
    /// The one name of this reason, in `snake_case`. Where the server gave a reason, it is the server's.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Goodbye { reason, .. } => reason.name(),
            Self::Left => CloseReason::Goodbye.name(),
            Self::ServerSilent { .. } => "server_silent",
            Self::ConnectionRefused => "connection_refused",
            Self::Unreachable(_) => "unreachable",
            Self::Untrusted(_) => "untrusted",
            Self::NetworkDown => "network_down",
            Self::ConnectionClosed => CloseReason::ConnectionClosed.name(),
            Self::ConnectionReset => CloseReason::ConnectionReset.name(),
            Self::SignInTimeout => CloseReason::SignInTimeout.name(),
            Self::ProtocolError(_) => "protocol_error",
            Self::ListTooLarge => "list_too_large",
        }
    }

    /// The broken rule of the wire, for a protocol error on either side.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        match self {
            Self::Goodbye { reason, .. } => reason.violation(),
            Self::ProtocolError(error) => Some(error.violation()),
            _ => None,
        }
    }
}

impl fmt::Display for Disconnect {
    /// A sentence for a person, without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Goodbye { reason, text } => display_goodbye(*reason, text, f),
            Self::Left => f.write_str("you signed out"),
            Self::ServerSilent { unanswered } => {
                write!(f, "the server is silent: {unanswered} heartbeats unanswered")
            }
            Self::ConnectionRefused => f.write_str("nobody listens at this address"),
            Self::Unreachable(why) => write!(f, "the server cannot be reached: {why}"),
            Self::Untrusted(why) => write!(f, "the server is not trusted: {why}"),
            Self::NetworkDown => f.write_str("your own network is down"),
            Self::ConnectionClosed => {
                f.write_str("the server closed the connection without a word")
            }
            Self::ConnectionReset => f.write_str("the connection broke"),
            Self::SignInTimeout => f.write_str("the server did not answer the sign-in"),
            Self::ProtocolError(error) => write!(f, "the server sent what is not herenow: {error}"),
            Self::ListTooLarge => f.write_str(
                "the server lists more people, or longer texts, than this program takes",
            ),
        }
    }
}

fn display_goodbye(reason: CloseReason, text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let words = match reason {
        CloseReason::Goodbye => "signed out",
        CloseReason::Replaced => "you signed in again elsewhere with this device",
        CloseReason::HeartbeatTimeout => "the server heard nothing from here for too long",
        CloseReason::SlowConsumer => "this client was too slow to take the server's news",
        CloseReason::ServerShutdown => "the server was shut down",
        CloseReason::NameInUse => "this name is somebody else's",
        CloseReason::BadHello => "the server refused the sign-in",
        CloseReason::UnsupportedVersion => "the server speaks another version of the protocol",
        CloseReason::SignInTimeout => "the sign-in took too long",
        CloseReason::ServerFull => "the server is full",
        CloseReason::InternalError | CloseReason::ServerCrash => {
            "the server had to end this session"
        }
        CloseReason::NotAuthorized => "the server does not let you in",
        CloseReason::CredentialExpired => "what let you in has expired",
        CloseReason::TooManySessions => "this user is signed in from too many devices",
        CloseReason::TooManyRequests => "this client asked for too much",
        CloseReason::Kicked => "the operator ended this session",
        CloseReason::ConnectionClosed | CloseReason::ConnectionReset => "the connection ended",
        CloseReason::ProtocolError(_) => "the server did not understand this client",
    };
    match text {
        "" => f.write_str(words),
        text => write!(f, "{words}: {text}"),
    }
}
