//! How fast a server let people in, by its own log.

use std::time::{Duration, SystemTime};

use herenow_client::reconnect::SLOT_JITTER_MAX;

/// The span over which a storm is measured; the server lets this much through at once.
const SPAN: Duration = Duration::from_millis(100);

/// When the server accepted each connection, in order, by the log of [`Place::serve`](super::place::Place::serve).
pub(crate) fn accepted(log: &str) -> Vec<SystemTime> {
    let lines = log.lines().filter(|line| line.contains(": connected "));
    let time = |line: &str| line.split_whitespace().next().map(humantime::parse_rfc3339);
    let mut times: Vec<_> =
        lines.filter_map(time).map(|time| time.expect("a log has times")).collect();
    times.sort_unstable();
    times
}

/// The most that came within any tenth of a second.
pub(crate) fn most_at_once(times: &[SystemTime]) -> usize {
    let count = |(first, start): (usize, &SystemTime)| {
        times[first..].iter().take_while(|time| **time < *start + SPAN).count()
    };
    times.iter().enumerate().map(count).max().unwrap_or(0)
}

/// Times to come back that were drawn for each by themselves lie evenly in this range, as a client follows them.
pub(crate) fn assert_even(slots: &mut [Duration], range: (Duration, Duration)) {
    slots.sort_unstable();
    let (least, width) = (range.0, range.1 - range.0);
    let count = f64::from(u32::try_from(slots.len()).expect("a crowd is small"));
    // Each thread of the server spreads its own sessions, and times are told in milliseconds.
    let tolerance = width.mul_f64(2.0 / count) + Duration::from_millis(1);
    for (place, slot) in (0..).map(f64::from).zip(slots.iter()) {
        let even = least + width.mul_f64((place + 0.5) / count);
        let (from, to) = (even.saturating_sub(tolerance), even + SLOT_JITTER_MAX + tolerance);
        assert!((from..=to).contains(slot), "slot {place} of {count} is {slot:?}, not {even:?}");
    }
}

/// The most that a server may accept within any tenth of a second: what the rate gives, a burst of as much, and for each
/// of its threads one for the rounding at either end.
pub(crate) fn limit(accepts_per_second: usize, threads: usize) -> usize {
    2 * accepts_per_second.div_ceil(10) + 2 * threads
}
