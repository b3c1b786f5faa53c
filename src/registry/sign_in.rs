//! Who may come in under which name, and how a session begins or goes on.

use herenow_protocol::limits::SESSIONS_MAX;
use herenow_protocol::{
    Choice, CloseReason, DisplayName, Hello, Resume, ResumeToken, SessionId, Status, TransitionKind,
};

use super::notes::Why;
use super::people::User;
use super::sessions::{Listed, Session};
use super::{Answer, ConnectionId, Delivery, Effect, Registry, SignIn, SignedIn};
use crate::clock::Moment;
use crate::journal::Fingerprint;

/// What a sign-in under a name finds.
enum Claim {
    /// Nobody, or somebody who must give way.
    Free,
    /// The user's own name, from another device.
    Own,
    /// The user's own name, from the device of this session.
    SameDevice(SessionId),
    /// Somebody else's name.
    InUse,
}

impl Registry {
    pub(super) fn sign_in(
        &mut self,
        connection: ConnectionId,
        sign_in: SignIn,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        if sign_in.hello.observe {
            return self.observe(connection, sign_in);
        }
        if let Some(session) = self.session_to_resume(&sign_in) {
            return self.resume(connection, session, sign_in, now, effects);
        }
        let name = sign_in.hello.name.clone();
        let replaced = match self.claim(&name, &sign_in, now) {
            Claim::InUse => {
                let text = format!("{name} is signed in from another device");
                return Answer::Refused(CloseReason::NameInUse, text);
            }
            Claim::Own => None,
            Claim::SameDevice(session) => Some(session),
            Claim::Free => {
                self.evict(&name, now, effects);
                None
            }
        };
        if replaced.is_none() && !self.has_room_for_session(&name, now, effects) {
            let text = format!("{name} has {SESSIONS_MAX} sessions, as many as one may have");
            return Answer::Refused(CloseReason::TooManySessions, text);
        }
        self.begin(connection, sign_in, replaced, now, effects)
    }

    /// An observer is nobody for others.
    fn observe(&mut self, connection: ConnectionId, sign_in: SignIn) -> Answer {
        let SignIn { hello: Hello { name, label, .. }, session, device, key, .. } = sign_in;
        let mut observer = Session::new(session, name, device, label, None);
        if key.is_some() {
            observer.rest_mut().key = key;
        }
        self.sessions.insert(observer);
        self.sessions.connect(session, connection);
        self.signed_in(session, None, false, Vec::new())
    }

    fn session_to_resume(&self, sign_in: &SignIn) -> Option<SessionId> {
        let session = self.sessions.of_token(sign_in.resume?)?;
        (session.name == sign_in.hello.name).then_some(session.id)
    }

    /// The same session, the same place in every view. The connection that it may still have is a dead one.
    fn resume(
        &mut self,
        connection: ConnectionId,
        id: SessionId,
        sign_in: SignIn,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        if let Some(old) = self.sessions.connect(id, connection) {
            effects.push(Effect::Deliver(old, Delivery::Close(CloseReason::Replaced)));
        }
        let session = self.sessions.get_mut(&id).expect("its token is known");
        let listed = session.listed.as_mut().expect("observers have no token");
        listed.agree(sign_in.liveness);
        listed.lost = None;
        let name = session.name.clone();
        let Some(Resume { token, epoch, views }) = sign_in.hello.resume else {
            unreachable!("a session is resumed by its token")
        };
        let named = if epoch == Some(self.epoch) { &views[..] } else { &[] };
        let views = self.keep_views(id, named);
        self.note_session(id, TransitionKind::Resumed, None, now, effects);
        self.record_session(id, now, effects);
        self.refresh(&name, Why::wished(now), now, effects);
        self.signed_in(id, Some(token), true, views)
    }

    fn claim(&self, name: &DisplayName, sign_in: &SignIn, now: Moment) -> Claim {
        let Some(user) = self.users.get(name) else { return Claim::Free };
        let key = sign_in.key;
        let from_there = |id: &&SessionId| self.sessions[id].device == sign_in.device;
        if let Some(session) = user.sessions.iter().find(from_there) {
            return Claim::SameDevice(*session);
        }
        if sign_in.is_proven || user.key().is_some() && user.key() == key {
            return Claim::Own;
        }
        let kept = user.key().is_some() && user.kept_until().is_some_and(|at| now.instant < at);
        if user.seen.is_some() || kept { Claim::InUse } else { Claim::Free }
    }

