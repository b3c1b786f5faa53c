//! The adapter of the connection bar.

use std::rc::Rc;
use std::time::Duration;

use slint::{ComponentHandle as _, Weak};

use super::at_desk;
use crate::core::link::{Action, Age, Kind, Phase, Shown};
use crate::desk::Desk;
use crate::ui::{self, AgeUnit, AppWindow, Link, LinkAction, LinkKind, LinkPhase, LinkState};

/// Shows what the connection is.
pub struct LinkAdapter(Weak<AppWindow>);

impl LinkAdapter {
    pub(super) fn new(window: &AppWindow) -> Self {
        Self(window.as_weak())
    }

    /// Shows `shown`; the window is drawn anew only if it differs from before.
    pub fn show(&self, shown: &Shown) {
        if let Some(window) = self.0.upgrade() {
            window.global::<Link<'_>>().set_state(window_state(shown));
        }
    }
}

pub(super) fn connect(window: &AppWindow, desk: &Rc<Desk>) {
    let weak = Rc::downgrade(desk);
    window.global::<Link<'_>>().on_act(move |action| {
        at_desk(&weak, |desk| desk.act(core_action(action)));
    });
}

fn window_state(shown: &Shown) -> LinkState {
    let (unanswered, of) = shown.contact_lost.unwrap_or_default();
    LinkState {
        kind: window_kind(shown.kind),
        phase: window_phase(shown.phase),
        action: window_action(shown.action),
        retry_in: whole(shown.retry_in),
        proved_ago: window_age(shown.proved_ago),
        round_trip_ms: shown.round_trip.map_or(-1, whole_milliseconds),
        delay_ms: shown.delay.map_or(0, whole_milliseconds),
        unanswered: whole(unanswered),
        of: whole(of),
        said: shown.said.as_str().into(),
    }
}

pub(super) fn window_age(age: Option<Age>) -> ui::Age {
    let (unit, count) = match age {
        None => (AgeUnit::None, 0),
        Some(Age::Seconds(count)) => (AgeUnit::Seconds, count),
        Some(Age::Minutes(count)) => (AgeUnit::Minutes, count),
        Some(Age::Hours(count)) => (AgeUnit::Hours, count),
    };
    ui::Age { unit, count: whole(count) }
}

pub(super) fn whole(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn whole_milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

fn window_phase(phase: Phase) -> LinkPhase {
    match phase {
        Phase::Live => LinkPhase::Live,
        Phase::Trying => LinkPhase::Trying,
        Phase::Waiting => LinkPhase::Waiting,
        Phase::Over => LinkPhase::Over,
    }
}

fn window_action(action: Action) -> LinkAction {
    match action {
        Action::None => LinkAction::None,
        Action::Retry => LinkAction::Retry,
        Action::TakeOver => LinkAction::TakeOver,
        Action::SignIn => LinkAction::SignIn,
    }
}

fn core_action(action: LinkAction) -> Action {
    match action {
        LinkAction::None => Action::None,
        LinkAction::Retry => Action::Retry,
        LinkAction::TakeOver => Action::TakeOver,
        LinkAction::SignIn => Action::SignIn,
    }
}

pub(super) fn window_kind(kind: Kind) -> LinkKind {
    match kind {
        Kind::SignedOut => LinkKind::SignedOut,
        Kind::Connecting => LinkKind::Connecting,
        Kind::Loading => LinkKind::Loading,
        Kind::Connected => LinkKind::Connected,
        Kind::Checking => LinkKind::Checking,
        Kind::Repairing => LinkKind::Repairing,
        Kind::ContactLost => LinkKind::ContactLost,
        Kind::NetworkDown => LinkKind::NetworkDown,
        Kind::ServerSilent => LinkKind::ServerSilent,
        Kind::ServerShutdown => LinkKind::ServerShutdown,
        Kind::Refused => LinkKind::Refused,
        Kind::Unreachable => LinkKind::Unreachable,
        Kind::Lost => LinkKind::Lost,
        Kind::NoAnswer => LinkKind::NoAnswer,
        Kind::Unheard => LinkKind::Unheard,
        Kind::TooSlow => LinkKind::TooSlow,
        Kind::ServerFailed => LinkKind::ServerFailed,
        Kind::ServerFull => LinkKind::ServerFull,
        Kind::ListTooLarge => LinkKind::ListTooLarge,
        Kind::NotUnderstood => LinkKind::NotUnderstood,
        Kind::OtherVersion => LinkKind::OtherVersion,
        Kind::Replaced => LinkKind::Replaced,
        Kind::NameInUse => LinkKind::NameInUse,
        Kind::TooManyDevices => LinkKind::TooManyDevices,
        Kind::SignInRefused => LinkKind::SignInRefused,
        Kind::Ended => LinkKind::Ended,
    }
}
