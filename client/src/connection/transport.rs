//! Bytes in and bytes out of one connection, neither waiting for the other.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use herenow_protocol::limits::SERVER_FRAME_BYTES_MAX;
use herenow_protocol::{ClientMessage, DecodeError, frame};
use tokio::io::AsyncWriteExt;
use tokio_util::io::poll_read_buf;

use crate::Disconnect;
use crate::link::Stream;

/// Bytes that wait for the server to take them. What may be under way at once, a part of each list and a few questions,
/// takes half of it. One that lets this much pile up, hours of heartbeats, takes nothing
/// any more: the connection counts as broken.
const OUTBOX_BYTES_MAX: usize = 128 * 1024;

/// What room is made for one read. Several pages of a snapshot fit.
const READ_BYTES: usize = 32 * 1024;

/// One connection's socket with its two buffers.
pub(super) struct Transport {
    stream: Box<dyn Stream>,
    inbox: BytesMut,
    outbox: BytesMut,
    /// A write failed. What the server said before that is still worth reading.
    write_broken: bool,
    said_goodbye: bool,
}

/// What came from the network.
pub(super) enum Received {
    /// Bytes; [`Transport::next_frame`] has the frames.
    Bytes,
    /// The end. Frames that came before it may be left.
    End(Disconnect),
}

impl Transport {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            inbox: BytesMut::new(),
            outbox: BytesMut::new(),
            write_broken: false,
            said_goodbye: false,
        }
    }

    /// See [`Stream::agreed`].
    pub(super) fn agreed(&self, detection_bound: Duration) {
        self.stream.agreed(detection_bound);
    }

    /// Puts a message into the outbox. Never waits.
    pub(super) fn send(&mut self, message: &ClientMessage) {
        self.said_goodbye |= matches!(message, ClientMessage::Goodbye { .. });
        if !self.write_broken {
            message.encode_into(&mut self.outbox);
        }
    }

    /// The body of the next frame that is whole.
    pub(super) fn next_frame(&mut self) -> Result<Option<Bytes>, DecodeError> {
        frame::take_body(&mut self.inbox, SERVER_FRAME_BYTES_MAX)
    }

    /// Writes what waits and returns as soon as something was read. Cancel-safe.
    pub(super) async fn exchange(&mut self) -> Received {
        poll_fn(|cx| self.poll_exchange(cx)).await
    }

    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        self.poll_write_out(cx);
        if self.outbox.len() > OUTBOX_BYTES_MAX {
            return Poll::Ready(Received::End(Disconnect::ConnectionReset));
        }
        self.inbox.reserve(READ_BYTES);
        let read = ready!(poll_read_buf(Pin::new(&mut *self.stream), cx, &mut self.inbox));
        Poll::Ready(match read {
            Ok(0) if self.write_broken => Received::End(Disconnect::ConnectionReset),
            Ok(0) => Received::End(Disconnect::ConnectionClosed),
            Ok(_) => Received::Bytes,
            // TLS wants a goodbye of its own; what counts has one that is herenow's.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Received::End(Disconnect::ConnectionClosed)
            }
            Err(_) => Received::End(Disconnect::ConnectionReset),
        })
    }

    /// A failed write ends nothing here: the reading side tells why, after what the server still said.
    fn poll_write_out(&mut self, cx: &mut Context<'_>) {
        while !self.outbox.is_empty() {
            match Pin::new(&mut *self.stream).poll_write(cx, &self.outbox) {
                Poll::Ready(Ok(written)) if written > 0 => self.outbox.advance(written),
                Poll::Ready(_) => {
                    self.write_broken = true;
                    self.outbox.clear();
                }
                Poll::Pending => return,
            }
        }
        // What TLS holds back must leave too. Errors show at the next write, or to the reading side.
        let _ = Pin::new(&mut *self.stream).poll_flush(cx);
    }

    /// Whether a goodbye was put into the outbox.
    pub(super) fn said_goodbye(&self) -> bool {
        self.said_goodbye
    }

    /// Writes what the socket takes without waiting.
    pub(super) fn flush_now(&mut self) {
        self.poll_write_out(&mut Context::from_waker(Waker::noop()));
    }

    /// Writes the rest, says that nothing follows, and waits for the server to close.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        poll_fn(|cx| {
            self.poll_write_out(cx);
            if self.outbox.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.stream.shutdown().await?;
        while !matches!(self.exchange().await, Received::End(_)) {
            self.inbox.clear();
        }
        Ok(())
    }
}
