//! What the user's wishes and the server's news do to the window.

mod around;
mod people;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::{Rc, Weak};
use std::time::Duration;

use herenow_client::protocol::name::InvalidText;
use herenow_client::protocol::{RoomName, Status, StatusText, ViewProof};
use slint::{Timer, TimerMode};

use crate::account::Keys;
use crate::adapters::Adapters;
use crate::call::{Call, Dialer};
use crate::clock::Clock;
use crate::core::batch::Batch;
use crate::core::link::{Action, Link, Phase};
use crate::core::own::{Keep, Own};
use crate::core::settings::Settings;
use crate::core::sign_in::{Form, Problem, Start, Typed, check_code};
use crate::core::views::Views;
use crate::core::watching::Watching;
use crate::keeper::Keeper;
use around::Around;
use people::Card;
pub use people::RoomTrouble;

/// Added to the time after which a countdown shows another number, so that it has changed for certain.
const COUNTDOWN_SLACK: Duration = Duration::from_millis(1);

/// How often the window looks for a new minute; it is drawn anew only where one is told.
const MINUTE_TICK: Duration = Duration::from_secs(5);

/// How long closing the window may wait until the server has been told.
const LEAVE_LIMIT: Duration = Duration::from_secs(1);

/// The state behind the window. Lives on the window's thread.
pub struct Desk {
    me: Weak<Self>,
    adapters: Adapters,
    dialer: Box<dyn Dialer>,
    keys: Box<dyn Keys>,
    keeper: Rc<Keeper>,
    clock: Clock,
    session: RefCell<Option<Session>>,
    /// Favourites, and of whom the user wants to be told.
    watching: RefCell<Watching>,
    /// The rooms that the user is in, besides the lobby.
    rooms: RefCell<BTreeSet<RoomName>>,
    card: RefCell<Option<Card>>,
    around: Around,
    /// Fires when what the connection bar shows changes by itself.
    countdown: Timer,
    minute: Timer,
}

/// One sign-in, with everything that comes of it.
struct Session {
    form: Form,
    call: Box<dyn Call>,
    link: Link,
    own: Own,
    views: Views,
    /// What the lobby adds up to, if it is proved exact.
    proof: Option<ViewProof>,
    /// The people page is shown from the first success on.
    was_signed_in: bool,
}

impl Desk {
    /// A desk at which nobody is signed in.
    #[must_use]
    pub fn new(
        adapters: Adapters,
        dialer: Box<dyn Dialer>,
        keys: Box<dyn Keys>,
        keeper: Rc<Keeper>,
        clock: Clock,
    ) -> Rc<Self> {
        let desk = Rc::new_cyclic(|me| Self {
            me: me.clone(),
            adapters,
            dialer,
            keys,
            keeper,
            clock,
            session: RefCell::default(),
            watching: RefCell::default(),
            rooms: RefCell::default(),
            card: RefCell::default(),
            around: Around::default(),
            countdown: Timer::default(),
            minute: Timer::default(),
        });
        let servers = desk.keeper.read(|settings| settings.sign_in.servers.clone());
        desk.adapters.sign_in.show_servers(&servers);
        desk.show_settings();
        desk.adapters.tray.connect(&desk);
        desk.show_link();
        desk
    }

    /// Signs in with what was typed, or tells what is wrong with it. A pairing code makes this device one of another's
    /// user first.
    pub fn sign_in(&self, typed: &Typed) {
        let checked = Form::check(typed).and_then(|form| {
            self.adopt(&typed.code)?;
            Ok(form)
        });
        match checked {
            Ok(form) => {
                self.remember(&form);
                self.recall_people(&form.server);
                let invisible = self.keeper.read(|settings| settings.sign_in.invisible);
                self.dial(form, if invisible { Own::invisible() } else { Own::default() });
            }
            Err(problem) => self.adapters.sign_in.show_problem(Some(problem)),
        }
    }

    /// Begins as `start` says; where it says nothing, as it was when the program ended. `typed` is what stands on the sign-in
    /// page if the user has to be asked.
    pub fn start(&self, start: &Start, typed: Typed) {
        let known = self.keeper.read(|settings| {
            settings.sign_in.at_start().map(|(server, name)| (server.to_owned(), name.to_owned()))
        });
        let is_asked_for = start.server.is_some();
        let server = start.server.clone().unwrap_or_else(|| typed.server.clone());
        let typed = Typed { server, ..typed };
        let by_itself = match (&start.name, known) {
            (Some(name), _) => Some(Typed { name: name.clone(), ..typed.clone() }),
            (None, Some((server, name))) if !is_asked_for => {
                Some(Typed { server, name, ..typed.clone() })
            }
            _ => None,
        };
        self.adapters.sign_in.offer(by_itself.as_ref().unwrap_or(&typed));
        if let Some(typed) = by_itself {
            self.sign_in(&typed);
        }
    }

