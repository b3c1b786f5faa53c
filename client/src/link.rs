//! How a socket to the server comes about, and what the shell needs of it.
//!
//! [`Connect`] is a trait so that tests and simulations put a stream of their own in the place of [`Network`].

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::address::{Address, Security};
use crate::tls::{Rule, shake_hands};
use crate::trust::{Distrust, KnownServers, Trust};
use crate::{Disconnect, secrets};

/// How long one try to connect may take, with the look-up of the name.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Of the addresses of a name, this many are tried.
const ADDRESSES_MAX: usize = 4;

/// Between two probes of a connection that TCP suspects to be dead.
const KEEPALIVE_PROBE: Duration = Duration::from_secs(5);

/// A stream of bytes to the server.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Client and server agreed on this detection bound.
    fn agreed(&self, _detection_bound: Duration) {}
}

/// A connection to the server.
pub struct Link {
    /// The bytes.
    pub stream: Box<dyn Stream>,
    /// This end's address, from which [`crate::network`] learns what to observe; `None` to observe nothing.
    pub local: Option<IpAddr>,
}

/// A try to connect, under way.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Link, Disconnect>> + Send>>;

/// Makes connections.
pub trait Connect: Send {
    /// Starts to connect to `server`, written as in [`Options::server`](crate::Options::server). Dropping the try ends it.
    fn connect(&mut self, server: &str) -> Connecting;
}

/// Connects over TCP, inside TLS where the server's address asks for it.
#[derive(Clone, Debug)]
pub struct Network {
    trust: Trust,
    /// Where it is remembered which servers speak TLS; the account's own place if there is none.
    folder: Option<PathBuf>,
    carries_secret: bool,
}

impl Network {
    /// Servers are recognised by `trust`, and by what this account remembers of them.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self { trust, folder: None, carries_secret: false }
    }

    /// The same, with another folder that remembers servers.
    #[must_use]
    pub fn remembering_in(self, folder: PathBuf) -> Self {
        Self { folder: Some(folder), ..self }
    }

    /// The same; where a secret is to be told, plain text leaves this computer in no case.
    #[must_use]
    pub fn carrying_a_secret(self, carries_secret: bool) -> Self {
        Self { carries_secret, ..self }
    }

    async fn reach(self, server: &str) -> Result<Link, Disconnect> {
        let address =
            Address::parse(server).map_err(|error| Disconnect::Unreachable(error.to_string()))?;
        match address.security {
            Security::Plain => {
                self.allow_plaintext(&address)?;
                connect_tcp(&address).await.map(Link::from)
            }
            Security::Tls(asked_for) => {
                let folder = self.folder()?;
                let known = KnownServers::read(&folder).map_err(Disconnect::Untrusted)?;
                let rule = Rule::new(asked_for, &self.trust, known.get(&address));
                let rule = rule.map_err(Disconnect::Untrusted)?;
                let stream = connect_tcp(&address).await?;
                let local = tuned(&stream);
                let (stream, known) = shake_hands(stream, &address, rule).await?;
                let remembered = KnownServers::remember(&folder, &address, known);
                // Who was met for the first time and cannot be remembered would be so every time.
                match self.trust {
                    Trust::FirstUse => remembered.map_err(Disconnect::Untrusted)?,
                    _ => drop(remembered),
                }
                Ok(Link { stream: Box::new(stream), local })
            }
        }
    }

    /// A host that was once met inside TLS hears nothing in plain text any more.
    fn allow_plaintext(&self, address: &Address) -> Result<(), Disconnect> {
        if address.is_loopback() {
            return Ok(());
        }
        if self.carries_secret {
            return Err(Disconnect::Untrusted(Distrust::Secret));
        }
        // An account without a home remembers nothing.
        let Ok(folder) = self.folder() else { return Ok(()) };
        let known = KnownServers::read(&folder).map_err(Disconnect::Untrusted)?;
        match known.knows_host(&address.host) {
            true => {
                let (host, file) = (address.host.clone(), KnownServers::file(&folder));
                Err(Disconnect::Untrusted(Distrust::Plaintext { host, file }))
            }
            false => Ok(()),
        }
    }

    fn folder(&self) -> Result<PathBuf, Disconnect> {
        let of_account =
            |error: io::Error| Disconnect::Untrusted(Distrust::Memory(error.to_string()));
        self.folder.clone().map_or_else(|| secrets::folder().map_err(of_account), Ok)
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new(Trust::default())
    }
}

impl Connect for Network {
    fn connect(&mut self, server: &str) -> Connecting {
        let (network, server) = (self.clone(), server.to_owned());
        Box::pin(async move {
            let connected = timeout(CONNECT_TIMEOUT, network.reach(&server)).await;
            connected.unwrap_or_else(|_| Err(timed_out(&server)))
        })
    }
}

