//! The real server as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::net::Namespace;
use super::{PATIENCE, now, say, wait_for};

/// What `/proc` counts processor time in, the same on all architectures of this day.
const TICK: Duration = Duration::from_millis(10);

/// The program under test.
pub(crate) const HERENOW: &str = env!("CARGO_BIN_EXE_herenow");

/// Sessions of a test may say as much as they like, where it is not the limits that are tested.
pub(crate) const UNLIMITED: [&str; 6] =
    ["--frames-per-second", "0", "--bytes-per-second", "0", "--changes-per-second", "0"];

/// `herenow serve` on a free port of the loopback, or wherever the arguments say.
///
/// Dropping it kills the server, also a frozen one, and fails the test if the server panicked. The
/// server's log is shown if the test fails.
#[derive(Debug)]
pub(crate) struct TestServer {
    process: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What clients inside TLS are given as the server, with the fingerprint of its certificate.
    pub(crate) tls: Option<String>,
    /// When it was started.
    pub(crate) started_at: Instant,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl TestServer {
    /// A server on a free port of the loopback.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", arguments)
    }

    /// A server that listens on `address`.
    pub(crate) fn start_at(address: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(HERENOW);
        command.args(["serve", "--listen", address]).args(arguments);
        Self::spawn(command)
    }

    /// A server that listens on all addresses of a namespace.
    pub(crate) fn start_in(namespace: &Namespace, arguments: &[&str]) -> Self {
        let mut command = namespace.command(HERENOW);
        command.args(["serve", "--listen", "0.0.0.0:4373", "--insecure-open"]).args(arguments);
        Self::spawn(command)
    }

    /// Runs a command that serves, and waits until it says where it listens.
    pub(crate) fn spawn(command: Command) -> Self {
        Self::spawn_with(command, Stdio::null())
    }

    /// The same, with this for its stdin.
    pub(crate) fn spawn_with(mut command: Command, stdin: Stdio) -> Self {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started_at = now();
        let process = command.env_remove("RUST_LOG").env("HERENOW_CONFIG", "").spawn();
        let mut process = process.expect("the server can be started");
        let stdout = process.stdout.take().expect("its stdout is a pipe");
        let stderr = process.stderr.take().expect("its stderr is a pipe");
        let log = Arc::new(Mutex::new(String::new()));
        let reader = Some(read_on(stderr, Arc::clone(&log)));
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { process, address: unknown, tls: None, started_at, log, reader };
        (server.address, server.tls) = server.read_addresses(stdout);
        server
    }

    /// Where it speaks TLS.
    pub(crate) fn tls_address(&self) -> SocketAddr {
        let server = self.tls.as_deref().expect("it was started with a certificate");
        let (address, _) = server.split_once('#').expect("a fingerprint follows");
        address.trim_start_matches("tls://").parse().expect("an address")
    }

    /// Its greeting says where it listens. The rest of the greeting goes nowhere: nobody reads it.
    fn read_addresses(&self, stdout: impl Read) -> (SocketAddr, Option<String>) {
        let (mut line, mut second) = (String::new(), String::new());
        let mut stdout = BufReader::new(stdout);
        stdout.read_line(&mut line).expect("its stdout can be read");
        if line.starts_with("herenow listens on ") {
            stdout.read_line(&mut second).expect("its stdout can be read");
        }
        let tls = second.trim().strip_prefix("with TLS on ").map(str::to_owned);
        let address = line.trim().strip_prefix("herenow listens on ").map(str::parse);
        let Some(Ok(address)) = address else {
            panic!("no address in the greeting {line:?}; the log: {}", self.log())
        };
        (address, tls)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        signal_process(&self.process, signal);
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait_for_end(&mut self, limit: Duration) -> ExitStatus {
        let process = &mut self.process;
        wait_for("the server to end", limit, || process.try_wait().expect("it is our child"))
    }

    /// Kills it without a chance to say anything, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        let status = self.wait_for_end(PATIENCE);
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "it ended before: {status}");
    }

    /// Whether it runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().expect("it is our child").is_none()
    }

    /// What it wrote to stderr so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A field of `/proc/PID/status`.
    pub(crate) fn status_field(&self, name: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("its status can be read while it runs");
        let field = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        field.expect("the kernel has this field").trim().to_owned()
    }

    /// Bytes of memory that it occupies.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let field = self.status_field("VmRSS");
        let kilobytes = field.strip_suffix(" kB").map(str::parse::<u64>);
        let Some(Ok(kilobytes)) = kilobytes else { panic!("no size in {field:?}") };
        kilobytes * 1024
    }

    /// Processor time that it has used.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()));
        let stat = stat.expect("its times can be read while it runs");
        // The second field is the program's name in parentheses; user and system time are the
        // fourteenth and fifteenth.
        let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
        let ticks: u64 =
            fields.split_whitespace().skip(11).take(2).flat_map(str::parse::<u64>).sum();
        TICK * u32::try_from(ticks).expect("no test uses a year of processor time")
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid()));
        open.expect("its descriptors can be listed while it runs").count()
    }

    /// Limits how many descriptors it may have open.
    pub(crate) fn limit_descriptors(&self, most: usize) {
        let (pid, limit) = (format!("--pid={}", self.pid()), format!("--nofile={most}:{most}"));
        let limited = Command::new("prlimit").args([pid, limit]).status();
        assert!(limited.expect("util-linux is installed").success(), "prlimit failed");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // It may have ended already; then neither call has anything to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let log = self.log();
        if thread::panicking() {
            say(&format!("--- the server's log\n{log}---"));
        } else {
            assert!(!log.contains("panicked"), "the server panicked:\n{log}");
        }
    }
}

/// Sends a child a signal.
pub(crate) fn signal_process(process: &Child, signal: Signal) {
    let pid = i32::try_from(process.id()).expect("process ids are positive numbers of 31 bits");
    kill(Pid::from_raw(pid), signal).expect("a child that was not waited for can be signalled");
}

/// Keeps a pipe empty and its bytes at hand.
fn read_on(mut pipe: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = pipe.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..n]);
            into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        }
    })
}
