//! Networks of this test alone: two network namespaces with a cable between them.
//!
//! A namespace is named after the process that made it. Whatever a process leaves behind that was
//! killed is removed by the next one that lays a cable.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{PATIENCE, say, wait_for};

/// What the names of all our namespaces begin with.
const PREFIX: &str = "herenow-test";

/// The server's address at its end of the cable.
pub(crate) const SERVER_IP: &str = "10.77.0.1";

/// The clients' address at their end of the cable.
const CLIENT_IP: &str = "10.77.0.2";

/// A cable between a server and its clients, each in a namespace of their own.
///
/// Dropping it removes both namespaces, and ends what still runs in them.
#[derive(Debug)]
pub(crate) struct Cable {
    /// Where the server runs, and whoever watches from its own side.
    pub(crate) server: Namespace,
    /// Where the clients run.
    pub(crate) client: Namespace,
}

impl Cable {
    /// Lays a cable; `None` where no namespaces can be made, after saying so loudly.
    ///
    /// # Panics
    /// In the same case, if the environment variable `CI` is `true`: what guards a release must not
    /// be skipped.
    pub(crate) fn lay() -> Option<Self> {
        match Self::try_lay() {
            Ok(cable) => Some(cable),
            Err(why) => {
                let test = std::thread::current().name().unwrap_or("a test").to_owned();
                let text = format!("NOT RUN: {test}: no network namespaces here: {why}");
                assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
                say(&format!("\n*** {text}\n"));
                None
            }
        }
    }

    fn try_lay() -> Result<Self, String> {
        static LAID: AtomicU32 = AtomicU32::new(0);
        static REMOVE_LEFTOVERS: Mutex<()> = Mutex::new(());
        {
            let _one_at_a_time = REMOVE_LEFTOVERS.lock().map_err(|error| error.to_string())?;
            remove_leftovers();
        }
        let number = LAID.fetch_add(1, Ordering::Relaxed);
        let name = |end| format!("{PREFIX}-{}-{number}-{end}", std::process::id());
        let server = Namespace::make(name("server"), SERVER_IP)?;
        let client = Namespace::make(name("client"), CLIENT_IP)?;
        // Both ends are made inside of their namespaces, where no other name can be in their way.
        let peer = ["type", "veth", "peer", "name", "cable", "netns", &client.name];
        server.ip(&[&["link", "add", "cable"], &peer[..]].concat())?;
        for end in [&server, &client] {
            end.ip(&["addr", "add", &format!("{}/24", end.address), "dev", "cable"])?;
            end.ip(&["link", "set", "lo", "up"])?;
            end.ip(&["link", "set", "cable", "up"])?;
        }
        for end in [&server, &client] {
            // The kernel tells of a new carrier up to a second late; before that a client would
            // rightly say that its own network is down.
            wait_for("a carrier", PATIENCE, || end.has_carrier().then_some(()));
        }
        Ok(Self { server, client })
    }
}

/// A network namespace with one end of a cable.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    address: &'static str,
}

impl Namespace {
    fn make(name: String, address: &'static str) -> Result<Self, String> {
        run("ip", &["netns", "add", &name])?;
        Ok(Self { name, address })
    }

    /// A command that runs `program` in here. The process is the program itself, not a parent of it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Pulls the cable out at this end. The other end sees its carrier go.
    pub(crate) fn pull_cable(&self) {
        self.ip(&["link", "set", "cable", "down"]).expect("a link can be switched off");
    }

    /// Puts the cable back in at this end.
    pub(crate) fn plug_cable(&self) {
        self.ip(&["link", "set", "cable", "up"]).expect("a link can be switched on");
    }

    /// Loses whatever comes in over the cable, as a broken wire of one direction does. To drop what
    /// goes *out* would be no cable: the sender's TCP sees such drops and behaves otherwise.
    pub(crate) fn lose_incoming(&self) {
        let rules = "add table inet wire; \
             add chain inet wire in { type filter hook input priority 0; }; \
             add rule inet wire in iifname cable drop";
        self.nft(rules);
    }

    /// Ends [`Self::lose_incoming`].
    pub(crate) fn lose_nothing(&self) {
        self.nft("delete table inet wire");
    }

    fn has_carrier(&self) -> bool {
        self.ip(&["link", "show", "cable"]).is_ok_and(|shown| shown.contains("state UP"))
    }

    fn nft(&self, rules: &str) {
        let ran = run("ip", &["netns", "exec", &self.name, "nft", rules]);
        ran.expect("nftables is installed (see tests/support/packages.txt)");
    }

    fn ip(&self, arguments: &[&str]) -> Result<String, String> {
        run("ip", &[&["-n", self.name.as_str()], arguments].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.name) {
            say(&format!("cannot remove the namespace {}: {error}", self.name));
        }
    }
}

/// Removes the namespaces of test processes that are no more.
fn remove_leftovers() {
    let listed = run("ip", &["netns", "list"]).unwrap_or_default();
    for name in listed.lines().filter_map(|line| line.split_whitespace().next()) {
        let numbers = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('-'));
        let Some(process) = numbers.and_then(|rest| rest.split('-').next()) else { continue };
        if !Path::new("/proc").join(process).exists() {
            // Another test process may be removing it as well.
            let _ = remove(name);
        }
    }
}

/// Ends the processes in a namespace of ours and removes it.
fn remove(name: &str) -> Result<String, String> {
    for process in run("ip", &["netns", "pids", name])?.split_whitespace() {
        if let Ok(process) = process.parse() {
            // It may have ended meanwhile.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
    }
    run("ip", &["netns", "del", name])
}

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let line = || format!("{program} {}", arguments.join(" "));
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{}: {error}", line()))?;
    if !output.status.success() {
        return Err(format!("{}: {}", line(), String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
