//! Whether the screen is locked, as far as anybody says so: the session of `org.freedesktop.login1`, and the screen saver.

use futures_lite::StreamExt as _;
use tokio::sync::watch;
use zbus::message::Type;
use zbus::zvariant::OwnedObjectPath;
use zbus::{MatchRule, MessageStream};

/// Signals that wait to be read. There is one at each lock and unlock.
const SIGNALS_MAX: usize = 16;

/// What screen savers call themselves. The signal is the same, and only one of them runs.
const SCREEN_SAVERS: [&str; 2] = ["org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver"];

#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1",
    gen_blocking = false
)]
trait Logins {
    fn get_session(&self, id: &str) -> zbus::Result<OwnedObjectPath>;
}

#[zbus::proxy(
    interface = "org.freedesktop.login1.Session",
    default_service = "org.freedesktop.login1",
    gen_blocking = false
)]
trait Login {
    #[zbus(signal)]
    fn lock(&self) -> zbus::Result<()>;

    #[zbus(signal)]
    fn unlock(&self) -> zbus::Result<()>;
}

/// Keeps `locked` true while the screen is locked. What cannot be watched here is left out without a word: many
/// desktops have only one of the two.
pub(super) async fn watch(session: Option<&zbus::Connection>, locked: &watch::Sender<bool>) {
    let by_saver = async {
        if let Some(session) = session {
            let [first, second] = SCREEN_SAVERS;
            let _ = tokio::join!(
                follow_saver(session, first, locked),
                follow_saver(session, second, locked)
            );
        }
    };
    let _ = tokio::join!(by_saver, follow_login(locked));
    std::future::pending().await
}

async fn follow_saver(
    session: &zbus::Connection,
    interface: &str,
    locked: &watch::Sender<bool>,
) -> zbus::Result<()> {
    // Desktops disagree on the path, so it is not asked for.
    let rule = MatchRule::builder().msg_type(Type::Signal).interface(interface)?;
    let rule = rule.member("ActiveChanged")?.build();
    let mut signals = MessageStream::for_match_rule(rule, session, Some(SIGNALS_MAX)).await?;
    while let Some(signal) = signals.next().await {
        if let Ok(active) = signal?.body().deserialize::<bool>() {
            note(locked, active);
        }
    }
    Ok(())
}

async fn follow_login(locked: &watch::Sender<bool>) -> zbus::Result<()> {
    let system = zbus::Connection::system().await?;
    // The session of this process, or that of the account's display if it is in none.
    let path = LoginsProxy::new(&system).await?.get_session("auto").await?;
    let login = LoginProxy::builder(&system).path(path)?.build().await?;
    let (mut lock, mut unlock) = (login.receive_lock().await?, login.receive_unlock().await?);
    loop {
        tokio::select! {
            Some(_) = lock.next() => note(locked, true),
            Some(_) = unlock.next() => note(locked, false),
            else => return Ok(()),
        }
    }
}

/// Two may say the same; only what is new is told.
fn note(locked: &watch::Sender<bool>, now_locked: bool) {
    locked.send_if_modified(|locked| std::mem::replace(locked, now_locked) != now_locked);
}
