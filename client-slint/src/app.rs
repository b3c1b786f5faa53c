//! The program: one window, the desk behind it, and the wires between them.

use std::rc::Rc;
use std::time::Duration;

use slint::winit_030::{WinitWindowAccessor as _, winit};
use slint::{ComponentHandle as _, LogicalSize, PlatformError, Timer, TimerMode};

use crate::account::Keys;
use crate::adapters::Adapters;
use crate::call::Dialer;
use crate::clock::Clock;
use crate::core::language::Language;
use crate::core::minutes::Minutes;
use crate::core::settings::Size;
use crate::core::sign_in::Start;
use crate::desk::Desk;
use crate::desktop::Desktop;
use crate::instance::Instance;
use crate::keeper::Keeper;
use crate::store::Store;
use crate::ui::{AppWindow, Settings};

/// How long a window must have kept its size before that is remembered: while it is being maximised, it has its new size
/// before it says what that size means.
const SIZE_SETTLES: Duration = Duration::from_millis(500);

/// What the program needs of the world. Tests bring a world of their own.
pub struct Outside {
    /// Makes the connections.
    pub dialer: Box<dyn Dialer>,
    /// Says whose device this is.
    pub keys: Box<dyn Keys>,
    /// Keeps the settings.
    pub store: Box<dyn Store>,
    /// Tells the time.
    pub clock: Clock,
    /// The language that the system asks for.
    pub language: Language,
    /// What stands on the sign-in page of a first start: the server, and the name.
    pub first: (String, String),
}

/// The desktop program.
pub struct App {
    window: AppWindow,
    desk: Rc<Desk>,
    keeper: Rc<Keeper>,
    first: (String, String),
}

impl App {
    /// A window at which nobody is signed in yet.
    ///
    /// # Errors
    /// The system shows no windows.
    pub fn new(outside: Outside) -> Result<Self, PlatformError> {
        let Outside { dialer, keys, store, clock, language, first } = outside;
        let window = AppWindow::new()?;
        let keeper = Keeper::new(store);
        let adapters = Adapters::new(&window, Minutes::from(clock.wall_ms()), &clock, language);
        let desk = Desk::new(adapters, dialer, keys, keeper.clone(), clock);
        Adapters::connect(&window, &desk);
        let app = Self { window, desk, keeper, first };
        app.restore_size();
        app.remember_size();
        Ok(app)
    }

    /// Signs in as `start` says, or as the user did last; otherwise fills in the sign-in page.
    pub fn start(&self, start: &Start) {
        let (server, name) = &self.first;
        self.desk.start(start, self.desk.remembered(server, name));
    }

    /// The program was started again, with this: raises the window.
    pub fn start_again(&self, start: &Start) {
        raise(&self.window);
        let (server, name) = &self.first;
        self.desk.start_again(start, self.desk.remembered(server, name));
    }

    /// Lives on this desktop from now on.
    pub fn settle(&self, desktop: Rc<dyn Desktop>) {
        self.desk.settle(desktop);
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

    /// What the user set.
    #[must_use]
    pub fn keeper(&self) -> &Rc<Keeper> {
        &self.keeper
    }

    /// Shows the window until the user closes it, then leaves the server. Of later starts `instance` tells, if there is one.
    ///
    /// # Errors
    /// The system shows no windows.
    pub fn run(self, instance: Option<Instance>) -> Result<(), PlatformError> {
        self.window.show()?;
        let app = Rc::new(self);
        let waiting = instance.and_then(|instance| app.clone().wait_for_starts(instance));
        let ended = slint::run_event_loop();
        if let Some(waiting) = waiting {
            waiting.abort();
        }
        app.close();
        ended
    }

    fn wait_for_starts(self: Rc<Self>, mut instance: Instance) -> Option<slint::JoinHandle<()>> {
        slint::spawn_local(async move {
            while let Some(start) = instance.next().await {
                self.start_again(&start);
            }
        })
        .ok()
    }

    /// Leaves the server, and waits a little until it has been told.
    pub fn close(&self) {
        self.desk.close();
    }

    fn restore_size(&self) {
        let (size, maximised) =
            self.keeper.read(|settings| (settings.window.size, settings.window.maximised));
        if let Some(size) = size {
            // Both sides are far below what a float counts exactly.
            let [width, height] = [size.width(), size.height()].map(|side| side as f32);
            self.window.window().set_size(LogicalSize::new(width, height));
        }
        self.window.window().set_maximized(maximised);
    }

    fn remember_size(&self) {
        let (handle, keeper, timer) =
            (self.window.as_weak(), Rc::downgrade(&self.keeper), Rc::new(Timer::default()));
        self.window.global::<Settings<'_>>().on_resized(move || {
            let (handle, keeper) = (handle.clone(), keeper.clone());
            timer.start(TimerMode::SingleShot, SIZE_SETTLES, move || {
                if let (Some(window), Some(keeper)) = (handle.upgrade(), keeper.upgrade()) {
                    keep_size(&window, &keeper);
                }
            });
        });
    }
}

/// Brings the window before all others, as far as the desktop lets a program do that.
fn raise(window: &AppWindow) {
    // Nothing can be done about a system that shows no windows any more.
    let _ = window.show();
    window.window().set_minimized(false);
    window.window().with_winit_window(winit::window::Window::focus_window);
}

fn keep_size(window: &AppWindow, keeper: &Keeper) {
    let window = window.window();
    let LogicalSize { width, height, .. } = window.size().to_logical(window.scale_factor());
    let maximised = window.is_maximized();
    keeper.change(|settings| {
        settings.window.maximised = maximised;
        // A maximised window has the size of the screen, which nobody chose.
        if let Some(size) = Size::new(width as u32, height as u32).filter(|_| !maximised) {
            settings.window.size = Some(size);
        }
    });
}
