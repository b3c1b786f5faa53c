//! Away because nobody touches the computer, and back.
//!
//! Pure: callers pass `now`, tell what they see of the user, and ask [`Idle::look_in`] when to look again.
//!
//! What a person chooses by hand wins: only who is available goes away by idling, a choice counts as a touch, and it
//! leaves nothing that could be restored over it.

use std::time::{Duration, Instant};

use herenow_client::protocol::{Choice, Status};

/// Who does not touch the computer for this long is away, unless they want it otherwise.
pub const AWAY_AFTER: Duration = Duration::from_secs(10 * 60);

/// How often to look whether somebody who is away touches the computer again.
pub const RETURN_LOOK: Duration = Duration::from_secs(2);

/// However soon somebody may go away by idling, the computer is not looked at more often than this.
const LOOK_MIN: Duration = Duration::from_secs(1);

/// How far the times of two looks at the same touch may lie apart: what is seen takes a moment to get here.
const TOUCH_SLACK: Duration = Duration::from_millis(500);

/// Where a look finds nothing to wait for; the lock of the screen is told without one.
const BLIND_LOOK: Duration = Duration::from_secs(60);

/// What is seen of the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// For how long nobody has touched the computer; `None` if that cannot be seen.
    pub untouched: Option<Duration>,
    /// The screen is locked.
    pub locked: bool,
}

/// What is shown of the user: the status of this device, and whether a program chose it.
pub type Showing = (Status, bool);

/// Whether the user is at the computer.
#[derive(Clone, Debug)]
pub struct Idle {
    /// `None`: nobody goes away by idling, only by locking the screen.
    away_after: Option<Duration>,
    /// When something was chosen by hand.
    chosen_at: Option<Instant>,
    /// The screen was locked at the last look.
    locked: bool,
    away: Option<Away>,
}

/// The user is away by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Away {
    /// The status that was replaced was a program's choice.
    was_automatic: bool,
    /// The last touch that a look found; at first, when it went away.
    touched: Instant,
    /// The last look found a touch that the one before had not.
    moved: bool,
    /// The screen was locked at some time.
    by_lock: bool,
}

impl Default for Idle {
    fn default() -> Self {
        Self::after(Some(AWAY_AFTER))
    }
}

impl Idle {
    /// Away after this time without a touch; `None` for never.
    #[must_use]
    pub fn after(away_after: Option<Duration>) -> Self {
        Self { away_after, chosen_at: None, locked: false, away: None }
    }

    /// Away after this time from now on. Who is away already stays so until they are back.
    pub fn set_away_after(&mut self, away_after: Option<Duration>) {
        self.away_after = away_after;
    }

    /// Something was chosen by hand for this device, here or elsewhere.
    pub fn chosen(&mut self, now: Instant) {
        (self.chosen_at, self.away) = (Some(now), None);
    }

    /// The session ended: there is nothing to restore.
    pub fn signed_out(&mut self) {
        *self = Self::after(self.away_after);
    }

    /// Takes in what is seen at the time `now`, while this is shown of the user. Returns what to show instead, if anything.
    pub fn see(&mut self, look: Look, showing: Showing, now: Instant) -> Option<Choice> {
        let just_locked = look.locked && !self.locked;
        self.locked = look.locked;
        match self.away {
            Some(away) => self.see_away(away, look, now),
            None => self.see_here(look, just_locked, showing, now),
        }
    }

    /// After what time from `now` to look again, unless a lock of the screen is told before.
    #[must_use]
    pub fn look_in(&self, look: Look, now: Instant) -> Duration {
        match (self.away, self.away_after, self.left_alone(look, now)) {
            (Some(_), _, _) => RETURN_LOOK,
            (None, Some(after), Some(time)) => match after.checked_sub(time) {
                // It cannot be helped by looking: only who is available goes away.
                None | Some(Duration::ZERO) => BLIND_LOOK.min(after.max(LOOK_MIN)),
                Some(left) => left.max(LOOK_MIN),
            },
            _ => BLIND_LOOK,
        }
    }

    fn see_here(
        &mut self,
        look: Look,
        just_locked: bool,
        (status, was_automatic): Showing,
        now: Instant,
    ) -> Option<Choice> {
        let left_alone = self.away_after.zip(self.left_alone(look, now));
        let is_idle = left_alone.is_some_and(|(after, time)| time >= after);
        if status != Status::Available || !(is_idle || just_locked) {
            return None;
        }
        self.away = Some(Away { was_automatic, touched: now, moved: false, by_lock: look.locked });
        Some(Choice::automatic(Status::Away))
    }

    fn see_away(&mut self, away: Away, look: Look, now: Instant) -> Option<Choice> {
        if look.locked {
            self.away = Some(Away { by_lock: true, ..away });
            return None;
        }
        // Who unlocks the screen is there. Else one touch may be the cat's: the next look must find another.
        let touch = look.untouched.and_then(|time| now.checked_sub(time));
        let fresh = touch.filter(|touch| *touch > away.touched + TOUCH_SLACK);
        if !away.by_lock && (!away.moved || fresh.is_none()) {
            let touched = fresh.unwrap_or(away.touched);
            self.away = Some(Away { touched, moved: fresh.is_some(), ..away });
            return None;
        }
        self.away = None;
        Some(Choice { automatic: away.was_automatic, ..Choice::default() })
    }

    /// For how long nothing was touched or chosen, as far as it can be seen.
    fn left_alone(&self, look: Look, now: Instant) -> Option<Duration> {
        let since_choice = self.chosen_at.map(|at| now.saturating_duration_since(at));
        look.untouched.map(|time| since_choice.map_or(time, |choice| time.min(choice)))
    }
}

#[cfg(test)]
mod tests;
