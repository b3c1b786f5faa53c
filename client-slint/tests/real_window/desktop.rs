//! A desktop of the test's own: an X server, a session bus with a screen reader, a keyboard.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A program that this test started. It and what it started end with this value.
pub struct Program {
    child: Child,
    name: String,
}

/// Where the window is shown, read and typed into.
pub struct Desktop {
    environment: HashMap<&'static str, String>,
    home: PathBuf,
    _programs: Vec<Program>,
}

/// Hears what a screen reader would say of the window.
pub struct Reader {
    _program: Program,
    heard: Receiver<Heard>,
    last: Vec<Spoken>,
    announced: Vec<String>,
}

/// What a screen reader hears.
enum Heard {
    /// Everything in the window, anew.
    Window(Vec<Spoken>),
    /// What a live region says when it changes.
    Announcement(String),
}

/// One thing in a window: its role, its name, its description, and whether the keyboard is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    pub role: String,
    pub name: String,
    pub description: String,
    pub focused: bool,
}

impl Program {
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        // A group of its own, so that what it starts in turn can be ended with it.
        let child = command.process_group(0).spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("{name} does not start: {error}. client-slint/tools/packages.txt says what to install")
        });
        Self { child, name }
    }

    pub fn output(&mut self) -> impl Read + use<> {
        self.child.stdout.take().unwrap_or_else(|| panic!("{} has a piped output", self.name))
    }

    pub fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap_or_else(|| panic!("{} has a piped input", self.name))
    }

    pub fn errors(&mut self) -> impl Read + use<> {
        self.child.stderr.take().unwrap_or_else(|| panic!("{} has piped errors", self.name))
    }

    /// Sends a signal to this program alone.
    pub fn signal(&self, signal: &str) {
        kill(signal, &self.child.id().to_string());
    }

    /// Waits until the program has ended by itself.
    pub fn expect_end(&mut self) {
        self.wait();
    }

    /// Waits until the program has ended by itself, and without an error.
    pub fn expect_success(&mut self) {
        let status = self.wait();
        assert!(status.success(), "{}: {status}", self.name);
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return status;
            }
            assert!(now() < deadline, "{} did not end", self.name);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        kill("KILL", &format!("-{}", self.child.id()));
        // Already reaped or reaped now: either way nothing is left of it.
        let _ = self.child.wait();
    }
}

fn kill(signal: &str, target: &str) {
    // The program may have ended before; then there is nobody to signal, which is as well.
    let quiet =
        Command::new("kill").args(["-s", signal, "--", target]).stderr(Stdio::null()).status();
    quiet.expect("kill is part of every system");
}

impl Desktop {
    pub fn start() -> Self {
        Self::sized(800, 800)
    }

