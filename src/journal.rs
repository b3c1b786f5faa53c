//! What must outlive the server's process: the records that the registry writes, and what it gets back.
//!
//! Pure: plain values. Secrets are here only as [`Fingerprint`]s.

use herenow_protocol::digest::fingerprint;
use herenow_protocol::{
    CloseReason, DeviceLabel, DisplayName, Metadata, RoomName, SessionId, Status, StatusText,
    Transition,
};

/// A hash of a resume token, a user key or a device id, so that who reads the disk cannot use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// The fingerprint of a secret.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        Self(fingerprint(secret))
    }
}

/// One thing to write. Records are written in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// This session is as described from now on.
    Session(Box<SessionRecord>),
    /// This session is over; it is not restored any more.
    SessionGone(SessionId),
    /// This user is as described from now on.
    Person(Box<PersonRecord>),
    /// This user has no session any more.
    PersonGone(DisplayName),
    /// Others saw this user last at this time, in milliseconds since 1970.
    LastSeen(DisplayName, u64),
    /// Something happened.
    Transition(Logged),
}

/// A session, as it is restored after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// The session's number.
    pub session: SessionId,
    /// What resumes it.
    pub token: Fingerprint,
    /// Its user.
    pub name: DisplayName,
    /// Its device.
    pub device: Fingerprint,
    /// The device's label.
    pub label: DeviceLabel,
    /// Its heartbeat interval, in milliseconds.
    pub heartbeat_ms: u64,
    /// The status that it chose.
    pub status: Status,
    /// A program chose the status.
    pub automatic: bool,
    /// When it chose the status, in milliseconds since 1970.
    pub since_ms: u64,
    /// The rooms that it is in, without the lobby.
    pub rooms: Vec<RoomName>,
    /// When it signed in, or the one of the same device that it replaced; in milliseconds since 1970. Sessions are
    /// restored in this order.
    pub opened_ms: u64,
    /// Its connection is lost.
    pub lost: Option<LostRecord>,
}

/// A connection that was lost, of a session that may be resumed. Times are milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostRecord {
    /// Why.
    pub cause: CloseReason,
    /// The last sign of life.
    pub heard_ms: u64,
    /// Until when the session counts; 0 once it does not count any more, and that was noted.
    pub shown_until_ms: u64,
    /// Until when it can be resumed.
    pub resume_until_ms: u64,
}

impl LostRecord {
    /// Whether the session counts, as far as was noted.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.shown_until_ms > 0
    }
}

/// What belongs to a user rather than to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRecord {
    /// The user.
    pub name: DisplayName,
    /// What their devices share.
    pub key: Option<Fingerprint>,
    /// The text beside their status.
    pub text: StatusText,
    /// When it expires, in milliseconds since 1970; 0 if it does not.
    pub until_ms: u64,
    /// What programs say about the user.
    pub metadata: Metadata,
}

/// A transition and whom it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The user.
    pub name: DisplayName,
    /// The device, for what happens to sessions.
    pub device: DeviceLabel,
    /// What happened.
    pub transition: Transition,
}

/// What a server finds when it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The sessions that were not over, in the order of sign-in.
    pub sessions: Vec<SessionRecord>,
    /// Their users.
    pub people: Vec<PersonRecord>,
    /// When others saw users last, the newest first, in milliseconds since 1970.
    pub last_seen: Vec<(DisplayName, u64)>,
    /// When the former process was last known to run, in milliseconds since 1970; 0 if there was none.
    pub alive_ms: u64,
    /// The former process was stopped, not killed.
    pub stopped: bool,
}
