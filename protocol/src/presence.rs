//! What a user chooses and what others are shown: [`Choice`], [`Presence`], [`Shown`] and the [`Entry`] of a view.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::{DeviceLabel, DisplayName, Metadata, StatusText, UserId};

/// How available a user is. The order is that of their numbers on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Here, and may be spoken to.
    #[default]
    Available,
    /// Not at the device.
    Away,
    /// Here, and not to be disturbed.
    Busy,
    /// Here, and for everybody else offline. Only what a client chooses; others are never shown it.
    Invisible,
    /// Not here. Only what others are shown of people in a list; nobody chooses it.
    Offline,
}

/// A status and its text, as others see them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Presence {
    /// How available the user is.
    pub status: Status,
    /// The free text beside it.
    pub text: StatusText,
    /// A program chose the status, not a person.
    pub automatic: bool,
    /// When the text expires, in milliseconds since 1970; 0 if it does not.
    pub until_ms: u64,
}

/// What a session wants to show of its user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Choice {
    /// How available the user is on this device; never [`Status::Offline`].
    pub status: Status,
    /// A program chose the status, not a person.
    pub automatic: bool,
    /// The user's text from now on; `None` leaves it as it is.
    pub text: Option<StatusText>,
    /// When the text goes away; `None` for never.
    pub text_for: Option<Duration>,
    /// The user's metadata from now on; `None` leaves it as it is. Not said by a `Hello`.
    pub metadata: Option<Metadata>,
}

/// Everything that others are shown of one user, besides the name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shown {
    /// Status and text.
    pub presence: Presence,
    /// When this status began, or an offline user was last seen; in milliseconds since 1970 by the server's
    /// wall clock, 0 if that is not known. For display only.
    pub since_ms: u64,
    /// The labels of the user's devices.
    pub devices: Devices,
    /// What programs say about the user.
    pub metadata: Metadata,
}

/// The labels of a user's devices, in the order in which they signed in.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Devices(Option<Arc<[DeviceLabel]>>);

/// One user as a view shows them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Stands for the user in this view.
    pub id: UserId,
    /// The name that others see.
    pub name: DisplayName,
    /// What others are shown.
    pub shown: Shown,
}

impl Status {
    /// Every status, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Available, Self::Away, Self::Busy, Self::Invisible, Self::Offline];

    /// What a session may choose.
    pub const CHOICES: [Self; 4] = [Self::Available, Self::Away, Self::Busy, Self::Invisible];

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
            Self::Invisible => 3,
            Self::Offline => 4,
        }
    }

    /// The one name of this status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Invisible => "invisible",
            Self::Offline => "offline",
        }
    }
}

impl Presence {
    /// A status that a person chose, with a text that does not expire.
    #[must_use]
    pub fn chosen(status: Status, text: StatusText) -> Self {
        Self { status, text, ..Self::default() }
    }
}

impl Choice {
    /// A status that a person chose, with the text that replaces the old one.
    #[must_use]
    pub fn chosen(status: Status, text: StatusText) -> Self {
        Self { status, text: Some(text), ..Self::default() }
    }

    /// A status that a program chose; the text stays as it is.
    #[must_use]
    pub fn automatic(status: Status) -> Self {
        Self { status, automatic: true, ..Self::default() }
    }
}

impl Shown {
    /// What is shown of someone who is not here and was last seen then; 0 if that is not known.
    #[must_use]
    pub fn offline(last_seen_ms: u64) -> Self {
        let presence = Presence { status: Status::Offline, ..Presence::default() };
        Self { presence, since_ms: last_seen_ms, ..Self::default() }
    }
}

impl Devices {
    /// The labels as a slice.
    #[must_use]
    pub fn as_slice(&self) -> &[DeviceLabel] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl FromIterator<DeviceLabel> for Devices {
    fn from_iter<I: IntoIterator<Item = DeviceLabel>>(labels: I) -> Self {
        let labels: Arc<[_]> = labels.into_iter().collect();
        Self((!labels.is_empty()).then_some(labels))
    }
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The word is no status that one can choose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no status: use available, away, busy or invisible")]
pub struct UnknownStatus(String);

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let named = |status: &Self| status.name() == word;
        Self::CHOICES.into_iter().find(named).ok_or_else(|| UnknownStatus(word.to_owned()))
    }
}
