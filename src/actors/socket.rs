//! What a session reads from and writes to.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Between two probes of a connection that the kernel suspects to be dead.
const KEEPALIVE_PROBE: Duration = Duration::from_secs(5);

/// Probes before the kernel gives up on a connection.
const KEEPALIVE_PROBES: u32 = 3;

/// A connection. What it asks of the kernel is a backup: heartbeats decide.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Writes what is taken at once; [`io::ErrorKind::WouldBlock`] if that is nothing. Wakes nobody later.
    ///
    /// # Errors
    /// The connection's.
    fn try_write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut nobody = Context::from_waker(Waker::noop());
        match Pin::new(self).poll_write_vectored(&mut nobody, slices) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Where the other end is; `None` if it has no such place.
    fn peer(&self) -> Option<IpAddr> {
        None
    }

    /// A rule was agreed on that is not the usual one. Silence shorter than this is no reason to doubt the connection.
    fn agreed(&self, detection_bound: Duration) {
        let _ = detection_bound;
    }

    /// The session is over; the kernel may give up on what was said last after this time. Not set
    /// before: `docs/decisions/0009-no-user-timeout-on-live-connections.md`.
    fn ended(&self, timeout: Duration) {
        let _ = timeout;
    }
}

impl Socket for TcpStream {
    // Not by way of `poll_write`: a task may poll only so often before tokio has it yield, and a fan-out writes to
    // thousands.
    fn try_write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [one] => Self::try_write(self, one),
            many => self.try_write_vectored(many),
        }
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer_addr().ok().map(|address| address.ip())
    }

    fn agreed(&self, detection_bound: Duration) {
        // How often it is probed then, and how far apart, it has from its listener.
        let time = TcpKeepalive::new().with_time(detection_bound);
        log_refusal("keepalive", SockRef::from(self).set_tcp_keepalive(&time));
    }

    fn ended(&self, timeout: Duration) {
        let set = SockRef::from(self).set_tcp_user_timeout(Some(timeout));
        log_refusal("TCP_USER_TIMEOUT", set);
    }
}

/// A connection as a line holds it: most are of one kind, and need no allocation of their own.
pub enum AnySocket {
    /// A connection of this machine's network.
    Tcp(TcpStream),
    /// Any other.
    Other(Box<dyn Socket>),
}

impl AnySocket {
    /// Whether what it takes leaves at once. Another one may have to be flushed.
    #[must_use]
    pub(super) fn holds_nothing_back(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }

    fn inner(&mut self) -> Pin<&mut dyn Socket> {
        match self {
            Self::Tcp(socket) => Pin::new(socket),
            Self::Other(socket) => Pin::new(&mut **socket),
        }
    }
}

impl From<TcpStream> for AnySocket {
    fn from(socket: TcpStream) -> Self {
        Self::Tcp(socket)
    }
}

impl AsyncRead for AnySocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().inner().poll_read(cx, buffer)
    }
}

impl AsyncWrite for AnySocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().inner().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().inner().poll_write_vectored(cx, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(_) => Poll::Ready(Ok(())),
            Self::Other(socket) => Pin::new(&mut **socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().inner().poll_shutdown(cx)
    }
}

impl Socket for AnySocket {
    fn try_write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner().get_mut().try_write(slices)
    }

    fn peer(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(socket) => socket.peer(),
            Self::Other(socket) => socket.peer(),
        }
    }

    fn agreed(&self, detection_bound: Duration) {
        match self {
            Self::Tcp(socket) => socket.agreed(detection_bound),
            Self::Other(socket) => socket.agreed(detection_bound),
        }
    }

    fn ended(&self, timeout: Duration) {
        match self {
            Self::Tcp(socket) => socket.ended(timeout),
            Self::Other(socket) => socket.ended(timeout),
        }
    }
}

/// Has the kernel probe a connection that is silent for longer than heartbeats allow. Connections inherit it from their
/// listener.
pub(super) fn keep_alive(socket: &SockRef<'_>, detection_bound: Duration) -> io::Result<()> {
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(detection_bound)
            .with_interval(KEEPALIVE_PROBE)
            .with_retries(KEEPALIVE_PROBES),
    )
}

/// The heartbeats decide in any case, so an option that the system refuses ends nothing.
pub(super) fn log_refusal(option: &str, set: io::Result<()>) {
    if let Err(error) = set {
        tracing::debug!(option, %error, "cannot set a socket option");
    }
}
