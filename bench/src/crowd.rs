//! Thousands of raw connections over one poll, on one thread.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use herenow_client::protocol::frame::split_body;
use herenow_client::protocol::limits::FRAME_BYTES_MAX;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::clock;
use crate::failure::{Failure, Tried as _};
use crate::socket::{Got, Socket};

/// Bytes of one read: several of the largest frames that a server sends.
const SCRATCH_BYTES: usize = 256 * 1024;

/// Readiness taken from the kernel at once.
const EVENTS: usize = 1024;

/// Connections on their way at once: fewer than any backlog, so that none is refused and tried again a second later.
pub(crate) const CONNECTING_MAX: usize = 128;

/// Connections over one poll. They are numbered from 0 in the order in which they were opened.
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    address: SocketAddr,
    sockets: Vec<Socket>,
    scratch: Box<[u8]>,
}

/// What happened to one of the crowd.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Heard<'a> {
    /// The connection is there.
    Connected,
    /// The body of one frame.
    Frame(&'a [u8]),
    /// The other end closed, after a [`Lines::expect_close`]; without one the run fails.
    Closed,
}

/// Where answers are sent while something is heard.
pub(crate) struct Lines<'a> {
    sockets: &'a mut [Socket],
    /// When what is heard was read.
    pub(crate) now: Instant,
}

impl Lines<'_> {
    /// Sends complete frames on one connection.
    pub(crate) fn send(&mut self, who: usize, frames: &[u8]) -> Result<(), Failure> {
        self.sockets[who].send(frames).tried("sending")
    }

    /// The other end may close this connection from now on.
    pub(crate) fn expect_close(&mut self, who: usize) {
        self.sockets[who].closed = true;
    }
}

impl Crowd {
    /// Nobody yet, who will connect to `address`.
    pub(crate) fn new(address: SocketAddr) -> Result<Self, Failure> {
        Ok(Self {
            poll: Poll::new().tried("opening a poll")?,
            events: Events::with_capacity(EVENTS),
            address,
            sockets: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES].into(),
        })
    }

    /// How many were opened.
    pub(crate) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Opens one more connection, and returns its number. It may be used once it is [`Heard::Connected`].
    pub(crate) fn connect(&mut self) -> Result<usize, Failure> {
        let stream = TcpStream::connect(self.address).tried("connecting")?;
        // As a client does; else a frame may wait until the one before it is acknowledged.
        stream.set_nodelay(true).tried("sending without delay")?;
        self.add(stream)
    }

    fn add(&mut self, stream: TcpStream) -> Result<usize, Failure> {
        let who = self.sockets.len();
        let mut socket = Socket::new(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry.register(socket.stream(), Token(who), interest).tried("registering a socket")?;
        self.sockets.push(socket);
        Ok(who)
    }

    /// Takes over a connection that is there, with what was read of a frame on it; returns its number.
    pub(crate) fn adopt(&mut self, stream: TcpStream, partial: &[u8]) -> Result<usize, Failure> {
        let who = self.add(stream)?;
        self.sockets[who].connected = true;
        self.sockets[who].keep(partial);
        Ok(who)
    }

    /// The other end may close any connection from now on.
    pub(crate) fn expect_closes(&mut self) {
        self.sockets.iter_mut().for_each(|socket| socket.closed = true);
    }

    /// To send while nothing is heard.
    pub(crate) fn lines(&mut self) -> Lines<'_> {
        Lines { sockets: &mut self.sockets, now: clock::now() }
    }

    /// Waits for at most `timeout` and tells `hear` what happened. Frames of one connection come in order.
    pub(crate) fn turn<F>(&mut self, timeout: Duration, mut hear: F) -> Result<(), Failure>
    where
        F: FnMut(&mut Lines<'_>, usize, Heard<'_>) -> Result<(), Failure>,
    {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled.tried("polling")?,
        }
        for event in &self.events {
            if event.is_writable() || event.is_error() {
                write_on(&mut self.sockets, event, &mut hear)?;
            }
            if event.is_readable() || event.is_read_closed() {
                read_on(&mut self.sockets, &mut self.scratch, event, &mut hear)?;
            }
        }
        Ok(())
    }
}

fn write_on<F>(sockets: &mut [Socket], event: &Event, hear: &mut F) -> Result<(), Failure>
where
    F: FnMut(&mut Lines<'_>, usize, Heard<'_>) -> Result<(), Failure>,
{
    let who = event.token().0;
    let socket = &mut sockets[who];
    if socket.connected {
        return socket.flush().or_else(|error| broken(socket, error)).tried("sending");
    }
    socket.connect_error().tried("connecting")?;
    socket.connected = true;
    hear(&mut Lines { sockets, now: clock::now() }, who, Heard::Connected)
}

/// Where the other end may close, it may also reset.
fn broken(socket: &Socket, error: io::Error) -> io::Result<()> {
    if socket.closed { Ok(()) } else { Err(error) }
}

fn read_on<F>(
    sockets: &mut [Socket],
    scratch: &mut [u8],
    event: &Event,
    hear: &mut F,
) -> Result<(), Failure>
where
    F: FnMut(&mut Lines<'_>, usize, Heard<'_>) -> Result<(), Failure>,
{
    let who = event.token().0;
    loop {
        let got = match sockets[who].read(scratch) {
            Err(_) if sockets[who].closed => Got::End,
            got => got.tried("reading")?,
        };
        match got {
            Got::Nothing => return Ok(()),
            Got::End if sockets[who].closed => {
                return hear(&mut Lines { sockets, now: clock::now() }, who, Heard::Closed);
            }
            Got::End => return Err(Failure::Closed { who }),
            Got::Bytes { len, drained } => {
                split(sockets, who, &scratch[..len], hear)?;
                // A short read has emptied the socket, and saves the read that would say so. An end that came with
                // the bytes is not announced again.
                if drained && !event.is_read_closed() {
                    return Ok(());
                }
            }
        }
    }
}

fn split<F>(sockets: &mut [Socket], who: usize, bytes: &[u8], hear: &mut F) -> Result<(), Failure>
where
    F: FnMut(&mut Lines<'_>, usize, Heard<'_>) -> Result<(), Failure>,
{
    let mut rest = bytes;
    let mut lines = Lines { sockets, now: clock::now() };
    let wrong = |error| Failure::Frame { who, error };
    while let Some(body) = split_body(&mut rest, FRAME_BYTES_MAX).map_err(wrong)? {
        hear(&mut lines, who, Heard::Frame(body))?;
    }
    sockets[who].keep(rest);
    Ok(())
}
