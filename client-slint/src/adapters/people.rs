//! The adapter of the list: a model that makes rows only for what is in sight.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak as Behind};
use std::time::Duration;

use herenow_client::protocol::name::InvalidName;
use herenow_client::protocol::{DisplayName, RoomName, Status, StatusText};
use slint::{
    ComponentHandle as _, Model, ModelNotify, ModelRc, ModelTracker, SharedString, Timer,
    TimerMode, VecModel, Weak,
};

use super::at_desk;
use crate::clock::Clock;
use crate::core::calendar::Local;
use crate::core::look::{self, DeviceKind, device_kind};
use crate::core::minutes::Minutes;
use crate::core::people::{
    Changes, Group, Grouping, News, People, Person, Place, Row, Snapshot, Sort, Step,
};
use crate::core::watching::Favourites;
use crate::desk::{Desk, RoomTrouble};
use crate::ui::{self, AppWindow, GroupKind, GroupRow, ListRow, PersonRow, RoomProblem};

/// For how long rows keep their places after a key moved the selection, so that the next key finds them where they are.
const KEY_HOLD: Duration = Duration::from_millis(1500);

/// Something that is done with the model and the window.
type Then<'a> = dyn Fn(&Rc<PeopleModel>, &AppWindow) + 'a;

/// The rows of the list. A `RefCell` is never held while telling the window of a change, since the
/// window asks for rows at once.
pub struct PeopleModel {
    people: RefCell<People>,
    minutes: Minutes,
    clock: Clock,
    /// What is selected, and not which row: people move.
    selected: RefCell<Option<Place>>,
    /// The first row in sight, and how many there are.
    in_sight: Cell<(usize, usize)>,
    pointer_inside: Cell<bool>,
    /// Runs while a key holds the rows.
    key_hold: Timer,
    notify: ModelNotify,
}

/// Shows the list, and lets the user search and select in it.
pub struct PeopleAdapter {
    window: Weak<AppWindow>,
    model: Rc<PeopleModel>,
}

impl PeopleAdapter {
    pub(super) fn new(window: &AppWindow, minutes: Minutes, clock: Clock) -> Self {
        let model = Rc::new(PeopleModel::new(minutes, clock));
        let global = window.global::<ui::People<'_>>();
        global.set_rows(ModelRc::from(model.clone()));
        let adapter = Self { window: window.as_weak(), model };
        adapter.connect(window);
        adapter.publish(false);
        adapter
    }

    /// Forgets everybody: `own` signs in, and will not be listed.
    pub fn clear(&self, own: &DisplayName) {
        self.model.change(|people| people.start(own.clone()));
        self.model.selected.replace(None);
        self.publish(false);
    }

    /// Takes in a new list, if there is one, and the news after it.
    pub fn update(&self, replaced: Option<Snapshot>, news: Vec<News>) {
        if let Some(snapshot) = replaced {
            self.model.change(|people| people.replace(snapshot));
            self.publish(true);
        }
        if !news.is_empty() {
            let changes = self.model.people.borrow_mut().apply(news);
            self.model.tell(&changes);
            self.republish();
        }
    }

    /// Shows these people first.
    pub fn set_favourites(&self, favourites: &Favourites) {
        self.model.change(|people| people.set_favourites(favourites.clone()));
        self.republish();
    }

    /// Shows who is in these rooms, which the user is in.
    pub fn set_rooms(&self, rooms: Vec<RoomName>) {
        if let Some(window) = self.window.upgrade() {
            let names: Vec<SharedString> = rooms.iter().map(|room| room.as_str().into()).collect();
            window.global::<ui::People<'_>>().set_rooms_in(ModelRc::new(VecModel::from(names)));
        }
        self.model.change(|people| people.watch_rooms(rooms));
        self.republish();
    }

    /// Selects the person of this name, if they are in the list as it is shown.
    pub fn find(&self, name: &DisplayName) {
        if let Some(window) = self.window.upgrade() {
            self.model.select_named(name);
            self.model.publish(&window);
        }
    }

    /// Shows whether the list is proved exact.
    pub fn show_exact(&self, exact: bool) {
        if let Some(window) = self.window.upgrade() {
            window.global::<ui::People<'_>>().set_exact(exact);
        }
    }

    /// Asks the list something.
    pub fn ask<T>(&self, question: impl FnOnce(&People) -> T) -> T {
        question(&self.model.people.borrow())
    }

