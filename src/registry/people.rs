//! Users and their sessions, and how these become what others see.

use std::collections::VecDeque;
use std::time::Instant;

use herenow_protocol::{
    CloseReason, DeviceLabel, Devices, DisplayName, Metadata, Presence, SessionId, Shown, Status,
    StatusText, Transition, TransitionKind, UserId,
};

use super::lists::List;
use super::notes::Why;
use super::rooms::{LOBBY, RoomId};
use super::{ConnectionId, Delivery, Effect, Registry};
use crate::clock::Moment;
use crate::config::Liveness;
use crate::journal::{Fingerprint, Record};
use crate::merge::{Merged, Vote, merge};

/// A user who has sessions, or had some not long ago.
#[derive(Debug, Default)]
pub(super) struct User {
    /// In the order of sign-in.
    pub(super) sessions: Vec<SessionId>,
    /// What their devices share.
    pub(super) key: Option<Fingerprint>,
    pub(super) text: StatusText,
    pub(super) text_until: Option<Until>,
    pub(super) metadata: Metadata,
    /// What others see, `None` if they see nobody.
    pub(super) shown: Option<Shown>,
    /// Where others see it, ascending by room.
    pub(super) places: Vec<(RoomId, UserId)>,
    /// Nobody else may take the name before, if there is a key.
    pub(super) kept_until: Option<Instant>,
    /// What happened last.
    pub(super) recent: VecDeque<Transition>,
}

/// An end of something, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Until {
    pub(super) at: Instant,
    pub(super) unix_ms: u64,
}

/// A session, with or without a connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) name: DisplayName,
    pub(super) device: Fingerprint,
    pub(super) label: DeviceLabel,
    /// Proves that an observer belongs to the user of its name.
    pub(super) key: Option<Fingerprint>,
    pub(super) connection: Option<ConnectionId>,
    /// The rooms that it watches.
    pub(super) views: Vec<RoomId>,
    /// The people that it watches.
    pub(super) lists: Vec<List>,
    /// How many lists it ever opened.
    pub(super) lists_opened: u32,
    /// What others may see of it; observers have nothing.
    pub(super) listed: Option<Listed>,
}

/// What others may see of a session.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) token: Fingerprint,
    pub(super) liveness: Liveness,
    pub(super) status: Status,
    pub(super) automatic: bool,
    pub(super) since_ms: u64,
    pub(super) opened_ms: u64,
    /// The rooms that it is in, without the lobby.
    pub(super) rooms: Vec<RoomId>,
    pub(super) lost: Option<Lost>,
}

/// A connection that is no more.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) why: Why,
    /// Until then the session counts.
    pub(super) shown_until: Instant,
    /// It has not been said yet that the session counts no more.
    pub(super) counts: bool,
    /// Until then it can be resumed.
    pub(super) resume_until: Instant,
}

impl User {
    /// How others see the user, if they do.
    pub(super) fn seen(&self) -> Option<Presence> {
        self.shown.as_ref().map(|shown| shown.presence.clone())
    }
}

impl Session {
    /// What this session says about its user, if it counts.
    pub(super) fn vote(&self, session: SessionId) -> Option<Vote> {
        let listed = self.listed.as_ref()?;
        let counts = listed.lost.as_ref().is_none_or(|lost| lost.counts);
        counts.then_some(Vote { session, status: listed.status, automatic: listed.automatic })
    }
}

impl Registry {
    /// What the sessions of a user say.
    pub(super) fn votes(&self, user: &User) -> Vec<Vote> {
        user.sessions.iter().filter_map(|id| self.sessions.get(id)?.vote(*id)).collect()
    }

    /// Something about a user may have changed: brings what others see up to date, everywhere at once.
    pub(super) fn refresh(
        &mut self,
        name: &DisplayName,
        why: Why,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let Some(user) = self.users.get(name) else { return };
        let votes = self.votes(user);
        let before = user.shown.clone();
        let after = self.portrait(user, &votes, merge(&votes), now.unix_ms);
        // Who hides leaves like anyone who wishes to.
        let hides = after.is_none() && !votes.is_empty();
        let why = if hides { Why::wished(now) } else { why };
        let rooms = self.rooms_of(&votes, after.is_some());
        self.place(name, after.as_ref(), &rooms, why.cause, now);
        if before != after {
            self.users.get_mut(name).expect("found above").shown = after.clone();
            self.tell(name, before.as_ref(), after.as_ref(), why, now, effects);
        }
    }

