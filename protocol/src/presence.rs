//! What a user shows: [`Status`], [`Presence`], and the [`Entry`] that a view holds.

use std::fmt;
use std::str::FromStr;

use crate::{DisplayName, StatusText, UserId};

/// How available a user is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// Here, and may be spoken to.
    #[default]
    Available,
    /// Not at the device.
    Away,
    /// Here, and not to be disturbed.
    Busy,
}

/// A status and its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Presence {
    /// How available the user is.
    pub status: Status,
    /// The free text beside it.
    pub text: StatusText,
}

/// One user as a view shows them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Stands for the user while they are listed.
    pub id: UserId,
    /// The name that others see.
    pub name: DisplayName,
    /// Status and text.
    pub presence: Presence,
    /// When this presence began, in milliseconds since 1970 by the server's wall clock. For display only.
    pub since_ms: u64,
}

impl Status {
    /// Every status, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Available, Self::Away, Self::Busy];

    /// The status for a number from the wire.
    #[must_use]
    pub fn from_wire(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.to_wire() == number)
    }

    /// The number of this status on the wire.
    #[must_use]
    pub fn to_wire(self) -> u64 {
        match self {
            Self::Available => 0,
            Self::Away => 1,
            Self::Busy => 2,
        }
    }

    /// The one name of this status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Away => "away",
            Self::Busy => "busy",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The word is no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no status: use available, away or busy")]
pub struct UnknownStatus(String);

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let named = |status: &Self| status.name() == word;
        Self::ALL.into_iter().find(named).ok_or_else(|| UnknownStatus(word.to_owned()))
    }
}
