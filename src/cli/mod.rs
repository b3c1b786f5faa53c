//! The commands of a client: `who`, `watch`, `set`, `demo`.
//!
//! They use [`herenow_client`] as any other program would. What is for reading goes to stdout through
//! [`output`], which outlives a closed pipe; what went wrong goes to stderr in one sentence.

pub(crate) mod args;
mod crowd;
pub(crate) mod demo;
mod output;
mod printer;
pub(crate) mod set;
pub(crate) mod watch;
pub(crate) mod who;

use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;

use herenow_client::Disconnect;
use herenow_client::protocol::{CloseReason, DeviceId, DisplayName};
use tokio::signal::unix::{SignalKind, signal};

use args::Target;

/// How a command ends that did not do what it was asked for. The numbers above 64 are those of
/// `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The server refused, or there is nothing to do.
    Refused = 1,
    /// The command line lacks something.
    Usage = 2,
    /// The server cannot be reached.
    Unavailable = 69,
    /// Something went wrong that should not.
    Internal = 70,
}

/// Why a command failed, for a person.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }

    fn internal(error: &dyn fmt::Display) -> Self {
        Self::new(Exit::Internal, error.to_string())
    }

    /// What the end of a connection means to a command that still needed it.
    fn closed(reason: &Disconnect, target: &Target) -> Self {
        let (exit, advice) = match reason {
            Disconnect::ConnectionRefused => {
                (Exit::Unavailable, "; `herenow serve` starts a server there")
            }
            Disconnect::Goodbye { reason: CloseReason::NameInUse, .. } => {
                (Exit::Refused, "; choose another one with --name")
            }
            Disconnect::Goodbye { reason, .. } if is_refusal(*reason) => (Exit::Refused, ""),
            _ => (Exit::Unavailable, ""),
        };
        Self::new(
            exit,
            format!("{}: {}{advice}", target.server, output::plain(&reason.to_string())),
        )
    }
}

/// Reasons that another try would not change.
fn is_refusal(reason: CloseReason) -> bool {
    use CloseReason as R;
    matches!(
        reason,
        R::Replaced | R::BadHello | R::UnsupportedVersion | R::ProtocolError(_) | R::ServerFull
    )
}

/// Runs a command to its end on a runtime of its own.
pub(crate) fn run(command: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::internal(&error)),
    };
    match runtime.block_on(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    // Nobody may be reading; the exit code says it too.
    let _ = writeln!(io::stderr(), "herenow: {}", failure.text);
    ExitCode::from(failure.exit as u8)
}

/// Returns at Ctrl-C or SIGTERM.
async fn stop_asked() {
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    match (interrupt, terminate) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        // Without handlers the signals end the process themselves.
        _ => std::future::pending().await,
    }
}

/// The device id of this computer account.
fn own_device() -> Result<DeviceId, Failure> {
    herenow_client::device_id().map_err(|error| {
        Failure::new(Exit::Internal, format!("cannot keep this device's id: {error}"))
    })
}

/// The name that was given, or else the login name if others may be shown that.
fn name_or_user(given: Option<&DisplayName>) -> Result<DisplayName, Failure> {
    let login = || DisplayName::typed(&std::env::var("USER").ok()?).ok();
    given.cloned().or_else(login).ok_or_else(|| {
        let text =
            "under which name? Say it with --name, for $USER holds none that others may be shown";
        Failure::new(Exit::Usage, text)
    })
}

/// A device that nobody needs to recognise again.
fn passing_device() -> DeviceId {
    let id = format!("{:032x}", rand::random::<u128>());
    DeviceId::new(&id).expect("hexadecimal digits are allowed")
}

/// The name of one who only looks, and is not listed under it.
fn observer_name() -> DisplayName {
    DisplayName::new("observer").expect("a plain word is a valid name")
}