    /// The program was started again, with this.
    pub fn start_again(&self, start: &Start, typed: Typed) {
        let here =
            self.session.borrow().as_ref().map(|session| {
                (session.form.server.clone(), session.form.name.as_str().to_owned())
            });
        let server = start.server.clone().unwrap_or_else(|| typed.server.clone());
        let typed = Typed { server, ..typed };
        match (here, &start.name) {
            (None, Some(name)) => {
                let typed = Typed { name: name.clone(), ..typed };
                self.adapters.sign_in.offer(&typed);
                self.sign_in(&typed);
            }
            (None, None) => self.adapters.sign_in.offer(&typed),
            (Some((server, name)), asked) => {
                let asked = asked.clone().unwrap_or_else(|| name.clone());
                if (&server, &name) != (&typed.server, &asked) {
                    self.adapters.sign_in.ask(&typed.server, &asked);
                }
            }
        }
    }

    /// The user ends the session, whatever became of it, and does not want to be signed in by the next start.
    pub fn sign_out(&self) {
        self.keeper.change(|settings| settings.sign_in.signed_out = true);
        self.end_session();
    }

    /// Ends the session and shows the sign-in page.
    fn end_session(&self) {
        self.session.take();
        self.minute.stop();
        self.close_card();
        self.end_around();
        self.show_link();
    }

    fn show_settings(&self) {
        self.adapters.settings.show(&self.keeper);
        let (grouping, sort) =
            self.keeper.read(|settings| (settings.list.grouping, settings.list.sort));
        self.adapters.people.arrange(grouping, sort);
        self.follow_settings();
    }

    fn remember(&self, form: &Form) {
        let label = form.label.as_str();
        let label = (label != self.keys.device_label()).then(|| label.to_owned());
        self.keeper.change(|settings| {
            settings.sign_in.note(&form.server, form.name.as_str(), label);
        });
        let servers = self.keeper.read(|settings| settings.sign_in.servers.clone());
        self.adapters.sign_in.show_servers(&servers);
    }

    /// What stands on the sign-in page at the start.
    #[must_use]
    pub fn remembered(&self, server: &str, name: &str) -> Typed {
        self.keeper.read(|Settings { sign_in, .. }| Typed {
            server: sign_in.server().unwrap_or(server).to_owned(),
            name: if sign_in.name.is_empty() { name.to_owned() } else { sign_in.name.clone() },
            device: sign_in.device_label.clone().unwrap_or_else(|| self.keys.device_label()),
            code: String::new(),
        })
    }

