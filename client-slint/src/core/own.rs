//! The user's own status: what was chosen on this device, and how others see the user.
//!
//! Others see one person, merged from all of that person's devices, so the two can differ for good. They also differ for a
//! moment after each choice, which is not worth telling: [`Own::seen`] speaks only of what is settled.

use std::time::Duration;

use herenow_client::Event;
use herenow_client::protocol::{Choice, Presence, Status, StatusText};

/// The user's own status.
#[derive(Clone, Debug, PartialEq)]
pub struct Own {
    status: Status,
    /// A program chose it, not a person.
    automatic: bool,
    text: StatusText,
    until_ms: u64,
    /// The server has not taken the last choice yet.
    under_way: bool,
    mirror: Mirror,
}

/// What the server said last of how others see this user.
#[derive(Clone, Debug, Default, PartialEq)]
enum Mirror {
    /// Nothing since the last choice or sign-in.
    #[default]
    Unknown,
    /// Not at all.
    Hidden,
    As(Presence),
}

/// How others see the user, where that is not as chosen on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// As chosen, as far as is known.
    AsChosen,
    /// Not at all.
    Hidden,
    /// With this status.
    As(Status),
}

/// How long a status text is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Until it is replaced.
    #[default]
    Always,
    /// For half an hour.
    HalfHour,
    /// For an hour.
    Hour,
    /// For four hours.
    FourHours,
}

/// What became of the user's own status, folded in the order in which it happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnNews {
    accepted: Option<Choice>,
    /// Chosen for this device through another connection, after what was accepted.
    chosen: Option<Choice>,
    /// Nothing that was asked for is under way any more.
    settled: bool,
    mirror: Option<Mirror>,
}

impl Default for Own {
    /// Available, because the program was started.
    fn default() -> Self {
        Self {
            status: Status::Available,
            automatic: true,
            text: StatusText::default(),
            until_ms: 0,
            under_way: false,
            mirror: Mirror::Unknown,
        }
    }
}

impl Own {
    /// Invisible, because the user was when they were seen last.
    #[must_use]
    pub fn invisible() -> Self {
        Self { status: Status::Invisible, automatic: false, ..Self::default() }
    }

    /// The user chooses a status; the text stays as it is. Returns what to ask of the server.
    pub fn choose(&mut self, status: Status) -> Choice {
        (self.status, self.automatic, self.under_way) = (status, false, true);
        self.choice()
    }

    /// The program chooses for the user; the text stays as it is.
    pub fn choose_by_program(&mut self, choice: &Choice) {
        (self.status, self.automatic, self.under_way) = (choice.status, choice.automatic, true);
    }

    /// The user says something new; the status stays as it is. Returns what to ask of the server.
    pub fn say(&mut self, text: StatusText, keep: Keep, wall_ms: u64) -> Choice {
        let text_for = keep.time().filter(|_| !text.is_empty());
        self.under_way = true;
        self.show_text(text.clone(), text_for, wall_ms);
        Choice { text: Some(text), text_for, ..self.choice() }
    }

    /// The same status in a new session, of which nothing is known yet. The text is the user's, not the device's: where
    /// another device is signed in, it is there already.
    #[must_use]
    pub fn anew(self) -> Self {
        Self { under_way: false, mirror: Mirror::Unknown, ..self }
    }

    /// The chosen status, with the text left as it is.
    #[must_use]
    pub fn choice(&self) -> Choice {
        Choice { status: self.status, automatic: self.automatic, ..Choice::default() }
    }

    /// Takes in what happened.
    pub fn apply(&mut self, news: OwnNews, wall_ms: u64) {
        if news.settled || news.accepted.as_ref().is_some_and(|choice| self.is_last(choice)) {
            self.under_way = false;
        }
        // A choice of this window that is under way comes later, and wins.
        if let Some(chosen) = news.chosen.filter(|_| !self.under_way) {
            (self.status, self.automatic) = (chosen.status, chosen.automatic);
            if let Some(text) = chosen.text {
                self.show_text(text, chosen.text_for, wall_ms);
            }
        }
        self.mirror = news.mirror.unwrap_or(std::mem::take(&mut self.mirror));
        if let Mirror::As(presence) = &self.mirror
            && !self.under_way
        {
            (self.text, self.until_ms) = (presence.text.clone(), presence.until_ms);
        }
    }

    /// What was chosen on this device.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// What was chosen on this device, and whether a program chose it.
    #[must_use]
    pub fn showing(&self) -> (Status, bool) {
        (self.status, self.automatic)
    }

    /// The user's text; what this device said last if it is not known.
    #[must_use]
    pub fn text(&self) -> &StatusText {
        &self.text
    }

    /// When the text goes away, in milliseconds since 1970; 0 if it does not.
    #[must_use]
    pub fn until_ms(&self) -> u64 {
        self.until_ms
    }

    /// How others see the user.
    #[must_use]
    pub fn seen(&self) -> Seen {
        match &self.mirror {
            Mirror::Hidden if !self.under_way && self.status != Status::Invisible => Seen::Hidden,
            Mirror::As(seen) if !self.under_way && seen.status != self.status => {
                Seen::As(seen.status)
            }
            _ => Seen::AsChosen,
        }
    }

    fn show_text(&mut self, text: StatusText, text_for: Option<Duration>, wall_ms: u64) {
        let in_ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.until_ms = text_for.map_or(0, |time| wall_ms.saturating_add(in_ms(time)));
        self.text = text;
    }

    /// Whether this is what the user wanted last, and not something before it.
    fn is_last(&self, accepted: &Choice) -> bool {
        let same_text = accepted.text.as_ref().is_none_or(|text| *text == self.text);
        same_text && (accepted.status, accepted.automatic) == (self.status, self.automatic)
    }
}

impl Keep {
    /// For how long; `None` for always.
    #[must_use]
    pub fn time(self) -> Option<Duration> {
        let minutes = match self {
            Self::Always => return None,
            Self::HalfHour => 30,
            Self::Hour => 60,
            Self::FourHours => 240,
        };
        Some(Duration::from_secs(minutes * 60))
    }
}

impl OwnNews {
    /// Takes in one event. What was said of the mirror before a choice or a sign-in says nothing after it.
    pub fn add(&mut self, event: &Event) {
        match event {
            Event::Mirror(None) => self.mirror = Some(Mirror::Hidden),
            Event::Mirror(Some(presence)) => self.mirror = Some(Mirror::As(presence.clone())),
            Event::Accepted(choice) => {
                (self.accepted, self.chosen) = (Some(choice.clone()), None);
                self.mirror = Some(Mirror::Unknown);
            }
            Event::Chosen(choice) => {
                self.chosen = Some(choice.clone());
                self.mirror = Some(Mirror::Unknown);
            }
            Event::SignedIn(welcome) => {
                // A `Hello` said it all, unless the session goes on: then the client asks again.
                self.settled |= !welcome.resumed;
                self.mirror = Some(Mirror::Unknown);
            }
            Event::Refused { .. } => self.settled = true,
            Event::Closed { .. } => self.mirror = Some(Mirror::Unknown),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
