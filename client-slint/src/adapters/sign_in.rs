//! The adapter of the sign-in page.

use std::rc::Rc;

use slint::{ComponentHandle as _, Weak};

use super::at_desk;
use crate::core::sign_in::Problem;
use crate::desk::Desk;
use crate::ui::{AppWindow, Page, SignIn, SignInProblem};

/// Shows which page is up, and what is wrong with what was typed.
pub struct SignInAdapter(Weak<AppWindow>);

impl SignInAdapter {
    pub(super) fn new(window: &AppWindow) -> Self {
        Self(window.as_weak())
    }

    /// Shows the people page, or else the sign-in page, `busy` while a sign-in is under way.
    pub fn show(&self, people: bool, busy: bool) {
        self.with(|page| {
            page.set_page(if people { Page::People } else { Page::SignIn });
            page.set_busy(busy);
        });
    }

    /// Shows what is wrong with what was typed.
    pub fn show_problem(&self, problem: Option<Problem>) {
        self.with(|page| {
            page.set_problem(problem.map_or(SignInProblem::None, window_problem));
            page.set_problem_part(problem.map(wrong_part).unwrap_or_default().into());
        });
    }

    fn with(&self, then: impl FnOnce(SignIn<'_>)) {
        if let Some(window) = self.0.upgrade() {
            then(window.global::<SignIn<'_>>());
        }
    }
}

pub(super) fn connect(window: &AppWindow, desk: &Rc<Desk>) {
    let page = window.global::<SignIn<'_>>();
    let weak = Rc::downgrade(desk);
    page.on_sign_in(move |server, name, code| {
        at_desk(&weak, |desk| desk.sign_in(&server, &name, &code));
    });
    let weak = Rc::downgrade(desk);
    page.on_stop(move || {
        at_desk(&weak, Desk::sign_out);
    });
    let weak = Rc::downgrade(desk);
    page.on_sign_out(move || {
        at_desk(&weak, Desk::sign_out);
    });
}

fn window_problem(problem: Problem) -> SignInProblem {
    match problem {
        Problem::NoServer => SignInProblem::NoServer,
        Problem::NoName => SignInProblem::NoName,
        Problem::NameTooLong => SignInProblem::NameTooLong,
        Problem::NameSpaces => SignInProblem::NameSpaces,
        Problem::NameInvisible => SignInProblem::NameInvisible,
        Problem::NoDevice => SignInProblem::NoDevice,
        Problem::CodeChar(_) => SignInProblem::CodeChar,
        Problem::CodeLength(_) => SignInProblem::CodeLength,
        Problem::CodeStart => SignInProblem::CodeStart,
    }
}

/// What in particular is wrong.
fn wrong_part(problem: Problem) -> String {
    match problem {
        Problem::CodeChar(c) => c.to_string(),
        Problem::CodeLength(length) => length.to_string(),
        _ => String::new(),
    }
}