async fn connect_tcp(address: &Address) -> Result<TcpStream, Disconnect> {
    let host = address.host.as_str();
    let found =
        lookup_host((host, address.port)).await.map_err(|error| unknown_host(host, &error))?;
    let addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
    let mut last = Disconnect::Unreachable(format!("{host} has no address"));
    for &address in &addresses {
        // Each gets its share, so that one which does not answer leaves time for the next.
        let share = CONNECT_TIMEOUT / u32::try_from(addresses.len()).unwrap_or(1);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = cannot_connect(&error),
            Err(_) => last = timed_out(host),
        }
    }
    Err(last)
}

/// Sets what a connection needs, and tells this end's address.
fn tuned(stream: &TcpStream) -> Option<IpAddr> {
    // A connection without this option works as well, only slower.
    let _ = stream.set_nodelay(true);
    stream.local_addr().ok().map(|address| address.ip())
}

impl From<TcpStream> for Link {
    fn from(stream: TcpStream) -> Self {
        let local = tuned(&stream);
        Self { stream: Box::new(stream), local }
    }
}

impl Stream for TcpStream {
    fn agreed(&self, detection_bound: Duration) {
        let socket = SockRef::from(self);
        let keepalive =
            TcpKeepalive::new().with_time(detection_bound).with_interval(KEEPALIVE_PROBE);
        // The heartbeat decides in any case, so an option that the system refuses is no reason to stop.
        let _ = socket.set_tcp_keepalive(&keepalive);
        // No TCP_USER_TIMEOUT: Linux may count it from a retransmission of an earlier cut, and then ends the
        // connection half a second into the next one.
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("local", &self.local).finish_non_exhaustive()
    }
}

fn cannot_connect(error: &io::Error) -> Disconnect {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Disconnect::ConnectionRefused,
        _ => Disconnect::Unreachable(error.to_string()),
    }
}

fn unknown_host(host: &str, error: &io::Error) -> Disconnect {
    Disconnect::Unreachable(format!("no address found for {host}: {error}"))
}

fn timed_out(server: &str) -> Disconnect {
    Disconnect::Unreachable(format!(
        "{server} did not answer within {} s",
        CONNECT_TIMEOUT.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Known;

    async fn refused(server: &str) -> Disconnect {
        Network::default().connect(server).await.expect_err("nobody can be there")
    }

    #[tokio::test]
    async fn a_host_that_was_met_inside_tls_hears_nothing_in_plain_text() {
        let folder =
            std::env::temp_dir().join(format!("herenow-link-{:016x}", rand::random::<u64>()));
        let met = Address::parse("tls://192.0.2.1").expect("an address");
        KnownServers::remember(&folder, &met, Known::Vouched).expect("the folder can be made");
        let mut network = Network::default().remembering_in(folder.clone());
        let refused =
            network.connect("192.0.2.1:4373").await.expect_err("it must not even be tried");
        let file = KnownServers::file(&folder);
        let host = "192.0.2.1".to_owned();
        assert_eq!(
            refused,
            Disconnect::Untrusted(Distrust::Plaintext { host, file: file.clone() })
        );
        // This computer talks to itself.
        let here = Address::parse("tls://127.0.0.1").expect("an address");
        KnownServers::remember(&folder, &here, Known::Vouched).expect("the file is there");
        let refused = network.connect("127.0.0.1:1").await.expect_err("nobody is there");
        assert_eq!(refused, Disconnect::ConnectionRefused);
        // What is remembered and cannot be read stops everything that depends on it.
        std::fs::write(&file, "scrambled").expect("the file is ours");
        for server in ["192.0.2.1:4373", "tls://192.0.2.1"] {
            let refused = network.connect(server).await.expect_err("it must not even be tried");
            assert!(matches!(refused, Disconnect::Untrusted(Distrust::Memory(_))), "{refused:?}");
        }
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
    }

    #[tokio::test]
    async fn a_secret_does_not_leave_this_computer_in_plain_text() {
        let mut network = Network::default().carrying_a_secret(true);
        let refused = network.connect("192.0.2.1:4373").await.expect_err("it must not be tried");
        assert_eq!(refused, Disconnect::Untrusted(Distrust::Secret));
        let refused = network.connect("127.0.0.1:1").await.expect_err("nobody is there");
        assert_eq!(refused, Disconnect::ConnectionRefused);
    }

    #[tokio::test]
    async fn the_ways_to_fail_are_told_apart() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let free = free.expect("a port of the loopback is free").to_string();
        assert_eq!(refused(&free).await, Disconnect::ConnectionRefused);
        for (server, words) in
            [("no such host", "no address"), ("nowhere.invalid", "nowhere.invalid")]
        {
            match refused(server).await {
                Disconnect::Unreachable(why) => assert!(why.contains(words), "{why}"),
                other => panic!("{server}: {other:?}"),
            }
        }
    }
}
