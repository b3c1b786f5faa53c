//! Frames read once: the server sends the same bytes to everyone who watches, so what they mean is kept by their bytes.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;
use herenow_client::protocol::{
    Change, DecodeError, Epoch, ServerMessage, Shown, UserId, ViewId, ViewProof,
};

use crate::catalogue::{Catalogue, EntryNumber};
use crate::mark::Mark;
use crate::reading;

/// Frames that are remembered. All watchers are told the same within moments, so older ones do not come again.
const REMEMBERED_MAX: usize = 4096;

/// What a frame means, ready to be applied to many views.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// A page of a snapshot.
    Page {
        /// The first id of the range.
        first: UserId,
        /// The last id of the range.
        last: UserId,
        /// The entries.
        entries: Vec<(UserId, EntryNumber)>,
    },
    /// The end of a snapshot.
    End(ViewProof),
    /// A step of a view.
    Delta {
        /// The version before.
        from: u64,
        /// The view afterwards.
        proof: ViewProof,
        /// What changes.
        steps: Vec<Step>,
    },
    /// The answer to a heartbeat.
    Ack {
        /// Which one.
        n: u64,
        /// The views that are proved.
        views: Vec<(ViewId, ViewProof)>,
    },
    /// Anything else.
    Other(ServerMessage),
}

/// One change of a view.
#[derive(Debug)]
pub(crate) enum Step {
    /// The id has this entry from now on.
    Joined(UserId, EntryNumber),
    /// The id's entry keeps its name.
    Updated {
        /// The id.
        id: UserId,
        /// What is shown from now on.
        shown: Shown,
        /// The last entry that this was applied to, and what became of it: the same for nearly all watchers.
        memo: (EntryNumber, EntryNumber),
    },
    /// The id has no entry any more.
    Left(UserId),
}

/// A frame and the marks of the load's own changes in it.
#[derive(Debug)]
pub(crate) struct Frame {
    /// What it means.
    pub(crate) meaning: Meaning,
    /// Whose changes it shows.
    pub(crate) marks: Rc<[Mark]>,
    /// The place of the frame that followed it last time.
    next: usize,
}

/// The frames that were read.
pub(crate) struct Frames {
    /// What the entries are.
    pub(crate) catalogue: Catalogue,
    places: HashMap<Bytes, usize>,
    frames: Vec<(Bytes, Frame)>,
}

impl Step {
    /// The id that changes.
    pub(crate) fn id(&self) -> UserId {
        match self {
            Self::Joined(id, _) | Self::Updated { id, .. } | Self::Left(id) => *id,
        }
    }

    /// What becomes of the entry `held`; `None` if there must be one and is not.
    pub(crate) fn applied_to(
        &mut self,
        held: EntryNumber,
        catalogue: &mut Catalogue,
    ) -> Option<EntryNumber> {
        match self {
            Self::Joined(_, number) => Some(*number),
            Self::Left(_) => (held != 0).then_some(0),
            Self::Updated { memo: (known, becomes), .. } if held != 0 && held == *known => {
                Some(*becomes)
            }
            Self::Updated { id, shown, memo } => {
                let becomes = catalogue.renewed(held, *id, shown)?;
                *memo = (held, becomes);
                Some(becomes)
            }
        }
    }
}

impl Frames {
    /// None yet, of a server with this epoch.
    pub(crate) fn new(epoch: Epoch) -> Self {
        let catalogue = Catalogue::new(epoch);
        Self { catalogue, places: HashMap::new(), frames: Vec::new() }
    }

    /// The place of the frame with these bytes, which is good until the next call. `previous` is the place of the one
    /// that came before it on the same connection, as a guess saves hashing the bytes.
    pub(crate) fn place(&mut self, previous: usize, body: &[u8]) -> Result<usize, DecodeError> {
        let guess = self.frames.get(previous).map_or(usize::MAX, |(_, frame)| frame.next);
        if self.frames.get(guess).is_some_and(|(bytes, _)| bytes == body) {
            return Ok(guess);
        }
        let place = match self.places.get(body) {
            Some(place) => *place,
            None => self.read(body)?,
        };
        if let Some((_, frame)) = self.frames.get_mut(previous) {
            frame.next = place;
        }
        Ok(place)
    }

    /// The frame at a place, and the catalogue to apply it with.
    pub(crate) fn at(&mut self, place: usize) -> (&mut Frame, &mut Catalogue) {
        (&mut self.frames[place].1, &mut self.catalogue)
    }

    fn read(&mut self, body: &[u8]) -> Result<usize, DecodeError> {
        if self.frames.len() >= REMEMBERED_MAX {
            self.frames.clear();
            self.places.clear();
        }
        let mut marks = Vec::new();
        let meaning = meaning(reading::decode(body)?, &mut self.catalogue, &mut marks);
        let bytes = Bytes::copy_from_slice(body);
        let place = self.frames.len();
        self.places.insert(bytes.clone(), place);
        self.frames.push((bytes, Frame { meaning, marks: marks.into(), next: usize::MAX }));
        Ok(place)
    }
}

fn meaning(message: ServerMessage, catalogue: &mut Catalogue, marks: &mut Vec<Mark>) -> Meaning {
    match message {
        ServerMessage::SnapshotPage { first, last, entries, .. } => {
            marks.extend(entries.iter().filter_map(|entry| Mark::shown(&entry.shown)));
            let entries = entries.iter().map(|entry| (entry.id, catalogue.number(entry)));
            Meaning::Page { first, last, entries: entries.collect() }
        }
        ServerMessage::SnapshotEnd { proof, .. } => Meaning::End(proof),
        ServerMessage::Delta { from, proof, changes, .. } => {
            let steps = changes.into_iter().map(|change| step(change, catalogue, marks)).collect();
            Meaning::Delta { from, proof, steps }
        }
        ServerMessage::HeartbeatAck { n, views, .. } => Meaning::Ack { n, views },
        other => Meaning::Other(other),
    }
}

fn step(change: Change, catalogue: &mut Catalogue, marks: &mut Vec<Mark>) -> Step {
    match change {
        Change::Joined(entry) => {
            marks.extend(Mark::shown(&entry.shown));
            Step::Joined(entry.id, catalogue.number(&entry))
        }
        Change::Updated { id, shown } => {
            marks.extend(Mark::shown(&shown));
            Step::Updated { id, shown, memo: (0, 0) }
        }
        Change::Left { id, .. } => Step::Left(id),
    }
}
