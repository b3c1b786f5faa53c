//! What a server says. [`read`] and [`write`] take it from and to the wire.

mod encoded;
mod read;
mod write;

use bytes::{Bytes, BytesMut};

use crate::close::CloseReason;
use crate::digest::{Digest, Epoch};
use crate::frame::{DecodeError, frame, put_frame, read_array};
use crate::ids::{ResumeToken, SessionId, UserId, ViewId};
use crate::presence::{Choice, Entry, Presence, Shown};
use crate::report::{Explanation, Health};
pub use encoded::{Changes, EncodedEntry, page_frame};
use read::Verdict;

const WELCOME: u64 = 65;
const HEARTBEAT_ACK: u64 = 66;
const SNAPSHOT_PAGE: u64 = 67;
const SNAPSHOT_END: u64 = 68;
const DELTA: u64 = 69;
const RESULT: u64 = 70;
const ERROR: u64 = 71;
const GOODBYE: u64 = 72;
const CHOSEN: u64 = 73;
const PEOPLE: u64 = 74;
const EXPLANATION: u64 = 75;
const HEALTH: u64 = 76;
const BUCKETS: u64 = 77;

const JOINED: u64 = 0;
const UPDATED: u64 = 1;
const LEFT: u64 = 2;

/// What a server says. Every value in it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// You are signed in.
    Welcome(Welcome),
    /// I heard your heartbeat; this is what you must be showing.
    HeartbeatAck {
        /// The heartbeat answered.
        n: u64,
        /// How others see this session's user, `None` for one who is not listed.
        me: Option<Presence>,
        /// Every complete view at this place of the stream.
        views: Vec<(ViewId, ViewProof)>,
        /// How old what they show may be at most, in milliseconds; 0 if that is not said.
        delay_ms: u64,
    },
    /// In this range of ids a view has exactly these entries.
    SnapshotPage {
        /// The view.
        view: ViewId,
        /// The first id of the range.
        first: UserId,
        /// The last id of the range.
        last: UserId,
        /// The entries, ascending by id.
        entries: Vec<Entry>,
    },
    /// The pages are complete; the view must now prove itself.
    SnapshotEnd {
        /// The view.
        view: ViewId,
        /// What it must be like.
        proof: ViewProof,
    },
    /// A view goes from one version to another.
    Delta {
        /// The view.
        view: ViewId,
        /// The version before.
        from: u64,
        /// What the view must be like afterwards.
        proof: ViewProof,
        /// What changes, in order.
        changes: Vec<Change>,
    },
    /// A request was carried out.
    Result {
        /// The client's number for the request.
        request: u32,
        /// The view that a `Watch` opened.
        view: Option<ViewId>,
    },
    /// A request was not carried out.
    Error {
        /// The client's number for the request.
        request: u32,
        /// What is wrong, for programs.
        code: ErrorCode,
        /// What is wrong, for people.
        text: String,
    },
    /// The session ends.
    Goodbye {
        /// Why.
        reason: CloseReason,
        /// Whether the client may come back by itself.
        reconnect: bool,
        /// Not before this many milliseconds have passed.
        come_back_after_ms: u64,
        /// For people; may be empty.
        text: String,
    },
    /// This session's status was chosen through another connection.
    Chosen(Choice),
    /// How some people are shown.
    People {
        /// The client's number for the query.
        request: u32,
        /// How many were asked for, or are in the room.
        count: u32,
        /// What they are shown with.
        entries: Vec<Entry>,
        /// The id with which the next page begins.
        next: Option<UserId>,
    },
    /// Why someone is shown as they are.
    Explanation {
        /// The client's number for the query.
        request: u32,
        /// The explanation.
        explanation: Explanation,
    },
    /// How the server is.
    Health {
        /// The client's number for the query.
        request: u32,
        /// The health.
        health: Health,
    },
    /// What the buckets of a view must add up to at this place of the stream.
    Buckets {
        /// The view.
        view: ViewId,
        /// The number of the first bucket in here.
        first: u32,
        /// Ids to a bucket, at least 1.
        width: u32,
        /// The sum of each bucket.
        digests: Vec<Digest>,
        /// Another message goes on where this one ends.
        more: bool,
    },
}

