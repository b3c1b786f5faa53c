//! The program: one window, the desk behind it, and the wires between them.

use std::rc::Rc;

use slint::{ComponentHandle as _, PlatformError};

use crate::account::Keys;
use crate::adapters::Adapters;
use crate::call::Dialer;
use crate::clock::Clock;
use crate::core::minutes::Minutes;
use crate::desk::Desk;
use crate::ui::{AppWindow, SignIn};

/// The desktop program.
pub struct App {
    window: AppWindow,
    desk: Rc<Desk>,
}

impl App {
    /// A window at which nobody is signed in yet; `dialer` makes its connections, `keys` say whose device this is.
    ///
    /// # Errors
    /// The system shows no windows.
    pub fn new(
        dialer: Box<dyn Dialer>,
        keys: Box<dyn Keys>,
        clock: Clock,
    ) -> Result<Self, PlatformError> {
        let window = AppWindow::new()?;
        let adapters = Adapters::new(&window, Minutes::from(clock.wall_ms()), &clock);
        let desk = Desk::new(adapters, dialer, keys, clock);
        Adapters::connect(&window, &desk);
        Ok(Self { window, desk })
    }

    /// Fills in the sign-in page.
    pub fn offer(&self, server: &str, name: &str) {
        let page = self.window.global::<SignIn<'_>>();
        page.set_server(server.into());
        page.set_name(name.into());
    }

    /// Fills in the sign-in page and signs in.
    pub fn sign_in(&self, server: &str, name: &str) {
        self.offer(server, name);
        self.desk.sign_in(server, name, "");
    }

    /// The window.
    #[must_use]
    pub fn window(&self) -> &AppWindow {
        &self.window
    }

    /// What the user's wishes do, for whoever brings them another way than through the window.
    #[must_use]
    pub fn desk(&self) -> &Rc<Desk> {
        &self.desk
    }

    /// Shows the window until the user closes it, then leaves the server.
    ///
    /// # Errors
    /// The system shows no windows.
    pub fn run(self) -> Result<(), PlatformError> {
        self.window.show()?;
        slint::run_event_loop()?;
        self.close();
        Ok(())
    }

    /// Leaves the server, and waits a little until it has been told.
    pub fn close(&self) {
        self.desk.close();
    }
}
