//! The client's side of the heartbeat: when to beat, when contact is lost, when it is over.
//!
//! Pure: callers pass `now` and the jitter of the first beat. The rules are those of
//! `docs/protocol.md`, section 5.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// At how many unanswered beats contact counts as lost.
pub const CONTACT_LOST_AT: u32 = 2;

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
    unanswered: u32,
    heard_at: Instant,
    beat_at: Instant,
    sent: VecDeque<(u64, Instant)>,
    /// Contact was reported lost, and not yet back.
    lost: bool,
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
            heard_at: now,
            beat_at: now + first_in.min(interval),
            sent: VecDeque::new(),
            lost: false,
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
    pub fn answered(&mut self, n: u64, now: Instant) -> Option<Duration> {
        let place = self.sent.iter().position(|&(sent, _)| sent == n)?;
        let (_, sent_at) = self.sent.drain(..=place).next_back()?;
        Some(now.saturating_duration_since(sent_at))
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

    /// This process stood still, so the silence says nothing about the server. Counts from now.
    fn forgive(&mut self, now: Instant) {
        self.heard_at = now;
        self.unanswered = 0;
        self.forgiven = true;
    }

    fn beat(&mut self, now: Instant, due: &mut Vec<Pulse>) {
        self.n += 1;
        self.unanswered = self.unanswered.saturating_add(1);
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
