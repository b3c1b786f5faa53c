//! How often somebody may fail to come in.
//!
//! Pure: callers pass `now`. Each address has a bucket that refills; the user whose name is tried has none, so that nobody
//! can lock somebody else out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Failures in a row that an address has. A person mistypes that often; a machine guesses faster.
const FAILURES_MAX: f64 = 5.0;

/// Time for a whole bucket to refill.
const REFILL: Duration = Duration::from_secs(30);

/// Addresses that are remembered. One more makes the one be forgotten whose last failure is the longest ago.
const ADDRESSES_MAX: usize = 10_000;

/// The failures of late.
#[derive(Debug, Default)]
pub struct Failures(HashMap<IpAddr, Bucket>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn filled(self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left + passed * FAILURES_MAX / REFILL.as_secs_f64()).min(FAILURES_MAX)
    }
}

impl Failures {
    /// How long this address must wait before it may try again; nothing if it may now.
    #[must_use]
    pub fn wait(&self, address: IpAddr, now: Instant) -> Duration {
        let left = self.0.get(&neighbourhood(address)).map_or(FAILURES_MAX, |b| b.filled(now));
        let missing = (1.0 - left).max(0.0);
        REFILL.mul_f64(missing / FAILURES_MAX)
    }

    /// Somebody at this address failed.
    pub fn note(&mut self, address: IpAddr, now: Instant) {
        let address = neighbourhood(address);
        if self.0.len() >= ADDRESSES_MAX && !self.0.contains_key(&address) {
            self.make_room(now);
        }
        let bucket = self.0.entry(address).or_insert(Bucket { left: FAILURES_MAX, at: now });
        *bucket = Bucket { left: (bucket.filled(now) - 1.0).max(0.0), at: now };
    }

    /// A full bucket says nothing that no bucket would not say.
    fn make_room(&mut self, now: Instant) {
        self.0.retain(|_, bucket| bucket.filled(now) < FAILURES_MAX);
        if self.0.len() >= ADDRESSES_MAX
            && let Some((&oldest, _)) = self.0.iter().min_by_key(|(_, bucket)| bucket.at)
        {
            self.0.remove(&oldest);
        }
    }
}

/// One customer has as many IPv6 addresses as there are in 64 bits.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> Instant {
        crate::Clock::system().instant()
    }

    fn at(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a39_five_failures_are_free_and_each_further_one_takes_six_seconds() {
        let (mut failures, start, here) = (Failures::default(), begin(), at("192.0.2.1"));
        for _ in 0..5 {
            assert_eq!(failures.wait(here, start), Duration::ZERO);
            failures.note(here, start);
        }
        assert_eq!(failures.wait(here, start), Duration::from_secs(6));
        assert_eq!(failures.wait(at("192.0.2.2"), start), Duration::ZERO, "others are not meant");
        let later = start + Duration::from_secs(6);
        assert!(failures.wait(here, later) < Duration::from_millis(1));
        let much_later = start + Duration::from_secs(40);
        for _ in 0..5 {
            assert_eq!(failures.wait(here, much_later), Duration::ZERO);
            failures.note(here, much_later);
        }
        assert!(
            failures.wait(here, much_later) > Duration::ZERO,
            "a bucket is never fuller than full"
        );
    }

    #[test]
    fn neighbours_share_a_bucket() {
        let (mut failures, start) = (Failures::default(), begin());
        for i in 0..5 {
            failures.note(at(&format!("2001:db8:0:1::{i}")), start);
        }
        assert!(failures.wait(at("2001:db8:0:1:ffff::1"), start) > Duration::ZERO);
        assert_eq!(failures.wait(at("2001:db8:0:2::1"), start), Duration::ZERO);
        for _ in 0..5 {
            failures.note(at("::ffff:192.0.2.9"), start);
        }
        assert!(failures.wait(at("192.0.2.9"), start) > Duration::ZERO, "it is the same host");
    }

    #[test]
    fn a_crowd_of_addresses_takes_bounded_memory() {
        let (mut failures, start) = (Failures::default(), begin());
        let first = at("10.0.0.0");
        for _ in 0..5 {
            failures.note(first, start);
        }
        for i in 1..=20_000_u32 {
            let now = start + Duration::from_micros(i.into());
            failures.note(IpAddr::V4((0x0A00_0000 + i).into()), now);
            assert!(failures.0.len() <= ADDRESSES_MAX);
        }
        assert_eq!(failures.wait(first, start), Duration::ZERO, "the oldest was forgotten");
    }
}
