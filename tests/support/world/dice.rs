//! Numbers that follow from a seed and from what they are for, and from nothing else: what one client does never
//! changes the numbers of another.

use std::time::Duration;

use herenow::session::Credentials;
use herenow_client::protocol::{ResumeToken, SessionId};

/// What a number is for.
#[derive(Clone, Copy, Debug)]
pub enum For {
    /// The jitter of a client's n-th run.
    Jitter,
    /// The way of a parcel to the server that leaves at this microsecond.
    Up,
    /// The way of a parcel to the client that leaves at this microsecond.
    Down,
    /// The number of the session that its n-th connection may begin.
    Session,
    /// The token of that session.
    Token,
}

/// One number.
pub fn number(seed: u64, lane: u64, what: For, n: u64) -> u64 {
    [lane, what as u64, n].into_iter().fold(mix(seed), |hash, part| mix(hash ^ part))
}

/// How long a parcel takes, at most [`super::DELIVERY_MAX`].
pub fn delay(seed: u64, lane: u64, what: For, micros: u64) -> Duration {
    Duration::from_micros(100 + number(seed, lane, what, micros) % 29_900)
}

/// What the server draws for the n-th connection of a client.
pub fn credentials(seed: u64, lane: u64, n: u64) -> Credentials {
    let mut token = [0; 16];
    for (half, bytes) in token.chunks_exact_mut(8).enumerate() {
        let half = u64::try_from(half).expect("there are two");
        let number = number(seed, lane, For::Token, 2 * n + half);
        bytes.copy_from_slice(&number.to_be_bytes());
    }
    let session = SessionId((number(seed, lane, For::Session, n) >> 11).max(1));
    Credentials { session, token: ResumeToken(token) }
}

/// The finisher of `SplitMix64`.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
