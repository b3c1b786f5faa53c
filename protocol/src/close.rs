//! Why a session ends: one set of names for the wire, the log and every user interface.

use std::fmt;

/// Why a session ended, or was refused. Numbers and meanings: `docs/protocol.md`, section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The user left.
    Goodbye,
    /// The client's end closed the connection without a word.
    ConnectionClosed,
    /// The connection broke: reset, or the network reported it dead.
    ConnectionReset,
    /// Nothing was heard for the agreed number of heartbeats.
    HeartbeatTimeout,
    /// The same device signed in again.
    Replaced,
    /// The peer broke the protocol.
    ProtocolError(Violation),
    /// The client took no bytes for too long.
    SlowConsumer,
    /// The server is being stopped.
    ServerShutdown,
    /// The name is somebody else's, or has become so.
    NameInUse,
    /// `Hello` breaks a rule.
    BadHello,
    /// The server does not speak the offered version.
    UnsupportedVersion,
    /// No complete `Hello` within the deadline.
    SignInTimeout,
    /// No place for another connection.
    ServerFull,
    /// The server failed; only this session ended.
    InternalError,
    /// The server died, and the session was not resumed after its restart.
    ServerCrash,
    /// The user has as many sessions as one may have.
    TooManySessions,
    /// The server does not let this client in, or not like that.
    NotAuthorized,
    /// What let the client in has come to its end, and was not renewed.
    CredentialExpired,
    /// The client, or the user, asks for more than the limits allow, and does not stop.
    TooManyRequests,
    /// The operator sent the user away.
    Kicked,
}

/// Which rule of the wire a peer broke. Numbers: `docs/protocol.md`, section 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// The length is zero.
    EmptyFrame,
    /// The length is over the limit of the connection's state.
    FrameTooLong,
    /// The bytes are not MessagePack, or nested too deeply.
    NotMessagePack,
    /// Bytes follow the value.
    TrailingBytes,
    /// Not an array, a field of the wrong type, or a required field missing.
    WrongShape,
    /// A number or a length outside what the protocol allows.
    OutOfRange,
    /// A message that this state does not allow.
    UnexpectedMessage,
    /// A violation that this build has no name for.
    Other,
}

const REASONS: [(u64, &str, CloseReason); 20] = {
    use CloseReason as R;
    [
        (0, "goodbye", R::Goodbye),
        (1, "connection_closed", R::ConnectionClosed),
        (2, "connection_reset", R::ConnectionReset),
        (3, "heartbeat_timeout", R::HeartbeatTimeout),
        (4, "replaced", R::Replaced),
        (5, "protocol_error", R::ProtocolError(Violation::Other)),
        (6, "slow_consumer", R::SlowConsumer),
        (7, "server_shutdown", R::ServerShutdown),
        (8, "name_in_use", R::NameInUse),
        (9, "bad_hello", R::BadHello),
        (10, "unsupported_version", R::UnsupportedVersion),
        (11, "sign_in_timeout", R::SignInTimeout),
        (12, "server_full", R::ServerFull),
        (13, "internal_error", R::InternalError),
        (14, "server_crash", R::ServerCrash),
        (15, "too_many_sessions", R::TooManySessions),
        (16, "not_authorized", R::NotAuthorized),
        (17, "credential_expired", R::CredentialExpired),
        (18, "too_many_requests", R::TooManyRequests),
        (19, "kicked", R::Kicked),
    ]
};

const VIOLATIONS: [(u64, &str, Violation); 8] = {
    use Violation as V;
    [
        (0, "other", V::Other),
        (1, "empty_frame", V::EmptyFrame),
        (2, "frame_too_long", V::FrameTooLong),
        (3, "not_messagepack", V::NotMessagePack),
        (4, "trailing_bytes", V::TrailingBytes),
        (5, "wrong_shape", V::WrongShape),
        (6, "out_of_range", V::OutOfRange),
        (7, "unexpected_message", V::UnexpectedMessage),
    ]
};

