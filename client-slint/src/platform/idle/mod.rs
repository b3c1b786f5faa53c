//! For how long nobody has touched the computer: three ways to ask, of which a desktop answers one.

mod mutter;
mod wayland;
mod x11;

use std::env;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::clock::Clock;

/// The answer to come.
pub(super) type Untouched<'a> = Pin<Box<dyn Future<Output = Option<Duration>> + 'a>>;

/// Knows for how long nobody has touched the computer.
pub(super) trait IdleSource {
    /// For how long; `None` if it cannot be told now.
    fn untouched(&mut self) -> Untouched<'_>;
}

/// What the desktop calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Display {
    Wayland,
    X11,
    None,
}

/// The way to ask that works here; `None` if there is none.
///
/// Under Wayland the X server's own timer says nothing: it hears only what is typed into X windows.
pub(super) async fn source(
    bus: Option<&zbus::Connection>,
    clock: &Clock,
) -> Option<Box<dyn IdleSource>> {
    match display(|name| env::var_os(name).is_some_and(|value| !value.is_empty())) {
        Display::Wayland => match wayland::Compositor::connect(clock.clone()) {
            Some(compositor) => Some(Box::new(compositor)),
            None => mutter::Monitor::of(bus).await.map(|monitor| Box::new(monitor) as _),
        },
        Display::X11 => x11::ScreenSaver::connect().map(|saver| Box::new(saver) as _),
        Display::None => None,
    }
}

/// Which of the two shows the window: Wayland, where both are there.
fn display(is_set: impl Fn(&str) -> bool) -> Display {
    if is_set("WAYLAND_DISPLAY") || is_set("WAYLAND_SOCKET") {
        Display::Wayland
    } else if is_set("DISPLAY") {
        Display::X11
    } else {
        Display::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_display_that_shows_the_window_is_asked() {
        let with = |set: &[&str]| display(|name| set.contains(&name));
        assert_eq!(with(&["DISPLAY"]), Display::X11);
        assert_eq!(with(&["DISPLAY", "WAYLAND_DISPLAY"]), Display::Wayland);
        assert_eq!(with(&[]), Display::None);
    }
}
