//! The rest of a desktop: notifications, a tray, a screen saver; and the windows as a window manager sees them.

#![allow(unreachable_pub, reason = "a test has no users")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask, MapState, Window,
};
use x11rb::rust_connection::RustConnection;

use crate::desktop::{Desktop, PATIENCE, Program};

/// The script that stands in for the desktop.
pub struct Around {
    program: Program,
    commands: ChildStdin,
    events: Receiver<Value>,
    /// What the tray showed last.
    tray: Option<Value>,
}

/// The X server, asked for windows.
pub struct Windows {
    server: RustConnection,
    root: Window,
}

impl Around {
    /// Starts it on this desktop's bus, and waits until it is there.
    pub fn start(desktop: &Desktop) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/fake_desktop.py");
        let mut python = desktop.command("/usr/bin/python3");
        let mut program =
            Program::start(python.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()));
        let (output, commands) = (BufReader::new(program.output()), program.input());
        let (tell, events) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).expect("the script writes JSON");
                if tell.send(event).is_err() {
                    break;
                }
            }
        });
        let mut around = Self { program, commands, events, tray: None };
        around.expect("ready", |_| true);
        around
    }

    pub fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the script reads");
    }

    /// Waits until this happens.
    #[track_caller]
    pub fn expect(&mut self, event: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        while let Ok(next) = self.events.recv_timeout(PATIENCE) {
            if next["event"] == "tray" {
                self.tray = Some(next.clone());
            }
            if next["event"] == event && holds(&next) {
                return next;
            }
            seen.push(next);
        }
        panic!("no such {event} within {PATIENCE:?}, but {seen:#?}");
    }

    /// Waits until the tray shows this, unless it does already.
    #[track_caller]
    pub fn expect_tray(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        match self.tray.clone().filter(&holds) {
            Some(tray) => tray,
            None => self.expect("tray", holds),
        }
    }

    /// Forgets the tray: the program that shows it ended.
    pub fn forget_tray(&mut self) {
        self.tray = None;
    }

    /// The number of a notification that said this.
    #[track_caller]
    pub fn expect_notification(&mut self, summary: &str) -> Value {
        self.expect("notify", |event| event["summary"] == summary)
    }

    /// What was told and not looked at yet.
    pub fn rest(&mut self) -> Vec<Value> {
        self.events.try_iter().collect()
    }

    /// Ends it, as a desktop that crashes.
    pub fn end(self) {
        drop(self.program);
    }
}

impl Windows {
    pub fn of(desktop: &Desktop) -> Self {
        let (server, screen) =
            RustConnection::connect(Some(desktop.display())).expect("the X server is there");
        let root = server.setup().roots[screen].root;
        Self { server, root }
    }

    /// Waits until a window whose title begins so is in sight, or until none is.
    #[track_caller]
    pub fn expect(&self, title: &str, in_sight: bool) {
        for _ in 0..PATIENCE.as_millis() / 20 {
            if self.find(title).is_some() == in_sight {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("a window {title:?} in sight: not {in_sight}");
    }

    /// Closes the window as a window manager does whose user clicks on the cross.
    pub fn close(&self, title: &str) {
        let window = self.find(title).expect("the window is in sight");
        let atom = |name: &[u8]| {
            let atom = self.server.intern_atom(false, name).expect("the X server is there");
            atom.reply().expect("an atom").atom
        };
        let delete = [atom(b"WM_DELETE_WINDOW"), 0, 0, 0, 0];
        let event = ClientMessageEvent::new(32, window, atom(b"WM_PROTOCOLS"), delete);
        let sent = self.server.send_event(false, window, EventMask::NO_EVENT, event);
        sent.expect("the X server is there").check().expect("the window takes events");
    }

    fn find(&self, title: &str) -> Option<Window> {
        let tree = self.server.query_tree(self.root).expect("the X server is there");
        let windows = tree.reply().expect("the windows").children;
        windows.into_iter().find(|&window| self.is_shown(window, title).unwrap_or(false))
    }

    /// A window that goes meanwhile is not shown.
    fn is_shown(&self, window: Window, title: &str) -> Result<bool, x11rb::errors::ReplyError> {
        let attributes = self.server.get_window_attributes(window)?.reply()?;
        let name = self
            .server
            .get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 256)?
            .reply()?;
        Ok(attributes.map_state == MapState::VIEWABLE && name.value.starts_with(title.as_bytes()))
    }
}
