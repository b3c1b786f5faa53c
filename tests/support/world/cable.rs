//! A connection as the two ends of a cable know it: bytes arrive in order, late, or not at all.
//!
//! While a direction is cut nothing in it arrives, and nobody is told; when the cable is whole again, everything
//! that was sent meanwhile arrives, as TCP would deliver it. The sender's kernel takes
//! [`WINDOW`] bytes ahead of the reader, then blocks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes that a sender may be ahead of the reader.
const WINDOW: usize = 32 * 1024;

/// What travels in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parcel {
    /// Some bytes of the stream.
    Bytes(Vec<u8>),
    /// The sender closed its end.
    End,
    /// The connection broke.
    Reset,
}

/// One direction of a connection.
#[derive(Debug)]
pub struct Direction {
    parcels: VecDeque<(Instant, Parcel)>,
    in_flight: usize,
    window: usize,
    cut: bool,
    closed: bool,
}

impl Default for Direction {
    fn default() -> Self {
        let parcels = VecDeque::new();
        Self { parcels, in_flight: 0, window: WINDOW, cut: false, closed: false }
    }
}

impl Direction {
    /// From now on the sender may be this many bytes ahead.
    pub fn set_window(&mut self, window: usize) {
        self.window = window;
    }

    /// Sends bytes as far as the window goes; returns how many were taken.
    pub fn send(&mut self, bytes: &[u8], now: Instant, delay: Duration) -> usize {
        let room = self.window.saturating_sub(self.in_flight);
        let taken = match self.closed {
            true => bytes.len(),
            false => bytes.len().min(room),
        };
        if taken > 0 && !self.closed {
            self.in_flight += taken;
            self.put(Parcel::Bytes(bytes[..taken].to_vec()), now, delay);
        }
        taken
    }

    /// Sends what ends this direction.
    pub fn finish(&mut self, last: Parcel, now: Instant, delay: Duration) {
        if !self.closed {
            self.put(last, now, delay);
            self.closed = true;
        }
    }

    /// Cuts this direction, or mends it: what was held back arrives from `now` on.
    pub fn set_cut(&mut self, cut: bool, now: Instant) {
        self.cut = cut;
        for (at, _) in &mut self.parcels {
            *at = (*at).max(now);
        }
    }

    /// When the next parcel arrives, if it does.
    pub fn next(&self) -> Option<Instant> {
        if self.cut { None } else { self.parcels.front().map(|(at, _)| *at) }
    }

    /// The parcel that has arrived by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<Parcel> {
        self.next().filter(|at| *at <= now)?;
        let (_, parcel) = self.parcels.pop_front()?;
        if let Parcel::Bytes(bytes) = &parcel {
            self.in_flight -= bytes.len();
        }
        Some(parcel)
    }

    fn put(&mut self, parcel: Parcel, now: Instant, delay: Duration) {
        // Bytes never overtake each other.
        let at = self.parcels.back().map_or(now + delay, |(last, _)| (now + delay).max(*last));
        self.parcels.push_back((at, parcel));
    }
}
