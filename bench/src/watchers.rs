//! Those of the crowd who watch a list, each with a view of its own.

use std::rc::Rc;

use herenow_client::protocol::{DecodeError, Epoch, ServerMessage, ViewProof};

use crate::failure::Failure;
use crate::frames::{Frames, Meaning};
use crate::mark::Mark;
use crate::reading::unexpected;
use crate::view::{Mismatch, View};

/// Watchers of one list; consecutive numbers of the crowd.
pub(crate) struct Watchers {
    epoch: Epoch,
    first: usize,
    frames: Frames,
    seats: Vec<Seat>,
}

/// One watcher.
#[derive(Clone, Debug, Default)]
struct Seat {
    view: View,
    /// The place of the frame before.
    previous: usize,
}

/// What a watcher was told.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// A step of the list, with the marks of changes in it.
    News(Rc<[Mark]>),
    /// The list is complete and proved.
    Complete,
    /// Its heartbeat was answered; its view is exact if the answer proved it.
    Ack {
        /// Which heartbeat.
        n: u64,
        /// The version at which the answer proved the view.
        proved: Option<u64>,
    },
    /// The answer to its request to watch.
    Watching,
}

impl Watchers {
    /// `count` watchers that know nothing yet, from this number of the crowd on.
    pub(crate) fn new(epoch: Epoch, first: usize, count: usize) -> Self {
        let unknown = Seat { view: View::default(), previous: usize::MAX };
        Self { epoch, first, frames: Frames::new(epoch), seats: vec![unknown; count] }
    }

    /// The epoch of their server.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    /// The number of the first of them in the crowd.
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// Whether this one of the crowd is a watcher.
    pub(crate) fn include(&self, who: usize) -> bool {
        (self.first..self.first + self.seats.len()).contains(&who)
    }

    /// How many entries this one's view has; `None` while it is incomplete.
    pub(crate) fn count(&self, who: usize) -> Option<u32> {
        self.seats[who - self.first].view.count()
    }

    /// At which version this one's view is; `None` while it is incomplete.
    pub(crate) fn version(&self, who: usize) -> Option<u64> {
        self.seats[who - self.first].view.version()
    }

    /// Takes what one of the crowd was told, and proves its view where the server proves its own.
    ///
    /// # Errors
    /// [`Failure::View`] as soon as a view is wrong, and whatever no watcher should be told.
    pub(crate) fn hear(&mut self, who: usize, body: &[u8]) -> Result<Told, Failure> {
        let seat = &mut self.seats[who - self.first];
        let unreadable = |error: DecodeError| Failure::Frame { who, error };
        let place = self.frames.place(seat.previous, body).map_err(unreadable)?;
        seat.previous = place;
        let (frame, catalogue) = self.frames.at(place);
        let wrong = |mismatch| Failure::View { who, mismatch };
        let view = &mut seat.view;
        match &mut frame.meaning {
            Meaning::Page { first, last, entries } => {
                view.page(catalogue, *first, *last, entries);
                Ok(Told::News(frame.marks.clone()))
            }
            Meaning::End(proof) => view.end(proof).map(|()| Told::Complete).map_err(wrong),
            Meaning::Delta { from, proof, steps } => {
                view.delta(catalogue, *from, proof, steps).map_err(wrong)?;
                Ok(Told::News(frame.marks.clone()))
            }
            Meaning::Ack { n, views } => {
                let proof = views.first().map(|(_, proof)| *proof);
                let proved = acknowledged(view, proof).map_err(wrong)?;
                Ok(Told::Ack { n: *n, proved })
            }
            Meaning::Other(ServerMessage::Result { .. }) => Ok(Told::Watching),
            Meaning::Other(other) => Err(unexpected(who, other)),
        }
    }
}

/// An ack proves a complete view; one that proves nothing leaves it as it is.
fn acknowledged(view: &View, proof: Option<ViewProof>) -> Result<Option<u64>, Mismatch> {
    match (view.version(), proof) {
        (Some(_), Some(proof)) => view.check(&proof).map(|()| Some(proof.version)),
        (None, Some(_)) => Err(Mismatch::Unproved),
        (_, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests;
