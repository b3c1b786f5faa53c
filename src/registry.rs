//! The one owner of presence: who is signed in, from which device, and what watchers must be told.
//!
//! Pure: no sockets, no actors, no clock; callers pass `now`. A command goes in, its answer comes
//! out, and what others must do about it is appended to the effects.
//!
//! Invariants: a listed user has exactly one session; a name stands for at most one listed user;
//! an id is not used again before its leave has been published.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use herenow_protocol::limits::LOBBY;
use herenow_protocol::{
    CloseReason, DeviceId, DisplayName, Entry, Epoch, ErrorCode, Hello, Presence, SessionId,
    UserId, ViewId, ViewProof,
};

use crate::clock::Moment;
use crate::roster::{PageBatch, PublishedDelta, Roster};

#[cfg(test)]
mod tests;

/// The number of the view that watches the lobby, the same in every session.
pub const LOBBY_VIEW: ViewId = ViewId(1);

/// About how many bytes of pages one session gets at a time. Half of the default outbox, so that
/// deltas still find room beside them.
pub const PAGE_BATCH_BYTES: usize = 32 * 1024;

/// What a session wants of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Sign in as this `Hello` says.
    SignIn(Hello),
    /// Show another presence.
    SetPresence(Presence),
    /// Watch the room of this name.
    Watch(String),
    /// Send pages of a view, from this page number on. Answered by [`Effect::Pages`] after the next
    /// publication.
    Pages(ViewId, u32),
    /// The session is over.
    End(CloseReason),
}

/// What the registry says to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Signed in. Observers are not listed, so others see nothing of them.
    SignedIn {
        /// The server's epoch.
        epoch: Epoch,
        /// How others see the session's user.
        me: Option<Presence>,
    },
    /// The sign-in is refused and the session over.
    Refused(CloseReason, String),
    /// The command was carried out.
    Done,
    /// The session may open this view.
    Watching(ViewId),
    /// The command was not carried out.
    Failed(ErrorCode, String),
}

/// What others must do about a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// End another session.
    Close(SessionId, CloseReason),
    /// Others see this session's user like this from now on.
    Mirror(SessionId, Option<Presence>),
    /// Tell everyone who watches.
    Publish(Vec<PublishedDelta>),
    /// Send this session pages of a view.
    Pages(SessionId, PageBatch),
}

/// Everyone who is signed in.
#[derive(Debug)]
pub struct Registry {
    epoch: Epoch,
    tick: Duration,
    lobby: Roster,
    sessions: HashMap<SessionId, Signed>,
    users: HashMap<DisplayName, User>,
    ids: Ids,
    wanting_pages: Vec<(SessionId, ViewId, u32)>,
    last_flush: Option<Instant>,
}

/// A signed-in session.
#[derive(Debug)]
struct Signed {
    name: DisplayName,
    device: DeviceId,
    listed: bool,
}

/// A listed user.
#[derive(Debug)]
struct User {
    id: UserId,
    session: SessionId,
    device: DeviceId,
}

impl Registry {
    /// Nobody is here yet. `epoch` is random; `tick` is how far publications are apart at least.
    #[must_use]
    pub fn new(epoch: Epoch, tick: Duration) -> Self {
        Self {
            epoch,
            tick,
            lobby: Roster::new(LOBBY_VIEW, epoch),
            sessions: HashMap::new(),
            users: HashMap::new(),
            ids: Ids::default(),
            wanting_pages: Vec::new(),
            last_flush: None,
        }
    }

    /// Carries out one command of one session.
    pub fn apply(
        &mut self,
        session: SessionId,
        command: Command,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        match command {
            Command::SignIn(hello) => self.sign_in(session, hello, now, effects),
            Command::SetPresence(presence) => self.set_presence(session, presence, now, effects),
            Command::Watch(room) => Self::watch(&room),
            Command::Pages(view, from) => self.want_pages(session, view, from),
            Command::End(cause) => self.end(session, cause),
        }
    }

    /// When [`Self::flush`] is due: at once after a quiet tick, else a tick after the last one;
    /// `None` while there is nothing to tell.
    #[must_use]
    pub fn flush_due(&self, now: Instant) -> Option<Instant> {
        let nothing = !self.lobby.is_dirty() && self.wanting_pages.is_empty();
        if nothing {
            return None;
        }
        Some(self.last_flush.map_or(now, |last| now.max(last + self.tick)))
    }

