//! What all measures have in common.

use std::time::Duration;

use crate::failure::Failure;
use crate::floor::Floor;
use crate::pinning::Pinning;
use crate::server::{Server, Source};

/// Numbers of a run that only shows that everything works.
const QUICK_COUNT: usize = 500;
const QUICK_TIME: Duration = Duration::from_millis(500);

/// What all measures have in common.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Whence the server comes.
    pub(crate) source: Source,
    /// What runs on which core.
    pub(crate) pinning: Pinning,
    /// Threads of a server that is started.
    pub(crate) threads: usize,
    /// How often each measure is taken.
    pub(crate) runs: usize,
    /// Take small numbers and short times: the figures mean nothing then.
    pub(crate) quick: bool,
}

impl Setting {
    /// A server to measure.
    pub(crate) fn server(&self) -> Result<Server, Failure> {
        self.source.server(self.pinning, self.threads)
    }

    /// A floor to measure.
    pub(crate) fn floor(&self, floor: &Floor) -> Result<Server, Failure> {
        Server::floor(&floor.arguments(), self.pinning)
    }

    /// How many there are of something.
    pub(crate) fn count(&self, wanted: usize) -> usize {
        if self.quick { wanted.min(QUICK_COUNT) } else { wanted }
    }

    /// How long something is measured.
    pub(crate) fn time(&self, wanted: Duration) -> Duration {
        if self.quick { wanted.min(QUICK_TIME) } else { wanted }
    }
}
