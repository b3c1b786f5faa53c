//! This client's copy of a list, which checks itself whenever the server proves its own.
//!
//! Pure: no sockets, no clock; callers pass `now`.
//!
//! A snapshot is built aside and replaces the entries in one step, so that [`View::entries`] is never half old and half
//! new. Only a copy that was found wrong is mended in place, and then it does not count as true until it is whole.

mod copied;

use std::time::Instant;

use herenow_protocol::digest::EntryHasher;
use herenow_protocol::{Change, CloseReason, Digest, Entry, Epoch, UserId, ViewProof};

use copied::Copied;

/// The users in a list, as far as this client knows.
#[derive(Debug, Default)]
pub struct View {
    hasher: Option<EntryHasher>,
    shown: Copied,
    /// Pages and deltas since a snapshot began; `None` between snapshots.
    incoming: Option<Copied>,
    trust: Trust,
    proved_at: Option<Instant>,
}

/// How much is held of lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Entries.
    pub people: usize,
    /// What their records take, in bytes.
    pub bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Trust {
    /// Only a snapshot can prove anything.
    #[default]
    Incomplete,
    /// Every proof since the snapshot agreed.
    Complete,
    /// It was found wrong. Deltas and pages are applied to it until it proves itself.
    Diverged {
        /// Entries that were mended since.
        mended: usize,
        /// Pages are under way, at whose end it proves itself and not before.
        paged: bool,
    },
}

/// What the server proved differs from what this view holds: the view is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// A delta or proof belongs to another version.
    #[error("the list is at version {held}, the server says {told}")]
    Version {
        /// The version of this view.
        held: u64,
        /// The version that the server means.
        told: u64,
    },
    /// The number of entries differs.
    #[error("the list has {held} entries, the server says {told}")]
    Count {
        /// How many this view has.
        held: usize,
        /// How many there must be.
        told: u32,
    },
    /// The entries differ.
    #[error("the list adds up to {held}, the server says {told}")]
    Digest {
        /// The digest of this view.
        held: Digest,
        /// What it must be.
        told: Digest,
    },
}

/// What a message proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// Nothing: the view is not complete.
    NotYet,
    /// The view is exact, as it was.
    Exact,
    /// A whole snapshot is exact, and replaced what was shown.
    Replaced,
    /// A view that was wrong is exact again.
    Mended {
        /// How many entries were replaced for it.
        entries: usize,
    },
}

/// One change of what is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A user is listed from now on.
    Joined(Entry),
    /// A listed user is shown differently.
    Updated(Entry),
    /// A user is no longer listed.
    Left {
        /// The user as last seen.
        entry: Entry,
        /// Why.
        cause: CloseReason,
    },
}

impl View {
    /// Starts anew under this epoch: incomplete, showing what it showed before.
    pub fn follow(&mut self, epoch: Epoch) {
        self.hasher = Some(EntryHasher::new(epoch));
        self.distrust();
    }

    /// The server begins the snapshot that a `Watch` asked for.
    pub fn begin_snapshot(&mut self) {
        self.trust = Trust::Incomplete;
        self.incoming = Some(Copied::default());
    }

    /// The connection ended. A complete copy goes on to be one, since it can be continued from its version.
    pub fn suspend(&mut self) {
        if self.trust != Trust::Complete {
            self.distrust();
        }
    }

    /// What is shown can no longer be believed; only a new snapshot makes it complete again.
    pub fn distrust(&mut self) {
        self.trust = Trust::Incomplete;
        self.incoming = None;
    }

    /// In the range `first..=last` exactly `entries` exist. Mends a copy that was found wrong; else it belongs to a
    /// snapshot, which it begins if none is under way.
    pub fn page(&mut self, first: UserId, last: UserId, entries: Vec<Entry>) {
        let Some(hasher) = &self.hasher else { return };
        if let Trust::Diverged { mended, .. } = &mut self.trust {
            *mended += self.shown.mend(hasher, first, last, entries);
            return;
        }
        self.trust = Trust::Incomplete;
        self.incoming.get_or_insert_default().replace(hasher, first, last, entries);
    }

    /// The pages are complete: if they prove themselves they replace what was shown.
    ///
    /// # Errors
    /// [`Mismatch`]; the view shows what it showed before, and is incomplete or [diverged](Self::is_diverged).
    pub fn end_snapshot(&mut self, proof: &ViewProof, now: Instant) -> Result<Proved, Mismatch> {
        let mut incoming = match self.incoming.take() {
            Some(incoming) => incoming,
            None if self.trust != Trust::Incomplete => {
                if let Trust::Diverged { paged, .. } = &mut self.trust {
                    *paged = false;
                    self.shown.version = proof.version;
                }
                return self.prove(proof, now);
            }
            None => Copied::default(),
        };
        incoming.version = proof.version;
        incoming.check(proof)?;
        self.shown = incoming;
        self.now_exact(now);
        Ok(Proved::Replaced)
    }

    /// Applies a delta, and appends to `steps` what it changes in what is shown.
    ///
    /// # Errors
    /// [`Mismatch`]; the view is [diverged](Self::is_diverged). The changes were applied nevertheless.
    pub fn delta(
        &mut self,
        from: u64,
        proof: &ViewProof,
        changes: Vec<Change>,
        now: Instant,
        steps: &mut Vec<Step>,
    ) -> Result<Proved, Mismatch> {
        let Some(hasher) = &self.hasher else { return Ok(Proved::NotYet) };
        if let Some(incoming) = &mut self.incoming {
            let mut unseen = Vec::new();
            changes.into_iter().for_each(|change| incoming.apply(hasher, change, &mut unseen));
            return Ok(Proved::NotYet);
        }
        if self.trust == Trust::Incomplete {
            return Ok(Proved::NotYet);
        }
        let held = self.shown.version;
        self.shown.version = held.max(proof.version);
        changes.into_iter().for_each(|change| self.shown.apply(hasher, change, steps));
        if self.trust == Trust::Complete && held != from {
            self.trust = Trust::Diverged { mended: 0, paged: false };
            return Err(Mismatch::Version { held, told: from });
        }
        self.prove(proof, now)
    }

