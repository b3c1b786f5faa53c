//! The process under test: our own server, one that runs already, or a floor.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::accounting::Account;
use crate::failure::{Failure, Tried as _};
use crate::pinning::Pinning;

/// What the first line of a process under test says before its address.
const GREETINGS: [&str; 2] = ["herenow listens on ", "floor listens on "];

/// How to come by the server under test.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Start this program, anew for each run.
    Start(PathBuf),
    /// It runs already.
    Running {
        /// Where it listens.
        address: SocketAddr,
        /// Its process, for the accounting.
        pid: u32,
    },
}

/// A process under test. One that was started ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it uses.
    pub(crate) account: Account,
    child: Option<Child>,
}

impl Source {
    /// The server goes on after a run, so that everyone must leave it.
    pub(crate) fn stays(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// The program that is started, if one is.
    pub(crate) fn program(&self) -> Option<&Path> {
        match self {
            Self::Start(program) => Some(program),
            Self::Running { .. } => None,
        }
    }

    /// A server to measure; one that is started has so many threads for connections.
    pub(crate) fn server(&self, pinning: Pinning, threads: usize) -> Result<Server, Failure> {
        match self {
            Self::Start(program) => Server::start(serve(program, threads), pinning),
            Self::Running { address, pid } => {
                pinning.hold_server(*pid)?;
                Ok(Server { address: *address, account: Account::of(*pid), child: None })
            }
        }
    }
}

/// What a server limits per session and user, and a load of few loud ones would run into; 0 stands for no limit.
const UNLIMITED: [&str; 5] = [
    "--frames-per-second=0",
    "--bytes-per-second=0",
    "--changes-per-second=0",
    "--sign-ins-per-second=0",
    "--pre-sign-in-max=1000000",
];

/// The command that serves as a measure needs it: nothing is paced, since the load paces itself.
fn serve(program: &Path, threads: usize) -> Command {
    let mut command = Command::new(program);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--accept-rate", "1000000"])
        .args(["--threads", &threads.to_string()])
        .args(UNLIMITED)
        .env_remove("HERENOW_STATE")
        .env("HERENOW_CONFIG", "")
        .env("RUST_LOG", "warn");
    command
}

impl Server {
    /// A floor: this program again, told what to do.
    pub(crate) fn floor(arguments: &[String], pinning: Pinning) -> Result<Self, Failure> {
        let program = std::env::current_exe().tried("finding this program")?;
        let mut command = Command::new(program);
        command.arg("floor").args(arguments);
        Self::start(command, pinning)
    }

    fn start(mut command: Command, pinning: Pinning) -> Result<Self, Failure> {
        let mut spawn = || command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child =
            pinning.start(|| spawn().tried("starting the server (see --server-bin)"))?;
        let account = Account::of(child.id());
        match greeted(&mut child) {
            Ok(address) => Ok(Self { address, account, child: Some(child) }),
            Err(failure) => {
                end(&mut child);
                Err(failure)
            }
        }
    }
}

/// The address in the greeting. What follows it stays in the pipe, which holds far more.
fn greeted(child: &mut Child) -> Result<SocketAddr, Failure> {
    let silent = || Failure::Server("it did not say where it listens".to_owned());
    let mut line = String::new();
    let out = child.stdout.as_mut().ok_or_else(silent)?;
    BufReader::new(out).read_line(&mut line).tried("reading the greeting")?;
    let told = GREETINGS.iter().find_map(|greeting| line.trim().strip_prefix(greeting));
    told.and_then(|address| address.parse().ok()).ok_or_else(silent)
}

/// Its sessions are over, so nothing is lost by ending it at once.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            end(child);
        }
    }
}
