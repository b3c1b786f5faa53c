//! What a client says, and what a server makes of it. [`read`] and [`write`] take it from and to the wire.

mod read;
mod write;

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::close::CloseReason;
use crate::credential::Credential;
use crate::digest::Epoch;
use crate::frame::{DecodeError, frame, put_frame, read_array};
use crate::ids::{DeviceId, InvalidDeviceId, OperatorKey, ResumeToken, UserId, UserKey, ViewId};
use crate::limits::{
    FRAME_PREFIX_BYTES, HELLO_BYTES_MAX, HELLO_WITH_CREDENTIAL_BYTES_MAX, VERSION,
};
use crate::metadata::InvalidMetadata;
use crate::name::{DeviceLabel, DisplayName, InvalidName, InvalidText, RoomName};
use crate::presence::Choice;
use read::Verdict;

const HELLO: u64 = 1;
const HEARTBEAT: u64 = 2;
const SET_STATUS: u64 = 3;
const WATCH: u64 = 4;
const UNWATCH: u64 = 5;
const GOODBYE: u64 = 6;
const JOIN: u64 = 7;
const LEAVE: u64 = 8;
const QUERY: u64 = 9;
const REPAIR: u64 = 10;
const RENEW: u64 = 11;

/// Kinds of a `Watch`.
const ROOM: u64 = 0;
const PEOPLE: u64 = 1;

/// Kinds of a `Query`.
const QUERY_PEOPLE: u64 = 0;
const QUERY_COUNT: u64 = 1;
const QUERY_PAGE: u64 = 2;
const QUERY_EXPLAIN: u64 = 3;
const QUERY_HEALTH: u64 = 4;

/// What a client says. Every value in it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// Signs in; the first message, once.
    Hello(Hello),
    /// I am alive.
    Heartbeat {
        /// Counts up from 1.
        n: u64,
        /// The last round trip that was measured, in microseconds; 0 if none was.
        round_trip_us: u64,
    },
    /// Shows this from now on.
    SetStatus {
        /// The client's number for this request.
        request: u32,
        /// What to show.
        choice: Choice,
    },
    /// Opens a view.
    Watch {
        /// The client's number for this request.
        request: u32,
        /// Of what.
        target: WatchTarget,
    },
    /// Closes a view.
    Unwatch {
        /// The client's number for this request.
        request: u32,
        /// The view to close.
        view: ViewId,
    },
    /// Ends the session, or with [`CloseReason::HeartbeatTimeout`] only the connection.
    Goodbye {
        /// [`CloseReason::Goodbye`] or [`CloseReason::HeartbeatTimeout`].
        reason: CloseReason,
    },
    /// Is in this room from now on.
    Join {
        /// The client's number for this request.
        request: u32,
        /// The room.
        room: RoomName,
    },
    /// Is not in this room any more.
    Leave {
        /// The client's number for this request.
        request: u32,
        /// The room.
        room: RoomName,
    },
    /// Asks once.
    Query {
        /// The client's number for this request.
        request: u32,
        /// What is asked.
        query: Query,
    },
    /// Asks for the digests of a view's buckets, or for the entries in some ranges of ids.
    Repair {
        /// The client's number for this request.
        request: u32,
        /// The view.
        view: ViewId,
        /// First and last id of each range; none asks for the buckets.
        ranges: Vec<(UserId, UserId)>,
    },
    /// Proves anew that this session may go on.
    Renew {
        /// The client's number for this request.
        request: u32,
        /// What proves it.
        credential: Credential,
    },
}

/// A sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What others see.
    pub name: DisplayName,
    /// Identifies the device; whoever knows it can take over its session.
    pub device: DeviceId,
    /// Names the device for people.
    pub label: DeviceLabel,
    /// The wanted heartbeat interval, whole milliseconds; `None` takes the server's.
    pub heartbeat: Option<Duration>,
    /// Watch without being listed.
    pub observe: bool,
    /// What to be shown with from the first moment; without metadata.
    pub choice: Choice,
    /// Proves that this device is the user's.
    pub key: Option<UserKey>,
    /// The session to go on with.
    pub resume: Option<Resume>,
    /// What proves that this client may come in, as the server wants it.
    pub credential: Option<Credential>,
}

/// A session to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The token of its last `Welcome`.
    pub token: ResumeToken,
    /// The epoch of that `Welcome`, in which the views were.
    pub epoch: Option<Epoch>,
    /// Complete views with the versions that the client has.
    pub views: Vec<(ViewId, u64)>,
}

/// What a view is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchTarget {
    /// The users in a room.
    Room(RoomName),
    /// These people, wherever they are.
    People {
        /// Who.
        names: Vec<DisplayName>,
        /// The list that they are added to; `None` opens a new one.
        view: Option<ViewId>,
    },
}