    /// Compares the view with what the server says it must be at this place of the stream. A diverged view takes a newer
    /// version over, since its own says nothing any more.
    ///
    /// # Errors
    /// [`Mismatch`]; the view is [diverged](Self::is_diverged).
    pub fn prove(&mut self, proof: &ViewProof, now: Instant) -> Result<Proved, Mismatch> {
        match self.trust {
            Trust::Incomplete => Ok(Proved::NotYet),
            Trust::Complete => {
                let checked = self.shown.check(proof);
                match checked {
                    Ok(()) => self.now_exact(now),
                    Err(_) => self.trust = Trust::Diverged { mended: 0, paged: false },
                }
                checked.map(|()| Proved::Exact)
            }
            Trust::Diverged { mended, paged } => {
                // What proves an older version, as a delta that comes late, proves nothing of now.
                if paged || proof.version < self.shown.version {
                    return Ok(Proved::NotYet);
                }
                self.shown.version = proof.version;
                if self.shown.check(proof).is_err() {
                    return Ok(Proved::NotYet);
                }
                self.now_exact(now);
                Ok(Proved::Mended { entries: mended })
            }
        }
    }

    /// Appends to `wrong` the ranges of the buckets that do not add up to what they must, ascending and with adjacent
    /// ones merged, and returns how many buckets these are. `first` is the number of the first of them, `width` how
    /// many ids each has.
    pub fn compare(
        &self,
        first: u32,
        width: u32,
        digests: &[Digest],
        wrong: &mut Vec<(UserId, UserId)>,
    ) -> usize {
        let mut count = 0;
        for (bucket, told) in (u64::from(first)..).zip(digests) {
            let (begin, end) =
                (clamp_id(bucket.saturating_mul(u64::from(width))), bucket_end(bucket, width));
            if self.sum(begin, end) == *told {
                continue;
            }
            count += 1;
            match wrong.last_mut() {
                Some((_, last)) if last.0.checked_add(1) == Some(begin.0) => *last = end,
                _ => wrong.push((begin, end)),
            }
        }
        count
    }

    /// Pages that mend a diverged view were asked for. What comes before their end proves nothing: else they would come
    /// to a view that is complete, and begin a snapshot there.
    pub fn await_pages(&mut self) {
        if let Trust::Diverged { paged, .. } = &mut self.trust {
            *paged = true;
        }
    }

    /// The server has no entries from `first` on: a diverged view drops those it has.
    pub fn cut(&mut self, first: UserId) {
        let Some(hasher) = &self.hasher else { return };
        if let Trust::Diverged { mended, .. } = &mut self.trust {
            *mended += self.shown.clear(hasher, first, UserId(u32::MAX));
        }
    }

    /// How many users are shown.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// Whether nobody is shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shown.len() == 0
    }

    /// The users that are shown, by ascending id. Each is decoded from its bytes.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.shown.entries()
    }

    /// The user with this id, if they are shown.
    #[must_use]
    pub fn get(&self, id: UserId) -> Option<Entry> {
        self.shown.get(id)
    }

    /// Whether a snapshot is whole and every proof since then agreed.
    ///
    /// It says nothing about how long ago that was: [`Self::proved_at`] does.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.trust == Trust::Complete
    }

    /// Whether the copy was found wrong and is not proved exact since.
    #[must_use]
    pub fn is_diverged(&self) -> bool {
        matches!(self.trust, Trust::Diverged { .. })
    }

    /// When what is shown was last proved exact; `None` if it never was.
    #[must_use]
    pub fn proved_at(&self) -> Option<Instant> {
        self.proved_at
    }

    /// The version from which a complete view can be continued.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.is_complete().then_some(self.shown.version)
    }

    /// What a complete view adds up to: version, count and digest, as the last proof had them.
    #[must_use]
    pub fn proof(&self) -> Option<ViewProof> {
        self.is_complete().then(|| self.shown.proof())
    }

    /// How much is held: what is shown, and the snapshot that is under way.
    #[must_use]
    pub fn size(&self) -> Size {
        let incoming = self.incoming.as_ref().map(Copied::size).unwrap_or_default();
        self.shown.size() + incoming
    }

    /// What the entries that are shown add up to.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.shown.digest()
    }

    fn sum(&self, first: UserId, last: UserId) -> Digest {
        let sum = |hasher| self.shown.sum(hasher, first, last);
        self.hasher.as_ref().map(sum).unwrap_or_default()
    }

    fn now_exact(&mut self, now: Instant) {
        self.trust = Trust::Complete;
        self.proved_at = Some(now);
    }
}

impl std::ops::Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { people: self.people + other.people, bytes: self.bytes + other.bytes }
    }
}

fn bucket_end(bucket: u64, width: u32) -> UserId {
    clamp_id((bucket + 1).saturating_mul(u64::from(width)).saturating_sub(1))
}

/// A bucket that would reach beyond the last id ends there.
fn clamp_id(id: u64) -> UserId {
    UserId(u32::try_from(id).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
