//! What the tests over real sockets share: networks, servers, peers and clients.

pub(crate) mod certificates;
pub(crate) mod clients;
pub(crate) mod net;
pub(crate) mod peer;
pub(crate) mod server;

use std::io::Write;
use std::time::{Duration, Instant};

/// Work that takes no time to speak of is given this long, so that a busy machine fails no test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How often a condition is looked at that nobody announces.
const POLL: Duration = Duration::from_millis(5);

/// The present moment.
#[expect(clippy::disallowed_methods, reason = "these tests measure the real clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits until `probe` finds something.
///
/// # Panics
/// If it finds nothing within `limit`; `what` says what was waited for.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} for {what}");
        std::thread::sleep(POLL);
    }
}

/// Writes to the terminal, also from a test that passes.
pub(crate) fn say(text: &str) {
    // `eprintln!` would be captured by the test harness. Nobody may be reading; that fails no test.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Tells how some measured times are spread: the least, the middle one and the most, and a bar for
/// each tenth of the bound if one was announced for them.
pub(crate) fn say_spread(title: &str, bound: Option<Duration>, times: &[Duration]) {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let (Some(&least), Some(&most)) = (sorted.first(), sorted.last()) else {
        return say(&format!("{title}: none"));
    };
    let [low, middle, high] =
        [least, sorted[sorted.len() / 2], most].map(|time| time.as_secs_f64());
    let announced = bound.map(|bound| format!(", announced {:.3}", bound.as_secs_f64()));
    let announced = announced.unwrap_or_default();
    let count = sorted.len();
    let mut text = format!("{title}: {count}x {low:.3} / {middle:.3} / {high:.3} s{announced}");
    let Some(bound) = bound else { return say(&text) };
    let width = bound / 10;
    let bar_of = |time: Duration| time.as_nanos() / width.as_nanos();
    for bar in bar_of(least)..=bar_of(most) {
        let count = sorted.iter().filter(|&&time| bar_of(time) == bar).count();
        let from = (bar * width.as_nanos()) as f64 / 1e9;
        let to = from + width.as_secs_f64();
        text += &format!("\n  {from:7.3} - {to:7.3} s {count:3} {}", "#".repeat(count));
    }
    say(&text);
}
