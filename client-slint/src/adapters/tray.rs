//! The adapter of the tray icon, and of the window as it is seen from there.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use slint::{CloseRequestResponse, ComponentHandle as _, Timer, TimerMode};

use super::at_desk;
use super::people::core_status;
use crate::desk::Desk;
use crate::ui::{AppWindow, Own, Page, People, SignIn, Tray};

/// How often the counts in the tooltip may change: each change goes to the desktop by D-Bus.
const COUNTS_EVERY: Duration = Duration::from_secs(2);

/// Shows the tray icon where the desktop has a place for it.
pub struct TrayAdapter {
    window: slint::Weak<AppWindow>,
    desk: RefCell<Weak<Desk>>,
    tray: Rc<RefCell<Option<Tray>>>,
    /// Closing the window leaves the program in the tray.
    stays: Rc<Cell<bool>>,
    counts: Timer,
}

impl TrayAdapter {
    pub(super) fn new(window: &AppWindow) -> Self {
        Self {
            window: window.as_weak(),
            desk: RefCell::default(),
            tray: Rc::default(),
            stays: Rc::new(Cell::new(true)),
            counts: Timer::default(),
        }
    }

    /// Lets what the user does in the menu reach `desk`, and closes the window to the tray only where there is one.
    pub fn connect(&self, desk: &Rc<Desk>) {
        self.desk.replace(Rc::downgrade(desk));
        let (tray, stays) = (self.tray.clone(), self.stays.clone());
        if let Some(window) = self.window.upgrade() {
            window.window().on_close_requested(move || {
                if tray.borrow().is_none() || !stays.get() {
                    quit();
                }
                CloseRequestResponse::HideWindow
            });
        }
    }

    /// Whether closing the window leaves the program in the tray, where there is one.
    pub fn close_to_tray(&self, stays: bool) {
        self.stays.set(stays);
    }

    /// There is a place for tray icons from now on, or there no longer is.
    pub fn host(&self, there: bool) {
        if there {
            // Without an icon the program is as it was.
            if let Ok(tray) = Tray::new() {
                self.listen(&tray);
                self.tray.replace(Some(tray));
                self.refresh();
                self.show_counts();
            }
        } else if self.tray.borrow().is_some() {
            // Nothing else would bring a hidden window back; and before the icon goes, for the program ends with the last
            // of them.
            self.raise();
            self.tray.take();
        }
    }

    /// Shows what is shown elsewhere in the window: the own status, and whether it is true.
    pub fn refresh(&self) {
        let (Some(window), Some(tray)) = (self.window.upgrade(), &*self.tray.borrow()) else {
            return;
        };
        let signed_in = window.global::<SignIn<'_>>().get_page() == Page::People;
        tray.set_signed_in(signed_in);
        tray.set_exact(signed_in && window.global::<People<'_>>().get_exact());
        tray.set_status(window.global::<Own<'_>>().get_row().status);
        if !self.counts.running() {
            let (window, trays) = (self.window.clone(), Rc::downgrade(&self.tray));
            self.counts.start(TimerMode::SingleShot, COUNTS_EVERY, move || {
                if let (Some(window), Some(trays)) = (window.upgrade(), trays.upgrade())
                    && let Some(tray) = &*trays.borrow()
                {
                    show_counts(&window, tray);
                }
            });
        }
    }

    /// Brings the window to the user.
    pub fn raise(&self) {
        if let Some(window) = self.window.upgrade() {
            window.window().set_minimized(false);
            // A desktop that shows no windows any more takes the program down with it.
            let _ = window.show();
        }
    }

    fn show_counts(&self) {
        if let (Some(window), Some(tray)) = (self.window.upgrade(), &*self.tray.borrow()) {
            show_counts(&window, tray);
        }
    }

    fn listen(&self, tray: &Tray) {
        let desk = || self.desk.borrow().clone();
        let window = self.window.clone();
        tray.on_open(move || {
            if let Some(window) = window.upgrade() {
                window.window().set_minimized(false);
                let _ = window.show();
            }
        });
        let window = self.window.clone();
        tray.on_toggle(move || {
            let Some(window) = window.upgrade() else { return };
            let _ = if window.window().is_visible() { window.hide() } else { window.show() };
        });
        let weak = desk();
        tray.on_choose(move |status| {
            at_desk(&weak, |desk| desk.choose(core_status(status)));
        });
        let weak = desk();
        tray.on_sign_out(move || {
            at_desk(&weak, Desk::sign_out);
        });
        tray.on_quit(quit);
    }
}

fn show_counts(window: &AppWindow, tray: &Tray) {
    let counts = window.global::<People<'_>>().get_counts();
    tray.set_here(counts.all);
    tray.set_available(counts.available);
}

/// Ends the event loop, and with it the program. Where there is no loop there is nothing to end.
fn quit() {
    let _ = slint::quit_event_loop();
}
