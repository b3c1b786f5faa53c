//! The watched room: asking for it, keeping its view, and saying whether the view is proved.

use std::time::{Duration, Instant};

use herenow_protocol::limits::LOBBY;
use herenow_protocol::{Change, ClientMessage, Entry, Epoch, UserId, ViewId, ViewProof};

use super::Effect;
use crate::Event;
use crate::View;
use crate::view::{Mismatch, Proved};

/// A view that fails to prove itself is not asked for again sooner than this after the last time, so that
/// a server whose sums are wrong costs one snapshot per second and no more.
const WATCH_AGAIN_MIN: Duration = Duration::from_secs(1);

/// This client's copy of the lobby.
#[derive(Debug, Default)]
pub(super) struct Lobby {
    view: View,
    /// The view's number in this session.
    id: Option<ViewId>,
    /// The `Watch` that is not answered yet.
    request: Option<u32>,
    watched_at: Option<Instant>,
    watch_again_at: Option<Instant>,
    /// A snapshot was told, so there is a list that can be old.
    told: bool,
    stale: bool,
}

impl Lobby {
    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// When to ask for the view again, if it failed to prove itself.
    pub(super) fn watch_again_at(&self) -> Option<Instant> {
        self.watch_again_at
    }

    /// A session of this epoch began.
    pub(super) fn follow(&mut self, epoch: Epoch) {
        self.view.follow(epoch);
    }

    /// The session ended.
    pub(super) fn unfollow(&mut self, effects: &mut Vec<Effect>) {
        self.view.distrust();
        (self.id, self.request, self.watched_at, self.watch_again_at) = (None, None, None, None);
        self.lose_proof(effects);
    }

    /// The message that asks for the lobby.
    pub(super) fn watch(&mut self, request: u32, now: Instant) -> ClientMessage {
        self.request = Some(request);
        self.watched_at = Some(now);
        self.watch_again_at = None;
        ClientMessage::Watch { request, room: LOBBY.to_owned() }
    }

    /// A request was carried out. If it was the `Watch`, its snapshot follows.
    pub(super) fn watch_answered(
        &mut self,
        request: u32,
        view: Option<ViewId>,
        effects: &mut Vec<Effect>,
    ) {
        if self.request == Some(request) {
            self.request = None;
            self.id = view;
            self.view.begin_snapshot();
            self.lose_proof(effects);
        }
    }

    /// A request was refused. If it was the `Watch`, there is nothing to wait for.
    pub(super) fn watch_refused(&mut self, request: u32) {
        if self.request == Some(request) {
            self.request = None;
        }
    }

    pub(super) fn page(
        &mut self,
        view: ViewId,
        first: UserId,
        last: UserId,
        entries: Vec<Entry>,
        effects: &mut Vec<Effect>,
    ) {
        if self.id == Some(view) {
            self.view.page(first, last, entries);
            self.lose_proof(effects);
        }
    }

    pub(super) fn end_snapshot(
        &mut self,
        view: ViewId,
        proof: &ViewProof,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if self.id != Some(view) {
            return;
        }
        match self.view.end_snapshot(proof) {
            Ok(()) => {
                self.told = true;
                effects.push(Effect::Emit(Event::Snapshot));
                self.proved(effects);
            }
            Err(mismatch) => self.mismatched(mismatch, now, effects),
        }
    }

    pub(super) fn delta(
        &mut self,
        view: ViewId,
        from: u64,
        proof: &ViewProof,
        changes: Vec<Change>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if self.id != Some(view) {
            return;
        }
        let mut events = Vec::new();
        let checked = self.view.delta(from, proof, changes, &mut events);
        effects.extend(events.into_iter().map(Effect::Emit));
        self.judge(checked, now, effects);
    }

    /// An ack proves the view, or by leaving it out says that the server cannot vouch for it.
    pub(super) fn acked(
        &mut self,
        views: &[(ViewId, ViewProof)],
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let Some(id) = self.id else { return };
        match views.iter().find(|(view, _)| *view == id) {
            Some((_, proof)) => {
                let checked = self.view.prove(proof);
                self.judge(checked, now, effects);
            }
            None => self.lose_proof(effects),
        }
    }

    /// The list can no longer be proved exact. Told once.
    pub(super) fn lose_proof(&mut self, effects: &mut Vec<Effect>) {
        if self.told && !self.stale {
            self.stale = true;
            effects.push(Effect::Emit(Event::Stale));
        }
    }

    fn judge(
        &mut self,
        checked: Result<Proved, Mismatch>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        match checked {
            Ok(Proved::Yes) => self.proved(effects),
            Ok(Proved::NotYet) => {}
            Err(mismatch) => self.mismatched(mismatch, now, effects),
        }
    }

    fn proved(&mut self, effects: &mut Vec<Effect>) {
        if std::mem::take(&mut self.stale) {
            effects.push(Effect::Emit(Event::Fresh));
        }
    }

    fn mismatched(&mut self, _: Mismatch, now: Instant, effects: &mut Vec<Effect>) {
        self.lose_proof(effects);
        if self.request.is_none() {
            let at = self.watched_at.map_or(now, |watched| now.max(watched + WATCH_AGAIN_MIN));
            self.watch_again_at = Some(at);
        }
    }
}
