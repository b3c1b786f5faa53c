//! Connections that a test can cut.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use herenow_client::Disconnect;
use herenow_client::link::{Connect, Connecting, Link};

/// Connects over TCP, and holds on to the connection's other handle. Cheap to clone; all clones hold the same one.
///
/// As long as it is not cut, the connection stays open after its client is gone, and nobody speaks on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cord(Arc<Mutex<Option<TcpStream>>>);

impl Cord {
    /// Both ends see the connection end.
    pub(crate) fn cut(&self) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // One that has ended already cannot be cut.
        held.map(|stream| stream.shutdown(Shutdown::Both));
    }

    fn hold(&self, stream: TcpStream) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    }
}

impl Connect for Cord {
    fn connect(&mut self, server: &str) -> Connecting {
        let (server, cord) = (server.to_owned(), self.clone());
        Box::pin(async move {
            let connected = tokio::net::TcpStream::connect(server).await;
            let stream = connected.map_err(|_| Disconnect::ConnectionRefused)?;
            let twins = stream.into_std().and_then(|stream| Ok((stream.try_clone()?, stream)));
            let (held, stream) = twins.expect("there are descriptors enough");
            cord.hold(held);
            let stream = tokio::net::TcpStream::from_std(stream);
            Ok(Link::from(stream.expect("it came from this runtime")))
        })
    }
}
