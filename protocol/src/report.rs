//! Why someone is shown as they are, and how the server is: what a `Query` is told.

use std::fmt;

use crate::{CloseReason, DeviceLabel, DisplayName, Presence, SessionId, Status};

/// Why a user is shown as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The user.
    pub name: DisplayName,
    /// How others see them now; `None` if they do not.
    pub me: Option<Presence>,
    /// What decided that.
    pub rule: Rule,
    /// The session that decided.
    pub winner: Option<SessionId>,
    /// Every session, in the order of sign-in.
    pub sessions: Vec<SessionReport>,
    /// What happened last, the newest at the end.
    pub transitions: Vec<Transition>,
}

/// Which rule of the merge decided. Numbers and meanings: `docs/protocol.md`, sections 2 and 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// No session counts.
    NoSession,
    /// There is only one.
    OnlySession,
    /// An invisible session hides the user.
    InvisibleHides,
    /// What a person chose outranks what is automatic.
    PersonOverProgram,
    /// Busy over available over away.
    Precedence,
}

/// One session of a user, as its server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionReport {
    /// The session.
    pub session: SessionId,
    /// The device.
    pub device: DeviceLabel,
    /// What became of its connection.
    pub state: SessionState,
    /// The status that it chose.
    pub status: Status,
    /// A program chose that status.
    pub automatic: bool,
    /// When it did, in milliseconds since 1970.
    pub since_ms: u64,
    /// How long ago the last bytes came from the client.
    pub heard_ms_ago: u64,
    /// How long ago the socket last took bytes, if it ever did.
    pub sent_ms_ago: Option<u64>,
    /// The last round trip that the client measured.
    pub round_trip_us: Option<u64>,
    /// Heartbeat intervals without a sign of life.
    pub misses: u32,
    /// What is left of the grace period, for a session in it.
    pub grace_ms: Option<u64>,
    /// For how long it can still be resumed, for a session without a connection.
    pub resume_ms: Option<u64>,
}

/// What became of a session's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// It is there.
    Connected,
    /// It was lost; the user is still shown.
    Grace,
    /// It was lost; the session can be resumed.
    Resumable,
}

/// Something that happened to a session or a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When it was decided, in milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    pub kind: TransitionKind,
    /// The session, for what happens to sessions.
    pub session: Option<SessionId>,
    /// Why, for an end.
    pub cause: Option<CloseReason>,
    /// It did not happen before this, in milliseconds since 1970.
    pub not_before_ms: u64,
    /// The status from then on, as others see it; none for what happens to sessions.
    pub status: Option<Status>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransitionKind {
    /// A session began.
    Opened,
    /// A session lost its connection.
    Lost,
    /// A session has a connection again.
    Resumed,
    /// A session ended, for good.
    Closed,
    /// The user is shown.
    Online,
    /// The user is shown no more.
    Offline,
    /// The user is shown with another status.
    Changed,
}

/// How a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Sessions, resumable ones included.
    pub sessions: u64,
    /// Users who are shown.
    pub users: u64,
    /// What is kept on disk.
    pub store: StoreState,
    /// Transitions that are not written yet.
    pub waiting: u64,
    /// Transitions that were lost for lack of room.
    pub dropped: u64,
    /// Repairs that clients asked for.
    pub divergences: u64,
    /// What is wrong, for people.
    pub text: String,
}

/// What becomes of what a server keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StoreState {
    /// It keeps nothing.
    #[default]
    None,
    /// It is written.
    Written,
    /// It cannot be written at the moment.
    Failing,
}

/// Numbers and names of an enum of the wire.
macro_rules! named {
    ($type:ident, $fallback:ident: $($number:literal $name:literal $variant:ident),+ $(,)?) => {
        impl $type {
            /// Every one of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The one for a number from the wire; an unknown one has a fallback.
            #[must_use]
            pub fn from_wire(number: u64) -> Self {
                match number {
                    $($number => Self::$variant,)+
                    _ => Self::$fallback,
                }
            }

            /// The number on the wire.
            #[must_use]
            pub fn to_wire(self) -> u64 {
                match self {
                    $(Self::$variant => $number),+
                }
            }

            /// The one name, in `snake_case`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

named! { Rule, Precedence:
    0 "no_session" NoSession,
    1 "only_session" OnlySession,
    2 "invisible_hides" InvisibleHides,
    3 "person_over_program" PersonOverProgram,
    4 "precedence" Precedence,
}

named! { SessionState, Resumable:
    0 "connected" Connected,
    1 "grace" Grace,
    2 "resumable" Resumable,
}

named! { TransitionKind, Changed:
    0 "opened" Opened,
    1 "lost" Lost,
    2 "resumed" Resumed,
    3 "closed" Closed,
    4 "online" Online,
    5 "offline" Offline,
    6 "changed" Changed,
}

named! { StoreState, Failing:
    0 "none" None,
    1 "written" Written,
    2 "failing" Failing,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the document says: the names from number 0 on, and what an unknown number is taken for.
    macro_rules! check {
        ($type:ident, $names:expr) => {
            let names: &[&str] = $names;
            assert_eq!($type::ALL.len(), names.len());
            for ((number, name), value) in (0..).zip(names).zip($type::ALL) {
                assert_eq!((value.to_wire(), value.name()), (number, *name));
                assert_eq!($type::from_wire(number), *value);
                assert_eq!(value.to_string(), *name);
            }
            let highest = *$type::ALL.last().expect("none of them is empty");
            for unknown in [names.len() as u64, 99, u64::MAX] {
                assert_eq!($type::from_wire(unknown), highest, "the highest known one");
            }
        };
    }

    #[test]
    fn numbers_and_names_are_those_of_the_document() {
        check!(
            Rule,
            &["no_session", "only_session", "invisible_hides", "person_over_program", "precedence"]
        );
        check!(SessionState, &["connected", "grace", "resumable"]);
        let kinds = &["opened", "lost", "resumed", "closed", "online", "offline", "changed"];
        check!(TransitionKind, kinds);
        check!(StoreState, &["none", "written", "failing"]);
    }

    #[test]
    fn names_are_padded_for_tables() {
        assert_eq!(
            format!("{:<9}|{:>6}", SessionState::Grace, StoreState::None),
            "grace    |  none"
        );
    }
}
