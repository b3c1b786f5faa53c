//! What one session still has to send, and what its views are like at the end of it.
//!
//! Four obligations of a bounded writer, kept here and nowhere else:
//!
//! 1. Bytes leave in the order in which they were pushed, and no frame is ever cut.
//! 2. News of a view never takes the outbox over its bound: beyond it the view is marked *behind*,
//!    its deltas are dropped, and when the socket drains it gets what it missed, or a fresh snapshot. Presence
//!    is state, so the reader converges to the newest list at its own pace.
//! 3. Answers may pass the bound by [`REPLY_RESERVE`]; beyond that, or beyond [`FRAMES_MAX`],
//!    [`Outbox::is_full`] tells the session to read no further, so a peer that asks and never reads
//!    stops itself.
//! 4. After a goodbye nothing else is pushed.
//!
//! An ack describes each view at its own place of the stream, which is why the proofs live here and
//! not at the registry.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use herenow_protocol::limits::INTEGER_MAX;
use herenow_protocol::{CloseReason, Presence, ServerMessage, UserId, ViewId};

use crate::registry::Wish;
use crate::roster::{BucketBatch, Missed, PageBatch, PublishedDelta, RangeBatch};
use crate::session::Outflow;
use me::Me;
use view::{OpenView, Repair, ViewState};

mod me;
mod view;

#[cfg(test)]
mod tests;

/// Bytes of answers that fit beyond the bound: dozens of acks and errors.
pub const REPLY_RESERVE: usize = 4 * 1024;

/// Frames that may wait. The short answers to heartbeats take ten times their bytes in memory, so
/// that the bound in bytes alone would let each peer that never reads have more than 1 MiB. More
/// deltas than this do not fit into the default bound anyway.
pub const FRAMES_MAX: usize = 2_560;

/// Frames that leave in one write at most. A socket's buffer holds fewer pages than this, and more short frames are rare.
const SLICES_MAX: usize = 32;

/// Pages are asked for when no more than this share of the bound is queued.
const LOW_WATER_DIVISOR: u32 = 4;

/// What one session still has to send.
#[derive(Debug)]
pub struct Outbox {
    queue: VecDeque<Bytes>,
    queued_bytes: u32,
    /// Some bytes of the front frame have left.
    front_begun: bool,
    bytes_max: u32,
    blocked_since: Option<Instant>,
    /// How others see this session's user.
    me: Me,
    /// That was told since the sign-in was answered.
    mirrored: bool,
    #[expect(clippy::box_collection, reason = "most outboxes have none, and there are many")]
    views: Option<Box<Vec<OpenView>>>,
    ending: Option<CloseReason>,
}

