//! Many real clients in this process.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use herenow_client::protocol::{Choice, DeviceId, DeviceLabel, DisplayName, Status, StatusText};
use herenow_client::{Client, Connection, Options, connect};
use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::diary::Diary;
use super::{PATIENCE, wait_for};

/// Crowds of a size that one machine should have to bear one at a time only.
static BIG: Mutex<()> = Mutex::new(());

/// Waits until no other test of this process has a big crowd.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    // A test that failed leaves nothing behind that would disturb the next one.
    BIG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread on which clients live. Dropping it ends them without a goodbye.
#[derive(Debug)]
pub(crate) struct Home {
    runtime: Handle,
    end: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) diary: Diary,
    life: AbortHandle,
}

impl Home {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime needs two descriptors");
        let (handle, end) = (runtime.handle().clone(), CancellationToken::new());
        let ended = end.clone();
        let thread = thread::spawn(move || runtime.block_on(ended.cancelled()));
        Self { runtime: handle, end, thread: Some(thread) }
    }

    /// A client begins its life.
    pub(crate) fn settle(&self, options: Options) -> Member {
        self.settle_pair(options.name.to_string(), connect(options))
    }

    /// A client of this name, however it connects, begins its life.
    pub(crate) fn settle_pair(&self, name: String, pair: (Client, Connection)) -> Member {
        let (diary, (client, connection)) = (Diary::default(), pair);
        let life = self.runtime.spawn(diary.clone().keep(connection)).abort_handle();
        Member { name, client, diary, life }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            // A client that panicked has ended its own task only.
            let _ = thread.join();
        }
    }
}

impl Member {
    /// Ends without a goodbye: the socket is closed, and nobody comes back.
    pub(crate) fn die(&self) {
        self.life.abort();
        self.wait_for_end();
    }

    /// Waits for the end of its life.
    pub(crate) fn wait_for_end(&self) {
        wait_for("the end of a client", PATIENCE, || self.is_over().then_some(()));
    }

    /// Whether its life is over: it left, died, or must not come back.
    pub(crate) fn is_over(&self) -> bool {
        self.life.is_finished()
    }

    /// Whether it is signed in.
    pub(crate) fn is_in(&self) -> bool {
        self.diary.open().is_in
    }
}

/// A user who watches nothing.
pub(crate) fn quiet(server: SocketAddr, name: &str) -> Options {
    Options { views: Vec::new(), ..watching(server, name) }
}

/// A user who watches the lobby.
pub(crate) fn watching(server: SocketAddr, name: &str) -> Options {
    let name = DisplayName::new(name).expect("a test's name is valid");
    let device = format!("{:032x}", rand::random::<u128>());
    let device = DeviceId::new(&device).expect("hexadecimal digits are allowed");
    Options::new(server.to_string(), name, device)
}

/// What the user of this number shows: every kind of status, chosen by people and by programs, with texts and labels.
pub(crate) fn varied(options: Options, number: usize) -> Options {
    let text = StatusText::new(&format!("text {number}")).expect("a short line is a text");
    let choice = match number % 4 {
        0 => Choice::automatic(Status::Available),
        1 => Choice::chosen(Status::Busy, text),
        2 => Choice {
            text_for: Some(Duration::from_secs(3_600)),
            ..Choice::chosen(Status::Away, text)
        },
        _ => Choice::automatic(Status::Away),
    };
    let label =
        DeviceLabel::new(&format!("device {}", number % 7)).expect("a short line is a label");
    Options { choice, label, ..options }
}