    /// Ends every session of a user whom others do not see and whose name somebody else takes.
    fn evict(&mut self, name: &DisplayName, now: Moment, effects: &mut Vec<Effect>) {
        let sessions = self.users.get(name).map(|user| user.sessions.to_vec());
        let mut sessions = sessions.unwrap_or_default();
        // Those that hide the user go last, so that nobody sees the others come and go.
        sessions.sort_by_key(|id| {
            let vote = self.sessions[id].vote();
            vote.is_some_and(|vote| vote.status == Status::Invisible)
        });
        let why = Why { cause: CloseReason::NameInUse, ..Why::wished(now) };
        for session in sessions {
            self.close(session, why, now, effects);
        }
        self.users.remove(name);
    }

    /// Makes room by giving up the session that lost its connection first, if there must be.
    fn has_room_for_session(
        &mut self,
        name: &DisplayName,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let sessions = self.users.get(name).map_or(&[][..], |user| &user.sessions);
        if sessions.len() < SESSIONS_MAX {
            return true;
        }
        let lost = sessions.iter().copied().filter(|id| self.sessions[id].connection().is_none());
        let lost_at = |id: &SessionId| {
            let lost = self.sessions[id].listed.as_ref()?.lost.as_ref();
            lost.map(|lost| lost.resume_until)
        };
        let Some(oldest) = lost.min_by_key(lost_at) else { return false };
        let why = self.why_lost(oldest).unwrap_or(Why::wished(now));
        self.close(oldest, why, now, effects);
        true
    }

    fn begin(
        &mut self,
        connection: ConnectionId,
        sign_in: SignIn,
        replaced: Option<SessionId>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        let SignIn { hello, liveness, session: id, token, device, key, .. } = sign_in;
        let Hello { name, label, choice, .. } = hello;
        let place = self.users.get(&name).map_or(0, |user| user.sessions.len());
        let place = match replaced {
            Some(old) => self.place_of(&name, old).unwrap_or(place),
            None => place,
        };
        let listed = Listed::new(
            Fingerprint::of(&token.0),
            liveness,
            (choice.status, choice.automatic),
            self.since(replaced, &choice, now),
            replaced.and_then(|old| self.opened_ms(old)).unwrap_or(now.unix_ms),
        );
        let mut session = Session::new(id, name.clone(), device, label, Some(listed));
        if let Some(rooms) = replaced.map(|old| self.inherit_rooms(old)).filter(|r| !r.is_empty()) {
            session.rest_mut().rooms = rooms.into_iter().collect();
        }
        self.sessions.insert(session);
        self.sessions.connect(id, connection);
        let user = self.users.get_or_insert(&name, || User::new(name.clone()));
        if let (None, Some(key)) = (user.key(), key) {
            user.words_mut().key = Some(key);
        }
        user.sessions.insert(place, id);
        self.note_session(id, TransitionKind::Opened, None, now, effects);
        self.say(&name, &choice, now);
        // The newcomer is there before the old one goes, so that nobody sees a gap.
        if let Some(old) = replaced {
            let why = Why { cause: CloseReason::Replaced, ..Why::wished(now) };
            self.close(old, why, now, effects);
        }
        self.record_session(id, now, effects);
        self.record_person(&name, effects);
        self.refresh(&name, Why::wished(now), now, effects);
        self.signed_in(id, Some(token), false, Vec::new())
    }

    fn place_of(&self, name: &DisplayName, session: SessionId) -> Option<usize> {
        self.users.get(name)?.sessions.iter().position(|id| *id == session)
    }

    fn opened_ms(&self, session: SessionId) -> Option<u64> {
        self.sessions[&session].listed.as_ref().map(|listed| listed.opened_ms)
    }

    /// Since when a session that begins has this status: as long as the one that it replaces, if others see that one with
    /// the same.
    fn since(&self, replaced: Option<SessionId>, choice: &Choice, now: Moment) -> u64 {
        let old = replaced.and_then(|old| self.sessions[&old].listed.as_ref());
        let chosen = (choice.status, choice.automatic);
        let seen = old.filter(|old| old.lost.as_ref().is_none_or(|lost| lost.counts));
        let same = seen.filter(|old| (old.status, old.automatic) == chosen);
        same.map_or(now.unix_ms, |old| old.since_ms)
    }

    /// A device that starts anew is in the rooms where it was.
    fn inherit_rooms(&mut self, old: SessionId) -> Vec<super::rooms::RoomId> {
        let rooms = self.sessions[&old].rooms().to_vec();
        rooms.iter().for_each(|room| self.rooms.hold(*room));
        rooms
    }

    fn signed_in(
        &self,
        session: SessionId,
        token: Option<ResumeToken>,
        resumed: bool,
        views: Vec<(herenow_protocol::ViewId, u64)>,
    ) -> Answer {
        let listed = token.is_some().then(|| &self.users[&self.sessions[&session].name]);
        Answer::SignedIn(Box::new(SignedIn {
            session,
            token,
            epoch: self.epoch,
            me: listed.and_then(|user| self.presence(user)),
            resumed,
            resume_window: self.rules.resume_window,
            views,
        }))
    }
}
