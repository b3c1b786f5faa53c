//! The settings of this run: read once, changed by the window, written soon after.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use slint::{Timer, TimerMode};

use crate::core::settings::{Reading, Settings};
use crate::store::Store;

/// How long after the last change the settings are written, so that a window that is being resized writes them once.
pub const WRITE_AFTER: Duration = Duration::from_secs(1);

/// Keeps the settings. Lives on the window's thread.
pub struct Keeper {
    me: Weak<Self>,
    settings: RefCell<Settings>,
    store: Box<dyn Store>,
    /// They are not written yet.
    changed: Cell<bool>,
    /// What is kept could not be read and could not be copied either, so that writing would lose it.
    sealed: Cell<bool>,
    timer: Timer,
    trouble: RefCell<Vec<Trouble>>,
}

/// What went wrong with the settings, for people. The window says what it means, this says what and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The whole file; everything has its default, and a copy stands here.
    Broken {
        /// What is wrong with it.
        reason: String,
        /// Where the copy stands.
        aside: String,
    },
    /// Some keys, which have their defaults; a copy of the file stands here.
    Keys {
        /// Each key, and what is wrong with it.
        keys: String,
        /// Where the copy stands.
        aside: String,
    },
    /// They cannot be read, and are not written in this run.
    Unreadable(String),
    /// They cannot be written.
    Unwritable(String),
}

impl Keeper {
    /// Reads the settings, or takes the defaults where that fails.
    #[must_use]
    pub fn new(store: Box<dyn Store>) -> Rc<Self> {
        let (reading, trouble) = load(&*store);
        let sealed = matches!(trouble, Some(Trouble::Unreadable(_)));
        if let Some(trouble) = &trouble {
            eprintln!("herenow-desktop: {trouble}");
        }
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            settings: RefCell::new(reading.settings),
            store,
            changed: Cell::new(false),
            sealed: Cell::new(sealed),
            timer: Timer::default(),
            trouble: RefCell::new(trouble.into_iter().collect()),
        })
    }

    /// What `look` makes of the settings.
    pub fn read<T>(&self, look: impl FnOnce(&Settings) -> T) -> T {
        look(&self.settings.borrow())
    }

    /// Changes the settings; they are written [`WRITE_AFTER`] the last change. `change` must not come back here.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        let before = self.settings.borrow().clone();
        change(&mut self.settings.borrow_mut());
        if *self.settings.borrow() == before {
            return;
        }
        self.changed.set(true);
        let me = self.me.clone();
        self.timer.start(TimerMode::SingleShot, WRITE_AFTER, move || {
            if let Some(keeper) = me.upgrade() {
                keeper.flush();
            }
        });
    }

    /// Writes what is not written yet.
    pub fn flush(&self) {
        self.timer.stop();
        if self.sealed.get() || !self.changed.replace(false) {
            return;
        }
        let text = self.settings.borrow().text();
        let mut trouble = self.trouble.borrow_mut();
        trouble.retain(|one| !matches!(one, Trouble::Unwritable(_)));
        if let Err(error) = self.store.save(&text) {
            // The next change tries again, and the end of the program.
            self.changed.set(true);
            trouble.push(Trouble::Unwritable(error.to_string()));
        }
    }

    /// What is wrong, oldest first.
    #[must_use]
    pub fn trouble(&self) -> Vec<Trouble> {
        self.trouble.borrow().clone()
    }
}

/// What is kept, as far as it can be read; what cannot is set aside before anything is written over it.
fn load(store: &dyn Store) -> (Reading, Option<Trouble>) {
    let bytes = match store.load() {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(error) => return (Reading::default(), Some(Trouble::Unreadable(error.to_string()))),
    };
    let (reading, reason) = match Settings::read(&bytes) {
        Ok(reading) if reading.complaints.is_empty() => return (reading, None),
        Ok(reading) => (reading, None),
        Err(broken) => (Reading::default(), Some(broken.to_string())),
    };
    let trouble = match (store.set_aside(), reason) {
        (Err(error), _) => Trouble::Unreadable(error.to_string()),
        (Ok(aside), Some(reason)) => Trouble::Broken { reason, aside },
        (Ok(aside), None) => {
            let keys: Vec<String> = reading.complaints.iter().map(ToString::to_string).collect();
            Trouble::Keys { keys: keys.join("; "), aside }
        }
    };
    (reading, Some(trouble))
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken { reason, aside } => write!(
                f,
                "the settings cannot be read, defaults are used; a copy is kept as {aside}: {reason}"
            ),
            Self::Keys { keys, aside } => write!(
                f,
                "some settings cannot be read and have their defaults; a copy is kept as {aside}: {keys}"
            ),
            Self::Unreadable(error) => write!(
                f,
                "the settings can be neither read nor set aside, so none are saved in this run: {error}"
            ),
            Self::Unwritable(error) => write!(f, "the settings cannot be saved: {error}"),
        }
    }
}
