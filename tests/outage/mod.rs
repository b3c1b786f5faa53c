//! What the tests of outages share: a server that comes back at the same place, and real clients in this process.

pub(crate) mod commotion;
pub(crate) mod cord;
pub(crate) mod crowd;
pub(crate) mod diary;
pub(crate) mod disk;
pub(crate) mod folder;
pub(crate) mod pace;
pub(crate) mod place;
pub(crate) mod replay;
pub(crate) mod scene;
pub(crate) mod sight;
pub(crate) mod tail;

// The rest of `support` speaks to servers frame by frame, which these tests leave to real clients.
#[path = "../support/net.rs"]
mod net;
#[path = "../support/server.rs"]
pub(crate) mod server;

use std::io::Write;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Work that takes no time to speak of is given this long, so that a busy machine fails no test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

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

/// Lets this process, and the servers that it starts, have this many sockets and some files.
pub(crate) fn allow_sockets(sockets: usize) {
    let wanted = sockets as u64 + 200;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a process can read its limits");
    assert!(wanted <= hard, "{sockets} sockets need `ulimit -Hn` of {wanted}, it is {hard}");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the soft limit may be the hard one");
}
