//! One watched list: its view, and what the server says of it.

mod ask;
mod prove;

use std::time::{Duration, Instant};

use herenow_protocol::{
    Change, Digest, Entry, Epoch, RoomName, UserId, ViewId, ViewProof, WatchTarget,
};

use super::Effect;
use super::repair::{Next, Repair};
use crate::view::{Proved, Step};
use crate::{Event, View, ViewKey};
use ask::Todo;

/// A repair that takes more heartbeats than this has lost its way.
const REPAIR_BEATS: u32 = 3;

/// This client's copy of one list.
#[derive(Debug)]
pub(super) struct Watched {
    key: ViewKey,
    target: WatchTarget,
    view: View,
    /// The view's number in this session.
    id: Option<ViewId>,
    /// How many names of a list the server has.
    listed: usize,
    /// The server has the whole target, so that what it says is about all of it.
    whole: bool,
    /// A `Watch` is not answered yet, with so many names.
    asked: Option<usize>,
    /// What to ask for next, and not before when.
    todo: Option<(Instant, Todo)>,
    repair: Option<Repair>,
    watched_at: Option<Instant>,
    repaired_at: Option<Instant>,
    /// A repair may take this long.
    repair_time: Duration,
    /// Acks are missing, so that nothing can freshen the list.
    overdue: bool,
    /// A snapshot was told, so there is a list that can be old.
    told: bool,
    stale: bool,
}

impl Watched {
    pub(super) fn new(key: ViewKey, target: WatchTarget) -> Self {
        Self {
            key,
            target,
            view: View::default(),
            id: None,
            listed: 0,
            whole: false,
            asked: None,
            todo: None,
            repair: None,
            watched_at: None,
            repaired_at: None,
            repair_time: Duration::ZERO,
            overdue: false,
            told: false,
            stale: false,
        }
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    pub(super) fn id(&self) -> Option<ViewId> {
        self.id
    }

    pub(super) fn room(&self) -> Option<&RoomName> {
        match &self.target {
            WatchTarget::Room(room) => Some(room),
            WatchTarget::People { .. } => None,
        }
    }

    /// Whether a first `Watch` is under way, so that the view's number is not known yet.
    pub(super) fn is_opening(&self) -> bool {
        self.asked.is_some() && self.id.is_none()
    }

    /// The view and version from which a next session could continue it.
    pub(super) fn resumable(&self) -> Option<(ViewId, u64)> {
        Some((self.id?, self.view.version().filter(|_| self.whole)?))
    }

    /// A session of this epoch began, which does not know this view.
    pub(super) fn start(&mut self, epoch: Epoch, heartbeat: Duration, now: Instant) {
        self.view.follow(epoch);
        (self.id, self.listed, self.whole) = (None, 0, false);
        self.go_on(heartbeat);
        self.todo = Some((now, Todo::Watch));
    }

    /// The session goes on with this view; what is missing follows.
    pub(super) fn go_on(&mut self, heartbeat: Duration) {
        self.repair_time = heartbeat * REPAIR_BEATS;
        self.overdue = false;
    }

    /// The connection ended.
    pub(super) fn lost(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.view.suspend();
        (self.asked, self.todo, self.repair) = (None, None, None);
        (self.watched_at, self.repaired_at) = (None, None);
        self.lose_proof(now, effects);
    }

    /// The `Watch` was carried out: its snapshot follows.
    pub(super) fn watching(&mut self, id: Option<ViewId>, now: Instant, effects: &mut Vec<Effect>) {
        self.listed += self.asked.take().unwrap_or(0);
        self.id = id;
        self.repair = None;
        // The snapshot of a part of a list is not worth telling: the next part begins another.
        self.whole = self.listed >= self.names().len();
        self.todo = (!self.whole).then_some((now, Todo::AddNames));
        self.view.begin_snapshot();
        self.lose_proof(now, effects);
    }

    /// The `Watch` was refused: there is nothing to wait for.
    pub(super) fn refused(&mut self) {
        self.asked = None;
    }

    /// The server does not mend this view.
    pub(super) fn repair_refused(&mut self, now: Instant) {
        if self.repair.is_some() {
            self.watch_anew(now);
        }
    }

    pub(super) fn page(
        &mut self,
        first: UserId,
        last: UserId,
        entries: Vec<Entry>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if self.whole {
            self.view.page(first, last, entries);
            self.lose_proof(now, effects);
        }
    }

    pub(super) fn end_snapshot(
        &mut self,
        proof: &ViewProof,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if !self.whole {
            return;
        }
        match self.view.end_snapshot(proof, now) {
            Ok(Proved::NotYet) => {
                let next = self.repair.as_mut().map_or(Next::WatchAnew, Repair::pages_ended);
                self.go_on_repairing(next, now);
            }
            checked => self.judge(checked, proof, now, effects),
        }
    }

    pub(super) fn delta(
        &mut self,
        from: u64,
        proof: &ViewProof,
        changes: Vec<Change>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if !self.whole {
            return;
        }
        let mut steps = Vec::new();
        let checked = self.view.delta(from, proof, changes, now, &mut steps);
        let told = steps.into_iter().map(|step| Effect::Emit(event(self.key, step)));
        effects.extend(told.filter(|_| self.told));
        self.judge(checked, proof, now, effects);
    }

    /// An ack proves the view, or by leaving it out says that the server cannot vouch for it.
    pub(super) fn acked(
        &mut self,
        proof: Option<&ViewProof>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        match proof {
            Some(proof) if self.whole => {
                let checked = self.view.prove(proof, now);
                self.judge(checked, proof, now, effects);
            }
            _ => self.lose_proof(now, effects),
        }
    }

    pub(super) fn buckets(
        &mut self,
        first: u32,
        width: u32,
        digests: &[Digest],
        more: bool,
        now: Instant,
    ) {
        if let Some(repair) = &mut self.repair {
            let next = repair.buckets(first, width, digests, more, &mut self.view);
            self.go_on_repairing(next, now);
        }
    }

    /// Acks are missing, or come again.
    pub(super) fn overdue(&mut self, overdue: bool, now: Instant, effects: &mut Vec<Effect>) {
        self.overdue = overdue;
        if overdue {
            self.lose_proof(now, effects);
        }
    }
}

fn event(view: ViewKey, step: Step) -> Event {
    match step {
        Step::Joined(entry) => Event::Joined { view, entry },
        Step::Updated(entry) => Event::Updated { view, entry },
        Step::Left { entry, cause } => Event::Left { view, entry, cause },
    }
}
