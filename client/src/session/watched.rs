//! One watched list: asking for it, keeping its view, mending it, and saying whether it is proved.

use std::time::{Duration, Instant};

use herenow_protocol::limits::NAMES_MAX;
use herenow_protocol::{
    Change, ClientMessage, Digest, DisplayName, Entry, Epoch, RoomName, UserId, ViewId, ViewProof,
    WatchTarget,
};

use super::Effect;
use super::repair::{Next, Range, Repair};
use super::requests::{Asked, Requests};
use crate::view::{Mismatch, Proved, Step};
use crate::{Event, View, ViewKey};

/// A view that fails to prove itself is not asked for again, nor mended again, sooner than this after the last time, so
/// that a server whose sums are wrong costs one snapshot per second and no more.
const AGAIN_MIN: Duration = Duration::from_secs(1);

/// A repair that takes more heartbeats than this has lost its way.
const REPAIR_BEATS: u32 = 3;

/// Bytes of a `Watch` besides its names, at most.
const WATCH_HEAD_BYTES: usize = 32;

/// Bytes of a name besides its characters, at most.
const NAME_HEAD_BYTES: usize = 3;

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

#[derive(Debug)]
enum Todo {
    Watch,
    AddNames,
    CompareBuckets,
    Pages(Vec<Range>),
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

    /// When something is to be done besides answering.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let todo = self.todo.as_ref().filter(|_| self.asked.is_none()).map(|(at, _)| *at);
        todo.into_iter().chain(self.repair.as_ref().map(|repair| repair.until)).min()
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

    /// Sends what is due. A frame may have this many bytes.
    pub(super) fn send(
        &mut self,
        now: Instant,
        frame_max: usize,
        requests: &mut Requests,
        effects: &mut Vec<Effect>,
    ) {
        if self.repair.as_ref().is_some_and(|repair| now >= repair.until) {
            self.watch_anew(now);
        }
        if self.asked.is_some() {
            return;
        }
        match self.todo.take_if(|(at, _)| now >= *at) {
            Some((_, Todo::Watch)) => self.watch(now, frame_max, requests, effects),
            Some((_, Todo::AddNames)) => self.ask(frame_max, requests, effects),
            Some((_, Todo::CompareBuckets)) => {
                self.repaired_at = Some(now);
                self.repair = Some(Repair::begun(now + self.repair_time));
                self.ask_for(Vec::new(), requests, effects);
            }
            Some((_, Todo::Pages(ranges))) => {
                self.view.await_pages();
                self.ask_for(ranges, requests, effects);
            }
            None => {}
        }
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

    fn judge(
        &mut self,
        checked: Result<Proved, Mismatch>,
        proof: &ViewProof,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let view = self.key;
        match checked {
            Ok(Proved::NotYet) => {
                let next = self.repair.as_ref().map_or(Next::Wait, Repair::still_wrong);
                self.go_on_repairing(next, now);
            }
            Ok(Proved::Exact) => self.proved(now, effects),
            Ok(Proved::Replaced) => {
                self.told = true;
                effects.push(Effect::Emit(Event::Snapshot { view }));
                self.proved(now, effects);
            }
            Ok(Proved::Mended { entries }) => {
                (self.repair, self.todo) = (None, None);
                effects.push(Effect::Emit(Event::Repaired { view, entries }));
                self.proved(now, effects);
            }
            Err(mismatch) => self.diverged(mismatch, proof, now, effects),
        }
    }

    fn diverged(
        &mut self,
        mismatch: Mismatch,
        proof: &ViewProof,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::Emit(Event::Diverged { view: self.key, mismatch }));
        self.lose_proof(now, effects);
        if !self.view.is_diverged() {
            return self.watch_anew(now);
        }
        self.todo = Some((again(self.repaired_at, now), Todo::CompareBuckets));
        // Where only the version was off, as after a delta that came twice, the entries are right already.
        let mended = self.view.prove(proof, now);
        self.judge(mended, proof, now, effects);
    }

    fn proved(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.overdue {
            self.lose_proof(now, effects);
        } else if std::mem::take(&mut self.stale) {
            effects.push(Effect::Emit(Event::Fresh { view: self.key }));
        }
    }

    /// The list can no longer be proved exact. Told once.
    fn lose_proof(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.told && !self.stale {
            self.stale = true;
            let proved_at = self.view.proved_at().unwrap_or(now);
            let age = now.saturating_duration_since(proved_at);
            effects.push(Effect::Emit(Event::Stale { view: self.key, age }));
        }
    }

    fn go_on_repairing(&mut self, next: Next, now: Instant) {
        match next {
            Next::Wait => {}
            Next::Ask(ranges) => self.todo = Some((now, Todo::Pages(ranges))),
            Next::WatchAnew => self.watch_anew(now),
        }
    }

    fn watch_anew(&mut self, now: Instant) {
        self.repair = None;
        if self.asked.is_none() {
            self.todo = Some((again(self.watched_at, now), Todo::Watch));
        }
    }

    fn watch(
        &mut self,
        now: Instant,
        frame_max: usize,
        requests: &mut Requests,
        effects: &mut Vec<Effect>,
    ) {
        self.watched_at = Some(now);
        // A list is opened anew; a room knows that it is watched.
        if self.room().is_none()
            && let Some(view) = self.id.take()
        {
            self.whole = false;
            requests
                .send(Asked::Unwatch, effects, |request| ClientMessage::Unwatch { request, view });
        }
        self.listed = 0;
        self.ask(frame_max, requests, effects);
    }

    /// Asks for the room, or for as many of the names that the server does not have as fit.
    fn ask(&mut self, frame_max: usize, requests: &mut Requests, effects: &mut Vec<Effect>) {
        let names = &self.names()[self.listed..];
        let names = &names[..how_many_fit(names, frame_max)];
        let target = match &self.target {
            WatchTarget::Room(room) => WatchTarget::Room(room.clone()),
            WatchTarget::People { .. } => {
                WatchTarget::People { names: names.to_vec(), view: self.id }
            }
        };
        self.asked = Some(names.len());
        let asked = Asked::Watch(self.key, self.room().cloned());
        requests.send(asked, effects, |request| ClientMessage::Watch { request, target });
    }

    fn ask_for(&mut self, ranges: Vec<Range>, requests: &mut Requests, effects: &mut Vec<Effect>) {
        if let Some(view) = self.id {
            let build = |request| ClientMessage::Repair { request, view, ranges };
            requests.send(Asked::Repair(self.key), effects, build);
        }
    }

    fn names(&self) -> &[DisplayName] {
        match &self.target {
            WatchTarget::Room(_) => &[],
            WatchTarget::People { names, .. } => names,
        }
    }
}

/// How many of these names one `Watch` can bring; at least one, where there is one.
fn how_many_fit(names: &[DisplayName], frame_max: usize) -> usize {
    let mut bytes = WATCH_HEAD_BYTES;
    let fits = |name: &&DisplayName| {
        bytes += NAME_HEAD_BYTES + name.as_str().len();
        bytes <= frame_max
    };
    names.iter().take(NAMES_MAX).take_while(fits).count().max(names.len().min(1))
}

/// Now, or a while after the last time.
fn again(last: Option<Instant>, now: Instant) -> Instant {
    last.map_or(now, |last| now.max(last + AGAIN_MIN))
}

fn event(view: ViewKey, step: Step) -> Event {
    match step {
        Step::Joined(entry) => Event::Joined { view, entry },
        Step::Updated(entry) => Event::Updated { view, entry },
        Step::Left { entry, cause } => Event::Left { view, entry, cause },
    }
}
