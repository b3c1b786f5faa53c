//! `herenow serve`: from flags to a running server, and from signals to its end.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use actix_rt::System;
use clap::{Args, Parser};
use herenow::actors::listener_actor::bind;
use herenow::config::ConfigError;
use herenow::{Clock, Config};
use herenow_client::protocol::OperatorKey;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// `EX_CONFIG` of `sysexits.h`: the configuration is wrong, a restart will not help.
pub(crate) const EXIT_CONFIG: u8 = 78;

/// `EX_OSERR`: the operating system refused something.
const EXIT_OS: u8 = 71;

/// The knobs of a server. Meanings and reasons: `herenow::config`.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value_t = Config::default().listen)]
    listen: SocketAddr,

    /// Listen outside this computer although anybody may sign in under any free name
    #[arg(long)]
    insecure_open: bool,

    /// Heartbeat interval of clients that ask for none
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "2s")]
    heartbeat: Duration,

    /// Heartbeats that may stay unheard before someone is gone
    #[arg(long, value_name = "N", default_value_t = Config::default().misses)]
    misses: u32,

    /// Shortest heartbeat interval that a client may ask for
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "100ms")]
    heartbeat_min: Duration,

    /// Longest heartbeat interval that a client may ask for
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10min")]
    heartbeat_max: Duration,

    /// How far apart changes are told when there are too many to tell each at once
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "20ms")]
    tick: Duration,

    /// The longest tick: under load it stretches so that telling takes at most half of the time
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "2s")]
    tick_max: Duration,

    /// How long a connection may take to sign in
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "5s")]
    sign_in_deadline: Duration,

    /// Bytes that may wait for one slow reader before it gets a fresh list instead of the news
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().outbox_bytes_max)]
    outbox_bytes_max: usize,

    /// How long a blocked reader may take no byte before it is dropped
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "30s")]
    write_stall: Duration,

    /// How long someone who lost the connection without a goodbye is still shown
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "5s")]
    grace: Duration,

    /// How long a lost session can be resumed
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "60s")]
    resume_window: Duration,

    /// Keep sessions and the log of transitions in this folder, so that a restart is seen by nobody
    #[arg(long, value_name = "DIR", env = "HERENOW_STATE")]
    state: Option<PathBuf>,

    /// How long transitions are kept in the log
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "30days")]
    log_keep: Duration,

    /// Rooms at a time, the lobby included
    #[arg(long, value_name = "N", default_value_t = Config::default().rooms_max)]
    rooms_max: usize,

    /// Users of whom it is remembered when they were last seen
    #[arg(long, value_name = "N", default_value_t = Config::default().last_seen_max)]
    last_seen_max: usize,

    /// Connections accepted in a second
    #[arg(long, value_name = "N", default_value_t = Config::default().accepts_per_second)]
    accept_rate: u32,

    /// At a stop: the soonest that a client is asked to come back
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "500ms")]
    come_back_min: Duration,

    /// At a stop: the latest that a client is asked to come back; with --state before it would be reported gone
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "5s")]
    come_back_max: Duration,

    /// At a stop: how long slow readers are waited for
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "2500ms")]
    shutdown_deadline: Duration,

    /// Threads that serve connections
    #[arg(long, value_name = "N", default_value_t = Config::default().arbiters)]
    threads: usize,
}

impl Default for Serve {
    fn default() -> Self {
        #[derive(Parser)]
        struct NoArguments {
            #[command(flatten)]
            serve: Serve,
        }
        NoArguments::parse_from(["herenow"]).serve
    }
}

impl Serve {
    fn config(&self) -> Result<Config, ConfigError> {
        let config = Config {
            listen: self.listen,
            insecure_open: self.insecure_open,
            heartbeat: self.heartbeat,
            heartbeat_min: self.heartbeat_min,
            heartbeat_max: self.heartbeat_max,
            misses: self.misses,
            sign_in_deadline: self.sign_in_deadline,
            tick: self.tick,
            tick_max: self.tick_max,
            outbox_bytes_max: self.outbox_bytes_max,
            write_stall: self.write_stall,
            grace: self.grace,
            resume_window: self.resume_window,
            rooms_max: self.rooms_max,
            last_seen_max: self.last_seen_max,
            accepts_per_second: self.accept_rate,
            operator: None,
            state: self.state.clone(),
            log_keep: self.log_keep,
            come_back: (self.come_back_min, self.come_back_max),
            shutdown_deadline: self.shutdown_deadline,
            arbiters: self.threads,
        };
        config.check().map(|()| config)
    }
}

