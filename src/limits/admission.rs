//! Who gets a place among the connections: so many in all, so many of one address, and so fast.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use super::Refusal;
use super::memory::Pressure;

/// After so many arrivals, addresses of which nobody is here any more are forgotten.
const SWEEP_EVERY: u32 = 1_024;

/// Addresses that are counted as one: a whole IPv4 address, the first half of an IPv6 address, which is what one customer
/// gets. Addresses of this computer are not counted.
///
/// IPv4 addresses take the numbers below 2^32, where no IPv6 network lies that is ever routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Block(u64);

impl Block {
    /// This computer itself.
    pub const OWN: Self = Self(0);

    /// The block of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Self::OWN;
        }
        match address {
            IpAddr::V4(address) => Self(u32::from(address).into()),
            IpAddr::V6(address) => Self(first_half(address)),
        }
    }
}

fn first_half(address: Ipv6Addr) -> u64 {
    u64::try_from(u128::from(address) >> 64).expect("64 bits fit")
}

/// How many connections there may be. 0 stands for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// In all.
    pub connections: usize,
    /// From one address.
    pub per_address: u32,
    /// New ones from one address in ten seconds; twice as many at once.
    pub new_per_address: u32,
}

/// Who has a place.
#[derive(Debug, Default)]
pub struct Admission {
    blocks: HashMap<Block, Visits>,
    connections: usize,
    arrivals: u32,
}

/// What is known of a block.
#[derive(Clone, Copy, Debug)]
struct Visits {
    open: u32,
    /// When all that it took of its allowance will be given back.
    settled_at: Instant,
}

impl Admission {
    /// A connection arrives. It has a place until [`Self::leave`] gives it back.
    ///
    /// # Errors
    /// Why it gets none; nothing changes then, but that a try in vain counts as an arrival.
    pub fn arrive(
        &mut self,
        block: Block,
        quota: &Quota,
        pressure: Pressure,
        now: Instant,
    ) -> Result<(), Refusal> {
        if pressure >= Pressure::Short {
            return Err(Refusal::ShortOfMemory);
        }
        if quota.connections > 0 && self.connections >= quota.connections {
            return Err(Refusal::ServerFull);
        }
        if block != Block::OWN {
            self.arrive_from(block, quota, pressure, now)?;
        }
        self.connections += 1;
        Ok(())
    }

    fn arrive_from(
        &mut self,
        block: Block,
        quota: &Quota,
        pressure: Pressure,
        now: Instant,
    ) -> Result<(), Refusal> {
        self.arrivals += 1;
        if self.arrivals >= SWEEP_EVERY {
            self.sweep(now);
        }
        let visits = self.blocks.entry(block).or_insert(Visits { open: 0, settled_at: now });
        // Who has much is the first not to get more.
        let share = if pressure >= Pressure::Tight { 2 } else { 1 };
        if quota.per_address > 0 && visits.open >= quota.per_address.div_ceil(share) {
            return Err(match pressure {
                Pressure::Calm => Refusal::TooManyFromAddress,
                _ if visits.open >= quota.per_address => Refusal::TooManyFromAddress,
                _ => Refusal::ShortOfMemory,
            });
        }
        if quota.new_per_address > 0 {
            let each = Duration::from_secs(10) / quota.new_per_address;
            let allowance = each * quota.new_per_address * 2;
            let settled_at = visits.settled_at.max(now) + each;
            if settled_at > now + allowance {
                return Err(Refusal::TooFastFromAddress);
            }
            visits.settled_at = settled_at;
        }
        visits.open += 1;
        Ok(())
    }

    /// A connection that had a place is over.
    pub fn leave(&mut self, block: Block) {
        self.connections = self.connections.saturating_sub(1);
        if let Some(visits) = self.blocks.get_mut(&block) {
            visits.open = visits.open.saturating_sub(1);
        }
    }

