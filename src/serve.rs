//! `herenow serve`: from a configuration to a running server, and from signals to its end.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::System;
use herenow::actors::pulse::tell_manager;
use herenow::config::AuthMode;
use herenow::config::knob::Knob;
use herenow::{Clock, Config};
use herenow_client::protocol::OperatorKey;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::configure::{Given, load};
use crate::doors::{Addresses, Closed, Doors};
use crate::logging::Logging;

/// `EX_CONFIG` of `sysexits.h`: the configuration is wrong, a restart will not help.
pub(crate) const EXIT_CONFIG: u8 = 78;

/// `EX_OSERR`: the operating system refused something.
const EXIT_OS: u8 = 71;

/// Serves until a signal, then says goodbye to everyone.
pub(crate) fn run(given: Given) -> ExitCode {
    let loaded = match load(&given) {
        Ok(loaded) => loaded,
        Err(error) => return fail(EXIT_CONFIG, &error),
    };
    let logging = match Logging::begin(&loaded.config) {
        Ok(logging) => logging,
        Err(error) => return fail(EXIT_CONFIG, &error),
    };
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let config = Config { operator: operator(), ..loaded.config };
    warn_of_public_address(&config);
    serve(config, Some(Rereader { given, logging }), greet)
}

/// What an operator spelled out is done, and said.
fn warn_of_public_address(config: &Config) {
    let addresses = [Some(config.listen), config.tls_listen].into_iter().flatten();
    for address in addresses.filter(|address| !address.ip().is_loopback()) {
        if config.auth_mode == AuthMode::Open {
            tracing::warn!(%address, "anybody who reaches this address may sign in under any free name");
        } else if address == config.listen {
            tracing::warn!(%address, "anybody on the way to this address can read what lets people in");
        }
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
pub(crate) fn serve(
    config: Config,
    rereader: Option<Rereader>,
    begin: impl FnOnce(&Addresses, &Config),
) -> ExitCode {
    let config = with_all_descriptors(config);
    let clock = Clock::system();
    let doors = match Doors::open(&config, clock) {
        Ok(doors) => doors,
        Err(error @ Closed::Address(..)) => return fail(EXIT_OS, &error),
        Err(error @ (Closed::Certificate(_) | Closed::Gate(_))) => {
            return fail(EXIT_CONFIG, &error);
        }
    };
    let addresses = doors.addresses.clone();
    let served = System::new().block_on(async {
        let shutdown = CancellationToken::new();
        let (told, config) = watch::channel(Arc::new(config));
        actix_rt::spawn(Signals::install()?.obey(shutdown.clone(), rereader, told));
        actix_rt::spawn(doors.reread(clock));
        let begin = |config: &Config| {
            begin(&addresses, config);
            tell_manager(&[NotifyState::Ready]);
        };
        herenow::run(doors.listeners, config, clock, shutdown, begin).await
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_OS, &error),
    }
}

/// Descriptors that are not for connections: the log, the store, listeners, runtimes.
const OTHER_DESCRIPTORS: u64 = 64;

/// Asks for as many descriptors as the system grants, and makes what it grants the limit of connections unless there is one.
fn with_all_descriptors(config: Config) -> Config {
    let (_, granted) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    if let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, granted, granted) {
        tracing::warn!(%error, "cannot ask for more descriptors");
    }
    let (usable, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let most = usize::try_from(usable.saturating_sub(OTHER_DESCRIPTORS)).unwrap_or(usize::MAX);
    if config.connections_max > most {
        tracing::warn!(
            wanted = config.connections_max,
            most,
            "not enough descriptors for all connections"
        );
    }
    match config.connections_max {
        0 => Config { connections_max: most.max(1), ..config },
        wanted => Config { connections_max: wanted.min(most.max(1)), ..config },
    }
}

/// The address, and what to type next.
fn greet(addresses: &Addresses, config: &Config) {
    let address = addresses.plain;
    let tls = addresses.tls().map(|tls| format!("with TLS on {tls}\n")).unwrap_or_default();
    let bound = config.liveness(None).detection_bound();
    let server = server_flag(address);
    let kept = match &config.state {
        Some(folder) => format!("Sessions outlive a restart, in {}.\n", folder.display()),
        None => String::new(),
    };
    let who = match config.auth_mode {
        AuthMode::Open => "Open sign-in: anybody who reaches this address may take any free name.",
        AuthMode::Secret => "Whoever has the secret comes in.",
        AuthMode::Users => "Users come in with their passwords.",
        AuthMode::Jwt => "Users come in with their tokens.",
    };
    let greeting = format!(
        "herenow listens on {address}\n\
         {tls}\
         {kept}\
         Whoever falls silent is told gone within {bound:?}.\n\
         {who}\n\n\
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

/// Reads the configuration again when that is asked for.
pub(crate) struct Rereader {
    given: Given,
    logging: Logging,
}

impl Rereader {
    /// Takes over what can be taken over, and says what cannot. A configuration with a mistake changes nothing.
    fn reread(&self, told: &watch::Sender<Arc<Config>>) {
        let loaded = match load(&self.given) {
            Ok(loaded) => loaded,
            Err(error) => return keep_old(&error),
        };
        let warnings = loaded.warnings;
        let old = Arc::clone(&told.borrow());
        let reloaded = match old.reloaded(&with_all_descriptors(loaded.config)) {
            Ok(reloaded) => reloaded,
            Err(error) => return keep_old(&error),
        };
        if let Err(error) = self.logging.follow(&reloaded.config) {
            return keep_old(&error);
        }
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let (changed, waiting) = (names(&reloaded.changed), names(&reloaded.waiting));
        tracing::info!(changed, "configuration reloaded");
        if !waiting.is_empty() {
            tracing::warn!(waiting, "these keys count after a restart");
        }
        told.send_replace(Arc::new(reloaded.config));
    }
}

fn keep_old(error: &dyn std::fmt::Display) {
    tracing::error!(%error, "the new configuration is wrong, so the old one stays");
}

fn names(knobs: &[&Knob]) -> String {
    knobs.iter().map(|knob| knob.name()).collect::<Vec<_>>().join(" ")
}

/// A service manager of a newer kind wants to know when a reload began.
fn tell_reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell_manager(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no monotonic clock"),
    }
}

/// The signals that a server obeys.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn install() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt, hangup: signal(SignalKind::hangup())? })
    }

    /// SIGHUP has the configuration read again. The first other signal stops the server in order, the second one at once.
    async fn obey(
        mut self,
        shutdown: CancellationToken,
        rereader: Option<Rereader>,
        told: watch::Sender<Arc<Config>>,
    ) {
        let reread = || {
            tell_reloading();
            match &rereader {
                Some(rereader) => rereader.reread(&told),
                None => tracing::info!("there is no configuration to read again"),
            }
            tell_manager(&[NotifyState::Ready]);
        };
        let signal = self.next_stop(reread).await;
        tell_manager(&[NotifyState::Stopping]);
        tracing::info!(signal, "stopping; a second signal stops at once");
        shutdown.cancel();
        std::process::exit(128 + self.next_stop(|| {}).await);
    }

    async fn next_stop(&mut self, mut reread: impl FnMut()) -> i32 {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return SignalKind::terminate().as_raw_value(),
                _ = self.interrupt.recv() => return SignalKind::interrupt().as_raw_value(),
                _ = self.hangup.recv() => reread(),
            }
        }
    }
}

pub(crate) fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "herenow: {error}");
    ExitCode::from(code)
}

/// A time span such as `2s` or `100ms`.
pub(crate) fn time(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}
