//! TLS between the network and a session: the handshakes of a listener, and the socket that comes out of one.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet, coop};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::session_actor::{Local, Place, SessionActor};
use super::socket::{AnySocket, Socket};

/// Handshakes under way at one listener. One more ends the oldest, which is the likeliest to be stalled.
const HANDSHAKES_MAX: usize = 1_024;

/// The handshakes of a listener. Dropping it ends them.
pub(super) struct Handshakes {
    acceptor: TlsAcceptor,
    under_way: JoinSet<()>,
    /// Some of them may have ended.
    oldest_first: VecDeque<AbortHandle>,
}

impl Handshakes {
    pub(super) fn new(acceptor: TlsAcceptor) -> Self {
        Self { acceptor, under_way: JoinSet::new(), oldest_first: VecDeque::new() }
    }

    /// Begins a handshake, and a session once it is done. Both together have the sign-in deadline, from now on.
    /// Who gets no place is not told why: that would take a handshake.
    pub(super) fn begin(&mut self, stream: TcpStream, address: SocketAddr, local: &Rc<Local>) {
        let Ok(place) = local.admit(address) else { return };
        self.make_room();
        let (acceptor, local) = (self.acceptor.clone(), Rc::clone(local));
        let shaking = shake_hands(acceptor, stream, address, local, place);
        self.oldest_first.push_back(self.under_way.spawn_local(shaking));
    }

    fn make_room(&mut self) {
        while self.under_way.try_join_next().is_some() {}
        if self.oldest_first.len() > 2 * HANDSHAKES_MAX {
            self.oldest_first.retain(|handshake| !handshake.is_finished());
        }
        while self.oldest_first.front().is_some_and(AbortHandle::is_finished) {
            self.oldest_first.pop_front();
        }
        if self.under_way.len() >= HANDSHAKES_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            tracing::debug!("too many handshakes under way, the oldest is given up");
            oldest.abort();
        }
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    local: Rc<Local>,
    place: Place,
) {
    let accepted_at = local.clock().instant();
    let deadline = local.config().sign_in_deadline;
    match tokio::time::timeout(deadline, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let socket = AnySocket::Other(Box::new(TlsSocket(stream)));
            SessionActor::begin_admitted(socket, address, accepted_at, place);
        }
        Ok(Err(error)) => tracing::debug!(%address, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%address, "a TLS handshake took too long"),
    }
}

/// A connection inside TLS.
struct TlsSocket(TlsStream<TcpStream>);

impl TlsSocket {
    fn stream(&mut self) -> Pin<&mut TlsStream<TcpStream>> {
        Pin::new(&mut self.0)
    }

    fn tcp(&self) -> &TcpStream {
        self.0.get_ref().0
    }
}

impl Socket for TlsSocket {
    // Outside the budget that tokio gives each task: a fan-out writes to thousands.
    fn try_write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let write = coop::unconstrained(std::future::poll_fn(|cx| {
            self.stream().poll_write_vectored(cx, slices)
        }));
        let mut nobody = Context::from_waker(Waker::noop());
        match Future::poll(std::pin::pin!(write), &mut nobody) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn peer(&self) -> Option<IpAddr> {
        self.tcp().peer()
    }

    fn agreed(&self, detection_bound: Duration) {
        self.tcp().agreed(detection_bound);
    }

    fn ended(&self, timeout: Duration) {
        self.tcp().ended(timeout);
    }
}

impl AsyncRead for TlsSocket {
    /// Who hangs up without TLS's own goodbye has closed the connection, no more: herenow has goodbyes of its own, so
    /// nothing that counts can be cut off unseen.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut().stream().poll_read(cx, buffer) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Poll::Ready(Ok(()))
            }
            polled => polled,
        }
    }
}

impl AsyncWrite for TlsSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().stream().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().stream().poll_write_vectored(cx, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream().poll_shutdown(cx)
    }
}
