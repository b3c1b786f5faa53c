//! Users and their sessions, and how these become what others see.

use herenow_protocol::{
    CloseReason, Devices, DisplayName, Presence, Shown, Status, TransitionKind,
};
use smallvec::SmallVec;

use super::few::Few;
use super::notes::Why;
use super::rooms::{LOBBY, RoomId};
use super::sessions::{Session, SessionAt};
use super::users::{Seen, User, UserAt, Words};
use super::{Delivery, Effect, Registry};
use crate::clock::Moment;
use crate::config::LastSeenTold;
use crate::journal::Record;
use crate::merge::{Merged, Vote, merge};

/// What the sessions of a user say: most have one.
pub(super) type Votes = SmallVec<[Vote; 2]>;

impl Registry {
    /// The sessions of a user that count.
    fn counting(&self, user: &User) -> impl Iterator<Item = &Session> {
        let sessions = user.sessions.iter().map(|at| &self.sessions[*at]);
        sessions.filter(|session| session.vote().is_some())
    }

    /// What the sessions of a user say.
    pub(super) fn votes(&self, user: &User) -> Votes {
        user.sessions.iter().filter_map(|at| self.sessions[*at].vote()).collect()
    }

    /// How others see a user, if they do.
    pub(super) fn shown(&self, user: &User) -> Option<Shown> {
        user.seen.map(|seen| self.portrait(user, seen))
    }

    /// What others see of a user's status, if they do.
    pub(super) fn presence(&self, user: &User) -> Option<Presence> {
        user.seen.map(|seen| presence(seen, user.words()))
    }

    /// Something about a user may have changed: brings what others see up to date, everywhere at once.
    pub(super) fn refresh(&mut self, at: UserAt, why: Why, now: Moment, effects: &mut Vec<Effect>) {
        let user = &self.users[at];
        let (votes, before) = (self.votes(user), user.seen);
        let after = Seen::next(before, merge(&votes), now.unix_ms);
        let shown = after.map(|seen| self.portrait(user, seen));
        // Who hides leaves like anyone who wishes to.
        let hides = after.is_none() && !votes.is_empty();
        let why = if hides { Why::wished(now) } else { why };
        let rooms = self.rooms_of(user, after.is_some());
        let changed = self.place(at, shown.as_ref(), &rooms, why.cause, now);
        self.users[at].seen = after;
        if changed {
            self.tell(at, before, after, why, now, effects);
        }
    }

    /// What others see of a user.
    fn portrait(&self, user: &User, seen: Seen) -> Shown {
        let words = user.words();
        let devices: Devices = self.counting(user).map(|session| session.label.clone()).collect();
        let presence = presence(seen, words);
        let metadata = words.metadata.clone();
        Shown { presence, since_ms: seen.since_ms, devices, metadata }
    }

    /// The rooms in which a user is seen, ascending.
    fn rooms_of(&self, user: &User, seen: bool) -> SmallVec<[RoomId; 4]> {
        let mut rooms = SmallVec::new();
        if seen {
            rooms.extend(self.counting(user).flat_map(Session::rooms).copied());
            rooms.push(LOBBY);
            rooms.sort_unstable();
            rooms.dedup();
        }
        rooms
    }

    /// Makes the rosters of rooms say what others see. Returns whether that is something else than before.
    fn place(
        &mut self,
        at: UserAt,
        shown: Option<&Shown>,
        rooms: &[RoomId],
        cause: CloseReason,
        now: Moment,
    ) -> bool {
        let Self { users, rooms: all, .. } = self;
        let user = &mut users[at];
        let before = std::mem::take(&mut user.places);
        let (mut places, mut changed) = (Few::None, false);
        for &(room, id) in before.iter() {
            // Everyone who is seen is in the lobby, so what changes for others changes there.
            changed |= match shown.filter(|_| rooms.binary_search(&room).is_ok()) {
                Some(shown) => {
                    places.push((room, id));
                    all.change(room, |roster| roster.update(id, shown)) && room == LOBBY
                }
                None => all.change(room, |roster| roster.leave(id, cause)) && room == LOBBY,
            };
        }
        for &room in rooms {
            if let (Err(place), Some(shown)) =
                (places.binary_search_by_key(&room, |place| place.0), shown)
            {
                let (name, shown) = (user.name().clone(), shown.clone());
                let id = all.change(room, |roster| roster.join(name, shown));
                places.insert(place, (room, id));
                changed |= room == LOBBY;
            }
        }
        user.places = places;
        self.flush_when_rooms_are_due(now.instant);
        changed
    }

