//! What a program says about itself before it connects.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use herenow_protocol::{
    Choice, Credential, DeviceId, DeviceLabel, DisplayName, RoomName, Status, UserKey, WatchTarget,
};

use crate::Trust;

/// What the entries of all lists together may take in memory, unless a program wants otherwise, besides
/// [`PERSON_BYTES`] for each person: in bytes.
pub const LISTS_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What each person may add to that: a name and a text of usual length. So long lists are no trouble, and stuffed ones are.
pub const PERSON_BYTES: usize = 128;

/// How many people all lists together may have, with a snapshot that is under way: the largest list that was measured,
/// twice.
pub const PEOPLE_MAX: usize = 2_000_000;

/// Whom to be, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// `HOST` or `HOST:PORT`; an IPv6 address with a port stands in brackets. The default port is 4373. `tls://HOST`
    /// speaks TLS, by default to port 4374; with `#FINGERPRINT` behind it, only to a server with that certificate.
    pub server: String,
    /// By what a server that speaks TLS is recognised.
    pub trust: Trust,
    /// What the server wants of whoever comes in: its secret, this user's password, or a token. Without one the client
    /// brings what was [kept](crate::keep_credential) for this server. It leaves this computer inside TLS only.
    pub credential: Option<Credential>,
    /// What others see.
    pub name: DisplayName,
    /// Identifies this device from sign-in to sign-in; see [`device_id`](crate::device_id).
    pub device: DeviceId,
    /// Names the device for people; others see it.
    pub label: DeviceLabel,
    /// Proves that this device is the user's, so that it joins the user's other devices; see
    /// [`user_key`](crate::user_key). Without one, a name that is signed in elsewhere is refused.
    pub key: Option<UserKey>,
    /// Watch without being listed.
    pub observe: bool,
    /// The wanted heartbeat interval, in whole milliseconds; `None` takes the server's.
    pub heartbeat: Option<Duration>,
    /// What to be shown with from the first moment. An observer says nothing of it.
    pub choice: Choice,
    /// Come back by itself after the connection ended, unless the server forbids it.
    pub reconnect: bool,
    /// What to watch from the first moment. [`ViewKey`] counts them from 0. A room that stands here twice is
    /// watched under its first number only.
    pub views: Vec<WatchTarget>,
    /// The rooms to be in besides the lobby, up to 31.
    pub rooms: Vec<RoomName>,
    /// See [`LISTS_BYTES_MAX`]. A server that lists more is left: it is broken, or means harm.
    pub lists_bytes_max: usize,
}

/// A view, by the number that this client gave it.
///
/// Numbers count up in the order in which views were asked for, those of [`Options::views`] first, and are never used
/// again. They stay the same through reconnects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewKey(pub u32);

/// What is to be watched, by number.
pub(crate) type WantedViews = BTreeMap<ViewKey, WatchTarget>;

impl ViewKey {
    /// The first of [`Options::views`]: the lobby, unless a program wants otherwise.
    pub const FIRST: Self = Self(0);
}

impl fmt::Display for ViewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Options {
    /// A listed user with the server's heartbeat, who is available, watches the lobby and comes back by itself.
    pub fn new(server: impl Into<String>, name: DisplayName, device: DeviceId) -> Self {
        Self {
            server: server.into(),
            trust: Trust::default(),
            credential: None,
            name,
            device,
            label: DeviceLabel::default(),
            key: None,
            observe: false,
            heartbeat: None,
            choice: Choice::automatic(Status::Available),
            reconnect: true,
            views: vec![WatchTarget::Room(RoomName::lobby())],
            rooms: Vec::new(),
            lists_bytes_max: LISTS_BYTES_MAX,
        }
    }

    /// The views with their numbers. Of a room that stands there twice, the first.
    pub(crate) fn wanted_views(&self) -> WantedViews {
        let mut wanted = WantedViews::new();
        for (key, target) in (0..).map(ViewKey).zip(&self.views) {
            if key_of_room(&wanted, target).is_none() {
                wanted.insert(key, target.clone());
            }
        }
        wanted
    }

    /// The rooms to join. Everyone is in the lobby anyway.
    pub(crate) fn wanted_rooms(&self) -> BTreeSet<RoomName> {
        let lobby = RoomName::lobby();
        self.rooms.iter().filter(|room| **room != lobby).cloned().collect()
    }
}

/// The number under which the room of `target` is watched already. The server knows one view of a room only.
pub(crate) fn key_of_room(wanted: &WantedViews, target: &WatchTarget) -> Option<ViewKey> {
    let WatchTarget::Room(_) = target else { return None };
    wanted.iter().find(|(_, watched)| *watched == target).map(|(&key, _)| key)
}
