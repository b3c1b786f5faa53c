//! The client's side of the heartbeat: when to beat, when contact is lost, when it is over.
//!
//! Pure: callers pass `now` and the jitter of the first beat. The rules are those of
//! `docs/protocol.md`, section 5.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use herenow_protocol::limits::INTEGER_MAX;

/// At how many unanswered beats contact counts as lost.
pub const CONTACT_LOST_AT: u32 = 2;

/// At how many beats without an ack in a row nothing is proved any more, whatever else the server says.
pub const PROOF_OVERDUE_AT: u32 = 2;

/// A timer that comes more than this many intervals late means that this process was stalled.
const STALLED_INTERVALS: u32 = 2;

/// How many beats are remembered for the round trip. An answer to an older one is a sign of life, no more.
const REMEMBERED_BEATS: usize = 16;

/// One session's heartbeat.
#[derive(Debug)]
pub struct Heartbeat {
    interval: Duration,
    misses: u32,
    /// The number of the last beat.
    n: u64,
    /// Beats since the last frame.
    unanswered: u32,
    /// Beats since the last one that was acked.
    unacked: u32,
    heard_at: Instant,
    beat_at: Instant,
    sent: VecDeque<(u64, Instant)>,
    round_trip: Option<Duration>,
    /// Contact was reported lost, and not yet back.
    lost: bool,
    /// That proof is overdue was reported, and no ack came since.
    overdue: bool,
    /// A stall was forgiven since the last frame.
    forgiven: bool,
}

/// What the clock made due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// Send a heartbeat with this number.
    Beat {
        /// Counts up from 1.
        n: u64,
    },
    /// Tell the user that contact is lost.
    ContactLost {
        /// Beats without any frame since.
        unanswered: u32,
    },
    /// Too many beats in a row were not acked: the lists can no longer be proved. Told once until
    /// [`Heartbeat::answered`] ends it.
    ProofOverdue,
    /// The server is silent: end the connection.
    Over {
        /// Beats without any frame since.
        unanswered: u32,
    },
}

impl Heartbeat {
    /// The first beat comes after `first_in`, a random time within the interval.
    #[must_use]
    pub fn new(interval: Duration, misses: u32, first_in: Duration, now: Instant) -> Self {
        Self {
            interval,
            misses,
            n: 0,
            unanswered: 0,
            unacked: 0,
            heard_at: now,
            beat_at: now + first_in.min(interval),
            sent: VecDeque::new(),
            round_trip: None,
            lost: false,
            overdue: false,
            forgiven: false,
        }
    }

    /// Appends to `due` what is due by now.
    pub fn poll(&mut self, now: Instant, due: &mut Vec<Pulse>) {
        let deadline = self.deadline();
        if now < deadline {
            return;
        }
        if now > deadline + self.interval * STALLED_INTERVALS && !self.forgiven {
            self.forgive(now);
        }
        if now >= self.beat_at && !self.is_over(now) {
            self.beat(now, due);
        }
        if self.is_over(now) {
            due.push(Pulse::Over { unanswered: self.unanswered });
        }
    }

    /// Any frame is a sign of life. Returns whether it ends a contact that was reported lost.
    pub fn heard(&mut self, now: Instant) -> bool {
        self.heard_at = now;
        self.unanswered = 0;
        self.forgiven = false;
        std::mem::take(&mut self.lost)
    }

    /// The server answered beat `n`. Returns how long that took, `None` for a beat that is not remembered.
    ///
    /// An answer that is late by [`PROOF_OVERDUE_AT`] beats does not make the proof less overdue: what it proves is old.
    pub fn answered(&mut self, n: u64, now: Instant) -> Option<Duration> {
        let since = u32::try_from(self.n.saturating_sub(n)).unwrap_or(u32::MAX);
        self.unacked = self.unacked.min(since);
        self.overdue = self.unacked >= PROOF_OVERDUE_AT;
        let place = self.sent.iter().position(|&(sent, _)| sent == n)?;
        let (_, sent_at) = self.sent.drain(..=place).next_back()?;
        self.round_trip = Some(now.saturating_duration_since(sent_at));
        self.round_trip
    }

    /// Whether too many beats in a row were not acked.
    #[must_use]
    pub fn is_proof_overdue(&self) -> bool {
        self.overdue
    }

    /// The last round trip that was measured, as a `Heartbeat` tells it: in microseconds, 0 if there was none.
    #[must_use]
    pub fn round_trip_us(&self) -> u64 {
        let told = |round_trip: Duration| u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        self.round_trip.map_or(0, |round_trip| told(round_trip).clamp(1, INTEGER_MAX))
    }

    /// When [`Self::poll`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        match self.unanswered >= self.misses {
            true => self.beat_at.min(self.silent_at()),
            false => self.beat_at,
        }
    }

    /// How many beats end the connection if they stay unanswered.
    #[must_use]
    pub fn misses(&self) -> u32 {
        self.misses
    }

    /// This process stood still, so the silence says nothing about the server. Counts from now. But what was proved
    /// before is old, however short a time it seemed: the beat that is due makes the proof overdue.
    fn forgive(&mut self, now: Instant) {
        self.heard_at = now;
        self.unanswered = 0;
        self.unacked = self.unacked.max(PROOF_OVERDUE_AT - 1);
        self.forgiven = true;
    }

    fn beat(&mut self, now: Instant, due: &mut Vec<Pulse>) {
        self.n += 1;
        self.unanswered = self.unanswered.saturating_add(1);
        self.unacked = self.unacked.saturating_add(1);
        self.beat_at += self.interval;
        if self.beat_at <= now {
            // Beats that were missed are not made up for: they would only say the same again.
            self.beat_at = now + self.interval;
        }
        if self.sent.len() == REMEMBERED_BEATS {
            self.sent.pop_front();
        }
        self.sent.push_back((self.n, now));
        due.push(Pulse::Beat { n: self.n });
        if self.unanswered >= CONTACT_LOST_AT {
            self.lost = true;
            due.push(Pulse::ContactLost { unanswered: self.unanswered });
        }
        if self.unacked >= PROOF_OVERDUE_AT && !self.overdue {
            self.overdue = true;
            due.push(Pulse::ProofOverdue);
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.unanswered >= self.misses && now >= self.silent_at()
    }

    fn silent_at(&self) -> Instant {
        self.heard_at + self.interval * self.misses
    }
}

#[cfg(test)]
mod tests;
