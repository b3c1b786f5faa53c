//! The desktop session of this account: notifications, the place for a tray icon, and whether the user is there.
//!
//! One thread talks to the session's buses and to the display; the window never waits for it. Where there is no bus,
//! one line says so, and the rest goes on.

mod idle;
mod lock;
mod notifications;
mod tray_host;

use std::cell::RefCell;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, error::TrySendError};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::core::idle::Look;
use crate::desktop::{Desktop, Hear, Notification, Sign};

/// Notifications that wait for the desktop to take them. A desktop that takes none loses the rest: they would be old.
const NOTIFICATIONS_MAX: usize = 16;

/// How long the desktop may take for one answer before it counts as having none.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The desktop session in which this program runs.
pub struct Session {
    notifications: mpsc::Sender<Notification>,
    look: watch::Sender<Wanted>,
    signs: RefCell<Option<UnboundedReceiver<Sign>>>,
    collector: RefCell<Option<slint::JoinHandle<()>>>,
}

/// When to look at the user next: after this time from when it was said.
type Wanted = Option<Duration>;

/// What the thread is asked for, and where it tells.
struct Ends {
    notifications: mpsc::Receiver<Notification>,
    look: watch::Receiver<Wanted>,
    signs: Signs,
    clock: Clock,
}

/// Tells the window. Few signs come, so their number needs no bound: looks when they are asked for, the rest by hand.
#[derive(Clone)]
struct Signs(UnboundedSender<Sign>);

impl Session {
    /// Joins the desktop session.
    ///
    /// # Errors
    /// The system has no room for a thread.
    pub fn join(clock: Clock) -> io::Result<Self> {
        let (notifications, notifications_end) = mpsc::channel(NOTIFICATIONS_MAX);
        let (look, look_end) = watch::channel(None);
        let (tell, signs) = mpsc::unbounded_channel();
        let ends =
            Ends { notifications: notifications_end, look: look_end, signs: Signs(tell), clock };
        thread::Builder::new().name("desktop".into()).spawn(move || live(ends))?;
        let (signs, collector) = (RefCell::new(Some(signs)), RefCell::default());
        Ok(Self { notifications, look, signs, collector })
    }
}

impl Desktop for Session {
    fn listen(&self, hear: Hear) {
        let Some(mut signs) = self.signs.take() else { return };
        let collect = async move {
            while let Some(sign) = signs.recv().await {
                hear(sign);
            }
        };
        let collector = slint::spawn_local(collect).expect("the window's thread listens");
        self.collector.replace(Some(collector));
    }

    fn show(&self, notification: Notification) {
        match self.notifications.try_send(notification) {
            // See NOTIFICATIONS_MAX; or nobody shows them here.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {}
        }
    }

    fn look_in(&self, time: Option<Duration>) {
        self.look.send_replace(time);
    }

    fn keep(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let folder = herenow_client::state_folder()?;
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let path = folder.join(name);
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        match file.write_all(text.as_bytes()) {
            Ok(()) => Ok(path),
            // Half of a text misleads. If it cannot be removed either, the first error tells more.
            Err(error) => fs::remove_file(&path).and(Err(error)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(collector) = self.collector.take() {
            collector.abort();
        }
    }
}

impl Signs {
    fn tell(&self, sign: Sign) {
        // Nobody listens any more once the window is gone.
        let _ = self.0.send(sign);
    }
}

/// Runs on the thread of its own, until the program drops its [`Session`].
fn live(ends: Ends) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let Ok(runtime) = runtime else { return say("no notifications and no idling: no event queue") };
    let Ends { notifications, look, signs, clock } = ends;
    let locked = watch::Sender::new(false);
    runtime.block_on(async {
        let bus = session_bus().await;
        let everything = async {
            tokio::join!(
                lock::watch(bus.as_ref(), &locked),
                tray_host::watch(bus.as_ref(), &signs),
                watch_user(look, locked.subscribe(), bus.as_ref(), &signs, &clock),
            )
        };
        tokio::select! {
            () = notifications::show(notifications, bus.as_ref(), &signs) => {}
            _ = everything => {}
        }
    });
}

async fn session_bus() -> Option<zbus::Connection> {
    match zbus::Connection::session().await {
        Ok(bus) => Some(bus),
        Err(error) => {
            say(&format!("no session bus, so no notifications and no tray icon: {error}"));
            None
        }
    }
}

/// Looks at the user when it is asked for, and when the screen is locked or unlocked.
async fn watch_user(
    mut wanted: watch::Receiver<Wanted>,
    mut locked: watch::Receiver<bool>,
    bus: Option<&zbus::Connection>,
    signs: &Signs,
    clock: &Clock,
) {
    let mut source = idle::source(bus, clock).await;
    loop {
        let look_in = *wanted.borrow_and_update();
        let due = async {
            match look_in {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = wanted.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            changed = locked.changed() => if changed.is_err() { return },
            () = due => {}
        }
        let untouched = match &mut source {
            Some(source) => source.untouched().await,
            None => None,
        };
        let look = Look { untouched, locked: *locked.borrow_and_update() };
        signs.tell(Sign::Seen(look));
        // Until the window has said when to look again there is nothing to look for.
        if wanted.borrow().is_some() && wanted.changed().await.is_err() {
            return;
        }
    }
}

/// One line for whoever started the program from a terminal. That nobody reads it is no reason to stop.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "herenow-desktop: {line}");
}
