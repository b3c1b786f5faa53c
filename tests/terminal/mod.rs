//! A server, and the terminal of a user: processes whose lines a test reads one by one.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(crate) use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value;

const HERENOW: &str = env!("CARGO_BIN_EXE_herenow");

/// Longer than anything here takes on a busy machine; whoever waits longer waits in vain.
const PATIENCE: Duration = Duration::from_secs(40);

/// A server on a free port of the loopback. Dropping it kills it.
pub(crate) struct Server {
    pub(crate) address: String,
    process: Running,
}

/// What one account of one computer sees: its own device id, and the server's address in its environment.
pub(crate) struct Account {
    state: PathBuf,
    server: String,
    login: Option<String>,
}

/// A command under way. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    /// Dropped to close the reading end of stdout.
    close: Option<std::sync::mpsc::Sender<()>>,
}

/// How a command ended.
pub(crate) struct End {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::from(&["serve", "--listen", "127.0.0.1:0"])
    }

    /// A server with people in it.
    pub(crate) fn demo(people: u32) -> Self {
        Self::from(&["demo", "--listen", "127.0.0.1:0", "--people", &people.to_string()])
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) {
        self.process.signal(Signal::SIGTERM);
        assert_eq!(self.process.wait(), 0);
    }

    /// Starts one at the address of the one that was stopped.
    pub(crate) fn start_again(&mut self) {
        *self = Self::from(&["serve", "--listen", &self.address]);
    }

    fn from(arguments: &[&str]) -> Self {
        let process = Running::spawn(Command::new(HERENOW).args(arguments).env_remove("RUST_LOG"));
        let greeting = process.line();
        let after = greeting.strip_prefix("herenow listens on ").expect("the greeting says where");
        let end = after.find([',', ' ']).unwrap_or(after.len());
        Self { address: after[..end].to_owned(), process }
    }
}

impl Account {
    pub(crate) fn new(server: &Server) -> Self {
        let name = format!("herenow-cli-{:016x}", rand::random::<u64>());
        let state = std::env::temp_dir().join(name);
        Self { state, server: server.address.clone(), login: None }
    }

    pub(crate) fn with_login(mut self, login: &str) -> Self {
        self.login = Some(login.to_owned());
        self
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> End {
        self.start(arguments).end()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = Command::new(HERENOW);
        command.args(arguments).env("XDG_STATE_HOME", &self.state);
        command.env("HERENOW_SERVER", &self.server).env_remove("USER").env_remove("RUST_LOG");
        Running::spawn(command.envs(self.login.iter().map(|login| ("USER", login))))
    }
}

impl Running {
    fn spawn(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        let stdout = child.stdout.take().expect("its stdout is a pipe");
        let stderr = child.stderr.take().expect("its stderr is a pipe");
        let (lines, close) = read_lines(stdout);
        Self { child, lines, stderr: Some(read_all(stderr)), close: Some(close) }
    }

    /// The next line of stdout.
    pub(crate) fn line(&self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("no line within {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("no further line: the command ended"),
        }
    }

    /// The next line, which must be an object that says when.
    pub(crate) fn object(&self) -> Value {
        let line = self.line();
        let object: Value = serde_json::from_str(&line).expect("every line is JSON");
        assert!(object["event"].is_string() && object["at"].is_u64(), "{line}");
        object
    }

    /// The next object of this event; others are passed over.
    pub(crate) fn event(&self, event: &str) -> Value {
        loop {
            let object = self.object();
            if object["event"] == event {
                return object;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("process ids are 31 bits");
        kill(Pid::from_raw(pid), signal).expect("a child that was not waited for can be signalled");
    }

    /// Closes the reading end of its stdout, as `head` does.
    pub(crate) fn close_stdout(mut self) -> Self {
        self.close = None;
        // The reader notices at the next line, or at the end.
        self
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> End {
        let code = self.wait();
        let stderr = self.stderr.take().expect("only the end takes it");
        let stderr = stderr.join().expect("reading does not panic");
        let stdout: String = self.lines.iter().map(|line| line + "\n").collect();
        End { code, stdout, stderr }
    }

    fn wait(&mut self) -> i32 {
        let mut left = PATIENCE;
        let step = Duration::from_millis(5);
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status.code().expect("no signal ended it");
            }
            left = left.checked_sub(step).expect("the command ends");
            thread::sleep(step);
        }
    }
}

impl End {
    /// The output of a command that did what it was asked for.
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""));
        self.stdout
    }

    /// The one line of explanation of a command that ended with this code.
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "one line, please: {}", self.stderr);
        assert!(self.stderr.starts_with("herenow: "), "{}", self.stderr);
        self.stderr
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; then neither call has anything to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // An account that never signed in has no folder.
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

/// Reads lines until the end, or until the sender that is returned was dropped.
fn read_lines(stdout: ChildStdout) -> (Receiver<String>, std::sync::mpsc::Sender<()>) {
    let (lines, received) = channel();
    let (close, closed) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let closed =
                matches!(closed.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
            let Ok(line) = line else { return };
            if closed || lines.send(line).is_err() {
                return;
            }
        }
    });
    (received, close)
}

fn read_all(mut stderr: ChildStderr) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        // What cannot be read is not there to be compared.
        let _ = stderr.read_to_string(&mut text);
        text
    })
}
