//! Where a server is: `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`, with `tls://` before it where it speaks TLS, and then
//! perhaps `#FINGERPRINT` behind it, of the certificate that it must show. `CREDENTIAL@` may stand before the host.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use herenow_protocol::limits::{DEFAULT_PORT, TLS_PORT};
use herenow_protocol::{CertificateFingerprint, Credential};

/// What stands before the address of a server that speaks TLS.
const TLS_SCHEME: &str = "tls://";

/// Not an address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address of a server: write HOST or HOST:PORT, an IPv6 address in brackets, for TLS tls://HOST, and \
     if you were given the fingerprint of its certificate tls://HOST#FINGERPRINT"
)]
pub struct InvalidAddress(String);

/// Where a server is, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, in lower case, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How it is spoken to.
    pub security: Security,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// In plain text, which everybody on the way can read and change.
    Plain,
    /// Inside TLS. With a fingerprint only that certificate will do.
    Tls(Option<CertificateFingerprint>),
}

/// Takes the credential out of an address: `tls://CREDENTIAL@HOST` is `tls://HOST` with it.
///
/// Whoever stores or shows an address should do so without the credential.
#[must_use]
pub fn take_credential(server: &str) -> (String, Option<Credential>) {
    let Some(rest) = strip_scheme(server) else { return (server.to_owned(), None) };
    match rest.rsplit_once('@') {
        Some((credential, host)) if !credential.is_empty() => {
            (format!("{TLS_SCHEME}{host}"), Some(Credential::from(credential)))
        }
        _ => (server.to_owned(), None),
    }
}

impl Address {
    /// Reads the address of a server as people write it.
    ///
    /// # Errors
    /// [`InvalidAddress`] if the host is empty, the port is not 1 to 65535, or the fingerprint is none.
    ///
    /// ```
    /// use herenow_client::address::{Address, Security};
    /// let address = Address::parse("tls://chat.example.org").expect("as people write it");
    /// assert_eq!((address.host.as_str(), address.port), ("chat.example.org", 4374));
    /// assert_eq!(address.security, Security::Tls(None));
    /// ```
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.to_owned());
        let Some(rest) = strip_scheme(text) else {
            let (host, port) = split(text)?;
            return Ok(Self { host: host.to_lowercase(), port, security: Security::Plain });
        };
        let (server, fingerprint) = match rest.split_once('#') {
            Some((server, digits)) => (server, Some(digits.parse().map_err(|_| invalid())?)),
            None => (rest, None),
        };
        let (host, port) = split_with(server, TLS_PORT).ok_or_else(invalid)?;
        Ok(Self { host: host.to_lowercase(), port, security: Security::Tls(fingerprint) })
    }

    /// Whether this can only be this computer, where nobody listens in between.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let ip = self.host.parse::<IpAddr>();
        self.host == "localhost" || ip.is_ok_and(|ip| ip.to_canonical().is_loopback())
    }

    /// The same server with another certificate to be shown.
    #[must_use]
    pub fn pinned(&self, fingerprint: CertificateFingerprint) -> Self {
        Self { security: Security::Tls(Some(fingerprint)), ..self.clone() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.security, Security::Tls(_)) {
            f.write_str(TLS_SCHEME)?;
        }
        match is_v6(&self.host) {
            true => write!(f, "[{}]:{}", self.host, self.port)?,
            false => write!(f, "{}:{}", self.host, self.port)?,
        }
        match self.security {
            Security::Tls(Some(fingerprint)) => write!(f, "#{fingerprint}"),
            _ => Ok(()),
        }
    }
}

fn strip_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked(TLS_SCHEME.len())?;
    scheme.eq_ignore_ascii_case(TLS_SCHEME).then_some(rest)
}

/// Splits the address of a server that speaks plain text into its host and port.
///
/// # Errors
/// [`InvalidAddress`] if the host is empty, or the port is not 1 to 65535.
///
/// ```
/// use herenow_client::address::split;
/// assert_eq!(split("chat.example.org"), Ok(("chat.example.org", 4373)));
/// assert_eq!(split("[::1]:5000"), Ok(("::1", 5000)));
/// assert!(split("chat.example.org:http").is_err());
/// ```
pub fn split(server: &str) -> Result<(&str, u16), InvalidAddress> {
    split_with(server, DEFAULT_PORT).ok_or_else(|| InvalidAddress(server.to_owned()))
}

