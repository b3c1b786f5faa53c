//! What a process used, by the kernel's own accounting.
//!
//! Processor time is `/proc/PID/task/*/schedstat`, nanoseconds on a core, summed over the threads that are alive; the
//! programs measured here end no thread while they are measured. `/proc/PID/stat` would count in ticks of 10 ms.
//! Memory is `Rss` of `/proc/PID/smaps_rollup`, which walks the page tables: `statm` may lag by some pages per thread.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use crate::clock;
use crate::failure::{Failure, Tried as _};

/// A process whose use is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pid: u32,
}

/// What a process uses from some moment on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    account: Account,
    cpu: Duration,
    load_cpu: Duration,
    began: Instant,
}

/// What a process used in some time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// Time on a core.
    cpu: Duration,
    /// Time on a core that this program used meanwhile, to load it.
    load_cpu: Duration,
    /// Time that passed meanwhile.
    passed: Duration,
}

impl Used {
    /// Microseconds on a core for each of `count`.
    pub(crate) fn us_each(self, count: u64) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / count as f64
    }

    /// How much of a core was used. Far below 100 something else was the limit.
    pub(crate) fn busy_percent(self) -> f64 {
        self.cpu.as_secs_f64() * 100.0 / self.passed.as_secs_f64()
    }

    /// How much of a core this program used meanwhile. Near 100 the load was the limit.
    pub(crate) fn load_percent(self) -> f64 {
        self.load_cpu.as_secs_f64() * 100.0 / self.passed.as_secs_f64()
    }

    /// The time that passed, in seconds.
    pub(crate) fn seconds(self) -> f64 {
        self.passed.as_secs_f64()
    }
}

impl Meter {
    /// What was used since the meter began.
    pub(crate) fn used(self) -> Result<Used, Failure> {
        let cpu = self.account.cpu()?.saturating_sub(self.cpu);
        let load_cpu = Account::own().cpu()?.saturating_sub(self.load_cpu);
        Ok(Used { cpu, load_cpu, passed: clock::now() - self.began })
    }
}

impl Account {
    /// The account of a living process.
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// The account of this process.
    fn own() -> Self {
        Self::of(std::process::id())
    }

    /// Measures from now on.
    pub(crate) fn meter(self) -> Result<Meter, Failure> {
        let (cpu, load_cpu) = (self.cpu()?, Self::own().cpu()?);
        Ok(Meter { account: self, cpu, load_cpu, began: clock::now() })
    }

    /// Time on a core since the process began, user and kernel, of all its living threads.
    fn cpu(self) -> Result<Duration, Failure> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid)).tried("reading its threads")? {
            let path = task.tried("reading its threads")?.path().join("schedstat");
            let text = fs::read_to_string(path).tried("reading schedstat")?;
            nanoseconds += first_number(&text).tried("reading schedstat")?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Resident memory, in bytes.
    pub(crate) fn rss_bytes(self) -> Result<u64, Failure> {
        self.kib("smaps_rollup", "Rss:").map(|kib| kib * 1024)
    }

    /// The most resident memory that the process ever had, in bytes.
    pub(crate) fn peak_rss_bytes(self) -> Result<u64, Failure> {
        self.kib("status", "VmHWM:").map(|kib| kib * 1024)
    }

    fn kib(self, file: &'static str, field: &str) -> Result<u64, Failure> {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.pid)).tried(file)?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        first_number(line).tried(file)
    }
}

fn first_number(text: &str) -> io::Result<u64> {
    let word = text.split_whitespace().next().unwrap_or_default();
    word.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_and_takes_memory_is_charged_for_it() {
        let account = Account::of(std::process::id());
        let (cpu, rss) = (account.cpu().unwrap(), account.rss_bytes().unwrap());
        let taken = vec![1_u8; 32 << 20];
        let sum: u64 = taken.iter().map(|byte| u64::from(*byte)).sum();
        assert_eq!(sum, 32 << 20);
        assert!(account.rss_bytes().unwrap() > rss + (16 << 20));
        assert!(account.cpu().unwrap() > cpu);
    }
}
