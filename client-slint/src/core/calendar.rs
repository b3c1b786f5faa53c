//! Times as people tell them, by the local clock.

use chrono::DateTime;

/// A point in time on the local clock and calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// Days since 1970-01-01.
    pub day: i32,
    /// Such as `14:02`.
    pub clock: String,
    /// Such as `2026-11-24`.
    pub date: String,
}

/// The day on the local calendar, in days since 1970-01-01, of a time in milliseconds since 1970 where the local
/// clock is `offset_s` seconds ahead of UTC.
#[must_use]
pub fn day(time_ms: u64, offset_s: i32) -> i32 {
    i32::try_from(local_seconds(time_ms, offset_s).div_euclid(24 * 60 * 60)).unwrap_or(i32::MAX)
}

/// What the local clock and calendar show at this time. Empty words for a time beyond all calendars.
#[must_use]
pub fn local(time_ms: u64, offset_s: i32) -> Local {
    let time = DateTime::from_timestamp_secs(local_seconds(time_ms, offset_s));
    let told = |format| time.map(|time| time.format(format).to_string()).unwrap_or_default();
    Local { day: day(time_ms, offset_s), clock: told("%H:%M"), date: told("%Y-%m-%d") }
}

fn local_seconds(time_ms: u64, offset_s: i32) -> i64 {
    i64::try_from(time_ms / 1000).unwrap_or(i64::MAX / 2) + i64::from(offset_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_is_where_the_clock_hangs() {
        // 2026-11-24 23:30 UTC.
        let time = 1_795_563_000_000;
        let of = |hours: i32| local(time, hours * 3600);
        assert_eq!((of(0).clock.as_str(), of(0).date.as_str()), ("23:30", "2026-11-24"));
        assert_eq!((of(1).clock.as_str(), of(1).date.as_str()), ("00:30", "2026-11-25"));
        assert_eq!((of(1).day - of(0).day, of(-9).day - of(0).day), (1, 0));
        assert_eq!(local(u64::MAX, 0).clock, "", "no calendar goes as far");
    }
}
