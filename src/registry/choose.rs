//! What a session chooses to show.

use herenow_protocol::limits::INTEGER_MAX;
use herenow_protocol::{Choice, DisplayName, ErrorCode, StatusText};

use super::deadlines::Due;
use super::notes::Why;
use super::sessions::SessionAt;
use super::users::{Until, UserAt};
use super::{Answer, Delivery, Effect, Registry, failed, millis};
use crate::clock::Moment;

impl Registry {
    /// A session chooses for itself. An observer chooses for the session of the user of its name on the same device: that
    /// is how a command line changes the status that a window on the same desk holds.
    pub(super) fn choose(
        &mut self,
        at: SessionAt,
        choice: &Choice,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        let target = match self.sessions[at].listed {
            Some(_) => Some(at),
            None => self.session_on_device_of(at),
        };
        let Some(target) = target else {
            let text = format!("{} is not signed in from this device", self.name_of(at));
            return failed(ErrorCode::NotListed, text);
        };
        let session = &mut self.sessions[target];
        let listed = session.listed.as_mut().expect("found above");
        let user = listed.user;
        if (listed.status, listed.automatic) != (choice.status, choice.automatic) {
            (listed.status, listed.automatic) = (choice.status, choice.automatic);
            listed.since_ms = now.unix_ms;
        }
        if let Some(connection) = session.connection().filter(|_| target != at) {
            effects.push(Effect::Deliver(connection, Delivery::Chosen(choice.clone())));
        }
        self.say(user, choice, now);
        self.record_session(target, now, effects);
        self.record_person(user, effects);
        self.refresh(user, Why::wished(now), now, effects);
        Answer::Done
    }

    fn session_on_device_of(&self, observer: SessionAt) -> Option<SessionAt> {
        let user = self.users.get(self.name_of(observer))?;
        let device = self.sessions[observer].device;
        let same = |at: &&SessionAt| self.sessions[**at].device == device;
        user.sessions.iter().find(same).copied()
    }

    /// The part of a choice that belongs to the user: text and metadata.
    pub(super) fn say(&mut self, user: UserAt, choice: &Choice, now: Moment) {
        let user = &mut self.users[user];
        if let Some(metadata) = &choice.metadata {
            user.words_mut().metadata = metadata.clone();
        }
        let Some(text) = &choice.text else { return };
        if text.is_empty() && user.words().text.is_empty() {
            return;
        }
        let words = user.words_mut();
        words.text = text.clone();
        words.text_until = choice.text_for.filter(|_| !text.is_empty()).and_then(|span| {
            // A time that no clock can show is as good as never.
            let unix_ms = now.unix_ms.checked_add(millis(span)).filter(|ms| *ms <= INTEGER_MAX)?;
            Some(Until { at: now.instant.checked_add(span)?, unix_ms })
        });
        if let Some(until) = words.text_until {
            self.deadlines.add(until.at, Due::Text(user.name().clone()));
        }
    }

    /// A text may have reached its end.
    pub(super) fn text_due(&mut self, name: &DisplayName, now: Moment, effects: &mut Vec<Effect>) {
        let Some(at) = self.users.find(name) else { return };
        let user = &mut self.users[at];
        if user.text_until().is_some_and(|until| until.at <= now.instant) {
            let words = user.words_mut();
            (words.text, words.text_until) = (StatusText::default(), None);
            self.record_person(at, effects);
            self.refresh(at, Why::wished(now), now, effects);
        }
    }
}
