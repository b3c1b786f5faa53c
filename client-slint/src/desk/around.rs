//! What goes on beside the window: notifications, going away by idling, the tray icon, and the history of the connection.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use herenow_client::protocol::{DisplayName, Status};
use slint::{Timer, TimerMode};

use super::Desk;
use crate::connection_log::{self, Moment};
use crate::core::batch::Coming;
use crate::core::history::History;
use crate::core::idle::{Idle, Look};
use crate::core::link::Link;
use crate::core::notify::{Arrival, Contact, Notice, Notices, Place, Whom};
use crate::core::settings::Told;
use crate::core::watching::CameOnline;
use crate::desktop::{Desktop, Sign};

/// The state of it.
#[derive(Default)]
pub(super) struct Around {
    desktop: RefCell<Option<Rc<dyn Desktop>>>,
    notices: RefCell<Notices>,
    idle: RefCell<Idle>,
    history: RefCell<History>,
    /// The details of the connection are in sight.
    details: Cell<bool>,
    /// Fires when something is to be told.
    due: Timer,
    /// The command line said of whom to tell, and when to go away.
    whom_is_fixed: Cell<bool>,
    away_is_fixed: Cell<bool>,
}

impl Desk {
    /// Lives on this desktop from now on.
    pub fn settle(&self, desktop: Rc<dyn Desktop>) {
        let me = self.me.clone();
        desktop.listen(Box::new(move |sign| {
            if let Some(desk) = me.upgrade() {
                desk.heed(sign);
            }
        }));
        self.around.desktop.replace(Some(desktop));
        self.look_at_user();
    }

    /// Tells of these people when they come online, whatever the settings say.
    pub fn tell_of(&self, whom: Whom) {
        self.around.whom_is_fixed.set(true);
        self.around.notices.borrow_mut().tell_of(whom);
    }

    /// Away after this time without a touch, whatever the settings say; `None` for never.
    pub fn go_away_after(&self, time: Option<Duration>) {
        self.around.away_is_fixed.set(true);
        self.around.idle.borrow_mut().set_away_after(time);
        self.look_at_user();
    }

    /// Does from now on what the user set.
    pub(super) fn follow_settings(&self) {
        let (told, away_after, stays) = self.keeper.read(|settings| {
            let (told, away) = (settings.notifications.people, settings.presence.away_after_min);
            (told, away.minutes(), settings.window.close_to_tray.0)
        });
        self.adapters.tray.close_to_tray(stays);
        if !self.around.whom_is_fixed.get() {
            self.around.notices.borrow_mut().tell_of(match told {
                Told::All => Whom::All,
                Told::Favourites => Whom::Favourites,
                Told::None => Whom::Nobody,
            });
        }
        if !self.around.away_is_fixed.get() {
            let time = away_after.map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
            self.around.idle.borrow_mut().set_away_after(time);
            self.look_at_user();
        }
    }

    /// Of these the user wants to know, and they came.
    pub(super) fn chosen_came(&self, came: &[CameOnline]) {
        let (now, mut out) = (self.clock.now(), Vec::new());
        for CameOnline { name, favourite, asked } in came {
            let (name, favourite, awaited) = (name.clone(), *favourite, *asked);
            let arrival = Arrival { name, favourite, awaited };
            self.around.notices.borrow_mut().came(arrival, now, &mut out);
        }
        self.tell(out);
    }

    /// Shows the details of the connection, or no longer.
    pub fn show_details(&self, open: bool) {
        self.around.details.set(open);
        self.adapters.details.open(open);
        self.refresh_details();
    }

    /// Keeps the history of the connection in a file, and shows where.
    pub fn export_log(&self) {
        let Some(desktop) = self.around.desktop.borrow().clone() else { return };
        let moment = Moment { now: self.clock.now(), wall_ms: self.clock.wall_ms() };
        let session = self.session.borrow();
        let server = session.as_ref().map(|session| session.form.server.clone());
        drop(session);
        let history = self.around.history.borrow();
        let text = connection_log::write(&history, &server.unwrap_or_default(), moment);
        let kept = desktop.keep(&connection_log::file_name(moment), &text);
        self.adapters.details.show_kept(kept.as_ref().ok().map(std::path::PathBuf::as_path));
    }

    pub(super) fn heed(&self, sign: Sign) {
        match sign {
            Sign::Seen(look) => self.see(look),
            Sign::TrayHost(there) => self.adapters.tray.host(there),
            Sign::Opened(place) => self.open(&place),
        }
    }

