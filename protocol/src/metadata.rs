//! What programs say about a user: a small map of texts, carried as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::limits::{METADATA_BYTES_MAX, METADATA_KEY_BYTES_MAX, METADATA_PAIRS_MAX};

/// Up to 16 pairs of texts, together at most 1,024 bytes in shortest MessagePack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metadata(Option<Arc<BTreeMap<Box<str>, Box<str>>>>);

/// The rule that metadata break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// More than [`METADATA_PAIRS_MAX`] pairs.
    #[error("metadata have at most {METADATA_PAIRS_MAX} pairs, these have {0}")]
    TooMany(usize),
    /// A key without bytes, or with more than [`METADATA_KEY_BYTES_MAX`].
    #[error("a metadata key has 1 to {METADATA_KEY_BYTES_MAX} bytes, this one has {0}")]
    Key(usize),
    /// More than [`METADATA_BYTES_MAX`] bytes.
    #[error("metadata have at most {METADATA_BYTES_MAX} bytes, these have {0}")]
    TooLong(usize),
    /// A key stands twice.
    #[error("a metadata key stands twice")]
    Twice,
}

impl Metadata {
    /// Checks `pairs` against the rules and keeps them.
    ///
    /// # Errors
    /// The first rule they break.
    pub fn new<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidMetadata> {
        let mut map = BTreeMap::new();
        let (mut count, mut bytes) = (0, 0);
        for (key, value) in pairs {
            count += 1;
            if count > METADATA_PAIRS_MAX {
                return Err(InvalidMetadata::TooMany(count));
            }
            if !(1..=METADATA_KEY_BYTES_MAX).contains(&key.len()) {
                return Err(InvalidMetadata::Key(key.len()));
            }
            bytes += str_bytes(key) + str_bytes(value);
            let encoded = head_bytes(count) + bytes;
            if encoded > METADATA_BYTES_MAX {
                return Err(InvalidMetadata::TooLong(encoded));
            }
            if map.insert(key.into(), value.into()).is_some() {
                return Err(InvalidMetadata::Twice);
            }
        }
        Ok(Self((!map.is_empty()).then(|| Arc::new(map))))
    }

    /// The pairs, ascending by key.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|map| map.iter()).map(|(key, value)| (&**key, &**value))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.as_ref()?.get(key).map(|value| &**value)
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |map| map.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes on the wire.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        head_bytes(self.len())
            + self.pairs().map(|(key, value)| str_bytes(key) + str_bytes(value)).sum::<usize>()
    }
}

/// Bytes before the pairs of a map in shortest MessagePack.
fn head_bytes(pairs: usize) -> usize {
    if pairs < 16 { 1 } else { 3 }
}

/// Bytes of a `str` in shortest MessagePack.
fn str_bytes(text: &str) -> usize {
    let head = match text.len() {
        0..32 => 1,
        32..256 => 2,
        256..65_536 => 3,
        _ => 5,
    };
    head + text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_kept_in_the_order_of_their_keys() {
        let metadata = Metadata::new([("b", "2"), ("a", "1")]).expect("two small pairs");
        assert_eq!(metadata.pairs().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!((metadata.get("b"), metadata.get("c")), (Some("2"), None));
        assert_eq!(metadata.encoded_len(), 9);
    }

    #[test]
    fn too_much_is_refused() {
        let long = "x".repeat(1_018);
        assert!(Metadata::new([("k", &*long)]).is_ok(), "1 + 2 + 3 + 1018 bytes");
        let longer = "x".repeat(1_019);
        assert_eq!(Metadata::new([("k", &*longer)]), Err(InvalidMetadata::TooLong(1_025)));
        assert_eq!(Metadata::new([("", "v")]), Err(InvalidMetadata::Key(0)));
        assert_eq!(Metadata::new([("k", "1"), ("k", "2")]), Err(InvalidMetadata::Twice));
        // Sixteen keys of two bytes on the wire, fifteen empty values; the last one fills the map.
        let keys: Vec<_> = ('a'..='p').map(String::from).collect();
        let full = |last: &str| {
            let values = std::iter::repeat_n("", 15).chain([last]);
            Metadata::new(keys.iter().map(|key| &**key).zip(values))
        };
        let last = 1_024 - (3 + 16 * 2 + 15) - 3;
        let most = full(&"x".repeat(last)).expect("1,024 bytes are allowed");
        assert_eq!((most.len(), most.encoded_len()), (16, 1_024));
        let error = full(&"x".repeat(last + 1));
        assert_eq!(error, Err(InvalidMetadata::TooLong(1_025)));
        let keys: Vec<_> = (0..17).map(|n| n.to_string()).collect();
        let many = keys.iter().map(|key| (&**key, ""));
        assert_eq!(Metadata::new(many), Err(InvalidMetadata::TooMany(17)));
    }
}
