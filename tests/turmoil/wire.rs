//! The simulated network under the real code: what the server reads from, and how a client connects.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use herenow::actors::socket::Socket;
use herenow_client::Disconnect;
use herenow_client::link::{CONNECT_TIMEOUT, Connect, Connecting, Link, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::TcpStream;

/// A connection at the server. There is no kernel to tune.
pub(crate) struct ServerSocket(pub(crate) TcpStream);

impl Socket for ServerSocket {}

impl AsyncRead for ServerSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ServerSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Resets a client's connection, as a router does that forgot it.
#[derive(Clone, Default)]
pub(crate) struct Breaker(Arc<Mutex<Fuse>>);

#[derive(Default)]
struct Fuse {
    blown: bool,
    reader: Option<Waker>,
}

impl Breaker {
    /// Breaks the connection that is there now.
    pub(crate) fn reset(&self) {
        let mut fuse = self.fuse();
        fuse.blown = true;
        fuse.reader.take().into_iter().for_each(Waker::wake);
    }

    fn fuse(&self) -> MutexGuard<'_, Fuse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects a client over the simulated network.
pub(crate) struct Wire {
    pub(crate) breaker: Breaker,
}

impl Connect for Wire {
    fn connect(&mut self, server: &str) -> Connecting {
        let (server, breaker) = (server.to_owned(), self.breaker.clone());
        Box::pin(async move {
            let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(server)).await;
            match connected {
                Ok(Ok(stream)) => {
                    *breaker.fuse() = Fuse::default();
                    let stream = Box::new(ClientStream { stream: Some(stream), breaker });
                    Ok(Link { stream, local: None })
                }
                Ok(Err(_)) => Err(Disconnect::ConnectionRefused),
                Err(_) => Err(Disconnect::Unreachable("no answer".to_owned())),
            }
        })
    }
}

/// A connection at the client; `None` once it was reset.
struct ClientStream {
    stream: Option<TcpStream>,
    breaker: Breaker,
}

impl ClientStream {
    /// The stream, if nobody broke it.
    fn alive(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if self.breaker.fuse().blown {
            self.stream = None;
        }
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        self.stream.as_mut().map(Pin::new).ok_or_else(reset)
    }
}

impl Stream for ClientStream {}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.breaker.fuse().reader = Some(cx.waker().clone());
        self.alive()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.alive()?.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive()?.poll_shutdown(cx)
    }
}
