//! Who gets in: what the listeners of all arbiters share, and how short of memory the server is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix::prelude::*;

use super::listener_actor::ListenerActor;
use super::messages::Relieve;
use crate::limits::Refusal;
use crate::limits::admission::{Admission, Block, Quota};
use crate::limits::memory::Pressure;

/// How often it is looked how much memory is in use. A storm of 5,000 accepts a second takes some MB in that time.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What the arbiters share at their doors. The lock is held for one accept or one end.
#[derive(Debug, Default)]
pub struct Desk {
    admission: Mutex<Admission>,
    pressure: AtomicU8,
}

impl Desk {
    /// A connection arrives.
    ///
    /// # Errors
    /// Why it gets no place.
    pub fn arrive(&self, block: Block, quota: &Quota, now: Instant) -> Result<(), Refusal> {
        let pressure = self.pressure();
        self.admission().arrive(block, quota, pressure, now)
    }

    /// A connection that got a place is over.
    pub fn leave(&self, block: Block) {
        self.admission().leave(block);
    }

    /// How short of memory the server is.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        Pressure::of_number(self.pressure.load(Ordering::Relaxed))
    }

    fn admission(&self) -> MutexGuard<'_, Admission> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks how much memory is in use. Returns the pressure, and whether it is another one than before.
    fn look(&self, used: u64, limit: u64) -> (Pressure, bool) {
        let before = self.pressure();
        let pressure = before.next(used, limit);
        self.pressure.store(pressure.number(), Ordering::Relaxed);
        (pressure, pressure != before)
    }
}

/// Has the listeners relieve the server whenever it is short of memory.
pub async fn watch_memory(desk: Arc<Desk>, limit: u64, listeners: Vec<Addr<ListenerActor>>) {
    if limit == 0 {
        return;
    }
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let used = resident_bytes();
        let (pressure, changed) = desk.look(used, limit);
        if changed {
            tracing::warn!(pressure = pressure.name(), used, limit, "memory");
        }
        if pressure >= Pressure::Short {
            listeners.iter().for_each(|listener| listener.do_send(Relieve(pressure)));
        }
    }
}

/// Bytes of memory that this process occupies; 0 where the system does not tell.
#[must_use]
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    resident.and_then(|field| field.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0)
        * 1024
}

/// How much memory this process may occupy before the kernel ends it, by its control groups; 0 where they set no limit.
#[must_use]
pub fn memory_limit() -> u64 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        limit_of(&PathBuf::from(root), path, file)
    });
    limits.min().unwrap_or(0)
}

/// The least limit from the group of the process up to the root. Inside of a container the root may stand for its group.
fn limit_of(root: &Path, path: &str, file: &str) -> Option<u64> {
    let own = root.join(path.trim_start_matches('/'));
    let groups = own.ancestors().take_while(|group| group.starts_with(root));
    let limit =
        |group: &Path| fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
    // Without a limit version 1 says a number close to 2^63.
    groups.filter_map(limit).filter(|limit| *limit < 1 << 60).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_least_from_the_group_up() {
        let root = std::env::temp_dir().join(format!("herenow-groups-{}", std::process::id()));
        fs::create_dir_all(root.join("a/b")).expect("a folder can be made");
        let write =
            |place: &str, text: &str| fs::write(root.join(place), text).expect("it can be written");
        write("memory.max", "max\n");
        write("a/memory.max", "1000000\n");
        write("a/b/memory.max", "max\n");
        let found = ["/a/b", "/a", "/"].map(|path| limit_of(&root, path, "memory.max"));
        let _ = fs::remove_dir_all(&root);
        assert_eq!(found, [Some(1_000_000), Some(1_000_000), None]);
    }

    #[test]
    fn a_change_of_the_pressure_is_told_once() {
        let desk = Desk::default();
        assert_eq!(desk.look(90, 100), (Pressure::Short, true));
        assert_eq!(desk.look(91, 100), (Pressure::Short, false));
        let now = crate::clock::Clock::system().instant();
        let quota = Quota { connections: 0, per_address: 0, new_per_address: 0 };
        assert_eq!(desk.arrive(Block::OWN, &quota, now), Err(Refusal::ShortOfMemory));
        assert_eq!(desk.look(10, 100), (Pressure::Calm, true));
        assert_eq!(desk.arrive(Block::OWN, &quota, now), Ok(()));
    }
}
