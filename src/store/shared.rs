//! What the handle and the thread of a store share: the queue, and how far and how well writing goes.

use std::collections::HashSet;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herenow_protocol::{SessionId, StoreState};
use tokio::sync::watch;

use super::pending::Pending;
use super::{StoreHealth, WallClock};
use crate::journal::Record;

/// How often the store says that the process is alive when there is nothing else to write.
const BEACON_EVERY: Duration = Duration::from_secs(1);

/// How long one commit may take before the disk counts as hanging, in milliseconds.
pub(super) const STALL_MS: u64 = 5_000;

/// What those who wait for a commit look at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// The newest ticket that is on disk.
    pub(super) committed: u64,
    /// Nobody should wait: the disk fails or hangs, or the store is closed.
    pub(super) given_up: bool,
}

/// What the thread is to write in one transaction.
#[derive(Debug)]
pub(super) struct Work {
    /// The records.
    pub(super) batch: Pending,
    /// What the transaction completes.
    ticket: u64,
    /// It is the last transaction; the server was stopped in order, or not.
    pub(super) closing: Option<bool>,
}

/// The one meeting place of the handle and the thread. Its lock is never held over a use of the disk.
pub(super) struct Shared {
    /// Follows the state; changed under its lock only.
    pub(super) progress: watch::Sender<Progress>,
    state: Mutex<State>,
    wake: Condvar,
    queue_max: usize,
    clock: WallClock,
}

struct State {
    queue: Pending,
    newest: u64,
    /// What the thread is writing.
    in_hand: Option<InHand>,
    on_disk: HashSet<SessionId>,
    trouble: Option<String>,
    dropped: u64,
    closing: Option<bool>,
    /// The time for closing is over.
    abandoned: bool,
    ended: bool,
}

struct InHand {
    since_ms: u64,
    transitions: u64,
}

/// Locks, whoever panicked while they held the lock: every holder leaves a state that makes sense.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(queue_max: usize, clock: WallClock, on_disk: HashSet<SessionId>) -> Self {
        let state = State {
            queue: Pending::default(),
            newest: 0,
            in_hand: None,
            on_disk,
            trouble: None,
            dropped: 0,
            closing: None,
            abandoned: false,
            ended: false,
        };
        let progress = watch::Sender::new(Progress::default());
        Self { progress, state: Mutex::new(state), wake: Condvar::new(), queue_max, clock }
    }

    /// Queues records for the thread and gives their ticket.
    pub(super) fn push(&self, records: Vec<Record>) -> u64 {
        let now_ms = (self.clock)();
        let mut state = lock(&self.state);
        if !records.is_empty() && state.closing.is_none() {
            state.newest += 1;
            for record in records {
                state.queue.push(record);
            }
            state.dropped += state.queue.make_room(self.queue_max);
            self.wake.notify_one();
        }
        let newest = state.newest;
        self.look_for_stall(state, now_ms);
        newest
    }

    /// How the store is at the moment.
    pub(super) fn health(&self) -> StoreHealth {
        let now_ms = (self.clock)();
        self.look_for_stall(lock(&self.state), now_ms);
        let state = lock(&self.state);
        let in_hand = state.in_hand.as_ref().map_or(0, |hand| hand.transitions);
        let failing = state.trouble.is_some() || state.ended;
        let ended = state.ended.then(|| "the store is closed".to_owned());
        StoreHealth {
            state: if failing { StoreState::Failing } else { StoreState::Written },
            waiting: state.queue.transitions.len() as u64 + in_hand,
            dropped: state.dropped,
            text: state.trouble.clone().or(ended).unwrap_or_default(),
        }
    }

    /// No records any more; the thread writes what waits, and ends.
    pub(super) fn close(&self, stopped: bool) {
        lock(&self.state).closing.get_or_insert(stopped);
        self.wake.notify_all();
    }

    /// The thread tries once more at most.
    pub(super) fn abandon(&self) {
        lock(&self.state).abandoned = true;
        self.wake.notify_all();
    }

    /// Logs what will never be written.
    pub(super) fn tell_what_is_lost(&self) {
        let state = lock(&self.state);
        let (records, hangs) = (state.queue.len(), state.in_hand.is_some());
        drop(state);
        if records > 0 || hangs {
            tracing::warn!(records, hangs, "the store was closed before everything was written");
        }
    }

    /// For the thread: waits for records, a beacon or the end, and takes all that waits.
    pub(super) fn take(&self) -> Work {
        let idle = |state: &mut State| state.queue.is_empty() && state.closing.is_none();
        let state = self.wake.wait_timeout_while(lock(&self.state), BEACON_EVERY, idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner).0;
        let batch = mem::take(&mut state.queue);
        let transitions = batch.transitions.len() as u64;
        state.in_hand = Some(InHand { since_ms: (self.clock)(), transitions });
        Work { batch, ticket: state.newest, closing: state.closing }
    }

    /// For the thread: this is on disk.
    pub(super) fn written(&self, work: Work) {
        let mut state = lock(&self.state);
        state.in_hand = None;
        for (session, record) in work.batch.sessions {
            match record {
                Some(_) => state.on_disk.insert(session),
                None => state.on_disk.remove(&session),
            };
        }
        let mended = state.trouble.take().is_some();
        self.progress.send_replace(Progress { committed: work.ticket, given_up: false });
        drop(state);
        if mended {
            tracing::info!("the store is written again");
        }
    }

    /// For the thread: this could not be written; it waits again, before what is newer.
    pub(super) fn put_back(&self, work: Work, error: &str) {
        let mut state = lock(&self.state);
        state.in_hand = None;
        let newer = mem::replace(&mut state.queue, work.batch);
        let State { queue, on_disk, .. } = &mut *state;
        let mut dropped = queue.append(newer);
        queue.forget_unwritten(on_disk);
        dropped += queue.make_room(self.queue_max);
        state.dropped += dropped;
        self.fail(state, error);
    }

    /// For the thread: waits before the next try. False if there must not be another one.
    pub(super) fn back_off(&self, delay: Duration) -> bool {
        let begun_closing = lock(&self.state).closing;
        // New records are no reason to try again; the order to close is, and the end of its time.
        let patient = |state: &mut State| state.closing == begun_closing && !state.abandoned;
        let state = self.wake.wait_timeout_while(lock(&self.state), delay, patient);
        let state = state.unwrap_or_else(PoisonError::into_inner).0;
        !state.abandoned
    }

    /// For the thread: it ends, and whatever waits is not written any more.
    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        state.closing.get_or_insert(false);
        self.progress.send_modify(|progress| progress.given_up = true);
    }

    fn look_for_stall(&self, state: MutexGuard<'_, State>, now_ms: u64) {
        let stalled = |hand: &InHand| now_ms > hand.since_ms.saturating_add(STALL_MS);
        if state.trouble.is_none() && state.in_hand.as_ref().is_some_and(stalled) {
            let error = format!("the disk has not answered for {} s", STALL_MS / 1_000);
            self.fail(state, &error);
        }
    }

    /// Logs only what is news, and not under the lock: a log may block.
    fn fail(&self, mut state: MutexGuard<'_, State>, error: &str) {
        let news = state.trouble.as_deref() != Some(error);
        state.trouble = Some(error.to_owned());
        let waiting = state.queue.len();
        self.progress.send_modify(|progress| progress.given_up = true);
        drop(state);
        if news {
            tracing::warn!(error, waiting, "the store cannot write; presence goes on without it");
        }
    }
}
