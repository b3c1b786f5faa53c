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

#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

pub(crate) use support::{now, say, server, wait_for};

/// Work that takes no time to speak of is given this long: a crowd of thousands makes any machine busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Lets this process, and the servers that it starts, have this many sockets and some files.
pub(crate) fn allow_sockets(sockets: usize) {
    let wanted = sockets as u64 + 200;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a process can read its limits");
    assert!(wanted <= hard, "{sockets} sockets need `ulimit -Hn` of {wanted}, it is {hard}");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the soft limit may be the hard one");
}
