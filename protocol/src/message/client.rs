//! What a client says, and what a server makes of it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::de::SeqAccess;
use serde::ser::{Serialize, Serializer};

use crate::close::CloseReason;
use crate::fields::{Fields, FromFields, Str, Uint, UintOrAny};
use crate::frame::{DecodeError, put_frame, read_array};
use crate::ids::{DeviceId, InvalidDeviceId, ViewId};
use crate::limits::{FRAME_PREFIX_BYTES, HELLO_BYTES_MAX, INTEGER_MAX, VERSION};
use crate::name::{DisplayName, InvalidName, InvalidText, StatusText, check_label};
use crate::presence::{Presence, Status};

const HELLO: u64 = 1;
const HEARTBEAT: u64 = 2;
const SET_STATUS: u64 = 3;
const WATCH: u64 = 4;
const UNWATCH: u64 = 5;
const GOODBYE: u64 = 6;

const ROOM: u64 = 0;

/// What a client says. Every value in it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// Signs in; the first message, once.
    Hello(Hello),
    /// I am alive.
    Heartbeat {
        /// Counts up from 1.
        n: u64,
    },
    /// Shows this presence from now on.
    SetStatus {
        /// The client's number for this request.
        request: u32,
        /// The new status, and the text that replaces the old one.
        presence: Presence,
    },
    /// Opens a view of a room.
    Watch {
        /// The client's number for this request.
        request: u32,
        /// The room's name.
        room: String,
    },
    /// Closes a view.
    Unwatch {
        /// The client's number for this request.
        request: u32,
        /// The view to close.
        view: ViewId,
    },
    /// Ends the session.
    Goodbye {
        /// [`CloseReason::Goodbye`] or [`CloseReason::HeartbeatTimeout`].
        reason: CloseReason,
    },
}

/// A sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What others see.
    pub name: DisplayName,
    /// Identifies the device; whoever knows it can take over its session.
    pub device: DeviceId,
    /// Names the device for people. Up to 64 bytes.
    pub label: String,
    /// The wanted heartbeat interval, whole milliseconds; `None` takes the server's.
    pub heartbeat: Option<Duration>,
    /// Watch without being listed.
    pub observe: bool,
    /// What to be shown with from the first moment.
    pub presence: Presence,
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
    Presence(#[from] BadPresence),
}

/// The rule that a presence breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPresence {
    /// A number that is no status.
    #[error("{0} is no status: 0 is available, 1 away, 2 busy")]
    Status(u64),
    /// The text.
    #[error(transparent)]
    Text(#[from] InvalidText),
}

impl ClientMessage {
    /// Appends this message to `buffer` as one frame.
    ///
    /// # Panics
    /// If the room of a `Watch` or the label of a `Hello`, which are not checked here, exceeds a frame.
    pub fn encode_into(&self, buffer: &mut BytesMut) {
        put_frame(self, buffer);
    }

    /// This message as one frame.
    ///
    /// # Panics
    /// As [`Self::encode_into`].
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut buffer = BytesMut::with_capacity(64);
        self.encode_into(&mut buffer);
        buffer.freeze()
    }
}

impl Hello {
    /// Whether this fits the frame that a server accepts before sign-in.
    ///
    /// Only a long status text can make it longer. Then sign in without the text, and send it with
    /// [`ClientMessage::SetStatus`] after the `Welcome`.
    #[must_use]
    pub fn fits(&self) -> bool {
        let mut buffer = BytesMut::with_capacity(HELLO_BYTES_MAX);
        put_frame(self, &mut buffer);
        buffer.len() - FRAME_PREFIX_BYTES <= HELLO_BYTES_MAX
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

impl Serialize for ClientMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Hello(hello) => hello.serialize(serializer),
            Self::Heartbeat { n } => (HEARTBEAT, n).serialize(serializer),
            Self::SetStatus { request, presence } => {
                let (status, text) = (presence.status.to_wire(), presence.text.as_str());
                (SET_STATUS, request, status, text).serialize(serializer)
            }
            Self::Watch { request, room } => (WATCH, request, ROOM, room).serialize(serializer),
            Self::Unwatch { request, view } => (UNWATCH, request, view.0).serialize(serializer),
            Self::Goodbye { reason } => (GOODBYE, reason.to_wire().0).serialize(serializer),
        }
    }
}

impl Serialize for Hello {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let heartbeat_ms = self.heartbeat.map_or(0, |interval| interval.as_millis());
        let heartbeat_ms =
            u64::try_from(heartbeat_ms).map_or(INTEGER_MAX, |ms| ms.min(INTEGER_MAX));
        (
            HELLO,
            VERSION,
            self.name.as_str(),
            self.device.as_str(),
            &self.label,
            heartbeat_ms,
            self.observe,
            self.presence.status.to_wire(),
            self.presence.text.as_str(),
        )
            .serialize(serializer)
    }
}

/// The shape is right; the values may still break a rule of the wire.
struct Verdict(Result<Incoming, DecodeError>);

