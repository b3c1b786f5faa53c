//! Who may come in under which name, and how a session begins or goes on.

use herenow_protocol::limits::SESSIONS_MAX;
use herenow_protocol::{
    Choice, CloseReason, Hello, Resume, ResumeToken, Status, TransitionKind, ViewId,
};

use super::notes::Why;
use super::sessions::{Listed, Session, SessionAt};
use super::users::UserAt;
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
    SameDevice(SessionAt),
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
        let user = self.users.find(&sign_in.hello.name);
        let (user, replaced) = match self.claim(user, &sign_in, now) {
            Claim::InUse => {
                let text = format!("{} is signed in from another device", sign_in.hello.name);
                return Answer::Refused(CloseReason::NameInUse, text);
            }
            Claim::Own => (user, None),
            Claim::SameDevice(session) => (user, Some(session)),
            Claim::Free => {
                user.into_iter().for_each(|user| self.evict(user, now, effects));
                (None, None)
            }
        };
        if let (Some(user), None) = (user, replaced)
            && !self.has_room_for_session(user, now, effects)
        {
            let name = &sign_in.hello.name;
            let text = format!("{name} has {SESSIONS_MAX} sessions, as many as one may have");
            return Answer::Refused(CloseReason::TooManySessions, text);
        }
        self.begin(connection, sign_in, user, replaced, now, effects)
    }

    /// An observer is nobody for others.
    fn observe(&mut self, connection: ConnectionId, sign_in: SignIn) -> Answer {
        let SignIn { hello: Hello { name, label, .. }, session, device, key, .. } = sign_in;
        let at = self.sessions.add(Session::observer(session, device, label, name, key));
        self.sessions.connect(at, connection);
        self.signed_in(at, None, false, Vec::new())
    }

    fn session_to_resume(&self, sign_in: &SignIn) -> Option<SessionAt> {
        let at = self.sessions.of_token(sign_in.resume?)?;
        let user = self.sessions[at].user()?;
        (*self.users[user].name() == sign_in.hello.name).then_some(at)
    }

    /// The same session, the same place in every view. The connection that it may still have is a dead one.
    fn resume(
        &mut self,
        connection: ConnectionId,
        at: SessionAt,
        sign_in: SignIn,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        if let Some(old) = self.sessions.connect(at, connection) {
            effects.push(Effect::Deliver(old, Delivery::Close(CloseReason::Replaced)));
        }
        let listed = self.sessions[at].listed.as_mut().expect("observers have no token");
        listed.agree(sign_in.liveness);
        listed.lost = None;
        let user = listed.user;
        let Some(Resume { token, epoch, views }) = sign_in.hello.resume else {
            unreachable!("a session is resumed by its token")
        };
        let named = if epoch == Some(self.epoch) { &views[..] } else { &[] };
        let views = self.keep_views(at, named, now.instant);
        self.note_session(at, TransitionKind::Resumed, None, now, effects);
        self.record_session(at, now, effects);
        self.refresh(user, Why::wished(now), now, effects);
        self.signed_in(at, Some(token), true, views)
    }

    fn claim(&self, user: Option<UserAt>, sign_in: &SignIn, now: Moment) -> Claim {
        let Some(user) = user.map(|at| &self.users[at]) else { return Claim::Free };
        let key = sign_in.key;
        let from_there = |at: &&SessionAt| self.sessions[**at].device == sign_in.device;
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
    fn evict(&mut self, user: UserAt, now: Moment, effects: &mut Vec<Effect>) {
        let mut sessions = self.users[user].sessions.to_vec();
        // Those that hide the user go last, so that nobody sees the others come and go.
        sessions.sort_by_key(|at| {
            let vote = self.sessions[*at].vote();
            vote.is_some_and(|vote| vote.status == Status::Invisible)
        });
        let why = Why { cause: CloseReason::NameInUse, ..Why::wished(now) };
        for session in sessions {
            self.close(session, why, now, effects);
        }
        self.users.remove(user);
    }

    /// Makes room by giving up the session that lost its connection first, if there must be.
    fn has_room_for_session(
        &mut self,
        user: UserAt,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let sessions = &self.users[user].sessions;
        if sessions.len() < SESSIONS_MAX {
            return true;
        }
        let lost = sessions.iter().copied().filter(|at| self.sessions[*at].connection().is_none());
        let lost_at = |at: &SessionAt| {
            let lost = self.sessions[*at].listed.as_ref()?.lost.as_ref();
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
        user: Option<UserAt>,
        replaced: Option<SessionAt>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        let SignIn { hello, liveness, session: id, token, recognised_by, device, key, .. } =
            sign_in;
        let Hello { name, label, choice, .. } = hello;
        let user = user.unwrap_or_else(|| self.users.add(&name));
        let listed = Listed::new(
            user,
            recognised_by,
            liveness,
            (choice.status, choice.automatic),
            self.since(replaced, &choice, now),
            replaced.and_then(|old| self.opened_ms(old)).unwrap_or(now.unix_ms),
        );
        let mut session = Session::new(id, device, label, listed);
        if let Some(rooms) = replaced.map(|old| self.inherit_rooms(old)).filter(|r| !r.is_empty()) {
            session.rest_mut().rooms = rooms.into_iter().collect();
        }
        let at = self.sessions.add(session);
        self.sessions.connect(at, connection);
        self.join_user(user, at, key, replaced);
        self.note_session(at, TransitionKind::Opened, None, now, effects);
        self.say(user, &choice, now);
        // The newcomer is there before the old one goes, so that nobody sees a gap.
        if let Some(old) = replaced {
            let why = Why { cause: CloseReason::Replaced, ..Why::wished(now) };
            self.close(old, why, now, effects);
        }
        self.record_session(at, now, effects);
        self.record_person(user, effects);
        self.refresh(user, Why::wished(now), now, effects);
        self.signed_in(at, Some(token), false, Vec::new())
    }

    /// A session is its user's last one, or stands before the one that it replaces. The first key is the user's.
    fn join_user(
        &mut self,
        user: UserAt,
        session: SessionAt,
        key: Option<Fingerprint>,
        replaced: Option<SessionAt>,
    ) {
        let user = &mut self.users[user];
        if let (None, Some(key)) = (user.key(), key) {
            user.words_mut().key = Some(key);
        }
        let of_old = user.sessions.iter().position(|at| Some(*at) == replaced);
        user.sessions.insert(of_old.unwrap_or(user.sessions.len()), session);
    }

    fn opened_ms(&self, session: SessionAt) -> Option<u64> {
        self.sessions[session].listed.as_ref().map(|listed| listed.opened_ms)
    }

    /// Since when a session that begins has this status: as long as the one that it replaces, if others see that one with
    /// the same.
    fn since(&self, replaced: Option<SessionAt>, choice: &Choice, now: Moment) -> u64 {
        let old = replaced.and_then(|old| self.sessions[old].listed.as_ref());
        let chosen = (choice.status, choice.automatic);
        let seen = old.filter(|old| old.lost.as_ref().is_none_or(|lost| lost.counts));
        let same = seen.filter(|old| (old.status, old.automatic) == chosen);
        same.map_or(now.unix_ms, |old| old.since_ms)
    }

    /// A device that starts anew is in the rooms where it was.
    fn inherit_rooms(&mut self, old: SessionAt) -> Vec<super::rooms::RoomId> {
        let rooms = self.sessions[old].rooms().to_vec();
        rooms.iter().for_each(|room| self.rooms.hold(*room));
        rooms
    }

    fn signed_in(
        &self,
        at: SessionAt,
        token: Option<ResumeToken>,
        resumed: bool,
        views: Vec<(ViewId, u64)>,
    ) -> Answer {
        let session = &self.sessions[at];
        Answer::SignedIn(Box::new(SignedIn {
            session: session.id,
            token,
            epoch: self.epoch,
            me: session.user().and_then(|user| self.presence(&self.users[user])),
            resumed,
            resume_window: self.rules.resume_window,
            views,
        }))
    }
}
