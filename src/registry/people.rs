//! Users and their sessions, and how these become what others see.

use std::sync::LazyLock;
use std::time::Instant;

use herenow_protocol::{
    CloseReason, Devices, DisplayName, Metadata, Presence, SessionId, Shown, Status, StatusText,
    TransitionKind, UserId,
};

use super::few::Few;
use super::notes::Why;
use super::recent::Recent;
use super::rooms::{LOBBY, RoomId};
use super::sessions::Session;
use super::table::Keyed;
use super::{Delivery, Effect, Registry};
use crate::clock::Moment;
use crate::journal::{Fingerprint, Record};
use crate::merge::{Merged, Vote, merge};

/// A user who has sessions, or had some not long ago.
#[derive(Debug)]
pub(super) struct User {
    name: DisplayName,
    /// In the order of sign-in.
    pub(super) sessions: Few<SessionId>,
    /// What others see, `None` if they see nobody.
    pub(super) seen: Option<Seen>,
    /// Where others see it, ascending by room.
    places: Few<(RoomId, UserId)>,
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
    pub(super) fn new(name: DisplayName) -> Self {
        Self {
            name,
            sessions: Few::None,
            seen: None,
            places: Few::None,
            recent: Recent::default(),
            words: None,
        }
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

impl Keyed for User {
    type Key = DisplayName;

    fn key(&self) -> &DisplayName {
        &self.name
    }
}

impl Registry {
    /// What the sessions of a user say.
    pub(super) fn votes(&self, user: &User) -> Vec<Vote> {
        user.sessions.iter().filter_map(|id| self.sessions.get(id)?.vote()).collect()
    }

    /// How others see a user, if they do.
    pub(super) fn shown(&self, user: &User) -> Option<Shown> {
        user.seen.map(|seen| self.portrait(user, &self.votes(user), seen))
    }

    /// What others see of a user's status, if they do.
    pub(super) fn presence(&self, user: &User) -> Option<Presence> {
        user.seen.map(|seen| presence(seen, user.words()))
    }

    /// Something about a user may have changed: brings what others see up to date, everywhere at once.
    pub(super) fn refresh(
        &mut self,
        name: &DisplayName,
        why: Why,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let Some(at) = self.users.place(name) else { return };
        let user = self.users.at(at).expect("found one line above");
        let (votes, before) = (self.votes(user), user.seen);
        let after = Seen::next(before, merge(&votes), now.unix_ms);
        let shown = after.map(|seen| self.portrait(user, &votes, seen));
        // Who hides leaves like anyone who wishes to.
        let hides = after.is_none() && !votes.is_empty();
        let why = if hides { Why::wished(now) } else { why };
        let rooms = self.rooms_of(&votes, after.is_some());
        let changed = self.place(at, name, shown.as_ref(), &rooms, why.cause, now);
        self.users.at_mut(at).seen = after;
        if changed {
            self.tell(name, before, after, why, now, effects);
        }
    }

    /// What others see of a user.
    fn portrait(&self, user: &User, votes: &[Vote], seen: Seen) -> Shown {
        let words = user.words();
        let labels = votes.iter().map(|vote| self.sessions[&vote.session].label.clone());
        let devices: Devices = labels.collect();
        let presence = presence(seen, words);
        let metadata = words.metadata.clone();
        Shown { presence, since_ms: seen.since_ms, devices, metadata }
    }

    /// The rooms in which a user is seen, ascending.
    fn rooms_of(&self, votes: &[Vote], seen: bool) -> Vec<RoomId> {
        if !seen {
            return Vec::new();
        }
        let sessions = votes.iter().map(|vote| &self.sessions[&vote.session]);
        let mut rooms: Vec<_> = sessions.flat_map(Session::rooms).copied().collect();
        rooms.push(LOBBY);
        rooms.sort_unstable();
        rooms.dedup();
        rooms
    }

    /// Makes the rosters of rooms say what others see. Returns whether that is something else than before.
    fn place(
        &mut self,
        at: u32,
        name: &DisplayName,
        shown: Option<&Shown>,
        rooms: &[RoomId],
        cause: CloseReason,
        now: Moment,
    ) -> bool {
        let before = std::mem::take(&mut self.users.at_mut(at).places);
        let (mut places, mut changed) = (Vec::with_capacity(rooms.len()), false);
        for &(room, id) in before.iter() {
            // Everyone who is seen is in the lobby, so what changes for others changes there.
            changed |= match shown.filter(|_| rooms.binary_search(&room).is_ok()) {
                Some(shown) => {
                    places.push((room, id));
                    self.rooms.change(room, |roster| roster.update(id, shown)) && room == LOBBY
                }
                None => self.rooms.change(room, |roster| roster.leave(id, cause)) && room == LOBBY,
            };
        }
        for &room in rooms {
            if let (Err(at), Some(shown)) =
                (places.binary_search_by_key(&room, |place| place.0), shown)
            {
                let id = self.rooms.change(room, |roster| roster.join(name.clone(), shown.clone()));
                places.insert(at, (room, id));
                changed |= room == LOBBY;
            }
        }
        let places = places.into_iter().collect();
        self.users.at_mut(at).places = places;
        self.flush_when_rooms_are_due(now.instant);
        changed
    }

    /// Tells of a change in what others see: the watchers of single people, the user's own sessions, and the notes.
    fn tell(
        &mut self,
        name: &DisplayName,
        before: Option<Seen>,
        after: Option<Seen>,
        why: Why,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        match (before, after) {
            (None, Some(seen)) => {
                let (kind, status) = (TransitionKind::Online, seen.status);
                self.note_user(name, kind, status, None, now, effects);
            }
            (Some(_), None) => self.unseen(name, why, now, effects),
            (Some(before), Some(after)) if before.status != after.status => {
                let (kind, status) = (TransitionKind::Changed, after.status);
                self.note_user(name, kind, status, None, now, effects);
            }
            _ => {}
        }
        self.update_lists(name, now.instant);
        self.mirror(name, effects);
    }

    /// Others see the user no more.
    fn unseen(&mut self, name: &DisplayName, why: Why, now: Moment, effects: &mut Vec<Effect>) {
        let kept_until = now.instant + self.rules.resume_window;
        let user = self.users.get_mut(name).expect("the caller found it");
        user.words_mut().kept_until = Some(kept_until);
        let seen_ms = why.not_before_ms;
        self.last_seen.set(name, seen_ms);
        self.record(effects, || Record::LastSeen(name.clone(), seen_ms));
        let (kind, status) = (TransitionKind::Offline, Status::Offline);
        self.note_user(name, kind, status, Some(why), now, effects);
    }

    /// Tells a user's sessions how others see them.
    fn mirror(&self, name: &DisplayName, effects: &mut Vec<Effect>) {
        let user = &self.users[name];
        let me = self.presence(user);
        let connections = user.sessions.iter().filter_map(|id| self.sessions.get(id)?.connection());
        effects.extend(
            connections.map(|connection| Effect::Deliver(connection, Delivery::Mirror(me.clone()))),
        );
    }

    /// What a list or an answer shows of somebody, here or not.
    pub(super) fn shown_of(&self, name: &DisplayName) -> Shown {
        let shown = self.users.get(name).and_then(|user| self.shown(user));
        shown.unwrap_or_else(|| Shown::offline(self.last_seen.get(name)))
    }
}

impl Seen {
    /// What is seen after a change. `since` stays while the status does.
    fn next(before: Option<Self>, merged: Merged, now_ms: u64) -> Option<Self> {
        let (status, automatic) = merged.visible?;
        let same = |seen: &Self| (seen.status, seen.automatic) == (status, automatic);
        let since_ms = before.filter(same).map_or(now_ms, |seen| seen.since_ms);
        Some(Self { status, automatic, since_ms })
    }
}

fn presence(Seen { status, automatic, .. }: Seen, words: &Words) -> Presence {
    let until_ms = words.text_until.map_or(0, |until| until.unix_ms);
    Presence { status, text: words.text.clone(), automatic, until_ms }
}
