//! Accepts connections for one arbiter.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::messages::{Reconfigure, Relieve, StopAccepting};
use super::session_actor::{Local, SessionActor};
use super::socket::{keep_alive, log_refusal};
use super::tls_socket::Handshakes;
use crate::pace::Pace;

/// Connections that the kernel completes before they are accepted. tokio's own default of 128
/// makes a storm of reconnects wait for SYN retries.
const BACKLOG: i32 = 4096;

/// What the kernel may hold of a reader that reads nothing, in bytes; it doubles the number itself.
const SEND_BUFFER: usize = 16 * 1024;

/// Waits between tries to accept while descriptors are exhausted: ten tries a second cost nothing, and who waits is let in
/// soon after there is a place.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// Opens one listening socket per arbiter, all on the same address.
///
/// # Errors
/// The operating system's. A port that another process listens on is refused although the sockets
/// share it among themselves.
pub fn bind(address: SocketAddr, arbiters: usize) -> io::Result<Vec<std::net::TcpListener>> {
    if arbiters == 1 {
        return Ok(vec![open(address, false)?]);
    }
    // SO_REUSEPORT would also share the port with another server of ours: look for one first.
    drop(open(address, false)?);
    let first = open(address, true)?;
    let address = first.local_addr()?;
    let others = (1..arbiters).map(|_| open(address, true));
    std::iter::once(Ok(first)).chain(others).collect()
}

/// Takes a listening socket over that somebody else opened, such as a service manager, for this many arbiters. They share
/// it, and with it the connections that wait there while no server runs.
///
/// # Errors
/// The operating system's.
pub fn adopt(
    listener: std::net::TcpListener,
    arbiters: usize,
) -> io::Result<Vec<std::net::TcpListener>> {
    let socket = SockRef::from(&listener);
    // Accepted sockets inherit these.
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_nonblocking(true)?;
    let others: Vec<_> = (1..arbiters).map(|_| listener.try_clone()).collect::<io::Result<_>>()?;
    Ok(std::iter::once(listener).chain(others).collect())
}

fn open(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    // Accepted sockets inherit these.
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts connections and starts a session for each.
pub struct ListenerActor {
    listener: Option<std::net::TcpListener>,
    local: Rc<Local>,
    tls: Option<TlsAcceptor>,
}

impl ListenerActor {
    /// A listener whose sessions share `local`. With `tls` a session begins after its handshake.
    #[must_use]
    pub fn new(
        listener: std::net::TcpListener,
        local: Rc<Local>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        Self { listener: Some(listener), local, tls }
    }
}

impl Actor for ListenerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let listener = self.listener.take().expect("an actor is started once");
        let local = Rc::clone(&self.local);
        let handshakes = self.tls.take().map(Handshakes::new);
        let bound = local.usual().detection_bound();
        log_refusal("keepalive", keep_alive(&SockRef::from(&listener), bound));
        let accepting = async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => accept_all(&listener, &local, handshakes).await,
                Err(error) => tracing::error!(%error, "cannot accept connections"),
            }
        };
        ctx.spawn(accepting.into_actor(self));
    }
}

impl Handler<Reconfigure> for ListenerActor {
    type Result = ();

    fn handle(&mut self, Reconfigure(config): Reconfigure, _: &mut Context<Self>) {
        self.local.reconfigure(&config);
    }
}

impl Handler<Relieve> for ListenerActor {
    type Result = ();

    fn handle(&mut self, Relieve(pressure): Relieve, _: &mut Context<Self>) {
        self.local.relieve(pressure);
    }
}

impl Handler<StopAccepting> for ListenerActor {
    type Result = ();

    fn handle(&mut self, _: StopAccepting, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

async fn accept_all(listener: &TcpListener, local: &Rc<Local>, mut handshakes: Option<Handshakes>) {
    let mut wait = BACK_OFF.0;
    let mut pace = Pace::new(local.accepts_per_second(), local.clock().instant());
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                if wait > BACK_OFF.0 {
                    tracing::info!("accepting connections again");
                }
                wait = BACK_OFF.0;
                match &mut handshakes {
                    None => SessionActor::begin(stream.into(), address, local),
                    Some(handshakes) => handshakes.begin(stream, address, local),
                }
                let pause = pace.take(local.accepts_per_second(), local.clock().instant());
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            Err(error) if is_exhausted(&error) => {
                if wait == BACK_OFF.0 {
                    tracing::warn!(%error, "cannot accept connections, trying again");
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACK_OFF.1);
            }
            // The connection failed before it was accepted: its own matter.
            Err(error) => tracing::debug!(%error, "a connection was gone before it was accepted"),
        }
    }
}

/// Whether descriptors or kernel memory ran out, so that the next try would fail at once too.
fn is_exhausted(error: &io::Error) -> bool {
    // The numbers are the same on all Linux architectures: ENOMEM, ENFILE, EMFILE, ENOBUFS.
    matches!(error.raw_os_error(), Some(12 | 23 | 24 | 105))
}
