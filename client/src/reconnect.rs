//! When to come back after a connection ended, if at all.
//!
//! Pure: randomness is passed in. Full jitter: the time until the next try is drawn anew from a range that
//! doubles with every failure, so that the users of a server that restarts do not return as one.

use std::time::{Duration, Instant};

use herenow_protocol::CloseReason;
use rand::{Rng, RngExt};

use crate::Disconnect;

/// No try follows the end of the one before sooner than this, whatever the server says.
pub const RETRY_MIN: Duration = Duration::from_millis(500);

/// The range of the jitter stops doubling here.
pub const JITTER_MAX: Duration = Duration::from_secs(20);

/// While the last session can still be resumed, the range of the jitter stops at this part of the silence that ends a
/// connection.
///
/// A server that restarts shows the sessions that it kept for as long as their heartbeat rule allows silence, and then
/// reports those gone that did not come back. A try that just missed the server's start must be followed by one that
/// does not, and both must fit: two waits of 0.4 leave a fifth of the time for connecting.
const RESUME_SHARE: f64 = 0.4;

/// Where [`resume_range`] ends at most, so that a slow heartbeat rule does not make a return slow as well.
pub const RESUME_JITTER_MAX: Duration = Duration::from_secs(4);

/// A time that the server gave is jittered by this much only: the server spreads these times itself.
pub const SLOT_JITTER_MAX: Duration = Duration::from_millis(250);

/// Who was signed in for this long starts with the smallest jitter again.
pub const STABLE_AFTER: Duration = Duration::from_secs(60);

/// A server that asks for more patience than this gets this much.
pub const COME_BACK_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How soon a try follows the return of this computer's network: that of a whole office returns at once.
const LINK_UP_RANGE: (Duration, Duration) = (RETRY_MIN, Duration::from_millis(1_500));

/// What the server said about coming back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invitation {
    /// It said nothing.
    Unsaid,
    /// Come back, not before this time has passed.
    ComeBackAfter(Duration),
    /// Do not come back by yourself.
    StayAway,
}

/// When the next try comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The next try.
    pub at: Instant,
    /// The server asked for no try before this.
    pub not_before: Instant,
    /// No try may come before this, whoever asks for it.
    pub earliest: Instant,
}

/// Counts failures in a row, and draws the next time from them.
#[derive(Debug)]
pub struct Reconnect {
    enabled: bool,
    failures: u32,
    signed_in_at: Option<Instant>,
}

impl Reconnect {
    /// A policy that says "never" if it is not `enabled`.
    #[must_use]
    pub fn new(enabled: bool) -> Self {
        Self { enabled, failures: 0, signed_in_at: None }
    }

    /// The server accepted the sign-in.
    pub fn signed_in(&mut self, now: Instant) {
        self.signed_in_at = Some(now);
    }

    /// A connection, or the try to make one, ended. Returns when to try again, `None` for never. The range of the jitter
    /// is at most `range_max`, for which there is [`resume_range`].
    pub fn ended(
        &mut self,
        reason: &Disconnect,
        invitation: Invitation,
        range_max: Duration,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Retry> {
        let signed_in_at = self.signed_in_at.take();
        if signed_in_at.is_some_and(|at| now.saturating_duration_since(at) >= STABLE_AFTER) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        if !self.enabled || is_final(reason) || invitation == Invitation::StayAway {
            return None;
        }
        let range = self.jitter_range().min(range_max).max(RETRY_MIN);
        Some(draw(invitation, range, now, rng))
    }

    /// 1 s after the first failure, doubling up to [`JITTER_MAX`].
    fn jitter_range(&self) -> Duration {
        let doublings = self.failures.min(16);
        (RETRY_MIN * 2_u32.pow(doublings)).min(JITTER_MAX)
    }
}

impl Retry {
    /// The first try of all: at once.
    #[must_use]
    pub fn at_once(now: Instant) -> Self {
        Self { at: now, not_before: now, earliest: now }
    }

    /// The user does not want to wait any longer.
    pub fn hurry(&mut self, now: Instant) {
        self.at = self.earliest.max(now);
    }

    /// This computer's network came back: waiting any longer is pointless, but the server's word counts.
    pub fn link_up(&mut self, now: Instant, rng: &mut impl Rng) {
        let soon = now + rng.random_range(LINK_UP_RANGE.0..=LINK_UP_RANGE.1);
        self.at = self.at.min(soon.max(self.not_before));
    }
}

/// How far the jitter may reach while a session can be resumed whose connection ends after this much silence.
#[must_use]
pub fn resume_range(silence: Duration) -> Duration {
    // A silence of weeks is no detection; the cap holds for it as well.
    silence.mul_f64(RESUME_SHARE).clamp(RETRY_MIN, RESUME_JITTER_MAX)
}

fn draw(invitation: Invitation, range: Duration, now: Instant, rng: &mut impl Rng) -> Retry {
    let earliest = now + RETRY_MIN;
    match invitation {
        Invitation::ComeBackAfter(wait) if !wait.is_zero() => {
            let not_before = now + wait.clamp(RETRY_MIN, COME_BACK_MAX);
            let at = not_before + rng.random_range(Duration::ZERO..=SLOT_JITTER_MAX);
            Retry { at, not_before, earliest }
        }
        _ => {
            let at = now + rng.random_range(RETRY_MIN..=range);
            Retry { at, not_before: earliest, earliest }
        }
    }
}

/// Coming back by itself would change nothing, or would fight with another of the user's windows.
fn is_final(reason: &Disconnect) -> bool {
    use CloseReason as R;
    match reason {
        Disconnect::Left => true,
        Disconnect::Goodbye { reason, .. } => matches!(
            reason,
            R::Replaced
                | R::NameInUse
                | R::BadHello
                | R::UnsupportedVersion
                | R::ProtocolError(_)
                | R::NotAuthorized
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
