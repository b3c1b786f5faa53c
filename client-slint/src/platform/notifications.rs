//! Notifications, as `org.freedesktop.Notifications` takes them.
//!
//! Specification: <https://specifications.freedesktop.org/notification-spec/1.2/>.

use std::collections::HashMap;

use futures_lite::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;
use zbus::zvariant::Value;

use super::{ANSWER_MAX, Signs, say};
use crate::core::notify::Place;
use crate::desktop::{Notification, Sign};

/// What the desktop shows as the program's name.
const APP_NAME: &str = "herenow";

/// The action that a click on the notification itself means, by the specification.
const DEFAULT_ACTION: &str = "default";

/// How long it stays: as long as the desktop's own settings say.
const AS_LONG_AS_USUAL: i32 = -1;

/// Of this many notifications is remembered where they stand. Who clicks on an older one sees the window.
const SHOWN_MAX: usize = 64;

#[zbus::proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications",
    gen_blocking = false
)]
trait Notifications {
    #[expect(clippy::too_many_arguments, reason = "the specification has so many")]
    fn notify(
        &self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        expire_timeout: i32,
    ) -> zbus::Result<u32>;

    fn close_notification(&self, id: u32) -> zbus::Result<()>;

    #[zbus(signal)]
    fn action_invoked(&self, id: u32, action_key: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    fn notification_closed(&self, id: u32, reason: u32) -> zbus::Result<()>;
}

/// Which notification stands where.
#[derive(Default)]
struct Shown(Vec<(Place, u32)>);

/// Shows what comes until nothing comes any more.
pub(super) async fn show(
    mut coming: mpsc::Receiver<Notification>,
    bus: Option<&zbus::Connection>,
    signs: &Signs,
) {
    let desktop = match bus {
        Some(bus) => NotificationsProxy::new(bus).await.ok(),
        None => None,
    };
    if let Some(desktop) = desktop
        && serve(&mut coming, &desktop, signs).await.is_ok()
    {
        return;
    }
    while coming.recv().await.is_some() {}
}

async fn serve(
    coming: &mut mpsc::Receiver<Notification>,
    desktop: &NotificationsProxy<'_>,
    signs: &Signs,
) -> zbus::Result<()> {
    let mut invoked = desktop.receive_action_invoked().await?;
    let mut closed = desktop.receive_notification_closed().await?;
    let (mut shown, mut said) = (Shown::default(), false);
    loop {
        tokio::select! {
            notification = coming.recv() => match notification {
                None => return Ok(()),
                Some(notification) => {
                    let result = timeout(ANSWER_MAX, post(&notification, &mut shown, desktop)).await;
                    // Once is enough: the desktop has no place for notifications, or it hangs.
                    if !matches!(result, Ok(Ok(()))) && !std::mem::replace(&mut said, true) {
                        say("the desktop shows no notifications");
                    }
                }
            },
            Some(signal) = invoked.next() => {
                if let Ok(arguments) = signal.args()
                    && let Some(place) = shown.place(arguments.id)
                {
                    signs.tell(Sign::Opened(place));
                }
            }
            Some(signal) = closed.next() => {
                if let Ok(arguments) = signal.args() {
                    shown.forget(arguments.id);
                }
            }
        }
    }
}

async fn post(
    notification: &Notification,
    shown: &mut Shown,
    desktop: &NotificationsProxy<'_>,
) -> zbus::Result<()> {
    let Notification { place, in_place_of, summary, body, action } = notification;
    let older = in_place_of.as_ref().and_then(|place| shown.id(place));
    let replaced = shown.id(place);
    // Of two that this one replaces, the desktop replaces one by itself.
    if let (Some(_), Some(older)) = (replaced, older) {
        desktop.close_notification(older).await?;
    }
    let replaces = replaced.or(older).unwrap_or_default();
    let hints = HashMap::from([
        ("desktop-entry", Value::from(crate::APP_ID)),
        ("category", Value::from(category(place))),
    ]);
    let actions = [DEFAULT_ACTION, action];
    let id = desktop
        .notify(APP_NAME, replaces, crate::APP_ID, summary, body, &actions, hints, AS_LONG_AS_USUAL)
        .await?;
    if let Some(in_place_of) = in_place_of {
        shown.0.retain(|(place, _)| place != in_place_of);
    }
    shown.keep(place.clone(), id);
    Ok(())
}

/// The specification's word for what it tells of.
fn category(place: &Place) -> &'static str {
    match place {
        Place::Person(_) | Place::Crowd => "presence.online",
        Place::Connection => "network",
    }
}

impl Shown {
    fn id(&self, place: &Place) -> Option<u32> {
        self.0.iter().find(|(kept, _)| kept == place).map(|(_, id)| *id)
    }

    fn place(&self, id: u32) -> Option<Place> {
        self.0.iter().find(|(_, kept)| *kept == id).map(|(place, _)| place.clone())
    }

    fn forget(&mut self, id: u32) {
        self.0.retain(|(_, kept)| *kept != id);
    }

    fn keep(&mut self, place: Place, id: u32) {
        self.0.retain(|(kept, _)| *kept != place);
        if self.0.len() == SHOWN_MAX {
            self.0.remove(0);
        }
        self.0.push((place, id));
    }
}