impl Outbox {
    /// An empty outbox. `bytes_max` is where views fall behind.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            queued_bytes: 0,
            front_begun: false,
            bytes_max: size(bytes_max),
            blocked_since: None,
            me: Me::Unseen,
            mirrored: false,
            views: None,
            ending: None,
        }
    }

    /// Others see this session's user like this from now on.
    pub fn set_me(&mut self, me: Option<Presence>) {
        (self.me, self.mirrored) = (me.into(), true);
    }

    /// Others saw the user like this at the sign-in. What was told since is newer.
    pub fn set_first_me(&mut self, me: Option<Presence>) {
        if !self.mirrored {
            self.me = me.into();
        }
    }

    /// Queues an answer.
    pub fn push(&mut self, frame: Bytes) {
        if self.ending.is_none() {
            self.queued_bytes += size(frame.len());
            self.queue.push_back(frame);
        }
    }

    /// Queues the answer to heartbeat `n`: what every complete view must be like here, and how old that may be at most.
    pub fn push_ack(&mut self, n: u64, delay: Duration) {
        let proof = |view: &OpenView| match view.state {
            ViewState::Live { proof } => Some((view.id, proof)),
            ViewState::Behind { .. } | ViewState::Paging { .. } => None,
        };
        let views = self.open_views().iter().filter_map(proof).collect();
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(INTEGER_MAX).min(INTEGER_MAX);
        let me = self.me.presence();
        self.push(ServerMessage::HeartbeatAck { n, me, views, delay_ms }.encode());
    }

    /// Opens a view, or starts its snapshot anew.
    pub fn open(&mut self, id: ViewId) {
        self.open_at(id, None);
    }

    /// Goes on with a view of which the client has a copy of this version.
    pub fn go_on(&mut self, id: ViewId, version: u64) {
        self.open_at(id, Some(version));
    }

    fn open_at(&mut self, id: ViewId, version: Option<u64>) {
        let state = ViewState::Behind { version };
        match self.view(id) {
            Some(view) => (view.state, view.repair) = (state, None),
            None => {
                let view = OpenView { id, state, repair: None, asked: None };
                self.views.get_or_insert_default().push(view);
            }
        }
    }

    /// The client's copy of a view is wrong: sends the digests of its buckets, or the entries in some ranges. Returns
    /// whether the view is open. One that is not live gets a snapshot anyway.
    pub fn repair(&mut self, id: ViewId, ranges: Vec<(UserId, UserId)>) -> bool {
        let Some(view) = self.view(id) else { return false };
        if let ViewState::Live { .. } = view.state {
            view.repair = Some(match ranges.is_empty() {
                true => Repair::Buckets(0),
                false => Repair::Ranges(ranges),
            });
        }
        true
    }

    /// Closes a view. Returns whether it was open.
    pub fn shut(&mut self, id: ViewId) -> bool {
        let before = self.open_views().len();
        self.views.iter_mut().for_each(|views| views.retain(|view| view.id != id));
        self.open_views().len() < before
    }

    /// Whether this session watches `id`.
    #[must_use]
    pub fn watches(&self, id: ViewId) -> bool {
        self.open_views().iter().any(|view| view.id == id)
    }

    /// Queues a step of a view, or marks the view behind.
    pub fn deliver(&mut self, delta: &PublishedDelta) {
        if self.accept(delta) {
            self.push(delta.frame.clone());
        }
    }

    /// Gives a step of a view to `write` without queueing it, if the view takes it; queues what is not taken. The outbox must
    /// be [at rest](Self::is_at_rest). Returns how many bytes were taken.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub fn tell(
        &mut self,
        delta: &PublishedDelta,
        now: Instant,
        write: impl FnOnce(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        debug_assert!(self.is_at_rest(), "what waits goes first");
        if !self.accept(delta) {
            return Poll::Ready(Ok(0));
        }
        let taken = match write(&delta.frame) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(taken)) if taken == delta.frame.len() => return Poll::Ready(Ok(taken)),
            Poll::Ready(Ok(taken)) => taken,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => 0,
        };
        self.push(delta.frame.slice(taken..));
        (self.front_begun, self.blocked_since) = (taken > 0, Some(now));
        Poll::Pending
    }

    /// Whether a step of a view is to be sent. If so, the view is taken to have it.
    fn accept(&mut self, delta: &PublishedDelta) -> bool {
        let fits = self.queued_bytes + size(delta.frame.len()) <= self.bytes_max;
        let Some(view) = self.view(delta.view) else { return false };
        let (ViewState::Paging { proof, .. } | ViewState::Live { proof }) = &mut view.state else {
            return false;
        };
        if !fits || proof.version != delta.from {
            view.fall_behind();
            return false;
        }
        *proof = delta.proof;
        true
    }

    /// Queues pages of a view, and the end of its snapshot after the last of them.
    pub fn deliver_pages(&mut self, batch: PageBatch) {
        let Some(view) = self.view(batch.view) else { return };
        let answers = |asked: &Wish| match asked {
            Wish::Pages(from) => *from == batch.from,
            Wish::Since(_) => batch.from == 0,
            Wish::Buckets(_) | Wish::Ranges(_) => false,
        };
        if !view.takes(answers) {
            return;
        }
        let (id, proof) = (batch.view, batch.proof);
        if matches!(view.state, ViewState::Paging { proof: before, .. } if before != proof) {
            view.fall_behind();
            return;
        }
        view.state = match batch.next {
            Some(next) => ViewState::Paging { next, proof },
            None => ViewState::Live { proof },
        };
        batch.frames.into_iter().for_each(|frame| self.push(frame));
        if batch.next.is_none() {
            self.push(ServerMessage::SnapshotEnd { view: id, proof }.encode());
        }
    }

    /// Queues what a copy missed, and the proof that it must have then.
    pub fn deliver_missed(&mut self, missed: Missed) {
        let Some(view) = self.view(missed.view) else { return };
        if !view.takes(|asked| *asked == Wish::Since(missed.from)) {
            return;
        }
        let (id, proof) = (missed.view, missed.proof);
        view.state = ViewState::Live { proof };
        missed.frames.into_iter().for_each(|frame| self.push(frame));
        self.push(ServerMessage::SnapshotEnd { view: id, proof }.encode());
    }

    /// Queues digests of buckets. They hold at the version of the deltas before them, or not at all.
    pub fn deliver_buckets(&mut self, batch: BucketBatch) {
        let Some(view) = self.view(batch.view) else { return };
        let answers = |asked: &Wish| matches!(asked, Wish::Buckets(_));
        if view.takes(answers) && view.is_live_at(batch.proof) {
            view.repair = batch.next.map(Repair::Buckets);
            self.push(batch.frame);
        }
    }

    /// Queues the entries of ranges, and the end of the snapshot after the last of them.
    pub fn deliver_ranges(&mut self, batch: RangeBatch) {
        let Some(view) = self.view(batch.view) else { return };
        let answers = |asked: &Wish| matches!(asked, Wish::Ranges(_));
        if !view.takes(answers) || !view.is_live_at(batch.proof) {
            return;
        }
        let (id, proof, ends) = (batch.view, batch.proof, batch.rest.is_empty());
        view.repair = (!ends).then_some(Repair::Ranges(batch.rest));
        batch.frames.into_iter().for_each(|frame| self.push(frame));
        if ends {
            self.push(ServerMessage::SnapshotEnd { view: id, proof }.encode());
        }
    }

    /// The views that are open.
    pub fn views(&self) -> impl Iterator<Item = ViewId> {
        self.open_views().iter().map(|view| view.id)
    }

    /// Whether [`Self::next_wish`] would find one.
    #[must_use]
    pub fn has_wish(&self) -> bool {
        let room = self.queued_bytes <= self.bytes_max / LOW_WATER_DIVISOR;
        room && self.ending.is_none() && self.open_views().iter().any(OpenView::has_wish)
    }

    /// A view and what to ask the registry for, once per batch and only when there is room for it.
    pub fn next_wish(&mut self) -> Option<(ViewId, Wish)> {
        if !self.has_wish() {
            return None;
        }
        let view = self.views.as_mut()?.iter_mut().find(|view| view.has_wish())?;
        view.asked = view.wish();
        view.asked.clone().map(|wish| (view.id, wish))
    }

    /// Says goodbye: what was not begun is dropped, so that the goodbye leaves next.
    pub fn end(&mut self, reason: CloseReason, goodbye: Bytes) {
        if self.ending.is_some() {
            return;
        }
        self.queue.truncate(usize::from(self.front_begun));
        self.queued_bytes = size(self.queue.iter().map(Bytes::len).sum());
        self.push(goodbye);
        self.ending = Some(reason);
    }

    /// Why the session ends, once it has been told to.
    #[must_use]
    pub fn ending(&self) -> Option<CloseReason> {
        self.ending
    }

    /// Whether nothing is left to send, to ask for or to end.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.queue.is_empty() && self.ending.is_none() && !self.has_wish()
    }

    /// Whether nothing is left to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Frames that wait for the socket, a begun one included.
    #[must_use]
    pub fn queued_frames(&self) -> usize {
        self.queue.len()
    }

    /// Bytes that wait for the socket.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes as usize
    }

    /// Whether the session must read no further until the socket has drained.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.queued_bytes() > self.bytes_max as usize + REPLY_RESERVE
            || self.queue.len() > FRAMES_MAX
    }

    /// What a session's check needs to know.
    #[must_use]
    pub fn outflow(&self) -> Outflow {
        Outflow { blocked_since: self.blocked_since, reading_paused: self.is_full() }
    }

    /// Gives bytes to `write`, several frames at a time, until nothing is left or the socket takes no more.
    ///
    /// # Errors
    /// What `write` returned; [`io::ErrorKind::WriteZero`] if it took nothing of something.
    pub fn flush(
        &mut self,
        now: Instant,
        mut write: impl FnMut(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let frames = self.queue.len().min(SLICES_MAX);
            for (slice, frame) in slices.iter_mut().zip(&self.queue) {
                *slice = IoSlice::new(frame);
            }
            let Poll::Ready(written) = write(&slices[..frames]) else {
                self.blocked_since.get_or_insert(now);
                return Poll::Pending;
            };
            match written? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.left(written),
            }
        }
        // An idle session keeps no queue.
        self.queue = VecDeque::new();
        Poll::Ready(Ok(()))
    }

    /// The socket took these bytes.
    fn left(&mut self, mut bytes: usize) {
        self.queued_bytes -= size(bytes);
        self.blocked_since = None;
        while let Some(front) = self.queue.front_mut() {
            if bytes < front.len() {
                front.advance(bytes);
                self.front_begun |= bytes > 0;
                return;
            }
            bytes -= front.len();
            self.front_begun = false;
            self.queue.pop_front();
        }
    }

    fn view(&mut self, id: ViewId) -> Option<&mut OpenView> {
        self.views.as_mut()?.iter_mut().find(|view| view.id == id)
    }

    fn open_views(&self) -> &[OpenView] {
        self.views.as_ref().map_or(&[], |views| views)
    }
}

/// Bytes as they are counted here: there are many outboxes, and none comes near the end of the range.
fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
