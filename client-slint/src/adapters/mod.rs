//! Between Rust and the window: one adapter for each global in `ui/globals/`. They connect callbacks
//! and map values; they decide nothing.

mod about;
mod card;
mod details;
mod link;
mod notices;
mod own;
mod people;
mod settings;
mod sign_in;
mod time;
mod tray;

use std::rc::{Rc, Weak};

use crate::clock::Clock;
use crate::core::language::Language;
use crate::core::minutes::Minutes;
use crate::desk::Desk;
use crate::ui::AppWindow;

pub use about::AboutAdapter;
pub use card::CardAdapter;
pub use details::DetailsAdapter;
pub use link::LinkAdapter;
pub use notices::NoticesAdapter;
pub use own::OwnAdapter;
pub use people::{PeopleAdapter, PeopleModel};
pub use settings::SettingsAdapter;
pub use sign_in::SignInAdapter;
pub use time::TimeAdapter;
pub use tray::TrayAdapter;

/// All adapters of one window.
pub struct Adapters {
    /// The sign-in page.
    pub sign_in: SignInAdapter,
    /// The connection bar.
    pub link: LinkAdapter,
    /// The details behind it.
    pub details: DetailsAdapter,
    /// The list.
    pub people: PeopleAdapter,
    /// The card of one person.
    pub card: CardAdapter,
    /// The signed-in user.
    pub own: OwnAdapter,
    /// The program itself, and the pairing code.
    pub about: AboutAdapter,
    /// The minutes.
    pub time: TimeAdapter,
    /// What the user set.
    pub settings: SettingsAdapter,
    /// The tray icon.
    pub tray: TrayAdapter,
    /// The words of notifications.
    pub notices: NoticesAdapter,
}

impl Adapters {
    /// The adapters of `window`, with nobody signed in, on a system that asks for this language.
    #[must_use]
    pub fn new(
        window: &AppWindow,
        minutes: Minutes,
        clock: &Clock,
        system_language: Language,
    ) -> Self {
        Self {
            sign_in: SignInAdapter::new(window),
            link: LinkAdapter::new(window),
            details: DetailsAdapter::new(window),
            people: PeopleAdapter::new(window, minutes, clock.clone()),
            card: CardAdapter::new(window),
            own: OwnAdapter::new(window, minutes),
            about: AboutAdapter::new(window),
            time: TimeAdapter::new(window, minutes, clock.clone()),
            settings: SettingsAdapter::new(window, system_language),
            tray: TrayAdapter::new(window),
            notices: NoticesAdapter::new(window),
        }
    }

    /// Lets what the user does in `window` reach `desk`.
    pub fn connect(window: &AppWindow, desk: &Rc<Desk>) {
        sign_in::connect(window, desk);
        link::connect(window, desk);
        details::connect(window, desk);
        own::connect(window, desk);
        about::connect(window, desk);
        card::connect(window, desk);
        people::connect(window, desk);
        sign_in::connect_asked(window, desk);
        settings::connect(window, desk);
    }
}

/// A callback that reaches the desk as long as there is one.
fn at_desk<T>(desk: &Weak<Desk>, then: impl FnOnce(&Desk) -> T) -> Option<T> {
    desk.upgrade().map(|desk| then(&desk))
}
