//! What a server counts of its own work: plain numbers of one thread, added up when somebody asks for them.
//!
//! Pure. Nothing here names a user, a room or an address.

use std::time::Duration;

use herenow_protocol::{CloseReason, Violation};

use crate::limits::Refusal;

/// How long a round trip between a client and its session takes, in seconds.
pub const ROUND_TRIPS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// How long work inside the server takes, in seconds.
pub const WORK: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// From a last sign of life until that is told, in seconds; the default bound is one of them.
pub const DETECTIONS: &[f64] =
    &[0.1, 0.25, 0.6, 1.0, 2.5, 5.0, 5.5, 7.5, 10.0, 10.5, 15.0, 30.0, 60.0, 300.0];

/// Room for the buckets of every histogram, the last of them for what is beyond all bounds.
const BUCKETS: usize = 15;

/// How many times something took how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Histogram {
    bounds: &'static [f64],
    buckets: [u64; BUCKETS],
    sum: f64,
}

impl Histogram {
    /// Nothing counted yet. `bounds` ascend, fewer than 15 of them.
    #[must_use]
    pub const fn new(bounds: &'static [f64]) -> Self {
        assert!(bounds.len() < BUCKETS, "there is one bucket more than bounds");
        Self { bounds, buckets: [0; BUCKETS], sum: 0.0 }
    }

    /// Something took this long.
    pub fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.sum += seconds;
        self.buckets[self.bounds.partition_point(|bound| *bound < seconds)] += 1;
    }

    /// Everything that another one counted, with the same bounds.
    pub fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        add_all(&mut self.buckets, &other.buckets);
    }

    /// All together, in seconds.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Each upper bound and how many are between it and the one before; the last bound is beyond all numbers.
    #[must_use]
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::MAX]);
        bounds.zip(self.buckets).collect()
    }
}

/// What a socket took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Whole frames.
    pub frames: u32,
    /// Bytes.
    pub bytes: u32,
}

impl Left {
    /// It took this too.
    pub fn add(&mut self, more: Self) {
        self.frames = self.frames.saturating_add(more.frames);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

/// What one arbiter counts, from its start on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counts {
    /// Connections that were accepted, those included that were refused afterwards.
    pub accepted: u64,
    /// Connections that were refused, by [`Refusal`].
    pub refused: [u64; Refusal::ALL.len()],
    /// Sessions that began.
    pub signed_in: u64,
    /// Sessions that went on.
    pub resumed: u64,
    /// Sign-ins that were refused, by close reason.
    pub sign_ins_refused: [u64; CloseReason::COUNT],
    /// Connections that ended, by close reason.
    pub closes: [u64; CloseReason::COUNT],
    /// Those that ended because of a protocol error, by violation.
    pub violations: [u64; Violation::COUNT],
    /// Frames that clients sent.
    pub frames_in: u64,
    /// Frames that were written to them.
    pub frames_out: u64,
    /// Bytes that clients sent.
    pub bytes_in: u64,
    /// Bytes that were written to them.
    pub bytes_out: u64,
    /// Heartbeats that were answered.
    pub heartbeats: u64,
    /// Times that reading from a session was put off because it said too much.
    pub throttled: u64,
    /// Round trips that clients measured.
    pub round_trips: Histogram,
    /// From the publication of a change until this arbiter had written it to all who watch.
    pub fanout: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            accepted: 0,
            refused: [0; Refusal::ALL.len()],
            signed_in: 0,
            resumed: 0,
            sign_ins_refused: [0; CloseReason::COUNT],
            closes: [0; CloseReason::COUNT],
            violations: [0; Violation::COUNT],
            frames_in: 0,
            frames_out: 0,
            bytes_in: 0,
            bytes_out: 0,
            heartbeats: 0,
            throttled: 0,
            round_trips: Histogram::new(ROUND_TRIPS),
            fanout: Histogram::new(WORK),
        }
    }
}