    /// A person as the window draws them, if they are known.
    #[must_use]
    pub fn row_of(&self, name: &DisplayName) -> Option<PersonRow> {
        self.ask(|people| people.get(name).map(|person| self.model.person_row(person)))
    }

    /// Groups and orders people so.
    pub fn arrange(&self, grouping: Grouping, sort: Sort) {
        if self.ask(People::arrangement) == (grouping, sort) {
            return;
        }
        self.model.change(|people| people.arrange(grouping, sort));
        self.republish();
    }

    /// Looks at the pictures of people anew, as when another day began.
    pub fn refresh(&self) {
        self.model.refresh();
    }

    fn connect(&self, window: &AppWindow) {
        let global = window.global::<ui::People<'_>>();
        let with = self.with();
        global.on_look_for(move |text| {
            with(&|model, window| {
                model.change(|people| people.search(&text));
                window.global::<ui::People<'_>>().set_search(text.clone());
            });
        });
        let with = self.with();
        global.on_select(move |row| with(&|model, _| model.select(usize::try_from(row).ok())));
        let with = self.with();
        global.on_collapse(move |row, collapsed| {
            with(&|model, _| model.collapse(row, Some(collapsed)));
        });
        let with = self.with();
        global.on_pointer(move |inside| {
            with(&|model, _| {
                model.pointer_inside.set(inside);
                model.hold_or_release();
            });
        });
        let (with, weak) = (self.with(), self.window.clone());
        global.on_key_used(move || with(&|model, _| model.hold_for_key(weak.clone())));
        let with = self.with();
        global.on_release(move || with(&|model, _| model.release()));
        let weak = Rc::downgrade(&self.model);
        global.on_in_sight(move |first, count| {
            if let Some(model) = weak.upgrade() {
                let whole = |n: i32| usize::try_from(n).unwrap_or_default();
                model.in_sight.set((whole(first), whole(count)));
            }
        });
        global.on_is_text(|key| key.chars().next().is_some_and(types_something));
    }

