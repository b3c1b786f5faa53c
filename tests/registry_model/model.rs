//! What `docs/protocol.md` says in sections 2 and 7, in the plainest way: a few facts, from which everything that anybody
//! sees is computed anew whenever it is asked for.
//!
//! Only two things cannot be: when others began to see what they see, and when they saw somebody last. [`Model::settle`]
//! remembers these. Times are milliseconds since the story began.

use std::collections::{BTreeMap, BTreeSet};

use herenow_protocol::{
    CloseReason, DeviceLabel, Devices, ErrorCode, Metadata, Presence, Rule, Shown, Status,
    StatusText,
};

use super::step::{DEVICES, NAMES, Name, ROOMS, Room, Say, View};

pub(crate) const GRACE: u64 = 5_000;
pub(crate) const RESUME_WINDOW: u64 = 60_000;
pub(crate) const MISSES: u32 = 5;

/// The wall clock when the story begins.
pub(crate) const UNIX_MS: u64 = 1_700_000_000_000;

/// The facts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) now: u64,
    /// Those that are not over, observers included.
    pub(crate) sessions: BTreeMap<u64, Session>,
    pub(crate) users: BTreeMap<Name, User>,
    pub(crate) seen: BTreeMap<Name, Seen>,
    /// Every listed session that ever began, and whose it was.
    pub(crate) opened: BTreeMap<u64, Name>,
    /// Every listed session that ended, and why.
    pub(crate) closed: BTreeMap<u64, CloseReason>,
    pub(crate) used: BTreeSet<u64>,
    /// What the last step was answered with.
    pub(crate) reply: Reply,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) name: Name,
    pub(crate) device: &'static str,
    pub(crate) observer: bool,
    pub(crate) connection: Option<u64>,
    pub(crate) connected_at: u64,
    pub(crate) status: Status,
    pub(crate) automatic: bool,
    pub(crate) since: u64,
    /// Its place in the order of sign-in. A session that replaces another takes its place.
    pub(crate) place: u64,
    pub(crate) rooms: BTreeSet<Room>,
    /// How long it may be silent.
    pub(crate) silence_max: u64,
    pub(crate) lost: Option<Lost>,
    pub(crate) views: BTreeSet<Room>,
    pub(crate) lists: BTreeMap<u32, Vec<Name>>,
    pub(crate) lists_opened: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) cause: CloseReason,
    pub(crate) heard: u64,
    pub(crate) counts_until: u64,
    pub(crate) resume_until: u64,
}

/// What belongs to a user rather than to a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    pub(crate) key: Option<u8>,
    pub(crate) text: &'static str,
    pub(crate) text_until: Option<u64>,
    pub(crate) metadata: &'static str,
    pub(crate) last_shown: Option<u64>,
}

/// What others saw under a name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) visible: Option<(Status, bool)>,
    pub(crate) since: u64,
    /// How often they came.
    pub(crate) arrivals: u32,
    /// Why they went last.
    pub(crate) cause: Option<CloseReason>,
    /// When they were last seen, by the wall clock; 0 if never.
    pub(crate) last_ms: u64,
}

/// An answer of the registry, as far as the document settles it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Reply {
    #[default]
    Nothing,
    SignedIn {
        session: u64,
        resumed: bool,
        views: BTreeSet<View>,
    },
    Refused(CloseReason),
    Done,
    Watching(View),
    Added(View),
    Unwatched(View),
    Failed(ErrorCode),
}

impl Lost {
    /// Grace, but no longer than silence would have been allowed. A server that stops shows everyone as the restarted
    /// one will: for the whole silence.
    pub(crate) fn new(cause: CloseReason, heard: u64, silence_max: u64, now: u64) -> Self {
        let counts_until = match cause {
            CloseReason::ServerShutdown => now + silence_max,
            _ => (now + GRACE).min(heard + silence_max),
        };
        Self { cause, heard, counts_until, resume_until: now + RESUME_WINDOW }
    }
}

impl Model {
    /// The listed sessions of a user, in the order of sign-in.
    pub(crate) fn sessions_of(&self, name: Name) -> Vec<(u64, &Session)> {
        let own = |(_, session): &(&u64, &Session)| session.name == name && !session.observer;
        let mut own: Vec<_> = self.sessions.iter().filter(own).map(|(n, s)| (*n, s)).collect();
        own.sort_by_key(|(_, session)| session.place);
        own
    }

    pub(crate) fn counts(&self, session: &Session) -> bool {
        session.lost.is_none_or(|lost| self.now < lost.counts_until)
    }

    /// Those of a user's sessions that count.
    pub(crate) fn counting(&self, name: Name) -> Vec<&Session> {
        let sessions = self.sessions_of(name).into_iter().map(|(_, session)| session);
        sessions.filter(|session| self.counts(session)).collect()
    }

    /// The status that others see, and the rule that decides (section 2, "How sessions merge").
    pub(crate) fn merged(&self, name: Name) -> (Option<(Status, bool)>, Rule) {
        let all = self.counting(name);
        let by_person = all.iter().any(|session| !session.automatic);
        let considered: Vec<_> =
            all.iter().filter(|session| !(by_person && session.automatic)).collect();
        let rule = match all.len() {
            0 => Rule::NoSession,
            1 => Rule::OnlySession,
            _ if all.iter().any(|session| session.status == Status::Invisible) => {
                Rule::InvisibleHides
            }
            _ if considered.len() < all.len() => Rule::PersonOverProgram,
            _ => Rule::Precedence,
        };
        if all.iter().any(|session| session.status == Status::Invisible) {
            return (None, rule);
        }
        let wins = [Status::Busy, Status::Available, Status::Away]
            .into_iter()
            .find(|status| considered.iter().any(|session| session.status == *status));
        (wins.map(|status| (status, !by_person)), rule)
    }