/// The answer to a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The protocol version that the server will speak.
    pub version: u64,
    /// This session.
    pub session: SessionId,
    /// The heartbeat interval, in milliseconds.
    pub heartbeat_ms: u64,
    /// Heartbeats that may stay unanswered.
    pub misses: u32,
    /// From the last sign of life until every watcher is told, in milliseconds, at most.
    pub detection_bound_ms: u64,
    /// Changes with every start of the server.
    pub epoch: Epoch,
    /// Bytes of a frame that the server accepts from now on.
    pub frame_bytes_max: u64,
    /// Name and version of the server, for people.
    pub server: String,
    /// Resumes this session after its connection is lost; observers get none.
    pub token: Option<ResumeToken>,
    /// The session that the `Hello` named goes on.
    pub resumed: bool,
    /// For how long a lost session may be resumed, in milliseconds.
    pub resume_window_ms: u64,
    /// The views that go on.
    pub views: Vec<ViewId>,
    /// For how long the credential lets this session go on, in milliseconds; 0 for as long as it likes.
    pub credential_ms: u64,
}

/// What a view must be like at one place of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewProof {
    /// The roster's version.
    pub version: u64,
    /// How many entries there are.
    pub count: u32,
    /// The sum of their hashes.
    pub digest: Digest,
}

/// One change of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A user is listed from now on.
    Joined(Entry),
    /// A listed user is shown differently.
    Updated {
        /// The user.
        id: UserId,
        /// What is shown from now on.
        shown: Shown,
    },
    /// A user is no longer listed.
    Left {
        /// The user.
        id: UserId,
        /// Why.
        cause: CloseReason,
    },
}

/// What is wrong with a request. Meanings: `docs/protocol.md`, section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// A field breaks its rule.
    BadRequest,
    /// The server does not know the op.
    UnknownOp,
    /// There is no room of this name.
    NoSuchRoom,
    /// This session has no view of this number.
    NoSuchView,
    /// Only a listed user has what was asked for.
    NotListed,
    /// There would be too many of something.
    Limit,
    /// This session may not ask that.
    NotAllowed,
    /// A code that this build has no name for.
    Other,
}

const ERROR_CODES: [(u64, &str, ErrorCode); 8] = [
    (0, "other", ErrorCode::Other),
    (1, "bad_request", ErrorCode::BadRequest),
    (2, "unknown_op", ErrorCode::UnknownOp),
    (3, "no_such_room", ErrorCode::NoSuchRoom),
    (4, "no_such_view", ErrorCode::NoSuchView),
    (5, "not_listed", ErrorCode::NotListed),
    (6, "limit", ErrorCode::Limit),
    (7, "not_allowed", ErrorCode::NotAllowed),
];

impl ErrorCode {
    /// The code for a number from the wire; an unknown one is [`Self::Other`].
    #[must_use]
    pub fn from_wire(number: u64) -> Self {
        ERROR_CODES.iter().find(|row| row.0 == number).map_or(Self::Other, |row| row.2)
    }

    /// The number of this code on the wire.
    #[must_use]
    pub fn to_wire(self) -> u64 {
        self.row().0
    }

    /// The one name of this code, in `snake_case`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> &'static (u64, &'static str, ErrorCode) {
        ERROR_CODES
            .iter()
            .find(|row| row.2 == self)
            .expect("ERROR_CODES has a row for every variant, as a test checks")
    }
}

impl ServerMessage {
    /// Appends this message to `buffer` as one frame.
    ///
    /// # Panics
    /// If it takes more than 65,535 bytes: who builds lists splits them.
    pub fn encode_into(&self, buffer: &mut BytesMut) {
        put_frame(self, buffer);
    }

    /// This message as one frame.
    ///
    /// # Panics
    /// As [`Self::encode_into`].
    #[must_use]
    pub fn encode(&self) -> Bytes {
        frame(self)
    }

    /// Reads the body of one frame; `None` for an op that this build does not know.
    ///
    /// # Errors
    /// [`DecodeError`]: the connection must be closed.
    pub fn decode(body: &[u8]) -> Result<Option<Self>, DecodeError> {
        read_array::<Verdict>(body)?.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_code_survives_the_wire() {
        for (number, name, code) in ERROR_CODES {
            assert_eq!((code.to_wire(), code.name()), (number, name));
            assert_eq!(ErrorCode::from_wire(number), code);
        }
        assert_eq!(ErrorCode::from_wire(999), ErrorCode::Other);
    }
}