impl<'de> FromFields<'de> for Verdict {
    fn read<A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error> {
        let op: Uint = fields.required("op")?;
        let op = match op.get("op") {
            Ok(op) => op,
            Err(error) => return Ok(Self(Err(error))),
        };
        Ok(Self(match op {
            HELLO => hello(fields)?,
            HEARTBEAT => heartbeat(fields.required("n")?),
            SET_STATUS => set_status(fields)?,
            WATCH => watch(fields)?,
            UNWATCH => unwatch(fields.required("request")?, fields.required("view")?),
            GOODBYE => goodbye(fields.or(Uint::new(0))?),
            op => {
                let UintOrAny(first) = fields.or(UintOrAny(Uint::new(0)))?;
                Ok(Incoming::UnknownOp { op, request: first.narrow("request").unwrap_or(0) })
            }
        }))
    }
}

type Read<E> = Result<Result<Incoming, DecodeError>, E>;

fn hello<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let version: Uint = fields.required("version")?;
    match version.get("version") {
        Ok(VERSION) => {}
        Ok(other) => return Ok(Ok(Incoming::BadHello(BadHello::Version(other)))),
        Err(error) => return Ok(Err(error)),
    }
    let name: Str<'de> = fields.required("name")?;
    let device: Str<'de> = fields.required("device")?;
    let label: Str<'de> = fields.or(Str(""))?;
    let heartbeat_ms = fields.or(Uint::new(0))?;
    let observe: bool = fields.or(false)?;
    let status = fields.or(Uint::new(0))?;
    let text: Str<'de> = fields.or(Str(""))?;
    let checked = |heartbeat_ms, status| -> Result<Hello, BadHello> {
        check_label(label.0).map_err(BadHello::Label)?;
        Ok(Hello {
            name: DisplayName::new(name.0)?,
            device: DeviceId::new(device.0)?,
            label: label.0.to_owned(),
            heartbeat: (heartbeat_ms > 0).then(|| Duration::from_millis(heartbeat_ms)),
            observe,
            presence: presence(status, text.0)?,
        })
    };
    let in_range = heartbeat_ms.get("heartbeat_ms").and_then(|ms| Ok((ms, status.get("status")?)));
    Ok(in_range.map(|(heartbeat_ms, status)| match checked(heartbeat_ms, status) {
        Ok(hello) => Incoming::Message(ClientMessage::Hello(hello)),
        Err(error) => Incoming::BadHello(error),
    }))
}

fn presence(status: u64, text: &str) -> Result<Presence, BadPresence> {
    let status = Status::from_wire(status).ok_or(BadPresence::Status(status))?;
    Ok(Presence { status, text: StatusText::new(text)? })
}

fn heartbeat(n: Uint) -> Result<Incoming, DecodeError> {
    Ok(Incoming::Message(ClientMessage::Heartbeat { n: n.get("n")? }))
}

fn set_status<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (request, status): (Uint, Uint) = (fields.required("request")?, fields.required("status")?);
    let text: Str<'de> = fields.or(Str(""))?;
    let checked = || {
        let (request, status) = (request.narrow("request")?, status.get("status")?);
        Ok(match presence(status, text.0) {
            Ok(presence) => Incoming::Message(ClientMessage::SetStatus { request, presence }),
            Err(error) => Incoming::BadRequest { request, error: error.to_string() },
        })
    };
    Ok(checked())
}

fn watch<'de, A: SeqAccess<'de>>(fields: &mut Fields<A>) -> Read<A::Error> {
    let (request, kind): (Uint, Uint) = (fields.required("request")?, fields.required("kind")?);
    match kind.get("kind") {
        Ok(ROOM) => {}
        Ok(kind) => {
            let error = format!("there is no kind of view {kind}: 0 is a room");
            let request = request.narrow("request");
            return Ok(request.map(|request| Incoming::BadRequest { request, error }));
        }
        Err(error) => return Ok(Err(error)),
    }
    let room: Str<'de> = fields.required("name")?;
    Ok(request.narrow("request").map(|request| {
        Incoming::Message(ClientMessage::Watch { request, room: room.0.to_owned() })
    }))
}

fn unwatch(request: Uint, view: Uint) -> Result<Incoming, DecodeError> {
    let (request, view) = (request.narrow("request")?, ViewId(view.narrow("view")?));
    Ok(Incoming::Message(ClientMessage::Unwatch { request, view }))
}

fn goodbye(reason: Uint) -> Result<Incoming, DecodeError> {
    let reason = match CloseReason::from_wire(reason.get("reason")?, 0) {
        CloseReason::HeartbeatTimeout => CloseReason::HeartbeatTimeout,
        _ => CloseReason::Goodbye,
    };
    Ok(Incoming::Message(ClientMessage::Goodbye { reason }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_text_makes_a_hello_too_long() {
        let hello = |text: &str| Hello {
            name: DisplayName::new(&"x".repeat(64)).expect("64 bytes are allowed"),
            device: DeviceId::new(&"d".repeat(64)).expect("64 bytes are allowed"),
            label: "l".repeat(64),
            heartbeat: Some(Duration::from_millis(INTEGER_MAX)),
            observe: true,
            presence: Presence {
                status: Status::Busy,
                text: StatusText::new(text).expect("140 characters are allowed"),
            },
        };
        assert!(hello("").fits());
        assert!(hello(&"x".repeat(140)).fits());
        assert!(!hello(&"\u{1F98A}".repeat(140)).fits());
    }
}
