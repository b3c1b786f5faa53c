//! Small identities: numbers and tokens that the server hands out, and what the client keeps.

use std::fmt;
use std::sync::Arc;

use crate::limits::DEVICE_ID_BYTES_MAX;

/// A session's identity, from sign-in to its end, whatever connections it has. Random, so that it says nothing of
/// others; below 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// A user in one view, while they are in it. Reused after they left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub u32);

/// A view of one session, as the `Result` of its `Watch` named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewId(pub u32);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// 16 random bytes that are kept secret. Their `Debug` shows nothing of them.
macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

secret! {
    /// What the devices of one person share, and nobody else knows. People pass it on as a
    /// [pairing code](crate::pairing).
    UserKey
}

secret! {
    /// What continues a session from another connection.
    ResumeToken
}

secret! {
    /// What the operator of a server knows, and nobody else.
    OperatorKey
}

/// Identifies a device from sign-in to sign-in; whoever knows it can take over its session.
///
/// 1 to 64 characters of `A-Z a-z 0-9 . _ -`. Its `Debug` shows the first four characters only, since a
/// device id works like a key in open mode.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DeviceId(Arc<str>);

/// A device id breaks its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a device id has 1 to 64 characters of A-Z a-z 0-9 . _ -")]
pub struct InvalidDeviceId;

impl DeviceId {
    /// Checks `id` against the rule.
    ///
    /// # Errors
    /// [`InvalidDeviceId`] if it is empty, too long or has another character.
    pub fn new(id: &str) -> Result<Self, InvalidDeviceId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if id.is_empty() || id.len() > DEVICE_ID_BYTES_MAX || !id.bytes().all(allowed) {
            return Err(InvalidDeviceId);
        }
        Ok(Self(id.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({}..)", &self.0[..self.0.len().min(4)])
    }
}
