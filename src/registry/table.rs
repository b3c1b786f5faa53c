//! Tables of values that hold their own keys.
//!
//! A hash map keeps up to half of its space free, and of fat values that is much. Here the values lie side by side, and
//! what is hashed are their places, of four bytes each.

use std::hash::{BuildHasher, Hash, RandomState};
use std::ops::Index;

use hashbrown::HashTable;

/// A value that holds the key by which it is found.
pub(super) trait Keyed {
    type Key: Hash + Eq;

    fn key(&self) -> &Self::Key;
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
    /// With keys of its own, since what is hashed may come from clients.
    hasher: RandomState,
}

impl Places {
    /// The place of what has this key.
    pub(super) fn find<K: Hash + Eq + ?Sized>(
        &self,
        key: &K,
        has: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        self.table.find(self.hasher.hash_one(key), |place| has(*place)).copied()
    }

    /// What is at this place has this key from now on; no other has it. `hash` hashes the key of another place.
    pub(super) fn insert<K: Hash + ?Sized>(
        &mut self,
        key: &K,
        place: u32,
        hash: impl Fn(u32, &RandomState) -> u64,
    ) {
        let hasher = &self.hasher;
        self.table.insert_unique(hasher.hash_one(key), place, |other| hash(*other, hasher));
    }

    /// What is at this place has this key no more.
    pub(super) fn remove<K: Hash + ?Sized>(&mut self, key: &K, place: u32) {
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = self.table.find_entry(hash, |other| *other == place) {
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

    pub(super) fn get(&self, key: &T::Key) -> Option<&T> {
        self.at(self.place(key)?)
    }

    pub(super) fn get_mut(&mut self, key: &T::Key) -> Option<&mut T> {
        let place = self.place(key)?;
        self.values[place as usize].as_mut()
    }

    /// The value with this key, made if there is none.
    pub(super) fn get_or_insert(&mut self, key: &T::Key, make: impl FnOnce() -> T) -> &mut T {
        let place = self.place(key).unwrap_or_else(|| self.insert(make()));
        self.values[place as usize].as_mut().expect("found or made above")
    }

    /// Adds a value, in place of one with the same key. Returns where it is.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        self.remove(value.key());
        let place = self.free.pop().unwrap_or_else(|| {
            self.values.push(None);
            u32::try_from(self.values.len() - 1).expect("memory holds fewer")
        });
        let values = &self.values;
        let hash = |other: u32, hasher: &RandomState| {
            let other = values[other as usize].as_ref().expect("a place that is known is taken");
            hasher.hash_one(other.key())
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
    struct Word(String, u32);

    impl Keyed for Word {
        type Key = String;

        fn key(&self) -> &String {
            &self.0
        }
    }

    proptest! {
        #[test]
        fn a_table_is_like_a_hash_map(
            steps in proptest::collection::vec((0..40_u8, any::<bool>(), any::<u32>()), 0..200),
        ) {
            let (mut table, mut map) = (Table::<Word>::default(), HashMap::new());
            for (key, goes, value) in steps {
                let key = format!("word {key}");
                if goes {
                    let gone = table.remove(&key).map(|word| word.1);
                    prop_assert_eq!(gone, map.remove(&key));
                } else {
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