    /// What others see of a user. `since` stays while the status does.
    fn portrait(&self, user: &User, votes: &[Vote], merged: Merged, now_ms: u64) -> Option<Shown> {
        let (status, automatic) = merged.visible?;
        let same = |shown: &&Shown| {
            (shown.presence.status, shown.presence.automatic) == (status, automatic)
        };
        let since_ms = user.shown.as_ref().filter(same).map_or(now_ms, |shown| shown.since_ms);
        let until_ms = user.text_until.map_or(0, |until| until.unix_ms);
        let presence = Presence { status, text: user.text.clone(), automatic, until_ms };
        let labels = votes.iter().map(|vote| self.sessions[&vote.session].label.clone());
        let devices: Devices = labels.collect();
        let devices = match &user.shown {
            // Most changes leave the devices alone: share the list.
            Some(shown) if shown.devices == devices => shown.devices.clone(),
            _ => devices,
        };
        Some(Shown { presence, since_ms, devices, metadata: user.metadata.clone() })
    }

    /// The rooms in which a user is seen, ascending.
    fn rooms_of(&self, votes: &[Vote], seen: bool) -> Vec<RoomId> {
        if !seen {
            return Vec::new();
        }
        let listed = votes.iter().filter_map(|vote| self.sessions[&vote.session].listed.as_ref());
        let mut rooms: Vec<_> = listed.flat_map(|listed| listed.rooms.iter().copied()).collect();
        rooms.push(LOBBY);
        rooms.sort_unstable();
        rooms.dedup();
        rooms
    }

    /// Makes the rosters of rooms and lists say what others see.
    fn place(
        &mut self,
        name: &DisplayName,
        shown: Option<&Shown>,
        rooms: &[RoomId],
        cause: CloseReason,
        now: Moment,
    ) {
        let user = self.users.get_mut(name).expect("the caller found it");
        let before = std::mem::take(&mut user.places);
        let mut places = Vec::with_capacity(rooms.len());
        for (room, id) in before {
            match shown.filter(|_| rooms.binary_search(&room).is_ok()) {
                Some(shown) => {
                    self.rooms.change(room, |roster| roster.update(id, shown));
                    places.push((room, id));
                }
                None => drop(self.rooms.change(room, |roster| roster.leave(id, cause))),
            }
        }
        for &room in rooms {
            if let (Err(at), Some(shown)) =
                (places.binary_search_by_key(&room, |place| place.0), shown)
            {
                let id = self.rooms.change(room, |roster| roster.join(name.clone(), shown.clone()));
                places.insert(at, (room, id));
            }
        }
        self.users.get_mut(name).expect("the caller found it").places = places;
        self.flush_when_rooms_are_due(now.instant);
    }

    /// Tells of a change in what others see: the watchers of single people, the user's own sessions, and the notes.
    fn tell(
        &mut self,
        name: &DisplayName,
        before: Option<&Shown>,
        after: Option<&Shown>,
        why: Why,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        match (before, after) {
            (None, Some(shown)) => {
                let (kind, status) = (TransitionKind::Online, shown.presence.status);
                self.note_user(name, kind, status, None, now, effects);
            }
            (Some(_), None) => self.unseen(name, why, now, effects),
            (Some(before), Some(after)) if before.presence.status != after.presence.status => {
                let (kind, status) = (TransitionKind::Changed, after.presence.status);
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
        self.users.get_mut(name).expect("the caller found it").kept_until = Some(kept_until);
        let seen_ms = why.not_before_ms;
        self.last_seen.set(name, seen_ms);
        self.record(effects, || Record::LastSeen(name.clone(), seen_ms));
        let (kind, status) = (TransitionKind::Offline, Status::Offline);
        self.note_user(name, kind, status, Some(why), now, effects);
    }

    /// Tells a user's sessions how others see them.
    fn mirror(&self, name: &DisplayName, effects: &mut Vec<Effect>) {
        let user = &self.users[name];
        let me = user.seen();
        let connections = user.sessions.iter().filter_map(|id| self.sessions.get(id)?.connection);
        effects.extend(
            connections.map(|connection| Effect::Deliver(connection, Delivery::Mirror(me.clone()))),
        );
    }

    /// What a list or an answer shows of somebody, here or not.
    pub(super) fn shown_of(&self, name: &DisplayName) -> Shown {
        let shown = self.users.get(name).and_then(|user| user.shown.clone());
        shown.unwrap_or_else(|| Shown::offline(self.last_seen.get(name)))
    }
}
