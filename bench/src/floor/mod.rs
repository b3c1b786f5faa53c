//! Floors: the least that any server must do for the same traffic, on the same runtime, on one thread.
//!
//! A floor knows no protocol. It counts bytes, since its requests are all of one size, and answers with bytes that were
//! ready before. What a measured server needs beyond its floor is what its promises cost.

pub(crate) mod broadcast;
mod echo;
pub(crate) mod ready_list;

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use clap::Subcommand;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Builder;

pub(crate) use broadcast::Broadcast;
pub(crate) use echo::Echo;
pub(crate) use ready_list::ReadyList;

use crate::failure::{Failure, Tried as _};

/// The same backlog and send buffer as the server's, so that the kernel does the same for both.
const BACKLOG: u32 = 4096;
const SEND_BUFFER: u32 = 16 * 1024;

/// Which floor to be.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Floor {
    /// Answers every request with ready-made bytes
    Echo(Echo),
    /// Sends every request to all who listen, and answers it
    Broadcast(Broadcast),
    /// Sends a whole list once to everyone who introduces themselves
    ReadyList(ReadyList),
}

impl Floor {
    /// The arguments that make this program be this floor.
    pub(crate) fn arguments(&self) -> Vec<String> {
        match self {
            Self::Echo(echo) => echo.arguments(),
            Self::Broadcast(broadcast) => broadcast.arguments(),
            Self::ReadyList(list) => list.arguments(),
        }
    }

    /// Serves until it is killed.
    pub(crate) fn serve(&self) -> Result<(), Failure> {
        let runtime = Builder::new_current_thread().enable_io().build().tried("a runtime")?;
        runtime.block_on(async {
            let listener = listen().tried("listening")?;
            match self {
                Self::Echo(echo) => echo.serve(&listener).await,
                Self::Broadcast(broadcast) => broadcast.serve(&listener).await,
                Self::ReadyList(list) => list.serve(&listener).await,
            }
            .tried("accepting")
        })
    }
}

/// Listens on a free port, and says on which.
fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // Accepted sockets inherit these.
    socket.set_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let listener = socket.listen(BACKLOG)?;
    let mut out = io::stdout();
    writeln!(out, "floor listens on {}", listener.local_addr()?)?;
    out.flush()?;
    Ok(listener)
}

/// A frame of `bytes` in all, at least the two of its length, whose body is zeros.
fn ready_made(bytes: usize) -> Vec<u8> {
    let body = u16::try_from(bytes.saturating_sub(2)).expect("a frame has at most 65,537 bytes");
    let mut frame = body.to_be_bytes().to_vec();
    frame.resize(bytes.max(2), 0);
    frame
}
