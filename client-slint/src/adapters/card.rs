//! The adapter of the card of one person.

use std::rc::Rc;

use herenow_client::protocol::limits::LIST_PEOPLE_MAX;
use herenow_client::protocol::{DisplayName, RoomName, Rule, SessionState};
use slint::{ComponentHandle as _, ModelRc, SharedString, VecModel, Weak};

use super::at_desk;
use super::people::{whole, window_status};
use crate::core::look::DeviceKind;
use crate::core::watching::Watching;
use crate::core::why::{Device, Why};
use crate::desk::Desk;
use crate::ui::{self, AppWindow, Card, DeviceRow, DeviceState, PersonRow, WhyKind};

/// Hexadecimal digits of a digest that are shown: enough to compare two windows by eye.
const DIGEST_DIGITS: usize = 8;

/// Shows the card of one person.
pub struct CardAdapter {
    window: Weak<AppWindow>,
}

impl CardAdapter {
    pub(super) fn new(window: &AppWindow) -> Self {
        Self { window: window.as_weak() }
    }

    /// Opens the card, or shows what has changed in it.
    pub fn show(&self, row: PersonRow, rooms: &[RoomName], devices: &[Device], why: &[Why]) {
        let Some(window) = self.window.upgrade() else { return };
        let card = window.global::<Card<'_>>();
        card.set_row(row);
        card.set_rooms(model(rooms.iter().map(|room| SharedString::from(room.as_str()))));
        card.set_devices(model(devices.iter().map(device_row)));
        card.set_why(model(why.iter().map(why_row)));
        card.set_open(true);
    }

    /// Shows what the user wants of the person.
    pub fn show_chosen(&self, name: &DisplayName, watching: &Watching) {
        let Some(window) = self.window.upgrade() else { return };
        let card = window.global::<Card<'_>>();
        let (favourite, tell_me) = (
            watching.favourites().contains(name.as_str()),
            watching.tell_me().contains(name.as_str()),
        );
        card.set_favourite(favourite);
        card.set_tell_me(tell_me);
        card.set_full(!favourite && !tell_me && watching.people().len() >= LIST_PEOPLE_MAX);
    }

    /// Closes the card.
    pub fn close(&self) {
        if let Some(window) = self.window.upgrade() {
            window.global::<Card<'_>>().set_open(false);
        }
    }
}

pub(super) fn connect(window: &AppWindow, desk: &Rc<Desk>) {
    let card = window.global::<Card<'_>>();
    let weak = Rc::downgrade(desk);
    card.on_toggle_favourite(move || _ = at_desk(&weak, Desk::toggle_favourite));
    let weak = Rc::downgrade(desk);
    card.on_toggle_tell_me(move || _ = at_desk(&weak, Desk::toggle_tell_me));
    let weak = Rc::downgrade(desk);
    card.on_close(move || _ = at_desk(&weak, Desk::close_card));
}

fn model<T: Clone + 'static>(rows: impl Iterator<Item = T>) -> ModelRc<T> {
    ModelRc::new(VecModel::from(rows.collect::<Vec<_>>()))
}

fn device_row(device: &Device) -> DeviceRow {
    let kind = match device.kind {
        DeviceKind::Desktop => ui::DeviceKind::Desktop,
        DeviceKind::Phone => ui::DeviceKind::Phone,
        DeviceKind::Web => ui::DeviceKind::Web,
    };
    let row = DeviceRow { kind, label: device.label.as_str().into(), ..DeviceRow::default() };
    let Some(report) = device.report else { return row };
    DeviceRow {
        reported: true,
        state: match report.state {
            SessionState::Connected => DeviceState::Connected,
            SessionState::Grace => DeviceState::Grace,
            SessionState::Resumable => DeviceState::Resumable,
        },
        status: window_status(report.status),
        automatic: report.automatic,
        heard_ago: i32::try_from(report.heard_ms_ago / 1000).unwrap_or(i32::MAX),
        decides: report.decides,
        ..row
    }
}

fn why_row(why: &Why) -> ui::Why {
    let kind = match why {
        Why::InList => WhyKind::InList,
        Why::NotInList => WhyKind::NotInList,
        Why::Old => WhyKind::Old,
        Why::Proved(_) => WhyKind::Proof,
        Why::Rule(Rule::NoSession) => WhyKind::NoDevice,
        Why::Rule(Rule::OnlySession) => WhyKind::OnlyDevice,
        Why::Rule(Rule::InvisibleHides) => WhyKind::Hides,
        Why::Rule(Rule::PersonOverProgram) => WhyKind::PersonOverProgram,
        Why::Rule(Rule::Precedence) => WhyKind::Precedence,
        Why::NotTold => WhyKind::NotTold,
    };
    let row = ui::Why { kind, ..ui::Why::default() };
    let Why::Proved(proof) = why else { return row };
    let digest = proof.digest.to_string();
    ui::Why {
        version: proof.version.to_string().into(),
        people: whole(proof.count as usize),
        digest: digest.chars().take(DIGEST_DIGITS).collect::<String>().into(),
        ..row
    }
}
