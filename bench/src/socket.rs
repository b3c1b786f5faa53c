//! One raw connection: bytes in, bytes out, nothing waits.

use std::io::{self, ErrorKind, Read as _, Write as _};

use mio::net::TcpStream;

/// A socket that never waits. What it could not take is kept until it can.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    /// What could not be sent yet.
    unsent: Vec<u8>,
    /// The kernel has finished connecting.
    pub(crate) connected: bool,
    /// The other end has closed, or is expected to.
    pub(crate) closed: bool,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// The scratch buffer holds so many bytes, kept ones included. There may be more in the kernel.
    Bytes {
        /// How many.
        len: usize,
        /// The kernel had no more.
        drained: bool,
    },
    /// There is nothing now.
    Nothing,
    /// The other end has closed.
    End,
}

impl Socket {
    /// A socket that connects.
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, partial: Vec::new(), unsent: Vec::new(), connected: false, closed: false }
    }

    /// The stream, to register it.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// What happened while connecting, if anything bad did.
    pub(crate) fn connect_error(&self) -> io::Result<()> {
        self.stream.take_error()?.map_or(Ok(()), Err)
    }

    /// Reads behind what was kept, into `scratch`.
    pub(crate) fn read(&mut self, scratch: &mut [u8]) -> io::Result<Got> {
        let kept = self.partial.len();
        loop {
            match self.stream.read(&mut scratch[kept..]) {
                Ok(0) => return Ok(Got::End),
                Ok(got) => {
                    scratch[..kept].copy_from_slice(&self.partial);
                    self.partial.clear();
                    let drained = kept + got < scratch.len();
                    return Ok(Got::Bytes { len: kept + got, drained });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Got::Nothing),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Keeps the beginning of a frame for the next read.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        self.partial.extend_from_slice(rest);
    }

    /// Sends, or keeps what the socket does not take.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = if self.unsent.is_empty() { write(&mut self.stream, bytes)? } else { 0 };
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    /// The socket takes bytes again.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if !self.unsent.is_empty() {
            let sent = write(&mut self.stream, &self.unsent)?;
            self.unsent.drain(..sent);
        }
        Ok(())
    }
}

/// Writes until the socket takes no more; returns how much it took.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(took) => sent += took,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}
