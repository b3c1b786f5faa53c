//! The network has its own thread with its own runtime; the window never waits for it.
//!
//! Wishes go in through the client's handle, which never blocks. News comes out through one batch:
//! whoever fills the empty slot wakes the window once, so at most one wake-up is under way however fast
//! events come. [`Batch`] bounds what may gather.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use herenow_client::protocol::{Choice, Query, RoomName, WatchTarget};
use herenow_client::{Client, Connection, Event, Options, ViewKey};
use tokio::sync::{Notify, oneshot};

use crate::account::Device;
use crate::call::{Call, Deliver, Dialer, Then};
use crate::clock::Clock;
use crate::core::batch::{Batch, Whole};
use crate::core::history::ListFacts;
use crate::core::link::Link;
use crate::core::sign_in::Form;

/// How often the window takes news: a frame at 60 frames a second.
const FRAME: Duration = Duration::from_millis(16);

/// What the texts of everybody may take in memory beside their share: that of an office whose people all say a lot. A
/// server that means harm is left before it fills the computer.
const LISTS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Calls servers over the network.
pub struct Network {
    clock: Clock,
}

/// A call that a thread of its own keeps.
struct NetworkCall {
    client: Client,
    collector: Option<slint::JoinHandle<()>>,
    /// Closed by the thread when it ends.
    ended: mpsc::Receiver<()>,
}

/// Where the network leaves what happened.
#[derive(Default)]
struct Inbox {
    batch: Mutex<Option<Batch>>,
    arrived: Notify,
}

/// The network's end of the inbox.
struct Outbox {
    inbox: Arc<Inbox>,
    link: Link,
    clock: Clock,
}

impl Network {
    /// A network whose countdowns follow `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }
}

impl Dialer for Network {
    fn dial(&self, form: &Form, choice: Choice, deliver: Deliver) -> io::Result<Box<dyn Call>> {
        let Device { id, key } = Device::of_account()?;
        let mut options = Options::new(form.server.clone(), form.name.clone(), id);
        (options.key, options.label, options.choice) = (Some(key), form.label.clone(), choice);
        options.lists_bytes_max = LISTS_BYTES_MAX;
        let (client, connection) = herenow_client::connect(options);
        let inbox = Arc::<Inbox>::default();
        let outbox =
            Outbox { inbox: inbox.clone(), link: Link::dialled(), clock: self.clock.clone() };
        let (ending, ended) = mpsc::channel();
        thread::Builder::new()
            .name("network".into())
            .spawn(move || {
                drive(connection, outbox);
                drop(ending);
            })
            .expect("the system has room for one thread");
        let collector = slint::spawn_local(collect(inbox, deliver))
            .expect("calls are made on the thread of the window");
        Ok(Box::new(NetworkCall { client, collector: Some(collector), ended }))
    }
}

impl Call for NetworkCall {
    fn choose(&self, choice: Choice) {
        self.client.choose(choice);
    }

    fn retry_now(&self) {
        self.client.retry_now();
    }

    fn watch(&self, target: WatchTarget) -> Option<ViewKey> {
        self.client.watch(target).ok()
    }

    fn unwatch(&self, view: ViewKey) {
        self.client.unwatch(view);
    }

    fn join(&self, room: RoomName) -> bool {
        self.client.join(room).is_ok()
    }

    fn part(&self, room: &RoomName) {
        self.client.leave(room);
    }

    fn ask(&self, query: Query, then: Then) {
        let answer = self.client.query(query);
        let waiting = async move { then(answer.await) };
        // It ends with the answer, or with the call.
        slint::spawn_local(waiting).expect("calls are made on the thread of the window");
    }

    fn leave(&mut self, limit: Duration) {
        self.client.goodbye();
        // The thread sends nothing: this ends with its end or with the limit, and either will do.
        let _ = self.ended.recv_timeout(limit);
    }
}

impl Drop for NetworkCall {
    fn drop(&mut self) {
        self.client.goodbye();
        if let Some(collector) = self.collector.take() {
            collector.abort();
        }
    }
}

/// Runs on the network's thread until the connection is over for good.
fn drive(mut connection: Connection, mut outbox: Outbox) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has room for one event queue");
    runtime.block_on(async {
        while let Some(event) = connection.next().await {
            outbox.post(event, &connection);
        }
    });
    outbox.finish();
}

/// Runs on the window's thread until the call is dropped. News that comes at rest is delivered at once, what follows
/// within a frame together: nobody could see it sooner.
async fn collect(inbox: Arc<Inbox>, deliver: Deliver) {
    loop {
        inbox.arrived.notified().await;
        if let Some(batch) = inbox.take() {
            deliver(batch);
        }
        let (over, frame) = oneshot::channel();
        slint::Timer::single_shot(FRAME, move || _ = over.send(()));
        // The timer ends with the window's thread, as this does.
        let _ = frame.await;
    }
}

impl Inbox {
    /// How much news waits to be taken.
    fn news(&self) -> usize {
        let batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        batch.as_ref().map_or(0, |batch| batch.news.len())
    }

    fn take(&self) -> Option<Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Outbox {
    fn post(&mut self, event: Event, connection: &Connection) {
        let (now, view) = (self.clock.now(), connection.view());
        let list = ListFacts {
            version: view.version(),
            digest: view.digest(),
            people: view.len(),
            proved_at: view.proved_at(),
            delay: connection.delay(),
        };
        // A long list takes a while: it is made ready before the window could have to wait for the batch.
        let wanted = Whole::wanted_by(&event, self.inbox.news());
        let whole = wanted.and_then(|key| Some(Whole::of(key, connection.view_of(key)?)));
        self.update(|batch| {
            batch.add(event, now, list, whole);
            batch.proof = connection.view().proof();
            batch.link.keep_lists(|key| connection.view_of(key).is_some());
        });
    }

    fn finish(&mut self) {
        self.update(|batch| batch.link.finish());
    }

    fn update(&mut self, change: impl FnOnce(&mut Batch)) {
        let mut slot = self.inbox.batch.lock().unwrap_or_else(PoisonError::into_inner);
        let first = slot.is_none();
        let batch =
            slot.get_or_insert_with(|| Batch { link: self.link.clone(), ..Batch::default() });
        change(batch);
        self.link.clone_from(&batch.link);
        if first {
            self.inbox.arrived.notify_one();
        }
    }
}
