//! The adapter of the sign-in page.

use std::rc::Rc;

use slint::{ComponentHandle as _, ModelRc, SharedString, VecModel, Weak};

use super::at_desk;
use crate::core::sign_in::{Problem, Typed};
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

    /// Fills in the page.
    pub fn offer(&self, typed: &Typed) {
        self.with(|page| {
            page.set_server(typed.server.as_str().into());
            page.set_name(typed.name.as_str().into());
            page.set_device(typed.device.as_str().into());
        });
    }

    /// Shows where the user signed in before.
    pub fn show_servers(&self, servers: &[String]) {
        let servers: Vec<SharedString> = servers.iter().map(SharedString::from).collect();
        self.with(|page| page.set_servers(ModelRc::new(VecModel::from(servers))));
    }

    /// Asks the user whether to sign in so instead.
    pub fn ask(&self, server: &str, name: &str) {
        self.with(|page| {
            page.set_asked_server(server.into());
            page.set_asked_name(name.into());
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
    page.on_sign_in(move |server, name, device, code| {
        let [server, name, device, code] = [server, name, device, code].map(String::from);
        at_desk(&weak, |desk| desk.sign_in(&Typed { server, name, device, code }));
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

/// Another start of the program asked for somebody else; the user says what to do about it.
pub(super) fn connect_asked(window: &AppWindow, desk: &Rc<Desk>) {
    let page = window.global::<SignIn<'_>>();
    let (weak, handle) = (Rc::downgrade(desk), window.as_weak());
    page.on_accept_asked(move || {
        let Some(window) = handle.upgrade() else { return };
        let page = window.global::<SignIn<'_>>();
        page.set_server(page.get_asked_server());
        page.set_name(page.get_asked_name());
        page.set_asked_name("".into());
        let [server, name, device] =
            [page.get_server(), page.get_name(), page.get_device()].map(String::from);
        at_desk(&weak, |desk| {
            desk.sign_in(&Typed { server, name, device, code: String::new() });
        });
    });
    let handle = window.as_weak();
    page.on_dismiss_asked(move || {
        if let Some(window) = handle.upgrade() {
            window.global::<SignIn<'_>>().set_asked_name("".into());
        }
    });
}

fn window_problem(problem: Problem) -> SignInProblem {
    match problem {
        Problem::NoServer => SignInProblem::NoServer,
        Problem::NoName => SignInProblem::NoName,
        Problem::NameTooLong => SignInProblem::NameTooLong,
        Problem::NameSpaces => SignInProblem::NameSpaces,
        Problem::NameInvisible => SignInProblem::NameInvisible,
        Problem::DeviceTooLong => SignInProblem::DeviceTooLong,
        Problem::DeviceInvisible => SignInProblem::DeviceInvisible,
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
