//! The adapter of the list: a model that makes rows only for what is in sight.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use herenow_client::protocol::{DisplayName, Entry, Shown, Status, StatusText, UserId};
use slint::{ComponentHandle as _, Model, ModelNotify, ModelRc, ModelTracker, Weak};

use crate::core::look;
use crate::core::minutes::Minutes;
use crate::core::people::{Change, News, People};
use crate::ui::{self, AppWindow, PersonRow};

/// From this much news on, sorting the list anew is cheaper than moving rows one by one.
const BULK: usize = 500;

/// The rows of the list. A `RefCell` is never held while telling the window of a change, since the
/// window asks for rows at once.
pub struct PeopleModel {
    people: RefCell<People>,
    minutes: Minutes,
    /// Who is selected, and not which row: people move.
    selected: Cell<Option<UserId>>,
    notify: ModelNotify,
}

/// Shows the list, and lets the user search and select in it.
pub struct PeopleAdapter {
    window: Weak<AppWindow>,
    model: Rc<PeopleModel>,
}

impl PeopleAdapter {
    pub(super) fn new(window: &AppWindow, minutes: Minutes) -> Self {
        let model = Rc::new(PeopleModel::new(minutes));
        let global = window.global::<ui::People<'_>>();
        global.set_rows(ModelRc::from(model.clone()));
        let (weak, handle) = (Rc::downgrade(&model), window.as_weak());
        global.on_look_for(move |text| {
            if let (Some(model), Some(window)) = (weak.upgrade(), handle.upgrade()) {
                model.search(&text);
                model.publish(&window);
                window.global::<ui::People<'_>>().set_search(text);
            }
        });
        let (weak, handle) = (Rc::downgrade(&model), window.as_weak());
        global.on_select(move |row| {
            if let (Some(model), Some(window)) = (weak.upgrade(), handle.upgrade()) {
                model.select(usize::try_from(row).ok());
                model.publish(&window);
            }
        });
        let adapter = Self { window: window.as_weak(), model };
        adapter.publish(false);
        adapter
    }

    /// Forgets everybody: `own` signs in, and will not be listed.
    pub fn clear(&self, own: &DisplayName) {
        self.model.clear(own);
        self.publish(false);
    }

    /// Takes in a new list, if there is one, and the news after it.
    pub fn update(&self, replaced: Option<Vec<Entry>>, news: Vec<News>) {
        if let Some(entries) = replaced {
            self.model.replace(entries);
            self.publish(true);
        }
        if !news.is_empty() {
            self.model.apply(news);
        }
        if let Some(window) = self.window.upgrade() {
            self.model.publish(&window);
        }
    }

    /// Shows whether the list is proved exact.
    pub fn show_exact(&self, exact: bool) {
        if let Some(window) = self.window.upgrade() {
            window.global::<ui::People<'_>>().set_exact(exact);
        }
    }

    fn publish(&self, known: bool) {
        if let Some(window) = self.window.upgrade() {
            let global = window.global::<ui::People<'_>>();
            global.set_known(known);
            if !known {
                global.set_search("".into());
            }
            self.model.publish(&window);
        }
    }
}

impl PeopleModel {
    fn new(minutes: Minutes) -> Self {
        Self {
            people: RefCell::default(),
            minutes,
            selected: Cell::default(),
            notify: ModelNotify::default(),
        }
    }

    fn clear(&self, own: &DisplayName) {
        *self.people.borrow_mut() = People::without(own.clone());
        self.selected.set(None);
        self.notify.reset();
    }

    fn replace(&self, entries: Vec<Entry>) {
        self.people.borrow_mut().replace(entries);
        self.notify.reset();
    }

    fn apply(&self, news: Vec<News>) {
        if news.len() >= BULK {
            self.people.borrow_mut().apply_all(news);
            self.notify.reset();
            return;
        }
        for one in news {
            let change = self.people.borrow_mut().apply(one);
            self.tell(change);
        }
    }

    fn tell(&self, change: Option<Change>) {
        match change {
            None => {}
            Some(Change::Added(row)) => self.notify.row_added(row, 1),
            Some(Change::Removed(row)) => self.notify.row_removed(row, 1),
            Some(Change::Changed(row)) => self.notify.row_changed(row),
            Some(Change::Moved { from, to }) => {
                self.notify.row_removed(from, 1);
                self.notify.row_added(to, 1);
            }
        }
    }

    fn search(&self, text: &str) {
        self.people.borrow_mut().search(text);
        self.notify.reset();
    }

    fn select(&self, row: Option<usize>) {
        let id = row.and_then(|row| self.people.borrow().row(row).map(|entry| entry.id));
        self.selected.set(id);
    }

    /// Brings the numbers around the list up to date.
    fn publish(&self, window: &AppWindow) {
        let people = self.people.borrow();
        let row = self.selected.get().and_then(|id| people.row_of(id));
        let (shown, counts) = (people.shown(), people.counts());
        drop(people);
        let global = window.global::<ui::People<'_>>();
        global.set_shown(whole(shown));
        global.set_current(row.map_or(-1, whole));
        global.set_counts(ui::Counts {
            all: whole(counts.all()),
            available: whole(counts.of(Status::Available)),
            away: whole(counts.of(Status::Away)),
            busy: whole(counts.of(Status::Busy)),
        });
    }
}

impl Model for PeopleModel {
    type Data = PersonRow;

    fn row_count(&self) -> usize {
        self.people.borrow().shown()
    }

    fn row_data(&self, row: usize) -> Option<PersonRow> {
        self.people.borrow().row(row).map(|entry| entry_row(entry, self.minutes))
    }

    fn model_tracker(&self) -> &dyn ModelTracker {
        &self.notify
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A person in the list, as the window draws them.
fn entry_row(entry: &Entry, minutes: Minutes) -> PersonRow {
    let Shown { presence, since_ms, devices, .. } = &entry.shown;
    PersonRow {
        idle: presence.automatic && presence.status == Status::Away,
        since: minutes.of(*since_ms),
        devices: whole(devices.as_slice().len()),
        ..person_row(&entry.name, presence.status, &presence.text, presence.until_ms, minutes)
    }
}

/// A person as the window draws them.
pub(super) fn person_row(
    name: &DisplayName,
    status: Status,
    text: &StatusText,
    until_ms: u64,
    minutes: Minutes,
) -> PersonRow {
    PersonRow {
        name: name.as_str().into(),
        initials: look::initials(name.as_str()).into(),
        hue: f32::from(look::hue(name.as_str())),
        status: window_status(status),
        text: text.as_str().into(),
        expires: until_ms != 0,
        until: minutes.of(until_ms),
        ..PersonRow::default()
    }
}

pub(super) fn window_status(status: Status) -> ui::Status {
    match status {
        Status::Available => ui::Status::Available,
        Status::Away => ui::Status::Away,
        Status::Busy => ui::Status::Busy,
        // Nobody in a room is shown offline, and the window has no lists of people yet.
        Status::Invisible | Status::Offline => ui::Status::Invisible,
    }
}

pub(super) fn core_status(status: ui::Status) -> Status {
    match status {
        ui::Status::Available => Status::Available,
        ui::Status::Away => Status::Away,
        ui::Status::Busy => Status::Busy,
        ui::Status::Invisible => Status::Invisible,
    }
}

fn whole(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
