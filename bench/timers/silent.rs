//! A socket that brings one hello and never anything again.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use herenow::actors::socket::Socket;
use herenow_client::protocol::frame::split_body;
use herenow_client::protocol::limits::SERVER_FRAME_BYTES_MAX;
use herenow_client::protocol::{
    Choice, ClientMessage, DeviceId, DeviceLabel, DisplayName, Hello, ServerMessage, Status,
    StatusText,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection to somebody who says hello and is silent then. Whatever is written to it is taken.
pub(crate) struct SilentSocket {
    hello: Option<Bytes>,
    welcomed: Option<Rc<Cell<usize>>>,
}

impl SilentSocket {
    /// Brings these bytes. `welcomed` counts it if the first answer is a welcome.
    pub(crate) fn new(hello: Bytes, welcomed: Rc<Cell<usize>>) -> Self {
        Self { hello: Some(hello), welcomed: Some(welcomed) }
    }
}

/// The sign-in of one of many.
pub(crate) fn hello(who: usize, interval: Duration) -> Bytes {
    let valid = "letters and digits are valid";
    ClientMessage::Hello(Hello {
        name: DisplayName::new(&format!("person {who:06}")).expect(valid),
        device: DeviceId::new(&format!("device-{who:06}")).expect(valid),
        label: DeviceLabel::new("laptop").expect(valid),
        heartbeat: Some(interval),
        observe: false,
        choice: Choice::chosen(Status::Available, StatusText::new("at my desk").expect(valid)),
        key: None,
        resume: None,
        credential: None,
    })
    .encode()
}

fn is_welcome(mut bytes: &[u8]) -> bool {
    let body = split_body(&mut bytes, SERVER_FRAME_BYTES_MAX).ok().flatten();
    let message = body.and_then(|body| ServerMessage::decode(body).ok().flatten());
    matches!(message, Some(ServerMessage::Welcome(_)))
}

impl AsyncRead for SilentSocket {
    /// Nobody is woken after the hello: nothing will come.
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(hello) = self.hello.take() else { return Poll::Pending };
        buffer.put_slice(&hello);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SilentSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(welcomed) = self.welcomed.take() {
            if !is_welcome(bytes) {
                return Poll::Ready(Err(io::Error::other("no welcome")));
            }
            welcomed.set(welcomed.get() + 1);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Socket for SilentSocket {}
