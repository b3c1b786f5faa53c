//! Every distinct entry that any watcher was ever shown, once: a number stands for it in all views.

use std::collections::HashMap;

use herenow_client::protocol::digest::EntryHasher;
use herenow_client::protocol::{Digest, DisplayName, Entry, Epoch, Shown, UserId};

/// Stands for one distinct entry; 0 stands for none.
pub(crate) type EntryNumber = u32;

/// The entries behind the numbers.
pub(crate) struct Catalogue {
    hasher: EntryHasher,
    /// By number; the first place is that of no entry.
    hashes: Vec<Digest>,
    names: Vec<Option<DisplayName>>,
    numbers: HashMap<[u8; 16], EntryNumber>,
}

impl Catalogue {
    /// Nobody yet, under this epoch.
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self {
            hasher: EntryHasher::new(epoch),
            hashes: vec![Digest::default()],
            names: vec![None],
            numbers: HashMap::new(),
        }
    }

    /// The number of this entry, told apart from others by its hash.
    pub(crate) fn number(&mut self, entry: &Entry) -> EntryNumber {
        let hash = self.hasher.hash(entry);
        *self.numbers.entry(hash.to_bytes()).or_insert_with(|| {
            self.hashes.push(hash);
            self.names.push(Some(entry.name.clone()));
            EntryNumber::try_from(self.hashes.len() - 1).expect("memory ends before the numbers do")
        })
    }

    /// The number of an entry with the name of `old`; `None` if that is no entry.
    pub(crate) fn renewed(
        &mut self,
        old: EntryNumber,
        id: UserId,
        shown: &Shown,
    ) -> Option<EntryNumber> {
        let name = self.names[old as usize].clone()?;
        Some(self.number(&Entry { id, name, shown: shown.clone() }))
    }

    /// The hash of an entry; that of none is 0.
    pub(crate) fn hash(&self, number: EntryNumber) -> Digest {
        self.hashes[number as usize]
    }
}
