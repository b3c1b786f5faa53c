//! How the server is: a probe goes through the registry every second, and whoever watches over the process is told when it
//! comes back.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix::prelude::*;
use sd_notify::NotifyState;

use super::desk::resident_bytes;
use super::messages::Finish;
use super::registry_actor::RegistryActor;
use crate::clock::Clock;
use crate::counts::{Histogram, WORK};
use crate::metrics::Process;

/// How often the registry is probed.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// A probe that takes longer is worth a line in the log.
const SLOW: Duration = Duration::from_millis(200);

/// A registry that has not answered for longer does not work.
const STUCK: Duration = Duration::from_secs(5);

/// What is known of how the server is.
#[derive(Debug)]
pub struct Pulse {
    lag: Mutex<Histogram>,
    /// When the registry last answered.
    answered_at: Mutex<Instant>,
    stopping: AtomicBool,
}

impl Pulse {
    /// A server that begins now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let (lag, answered_at) = (Mutex::new(Histogram::new(WORK)), Mutex::new(now));
        Self { lag, answered_at, stopping: AtomicBool::new(false) }
    }

    /// The server is being stopped.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// How long a message to the registry took to be handled.
    #[must_use]
    pub fn lag(&self) -> Histogram {
        *self.lag.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why no clients should be sent here; empty if they should.
    #[must_use]
    pub fn reasons_not_ready(&self, now: Instant) -> Vec<&'static str> {
        let answered_at = *self.answered_at.lock().unwrap_or_else(PoisonError::into_inner);
        let stuck = now.saturating_duration_since(answered_at) > PROBE_EVERY + STUCK;
        let stopping = self.stopping.load(Ordering::Relaxed).then_some("stopping");
        stopping.into_iter().chain(stuck.then_some("registry")).collect()
    }

    fn answered(&self, now: Instant, took: Duration) {
        self.lag.lock().unwrap_or_else(PoisonError::into_inner).add(took);
        *self.answered_at.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

/// Probes the registry for as long as there is one. The service manager hears of each probe that came back in time, and
/// restarts the server if there is none.
pub async fn probe(registry: Addr<RegistryActor>, pulse: Arc<Pulse>, clock: Clock) {
    loop {
        tokio::time::sleep(PROBE_EVERY).await;
        let asked_at = clock.instant();
        if !came_back(&registry).await {
            return;
        }
        let now = clock.instant();
        let took = now.saturating_duration_since(asked_at);
        if took > SLOW {
            let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(ms, "the registry is slow to answer");
        }
        pulse.answered(now, took);
        tell_manager(&[NotifyState::Watchdog]);
    }
}

/// Waits until everything that the registry has to do by now is done. `false` if there is none any more.
async fn came_back(registry: &Addr<RegistryActor>) -> bool {
    let probe = registry.send(Finish);
    tokio::pin!(probe);
    loop {
        match tokio::time::timeout(STUCK, &mut probe).await {
            Ok(answer) => return answer.is_ok(),
            Err(_) => tracing::error!("the registry does not answer"),
        }
    }
}

/// Tells the service manager, if one listens.
pub fn tell_manager(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

/// What this process takes; zeros where the system does not tell.
#[must_use]
pub fn process() -> Process {
    let descriptors = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    Process { resident_bytes: resident_bytes(), descriptors: descriptors as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ready_while_its_registry_answers_and_nobody_stops_it() {
        let start = Clock::system().instant();
        let pulse = Pulse::new(start);
        assert!(pulse.reasons_not_ready(start + STUCK).is_empty());
        let later = start + PROBE_EVERY + STUCK + Duration::from_millis(1);
        assert_eq!(pulse.reasons_not_ready(later), ["registry"]);
        pulse.answered(later, Duration::from_millis(3));
        assert!(pulse.reasons_not_ready(later).is_empty());
        assert_eq!(pulse.lag().count(), 1);
        pulse.stop();
        assert_eq!(pulse.reasons_not_ready(later), ["stopping"]);
    }

    #[test]
    fn the_process_knows_what_it_takes() {
        let Process { resident_bytes, descriptors } = process();
        assert!(resident_bytes > 100_000 && descriptors >= 3, "{resident_bytes} {descriptors}");
    }
}