impl Counts {
    /// A connection ended.
    pub fn closed(&mut self, reason: CloseReason) {
        self.closes[reason.index()] += 1;
        if let Some(violation) = reason.violation() {
            self.violations[violation.index()] += 1;
        }
    }

    /// Sockets took something.
    pub fn left(&mut self, left: Left) {
        self.frames_out += u64::from(left.frames);
        self.bytes_out += u64::from(left.bytes);
    }

    /// A connection was refused.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.refused[refusal as usize] += 1;
    }

    /// Everything that another arbiter counted.
    pub fn merge(&mut self, other: &Self) {
        self.accepted += other.accepted;
        add_all(&mut self.refused, &other.refused);
        self.signed_in += other.signed_in;
        self.resumed += other.resumed;
        add_all(&mut self.sign_ins_refused, &other.sign_ins_refused);
        add_all(&mut self.closes, &other.closes);
        add_all(&mut self.violations, &other.violations);
        self.frames_in += other.frames_in;
        self.frames_out += other.frames_out;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.heartbeats += other.heartbeats;
        self.throttled += other.throttled;
        self.round_trips.merge(&other.round_trips);
        self.fanout.merge(&other.fanout);
    }
}

fn add_all(into: &mut [u64], from: &[u64]) {
    into.iter_mut().zip(from).for_each(|(into, from)| *into += from);
}

/// How long it took until those who vanished were told gone, against what had been promised.
#[derive(Clone, Debug)]
pub struct Detections {
    /// Decided, but not published yet: the last sign of life, and the bound.
    waiting: Vec<(std::time::Instant, Duration)>,
    /// From the last sign of life until it was published.
    pub delays: Histogram,
    /// How many took longer than the bound that was announced to the client.
    pub exceeded: u64,
}

impl Default for Detections {
    fn default() -> Self {
        Self { waiting: Vec::new(), delays: Histogram::new(DETECTIONS), exceeded: 0 }
    }
}

impl Detections {
    /// It was decided that somebody is gone of whom nothing was heard since `heard_at`.
    pub fn decided(&mut self, heard_at: std::time::Instant, bound: Duration) {
        self.waiting.push((heard_at, bound));
    }

    /// Everything that was decided is published now.
    pub fn published(&mut self, now: std::time::Instant) {
        for (heard_at, bound) in self.waiting.drain(..) {
            let delay = now.saturating_duration_since(heard_at);
            self.exceeded += u64::from(delay > bound);
            self.delays.add(delay);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_histogram_counts_up_to_its_bounds_and_beyond() {
        let mut one = Histogram::new(WORK);
        for took in [ms(0), ms(1), ms(2), ms(60_000)] {
            one.add(took);
        }
        let mut other = Histogram::new(WORK);
        other.add(ms(1));
        one.merge(&other);
        let filled: Vec<_> = one.buckets().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.0001, 1), (0.001, 2), (0.0025, 1), (f64::MAX, 1)]);
        assert_eq!(one.count(), 5);
        assert!((one.sum() - 60.004).abs() < 1e-9);
    }

    #[test]
    fn what_arbiters_count_adds_up() {
        let mut one = Counts::default();
        one.closed(CloseReason::ProtocolError(Violation::EmptyFrame));
        one.refuse(Refusal::TooManyFromAddress);
        one.fanout.add(ms(3));
        let mut all = one;
        all.merge(&one);
        assert_eq!(all.closes.iter().sum::<u64>(), 2);
        assert_eq!(all.violations[Violation::EmptyFrame.index()], 2);
        assert_eq!(all.refused[Refusal::TooManyFromAddress as usize], 2);
        assert_eq!(all.fanout.count(), 2);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
    fn a_detection_takes_until_it_is_published() {
        let start = std::time::Instant::now();
        let mut detections = Detections::default();
        detections.decided(start, ms(500));
        detections.decided(start + ms(100), ms(500));
        detections.published(start + ms(600));
        detections.published(start + ms(9_000));
        assert_eq!((detections.delays.count(), detections.exceeded), (2, 1));
    }
}
