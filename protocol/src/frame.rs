//! Frames: `u16 length | one MessagePack array`, and the way from bytes to messages and back.
//!
//! ```text
//! +----------+-------------------------+----------+----
//! | len: u16 | [op, field, field, ...] | len: u16 | ..
//! +----------+-------------------------+----------+----
//! ```

use std::cell::RefCell;

use bytes::{Buf, Bytes, BytesMut};
use serde::de::Deserialize;
use serde::ser::Serialize;

use crate::close::{CloseReason, Violation};
use crate::fields::{Array, FromFields};
use crate::limits::{FRAME_BYTES_MAX, FRAME_PREFIX_BYTES};
use crate::scan::check_value;

/// Why bytes are not a frame or a message. The connection must be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The announced length is zero.
    #[error("a frame of no bytes")]
    Empty,
    /// The announced length is over the limit; nothing after it was read.
    #[error("a frame of {got} bytes, at most {max} are allowed here")]
    TooLong {
        /// Bytes announced.
        got: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The bytes are not MessagePack, or nested too deeply.
    #[error("not MessagePack: {0}")]
    NotMessagePack(String),
    /// Bytes follow the value.
    #[error("bytes follow the message")]
    TrailingBytes,
    /// Not an array, a field of the wrong type, or a required field missing.
    #[error("not a message: {0}")]
    WrongShape(String),
    /// A number or length outside what the protocol allows.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
}

impl DecodeError {
    /// The name of the broken rule.
    #[must_use]
    pub fn violation(&self) -> Violation {
        match self {
            Self::Empty => Violation::EmptyFrame,
            Self::TooLong { .. } => Violation::FrameTooLong,
            Self::NotMessagePack(_) => Violation::NotMessagePack,
            Self::TrailingBytes => Violation::TrailingBytes,
            Self::WrongShape(_) => Violation::WrongShape,
            Self::OutOfRange(_) => Violation::OutOfRange,
        }
    }

    /// The reason with which the connection ends.
    #[must_use]
    pub fn close_reason(&self) -> CloseReason {
        CloseReason::ProtocolError(self.violation())
    }
}

/// The length of the frame body at the start of `buffer`, `None` while the prefix is incomplete.
///
/// # Errors
/// [`DecodeError::Empty`] or [`DecodeError::TooLong`], as soon as the prefix is there.
pub fn body_len(buffer: &[u8], max: usize) -> Result<Option<usize>, DecodeError> {
    let Some(prefix) = buffer.first_chunk::<FRAME_PREFIX_BYTES>() else { return Ok(None) };
    match usize::from(u16::from_be_bytes(*prefix)) {
        0 => Err(DecodeError::Empty),
        got if got > max => Err(DecodeError::TooLong { got, max }),
        got => Ok(Some(got)),
    }
}

/// Splits the body of the first frame off `buffer`; `None` while it is incomplete.
///
/// # Errors
/// As [`body_len`]. The buffer is unchanged.
pub fn split_body<'a>(buffer: &mut &'a [u8], max: usize) -> Result<Option<&'a [u8]>, DecodeError> {
    let Some(len) = body_len(buffer, max)? else { return Ok(None) };
    let rest = &buffer[FRAME_PREFIX_BYTES..];
    if rest.len() < len {
        return Ok(None);
    }
    let (body, rest) = rest.split_at(len);
    *buffer = rest;
    Ok(Some(body))
}

/// Like [`split_body`], for a reader that owns its buffer.
///
/// # Errors
/// As [`body_len`]. The buffer is unchanged.
pub fn take_body(buffer: &mut BytesMut, max: usize) -> Result<Option<Bytes>, DecodeError> {
    let Some(len) = body_len(buffer, max)? else { return Ok(None) };
    if buffer.len() < FRAME_PREFIX_BYTES + len {
        return Ok(None);
    }
    buffer.advance(FRAME_PREFIX_BYTES);
    Ok(Some(buffer.split_to(len).freeze()))
}

thread_local! {
    /// Where frames are built, so that each is copied once, at its final size.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Appends `message` to `buffer` as one frame.
///
/// # Panics
/// If the message takes more than [`FRAME_BYTES_MAX`] bytes: who builds lists splits them.
pub(crate) fn put_frame<M: Serialize>(message: &M, buffer: &mut BytesMut) {
    with_frame(|bytes| write(bytes, message), |frame| buffer.extend_from_slice(frame));
}

/// `message` as one frame.
///
/// # Panics
/// As [`put_frame`].
pub(crate) fn frame<M: Serialize>(message: &M) -> Bytes {
    build(|bytes| write(bytes, message))
}

/// A frame around the message that `put` appends.
///
/// # Panics
/// As [`put_frame`].
pub(crate) fn build(put: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    with_frame(put, Bytes::copy_from_slice)
}

/// Lends an empty buffer.
pub(crate) fn with_scratch<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        work(scratch)
    })
}

fn with_frame<T>(put: impl FnOnce(&mut Vec<u8>), take: impl FnOnce(&[u8]) -> T) -> T {
    with_scratch(|bytes| {
        bytes.extend_from_slice(&[0; FRAME_PREFIX_BYTES]);
        put(bytes);
        let len = bytes.len() - FRAME_PREFIX_BYTES;
        assert!(
            len <= FRAME_BYTES_MAX,
            "a frame of {len} bytes was built, at most {FRAME_BYTES_MAX} fit"
        );
        let prefix = u16::try_from(len).expect("checked one line above").to_be_bytes();
        bytes[..FRAME_PREFIX_BYTES].copy_from_slice(&prefix);
        take(bytes)
    })
}

fn write<M: Serialize>(bytes: &mut Vec<u8>, message: &M) {
    rmp_serde::encode::write(bytes, message).expect("writing a message to memory cannot fail");
}

/// Reads the one array of fields that fills `body`.
pub(crate) fn read_array<'de, T: FromFields<'de>>(body: &'de [u8]) -> Result<T, DecodeError> {
    check_value(body)?;
    match Array::deserialize(&mut rmp_serde::Deserializer::from_read_ref(body)) {
        Ok(Array(value)) => Ok(value),
        // After the scan only the types can be wrong.
        Err(error) => Err(DecodeError::WrongShape(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_judged_before_its_body_arrives() {
        assert_eq!(body_len(&[], 512), Ok(None));
        assert_eq!(body_len(&[0], 512), Ok(None));
        assert_eq!(body_len(&[0, 0], 512), Err(DecodeError::Empty));
        assert_eq!(body_len(&[2, 0], 512), Ok(Some(512)));
        assert_eq!(body_len(&[2, 1], 512), Err(DecodeError::TooLong { got: 513, max: 512 }));
        assert_eq!(
            body_len(b"GET / HTTP", 512),
            Err(DecodeError::TooLong { got: 18_245, max: 512 })
        );
    }

    #[test]
    fn frames_are_split_wherever_the_bytes_were_cut() {
        let stream = [0, 2, 0x91, 2, 0, 1, 0x90];
        for cut in 0..=stream.len() {
            let mut buffer = BytesMut::from(&stream[..cut]);
            let mut bodies = Vec::new();
            while let Some(body) = take_body(&mut buffer, 512).expect("the lengths are fine") {
                bodies.push(body.to_vec());
            }
            buffer.extend_from_slice(&stream[cut..]);
            while let Some(body) = take_body(&mut buffer, 512).expect("the lengths are fine") {
                bodies.push(body.to_vec());
            }
            assert_eq!(bodies, [vec![0x91, 2], vec![0x90]], "cut at {cut}");
        }
    }
}
