//! How a socket to the server comes about, and what the shell needs of it.
//!
//! [`Connect`] is a trait so that tests and simulations put a stream of their own in the place of [`Tcp`].

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::{Disconnect, address};

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

/// Connects over TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Connect for Tcp {
    fn connect(&mut self, server: &str) -> Connecting {
        let server = server.to_owned();
        Box::pin(async move {
            let connected = timeout(CONNECT_TIMEOUT, connect_tcp(&server)).await;
            connected.unwrap_or_else(|_| Err(timed_out(&server)))
        })
    }
}

async fn connect_tcp(server: &str) -> Result<Link, Disconnect> {
    let (host, port) =
        address::split(server).map_err(|error| Disconnect::Unreachable(error.to_string()))?;
    let found = lookup_host((host, port)).await.map_err(|error| unknown_host(host, &error))?;
    let addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
    let mut last = Disconnect::Unreachable(format!("{host} has no address"));
    for &address in &addresses {
        // Each gets its share, so that one which does not answer leaves time for the next.
        let share = CONNECT_TIMEOUT / u32::try_from(addresses.len()).unwrap_or(1);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(Link::from(stream)),
            Ok(Err(error)) => last = cannot_connect(&error),
            Err(_) => last = timed_out(server),
        }
    }
    Err(last)
}

impl From<TcpStream> for Link {
    fn from(stream: TcpStream) -> Self {
        // A connection without this option works as well, only slower.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().ok().map(|address| address.ip());
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

    async fn refused(server: &str) -> Disconnect {
        Tcp.connect(server).await.expect_err("nobody can be there")
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
