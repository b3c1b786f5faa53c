//! The adapter of the signed-in user.

use std::rc::Rc;

use herenow_client::protocol::limits::TEXT_CHARS_MAX;
use herenow_client::protocol::name::InvalidText;
use herenow_client::protocol::{DisplayName, Presence};
use slint::{ComponentHandle as _, Weak};

use super::at_desk;
use super::people::{core_status, person_row};
use crate::desk::Desk;
use crate::ui::{AppWindow, Own, TextProblem};

/// Shows the signed-in user as others see them.
pub struct OwnAdapter(Weak<AppWindow>);

impl OwnAdapter {
    pub(super) fn new(window: &AppWindow) -> Self {
        Self(window.as_weak())
    }

    /// Shows the user's name, status and text.
    pub fn show(&self, name: &DisplayName, presence: &Presence) {
        if let Some(window) = self.0.upgrade() {
            window.global::<Own<'_>>().set_row(person_row(name, presence));
        }
    }

    /// Shows the server's words for a request that it refused, if it did.
    pub fn show_refusal(&self, words: Option<&str>) {
        if let (Some(window), Some(words)) = (self.0.upgrade(), words) {
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
    own.on_say(move |text| {
        let said = at_desk(&weak, |desk| desk.say(&text));
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

fn window_problem(invalid: InvalidText) -> TextProblem {
    match invalid {
        InvalidText::TooLong(_) | InvalidText::LabelTooLong(_) => TextProblem::TooLong,
        InvalidText::Control(_) => TextProblem::Control,
    }
}
