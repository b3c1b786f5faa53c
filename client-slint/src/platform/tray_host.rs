//! Whether the desktop has a place for tray icons: a host that is registered with the watcher of status notifier items.
//!
//! Specification: <https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/>. Stock GNOME has none. It can come
//! and go while the program runs, as a panel that is started late or crashes.

use futures_lite::StreamExt as _;
use zbus::fdo::DBusProxy;
use zbus::proxy::CacheProperties;

use super::Signs;
use crate::desktop::Sign;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";

#[zbus::proxy(
    interface = "org.kde.StatusNotifierWatcher",
    default_service = "org.kde.StatusNotifierWatcher",
    default_path = "/StatusNotifierWatcher",
    gen_blocking = false
)]
trait Watcher {
    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> zbus::Result<bool>;

    #[zbus(signal)]
    fn status_notifier_host_registered(&self) -> zbus::Result<()>;

    #[zbus(signal)]
    fn status_notifier_host_unregistered(&self) -> zbus::Result<()>;
}

/// Tells whether there is a host, now and whenever that changes.
pub(super) async fn watch(bus: Option<&zbus::Connection>, signs: &Signs) {
    if let Some(bus) = bus {
        // Without the signals of the bus nothing can be told, and there is no tray icon.
        let _ = follow(bus, signs).await;
    }
    std::future::pending().await
}

async fn follow(bus: &zbus::Connection, signs: &Signs) -> zbus::Result<()> {
    let names = DBusProxy::new(bus).await?;
    let mut owner = names.receive_name_owner_changed_with_args(&[(0, WATCHER)]).await?;
    let watcher = WatcherProxy::builder(bus).cache_properties(CacheProperties::No).build().await?;
    let mut registered = watcher.receive_status_notifier_host_registered().await?;
    let mut unregistered = watcher.receive_status_notifier_host_unregistered().await?;
    let mut told = false;
    loop {
        // No watcher answers with an error, which is an answer as well.
        let there = watcher.is_status_notifier_host_registered().await.unwrap_or(false);
        if there != std::mem::replace(&mut told, there) {
            signs.tell(Sign::TrayHost(there));
        }
        tokio::select! {
            Some(_) = owner.next() => {}
            Some(_) = registered.next() => {}
            Some(_) = unregistered.next() => {}
            else => return Ok(()),
        }
    }
}