    /// Calls something with the model and the window, and brings the numbers around the list up to date after it.
    fn with(&self) -> impl Fn(&Then<'_>) + 'static {
        let (weak, handle) = (Rc::downgrade(&self.model), self.window.clone());
        move |then| {
            if let (Some(model), Some(window)) = (weak.upgrade(), handle.upgrade()) {
                then(&model, &window);
                model.publish(&window);
            }
        }
    }

    fn republish(&self) {
        if let Some(window) = self.window.upgrade() {
            self.model.publish(&window);
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

/// Lets what the user wishes of people and rooms reach `desk`.
pub(super) fn connect(window: &AppWindow, desk: &Rc<Desk>) {
    let global = window.global::<ui::People<'_>>();
    let weak = Rc::downgrade(desk);
    global.on_activate(move |row| {
        at_desk(&weak, |desk| desk.activate(usize::try_from(row).unwrap_or_default()));
    });
    let (weak, handle) = (Rc::downgrade(desk), window.as_weak());
    global.on_join(move |room| {
        let entered = at_desk(&weak, |desk| desk.join(&room)).unwrap_or(Ok(()));
        let problem = entered.map_or_else(room_problem, |()| RoomProblem::None);
        if let Some(window) = handle.upgrade() {
            window.global::<ui::People<'_>>().set_room_problem(problem);
        }
        problem == RoomProblem::None
    });
    let weak = Rc::downgrade(desk);
    global.on_part(move |room| {
        at_desk(&weak, |desk| desk.part(&room));
    });
}

impl PeopleAdapter {
    /// What stands in a row.
    #[must_use]
    pub fn place(&self, row: usize) -> Option<Place> {
        self.ask(|people| people.place(row))
    }

    /// Shows the people of a group, or no longer.
    pub fn toggle_group(&self, row: usize) {
        self.model.collapse(i32::try_from(row).unwrap_or(i32::MAX), None);
        self.republish();
    }
}

impl PeopleModel {
    fn new(minutes: Minutes, clock: Clock) -> Self {
        Self {
            people: RefCell::default(),
            minutes,
            clock,
            selected: RefCell::default(),
            in_sight: Cell::default(),
            pointer_inside: Cell::default(),
            key_hold: Timer::default(),
            notify: ModelNotify::default(),
        }
    }

    /// Changes the list as a whole.
    fn change(&self, change: impl FnOnce(&mut People)) {
        change(&mut self.people.borrow_mut());
        self.notify.reset();
    }

    fn tell(&self, changes: &Changes) {
        if changes.all {
            self.notify.reset();
            return;
        }
        for step in &changes.steps {
            match *step {
                Step::Added(row) => self.notify.row_added(row, 1),
                Step::Removed(row) => self.notify.row_removed(row, 1),
            }
        }
        if changes.looks {
            self.refresh();
        }
    }

    fn refresh(&self) {
        let (first, count) = self.in_sight.get();
        let rows = self.people.borrow().rows();
        (first..(first + count).min(rows)).for_each(|row| self.notify.row_changed(row));
    }

    fn hold_or_release(&self) {
        let held = self.pointer_inside.get() || self.key_hold.running();
        let changes = self.people.borrow_mut().hold(held);
        self.tell(&changes);
    }

    fn hold_for_key(self: &Rc<Self>, window: Weak<AppWindow>) {
        let model: Behind<Self> = Rc::downgrade(self);
        self.key_hold.start(TimerMode::SingleShot, KEY_HOLD, move || {
            if let (Some(model), Some(window)) = (model.upgrade(), window.upgrade()) {
                model.key_hold.stop();
                model.hold_or_release();
                model.publish(&window);
            }
        });
        self.hold_or_release();
    }

    /// Moves people now, and holds those that move from now on if they were held.
    fn release(&self) {
        let changes = self.people.borrow_mut().hold(false);
        self.tell(&changes);
        self.hold_or_release();
    }

    fn select(&self, row: Option<usize>) {
        let place = row.and_then(|row| self.people.borrow().place(row));
        self.selected.replace(place);
    }

    /// Shows the people of the group that a row is of, or hides them; the other of both without `collapsed`. The head
    /// is selected then.
    fn collapse(&self, row: i32, collapsed: Option<bool>) {
        let Ok(row) = usize::try_from(row) else { return };
        let Some(place) = self.people.borrow().place(row) else { return };
        let (Place::Head(group) | Place::Person(group, _)) = place;
        let head = Place::Head(group.clone());
        let Some(at) = self.people.borrow().row_of(&head) else { return };
        let is = matches!(self.people.borrow().row(at), Some(Row::Head { collapsed: true, .. }));
        let collapsed = collapsed.unwrap_or(!is);
        if collapsed == is {
            return;
        }
        self.change(|people| people.collapse(&group, collapsed));
        self.selected.replace(Some(head));
    }

    fn select_named(&self, name: &DisplayName) {
        let people = self.people.borrow();
        let is_theirs = |place: &Place| matches!(place, Place::Person(_, other) if other == name);
        let place = (0..people.rows()).filter_map(|row| people.place(row)).find(is_theirs);
        self.selected.replace(place);
    }

    /// Brings the numbers around the list up to date.
    fn publish(&self, window: &AppWindow) {
        let people = self.people.borrow();
        let row = self.selected.borrow().as_ref().and_then(|place| people.row_of(place));
        let (rows, shown, counts) = (people.rows(), people.shown(), people.counts());
        let ((grouping, sort), held_back) = (people.arrangement(), people.held_back());
        drop(people);
        let global = window.global::<ui::People<'_>>();
        global.set_row_count(whole(rows));
        global.set_shown(whole(shown));
        global.set_current(row.map_or(-1, whole));
        global.set_held_back(whole(held_back));
        global.set_grouping(window_grouping(grouping));
        global.set_sorting(window_sort(sort));
        global.set_counts(ui::Counts {
            all: whole(counts.all()),
            available: whole(counts.of(Status::Available)),
            away: whole(counts.of(Status::Away)),
            busy: whole(counts.of(Status::Busy)),
        });
    }

    /// A person in the list, as the window draws them.
    fn person_row(&self, person: Person<'_>) -> PersonRow {
        let (status, since_ms) = (person.status(), person.since_ms());
        let since = if since_ms == 0 { Local::default() } else { self.clock.local(since_ms) };
        let mut row = PersonRow {
            idle: person.is_automatic() && status == Status::Away,
            since: self.minutes.of(since_ms),
            since_day: since.day,
            since_clock: since.clock.into(),
            since_date: since.date.into(),
            devices: whole(person.devices()),
            ..row(person.name(), status, person.text(), person.until_ms(), self.minutes)
        };
        for label in person.labels() {
            *match device_kind(label) {
                DeviceKind::Desktop => &mut row.desktops,
                DeviceKind::Phone => &mut row.phones,
                DeviceKind::Web => &mut row.browsers,
            } += 1;
        }
        row
    }
}

impl Model for PeopleModel {
    type Data = ListRow;

    fn row_count(&self) -> usize {
        self.people.borrow().rows()
    }

    fn row_data(&self, row: usize) -> Option<ListRow> {
        Some(match self.people.borrow().row(row)? {
            Row::Person(person) => {
                ListRow { person: self.person_row(person), ..ListRow::default() }
            }
            Row::Head { group, here, all, collapsed, known } => {
                let (kind, room) = window_group(group);
                let (here, all) = (whole(here), whole(all));
                let group = GroupRow { kind, room, here, all, collapsed, known };
                ListRow { is_group: true, group, ..ListRow::default() }
            }
        })
    }

    fn model_tracker(&self) -> &dyn ModelTracker {
        &self.notify
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
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
    row(name.as_str(), status, text.as_str(), until_ms, minutes)
}

fn row(name: &str, status: Status, text: &str, until_ms: u64, minutes: Minutes) -> PersonRow {
    PersonRow {
        name: name.into(),
        initials: look::initials(name).into(),
        hue: f32::from(look::hue(name)),
        status: window_status(status),
        text: text.into(),
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
        Status::Invisible => ui::Status::Invisible,
        Status::Offline => ui::Status::Offline,
    }
}

pub(super) fn core_status(status: ui::Status) -> Status {
    match status {
        ui::Status::Available => Status::Available,
        ui::Status::Away => Status::Away,
        ui::Status::Busy => Status::Busy,
        ui::Status::Invisible => Status::Invisible,
        ui::Status::Offline => Status::Offline,
    }
}

fn room_problem(trouble: RoomTrouble) -> RoomProblem {
    match trouble {
        RoomTrouble::TooMany => RoomProblem::TooMany,
        RoomTrouble::Name(InvalidName::Empty) => RoomProblem::Empty,
        RoomTrouble::Name(InvalidName::TooLong(_)) => RoomProblem::TooLong,
        RoomTrouble::Name(InvalidName::Space) => RoomProblem::Spaces,
        RoomTrouble::Name(InvalidName::Invisible(_) | InvalidName::NotNfc) => {
            RoomProblem::InvisibleCharacter
        }
    }
}

fn window_group(group: &Group) -> (GroupKind, SharedString) {
    let kind = match group {
        Group::Favourites => GroupKind::Favourites,
        Group::Room(room) => return (GroupKind::Room, room.as_str().into()),
        Group::Status(Status::Available) => GroupKind::Available,
        Group::Status(Status::Away) => GroupKind::Away,
        Group::Status(Status::Busy) => GroupKind::Busy,
        Group::Status(Status::Invisible | Status::Offline) => GroupKind::Offline,
        Group::Everyone | Group::All | Group::Found => GroupKind::Everyone,
    };
    (kind, SharedString::new())
}

pub(super) fn window_grouping(grouping: Grouping) -> ui::Grouping {
    match grouping {
        Grouping::Rooms => ui::Grouping::Rooms,
        Grouping::Status => ui::Grouping::Status,
    }
}

pub(super) fn core_grouping(grouping: ui::Grouping) -> Grouping {
    match grouping {
        ui::Grouping::Rooms => Grouping::Rooms,
        ui::Grouping::Status => Grouping::Status,
    }
}

pub(super) fn window_sort(sort: Sort) -> ui::Sorting {
    match sort {
        Sort::Status => ui::Sorting::Status,
        Sort::Name => ui::Sorting::Name,
    }
}

pub(super) fn core_sort(sorting: ui::Sorting) -> Sort {
    match sorting {
        ui::Sorting::Status => Sort::Status,
        ui::Sorting::Name => Sort::Name,
    }
}

/// Whether a key types something. Slint tells keys that do not as control characters and in a private area.
fn types_something(key: char) -> bool {
    !key.is_control() && !('\u{f700}'..='\u{f8ff}').contains(&key) && key != ' '
}

pub(super) fn whole(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
