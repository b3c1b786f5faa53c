//! Whether a list is proved, what the program is told of that, and what becomes of one that is wrong.

use std::time::{Duration, Instant};

use herenow_protocol::ViewProof;

use super::Watched;
use super::ask::Todo;
use crate::Event;
use crate::session::Effect;
use crate::session::repair::{Next, Repair};
use crate::view::{Mismatch, Proved};

/// A view that fails to prove itself is not asked for again, nor mended again, sooner than this after the last time, so
/// that a server whose sums are wrong costs one snapshot per second and no more.
const AGAIN_MIN: Duration = Duration::from_secs(1);

impl Watched {
    pub(super) fn judge(
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

    pub(super) fn diverged(
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

    pub(super) fn proved(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.overdue {
            self.lose_proof(now, effects);
        } else if std::mem::take(&mut self.stale) {
            effects.push(Effect::Emit(Event::Fresh { view: self.key }));
        }
    }

    /// The list can no longer be proved exact. Told once.
    pub(super) fn lose_proof(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.told && !self.stale {
            self.stale = true;
            let proved_at = self.view.proved_at().unwrap_or(now);
            let age = now.saturating_duration_since(proved_at);
            effects.push(Effect::Emit(Event::Stale { view: self.key, age }));
        }
    }

    pub(super) fn go_on_repairing(&mut self, next: Next, now: Instant) {
        match next {
            Next::Wait => {}
            Next::Ask(ranges) => self.todo = Some((now, Todo::Pages(ranges))),
            Next::WatchAnew => self.watch_anew(now),
        }
    }

    pub(super) fn watch_anew(&mut self, now: Instant) {
        self.repair = None;
        if self.asked.is_none() {
            self.todo = Some((again(self.watched_at, now), Todo::Watch));
        }
    }
}

/// Now, or a while after the last time.
fn again(last: Option<Instant>, now: Instant) -> Instant {
    last.map_or(now, |last| now.max(last + AGAIN_MIN))
}