    /// How many have a place.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections
    }

    fn sweep(&mut self, now: Instant) {
        self.arrivals = 0;
        self.blocks.retain(|_, visits| visits.open > 0 || visits.settled_at > now);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota { connections: 100, per_address: 4, new_per_address: 10 };

    fn block(text: &str) -> Block {
        Block::of(text.parse().expect("a test address is valid"))
    }

    #[test]
    fn addresses_of_one_customer_are_one() {
        assert_eq!(block("2001:db8:1:2::1"), block("2001:db8:1:2:ffff::9"));
        assert_ne!(block("2001:db8:1:2::1"), block("2001:db8:1:3::1"));
        assert_ne!(block("10.0.0.1"), block("10.0.0.2"));
        assert_eq!(block("::ffff:10.0.0.1"), block("10.0.0.1"));
        for own in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(block(own), Block::OWN);
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
    fn who_has_much_gets_nothing_more_when_memory_is_tight() {
        let (now, mut admission) = (Instant::now(), Admission::default());
        let (much, little) = (block("10.0.0.1"), block("10.0.0.2"));
        let mut arrive = |block, pressure| admission.arrive(block, &QUOTA, pressure, now);
        assert_eq!([(); 2].map(|()| arrive(much, Pressure::Calm)), [Ok(()); 2]);
        assert_eq!(arrive(much, Pressure::Tight), Err(Refusal::ShortOfMemory));
        assert_eq!(arrive(little, Pressure::Tight), Ok(()));
        assert_eq!(arrive(little, Pressure::Short), Err(Refusal::ShortOfMemory));
        assert_eq!(arrive(Block::OWN, Pressure::Short), Err(Refusal::ShortOfMemory));
        assert_eq!([(); 2].map(|()| arrive(much, Pressure::Calm)), [Ok(()); 2]);
        assert_eq!(arrive(much, Pressure::Calm), Err(Refusal::TooManyFromAddress));
    }

    proptest! {
        /// Against a list of everyone who is here and everyone who came.
        #[test]
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
        fn no_address_has_more_or_comes_faster_than_it_may_and_nobody_else_pays(
            steps in proptest::collection::vec((0_u8..6, any::<bool>(), 0_u64..3_000), 1..400)
        ) {
            let (start, mut admission) = (Instant::now(), Admission::default());
            let (mut now, mut here) = (start, HashMap::<u8, u32>::new());
            let mut came = HashMap::<u8, Vec<Instant>>::new();
            for (address, leaves, ms) in steps {
                now += Duration::from_millis(ms);
                let block = Block::of(IpAddr::from([10, 0, 0, address]));
                let open = here.entry(address).or_default();
                if leaves && *open > 0 {
                    admission.leave(block);
                    *open -= 1;
                    continue;
                }
                let times = came.entry(address).or_default();
                match admission.arrive(block, &QUOTA, Pressure::Calm, now) {
                    Ok(()) => {
                        *open += 1;
                        times.push(now);
                        prop_assert!(*open <= QUOTA.per_address);
                        // Any span of t seconds sees at most the burst and what t gives back.
                        for (first, then) in times.iter().enumerate() {
                            let span = now.duration_since(*then).as_secs_f64();
                            let many = (times.len() - first) as f64;
                            prop_assert!(many <= 20.0 + span + 1e-6, "{many} in {span} s");
                        }
                    }
                    Err(Refusal::TooManyFromAddress) => prop_assert_eq!(*open, QUOTA.per_address),
                    Err(Refusal::TooFastFromAddress) => {
                        let recent = times.iter().filter(|then| now.duration_since(**then) < Duration::from_secs(20));
                        prop_assert!(recent.count() >= 10, "refused although few came");
                    }
                    Err(refusal) => prop_assert!(false, "{refusal:?}"),
                }
                let all: u32 = here.values().sum();
                prop_assert_eq!(admission.connections(), all as usize);
            }
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
    fn addresses_that_left_are_forgotten() {
        let (start, mut admission) = (Instant::now(), Admission::default());
        let quota = Quota { connections: 0, ..QUOTA };
        for n in 0..5_000_u32 {
            let block = Block::of(IpAddr::V4((0x0b00_0000 + n).into()));
            let now = start + Duration::from_millis(n.into());
            admission.arrive(block, &quota, Pressure::Calm, now).expect("there is room");
            admission.leave(block);
        }
        assert!(admission.blocks.len() <= 2 * SWEEP_EVERY as usize, "{}", admission.blocks.len());
    }
}
