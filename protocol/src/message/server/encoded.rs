//! Entries that are encoded once, and the frames that repeat their bytes.
//!
//! A server tells every entry many times: in pages, in deltas, in the input of the digest. All of these hold the same
//! fields in the same encoding, so it keeps an entry as these bytes. What is built here is byte for byte what
//! [`ServerMessage`](super::ServerMessage) encodes.

use std::fmt;

use bytes::Bytes;
use rmp::encode::{write_array_len, write_bin, write_uint};
use serde::ser::Serialize;

use super::read::read_entry;
use super::write::{WireEntry, WireShown};
use super::{DELTA, JOINED, LEFT, SNAPSHOT_PAGE, UPDATED, ViewProof};
use crate::close::CloseReason;
use crate::frame::{self, DecodeError};
use crate::ids::{UserId, ViewId};
use crate::presence::{Entry, Shown};

/// Fields of an entry.
const ENTRY_FIELDS: u32 = 9;

/// Fields of what is shown of a user.
const SHOWN_FIELDS: u32 = 7;

const IN_MEMORY: &str = "writing to memory cannot fail";

/// An entry in its shortest encoding.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedEntry(Box<[u8]>);

impl EncodedEntry {
    /// Encodes an entry.
    #[must_use]
    pub fn new(entry: &Entry) -> Self {
        frame::with_scratch(|bytes| {
            rmp_serde::encode::write(bytes, &WireEntry(entry)).expect(IN_MEMORY);
            Self(bytes[..].into())
        })
    }

    /// The same user, shown differently.
    #[must_use]
    pub fn showing(&self, shown: &Shown) -> Self {
        frame::with_scratch(|bytes| {
            bytes.extend_from_slice(&self.0[..self.shown_at()]);
            append_fields(bytes, &WireShown(shown));
            Self(bytes[..].into())
        })
    }

    /// The entry.
    ///
    /// # Panics
    /// Never: the bytes were made of one.
    #[must_use]
    pub fn decode(&self) -> Entry {
        read_entry(&self.0).expect("encoded from an entry")
    }

    /// The entry that these bytes encode, such as those of [`as_bytes`](Self::as_bytes) that were kept elsewhere.
    ///
    /// # Errors
    /// They encode none.
    pub fn read(bytes: &[u8]) -> Result<Entry, DecodeError> {
        read_entry(bytes)
    }

    /// The bytes: a MessagePack array of nine fields.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Where the name begins: behind the array's header, one byte for nine fields, and the id.
    fn name_at(&self) -> usize {
        1 + uint_len(self.0[1])
    }

    /// Where the fields begin that say what is shown.
    fn shown_at(&self) -> usize {
        let name = self.name_at();
        // A name has at most 64 bytes.
        name + match self.0[name] {
            0xd9 => 2 + usize::from(self.0[name + 1]),
            short => 1 + usize::from(short & 0x1f),
        }
    }
}

impl fmt::Debug for EncodedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decode().fmt(f)
    }
}

/// How many bytes an unsigned integer takes that begins with this one.
fn uint_len(first: u8) -> usize {
    match first {
        0xcc => 2,
        0xcd => 3,
        0xce => 5,
        0xcf => 9,
        _ => 1,
    }
}

/// Appends the fields of a value that is encoded as an array of less than sixteen, without the array's header.
fn append_fields(bytes: &mut Vec<u8>, fields: &impl Serialize) {
    let header = bytes.len();
    rmp_serde::encode::write(bytes, fields).expect(IN_MEMORY);
    bytes.remove(header);
}

/// A `SnapshotPage` of these entries.
///
/// # Panics
/// If they take more than 65,535 bytes: who builds pages splits them.
pub fn page_frame<'a>(
    view: ViewId,
    first: UserId,
    last: UserId,
    entries: impl ExactSizeIterator<Item = &'a EncodedEntry>,
) -> Bytes {
    frame::build(|bytes| {
        write_array_len(bytes, 5).expect(IN_MEMORY);
        for field in [SNAPSHOT_PAGE, view.0.into(), first.0.into(), last.0.into()] {
            write_uint(bytes, field).expect(IN_MEMORY);
        }
        write_array_len(bytes, count(entries.len())).expect(IN_MEMORY);
        entries.for_each(|entry| bytes.extend_from_slice(&entry.0));
    })
}

/// The changes of a `Delta`, in order.
#[derive(Debug, Default)]
pub struct Changes {
    bytes: Vec<u8>,
    count: usize,
}

impl Changes {
    /// Bytes that the changes take up to now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Somebody came.
    pub fn joined(&mut self, entry: &EncodedEntry) {
        self.begin(1 + ENTRY_FIELDS, JOINED);
        self.bytes.extend_from_slice(&entry.0[1..]);
    }

    /// Somebody is shown differently.
    pub fn updated(&mut self, entry: &EncodedEntry) {
        self.begin(2 + SHOWN_FIELDS, UPDATED);
        self.bytes.extend_from_slice(&entry.0[1..entry.name_at()]);
        self.bytes.extend_from_slice(&entry.0[entry.shown_at()..]);
    }

    /// Somebody left.
    pub fn left(&mut self, id: UserId, cause: CloseReason) {
        let (number, detail) = cause.to_wire();
        self.begin(4, LEFT);
        for field in [id.0.into(), number, detail] {
            write_uint(&mut self.bytes, field).expect(IN_MEMORY);
        }
    }

    /// Appends other changes.
    pub fn append(&mut self, others: &Self) {
        self.bytes.extend_from_slice(&others.bytes);
        self.count += others.count;
    }

    /// The `Delta` with these changes.
    ///
    /// # Panics
    /// If it takes more than 65,535 bytes: who builds deltas splits them.
    #[must_use]
    pub fn frame(&self, view: ViewId, from: u64, proof: ViewProof) -> Bytes {
        frame::build(|bytes| {
            write_array_len(bytes, 7).expect(IN_MEMORY);
            for field in [DELTA, view.0.into(), from, proof.version, proof.count.into()] {
                write_uint(bytes, field).expect(IN_MEMORY);
            }
            write_bin(bytes, &proof.digest.to_bytes()).expect(IN_MEMORY);
            write_array_len(bytes, count(self.count)).expect(IN_MEMORY);
            bytes.extend_from_slice(&self.bytes);
        })
    }

    fn begin(&mut self, fields: u32, kind: u64) {
        write_array_len(&mut self.bytes, fields).expect(IN_MEMORY);
        write_uint(&mut self.bytes, kind).expect(IN_MEMORY);
        self.count += 1;
    }
}

fn count(items: usize) -> u32 {
    u32::try_from(items).expect("a frame is small")
}
