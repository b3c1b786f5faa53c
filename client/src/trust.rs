//! Whether a server is the one that is meant: what this account remembers of servers that speak TLS, and why one is not
//! trusted.
//!
//! A server with TLS is recognised by its certificate: by the fingerprint that its operator passed on, by the one that
//! was seen at the first contact, or by an authority that this computer trusts. Once a host was met inside TLS nothing is
//! said to it in plain text any more, so that nobody on the way can talk a client out of it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use herenow_protocol::CertificateFingerprint;

use crate::address::Address;
use crate::secrets;

const KNOWN_SERVERS: &str = "known-servers";

/// The word of a server that an authority vouches for.
const AUTHORITY: &str = "authority";

/// By what a server that speaks TLS is recognised. A fingerprint in its address comes before all of this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The certificate that is remembered of it, else an authority that this computer trusts.
    #[default]
    Known,
    /// As [`Self::Known`], but of a server that is met for the first time, and for which no authority vouches,
    /// whatever it shows is remembered.
    FirstUse,
    /// An authority in this PEM file, and nothing else.
    Authorities(PathBuf),
}

/// Why a server is not trusted, or not told what it should not hear. Nothing was said to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// No authority vouches for its certificate, and it is not known.
    #[error("{why}. If its operator gives you this fingerprint, connect once with {pinned}")]
    Unknown {
        /// What an authority would say.
        why: String,
        /// The address with the fingerprint of the certificate that it shows.
        pinned: String,
    },
    /// It shows another certificate than it did.
    #[error(
        "it shows another certificate than before. If its operator gives you this fingerprint, connect once \
         with {pinned}"
    )]
    Changed {
        /// The address with the fingerprint of the certificate that it shows.
        pinned: String,
    },
    /// It shows another certificate than the address asks for.
    #[error("its certificate has the fingerprint {shown}, not the one in its address")]
    Unexpected {
        /// Of the certificate that it shows.
        shown: CertificateFingerprint,
    },
    /// The authorities of [`Trust::Authorities`] do not vouch for it.
    #[error("{0}")]
    Unvouched(String),
    /// The host is known to speak TLS.
    #[error(
        "{host} speaks TLS, so it is not spoken to in plain text: write tls://{host}. If it does not any more, \
         remove its lines from {}", file.display()
    )]
    Plaintext {
        /// Which.
        host: String,
        /// What remembers it.
        file: PathBuf,
    },
    /// There is a credential to tell, and everybody on the way would hear it.
    #[error("what lets you in is not told in plain text: write tls:// before the address")]
    Secret,
    /// What is remembered of servers cannot be read or written.
    #[error("{0}")]
    Memory(String),
}

/// What is remembered of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It showed this certificate.
    Pinned(CertificateFingerprint),
    /// An authority vouched for it.
    Vouched,
}

/// The servers that were met inside TLS, by host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KnownServers(BTreeMap<(String, u16), Known>);

/// Not a line of the file of known servers.
#[derive(Debug, thiserror::Error)]
#[error("line {0} is not `HOST PORT FINGERPRINT` or `HOST PORT authority`")]
struct InvalidLine(usize);

impl KnownServers {
    /// What the file in this folder remembers; nothing if there is none.
    pub(crate) fn read(folder: &Path) -> Result<Self, Distrust> {
        let file = Self::file(folder);
        let words =
            |error: &dyn fmt::Display| Distrust::Memory(format!("{}: {error}", file.display()));
        match fs::read_to_string(&file) {
            Ok(text) => Self::parse(&text).map_err(|error| words(&error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(words(&error)),
        }
    }

    /// Where it is remembered.
    pub(crate) fn file(folder: &Path) -> PathBuf {
        folder.join(KNOWN_SERVERS)
    }

    pub(crate) fn get(&self, address: &Address) -> Option<Known> {
        self.0.get(&(address.host.clone(), address.port)).copied()
    }

    /// Whether this host was ever met inside TLS, on whatever port.
    pub(crate) fn knows_host(&self, host: &str) -> bool {
        self.0.keys().any(|(known, _)| known == host)
    }

    /// Remembers what was learned of a server, besides what other programs learned meanwhile.
    pub(crate) fn remember(folder: &Path, address: &Address, known: Known) -> Result<(), Distrust> {
        let mut servers = Self::read(folder)?;
        if servers.get(address) == Some(known) {
            return Ok(());
        }
        servers.0.insert((address.host.clone(), address.port), known);
        secrets::replace(folder, KNOWN_SERVERS, servers.to_string().trim_end())
            .map_err(|error| Distrust::Memory(format!("{}: {error}", Self::file(folder).display())))
    }

    fn parse(text: &str) -> Result<Self, InvalidLine> {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let servers = lines.map(|(number, line)| parse_line(line).ok_or(InvalidLine(number)));
        servers.collect::<Result<_, _>>().map(Self)
    }
}

fn parse_line(line: &str) -> Option<((String, u16), Known)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [host, port, known] = words[..] else { return None };
    let known = match known {
        AUTHORITY => Known::Vouched,
        digits => Known::Pinned(digits.parse().ok()?),
    };
    Some(((host.to_owned(), port.parse().ok()?), known))
}

impl fmt::Display for KnownServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|((host, port), known)| match known {
            Known::Pinned(fingerprint) => writeln!(f, "{host} {port} {fingerprint}"),
            Known::Vouched => writeln!(f, "{host} {port} {AUTHORITY}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_read_back_and_a_broken_line_is_named() {
        let text = format!("10.0.0.1 4374 {}\nchat.example.org 4374 authority\n", "ab".repeat(32));
        let servers = KnownServers::parse(&text).expect("sound lines");
        assert_eq!(servers.to_string(), text);
        assert!(servers.knows_host("10.0.0.1") && !servers.knows_host("10.0.0.2"));
        let address = Address::parse("tls://chat.example.org").expect("an address");
        assert_eq!(servers.get(&address), Some(Known::Vouched));
        let elsewhere = Address::parse("tls://chat.example.org:99").expect("an address");
        assert_eq!(servers.get(&elsewhere), None, "another port is another server");
        for broken in ["a 1", "a x authority", "a 1 12", "a 1 authority more"] {
            let error = KnownServers::parse(&format!("\n{broken}\n")).expect_err(broken);
            assert!(error.to_string().starts_with("line 2 "), "{error}");
        }
    }
}
