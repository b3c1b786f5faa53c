//! Every user, by name and by place in memory.

use std::ops::{Index, IndexMut};
use std::sync::LazyLock;
use std::time::Instant;

use herenow_protocol::{DisplayName, Metadata, Status, StatusText, UserId};

use super::few::Few;
use super::recent::Recent;
use super::rooms::RoomId;
use super::sessions::SessionAt;
use super::table::{Places, Slab};
use crate::journal::Fingerprint;

/// Where a user is in memory, as long as they are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct UserAt(u32);

/// A user who has sessions, or had some not long ago.
#[derive(Debug)]
pub(super) struct User {
    name: DisplayName,
    /// In the order of sign-in.
    pub(super) sessions: Few<SessionAt>,
    /// What others see, `None` if they see nobody.
    pub(super) seen: Option<Seen>,
    /// Where others see it, ascending by room.
    pub(super) places: Few<(RoomId, UserId)>,
    /// What happened last.
    pub(super) recent: Recent,
    words: Option<Box<Words>>,
}

/// What others see of a user, besides what the user's own words and the sessions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) status: Status,
    pub(super) automatic: bool,
    /// Since when.
    pub(super) since_ms: u64,
}

/// What belongs to a user rather than to a session; many have nothing of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    /// What their devices share.
    pub(super) key: Option<Fingerprint>,
    pub(super) text: StatusText,
    pub(super) text_until: Option<Until>,
    pub(super) metadata: Metadata,
    /// Nobody else may take the name before, if there is a key.
    pub(super) kept_until: Option<Instant>,
}

/// An end of something, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Until {
    pub(super) at: Instant,
    pub(super) unix_ms: u64,
}

impl User {
    /// Nobody yet.
    fn new(name: DisplayName) -> Self {
        Self {
            name,
            sessions: Few::None,
            seen: None,
            places: Few::None,
            recent: Recent::default(),
            words: None,
        }
    }

    pub(super) fn name(&self) -> &DisplayName {
        &self.name
    }

    /// What the devices of the user share.
    pub(super) fn key(&self) -> Option<Fingerprint> {
        self.words().key
    }

    /// What belongs to the user.
    pub(super) fn words(&self) -> &Words {
        static NOTHING: LazyLock<Words> = LazyLock::new(Words::default);
        self.words.as_deref().unwrap_or(&NOTHING)
    }

    pub(super) fn text_until(&self) -> Option<Until> {
        self.words().text_until
    }

    /// Until when nobody else may take the name, if there is a key.
    pub(super) fn kept_until(&self) -> Option<Instant> {
        self.words().kept_until
    }

    /// What belongs to the user, to be changed.
    pub(super) fn words_mut(&mut self) -> &mut Words {
        self.words.get_or_insert_default()
    }
}

/// Every user.
#[derive(Debug, Default)]
pub(super) struct Users {
    slab: Slab<User>,
    by_name: Places,
}

impl Users {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// The user with this name.
    pub(super) fn find(&self, name: &DisplayName) -> Option<UserAt> {
        let has = |place| self.slab.at(place).is_some_and(|user| user.name == *name);
        self.by_name.find(name, has).map(UserAt)
    }

    pub(super) fn get(&self, name: &DisplayName) -> Option<&User> {
        self.find(name).map(|at| &self[at])
    }

    /// A user who was not there, with nothing but a name.
    pub(super) fn add(&mut self, name: &DisplayName) -> UserAt {
        debug_assert!(self.find(name).is_none());
        let place = self.slab.add(User::new(name.clone()));
        self.by_name.insert(name, place);
        UserAt(place)
    }

    /// Forgets a user.
    pub(super) fn remove(&mut self, at: UserAt) {
        let user = self.slab.take(at.0).expect(HAD);
        self.by_name.remove(&user.name, at.0);
    }
}

/// A user with sessions stays, and whoever goes by a place has it from a session or has just been told it.
const HAD: &str = "who has the place of a user has the user";

impl Index<UserAt> for Users {
    type Output = User;

    fn index(&self, at: UserAt) -> &User {
        self.slab.at(at.0).expect(HAD)
    }
}

impl IndexMut<UserAt> for Users {
    fn index_mut(&mut self, at: UserAt) -> &mut User {
        self.slab.at_mut(at.0).expect(HAD)
    }
}
