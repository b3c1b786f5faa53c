//! What the user wants to show, what the server was told of it, and how others see it.

use std::time::{Duration, Instant};

use herenow_protocol::{Choice, ClientMessage, Presence, Status, StatusText};

use super::Effect;
use super::requests::{Asked, Requests};
use crate::Event;

/// One message with a choice is in flight at most; of those that wait behind it, only the last is worth sending.
#[derive(Debug)]
pub(super) struct OwnStatus {
    observe: bool,
    /// What the user wants of this device, for the next sign-in.
    wanted: Wanted,
    unsent: Option<Wanted>,
    /// In a `Hello` or a `SetStatus` that is not answered.
    asked: Option<Wanted>,
    /// How others see this user; the outer `None` if no ack since the last choice said so.
    mirror: Option<Option<Presence>>,
}

/// A choice, with the time at which its text goes away.
#[derive(Clone, Debug)]
struct Wanted {
    choice: Choice,
    text_until: Option<Instant>,
}

/// What is wanted in the end by someone who wanted one thing and then another: the newer, but what it leaves as it is
/// comes from the older.
pub(crate) fn amend(older: &mut Option<Choice>, newer: Choice) {
    let older_choice = older.take().unwrap_or_default();
    let mut amended = newer;
    if amended.text.is_none() {
        (amended.text, amended.text_for) = (older_choice.text, older_choice.text_for);
    }
    amended.metadata = amended.metadata.or(older_choice.metadata);
    *older = Some(amended);
}

impl OwnStatus {
    pub(super) fn new(choice: Choice, observe: bool, now: Instant) -> Self {
        let wanted = Wanted::new(choice, now);
        Self { observe, wanted, unsent: None, asked: None, mirror: None }
    }

    /// The user wants this from now on.
    pub(super) fn choose(&mut self, choice: Choice, now: Instant) {
        let newer = Wanted::new(choice, now);
        self.wanted = self.wanted.clone().then(newer.clone());
        self.unsent = Some(match self.unsent.take() {
            Some(older) => older.then(newer),
            None => newer,
        });
    }

    /// What a `Hello` says. An observer shows nothing, and says nothing of it.
    pub(super) fn hello(&mut self, now: Instant) -> Choice {
        if self.observe {
            return Choice::automatic(Status::Available);
        }
        self.asked = self.unsent.take();
        Choice { metadata: None, ..self.wanted.at(now, None) }
    }

    /// The server accepted the `Hello`. A session that goes on did not read its status; a new one knows only what a
    /// `Hello` can say, which is neither metadata, nor that a text is to go, nor a text that did not fit.
    pub(super) fn signed_in(&mut self, resumed: bool, text_left_out: bool, now: Instant) {
        self.mirror = None;
        if resumed || self.observe {
            self.take_back();
            return;
        }
        let said = self.asked.take().map(|said| said.choice.text);
        let is_to_go = said.flatten().is_some_and(|text| text.is_empty());
        let mut left = self.wanted.at(now, None);
        if !text_left_out && !is_to_go {
            (left.text, left.text_for) = (None, None);
        }
        if left.text.is_some() || left.metadata.is_some() {
            self.unsent = Some(Wanted::new(left, now).followed_by(self.unsent.take()));
        }
    }

    /// Sends what waits, if nothing is in flight.
    pub(super) fn send(
        &mut self,
        now: Instant,
        requests: &mut Requests,
        effects: &mut Vec<Effect>,
    ) {
        if self.asked.is_some() {
            return;
        }
        let Some(wanted) = self.unsent.take() else { return };
        // A text whose time is over before it was ever shown still replaces the one before it.
        let choice = wanted.at(now, Some(StatusText::default()));
        self.asked = Some(wanted);
        let build = |request| ClientMessage::SetStatus { request, choice };
        requests.send(Asked::Status, effects, build);
    }

    /// The request in flight was carried out. How others see the user since then, the next ack tells.
    pub(super) fn accepted(&mut self, effects: &mut Vec<Effect>) {
        if let Some(wanted) = self.asked.take() {
            self.mirror = None;
            effects.push(Effect::Emit(Event::Accepted(wanted.choice)));
        }
    }

    /// The request in flight was refused.
    pub(super) fn refused(&mut self) {
        self.asked = None;
    }

    /// The status of this session was chosen through another connection. A choice of this client that is under way
    /// comes later, and wins.
    pub(super) fn chosen(&mut self, choice: Choice, now: Instant, effects: &mut Vec<Effect>) {
        // Nobody can choose to be offline, and a `Hello` that says so would be refused.
        if self.is_settled() && choice.status != Status::Offline {
            self.wanted = self.wanted.clone().then(Wanted::new(choice.clone(), now));
            self.mirror = None;
            effects.push(Effect::Emit(Event::Chosen(choice)));
        }
    }

    /// An ack says how others see this user.
    pub(super) fn seen(&mut self, me: Option<Presence>, effects: &mut Vec<Effect>) {
        if self.observe {
            return;
        }
        // The text belongs to the user, not to the device. One that was replaced from another device, or has gone
        // away, must not come back with the next sign-in.
        if let Some(me) = &me
            && self.is_settled()
            && self.wanted.choice.text.as_ref().is_some_and(|text| *text != me.text)
        {
            self.wanted.drop_text();
        }
        if self.mirror.as_ref() != Some(&me) {
            self.mirror = Some(me.clone());
            effects.push(Effect::Emit(Event::Mirror(me)));
        }
    }

    /// The connection ended. What was in flight may not have arrived, and is said again.
    pub(super) fn lost(&mut self) {
        self.mirror = None;
        self.take_back();
    }

    fn take_back(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.unsent = Some(asked.followed_by(self.unsent.take()));
        }
    }

    fn is_settled(&self) -> bool {
        self.asked.is_none() && self.unsent.is_none()
    }
}

impl Wanted {
    fn new(choice: Choice, now: Instant) -> Self {
        let text_until = choice.text_for.and_then(|time| now.checked_add(time));
        Self { choice, text_until }
    }

    /// As [`amend`].
    fn then(self, newer: Self) -> Self {
        let text_until = match newer.choice.text {
            Some(_) => newer.text_until,
            None => self.text_until,
        };
        let mut choice = Some(self.choice);
        amend(&mut choice, newer.choice);
        Self { choice: choice.unwrap_or_default(), text_until }
    }

    fn followed_by(self, newer: Option<Self>) -> Self {
        match newer {
            Some(newer) => self.then(newer),
            None => self,
        }
    }

    /// The choice as it is to be said now; with `gone` in the place of a text whose time is over.
    fn at(&self, now: Instant, gone: Option<StatusText>) -> Choice {
        let mut choice = self.choice.clone();
        let Some(until) = self.text_until else { return choice };
        let left = until.saturating_duration_since(now);
        if left < Duration::from_millis(1) {
            (choice.text, choice.text_for) = (gone, None);
        } else {
            choice.text_for = Some(left);
        }
        choice
    }

    fn drop_text(&mut self) {
        (self.choice.text, self.choice.text_for, self.text_until) = (None, None, None);
    }
}
