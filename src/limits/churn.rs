//! How often one user may come: everybody is told of each coming and going.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use herenow_protocol::DisplayName;

/// After so many sign-ins, users who did not come lately are forgotten.
const SWEEP_EVERY: u32 = 1_024;

/// How many sign-ins one user may have at once: as many as one may have devices.
const BURST: u32 = 16;

/// Sign-ins of every user in the last seconds.
#[derive(Debug, Default)]
pub struct Churn {
    /// When all that a user took of the allowance will be given back.
    settled_at: HashMap<DisplayName, Instant>,
    seen: u32,
}

impl Churn {
    /// A user signs in, of whom so many sign-ins a second are welcome and sixteen at once; 0 stands for no limit. Returns
    /// whether this one is.
    pub fn sign_in(&mut self, name: &DisplayName, per_second: u32, now: Instant) -> bool {
        if per_second == 0 {
            return true;
        }
        self.seen += 1;
        if self.seen >= SWEEP_EVERY {
            self.seen = 0;
            self.settled_at.retain(|_, at| *at > now);
        }
        let each = Duration::from_secs(1) / per_second;
        let at = self.settled_at.get(name).map_or(now, |at| (*at).max(now)) + each;
        let welcome = at <= now + each * BURST;
        if welcome {
            self.settled_at.insert(name.clone(), at);
        }
        welcome
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(n: u32) -> DisplayName {
        DisplayName::new(&format!("user {n}")).expect("a test name is valid")
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
    fn who_comes_and_goes_is_welcome_once_a_second_and_nobody_else_pays() {
        let (start, mut churn) = (Instant::now(), Churn::default());
        let mut welcome = 0;
        for ms in (0..10_000).step_by(10) {
            let now = start + Duration::from_millis(ms);
            welcome += u32::from(churn.sign_in(&name(0), 1, now));
            assert!(ms % 1_000 != 0 || churn.sign_in(&name(1), 1, now));
        }
        assert!((25..=26).contains(&welcome), "{welcome}: sixteen at once, and one a second");
    }

    proptest! {
        #[test]
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
        fn many_users_leave_no_trace(steps in 1_u32..5_000) {
            let (start, mut churn) = (Instant::now(), Churn::default());
            for n in 0..steps {
                let now = start + Duration::from_millis(u64::from(n) * 10);
                prop_assert!(churn.sign_in(&name(n), 1, now));
            }
            prop_assert!(churn.settled_at.len() <= SWEEP_EVERY as usize + 101);
        }
    }
}
