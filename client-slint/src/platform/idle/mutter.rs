//! GNOME's compositor, which tells by D-Bus what others tell by Wayland.

use std::time::Duration;

use tokio::time::timeout;

use super::{IdleSource, Untouched};
use crate::platform::ANSWER_MAX;

#[zbus::proxy(
    interface = "org.gnome.Mutter.IdleMonitor",
    default_service = "org.gnome.Mutter.IdleMonitor",
    default_path = "/org/gnome/Mutter/IdleMonitor/Core",
    gen_blocking = false
)]
trait IdleMonitor {
    /// In milliseconds.
    fn get_idletime(&self) -> zbus::Result<u64>;
}

/// Asks Mutter.
pub(super) struct Monitor(IdleMonitorProxy<'static>);

impl Monitor {
    /// `None` where it is not on the bus.
    pub(super) async fn of(bus: Option<&zbus::Connection>) -> Option<Self> {
        let monitor = Self(IdleMonitorProxy::new(bus?).await.ok()?);
        monitor.ask().await.map(|_| monitor)
    }

    async fn ask(&self) -> Option<Duration> {
        let answer = timeout(ANSWER_MAX, self.0.get_idletime()).await.ok()?;
        answer.ok().map(Duration::from_millis)
    }
}

impl IdleSource for Monitor {
    fn untouched(&mut self) -> Untouched<'_> {
        Box::pin(self.ask())
    }
}
