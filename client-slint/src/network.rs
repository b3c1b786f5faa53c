//! The network has its own thread with its own runtime; the window never waits for it.
//!
//! Wishes go in through the client's handle, which never blocks. News comes out through one batch:
//! whoever fills the empty slot wakes the window once, so at most one wake-up is under way however fast
//! events come. [`Batch`] bounds what may gather.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use herenow_client::protocol::Choice;
use herenow_client::{Client, Connection, Event, Options, View};
use tokio::sync::Notify;

use crate::account::Device;
use crate::call::{Call, Deliver, Dialer};
use crate::clock::Clock;
use crate::core::batch::Batch;
use crate::core::link::Link;
use crate::core::sign_in::Form;

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
        let Device { id, key, label } = Device::of_account()?;
        let mut options = Options::new(form.server.clone(), form.name.clone(), id);
        (options.key, options.label, options.choice) = (Some(key), label, choice);
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
            outbox.post(event, connection.view());
        }
    });
    outbox.finish();
}

/// Runs on the window's thread until the call is dropped.
async fn collect(inbox: Arc<Inbox>, deliver: Deliver) {
    loop {
        inbox.arrived.notified().await;
        if let Some(batch) = inbox.take() {
            deliver(batch);
        }
    }
}

impl Inbox {
    fn take(&self) -> Option<Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Outbox {
    fn post(&mut self, event: Event, view: &View) {
        let (now, proved_at) = (self.clock.now(), view.proved_at());
        let everybody = || view.entries().cloned().collect();
        self.update(|batch| batch.add(event, now, proved_at, everybody));
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
