//! The X server's own timer, of the extension MIT-SCREEN-SAVER. It counts from the last key or move of the mouse.

use std::future::ready;
use std::time::Duration;

use x11rb::connection::Connection as _;
use x11rb::protocol::screensaver::ConnectionExt as _;
use x11rb::protocol::xproto::Window;
use x11rb::rust_connection::RustConnection;

use super::{IdleSource, Untouched};

/// A connection of its own to the X server, for one question now and then.
pub(super) struct ScreenSaver {
    server: RustConnection,
    root: Window,
}

impl ScreenSaver {
    /// `None` where there is no X server, or it does not have the extension.
    pub(super) fn connect() -> Option<Self> {
        let (server, screen) = RustConnection::connect(None).ok()?;
        let root = server.setup().roots.get(screen)?.root;
        let saver = Self { server, root };
        saver.ask().map(|_| saver)
    }

    /// The server is on this computer, or behind a connection that the window needs as well.
    fn ask(&self) -> Option<Duration> {
        let reply = self.server.screensaver_query_info(self.root).ok()?.reply().ok()?;
        Some(Duration::from_millis(reply.ms_since_user_input.into()))
    }
}

impl IdleSource for ScreenSaver {
    fn untouched(&mut self) -> Untouched<'_> {
        Box::pin(ready(self.ask()))
    }
}
