//! Every limit of the wire, with its unit. `docs/protocol.md` names them to other languages.

use std::time::Duration;

/// The protocol version that this crate speaks.
pub const VERSION: u64 = 1;

/// The TCP port where a server listens unless told otherwise: H-E-R-E on a telephone's keys.
pub const DEFAULT_PORT: u16 = 4373;

/// The TCP port where a server speaks TLS unless told otherwise: the next one.
pub const TLS_PORT: u16 = 4374;

/// What a client offers and a server takes as the application protocol inside TLS.
pub const ALPN: &[u8] = b"herenow/1";

/// Bytes of a frame after its length prefix, as far as the prefix can count.
pub const FRAME_BYTES_MAX: usize = 65_535;

/// Bytes of the length prefix.
pub const FRAME_PREFIX_BYTES: usize = 2;

/// Bytes of a frame that a client may send before it is signed in, to a server that wants no credential.
pub const HELLO_BYTES_MAX: usize = 1_024;

/// Bytes of a frame that a client may send before it is signed in, to a server that wants a credential.
pub const HELLO_WITH_CREDENTIAL_BYTES_MAX: usize = 4_096;

/// Bytes of a credential.
pub const CREDENTIAL_BYTES_MAX: usize = 2_048;

/// Bytes of a frame that a signed-in client may send.
pub const CLIENT_FRAME_BYTES_MAX: usize = 4_096;

/// Bytes of a frame that the server sends.
pub const SERVER_FRAME_BYTES_MAX: usize = 16_384;

/// Arrays inside arrays that a frame may hold; the deepest message has four.
pub const NESTING_MAX: u16 = 5;

/// Bytes of UTF-8 in a display name, at least 1.
pub const NAME_BYTES_MAX: usize = 64;

/// Characters (code points) in a status text.
pub const TEXT_CHARS_MAX: usize = 140;

/// Bytes of a device id, at least 1.
pub const DEVICE_ID_BYTES_MAX: usize = 64;

/// Bytes of UTF-8 in a device label.
pub const DEVICE_LABEL_BYTES_MAX: usize = 64;

/// Elements of one list in a frame. A page of [`SERVER_FRAME_BYTES_MAX`] bytes cannot hold more entries.
pub const LIST_ELEMENTS_MAX: usize = 4_096;

/// Pairs of a metadata map.
pub const METADATA_PAIRS_MAX: usize = 16;

/// Bytes of UTF-8 in a metadata key, at least 1.
pub const METADATA_KEY_BYTES_MAX: usize = 64;

/// Bytes of a metadata map in shortest MessagePack.
pub const METADATA_BYTES_MAX: usize = 1_024;

/// Names in one message of a client.
pub const NAMES_MAX: usize = 128;

/// People in one list.
pub const LIST_PEOPLE_MAX: usize = 1_000;

/// Lists of people of one session.
pub const LISTS_MAX: usize = 8;

/// Views of rooms of one session.
pub const ROOM_VIEWS_MAX: usize = 32;

/// Rooms that a session may be in, the lobby included.
pub const ROOMS_MAX: usize = 32;

/// Sessions of one user.
pub const SESSIONS_MAX: usize = 16;

/// Views that a `Hello` may name to go on with; further ones are not read.
pub const HELLO_VIEWS_MAX: usize = 16;

/// Ranges of one `Repair`.
pub const REPAIR_RANGES_MAX: usize = 64;

/// Transitions in an `Explanation`.
pub const TRANSITIONS_MAX: usize = 20;

/// Integers on the wire stay below 2^53, so that every language holds them exactly.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// How long a connection may take from being accepted to a complete `Hello`.
pub const SIGN_IN_DEADLINE: Duration = Duration::from_secs(5);

/// The name of the room in which everyone is.
pub const LOBBY: &str = "lobby";
