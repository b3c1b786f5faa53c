//! Lets people in, or keeps them waiting and out: what [`crate::auth`] decides, with the time that it takes.
//!
//! Whoever is refused hears so a fixed time after they asked, whatever the reason and however long it took to find, so
//! that nobody learns anything from a clock. Hashes of passwords are computed beside the arbiters, on half of the
//! processors at most. Each arbiter's sessions share one gate with those of the others.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use herenow_protocol::{Credential, DisplayName};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::failures::Failures;
use crate::auth::{AuthError, Authenticator, Denied, Grant};
use crate::clock::Clock;
use crate::config::Config;
use crate::session::Refusal;

/// Whoever is refused hears so this long after they asked, or a multiple of it where that is not enough.
pub const ANSWER_AFTER: Duration = Duration::from_millis(200);

/// A sign-in that has waited this long for a processor is asked to come back.
const PATIENCE: Duration = Duration::from_secs(4);

/// Keys of tokens are asked for at most this often, however many tokens name keys that nobody knows.
const FETCH_EVERY: Duration = Duration::from_secs(60);

/// Keys that come from another server are asked for again after this long, so that one that was withdrawn goes.
const KEYS_AGE_MAX: Duration = Duration::from_secs(600);

/// How often it is looked whether a file has changed.
const POLL: Duration = Duration::from_secs(10);

/// The way in.
#[derive(Debug)]
pub struct Gate {
    authenticator: Arc<Authenticator>,
    clock: Clock,
    failures: Mutex<Failures>,
    hashing: Arc<Semaphore>,
    /// When keys were asked for last. Held while they are asked for, so that one asks for all.
    fetched_at: tokio::sync::Mutex<Instant>,
}

impl Gate {
    /// The way in, as `authenticator` decides.
    #[must_use]
    pub fn new(authenticator: Authenticator, clock: Clock) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            authenticator: Arc::new(authenticator),
            clock,
            failures: Mutex::default(),
            hashing: Arc::new(Semaphore::new(processors.div_ceil(2))),
            fetched_at: tokio::sync::Mutex::new(clock.instant()),
        }
    }

    /// The way in, as the configuration says.
    ///
    /// # Errors
    /// What is wrong with what it names.
    pub fn open(config: &Config, clock: Clock) -> Result<Self, AuthError> {
        Authenticator::open(config).map(|authenticator| Self::new(authenticator, clock))
    }

    /// Whether somebody may come in. Answers at once if they may.
    pub(super) async fn admit(
        &self,
        name: &DisplayName,
        credential: Option<&Credential>,
        address: IpAddr,
    ) -> Result<Grant, Refusal> {
        let asked_at = self.clock.instant();
        let wait = self.failures().wait(address, asked_at);
        if !wait.is_zero() {
            return Err(Refusal::NotNow(wait));
        }
        match self.check(name, credential).await {
            Some(Ok(grant)) => Ok(grant),
            Some(Err(denied)) => {
                let now = self.clock.instant();
                self.failures().note(address, now);
                let why = match denied {
                    Denied::Refused(why) => why,
                    Denied::UnknownKey => "the token names a key that is not known",
                };
                tracing::info!(why, "somebody was refused");
                let answer_at = answer_at(asked_at, now);
                tokio::time::sleep_until(answer_at.into()).await;
                Err(Refusal::Refused)
            }
            None => Err(Refusal::NotNow(PATIENCE)),
        }
    }

    /// `None` if there was no processor in time.
    async fn check(
        &self,
        name: &DisplayName,
        credential: Option<&Credential>,
    ) -> Option<Result<Grant, Denied>> {
        let now = self.clock.now().unix_ms;
        if self.authenticator.takes_time() {
            let turn = Arc::clone(&self.hashing).acquire_owned();
            let turn = tokio::time::timeout(PATIENCE, turn).await.ok()?.ok()?;
            let (authenticator, name) = (Arc::clone(&self.authenticator), name.clone());
            let credential = credential.cloned();
            let checking = move || {
                // The turn lasts as long as the work, whoever still waits for it.
                let _turn = turn;
                authenticator.check(&name, credential.as_ref(), now)
            };
            return tokio::task::spawn_blocking(checking).await.ok();
        }
        let checked = self.authenticator.check(name, credential, now);
        match checked {
            Err(Denied::UnknownKey) if self.fetch(FETCH_EVERY).await => {
                Some(self.authenticator.check(name, credential, now))
            }
            checked => Some(checked),
        }
    }

    /// Asks for keys, unless that was done within `every`. Returns whether there may be new ones.
    async fn fetch(&self, every: Duration) -> bool {
        let began = self.clock.instant();
        let mut fetched_at = self.fetched_at.lock().await;
        if *fetched_at >= began {
            // Somebody else asked while this one waited for its turn.
            return true;
        }
        if self.clock.instant().duration_since(*fetched_at) < every {
            return false;
        }
        *fetched_at = self.clock.instant();
        self.reload().await;
        *fetched_at = self.clock.instant();
        true
    }

    async fn reload(&self) {
        let authenticator = Arc::clone(&self.authenticator);
        // It may wait for a disk or another server.
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || authenticator.refresh()).await {
            tracing::error!(%error, "who may come in stays as it was");
        }
    }

    /// Follows what is written about who may come in, until the server stops.
    pub(crate) async fn follow(self: Arc<Self>, shutdown: CancellationToken) {
        if self.authenticator.is_open() {
            return;
        }
        while shutdown.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
            if self.authenticator.is_remote() {
                self.fetch(KEYS_AGE_MAX).await;
                continue;
            }
            let authenticator = Arc::clone(&self.authenticator);
            match tokio::task::spawn_blocking(move || authenticator.look()).await {
                Ok(Some(Ok(()))) => tracing::info!("who may come in was read anew"),
                Ok(Some(Err(error))) => tracing::error!(%error, "who may come in stays as it was"),
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// Reads everything about who may come in again, because the operator says so.
    pub async fn reread(&self) {
        if !self.authenticator.is_open() {
            self.reload().await;
        }
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When whoever asked then is told, now that the answer is known.
fn answer_at(asked_at: Instant, now: Instant) -> Instant {
    let took = now.saturating_duration_since(asked_at).as_nanos();
    let times = took.div_ceil(ANSWER_AFTER.as_nanos()).max(1);
    asked_at + ANSWER_AFTER * u32::try_from(times).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