    /// A desktop of this many pixels.
    pub fn sized(width: u32, height: u32) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("herenow-window-{}-{number}", std::process::id());
        let home = std::env::temp_dir().join(name);
        fs::create_dir_all(&home).expect("the folder can be made");
        let mut x_server = Program::start(
            Command::new("Xvfb")
                .args(["-displayfd", "1", "-screen", "0", &format!("{width}x{height}x24")])
                .args(["-nolisten", "tcp"])
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        );
        let display = format!(":{}", first_line(x_server.output()));
        let mut bus = Program::start(
            Command::new("dbus-daemon")
                .args(["--session", "--nofork", "--print-address=1"])
                // A file, which is found from every network namespace.
                .arg(format!("--address=unix:path={}", home.join("bus").display()))
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        );
        let bus_address = first_line(bus.output());
        let environment = HashMap::from([
            ("DISPLAY", display),
            ("DBUS_SESSION_BUS_ADDRESS", bus_address.clone()),
            // Whoever locks the screen is on the same bus, and nobody of the computer's own.
            ("DBUS_SYSTEM_BUS_ADDRESS", bus_address),
            ("HOME", home.to_string_lossy().into_owned()),
            ("XDG_STATE_HOME", home.join("state").to_string_lossy().into_owned()),
            ("XDG_CONFIG_HOME", home.join("config").to_string_lossy().into_owned()),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("XDG_RUNTIME_DIR", home.to_string_lossy().into_owned()),
            // Accessibility goes over the bus above, not over one that the X server may name.
            ("AT_SPI_BUS_ADDRESS", String::new()),
        ]);
        let mut desktop = Self { environment, home, _programs: vec![x_server, bus] };
        let launcher = "/usr/libexec/at-spi-bus-launcher";
        let mut launcher = desktop.command(launcher);
        launcher.arg("--launch-immediately").stdout(Stdio::null()).stderr(Stdio::null());
        desktop._programs.push(Program::start(&mut launcher));
        desktop
    }

    /// The X server.
    pub fn display(&self) -> &str {
        &self.environment["DISPLAY"]
    }

    /// Touches the mouse.
    pub fn move_mouse(&self, x: u32) {
        self.xdotool(&["mousemove", &x.to_string(), "10"]);
    }

    /// A command that runs on this desktop and knows of no other.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        self.adopt(&mut command);
        command
    }

    /// Makes a command run on this desktop and know of no other.
    pub fn adopt(&self, command: &mut Command) {
        for other in
            ["WAYLAND_DISPLAY", "SLINT_BACKEND", "SLINT_SCALE_FACTOR", "USER", "LANG", "LC_ALL"]
        {
            command.env_remove(other);
        }
        command.envs(&self.environment);
    }

    /// What the program keeps to itself under this name, as soon as it does.
    pub fn kept(&self, name: &str) -> String {
        let file = self.home.join("state/herenow").join(name);
        wait_for(&format!("{}", file.display()), PATIENCE, || fs::read_to_string(&file).ok())
    }

    /// Makes the window of this title as large as this.
    pub fn resize(&self, title: &str, width: u32, height: u32) {
        let (width, height) = (width.to_string(), height.to_string());
        self.xdotool(&[
            "search",
            "--sync",
            "--onlyvisible",
            "--name",
            title,
            "windowsize",
            "--sync",
            &width,
            &height,
        ]);
    }

    /// Presses a key so many times.
    pub fn repeat(&self, key: &str, times: usize) {
        if times > 0 {
            self.xdotool(&["key", "--delay", "5", "--repeat", &times.to_string(), key]);
        }
    }

    /// Presses a button as a screen reader does.
    #[track_caller]
    pub fn press(&self, program: &str, button: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/press_in_window.py");
        let mut python = self.command("/usr/bin/python3");
        let status = python.arg(script).args([program, button]).status();
        let status = status.expect("python runs");
        assert!(status.success(), "{button:?} was not pressed: {status}");
    }

    /// Gives the keyboard to the window of this title.
    pub fn focus(&self, title: &str) {
        self.xdotool(&[
            "search",
            "--sync",
            "--onlyvisible",
            "--name",
            title,
            "windowfocus",
            "--sync",
        ]);
    }

    pub fn type_text(&self, text: &str) {
        self.xdotool(&["type", "--delay", "20", text]);
    }

    pub fn keys(&self, keys: &[&str]) {
        let mut words = vec!["key", "--delay", "40"];
        words.extend(keys);
        self.xdotool(&words);
    }

    pub fn read(&self, program: &str) -> Reader {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/read_window.py");
        let mut python = self.command("/usr/bin/python3");
        python.arg(script).arg(program).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut reader = Program::start(&mut python);
        let output = BufReader::new(reader.output());
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if tell.send(heard_in(&line)).is_err() {
                    break;
                }
            }
        });
        let mut reader =
            Reader { _program: reader, heard, last: Vec::new(), announced: Vec::new() };
        reader.wait_until("the screen reader starts", |_, _| true);
        reader
    }

    fn xdotool(&self, words: &[&str]) {
        // xdotool would wait for a window for ever.
        let mut command = self.command("timeout");
        command.arg(PATIENCE.as_secs().to_string()).arg("xdotool").args(words);
        let status = command.status().expect("timeout is part of every system");
        assert!(status.success(), "xdotool {words:?}: {status}");
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        // What cannot be removed lies in the folder for temporary files, where it is nobody's burden.
        let _ = fs::remove_dir_all(&self.home);
    }
}

impl Reader {
    /// Waits until the window says all of this at once.
    #[track_caller]
    pub fn expect(&mut self, words: &[&str]) {
        let what = format!("the window says {words:?}");
        self.wait_until(&what, |spoken, _| words.iter().all(|word| says(spoken, word)));
    }