    /// What others are shown of a user, `None` if they are offline for them.
    pub(crate) fn shown(&self, name: Name) -> Option<Shown> {
        let presence = self.me(name)?;
        let labels = self.counting(name).into_iter().map(|session| label(session.device));
        Some(Shown {
            presence,
            since_ms: UNIX_MS + self.seen.get(name)?.since,
            devices: labels.collect::<Devices>(),
            metadata: metadata(self.users[name].metadata),
        })
    }

    /// How others see a user.
    pub(crate) fn me(&self, name: Name) -> Option<Presence> {
        let (status, automatic) = self.merged(name).0?;
        let user = &self.users[name];
        let there = user.text_until.is_none_or(|until| self.now < until);
        let text = if there { user.text } else { "" };
        let until_ms = user.text_until.filter(|_| there).map_or(0, |until| UNIX_MS + until);
        let text = StatusText::new(text).expect("a text of this test is valid");
        Some(Presence { status, text, automatic, until_ms })
    }

    /// Who is in a room. Everyone is in the lobby.
    pub(crate) fn room(&self, room: Room) -> BTreeMap<Name, Shown> {
        let is_in = |name: Name| {
            let counting = self.counting(name);
            room == ROOMS[0] || counting.iter().any(|session| session.rooms.contains(room))
        };
        let here = NAMES.into_iter().filter(|name| is_in(name));
        here.filter_map(|name| Some((name, self.shown(name)?))).collect()
    }

    /// What a list of people shows of somebody.
    pub(crate) fn listed(&self, name: Name) -> Shown {
        let last = self.seen.get(name).map_or(0, |seen| seen.last_ms);
        self.shown(name).unwrap_or_else(|| Shown::offline(last))
    }

    /// Whether the name is somebody's, so that a stranger does not get it (section 2, "Whose name").
    pub(crate) fn is_taken(&self, name: Name) -> bool {
        let kept = self.users.get(name).is_some_and(|user| {
            let recently = |at: u64| self.now < at + RESUME_WINDOW;
            user.key.is_some() && user.last_shown.is_some_and(recently)
        });
        kept || self.shown(name).is_some()
    }

    /// The session behind a connection.
    pub(crate) fn session_on(&self, connection: u64) -> Option<u64> {
        let on = |(_, session): &(&u64, &Session)| session.connection == Some(connection);
        self.sessions.iter().find(on).map(|(number, _)| *number)
    }

    /// Every connection that the registry knows.
    pub(crate) fn connections(&self) -> Vec<u64> {
        self.sessions.values().filter_map(|session| session.connection).collect()
    }

    /// Every session that ever had a token, those without a connection twice.
    pub(crate) fn tokens(&self) -> Vec<(u64, Name)> {
        let lost = self.sessions.iter().filter(|(_, session)| session.lost.is_some());
        let lost = lost.map(|(number, session)| (*number, session.name));
        self.opened.iter().map(|(number, name)| (*number, *name)).chain(lost).collect()
    }

    pub(crate) fn fresh_number(&self) -> u64 {
        self.used.last().map_or(1, |last| last + 1)
    }

    /// Notes what others see from now on. Where somebody is gone because no session counts any more, `why` says for what
    /// cause, and when they were last heard.
    pub(crate) fn settle(&mut self, why: &BTreeMap<Name, (CloseReason, u64)>) {
        for name in NAMES {
            let visible = self.merged(name).0;
            let mut seen = self.seen.get(name).copied().unwrap_or_default();
            if seen.visible == visible {
                continue;
            }
            seen.arrivals += u32::from(seen.visible.is_none());
            (seen.visible, seen.since) = (visible, self.now);
            if visible.is_none() {
                let hidden = !self.counting(name).is_empty();
                let wished = (CloseReason::Goodbye, self.now);
                let (cause, heard) = if hidden { wished } else { why[name] };
                (seen.cause, seen.last_ms) = (Some(cause), UNIX_MS + heard);
                self.users.entry(name).or_default().last_shown = Some(self.now);
            }
            self.seen.insert(name, seen);
        }
    }

    /// What a session says of its user.
    pub(crate) fn say(&mut self, name: Name, say: Say) {
        let user = self.users.entry(name).or_default();
        if let Some(metadata) = say.metadata {
            user.metadata = metadata;
        }
        if let Some(text) = say.text {
            user.text = text;
            let expires = say.text_for_ms.filter(|_| !text.is_empty());
            user.text_until = expires.map(|span| self.now + span);
        }
    }
}

/// The label of a device.
pub(crate) fn label(device: &str) -> DeviceLabel {
    assert!(DEVICES.contains(&device), "{device} is a device of this test");
    DeviceLabel::new(device).expect("a label of this test is valid")
}

pub(crate) fn metadata(value: &'static str) -> Metadata {
    let pairs = (!value.is_empty()).then_some(("k", value));
    Metadata::new(pairs).expect("metadata of this test is valid")
}
