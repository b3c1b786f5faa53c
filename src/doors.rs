//! Where a server listens: its sockets, its certificate, and what people are told of both.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use herenow::actors::gate::Gate;
use herenow::actors::listener_actor::{adopt, bind};
use herenow::auth::AuthError;
use herenow::tls::{Identity, TlsError};
use herenow::{Clock, Config, Listeners, log_certificate};
use herenow_client::protocol::CertificateFingerprint;
use listenfd::ListenFd;
use tokio::signal::unix::{SignalKind, signal};

/// The sockets of a server that is about to serve.
#[derive(Debug)]
pub(crate) struct Doors {
    /// Where they are.
    pub(crate) addresses: Addresses,
    /// The sockets.
    pub(crate) listeners: Listeners,
    identity: Option<Arc<Identity>>,
    gate: Arc<Gate>,
}

/// Where clients find a server.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// For plain connections.
    pub(crate) plain: SocketAddr,
    tls: Option<(SocketAddr, CertificateFingerprint)>,
}

/// Why a server cannot listen.
#[derive(Debug)]
pub(crate) enum Closed {
    /// The operating system refuses an address.
    Address(SocketAddr, io::Error),
    /// The certificate cannot be used.
    Certificate(TlsError),
    /// It cannot be found out who may come in.
    Gate(AuthError),
}

impl Doors {
    /// Reads the certificate and opens all sockets.
    pub(crate) fn open(config: &Config, clock: Clock) -> Result<Self, Closed> {
        let files = config.tls_listen.zip(config.tls_files());
        let tls = files.map(|(listen, files)| Ok((listen, Identity::open(files)?))).transpose();
        let tls = tls.map_err(Closed::Certificate)?;
        let gate = Arc::new(Gate::open(config, clock).map_err(Closed::Gate)?);
        // A service manager hands the plain socket over first, then the one for TLS.
        let mut given = ListenFd::from_env();
        let (plain, address) = open(&mut given, 0, config.listen, config.arbiters)?;
        let mut doors = Self {
            addresses: Addresses { plain: address, tls: None },
            listeners: Listeners::from(plain).guarded_by(Arc::clone(&gate)),
            identity: None,
            gate,
        };
        if let Some((listen, identity)) = tls {
            let (listeners, address) = open(&mut given, 1, listen, config.arbiters)?;
            let certificate = identity.certificate();
            if certificate.is_expired(clock.now().unix_ms) {
                tracing::warn!(
                    "the certificate has expired: only clients that pinned it will come"
                );
            }
            let identity = Arc::new(identity);
            doors.addresses.tls = Some((address, certificate.fingerprint()));
            doors.listeners = doors.listeners.with_tls(listeners, Arc::clone(&identity));
            doors.identity = Some(identity);
        }
        Ok(doors)
    }

    /// Reads the certificate, and who may come in, again at every SIGHUP. Must run inside a runtime with signals.
    pub(crate) fn reread(&self, clock: Clock) -> impl Future<Output = ()> + use<> {
        let (identity, gate) = (self.identity.clone(), Arc::clone(&self.gate));
        async move {
            let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
            while hangup.recv().await.is_some() {
                gate.reread().await;
                if let Some(identity) = &identity {
                    log_certificate(identity, &identity.reload(clock.now().unix_ms));
                }
            }
        }
    }
}

/// The socket that a service manager hands over at this place, or else one of our own.
fn open(
    given: &mut ListenFd,
    place: usize,
    address: SocketAddr,
    arbiters: usize,
) -> Result<(Vec<std::net::TcpListener>, SocketAddr), Closed> {
    let listeners = match given.take_tcp_listener(place) {
        Ok(Some(listener)) => {
            tracing::info!(place, "the socket is the service manager's");
            adopt(listener, arbiters)
        }
        Ok(None) => bind(address, arbiters),
        Err(error) => Err(error),
    };
    let listeners = listeners.map_err(|error| Closed::Address(address, error))?;
    let bound = listeners.first().and_then(|first| first.local_addr().ok()).unwrap_or(address);
    Ok((listeners, bound))
}

impl Addresses {
    /// What a client elsewhere is given as the server, with the fingerprint to trust; `None` without TLS.
    pub(crate) fn tls(&self) -> Option<String> {
        let (address, fingerprint) = self.tls?;
        Some(format!("tls://{address}#{fingerprint}"))
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address, error) => {
                write!(f, "cannot listen on {address}: {error}{}", advice(error))
            }
            Self::Certificate(error) => write!(f, "{error}"),
            Self::Gate(error) => write!(f, "{error}"),
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there, choose a free port with --listen"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges",
        io::ErrorKind::AddrNotAvailable => "; no interface of this computer has that address",
        _ => "",
    }
}
