//! Frames of the server as messages, where every one must be known.

use herenow_client::protocol::{DecodeError, ServerMessage};

use crate::failure::Failure;

/// The message in a frame's body. One that this build does not know fails the run: what it says would go unchecked.
pub(crate) fn decode(body: &[u8]) -> Result<ServerMessage, DecodeError> {
    let unknown = || DecodeError::WrongShape("an op that is not known".to_owned());
    ServerMessage::decode(body)?.ok_or_else(unknown)
}

/// [`decode`] for one of the crowd.
pub(crate) fn message(who: usize, body: &[u8]) -> Result<ServerMessage, Failure> {
    decode(body).map_err(|error| Failure::Frame { who, error })
}

/// The failure for a message that should not have come.
pub(crate) fn unexpected(who: usize, message: &ServerMessage) -> Failure {
    match message {
        ServerMessage::Goodbye { reason, .. } => Failure::Goodbye { who, reason: *reason },
        other => Failure::Unexpected { who, message: format!("{other:?}") },
    }
}
