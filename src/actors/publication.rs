//! A publication on its way to every arbiter, and what became of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::roster::PublishedDelta;
use crate::tick::Tick;

/// New steps of a room's view. The bytes are shared by all fan-outs; whoever has written them to their sessions lets go.
#[derive(Debug)]
pub struct Publication {
    /// The steps.
    pub deltas: Vec<PublishedDelta>,
    /// When they were published.
    at: Instant,
    /// The tick as the registry knew it then.
    pub tick: Tick,
    written: Arc<Written>,
}

/// How long the slowest arbiter took to write a publication, in microseconds.
#[derive(Debug, Default)]
struct Written(AtomicU64);

impl Publication {
    /// What is to be written from `at` on.
    #[must_use]
    pub fn new(deltas: Vec<PublishedDelta>, tick: Tick, at: Instant) -> Self {
        Self { deltas, at, tick, written: Arc::default() }
    }

    /// How long it has been on its way.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.at)
    }

    /// One arbiter has written it to all of its sessions.
    pub fn written(&self, now: Instant) {
        let us = u64::try_from(self.age(now).as_micros()).unwrap_or(u64::MAX);
        // The registry reads it when everybody has let go of the publication, which orders the two.
        self.written.0.fetch_max(us, Ordering::Relaxed);
    }
}

/// The publications that some arbiter still writes.
#[derive(Debug, Default)]
pub struct Unwritten {
    publications: Vec<OnItsWay>,
    /// How long the last one took that was written.
    last_took: Duration,
}

#[derive(Debug)]
struct OnItsWay {
    publication: Weak<Publication>,
    at: Instant,
    written: Arc<Written>,
}

impl Unwritten {
    /// A publication is on its way.
    pub fn add(&mut self, publication: &Arc<Publication>) {
        let written = Arc::clone(&publication.written);
        let (publication, at) = (Arc::downgrade(publication), publication.at);
        self.publications.push(OnItsWay { publication, at, written });
    }

    /// Takes out what everybody has written, and tells the tick how long that took. Once is no load: an arbiter may have
    /// been without a processor for a moment. Returns whether nothing is left.
    pub fn settle(&mut self, tick: &mut Tick) -> bool {
        let Self { publications, last_took } = self;
        publications.retain(|on_its_way| {
            let left = on_its_way.publication.strong_count() > 0;
            if !left {
                let took = Duration::from_micros(on_its_way.written.0.load(Ordering::Relaxed));
                let before = std::mem::replace(last_took, took);
                tick.wrote(took.min(before), on_its_way.at + took);
            }
            left
        });
        self.publications.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_slowest_arbiter_decides_and_the_last_to_let_go_ends_it() {
        let start = Clock::system().now().instant;
        let mut tick = Tick::new(ms(20), ms(2_000));
        let mut unwritten = Unwritten::default();
        let one = Arc::new(Publication::new(Vec::new(), tick, start));
        let other = Arc::clone(&one);
        unwritten.add(&one);
        unwritten.last_took = ms(400);
        one.written(start + ms(300));
        drop(one);
        assert!(!unwritten.settle(&mut tick), "the other one still writes");
        assert_eq!(tick.at(start), ms(20));
        other.written(start + ms(100));
        drop(other);
        assert!(unwritten.settle(&mut tick));
        assert_eq!(tick.at(start + ms(300)), ms(600));
    }

    #[test]
    fn one_slow_publication_among_quick_ones_stretches_nothing() {
        let start = Clock::system().now().instant;
        let mut tick = Tick::new(ms(20), ms(2_000));
        let mut unwritten = Unwritten::default();
        for (took, stretched) in [(1, ms(20)), (300, ms(20)), (200, ms(400))] {
            let publication = Arc::new(Publication::new(Vec::new(), tick, start));
            unwritten.add(&publication);
            publication.written(start + ms(took));
            drop(publication);
            assert!(unwritten.settle(&mut tick));
            assert_eq!(tick.at(start), stretched, "after {took} ms");
        }
    }

    #[test]
    fn an_arbiter_that_died_holds_up_nothing() {
        let start = Clock::system().now().instant;
        let mut tick = Tick::new(ms(20), ms(2_000));
        let mut unwritten = Unwritten::default();
        unwritten.add(&Arc::new(Publication::new(Vec::new(), tick, start)));
        assert!(unwritten.settle(&mut tick));
        assert_eq!(tick.at(start), ms(20));
    }
}
