//! Under which conditions the figures came about. Figures without them mean nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::pinning::{Pinning, cores};

/// The conditions of a run.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    processor: String,
    cores: usize,
    kernel: String,
    commit: String,
    command: String,
    allocator: String,
    pinning: String,
    runs: usize,
}

impl Conditions {
    /// Reads them from the machine. `server` is the program under test, if this program starts it.
    pub(crate) fn read(server: Option<&Path>, pinning: Pinning, runs: usize) -> Self {
        Self {
            processor: processor(),
            cores: cores(),
            kernel: read("/proc/sys/kernel/osrelease"),
            commit: commit(),
            command: command(),
            allocator: server.map_or_else(|| "not known".to_owned(), allocator),
            pinning: pinning.describe(),
            runs,
        }
    }

    /// The conditions as fields of a JSON object.
    pub(crate) fn json(&self) -> Value {
        json!({
            "processor": self.processor,
            "cores": self.cores,
            "kernel": self.kernel,
            "commit": self.commit,
            "command": self.command,
            "allocator": self.allocator,
            "pinning": self.pinning,
            "runs": self.runs,
        })
    }

    /// The conditions for people, a line each.
    pub(crate) fn lines(&self) -> String {
        let Self { processor, cores, kernel, commit, command, allocator, pinning, runs } = self;
        format!(
            "command    {command}\nmachine    {processor}, {cores} cores, Linux {kernel}\n\
             commit     {commit}\nallocator  {allocator}\npinning    {pinning}\nruns       {runs}\n"
        )
    }
}

fn processor() -> String {
    let text = read("/proc/cpuinfo");
    let model = text.lines().find(|line| line.starts_with("model name"));
    model.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, name)| name).to_owned()
}

/// The commit of the sources in the working directory, which are those of the server unless another one was named.
fn commit() -> String {
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let said = git.ok().filter(|git| git.status.success());
    said.map_or_else(
        || "unknown".to_owned(),
        |git| String::from_utf8_lossy(&git.stdout).trim().into(),
    )
}

/// The command without the folder of the program.
fn command() -> String {
    let mut words: Vec<_> = std::env::args().collect();
    if let Some(program) = words.first_mut() {
        let name = Path::new(program.as_str()).file_name().unwrap_or_default();
        *program = name.to_string_lossy().into_owned();
    }
    words.join(" ")
}

/// An allocator other than the system's leaves its name in the program.
fn allocator(server: &Path) -> String {
    let program = fs::read(server).unwrap_or_default();
    let named = ["jemalloc", "mimalloc", "snmalloc"]
        .into_iter()
        .find(|name| program.windows(name.len()).any(|window| window == name.as_bytes()));
    named.unwrap_or("the system's").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