    /// Tells of a change in what others see: the watchers of single people, the user's own sessions, and the notes.
    fn tell(
        &mut self,
        at: UserAt,
        before: Option<Seen>,
        after: Option<Seen>,
        why: Why,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        match (before, after) {
            (None, Some(seen)) => {
                let (kind, status) = (TransitionKind::Online, seen.status);
                self.note_user(at, kind, status, None, now, effects);
            }
            (Some(_), None) => self.unseen(at, why, now, effects),
            (Some(before), Some(after)) if before.status != after.status => {
                let (kind, status) = (TransitionKind::Changed, after.status);
                self.note_user(at, kind, status, None, now, effects);
            }
            _ => {}
        }
        self.update_lists(at, now.instant);
        self.mirror(at, effects);
    }

    /// Others see the user no more.
    fn unseen(&mut self, at: UserAt, why: Why, now: Moment, effects: &mut Vec<Effect>) {
        let kept_until = now.instant + self.rules.resume_window;
        self.users[at].words_mut().kept_until = Some(kept_until);
        let (name, seen_ms) = (self.users[at].name(), why.not_before_ms);
        if self.rules.last_seen != LastSeenTold::Never {
            self.last_seen.set(name, seen_ms);
            self.record(effects, || Record::LastSeen(name.clone(), seen_ms));
        }
        let (kind, status) = (TransitionKind::Offline, Status::Offline);
        self.note_user(at, kind, status, Some(why), now, effects);
    }

    /// Tells a user's sessions how others see them.
    fn mirror(&self, at: UserAt, effects: &mut Vec<Effect>) {
        let user = &self.users[at];
        let me = self.presence(user);
        let connections = user.sessions.iter().filter_map(|at| self.sessions[*at].connection());
        effects.extend(
            connections.map(|connection| Effect::Deliver(connection, Delivery::Mirror(me.clone()))),
        );
    }

    /// What a list or an answer shows this session of somebody. Where people must agree to be seen, somebody who does
    /// not, or who hides, or is gone, is all the same.
    pub(super) fn shown_to(&self, asker: SessionAt, name: &DisplayName) -> Shown {
        if !self.rules.mutual_consent {
            return self.shown_of(name);
        }
        let agrees = self.agrees(name, self.name_of(asker));
        let user = self.users.get(name).filter(|_| agrees);
        user.and_then(|user| self.shown(user)).unwrap_or_else(|| Shown::offline(0))
    }

    /// Whether somebody agrees to be seen by somebody else, by having them in a list of people.
    fn agrees(&self, name: &DisplayName, to: &DisplayName) -> bool {
        let is_theirs = |at: SessionAt| {
            self.sessions[at].user().is_some_and(|user| self.users[user].name() == name)
        };
        let watching = self.watched.get(to);
        name == to || watching.is_some_and(|lists| lists.iter().any(|(at, ..)| is_theirs(*at)))
    }

    /// What a list or an answer shows of somebody, here or not.
    pub(super) fn shown_of(&self, name: &DisplayName) -> Shown {
        let shown = self.users.get(name).and_then(|user| self.shown(user));
        shown.unwrap_or_else(|| Shown::offline(self.rules.last_seen.told(self.last_seen.get(name))))
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
