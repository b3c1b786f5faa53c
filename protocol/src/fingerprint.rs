//! How a certificate is told to people, and compared by programs: the SHA-256 of its DER bytes, in hexadecimal.
//!
//! It is what `openssl x509 -noout -fingerprint -sha256` prints.

use std::fmt;
use std::str::FromStr;

/// The SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateFingerprint(pub [u8; 32]);

/// Not a fingerprint of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 64 hexadecimal digits, with or without colons between them")]
pub struct InvalidFingerprint;

impl fmt::Display for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateFingerprint({self})")
    }
}

impl FromStr for CertificateFingerprint {
    type Err = InvalidFingerprint;

    /// Reads 64 hexadecimal digits of either case; colons are ignored.
    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let mut bytes = [0; 32];
        let mut digits = text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16));
        let mut next = || digits.next().flatten().ok_or(InvalidFingerprint);
        for byte in &mut bytes {
            *byte = u8::try_from(next()? * 16 + next()?).map_err(|_| InvalidFingerprint)?;
        }
        if digits.next().is_some() { Err(InvalidFingerprint) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_as_it_is_printed_by_us_and_by_openssl() {
        let plain = "00010203040506070809000102030405060708090a0b0c0d0e0fa0b0c0d0e0f0";
        let fingerprint: CertificateFingerprint = plain.parse().expect("64 digits");
        assert_eq!(fingerprint.to_string(), plain);
        let digits: Vec<char> = plain.to_uppercase().chars().collect();
        let pairs: Vec<String> = digits.chunks(2).map(|pair| pair.iter().collect()).collect();
        assert_eq!(pairs.join(":").parse(), Ok(fingerprint));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"\u{e9}".repeat(64)]
        {
            assert_eq!(text.parse::<CertificateFingerprint>(), Err(InvalidFingerprint), "{text}");
        }
    }
}
