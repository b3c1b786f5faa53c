//! What each step does to the facts of the [`Model`], and what it is answered with.

use std::collections::{BTreeMap, BTreeSet};

use herenow_protocol::limits::LISTS_MAX;
use herenow_protocol::{CloseReason, ErrorCode};

use super::model::{Lost, MISSES, Model, Reply, Session, User};
use super::step::{Comeback, EPOCH, Greeting, Name, Named, ROOMS, Room, Say, Step, View};

impl Model {
    pub(crate) fn apply(&mut self, step: &Step) {
        self.reply = match step {
            Step::Pass(span) => self.pass(*span),
            Step::SignIn(connection, greeting) => self.sign_in(*connection, greeting),
            Step::End(connection, cause, silence) => self.end(*connection, *cause, *silence),
            Step::Choose(connection, _)
            | Step::Join(connection, _)
            | Step::Leave(connection, _)
            | Step::WatchRoom(connection, _)
            | Step::WatchPeople(connection, ..)
            | Step::Unwatch(connection, _) => match self.session_on(*connection) {
                Some(session) => self.request(session, step),
                None => Reply::Failed(ErrorCode::NotListed),
            },
        };
    }

    fn request(&mut self, session: u64, step: &Step) -> Reply {
        match step {
            Step::Choose(_, say) => self.choose(session, *say),
            Step::Join(_, room) => self.change_rooms(session, room, true),
            Step::Leave(_, room) => self.change_rooms(session, room, false),
            Step::WatchRoom(_, room) => {
                self.session(session).views.insert(room);
                Reply::Watching(View::Room(room))
            }
            Step::WatchPeople(_, names, list) => self.watch_people(session, names, *list),
            Step::Unwatch(_, view) => self.unwatch(session, *view),
            Step::SignIn(..) | Step::End(..) | Step::Pass(_) => unreachable!("see apply()"),
        }
    }

    fn session(&mut self, number: u64) -> &mut Session {
        self.sessions.get_mut(&number).expect("the caller found it")
    }

    /// Time passes from one end of something to the next.
    fn pass(&mut self, span: u64) -> Reply {
        let target = self.now + span;
        while let Some(next) = self.next_end(target) {
            self.now = next;
            self.expire();
        }
        self.now = target;
        Reply::Nothing
    }

    fn next_end(&self, target: u64) -> Option<u64> {
        let lost = self.sessions.values().filter_map(|session| session.lost);
        let ends = lost.flat_map(|lost| [lost.counts_until, lost.resume_until]);
        ends.filter(|end| (self.now + 1..=target).contains(end)).min()
    }

    /// What ends now, ends. The one with the highest number counts as the last.
    fn expire(&mut self) {
        let mut why = BTreeMap::new();
        let lost = self.sessions.iter().filter_map(|(n, s)| Some((*n, s.name, s.lost?)));
        for (number, name, lost) in lost.collect::<Vec<_>>() {
            if lost.counts_until == self.now {
                why.insert(name, (lost.cause, lost.heard));
            }
            if lost.resume_until == self.now {
                self.close(number, lost.cause);
            }
        }
        self.settle(&why);
    }

    /// A session is over. The text and the metadata of a user go with the last one.
    fn close(&mut self, number: u64, cause: CloseReason) {
        let Some(session) = self.sessions.remove(&number) else { return };
        self.closed.insert(number, cause);
        if self.sessions_of(session.name).is_empty() {
            let user = self.users.entry(session.name).or_default();
            *user = User { key: user.key, last_shown: user.last_shown, ..User::default() };
        }
    }

    fn end(&mut self, connection: u64, cause: CloseReason, silence: u64) -> Reply {
        let Some(number) = self.session_on(connection) else { return Reply::Done };
        let now = self.now;
        let session = self.session(number);
        session.connection = None;
        let heard = now.saturating_sub(silence).max(session.connected_at);
        let (name, silence_max) = (session.name, session.silence_max);
        if session.observer {
            self.sessions.remove(&number);
        } else if matches!(cause, CloseReason::Goodbye | CloseReason::ProtocolError(_)) {
            self.close(number, cause);
            self.settle(&BTreeMap::from([(name, (cause, now))]));
        } else {
            session.lost = Some(Lost::new(cause, heard, silence_max, now));
            self.settle(&BTreeMap::from([(name, (cause, heard))]));
        }
        Reply::Done
    }

    fn sign_in(&mut self, connection: u64, greeting: &Greeting) -> Reply {
        self.used.insert(connection);
        if let Some(comeback) = greeting.resume
            && let Some(session) = self.sessions.get(&comeback.session)
            && session.name == greeting.name
            && !session.observer
        {
            return self.resume(connection, comeback, greeting);
        }
        if greeting.observe {
            let session = self.new_session(connection, greeting);
            self.sessions.insert(connection, session);
            return signed_in(connection, false, BTreeSet::new());
        }
        let name = greeting.name;
        let same_device = |(_, session): &(u64, &Session)| session.device == greeting.device;
        let replaced = self.sessions_of(name).into_iter().find(same_device).map(|(n, _)| n);
        if replaced.is_none() && !self.has_key(greeting) {
            if self.is_taken(name) {
                return Reply::Refused(CloseReason::NameInUse);
            }
            self.evict(name);
        }
        self.begin(connection, greeting, replaced)
    }

    /// Whether somebody comes with the key of the user of that name.
    fn has_key(&self, greeting: &Greeting) -> bool {
        let key = self.users.get(greeting.name).and_then(|user| user.key);
        key.is_some() && key == greeting.key
    }