/// What is asked once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// How are these people shown?
    People(Vec<DisplayName>),
    /// How many are in a room?
    Count(RoomName),
    /// Who is in a room, from this id on?
    Page {
        /// The room.
        room: RoomName,
        /// The first id.
        from: UserId,
    },
    /// Why is this person shown as they are?
    Explain {
        /// Who.
        name: DisplayName,
        /// Proves that the one who asks operates the server.
        operator: Option<OperatorKey>,
    },
    /// How is the server?
    Health {
        /// Proves that the one who asks operates the server.
        operator: Option<OperatorKey>,
    },
}

/// What a server makes of a well-formed frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message with valid values.
    Message(ClientMessage),
    /// A `Hello` that breaks a rule: refuse the sign-in, saying which.
    BadHello(BadHello),
    /// A request that breaks a rule: answer with `bad_request`, change nothing.
    BadRequest {
        /// The number of the request.
        request: u32,
        /// The rule, in words for a person.
        error: String,
    },
    /// A message from a newer protocol.
    UnknownOp {
        /// Its op.
        op: u64,
        /// Its first field where that is an unsigned integer, else 0.
        request: u32,
    },
}

/// The rule that a `Hello` breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHello {
    /// A version that this server does not speak. The rest of the message was not read.
    #[error("this server speaks protocol version {VERSION}, not {0}")]
    Version(u64),
    /// The display name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The device id.
    #[error(transparent)]
    Device(#[from] InvalidDeviceId),
    /// The device label.
    #[error("device label: {0}")]
    Label(InvalidText),
    /// The status or its text.
    #[error(transparent)]
    Choice(#[from] BadChoice),
}

/// The rule that a choice of status breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadChoice {
    /// A number that is no status.
    #[error("{0} is no status to choose: 0 is available, 1 away, 2 busy, 3 invisible")]
    Status(u64),
    /// The text.
    #[error(transparent)]
    Text(#[from] InvalidText),
    /// The metadata.
    #[error(transparent)]
    Metadata(#[from] InvalidMetadata),
}

impl ClientMessage {
    /// Appends this message to `buffer` as one frame.
    ///
    /// # Panics
    /// If lists in it, whose lengths are not checked here, exceed a frame.
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
}

impl Hello {
    /// Whether this fits the frame that a server accepts before sign-in: one that wants a credential if there is one.
    ///
    /// Only a long status text can make it longer, or a credential that is longer than one may be. Then sign in without the text, and send it with
    /// [`ClientMessage::SetStatus`] after the `Welcome`.
    #[must_use]
    pub fn fits(&self) -> bool {
        let most = match self.credential {
            None => HELLO_BYTES_MAX,
            Some(_) => HELLO_WITH_CREDENTIAL_BYTES_MAX,
        };
        let mut buffer = BytesMut::with_capacity(most);
        put_frame(self, &mut buffer);
        buffer.len() - FRAME_PREFIX_BYTES <= most
    }
}

impl Incoming {
    /// Reads the body of one frame.
    ///
    /// # Errors
    /// [`DecodeError`]: the connection must be closed.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        read_array::<Verdict>(body)?.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{CREDENTIAL_BYTES_MAX, HELLO_VIEWS_MAX, INTEGER_MAX};
    use crate::name::StatusText;
    use crate::presence::Status;

    #[test]
    fn only_a_long_text_makes_a_hello_too_long() {
        let hello = |text: &str| Hello {
            name: DisplayName::new(&"x".repeat(64)).expect("64 bytes are allowed"),
            device: DeviceId::new(&"d".repeat(64)).expect("64 bytes are allowed"),
            label: DeviceLabel::new(&"l".repeat(64)).expect("64 bytes are allowed"),
            heartbeat: Some(Duration::from_millis(INTEGER_MAX)),
            observe: true,
            choice: Choice {
                text_for: Some(Duration::from_millis(INTEGER_MAX)),
                ..Choice::chosen(
                    Status::Busy,
                    StatusText::new(text).expect("140 characters are allowed"),
                )
            },
            key: Some(UserKey([255; 16])),
            resume: Some(Resume {
                token: ResumeToken([255; 16]),
                epoch: Some(Epoch([255; 16])),
                views: vec![(ViewId(u32::MAX), INTEGER_MAX); HELLO_VIEWS_MAX],
            }),
            credential: None,
        };
        assert!(hello("").fits());
        assert!(hello(&"x".repeat(140)).fits());
        assert!(!hello(&"\u{1F98A}".repeat(140)).fits());
        let credential = Some(Credential::from(&*"c".repeat(CREDENTIAL_BYTES_MAX)));
        assert!(Hello { credential, ..hello(&"\u{1F98A}".repeat(140)) }.fits());
    }
}
