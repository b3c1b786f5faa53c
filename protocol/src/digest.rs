//! How a list proves itself: an order-free digest over its entries, O(1) per change.
//!
//! The digest is the sum modulo 2^128 of a keyed 128-bit hash of every entry. Addition makes it
//! independent of order and lets one entry be replaced without reading the others; the epoch as the
//! key keeps copies from before a server's restart from ever matching by accident.

use std::fmt;

use blake2::digest::block_api::{Block, Buffer, UpdateCore, VariableOutputCore};
use blake2::digest::consts::U16;
use blake2::digest::{FixedOutput, Output, Update};
use blake2::{Blake2b, Blake2bVarCore};

use crate::Entry;
use crate::message::EncodedEntry;

/// Bytes of a hash and of a digest.
const DIGEST_BYTES: usize = 16;

/// 16 random bytes that change with every start of the server.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub [u8; 16]);

/// The sum of entry hashes. `Digest::default()` is that of an empty list.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Digest(u128);

/// Hashes entries under one epoch. Cheap to clone.
#[derive(Clone)]
pub struct EntryHasher {
    /// BLAKE2b after the block of the key, which is half of the work for a common entry.
    keyed: Blake2bVarCore,
}

impl Digest {
    /// The list gained an entry with this hash.
    pub fn add(&mut self, entry: Self) {
        self.0 = self.0.wrapping_add(entry.0);
    }

    /// The list lost an entry with this hash.
    pub fn remove(&mut self, entry: Self) {
        self.0 = self.0.wrapping_sub(entry.0);
    }

    /// The 16 bytes of the wire, big-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The digest for 16 bytes of the wire.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl EntryHasher {
    /// A hasher for this epoch.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        let mut keyed = Blake2bVarCore::new_with_params(&[], &[], epoch.0.len(), DIGEST_BYTES);
        let mut block = Block::<Blake2bVarCore>::default();
        block[..epoch.0.len()].copy_from_slice(&epoch.0);
        keyed.update_blocks(&[block]);
        Self { keyed }
    }

    /// The hash of one entry: keyed BLAKE2b-128 of its MessagePack array in shortest form.
    #[must_use]
    pub fn hash(&self, entry: &Entry) -> Digest {
        self.hash_encoded(&EncodedEntry::new(entry))
    }

    /// The hash of an entry that is encoded already.
    #[must_use]
    pub fn hash_encoded(&self, entry: &EncodedEntry) -> Digest {
        self.hash_bytes(entry.as_bytes())
    }

    /// The hash of the bytes of an [`EncodedEntry`].
    #[must_use]
    pub fn hash_bytes(&self, entry: &[u8]) -> Digest {
        let (mut core, mut buffer) = (self.keyed.clone(), Buffer::<Blake2bVarCore>::default());
        buffer.digest_blocks(entry, |blocks| core.update_blocks(blocks));
        let mut state = Output::<Blake2bVarCore>::default();
        core.finalize_variable_core(&mut buffer, &mut state);
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&state[..DIGEST_BYTES]);
        Digest::from_bytes(digest)
    }
}

/// A hash without a key, for secrets that must be recognised and not kept: BLAKE2b-128.
#[must_use]
pub fn fingerprint(secret: &[u8]) -> [u8; 16] {
    let mut hash = Blake2b::<U16>::default();
    hash.update(secret);
    hash.finalize_fixed().into()
}

impl fmt::Debug for EntryHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EntryHasher")
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeviceLabel, DisplayName, Shown, UserId};

    fn entry(id: u32, name: &str) -> Entry {
        let name = DisplayName::new(name).expect("a test name is valid");
        let shown = Shown { since_ms: 1_700_000_000_000, ..Shown::default() };
        Entry { id: UserId(id), name, shown }
    }

    #[test]
    fn the_order_of_changes_does_not_matter() {
        let hasher = EntryHasher::new(Epoch([7; 16]));
        let [a, b] = [hasher.hash(&entry(1, "ada")), hasher.hash(&entry(2, "bob"))];
        let (mut left, mut right) = (Digest::default(), Digest::default());
        left.add(a);
        left.add(b);
        right.add(b);
        right.add(a);
        assert_eq!(left, right);
        left.remove(a);
        left.remove(b);
        assert_eq!(left, Digest::default());
    }

    #[test]
    fn another_epoch_never_matches() {
        let ada = entry(1, "ada");
        let [one, two] = [1, 2].map(|n| EntryHasher::new(Epoch([n; 16])).hash(&ada));
        assert_ne!(one, two);
    }

    /// By the library's own keyed BLAKE2b, for entries shorter and longer than one of its blocks of 128 bytes.
    #[test]
    fn the_hash_is_keyed_blake2b() {
        use blake2::Blake2bMac;
        use blake2::digest::KeyInit;
        let epoch = Epoch([7; 16]);
        for labels in 0..16 {
            let labels =
                (0..labels).map(|_| DeviceLabel::new("twenty bytes a label").expect("valid"));
            let entry = Entry {
                shown: Shown { devices: labels.collect(), ..Shown::default() },
                ..entry(1, "ada")
            };
            let mut mac = Blake2bMac::<U16>::new_from_slice(&epoch.0).expect("a valid key");
            mac.update(EncodedEntry::new(&entry).as_bytes());
            let expected = Digest::from_bytes(mac.finalize_fixed().into());
            assert_eq!(EntryHasher::new(epoch).hash(&entry), expected);
        }
    }
}
