//! What a session chooses to show.

use herenow_protocol::limits::INTEGER_MAX;
use herenow_protocol::{Choice, DisplayName, ErrorCode, SessionId, StatusText};

use super::deadlines::Due;
use super::notes::Why;
use super::people::Until;
use super::{Answer, Delivery, Effect, Registry, failed, millis};
use crate::clock::Moment;

impl Registry {
    /// A session chooses for itself. An observer chooses for the session of the user of its name on the same device: that
    /// is how a command line changes the status that a window on the same desk holds.
    pub(super) fn choose(
        &mut self,
        id: SessionId,
        choice: &Choice,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        let asker = &self.sessions[&id];
        let name = asker.name.clone();
        let target = match asker.listed {
            Some(_) => Some(id),
            None => self.session_on_device_of(id),
        };
        let Some(target) = target else {
            let text = format!("{name} is not signed in from this device");
            return failed(ErrorCode::NotListed, text);
        };
        let session = self.sessions.get_mut(&target).expect("found above");
        let listed = session.listed.as_mut().expect("found above");
        if (listed.status, listed.automatic) != (choice.status, choice.automatic) {
            (listed.status, listed.automatic) = (choice.status, choice.automatic);
            listed.since_ms = now.unix_ms;
        }
        if let Some(connection) = session.connection().filter(|_| target != id) {
            effects.push(Effect::Deliver(connection, Delivery::Chosen(choice.clone())));
        }
        self.say(&name, choice, now);
        self.record_session(target, now, effects);
        self.record_person(&name, effects);
        self.refresh(&name, Why::wished(now), now, effects);
        Answer::Done
    }

    fn session_on_device_of(&self, observer: SessionId) -> Option<SessionId> {
        let observer = &self.sessions[&observer];
        let user = self.users.get(&observer.name)?;
        let same = |id: &&SessionId| self.sessions[id].device == observer.device;
        user.sessions.iter().find(same).copied()
    }

    /// The part of a choice that belongs to the user: text and metadata.
    pub(super) fn say(&mut self, name: &DisplayName, choice: &Choice, now: Moment) {
        let Some(user) = self.users.get_mut(name) else { return };
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
            self.deadlines.add(until.at, Due::Text(name.clone()));
        }
    }

    /// A text may have reached its end.
    pub(super) fn text_due(&mut self, name: &DisplayName, now: Moment, effects: &mut Vec<Effect>) {
        let Some(user) = self.users.get_mut(name) else { return };
        if user.text_until().is_some_and(|until| until.at <= now.instant) {
            let words = user.words_mut();
            (words.text, words.text_until) = (StatusText::default(), None);
            self.record_person(name, effects);
            self.refresh(name, Why::wished(now), now, effects);
        }
    }
}