    /// The name is somebody else's from now on.
    fn evict(&mut self, name: Name) {
        let sessions: Vec<_> = self.sessions_of(name).into_iter().map(|(n, _)| n).collect();
        sessions.into_iter().for_each(|number| self.close(number, CloseReason::NameInUse));
        self.users.remove(name);
    }

    fn begin(&mut self, connection: u64, greeting: &Greeting, replaced: Option<u64>) -> Reply {
        let mut session = self.new_session(connection, greeting);
        let old = replaced.and_then(|number| self.sessions.get(&number));
        if let Some(old) = old {
            (session.place, session.rooms) = (old.place, old.rooms.clone());
            let same = (old.status, old.automatic) == (session.status, session.automatic);
            if same && self.counts(old) {
                session.since = old.since;
            }
        }
        self.sessions.insert(connection, session);
        self.opened.insert(connection, greeting.name);
        if let Some(old) = replaced {
            self.close(old, CloseReason::Replaced);
        }
        let user = self.users.entry(greeting.name).or_default();
        user.key = user.key.or(greeting.key);
        self.say(greeting.name, greeting.say);
        self.settle(&BTreeMap::new());
        signed_in(connection, false, BTreeSet::new())
    }

    fn new_session(&self, number: u64, greeting: &Greeting) -> Session {
        Session {
            name: greeting.name,
            device: greeting.device,
            observer: greeting.observe,
            connection: Some(number),
            connected_at: self.now,
            status: greeting.say.status,
            automatic: greeting.say.automatic,
            since: self.now,
            place: number,
            rooms: BTreeSet::new(),
            silence_max: greeting.heartbeat_ms * u64::from(MISSES),
            lost: None,
            views: BTreeSet::new(),
            lists: BTreeMap::new(),
            lists_opened: 0,
        }
    }

    /// The session goes on, with the views that the client named.
    fn resume(&mut self, connection: u64, comeback: Comeback, greeting: &Greeting) -> Reply {
        let now = self.now;
        let session = self.session(comeback.session);
        session.connection = Some(connection);
        (session.connected_at, session.lost) = (now, None);
        session.silence_max = greeting.heartbeat_ms * u64::from(MISSES);
        let named = match comeback.epoch == Some(EPOCH) {
            true => comeback.named,
            false => Named::Nothing,
        };
        if named == Named::Nothing {
            session.views.clear();
        }
        if matches!(named, Named::Nothing | Named::RoomsOnly) {
            session.lists.clear();
        }
        let rooms = session.views.iter().map(|room| View::Room(room));
        let views = rooms.chain(session.lists.keys().map(|n| View::List(*n))).collect();
        self.settle(&BTreeMap::new());
        signed_in(comeback.session, true, views)
    }

    /// An observer chooses for the session on its device.
    fn choose(&mut self, asker: u64, say: Say) -> Reply {
        let (name, device) = (self.sessions[&asker].name, self.sessions[&asker].device);
        let target = match self.sessions[&asker].observer {
            false => Some(asker),
            true => {
                let own = self.sessions_of(name);
                own.into_iter().find(|(_, session)| session.device == device).map(|(n, _)| n)
            }
        };
        let Some(target) = target else { return Reply::Failed(ErrorCode::NotListed) };
        let now = self.now;
        let session = self.session(target);
        if (session.status, session.automatic) != (say.status, say.automatic) {
            (session.status, session.automatic) = (say.status, say.automatic);
            session.since = now;
        }
        self.say(name, say);
        self.settle(&BTreeMap::new());
        Reply::Done
    }

    fn change_rooms(&mut self, number: u64, room: Room, join: bool) -> Reply {
        let session = self.session(number);
        match (session.observer, room == ROOMS[0]) {
            (true, _) => return Reply::Failed(ErrorCode::NotListed),
            (false, true) if !join => return Reply::Failed(ErrorCode::BadRequest),
            (false, true) => {}
            (false, false) if join => drop(session.rooms.insert(room)),
            (false, false) => drop(session.rooms.remove(room)),
        }
        Reply::Done
    }

    fn watch_people(&mut self, number: u64, names: &[Name], list: Option<u32>) -> Reply {
        let session = self.session(number);
        let known = list.is_none_or(|n| session.lists.contains_key(&n));
        if !known {
            return Reply::Failed(ErrorCode::NoSuchView);
        }
        if list.is_none() && session.lists.len() >= LISTS_MAX {
            return Reply::Failed(ErrorCode::Limit);
        }
        let n = list.unwrap_or(session.lists_opened);
        session.lists_opened += u32::from(list.is_none());
        let people = session.lists.entry(n).or_default();
        for name in names {
            if !people.contains(name) {
                people.push(name);
            }
        }
        match list {
            Some(n) => Reply::Added(View::List(n)),
            None => Reply::Watching(View::List(n)),
        }
    }

    fn unwatch(&mut self, number: u64, view: View) -> Reply {
        let session = self.session(number);
        let closed = match view {
            View::Room(room) => session.views.remove(room),
            View::List(n) => session.lists.remove(&n).is_some(),
        };
        match closed {
            true => Reply::Unwatched(view),
            false => Reply::Failed(ErrorCode::NoSuchView),
        }
    }
}

fn signed_in(session: u64, resumed: bool, views: BTreeSet<View>) -> Reply {
    Reply::SignedIn { session, resumed, views }
}
