//! How much of the server anybody may have: rules, each in a file of its own.
//!
//! Pure: no sockets, no clock; callers pass `now`. In the order in which a connection meets them: [`admission`] (how many
//! connections, from one address and in all), [`memory`] (what a server short of memory gives up), [`lobby`] (who has not
//! signed in yet), [`meter`] (how much one session may say), [`churn`] (how often one user may come).

pub mod admission;
pub mod churn;
pub mod lobby;
pub mod memory;
pub mod meter;

/// Why a connection gets no place, or loses it before it signed in. One name for the log and the metric; the wire says
/// `server_full`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server has as many connections as it may have.
    ServerFull,
    /// The address has as many connections as one may have.
    TooManyFromAddress,
    /// The address opens connections faster than one may.
    TooFastFromAddress,
    /// The server is short of memory.
    ShortOfMemory,
    /// Too many others are about to sign in, and this one has waited longest.
    Shed,
}

impl Refusal {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::ServerFull,
        Self::TooManyFromAddress,
        Self::TooFastFromAddress,
        Self::ShortOfMemory,
        Self::Shed,
    ];

    /// Its one name, in `snake_case`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ServerFull => "server_full",
            Self::TooManyFromAddress => "too_many_from_address",
            Self::TooFastFromAddress => "too_fast_from_address",
            Self::ShortOfMemory => "short_of_memory",
            Self::Shed => "shed",
        }
    }

    /// What the refused one is told.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::ServerFull => "there is no place for another connection",
            Self::TooManyFromAddress => "there are too many connections from this address",
            Self::TooFastFromAddress => "this address opens connections too fast",
            Self::ShortOfMemory => "the server is short of memory",
            Self::Shed => "too many connections are about to sign in",
        }
    }
}
