//! Which cores run what: the server under test on one, the load on another.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::failure::{Failure, Tried as _};

/// The core of the server under test, or of the floor.
pub(crate) const SERVER_CORE: usize = 0;

/// The core of the load.
pub(crate) const LOAD_CORE: usize = 1;

/// Whether programs are kept on cores of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pinning {
    /// They are.
    pub(crate) on: bool,
}

impl Pinning {
    /// Runs `start` on the server's core, so that a process started by it stays there with every thread, and goes on
    /// on the load's core.
    pub(crate) fn start<T>(self, start: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        self.take(Pid::from_raw(0), SERVER_CORE)?;
        let started = start();
        self.take(Pid::from_raw(0), LOAD_CORE)?;
        started
    }

    /// The kernel chooses the cores from now on, also of what is started.
    pub(crate) fn released(self) -> Result<Self, Failure> {
        if self.on {
            let mut cores = CpuSet::new();
            (0..CpuSet::count()).try_for_each(|core| cores.set(core)).tried("choosing cores")?;
            sched_setaffinity(Pid::from_raw(0), &cores).tried("leaving a core")?;
        }
        Ok(Self { on: false })
    }

    /// Keeps the living threads of a process on the server's core.
    pub(crate) fn hold_server(self, pid: u32) -> Result<(), Failure> {
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).tried("reading its threads")? {
            let name = task.tried("reading its threads")?.file_name();
            let thread = name.to_str().and_then(|name| name.parse().ok());
            self.take(Pid::from_raw(thread.unwrap_or_default()), SERVER_CORE)?;
        }
        Ok(())
    }

    /// For the conditions of a run.
    pub(crate) fn describe(self) -> String {
        match self.on {
            true => format!("server on core {SERVER_CORE}, load on core {LOAD_CORE}"),
            false => "none".to_owned(),
        }
    }

    fn take(self, thread: Pid, core: usize) -> Result<(), Failure> {
        if !self.on {
            return Ok(());
        }
        let mut cores = CpuSet::new();
        cores.set(core).tried("choosing a core")?;
        sched_setaffinity(thread, &cores).tried("pinning to a core (try --no-pin)")
    }
}

/// How many cores this program may use, before it pins itself.
pub(crate) fn cores() -> usize {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false)).count()
}