impl CloseReason {
    /// The reason for a number and detail from the wire; an unknown number is [`Self::InternalError`].
    #[must_use]
    pub fn from_wire(number: u64, detail: u64) -> Self {
        match REASONS.iter().find(|row| row.0 == number) {
            Some((_, _, Self::ProtocolError(_))) => {
                Self::ProtocolError(Violation::from_wire(detail))
            }
            Some((_, _, reason)) => *reason,
            None => Self::InternalError,
        }
    }

    /// The number and detail of this reason on the wire.
    #[must_use]
    pub fn to_wire(self) -> (u64, u64) {
        let detail = match self {
            Self::ProtocolError(violation) => violation.to_wire(),
            _ => 0,
        };
        (self.row().0, detail)
    }

    /// The one name of this reason, in `snake_case`, without the violation of a protocol error.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// How many reasons there are.
    pub const COUNT: usize = REASONS.len();

    /// All of them, in the order of [`Self::index`].
    pub fn all() -> impl Iterator<Item = Self> {
        REASONS.iter().map(|row| row.2)
    }

    /// Its place among all reasons.
    #[must_use]
    pub fn index(self) -> usize {
        usize::try_from(self.row().0).expect("numbers of reasons count from 0")
    }

    /// The violation of a protocol error.
    #[must_use]
    pub fn violation(self) -> Option<Violation> {
        match self {
            Self::ProtocolError(violation) => Some(violation),
            _ => None,
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        REASONS.iter().find(|row| row.1 == name).map(|row| row.2)
    }

    fn row(self) -> &'static (u64, &'static str, CloseReason) {
        let same = |row: &&(_, _, CloseReason)| {
            std::mem::discriminant(&row.2) == std::mem::discriminant(&self)
        };
        REASONS.iter().find(same).expect("REASONS has a row for every variant, as a test checks")
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProtocolError(violation) => write!(f, "protocol_error ({})", violation.name()),
            _ => f.write_str(self.name()),
        }
    }
}

impl Violation {
    /// The violation for a number from the wire; an unknown one is [`Self::Other`].
    #[must_use]
    pub fn from_wire(number: u64) -> Self {
        VIOLATIONS.iter().find(|row| row.0 == number).map_or(Self::Other, |row| row.2)
    }

    /// How many violations there are.
    pub const COUNT: usize = VIOLATIONS.len();

    /// All of them, in the order of [`Self::index`].
    pub fn all() -> impl Iterator<Item = Self> {
        VIOLATIONS.iter().map(|row| row.2)
    }

    /// Its place among all violations.
    #[must_use]
    pub fn index(self) -> usize {
        usize::try_from(self.row().0).expect("numbers of violations count from 0")
    }

    /// The number of this violation on the wire.
    #[must_use]
    pub fn to_wire(self) -> u64 {
        self.row().0
    }

    /// The one name of this violation, in `snake_case`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> &'static (u64, &'static str, Violation) {
        VIOLATIONS
            .iter()
            .find(|row| row.2 == self)
            .expect("VIOLATIONS has a row for every variant, as a test checks")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_the_wire() {
        assert!(CloseReason::all().map(CloseReason::index).eq(0..CloseReason::COUNT));
        assert!(Violation::all().map(Violation::index).eq(0..Violation::COUNT));
        for (number, name, reason) in REASONS {
            assert_eq!(reason.to_wire().0, number);
            assert_eq!(reason.name(), name);
            assert_eq!(CloseReason::from_wire(number, reason.to_wire().1), reason);
        }
        for (number, name, violation) in VIOLATIONS {
            assert_eq!(violation.name(), name);
            assert_eq!(Violation::from_wire(number), violation);
            let reason = CloseReason::ProtocolError(violation);
            let (number, detail) = reason.to_wire();
            assert_eq!(CloseReason::from_wire(number, detail), reason);
        }
    }

    #[test]
    fn unknown_numbers_have_a_fallback() {
        assert_eq!(CloseReason::from_wire(999, 0), CloseReason::InternalError);
        assert_eq!(CloseReason::from_wire(5, 999), CloseReason::ProtocolError(Violation::Other));
    }
}
