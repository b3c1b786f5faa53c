//! Where a server is: `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`.

use std::net::Ipv6Addr;

use herenow_protocol::limits::DEFAULT_PORT;

/// Not an address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address of a server: write HOST or HOST:PORT, and an IPv6 address in brackets"
)]
pub struct InvalidAddress(String);

/// Splits the address of a server into its host and port.
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
    let parts = match server.strip_prefix('[') {
        Some(rest) => rest.split_once(']').filter(|(host, _)| is_v6(host)),
        None if is_v6(server) => Some((server, "")),
        None => Some(server.split_at(server.find(':').unwrap_or(server.len()))),
    };
    let parsed = parts.and_then(|(host, port)| Some((host, parse_port(port)?)));
    let odd =
        |host: &str| host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/');
    parsed.filter(|(host, _)| !odd(host)).ok_or_else(|| InvalidAddress(server.to_owned()))
}

fn is_v6(host: &str) -> bool {
    host.parse::<Ipv6Addr>().is_ok()
}

/// `""` is the default port, otherwise it is `:PORT`.
fn parse_port(text: &str) -> Option<u16> {
    match text {
        "" => Some(DEFAULT_PORT),
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
        ] {
            assert_eq!(split(server), Err(InvalidAddress(server.to_owned())), "{server}");
        }
    }
}
