//! The program under test, on a display of its own, and what the system says of it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, MapState, Window};
use x11rb::rust_connection::RustConnection;

const PROGRAM: &str = env!("CARGO_BIN_EXE_herenow-desktop");

/// How often the display is asked for the window.
const POLL: Duration = Duration::from_millis(2);

/// Nothing takes as long as this.
const LIMIT: Duration = Duration::from_secs(120);

/// An X server of its own.
pub struct Display {
    server: Child,
    name: String,
    connection: RustConnection,
    root: Window,
}

/// The program.
pub struct Program {
    child: Child,
    started: Instant,
    /// Where it keeps what it remembers.
    home: PathBuf,
}

impl Display {
    /// Starts Xvfb on a free display.
    pub fn start() -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is installed");
        let out = server.stdout.take().expect("it is piped");
        let mut number = String::new();
        BufReader::new(out).read_line(&mut number).expect("Xvfb tells its display");
        let name = format!(":{}", number.trim());
        let (connection, screen) = x11rb::connect(Some(&name)).expect("Xvfb takes connections");
        let root = connection.setup().roots[screen].root;
        Self { server, name, connection, root }
    }

    /// The titles of the windows that can be seen.
    fn titles(&self) -> Vec<String> {
        let tree = self.connection.query_tree(self.root).expect("Xvfb lives").reply();
        let children = tree.map(|tree| tree.children).unwrap_or_default();
        children.into_iter().filter_map(|window| self.title(window)).collect()
    }

    /// None of a window that cannot be seen, or has gone meanwhile.
    fn title(&self, window: Window) -> Option<String> {
        let state = self.connection.get_window_attributes(window).ok()?.reply().ok()?.map_state;
        if state != MapState::VIEWABLE {
            return None;
        }
        let name = self.connection.intern_atom(false, b"_NET_WM_NAME").ok()?.reply().ok()?.atom;
        let title = self.connection.get_property(false, window, name, AtomEnum::ANY, 0, 64);
        String::from_utf8(title.ok()?.reply().ok()?.value).ok()
    }

    fn wait_for(&self, is_there: impl Fn(&str) -> bool, what: &str) {
        let start = Instant::now();
        while !self.titles().iter().any(|title| is_there(title)) {
            assert!(start.elapsed() < LIMIT, "no {what} came: {:?}", self.titles());
            sleep(POLL);
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Program {
    /// Starts it, with a name, so that it signs in at once.
    pub fn start(display: &Display, server: &str) -> Self {
        let home = std::env::temp_dir().join(format!("herenow-bench-{}", std::process::id()));
        fs::create_dir_all(&home).expect("a directory can be made");
        let started = Instant::now();
        let child = Command::new(PROGRAM)
            .args(["--server", server, "--name", "Zoe"])
            .env("DISPLAY", &display.name)
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .envs(
                ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"]
                    .map(|name| (name, &home)),
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        Self { child, started, home }
    }

    /// From the start to the window.
    pub fn wait_for_window(&self, display: &Display) -> Duration {
        display.wait_for(|title| title.contains("herenow"), "window");
        self.started.elapsed()
    }

    /// From the start to the `Welcome`: the title has the user's name then. The list may not be there yet.
    pub fn wait_for_sign_in(&self, display: &Display) -> Duration {
        display.wait_for(|title| title.starts_with("Zoe"), "sign-in");
        self.started.elapsed()
    }

    /// Proportional set size.
    pub fn pss_mb(&self) -> f64 {
        self.memory_kb(&["Pss:"]) / 1024.0
    }

    /// What no other process has.
    pub fn private_mb(&self) -> f64 {
        self.memory_kb(&["Private_Clean:", "Private_Dirty:"]) / 1024.0
    }

    /// Percent of a core that all threads together take, over this time.
    pub fn processor_share(&self, time: Duration) -> f64 {
        let (before, start) = (self.processor_s(), Instant::now());
        sleep(time);
        (self.processor_s() - before) / start.elapsed().as_secs_f64() * 100.0
    }

    fn memory_kb(&self, fields: &[&str]) -> f64 {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(path).expect("the program runs");
        let of = |field: &&str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(*field)).unwrap_or_default();
            line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
        };
        fields.iter().map(of).sum()
    }

    fn processor_s(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let spent = tasks.flatten().filter_map(|task| {
            let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
            stat.split(' ').next()?.parse::<f64>().ok()
        });
        spent.sum::<f64>() / 1e9
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.home);
    }
}