    /// The user sets something.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        self.keeper.change(change);
        self.show_settings();
    }

    /// Ends the session before the program ends: waits a little until the server has been told.
    pub fn close(&self) {
        self.keeper.flush();
        if let Some(mut session) = self.session.take() {
            session.call.leave(LEAVE_LIMIT);
        }
    }

    /// Does what the button in the connection bar says.
    pub fn act(&self, action: Action) {
        match action {
            Action::None => {}
            Action::Retry => self.with_session(|session| session.call.retry_now()),
            Action::TakeOver => self.take_over(),
            Action::SignIn => self.end_session(),
        }
    }

    /// Shows others another status with the same text.
    pub fn choose(&self, status: Status) {
        self.set(|settings| settings.sign_in.invisible = status == Status::Invisible);
        self.with_session(|session| {
            let choice = session.own.choose(status);
            session.call.choose(choice);
        });
        self.chosen_by_hand();
        self.show_own();
    }

    /// Shows others another text with the same status, for a while.
    ///
    /// # Errors
    /// The rule that the text breaks; nothing was changed.
    pub fn say(&self, text: &str, keep: Keep) -> Result<(), InvalidText> {
        let text = StatusText::new(text.trim())?;
        self.with_session(|session| {
            let choice = session.own.say(text, keep, self.clock.wall_ms());
            session.call.choose(choice);
        });
        self.show_own();
        Ok(())
    }

    /// Shows this account's pairing code, or that it cannot be read.
    pub fn show_code(&self) {
        self.adapters.about.show_code(self.keys.code().ok().as_deref());
    }

    fn adopt(&self, code: &str) -> Result<(), Problem> {
        if code.trim().is_empty() {
            return Ok(());
        }
        check_code(code)?;
        self.keys.adopt(code).map_err(|_| Problem::NoDevice)
    }

    fn take_over(&self) {
        let session = self.session.take();
        if let Some(Session { form, own, call, .. }) = session {
            drop(call);
            self.dial(form, own.anew());
        }
    }

    fn dial(&self, form: Form, own: Own) {
        // The old call ends before the new one begins.
        self.session.take();
        let me = self.me.clone();
        let deliver = move |batch| {
            if let Some(desk) = me.upgrade() {
                desk.deliver(batch);
            }
        };
        let Ok(call) = self.dialer.dial(&form, own.choice(), Box::new(deliver)) else {
            self.adapters.sign_in.show_problem(Some(Problem::NoDevice));
            self.show_link();
            return;
        };
        self.adapters.sign_in.show_problem(None);
        self.adapters.people.clear(&form.name);
        let (link, views) = (Link::dialled(), Views::default());
        let session = Session { form, call, link, own, views, proof: None, was_signed_in: false };
        *self.session.borrow_mut() = Some(session);
        self.watch_again();
        self.begin_around();
        self.show_own();
        self.show_link();
        self.keep_minutes();
    }

    fn deliver(&self, batch: Batch) {
        let Batch { link, signed_in, replaced, news, proof, comings, own, refusal, history } =
            batch;
        let mut chosen_elsewhere = false;
        self.with_session(|session| {
            session.was_signed_in |= link.is_signed_in() || replaced.is_some();
            session.link = link.clone();
            session.proof = proof;
            let showing = session.own.showing();
            session.own.apply(own, self.clock.wall_ms());
            chosen_elsewhere = session.own.showing() != showing;
        });
        if chosen_elsewhere {
            self.chosen_by_hand();
        }
        self.note_news(signed_in, comings, &link);
        self.note_history(history);
        self.take_news(replaced, news);
        self.show_own();
        self.adapters.own.show_refusal(refusal.as_deref());
        self.show_link();
        self.show_card();
        self.show_minute();
    }

    fn with_session(&self, then: impl FnOnce(&mut Session)) {
        if let Some(session) = self.session.borrow_mut().as_mut() {
            then(session);
        }
    }

    fn show_own(&self) {
        self.with_session(|session| self.adapters.own.show(&session.form.name, &session.own));
        self.note_own();
    }

    /// Shows what the connection is now, and again whenever that changes by itself.
    fn show_link(&self) {
        let session = self.session.borrow();
        let link = session.as_ref().map(|session| session.link.clone()).unwrap_or_default();
        let on_people_page = session.as_ref().is_some_and(|session| session.was_signed_in);
        drop(session);
        let now = self.clock.now();
        let mut shown = link.shown(now);
        if !on_people_page && shown.action == Action::SignIn {
            // The sign-in page has this button already.
            shown.action = Action::None;
        }
        let trying = matches!(shown.phase, Phase::Trying | Phase::Waiting);
        self.adapters.sign_in.show(on_people_page, trying && !on_people_page);
        self.adapters.people.show_exact(link.is_exact());
        self.adapters.link.show(&shown);
        self.adapters.tray.refresh();
        self.refresh_details();
        self.show_again_in(link.changes_in(now));
    }

    fn show_again_in(&self, time: Option<Duration>) {
        let Some(time) = time else { return self.countdown.stop() };
        let me = self.me.clone();
        self.countdown.start(TimerMode::SingleShot, time + COUNTDOWN_SLACK, move || {
            if let Some(desk) = me.upgrade() {
                desk.show_link();
            }
        });
    }

    fn keep_minutes(&self) {
        self.adapters.time.show(self.clock.wall_ms());
        let me = self.me.clone();
        self.minute.start(TimerMode::Repeated, MINUTE_TICK, move || {
            if let Some(desk) = me.upgrade() {
                desk.show_minute();
            }
        });
    }

    /// Nobody on an old list is known to be idle for longer than they were, so its minutes stand still.
    fn show_minute(&self) {
        self.with_session(|session| {
            if session.link.is_exact() {
                self.adapters.time.show(self.clock.wall_ms());
            }
        });
    }
}