/// Serves until a signal, then says goodbye to everyone.
pub(crate) fn run(arguments: &Serve) -> ExitCode {
    log_to_stderr("info");
    match arguments.config() {
        Ok(config) => serve(Config { operator: operator(), ..config }, greet),
        Err(error) => fail(EXIT_CONFIG, &error),
    }
}

/// The key of whoever operates the server: every program of this account knows it. Without one nobody is told why others
/// are shown as they are.
pub(crate) fn operator() -> Option<OperatorKey> {
    herenow_client::operator_key()
        .inspect_err(|error| tracing::warn!(%error, "no operator key, so `explain` and `health` are for nobody"))
        .ok()
}

/// Serves with a checked configuration. `begin` is called on the server's runtime once clients are served.
pub(crate) fn serve(config: Config, begin: impl FnOnce(SocketAddr, &Config)) -> ExitCode {
    let listen = config.listen;
    let listeners = match bind(listen, config.arbiters) {
        Ok(listeners) => listeners,
        Err(error) => return fail(EXIT_OS, &cannot_listen(listen, &error)),
    };
    let address = listeners.first().and_then(|first| first.local_addr().ok()).unwrap_or(listen);
    let served = System::new().block_on(async {
        let shutdown = CancellationToken::new();
        actix_rt::spawn(Signals::install()?.obey(shutdown.clone()));
        let begin = |config: &Config| begin(address, config);
        herenow::run(listeners, config, Clock::system(), shutdown, begin).await
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_OS, &error),
    }
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there, choose a free port with --listen"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges",
        io::ErrorKind::AddrNotAvailable => "; no interface of this computer has that address",
        _ => "",
    };
    format!("cannot listen on {address}: {error}{advice}")
}

/// The address, and what to type next.
fn greet(address: SocketAddr, config: &Config) {
    let bound = config.liveness(None).detection_bound();
    let server = server_flag(address);
    let kept = match &config.state {
        Some(folder) => format!("Sessions outlive a restart, in {}.\n", folder.display()),
        None => String::new(),
    };
    let greeting = format!(
        "herenow listens on {address}\n\
         {kept}\
         Whoever falls silent is told gone within {bound:?}.\n\
         Open sign-in: anybody who reaches this address may take any free name.\n\n\
         Next, in other terminals:\n  \
         herenow watch --name ada{server}\n  \
         herenow who{server}\n  \
         herenow-desktop{server}\n\n\
         Ctrl-C stops the server.\n"
    );
    // Nobody may be reading; the server serves all the same.
    let mut out = io::stdout();
    let _ = out.write_all(greeting.as_bytes()).and_then(|()| out.flush());
}

/// The flag with which a client finds this address; none for the one it tries by itself.
pub(crate) fn server_flag(address: SocketAddr) -> String {
    if address == Config::default().listen { String::new() } else { format!(" --server {address}") }
}

/// The signals that stop a server.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn install() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The first signal stops the server in order, the second one at once.
    async fn obey(mut self, shutdown: CancellationToken) {
        let signal = self.next().await;
        tracing::info!(signal, "stopping; a second signal stops at once");
        shutdown.cancel();
        std::process::exit(128 + self.next().await);
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        }
    }
}

/// Logs go to stderr through a writer that outlives a closed one. `RUST_LOG` chooses what.
pub(crate) fn log_to_stderr(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        // It would tell of a log that cannot be written with a panic, which ends whoever logged.
        .log_internal_errors(false)
        .init();
}

pub(crate) fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "herenow: {error}");
    ExitCode::from(code)
}

/// A time span such as `2s` or `100ms`.
pub(crate) fn time(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_flags_the_server_is_as_its_configuration_documents() {
        assert_eq!(Serve::default().config(), Ok(Config::default()));
    }
}
