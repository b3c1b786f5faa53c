//! Minutes as the window counts them: from when it opened, so that they are small numbers that it can subtract.

const MINUTE_MS: i64 = 60_000;

/// Where the counting begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minutes {
    start_ms: u64,
}

impl Minutes {
    /// Counts from this time, in milliseconds since 1970.
    #[must_use]
    pub fn from(start_ms: u64) -> Self {
        Self { start_ms }
    }

    /// The minute of a time in milliseconds since 1970; below zero before the start.
    #[must_use]
    pub fn of(self, time_ms: u64) -> i32 {
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let minute = (signed(time_ms) - signed(self.start_ms)).div_euclid(MINUTE_MS);
        i32::try_from(minute).unwrap_or(if minute < 0 { i32::MIN } else { i32::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_count_from_the_start_in_both_directions() {
        let minutes = Minutes::from(1_000_000);
        let at = |ms| minutes.of(ms);
        assert_eq!([at(1_000_000), at(1_059_999), at(1_060_000)], [0, 0, 1]);
        assert_eq!([at(999_999), at(940_000), at(939_999)], [-1, -1, -2]);
        assert_eq!([at(0), at(u64::MAX)], [-17, i32::MAX]);
    }
}
