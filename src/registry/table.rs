//! Values at places, and where the value with a key is.
//!
//! A hash map keeps up to half of its space free, and of fat values that is much. Here the values lie side by side, and
//! what is hashed are their places. Whoever knows a place needs no key: with a million values every look into an index is
//! a miss of the processor's caches or two.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use herenow_protocol::DisplayName;

use crate::journal::Fingerprint;

/// Values side by side. A place that was left is taken again.
#[derive(Debug)]
pub(super) struct Slab<T> {
    values: Vec<Option<T>>,
    free: Vec<u32>,
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

/// Tokens are random, the server's own, and so are their fingerprints.
impl Key for Fingerprint {
    fn hash(&self, _: &RandomState) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// The places of values by something that the values hold.
#[derive(Debug, Default)]
pub(super) struct Places {
    table: HashTable<Known>,
    secret: RandomState,
}

/// A place, and the half of its key's hash, so that a table that grows reads no values.
#[derive(Clone, Copy, Debug)]
struct Known {
    half: u32,
    place: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { values: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.values.len() - self.free.len()
    }

    /// The value at a place.
    pub(super) fn at(&self, place: u32) -> Option<&T> {
        self.values.get(place as usize)?.as_ref()
    }

    /// The value at a place, to be changed.
    pub(super) fn at_mut(&mut self, place: u32) -> Option<&mut T> {
        self.values.get_mut(place as usize)?.as_mut()
    }

    /// Adds a value. Returns where it is until it is taken out.
    pub(super) fn add(&mut self, value: T) -> u32 {
        if let Some(place) = self.free.pop() {
            self.values[place as usize] = Some(value);
            return place;
        }
        self.values.push(Some(value));
        u32::try_from(self.values.len() - 1).expect("memory holds fewer")
    }

    /// Takes the value at a place out.
    pub(super) fn take(&mut self, place: u32) -> Option<T> {
        let value = self.values.get_mut(place as usize)?.take()?;
        self.free.push(place);
        Some(value)
    }
}

impl Places {
    /// The place of what has this key, which `has` tells of a place that may have it.
    pub(super) fn find(&self, key: &impl Key, has: impl Fn(u32) -> bool) -> Option<u32> {
        let half = self.half(key);
        let known = self.table.find(spread(half), |known| known.half == half && has(known.place));
        known.map(|known| known.place)
    }

    /// What is at this place has this key from now on; no other has it.
    pub(super) fn insert(&mut self, key: &impl Key, place: u32) {
        let half = self.half(key);
        self.table.insert_unique(spread(half), Known { half, place }, |other| spread(other.half));
    }

    /// What is at this place has this key no more.
    pub(super) fn remove(&mut self, key: &impl Key, place: u32) {
        let half = self.half(key);
        if let Ok(entry) = self.table.find_entry(spread(half), |known| known.place == place) {
            entry.remove();
        }
    }

    fn half(&self, key: &impl Key) -> u32 {
        (key.hash(&self.secret) >> 32) as u32
    }
}

/// Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3, section 6.4): the table goes by the lowest bits
/// and the seven highest.
fn spread(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_in_a_row_and_far_apart_are_spread() {
        for shift in [0, 8, 20] {
            let hashes: Vec<_> = (1..=4_096_u32).map(|n| spread(n << shift)).collect();
            let highest: std::collections::HashSet<_> = hashes.iter().map(|h| h >> 57).collect();
            let lowest: std::collections::HashSet<_> = hashes.iter().map(|h| h << 32).collect();
            assert_eq!((highest.len(), lowest.len()), (128, 4_096), "shifted by {shift}");
        }
    }

    proptest! {
        #[test]
        fn values_and_their_places_are_like_a_hash_map(
            steps in proptest::collection::vec((0..40_u8, any::<bool>(), any::<u32>()), 0..200),
        ) {
            let (mut slab, mut places) = (Slab::<(DisplayName, u32)>::default(), Places::default());
            let mut map = HashMap::new();
            let has = |slab: &Slab<(DisplayName, u32)>, at, key: &DisplayName| {
                slab.at(at).is_some_and(|value| value.0 == *key)
            };
            for (key, goes, value) in steps {
                let key = DisplayName::new(&format!("word {key}")).expect("valid");
                let at = places.find(&key, |at| has(&slab, at, &key));
                prop_assert_eq!(at.is_some(), map.contains_key(&key));
                match (at, goes) {
                    (Some(at), true) => {
                        places.remove(&key, at);
                        let gone = slab.take(at).map(|value| value.1);
                        prop_assert_eq!(gone, map.remove(&key));
                        prop_assert!(slab.at(at).is_none() && slab.take(at).is_none());
                    }
                    (Some(at), false) => slab.at_mut(at).expect("found there").1 = value,
                    (None, true) => {}
                    (None, false) => places.insert(&key, slab.add((key.clone(), value))),
                }
                if !goes {
                    map.insert(key, value);
                }
                prop_assert_eq!(slab.len(), map.len());
                for (key, value) in &map {
                    let at = places.find(key, |at| has(&slab, at, key)).expect("it is there");
                    prop_assert_eq!(slab.at(at).map(|found| found.1), Some(*value));
                }
            }
        }
    }
}