    /// A sign-in was asked for.
    pub(super) fn begin_around(&self) {
        self.around.history.take();
        self.look_at_user();
    }

    /// Nobody is signed in any more.
    pub(super) fn end_around(&self) {
        self.around.notices.borrow_mut().signed_out();
        self.around.idle.borrow_mut().signed_out();
        self.around.due.stop();
        self.show_details(false);
        if let Some(desktop) = &*self.around.desktop.borrow() {
            desktop.look_in(None);
        }
    }

    /// Something was chosen by hand.
    pub(super) fn chosen_by_hand(&self) {
        self.around.idle.borrow_mut().chosen(self.clock.now());
        self.look_at_user();
    }

    pub(super) fn note_history(&self, history: History) {
        self.around.history.borrow_mut().extend(history);
        self.refresh_details();
    }

    /// Takes in what happened to people and to the connection, for whom it is news.
    pub(super) fn note_news(&self, signed_in: bool, comings: Vec<Coming>, link: &Link) {
        let now = self.clock.now();
        let mut out = Vec::new();
        let session = self.session.borrow();
        let Some(session) = session.as_ref().filter(|session| session.was_signed_in) else {
            return;
        };
        let mut notices = self.around.notices.borrow_mut();
        notices.set_busy(session.own.status() == Status::Busy);
        if signed_in {
            notices.signed_in(now);
        }
        for coming in comings {
            match coming {
                Coming::Came(name) if name == session.form.name => {}
                // The list of the chosen people tells of them.
                Coming::Came(name) if self.is_chosen(&name) => {}
                Coming::Came(name) => {
                    let arrival = Arrival { name, favourite: false, awaited: false };
                    notices.came(arrival, now, &mut out);
                }
                Coming::Went(name) => notices.left(&name),
            }
        }
        notices.connection(Contact::of(link), now, &mut out);
        drop(notices);
        self.tell(out);
    }

    /// The own status is another one: what is told to the busy depends on it.
    pub(super) fn note_own(&self) {
        let mut notices = self.around.notices.borrow_mut();
        self.with_session(|session| notices.set_busy(session.own.status() == Status::Busy));
        drop(notices);
        self.tell_due();
        self.adapters.tray.refresh();
    }

    pub(super) fn refresh_details(&self) {
        if self.around.details.get() {
            self.adapters.details.show(&self.around.history.borrow(), self.clock.now());
        }
    }

    fn is_chosen(&self, name: &DisplayName) -> bool {
        let watching = self.watching.borrow();
        let (favourites, tell_me) = (watching.favourites(), watching.tell_me());
        favourites.contains(name.as_str()) || tell_me.contains(name.as_str())
    }

    fn see(&self, look: Look) {
        let now = self.clock.now();
        let mut idle = self.around.idle.borrow_mut();
        let mut changed = false;
        self.with_session(|session| {
            if let Some(choice) = idle.see(look, session.own.showing(), now) {
                session.own.choose_by_program(&choice);
                session.call.choose(choice);
                changed = true;
            }
        });
        let look_in = self.session.borrow().is_some().then(|| idle.look_in(look, now));
        drop(idle);
        if changed {
            self.show_own();
        }
        if let Some(desktop) = &*self.around.desktop.borrow() {
            desktop.look_in(look_in);
        }
    }

    /// Looks now, and from then on when there is something to see.
    fn look_at_user(&self) {
        if let Some(desktop) = &*self.around.desktop.borrow()
            && self.session.borrow().is_some()
        {
            desktop.look_in(Some(Duration::ZERO));
        }
    }

    fn tell_due(&self) {
        let mut out = Vec::new();
        self.around.notices.borrow_mut().poll(self.clock.now(), &mut out);
        self.tell(out);
    }

    fn tell(&self, notices: Vec<Notice>) {
        if let Some(desktop) = &*self.around.desktop.borrow() {
            for notice in notices {
                self.adapters
                    .notices
                    .words(notice)
                    .into_iter()
                    .for_each(|words| desktop.show(words));
            }
        }
        let due = self.around.notices.borrow().next_deadline();
        let Some(due) = due else { return self.around.due.stop() };
        let wait = due.saturating_duration_since(self.clock.now());
        let me = self.me.clone();
        self.around.due.start(TimerMode::SingleShot, wait, move || {
            if let Some(desk) = me.upgrade() {
                desk.tell_due();
            }
        });
    }

    fn open(&self, place: &Place) {
        self.adapters.tray.raise();
        if let Place::Person(name) = place {
            self.adapters.people.find(name);
        }
    }
}
