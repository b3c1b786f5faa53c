//! A place where one server after the other runs: the same address, the same data, the same account.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

use herenow::journal::Logged;
use herenow::store::{Cursor, LogReader};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::folder::Folder;
use super::server::{HERENOW, TestServer};
use super::{PATIENCE, now, wait_for};

/// Where a server is, was, and will be again.
#[derive(Debug)]
pub(crate) struct Place {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it keeps.
    pub(crate) state: PathBuf,
    arguments: Vec<String>,
    account: Folder,
}

impl Place {
    /// A place for servers with these arguments, which keep what they know in a folder of their own.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let account = Folder::new();
        let state = account.join("state");
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self { address: free_address(), state, arguments, account }
    }

    /// The same, with its data somewhere else.
    pub(crate) fn keeping(self, state: PathBuf) -> Self {
        Self { state, ..self }
    }

    /// Starts a server. It also tells its log when it accepts a connection.
    pub(crate) fn serve(&self) -> TestServer {
        // `env`, because a test server goes by no setting of whoever runs the tests.
        let mut command = Command::new("env");
        command.arg("RUST_LOG=info,herenow::actors::session_actor=debug");
        command.args(["HERENOW_CONFIG=", "HERENOW_LOG_FORMAT=text"]);
        command.arg(HERENOW).args(self.serve_arguments());
        command.env("XDG_STATE_HOME", self.account.path());
        TestServer::spawn(command)
    }

    /// The arguments of a server here.
    pub(crate) fn serve_arguments(&self) -> Vec<String> {
        let state = self.state.to_str().expect("a test's paths are text");
        let mut arguments = vec!["serve".to_owned()];
        arguments.extend(["--listen".to_owned(), self.address.to_string()]);
        arguments.extend(["--state".to_owned(), state.to_owned()]);
        arguments.extend(self.arguments.iter().cloned());
        arguments
    }

    /// A command of the account that the server belongs to.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(HERENOW);
        command.env("XDG_STATE_HOME", self.account.path());
        command.env("HERENOW_SERVER", self.address.to_string());
        command.env_remove("RUST_LOG").env_remove("USER").stdin(Stdio::null());
        command
    }

    /// Runs `herenow` with these arguments to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        let mut command = self.command();
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = command.spawn().expect("the program can be started");
        let pid = Pid::from_raw(i32::try_from(process.id()).expect("process ids are 31 bits"));
        let ended = thread::spawn(move || process.wait_with_output());
        let start = now();
        while !ended.is_finished() && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        if !ended.is_finished() {
            // It is our child, and nobody has waited for it yet.
            kill(pid, Signal::SIGKILL).expect("it still runs");
        }
        let output = ended.join().expect("waiting does not panic").expect("its output is text");
        assert!(output.status.code().is_some(), "the command did not end: {output:?}");
        output
    }

    /// All of the log, as a library reads it.
    pub(crate) fn log(&self) -> Vec<(Cursor, Logged)> {
        let log = LogReader::open(&self.state).expect("a server has run here");
        log.read(Cursor::START, usize::MAX).expect("the log can be read")
    }
}

/// Stops a server in order.
pub(crate) fn stop(server: &mut TestServer) -> ExitStatus {
    server.signal(Signal::SIGTERM);
    server.wait_for_end(PATIENCE)
}

/// An address of the loopback where nobody listens, and which stays free while no server is there.
///
/// A port that the system hands out by itself will not do: of thousands of clients that try to reach it one would be given
/// that very port for its own end, and be connected with itself.
fn free_address() -> SocketAddr {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let range = range.expect("the kernel tells which ports it hands out");
    let low: u16 = range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(0);
    assert!(low > 12_000, "ports from {low} on are handed out, which leaves none for this test");
    wait_for("a free port", Duration::from_secs(5), || {
        let port = rand::random_range(10_000..low);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        TcpListener::bind(address).ok().map(|_| address)
    })
}