fn split_with(server: &str, default_port: u16) -> Option<(&str, u16)> {
    let parts = match server.strip_prefix('[') {
        Some(rest) => rest.split_once(']').filter(|(host, _)| is_v6(host)),
        None if is_v6(server) => Some((server, "")),
        None => Some(server.split_at(server.find(':').unwrap_or(server.len()))),
    };
    let parsed = parts.and_then(|(host, port)| Some((host, parse_port(port, default_port)?)));
    let is_odd = |c: char| c.is_whitespace() || matches!(c, '/' | '#' | '@');
    parsed.filter(|(host, _)| !host.is_empty() && !host.contains(is_odd))
}

fn is_v6(host: &str) -> bool {
    host.parse::<Ipv6Addr>().is_ok()
}

/// `""` is the default port, otherwise it is `:PORT`.
fn parse_port(text: &str, default_port: u16) -> Option<u16> {
    match text {
        "" => Some(default_port),
        text => text.strip_prefix(':')?.parse().ok().filter(|&port| port != 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_as_people_write_it() {
        let cases = [
            ("localhost", ("localhost", 4373)),
            ("localhost:80", ("localhost", 80)),
            ("10.0.0.1:4374", ("10.0.0.1", 4374)),
            ("::1", ("::1", 4373)),
            ("[fe80::1]", ("fe80::1", 4373)),
            ("[2001:db8::2]:9", ("2001:db8::2", 9)),
        ];
        for (server, parts) in cases {
            assert_eq!(split(server), Ok(parts), "{server}");
        }
    }

    #[test]
    fn an_address_says_whether_it_is_spoken_to_inside_tls() {
        let digits = "a".repeat(64);
        let pin = CertificateFingerprint([0xAA; 32]);
        let cases = [
            ("tls://Chat.Example.Org", "chat.example.org", 4374, Security::Tls(None)),
            ("TLS://[::1]", "::1", 4374, Security::Tls(None)),
            ("tls://[::1]:99", "::1", 99, Security::Tls(None)),
            (&format!("tls://10.0.0.1#{digits}"), "10.0.0.1", 4374, Security::Tls(Some(pin))),
            (&format!("tls://a:5#{digits}"), "a", 5, Security::Tls(Some(pin))),
            ("10.0.0.1", "10.0.0.1", 4373, Security::Plain),
        ];
        for (text, host, port, security) in cases {
            let address = Address::parse(text).expect("an address");
            assert_eq!(address, Address { host: host.to_owned(), port, security }, "{text}");
            assert_eq!(Address::parse(&address.to_string()), Ok(address), "{text}");
        }
        for text in
            ["tls://", "tls://a#", "tls://a#12", "a#12", "http://a", "tls://a/b", "tls://a:0"]
        {
            assert_eq!(Address::parse(text), Err(InvalidAddress(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_credential_is_taken_out_and_never_shown() {
        let digits = "a".repeat(64);
        let (server, credential) = take_credential(&format!("tls://se@cret@10.0.0.1:5#{digits}"));
        assert_eq!(server, format!("tls://10.0.0.1:5#{digits}"));
        assert_eq!(credential, Some(Credential::from("se@cret")));
        for server in ["tls://@10.0.0.1", "tls://10.0.0.1", "secret@10.0.0.1"] {
            assert_eq!(take_credential(server), (server.to_owned(), None));
        }
        // In plain text it does not belong, so it is no address.
        assert!(Address::parse("secret@10.0.0.1").is_err());
    }

    #[test]
    fn this_computer_is_recognised() {
        for (text, is_loopback) in [
            ("localhost", true),
            ("127.0.0.9:1", true),
            ("[::1]", true),
            ("tls://LOCALHOST", true),
            ("localhost.example.org", false),
            ("10.0.0.1", false),
        ] {
            let address = Address::parse(text).expect("an address");
            assert_eq!(address.is_loopback(), is_loopback, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for server in [
            "",
            ":80",
            "host:",
            "host:0",
            "host:65536",
            "host:a",
            "[::1",
            "[host]:1",
            "[::1]x",
            "a b",
            "x/y",
            "x#y",
        ] {
            assert_eq!(split(server), Err(InvalidAddress(server.to_owned())), "{server}");
        }
    }
}