    /// Publishes all changes, then serves pages to those who asked for them.
    pub fn flush(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.last_flush = Some(now);
        let deltas = self.lobby.publish();
        if !deltas.is_empty() {
            effects.push(Effect::Publish(deltas));
        }
        self.ids.release();
        for (session, _view, from) in std::mem::take(&mut self.wanting_pages) {
            if self.sessions.contains_key(&session) {
                let batch = self.lobby.pages(from, PAGE_BATCH_BYTES);
                effects.push(Effect::Pages(session, batch));
            }
        }
    }

    /// How many sessions are signed in, observers included.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Everyone who is listed, ascending by id.
    pub fn listed(&self) -> impl Iterator<Item = &Entry> {
        self.lobby.entries()
    }

    /// Version, count and digest of the lobby, unpublished changes included.
    #[must_use]
    pub fn proof(&self) -> ViewProof {
        self.lobby.proof()
    }

    fn sign_in(
        &mut self,
        session: SessionId,
        hello: Hello,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        let Hello { name, device, presence, observe, .. } = hello;
        if !observe {
            if let Some(user) = self.users.get_mut(&name) {
                if user.device != device {
                    let text = format!("{name} is signed in from another device");
                    return Answer::Refused(CloseReason::NameInUse, text);
                }
                let loser = std::mem::replace(&mut user.session, session);
                self.lobby.update(user.id, presence.clone(), now.unix_ms);
                self.sessions.remove(&loser);
                effects.push(Effect::Close(loser, CloseReason::Replaced));
            } else {
                self.list(session, &name, &device, presence.clone(), now);
            }
        }
        self.sessions.insert(session, Signed { name, device, listed: !observe });
        Answer::SignedIn { epoch: self.epoch, me: (!observe).then_some(presence) }
    }

    fn list(
        &mut self,
        session: SessionId,
        name: &DisplayName,
        device: &DeviceId,
        presence: Presence,
        now: Moment,
    ) {
        let id = self.ids.take();
        self.users.insert(name.clone(), User { id, session, device: device.clone() });
        self.lobby.join(Entry { id, name: name.clone(), presence, since_ms: now.unix_ms });
    }

    /// An observer speaks for the user of its name where both are on the same device: that is how a
    /// command line changes the status that a window on the same desk holds.
    fn set_presence(
        &mut self,
        session: SessionId,
        presence: Presence,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        let Some(signed) = self.sessions.get(&session) else { return not_listed("this session") };
        let user = self.users.get(&signed.name).filter(|user| user.device == signed.device);
        let Some(user) = user else { return not_listed(signed.name.as_str()) };
        self.lobby.update(user.id, presence.clone(), now.unix_ms);
        effects.push(Effect::Mirror(user.session, Some(presence)));
        Answer::Done
    }

    fn watch(room: &str) -> Answer {
        match room {
            LOBBY => Answer::Watching(LOBBY_VIEW),
            _ => Answer::Failed(ErrorCode::NoSuchRoom, format!("there is no room {room:?}")),
        }
    }

    fn want_pages(&mut self, session: SessionId, view: ViewId, from: u32) -> Answer {
        self.wanting_pages.push((session, view, from));
        Answer::Done
    }

    fn end(&mut self, session: SessionId, cause: CloseReason) -> Answer {
        // A replaced session was removed when the new one took over.
        if let Some(Signed { name, listed: true, .. }) = self.sessions.remove(&session)
            && let Some(user) = self.users.remove(&name)
        {
            self.lobby.leave(user.id, cause);
            self.ids.give_back(user.id);
        }
        Answer::Done
    }
}

fn not_listed(who: &str) -> Answer {
    let text = format!("{who} is not signed in from this device");
    Answer::Failed(ErrorCode::NotListed, text)
}

/// Hands out small ids, so that pages stay dense.
#[derive(Debug, Default)]
struct Ids {
    next: u32,
    free: Vec<u32>,
    /// Free, but watchers still know their last user.
    resting: Vec<u32>,
}

impl Ids {
    fn take(&mut self) -> UserId {
        let fresh = || {
            let id = self.next;
            self.next += 1;
            id
        };
        UserId(self.free.pop().unwrap_or_else(fresh))
    }

    fn give_back(&mut self, id: UserId) {
        self.resting.push(id.0);
    }

    /// Every leave has been published.
    fn release(&mut self) {
        self.free.append(&mut self.resting);
    }
}
