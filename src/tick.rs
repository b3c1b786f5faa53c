//! How far publications are apart: a tick that stretches while writing them takes long, and returns by itself.
//!
//! The rule needs two things only, how long the last publications took to be written and when that was, so
//! whoever has a copy knows the tick at any later time without being told.

use std::time::{Duration, Instant};

/// A tick is this many times as long as a publication takes to be written, so that writing takes at most half of the time.
const REST: u32 = 2;

/// A load that takes less than one part in this of the tick does not need it. Twice [`REST`], so that a steady load finds a
/// tick and keeps it.
const LIGHT: u32 = 4;

/// A stretched tick is halved when nothing has needed it for this long, or for two ticks if that is longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The tick, between its shortest and its longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    shortest: Duration,
    longest: Duration,
    /// How long a publication takes to be written.
    writing: Duration,
    /// When that was known last; `None` as long as nothing took any time to speak of.
    known_at: Option<Instant>,
}

impl Tick {
    /// The shortest tick, until something takes long.
    #[must_use]
    pub fn new(shortest: Duration, longest: Duration) -> Self {
        let longest = longest.max(shortest);
        Self { shortest, longest, writing: Duration::ZERO, known_at: None }
    }

    /// The tick at this time: twice what writing takes, within the limits.
    #[must_use]
    pub fn at(&self, now: Instant) -> Duration {
        self.of(self.eased(now).writing)
    }

    /// What a publication takes to be written, at this time; nothing as long as that was not worth a thought.
    #[must_use]
    pub fn writing_at(&self, now: Instant) -> Duration {
        self.eased(now).writing
    }

    /// How old what watchers have may be at this time at most, while writing takes no longer than it did: a tick until
    /// the next publication, and the time to write that.
    #[must_use]
    pub fn delay_at(&self, now: Instant) -> Duration {
        let writing = self.eased(now).writing;
        let tick = self.of(writing);
        // What takes longer than the longest tick is waited for before anything else is published.
        tick.max(writing) + writing.max(tick / REST)
    }

    /// Whether the tick hears of a publication that took this long. One that does not matter costs nobody a thought.
    #[must_use]
    pub fn is_needed_for(&self, took: Duration, now: Instant) -> bool {
        took * LIGHT >= self.at(now)
    }

    /// A publication was written, `took` after it was due, at `now`. Stretches the tick at once, or keeps it.
    pub fn wrote(&mut self, took: Duration, now: Instant) {
        if self.is_needed_for(took, now) {
            let writing = self.eased(now).writing.max(took);
            (self.writing, self.known_at) = (writing, Some(now));
        }
    }

    fn of(&self, writing: Duration) -> Duration {
        (writing * REST).clamp(self.shortest, self.longest)
    }

    /// What is left of the load after the time since it was known.
    fn eased(&self, now: Instant) -> Self {
        let mut eased = *self;
        let Some(known_at) = self.known_at else { return eased };
        let mut quiet = now.saturating_duration_since(known_at);
        while eased.writing * REST > self.shortest {
            let tick = self.of(eased.writing);
            let pause = PATIENCE.max(tick * 2);
            let Some(rest) = quiet.checked_sub(pause) else { return eased };
            (quiet, eased.writing) = (rest, eased.writing.min(tick / REST) / 2);
        }
        Self::new(self.shortest, self.longest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Clock;

    const SHORTEST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_secs(2);

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn tick() -> (Tick, Instant) {
        (Tick::new(SHORTEST, LONGEST), Clock::system().now().instant)
    }

    #[test]
    fn what_is_written_in_no_time_leaves_the_shortest_tick() {
        let (mut tick, start) = tick();
        let untouched = tick;
        tick.wrote(ms(4), start);
        assert_eq!(tick, untouched);
        assert_eq!((tick.at(start), tick.delay_at(start)), (SHORTEST, ms(30)));
    }

    #[test]
    fn it_rises_at_once_to_twice_what_writing_takes() {
        let (mut tick, start) = tick();
        tick.wrote(ms(100), start);
        assert_eq!((tick.at(start), tick.delay_at(start)), (ms(200), ms(300)));
        tick.wrote(ms(300), start);
        assert_eq!(tick.at(start), ms(600));
    }

    #[test]
    fn it_is_bounded_and_the_delay_says_so_all_the_same() {
        let (mut tick, start) = tick();
        tick.wrote(ms(5_000), start);
        assert_eq!((tick.at(start), tick.delay_at(start)), (LONGEST, ms(10_000)));
    }

    #[test]
    fn it_returns_by_itself_in_halves() {
        let (mut tick, start) = tick();
        tick.wrote(ms(100), start);
        let after = |ms_later| tick.at(start + ms(ms_later));
        assert_eq!([after(999), after(1_000), after(2_000)], [ms(200), ms(100), ms(50)]);
        assert_eq!([after(3_000), after(4_000)], [ms(25), SHORTEST]);
        assert_eq!(tick.delay_at(start + ms(4_000)), ms(30));
    }

    #[test]
    fn the_longest_is_back_within_fourteen_seconds() {
        let (mut tick, start) = tick();
        tick.wrote(ms(60_000), start);
        assert_eq!(tick.at(start + ms(3_999)), LONGEST);
        assert_eq!(tick.at(start + ms(4_000)), LONGEST / 2);
        assert_eq!(tick.at(start + ms(14_000)), SHORTEST);
    }

    #[test]
    fn a_steady_load_keeps_its_tick() {
        let (mut tick, start) = tick();
        tick.wrote(ms(100), start);
        for n in 1..100 {
            let now = start + ms(200) * n;
            tick.wrote(ms(60), now);
            assert_eq!(tick.at(now), ms(200));
        }
    }

    #[test]
    fn after_a_spike_it_falls_to_what_the_load_needs() {
        let (mut tick, start) = tick();
        tick.wrote(ms(800), start);
        let mut now = start;
        while now < start + ms(20_000) {
            now += tick.at(now);
            tick.wrote(ms(20), now);
        }
        assert!((ms(40)..=ms(80)).contains(&tick.at(now)), "{:?}", tick.at(now));
    }

    proptest! {
        #[test]
        fn it_is_within_its_limits_and_never_short_of_the_load(
            written in proptest::collection::vec((0..6_000_u64, 0..10_000_u64), 1..50),
        ) {
            let (mut tick, mut now) = tick();
            for (took, pause) in written {
                now += ms(pause);
                tick.wrote(ms(took), now);
                let at = tick.at(now);
                prop_assert!((SHORTEST..=LONGEST).contains(&at));
                prop_assert!(at >= (ms(took) * 2).min(LONGEST));
                prop_assert!(tick.delay_at(now) >= at + ms(took));
                prop_assert!(tick.at(now + ms(500)) <= at, "time alone never stretches it");
                let (back, none) = (now + ms(14_000), Tick::new(SHORTEST, LONGEST));
                prop_assert_eq!((tick.at(back), tick.delay_at(back)), (SHORTEST, none.delay_at(back)));
            }
        }
    }
}
