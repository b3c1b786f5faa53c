//! Everything that is watched, by the numbers that this client gave it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use herenow_protocol::limits::HELLO_VIEWS_MAX;
use herenow_protocol::{ClientMessage, Epoch, RoomName, ViewId, ViewProof};

use super::Effect;
use super::requests::{Asked, Requests};
use super::watched::Watched;
use crate::options::WantedViews;
use crate::view::Size;
use crate::{View, ViewKey};

/// The views of one client.
#[derive(Debug, Default)]
pub(super) struct Views {
    watched: BTreeMap<ViewKey, Watched>,
    /// What was closed before the server said which number it has.
    unopened: BTreeSet<ViewKey>,
    /// What the server knows and is to be closed.
    closing: Vec<ViewId>,
    /// The session that is signed in, for views that are asked for later.
    session: Option<(Epoch, Duration)>,
}

impl Views {
    pub(super) fn new(wanted: WantedViews) -> Self {
        let mut views = Self::default();
        views.want(wanted, None);
        views
    }

    /// The program wants to watch these and no others. `now` is given while one is signed in.
    pub(super) fn want(&mut self, wanted: WantedViews, now: Option<Instant>) {
        for (key, gone) in self.watched.extract_if(.., |key, _| !wanted.contains_key(key)) {
            if gone.is_opening() {
                self.unopened.insert(key);
            } else if self.session.is_some() {
                self.closing.extend(gone.id());
            }
        }
        for (key, target) in wanted {
            self.watched.entry(key).or_insert_with(|| {
                let mut watched = Watched::new(key, target);
                if let (Some((epoch, heartbeat)), Some(now)) = (self.session, now) {
                    watched.start(epoch, heartbeat, now);
                }
                watched
            });
        }
    }

    /// A session began, or goes on with those views for which `goes_on`.
    pub(super) fn start(
        &mut self,
        epoch: Epoch,
        heartbeat: Duration,
        goes_on: impl Fn(ViewId) -> bool,
        now: Instant,
    ) {
        self.session = Some((epoch, heartbeat));
        for watched in self.watched.values_mut() {
            match watched.resumable() {
                Some((id, _)) if goes_on(id) => watched.go_on(heartbeat),
                _ => watched.start(epoch, heartbeat, now),
            }
        }
    }

    /// Complete views with the versions from which they can be continued, as many as a `Hello` may name.
    pub(super) fn resumable(&self) -> Vec<(ViewId, u64)> {
        self.watched.values().filter_map(Watched::resumable).take(HELLO_VIEWS_MAX).collect()
    }

    /// The connection ended.
    pub(super) fn lost(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.session = None;
        self.unopened.clear();
        self.closing.clear();
        self.watched.values_mut().for_each(|watched| watched.lost(now, effects));
    }

    /// Sends what is due. A frame may have this many bytes.
    pub(super) fn send(
        &mut self,
        now: Instant,
        frame_max: usize,
        requests: &mut Requests,
        effects: &mut Vec<Effect>,
    ) {
        for view in self.closing.drain(..) {
            let build = |request| ClientMessage::Unwatch { request, view };
            requests.send(Asked::Unwatch, effects, build);
        }
        for watched in self.watched.values_mut() {
            watched.send(now, frame_max, requests, effects);
        }
    }

    /// A `Watch` was carried out. One that is not wanted any more is closed, unless another has taken its place: the
    /// server knows one view of a room only.
    pub(super) fn watching(
        &mut self,
        key: ViewKey,
        room: Option<&RoomName>,
        id: Option<ViewId>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(watched) = self.watched.get_mut(&key) {
            return watched.watching(id, now, effects);
        }
        let is_watched = |room| self.watched.values().any(|watched| watched.room() == Some(room));
        if self.unopened.remove(&key) && !room.is_some_and(is_watched) {
            self.closing.extend(id);
        }
    }

    /// A `Watch` was refused.
    pub(super) fn refused(&mut self, key: ViewKey) {
        self.unopened.remove(&key);
        if let Some(watched) = self.watched.get_mut(&key) {
            watched.refused();
        }
    }

    /// An ack proves the views that it names, and no others.
    pub(super) fn acked(
        &mut self,
        proofs: &[(ViewId, ViewProof)],
        overdue: bool,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        self.overdue(overdue, now, effects);
        for watched in self.watched.values_mut() {
            let Some(id) = watched.id() else { continue };
            let proof = proofs.iter().find(|(view, _)| *view == id).map(|(_, proof)| proof);
            watched.acked(proof, now, effects);
        }
    }

    /// Acks are missing, or come again.
    pub(super) fn overdue(&mut self, overdue: bool, now: Instant, effects: &mut Vec<Effect>) {
        self.watched.values_mut().for_each(|watched| watched.overdue(overdue, now, effects));
    }

    /// The list that the server calls so.
    pub(super) fn by_id(&mut self, id: ViewId) -> Option<&mut Watched> {
        self.watched.values_mut().find(|watched| watched.id() == Some(id))
    }

    pub(super) fn by_key(&mut self, key: ViewKey) -> Option<&mut Watched> {
        self.watched.get_mut(&key)
    }

    pub(super) fn view(&self, key: ViewKey) -> Option<&View> {
        self.watched.get(&key).map(Watched::view)
    }

    /// The view with the lowest number.
    pub(super) fn first(&self) -> Option<&View> {
        self.watched.first_key_value().map(|(_, watched)| watched.view())
    }

    /// How much is held of all lists together.
    pub(super) fn size(&self) -> Size {
        let sizes = self.watched.values().map(|watched| watched.view().size());
        sizes.fold(Size::default(), std::ops::Add::add)
    }

    /// When something is to be done besides answering.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.watched.values().filter_map(Watched::deadline).min()
    }
}
