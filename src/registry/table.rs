//! Tables of values that hold their own keys.
//!
//! A hash map keeps up to half of its space free, and of fat values that is much. Here the values lie side by side, and
//! what is hashed are their places, of four bytes each.

use std::hash::{BuildHasher, RandomState};
use std::ops::Index;

use hashbrown::HashTable;
use herenow_protocol::{DisplayName, SessionId};

use crate::journal::Fingerprint;

/// A value that holds the key by which it is found.
pub(super) trait Keyed {
    type Key: Key;

    fn key(&self) -> &Self::Key;
}

/// What values are found by.
pub(super) trait Key: Eq {
    /// Spreads the keys. What clients may choose is spread by a secret, so that nobody can make many fall together.
    fn hash(&self, secret: &RandomState) -> u64;
}

/// Names are chosen by clients.
impl Key for DisplayName {
    fn hash(&self, secret: &RandomState) -> u64 {
        secret.hash_one(self.as_str())
    }
}

/// Numbers of sessions are random, the server's own.
impl Key for SessionId {
    fn hash(&self, _: &RandomState) -> u64 {
        spread(self.0)
    }
}

/// Tokens are random, the server's own, and so are their fingerprints.
impl Key for Fingerprint {
    fn hash(&self, _: &RandomState) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3, section 6.4), with both halves of the product.
fn spread(number: u64) -> u64 {
    let product = u128::from(number) * 0x9e37_79b9_7f4a_7c15;
    (product ^ (product >> 64)) as u64
}

/// Values by their keys.
#[derive(Debug)]
pub(super) struct Table<T> {
    values: Vec<Option<T>>,
    free: Vec<u32>,
    places: Places,
}

/// The places of values by something that the values hold.
#[derive(Debug, Default)]
pub(super) struct Places {
    table: HashTable<u32>,
    secret: RandomState,
}

impl Places {
    /// The place of what has this key.
    pub(super) fn find(&self, key: &impl Key, has: impl Fn(u32) -> bool) -> Option<u32> {
        self.table.find(key.hash(&self.secret), |place| has(*place)).copied()
    }

    /// What is at this place has this key from now on; no other has it. `hash` hashes the key of another place.
    pub(super) fn insert(
        &mut self,
        key: &impl Key,
        place: u32,
        hash: impl Fn(u32, &RandomState) -> u64,
    ) {
        let secret = &self.secret;
        self.table.insert_unique(key.hash(secret), place, |other| hash(*other, secret));
    }

    /// What is at this place has this key no more.
    pub(super) fn remove(&mut self, key: &impl Key, place: u32) {
        if let Ok(entry) = self.table.find_entry(key.hash(&self.secret), |other| *other == place) {
            entry.remove();
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { values: Vec::new(), free: Vec::new(), places: Places::default() }
    }
}

impl<T: Keyed> Table<T> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.values.len() - self.free.len()
    }

    /// The place of the value with this key, until it is removed.
    pub(super) fn place(&self, key: &T::Key) -> Option<u32> {
        self.places.find(key, |place| self.at(place).is_some_and(|value| value.key() == key))
    }

    /// The value at a place.
    pub(super) fn at(&self, place: u32) -> Option<&T> {
        self.values.get(place as usize)?.as_ref()
    }

    /// The value at a place that is taken, to be changed.
    pub(super) fn at_mut(&mut self, place: u32) -> &mut T {
        self.values[place as usize].as_mut().expect("the caller found it there")
    }

    pub(super) fn get(&self, key: &T::Key) -> Option<&T> {
        self.at(self.place(key)?)
    }

    pub(super) fn get_mut(&mut self, key: &T::Key) -> Option<&mut T> {
        let place = self.place(key)?;
        Some(self.at_mut(place))
    }

    /// The value with this key, made if there is none.
    pub(super) fn get_or_insert(&mut self, key: &T::Key, make: impl FnOnce() -> T) -> &mut T {
        let place = self.place(key).unwrap_or_else(|| self.insert(make()));
        self.at_mut(place)
    }

    /// Adds a value; there is none with its key. Returns where it is.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        debug_assert!(self.place(value.key()).is_none());
        let place = self.free.pop().unwrap_or_else(|| {
            self.values.push(None);
            u32::try_from(self.values.len() - 1).expect("memory holds fewer")
        });
        let values = &self.values;
        let hash = |other: u32, secret: &RandomState| {
            let other = values[other as usize].as_ref().expect("a place that is known is taken");
            other.key().hash(secret)
        };
        self.places.insert(value.key(), place, hash);
        self.values[place as usize] = Some(value);
        place
    }

    pub(super) fn remove(&mut self, key: &T::Key) -> Option<T> {
        let place = self.place(key)?;
        self.places.remove(key, place);
        self.free.push(place);
        self.values[place as usize].take()
    }
}

impl<T: Keyed> Index<&T::Key> for Table<T> {
    type Output = T;

    fn index(&self, key: &T::Key) -> &T {
        self.get(key).expect("the caller knows that it is there")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Word(DisplayName, u32);

    impl Keyed for Word {
        type Key = DisplayName;

        fn key(&self) -> &DisplayName {
            &self.0
        }
    }

    #[test]
    fn numbers_in_a_row_are_spread() {
        for shift in [0, 24, 32, 45] {
            let hashes: Vec<_> = (1..=4_096_u64).map(|n| spread(n << shift)).collect();
            for bits in [0, 20, 57] {
                let buckets: std::collections::HashSet<_> =
                    hashes.iter().map(|hash| (hash >> bits) & 127).collect();
                assert_eq!(buckets.len(), 128, "bits {bits} of numbers shifted by {shift}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_table_is_like_a_hash_map(
            steps in proptest::collection::vec((0..40_u8, any::<bool>(), any::<u32>()), 0..200),
        ) {
            let (mut table, mut map) = (Table::<Word>::default(), HashMap::new());
            for (key, goes, value) in steps {
                let key = DisplayName::new(&format!("word {key}")).expect("valid");
                if goes {
                    let gone = table.remove(&key).map(|word| word.1);
                    prop_assert_eq!(gone, map.remove(&key));
                } else {
                    table.remove(&key);
                    table.insert(Word(key.clone(), value));
                    map.insert(key, value);
                }
                prop_assert_eq!(table.len(), map.len());
                for (key, value) in &map {
                    prop_assert_eq!(table.get(key).map(|word| word.1), Some(*value));
                }
            }
        }
    }
}
