//! What a server that is short of memory gives up, in this order: new connections of those who have many, all new
//! connections and who has not signed in, the slowest readers. The kernel would end the whole server instead.

/// How short of memory the server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Not at all.
    #[default]
    Calm,
    /// From 70 % on: addresses get half of their connections.
    Tight,
    /// From 85 % on: no new connections, and who has not signed in is sent away.
    Short,
    /// From 95 % on: the slowest readers are sent away.
    Critical,
}

/// From which percentage on each begins.
const MARKS: [(u64, Pressure); 3] =
    [(95, Pressure::Critical), (85, Pressure::Short), (70, Pressure::Tight)];

/// A pressure ends so many percent below where it began, lest it come and go.
const SLACK: u64 = 3;

impl Pressure {
    /// The pressure from now on, if so many bytes of so many are in use. A limit of 0 stands for none.
    #[must_use]
    pub fn next(self, used: u64, limit: u64) -> Self {
        if limit == 0 {
            return Self::Calm;
        }
        let percent = u64::try_from(u128::from(used) * 100 / u128::from(limit)).unwrap_or(100);
        let holds = |(mark, pressure): &(u64, Self)| {
            percent >= if self >= *pressure { mark - SLACK } else { *mark }
        };
        MARKS.into_iter().find(holds).map_or(Self::Calm, |(_, pressure)| pressure)
    }

    /// As a small number, for an atomic.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The pressure with this number; the highest one for any other.
    #[must_use]
    pub fn of_number(number: u8) -> Self {
        match number {
            0 => Self::Calm,
            1 => Self::Tight,
            2 => Self::Short,
            _ => Self::Critical,
        }
    }

    /// Its one name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Tight => "tight",
            Self::Short => "short",
            Self::Critical => "critical",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_mark_has_its_measure() {
        let at = |percent| Pressure::Calm.next(percent, 100);
        assert_eq!(
            [0, 69, 70, 84, 85, 94, 95, 300].map(at),
            [
                Pressure::Calm,
                Pressure::Calm,
                Pressure::Tight,
                Pressure::Tight,
                Pressure::Short,
                Pressure::Short,
                Pressure::Critical,
                Pressure::Critical,
            ]
        );
        assert_eq!(Pressure::Critical.next(u64::MAX, 0), Pressure::Calm, "no limit, no pressure");
        assert_eq!(Pressure::Calm.next(u64::MAX, u64::MAX), Pressure::Critical);
        for number in 0..=3 {
            assert_eq!(Pressure::of_number(number).number(), number);
        }
    }

    proptest! {
        #[test]
        fn it_never_flickers_within_the_slack(percent in 0_u64..120, before in 0_u8..4) {
            let pressure = Pressure::of_number(before).next(percent, 100);
            // The same use again changes nothing, nor does a little less or more than what it began with.
            prop_assert_eq!(pressure.next(percent, 100), pressure);
            prop_assert!(pressure.next(percent.saturating_sub(SLACK - 1), 100) >= Pressure::Calm.next(percent, 100));
            prop_assert!(pressure >= Pressure::Calm.next(percent, 100));
            prop_assert!(pressure <= Pressure::Calm.next(percent + SLACK, 100));
        }
    }
}