    /// Waits until a part of something in the window says this.
    #[track_caller]
    pub fn expect_part(&mut self, part: &str) {
        let what = format!("the window says {part:?} somewhere");
        self.wait_until(&what, |spoken, _| spoken.iter().any(|one| one.name.contains(part)));
    }

    /// Waits until nothing in the window says this any more.
    #[track_caller]
    pub fn expect_gone(&mut self, words: &str) {
        let what = format!("the window does not say {words:?}");
        // A program that ended says nothing either.
        self.wait_until(&what, |spoken, _| !spoken.is_empty() && !says(spoken, words));
    }

    /// Waits until the keyboard is at the thing of this name.
    #[track_caller]
    pub fn expect_focus(&mut self, name: &str) {
        let what = format!("the keyboard is at {name:?}");
        self.wait_until(&what, |spoken, _| {
            spoken.iter().any(|one| one.focused && one.name == name)
        });
    }

    /// Waits until the keyboard is at a thing for which this holds; returns its name.
    #[track_caller]
    pub fn focus_where(&mut self, what: &str, holds: impl Fn(&Spoken) -> bool) -> String {
        let wanted = |one: &&Spoken| one.focused && holds(one);
        self.wait_until(what, |spoken, _| spoken.iter().any(|one| wanted(&one)));
        let found = self.last.iter().find(wanted).map(|one| one.name.clone());
        found.expect("it was found just now")
    }

    /// Waits until a live region has announced this, since the last time that something was waited for here.
    #[track_caller]
    pub fn expect_announcement(&mut self, words: &str) {
        let what = format!("{words:?} is announced");
        self.wait_until(&what, |_, announced| announced.iter().any(|said| said == words));
        self.announced.clear();
    }

    /// What the window says now, as far as it was heard.
    pub fn says(&self, words: &str) -> bool {
        self.last.iter().any(|one| one.name == words)
    }

    #[track_caller]
    fn wait_until(&mut self, what: &str, happened: impl Fn(&[Spoken], &[String]) -> bool) {
        let deadline = now() + PATIENCE;
        // The last words count too: they may have been said while the test looked elsewhere.
        if !self.last.is_empty() && happened(&self.last, &self.announced) {
            return;
        }
        loop {
            match self.heard.recv_timeout(deadline.saturating_duration_since(now())) {
                Ok(Heard::Window(spoken)) => self.last = spoken,
                Ok(Heard::Announcement(words)) => self.announced.push(words),
                Err(RecvTimeoutError::Timeout) => panic!(
                    "{what}: not within {PATIENCE:?}, but {:#?}, announced {:?}",
                    self.last, self.announced
                ),
                Err(RecvTimeoutError::Disconnected) => panic!("{what}: the screen reader ended"),
            }
            if happened(&self.last, &self.announced) {
                return;
            }
        }
    }
}

fn says(spoken: &[Spoken], words: &str) -> bool {
    spoken.iter().any(|one| one.name == words || one.description == words)
}

/// Whether a real window can be tested here; says so if not.
///
/// # Panics
/// If not, and the environment variable `CI` is set.
pub fn can_show_windows() -> bool {
    let can = is_installed("Xvfb");
    assert!(can || std::env::var_os("CI").is_none(), "Xvfb is not installed");
    if !can {
        eprintln!("SKIPPED: the real window was NOT tested, because Xvfb is not installed.");
        eprintln!("SKIPPED: install what client-slint/tools/packages.txt lists.");
    }
    can
}

/// Waits until `probe` finds something.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = now() + limit;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(now() < deadline, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a program is in the search path.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[expect(clippy::disallowed_methods, reason = "real programs take real time")]
fn now() -> Instant {
    Instant::now()
}

/// The first line that a program writes.
pub fn first_line(output: impl Read) -> String {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).expect("the program writes a line");
    assert!(!line.is_empty(), "the program ended before it wrote a line");
    line.trim().to_owned()
}

/// Reads a line of the script: words, or a list of lists of four strings.
fn heard_in(line: &str) -> Heard {
    if let Ok(words) = serde_json::from_str(line) {
        return Heard::Announcement(words);
    }
    let all: Vec<[String; 4]> = serde_json::from_str(line).expect("the script writes JSON");
    let spoken = |[role, name, description, state]: [String; 4]| Spoken {
        role,
        name,
        description,
        focused: state == "focused",
    };
    Heard::Window(all.into_iter().map(spoken).collect())
}
