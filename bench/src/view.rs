//! What one watcher has been told of a list, and whether it is what the server proves.
//!
//! Every watcher has a view of its own, from its own bytes; only the reading of a frame is shared among those who got the
//! same bytes. The rules are those of `docs/protocol.md`, section 6, without the repair: a wrong view ends the run.

use herenow_client::protocol::{Digest, UserId, ViewProof};

use crate::catalogue::{Catalogue, EntryNumber};
use crate::frames::Step;

/// One watcher's copy of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// By id; 0 where there is no entry.
    entries: Vec<EntryNumber>,
    count: u32,
    digest: Digest,
    version: u64,
    complete: bool,
}

/// How a view differs from what the server proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    /// A delta or proof belongs to another version.
    #[error("it is at version {held}, the server says {told}")]
    Version {
        /// The version of the view.
        held: u64,
        /// What the server says.
        told: u64,
    },
    /// The number of entries differs.
    #[error("it has {held} entries, the server says {told}")]
    Count {
        /// How many the view has.
        held: u32,
        /// What the server says.
        told: u32,
    },
    /// The entries differ.
    #[error("it adds up to {held}, the server says {told}")]
    Digest {
        /// The digest of the view.
        held: Digest,
        /// What the server says.
        told: Digest,
    },
    /// A complete view must know everyone who is updated or leaves.
    #[error("it has no entry {}, which the server changes", id.0)]
    Unknown {
        /// The id.
        id: UserId,
    },
    /// The server proves nothing although the view is complete and settled.
    #[error("the server does not prove it any more")]
    Unproved,
}

impl View {
    /// The version at which it was last proved; `None` while it is incomplete.
    pub(crate) fn version(&self) -> Option<u64> {
        self.complete.then_some(self.version)
    }

    /// How many entries it has; `None` while it is incomplete.
    pub(crate) fn count(&self) -> Option<u32> {
        self.complete.then_some(self.count)
    }

    /// In the range `first..=last` exactly `page` exists, ascending.
    pub(crate) fn page(
        &mut self,
        catalogue: &Catalogue,
        first: UserId,
        last: UserId,
        page: &[(UserId, EntryNumber)],
    ) {
        self.complete = false;
        let end = self.entries.len().min((last.0 as usize).saturating_add(1));
        for id in (first.0 as usize)..end {
            self.put(catalogue, id, 0);
        }
        for (id, number) in page {
            self.put(catalogue, id.0 as usize, *number);
        }
    }

    /// The pages are complete: the view must be this.
    pub(crate) fn end(&mut self, proof: &ViewProof) -> Result<(), Mismatch> {
        self.version = proof.version;
        self.complete = true;
        self.check(proof)
    }

    /// Goes on to another version. An incomplete view ignores changes of entries that it does not have.
    pub(crate) fn delta(
        &mut self,
        catalogue: &mut Catalogue,
        from: u64,
        proof: &ViewProof,
        steps: &mut [Step],
    ) -> Result<(), Mismatch> {
        if self.complete && from != self.version {
            return Err(Mismatch::Version { held: self.version, told: from });
        }
        for step in steps {
            let id = step.id().0 as usize;
            let held = self.entries.get(id).copied().unwrap_or_default();
            match step.applied_to(held, catalogue) {
                Some(number) => self.put(catalogue, id, number),
                None if self.complete => return Err(Mismatch::Unknown { id: step.id() }),
                None => {}
            }
        }
        self.version = proof.version;
        if self.complete { self.check(proof) } else { Ok(()) }
    }

    /// Compares the view with what it must be at this place of the stream.
    pub(crate) fn check(&self, proof: &ViewProof) -> Result<(), Mismatch> {
        let Self { version, count, digest, .. } = *self;
        if version != proof.version {
            return Err(Mismatch::Version { held: version, told: proof.version });
        }
        if count != proof.count {
            return Err(Mismatch::Count { held: count, told: proof.count });
        }
        if digest != proof.digest {
            return Err(Mismatch::Digest { held: digest, told: proof.digest });
        }
        Ok(())
    }

    fn put(&mut self, catalogue: &Catalogue, id: usize, number: EntryNumber) {
        if id >= self.entries.len() {
            self.entries.resize(id + 1, 0);
        }
        let old = std::mem::replace(&mut self.entries[id], number);
        self.digest.remove(catalogue.hash(old));
        self.digest.add(catalogue.hash(number));
        self.count = self.count + u32::from(number != 0) - u32::from(old != 0);
    }
}
