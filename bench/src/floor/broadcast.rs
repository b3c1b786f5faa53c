//! A plain broadcast: every request becomes ready-made bytes to everyone who listens. What waits is written in one go.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};

use super::ready_made;

/// How one introduces oneself: a frame with this one byte.
pub(crate) const LISTENER: [u8; 3] = [0, 1, b'l'];
/// As [`LISTENER`], for those who send requests.
pub(crate) const SENDER: [u8; 3] = [0, 1, b's'];

/// Bytes of a mark, which a request carries behind its length and the broadcast repeats there.
const MARK_BYTES: usize = 8;

/// Sizes of the conversation, lengths included.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Broadcast {
    /// Bytes of every request's frame, at least 10
    #[arg(long)]
    pub(crate) request_bytes: usize,
    /// Bytes of every answer's frame
    #[arg(long)]
    pub(crate) answer_bytes: usize,
    /// Bytes of what everyone who listens gets for a request, at least 10
    #[arg(long)]
    pub(crate) change_bytes: usize,
}

/// What all connections share.
struct Hall {
    sizes: Broadcast,
    change: Vec<u8>,
    answer: Vec<u8>,
    listeners: RefCell<Vec<Rc<Listener>>>,
    /// What came since the last broadcast.
    batch: RefCell<Vec<u8>>,
    bell: Notify,
}

/// One who listens.
struct Listener {
    stream: TcpStream,
    /// What the socket did not take.
    unsent: RefCell<Vec<u8>>,
    gone: Cell<bool>,
}

impl Broadcast {
    pub(super) fn arguments(self) -> Vec<String> {
        let Self { request_bytes, answer_bytes, change_bytes } = self;
        let sizes = [
            ("--request-bytes", request_bytes),
            ("--answer-bytes", answer_bytes),
            ("--change-bytes", change_bytes),
        ];
        let flags = sizes.into_iter().flat_map(|(flag, size)| [flag.into(), size.to_string()]);
        ["broadcast".to_owned()].into_iter().chain(flags).collect()
    }

    pub(super) async fn serve(self, listener: &TcpListener) -> io::Result<()> {
        let least = MARK_BYTES + 2;
        let hall = Rc::new(Hall {
            sizes: Self { request_bytes: self.request_bytes.max(least), ..self },
            change: ready_made(self.change_bytes.max(least)),
            answer: ready_made(self.answer_bytes),
            listeners: RefCell::default(),
            batch: RefCell::default(),
            bell: Notify::new(),
        });
        let accept = async {
            spawn_local(broadcast(hall.clone()));
            loop {
                let (stream, _) = listener.accept().await?;
                spawn_local(converse(stream, hall.clone()));
            }
        };
        LocalSet::new().run_until(accept).await
    }
}

/// Serves one connection; one that breaks is forgotten.
async fn converse(mut stream: TcpStream, hall: Rc<Hall>) {
    let mut introduction = [0; 3];
    if stream.read_exact(&mut introduction).await.is_err()
        || stream.write_all(&introduction).await.is_err()
    {
        return;
    }
    match introduction == LISTENER {
        true => listen(stream, &hall),
        false => drop(take_requests(stream, &hall).await),
    }
}

fn listen(stream: TcpStream, hall: &Hall) {
    let listener = Listener { stream, unsent: RefCell::default(), gone: Cell::new(false) };
    hall.listeners.borrow_mut().push(Rc::new(listener));
}

/// Puts every request into the batch, and answers it.
async fn take_requests(mut stream: TcpStream, hall: &Hall) -> io::Result<()> {
    let mut request = vec![0; hall.sizes.request_bytes];
    loop {
        stream.read_exact(&mut request).await?;
        {
            let mut batch = hall.batch.borrow_mut();
            let mark = batch.len() + 2;
            batch.extend_from_slice(&hall.change);
            batch[mark..mark + MARK_BYTES].copy_from_slice(&request[2..2 + MARK_BYTES]);
        }
        hall.bell.notify_one();
        stream.write_all(&hall.answer).await?;
    }
}

/// Sends the batch to everyone, whenever there is one. Requests that were ready together are in one batch, as the
/// runtime runs their tasks before this one.
async fn broadcast(hall: Rc<Hall>) {
    let mut batch = Vec::new();
    loop {
        hall.bell.notified().await;
        batch.clear();
        std::mem::swap(&mut batch, &mut *hall.batch.borrow_mut());
        hall.listeners.borrow_mut().retain(|listener| !listener.gone.get());
        for listener in hall.listeners.borrow().iter() {
            tell(listener, &batch);
        }
    }
}

/// Writes, or keeps what the socket does not take until it does.
fn tell(listener: &Rc<Listener>, batch: &[u8]) {
    let mut unsent = listener.unsent.borrow_mut();
    if !unsent.is_empty() {
        return unsent.extend_from_slice(batch);
    }
    match listener.stream.try_write(batch) {
        Ok(sent) if sent == batch.len() => return,
        Ok(sent) => unsent.extend_from_slice(&batch[sent..]),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => unsent.extend_from_slice(batch),
        Err(_) => return listener.gone.set(true),
    }
    spawn_local(drain(listener.clone()));
}

async fn drain(listener: Rc<Listener>) {
    while listener.stream.writable().await.is_ok() {
        let mut unsent = listener.unsent.borrow_mut();
        match listener.stream.try_write(&unsent) {
            Ok(sent) => drop(unsent.drain(..sent)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => break,
        }
        if unsent.is_empty() {
            return;
        }
    }
    listener.gone.set(true);
}
