//! Wayland compositors with `ext-idle-notify-v1`: they say when nobody has touched the computer for a while, and when
//! somebody does.

use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use wayland_client::globals::{GlobalListContents, registry_queue_init};
use wayland_client::protocol::wl_registry::WlRegistry;
use wayland_client::protocol::wl_seat::WlSeat;
use wayland_client::{Connection, Dispatch, EventQueue, QueueHandle, delegate_noop};
use wayland_protocols::ext::idle_notify::v1::client::ext_idle_notification_v1::{
    Event, ExtIdleNotificationV1,
};
use wayland_protocols::ext::idle_notify::v1::client::ext_idle_notifier_v1::ExtIdleNotifierV1;

use super::{IdleSource, Untouched};
use crate::clock::Clock;

/// From this much time without a touch on the compositor says so. Shorter ones count as none, which keeps the compositor
/// from waking this program whenever somebody stops to think.
const STEP: Duration = Duration::from_secs(5);

/// What the compositor said last.
#[derive(Clone)]
pub(super) struct Compositor {
    clock: Clock,
    /// When it said that nobody touches the computer; `None` after it said that somebody does. The outer `None`: it is gone.
    idle_since: Arc<Mutex<Option<Option<Instant>>>>,
}

impl Compositor {
    /// `None` where there is no compositor, or it does not speak the protocol.
    pub(super) fn connect(clock: Clock) -> Option<Self> {
        Self::over(&Connection::connect_to_env().ok()?, clock)
    }

    fn over(connection: &Connection, clock: Clock) -> Option<Self> {
        let compositor = Self { clock, idle_since: Arc::new(Mutex::new(Some(None))) };
        let (globals, mut queue) = registry_queue_init::<Self>(connection).ok()?;
        let handle = queue.handle();
        let notifier: ExtIdleNotifierV1 = globals.bind(&handle, 1..=1, ()).ok()?;
        let seat: WlSeat = globals.bind(&handle, 1..=1, ()).ok()?;
        let step_ms = u32::try_from(STEP.as_millis()).unwrap_or(u32::MAX);
        notifier.get_idle_notification(step_ms, &seat, &handle, ());
        queue.roundtrip(&mut compositor.clone()).ok()?;
        compositor.listen(queue)?;
        Some(compositor)
    }

    /// The thread ends with the connection to the compositor, which ends with the program.
    fn listen(&self, mut queue: EventQueue<Self>) -> Option<()> {
        let mut heard = self.clone();
        let listen = move || {
            while queue.blocking_dispatch(&mut heard).is_ok() {}
            *heard.lock() = None;
        };
        thread::Builder::new().name("idle".into()).spawn(listen).ok().map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Option<Instant>>> {
        self.idle_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdleSource for Compositor {
    fn untouched(&mut self) -> Untouched<'_> {
        let now = self.clock.now();
        let told = *self.lock();
        let time = |since: Instant| STEP + now.saturating_duration_since(since);
        Box::pin(ready(told.map(|since| since.map(time).unwrap_or_default())))
    }
}

impl Dispatch<ExtIdleNotificationV1, ()> for Compositor {
    fn event(
        compositor: &mut Self,
        _: &ExtIdleNotificationV1,
        event: Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let since = match event {
            Event::Idled => Some(compositor.clock.now()),
            Event::Resumed => None,
            _ => return,
        };
        *compositor.lock() = Some(since);
    }
}

impl Dispatch<WlRegistry, GlobalListContents> for Compositor {
    /// A seat or a notifier that comes later is not waited for.
    fn event(
        _: &mut Self,
        _: &WlRegistry,
        _: <WlRegistry as wayland_client::Proxy>::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

delegate_noop!(Compositor: ignore WlSeat);
delegate_noop!(Compositor: ignore ExtIdleNotifierV1);

#[cfg(test)]
mod tests;
