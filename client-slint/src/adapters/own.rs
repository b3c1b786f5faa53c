//! The adapter of the signed-in user.

use std::rc::Rc;

use herenow_client::protocol::DisplayName;
use herenow_client::protocol::limits::TEXT_CHARS_MAX;
use herenow_client::protocol::name::InvalidText;
use slint::{ComponentHandle as _, Weak};

use super::at_desk;
use super::people::{core_status, person_row, window_status};
use crate::core::minutes::Minutes;
use crate::core::own::{self, Keep};
use crate::desk::Desk;
use crate::ui::{self, AppWindow, Own, Seen, TextProblem};

/// Shows the signed-in user, and how others see them.
pub struct OwnAdapter {
    window: Weak<AppWindow>,
    minutes: Minutes,
}

impl OwnAdapter {
    pub(super) fn new(window: &AppWindow, minutes: Minutes) -> Self {
        Self { window: window.as_weak(), minutes }
    }

    /// Shows the user's name, status and text.
    pub fn show(&self, name: &DisplayName, own: &own::Own) {
        if let Some(window) = self.window.upgrade() {
            let global = window.global::<Own<'_>>();
            let (status, text) = (own.status(), own.text());
            global.set_row(person_row(name, status, text, own.until_ms(), self.minutes));
            let (seen, seen_as) = window_seen(own.seen());
            global.set_seen(seen);
            global.set_seen_as(seen_as);
        }
    }

    /// Shows the server's words for a request that it refused, if it did.
    pub fn show_refusal(&self, words: Option<&str>) {
        if let (Some(window), Some(words)) = (self.window.upgrade(), words) {
            window.global::<Own<'_>>().set_refusal(words.into());
        }
    }
}

pub(super) fn connect(window: &AppWindow, desk: &Rc<Desk>) {
    let own = window.global::<Own<'_>>();
    let weak = Rc::downgrade(desk);
    own.on_choose(move |status| {
        at_desk(&weak, |desk| desk.choose(core_status(status)));
    });
    let (weak, handle) = (Rc::downgrade(desk), window.as_weak());
    own.on_say(move |text, keep| {
        let said = at_desk(&weak, |desk| desk.say(&text, core_keep(keep)));
        let problem = said.and_then(Result::err);
        if let Some(window) = handle.upgrade() {
            let own = window.global::<Own<'_>>();
            own.set_problem(problem.map_or(TextProblem::None, window_problem));
            own.set_refusal("".into());
        }
        problem.is_none()
    });
    own.on_characters_left(|text| characters_left(&text));
}

/// How many characters may still be typed; below zero if there are too many.
fn characters_left(text: &str) -> i32 {
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    count(TEXT_CHARS_MAX) - count(text.trim().chars().count())
}

fn core_keep(keep: ui::Keep) -> Keep {
    match keep {
        ui::Keep::Always => Keep::Always,
        ui::Keep::HalfHour => Keep::HalfHour,
        ui::Keep::Hour => Keep::Hour,
        ui::Keep::FourHours => Keep::FourHours,
    }
}

fn window_seen(seen: own::Seen) -> (Seen, ui::Status) {
    match seen {
        own::Seen::AsChosen => (Seen::AsChosen, ui::Status::default()),
        own::Seen::Hidden => (Seen::Hidden, ui::Status::default()),
        own::Seen::As(status) => (Seen::OtherStatus, window_status(status)),
    }
}

fn window_problem(invalid: InvalidText) -> TextProblem {
    match invalid {
        InvalidText::TooLong(_) | InvalidText::LabelTooLong(_) => TextProblem::TooLong,
        InvalidText::Control(_) => TextProblem::Control,
    }
}
