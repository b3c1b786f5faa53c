//! The commands of a client: `who`, `watch`, `set`, `explain`, `log`, `health`, `pair`, `demo`.
//!
//! They use [`herenow_client`] as any other program would. What is for reading goes to stdout through
//! [`output`], which outlives a closed pipe; what went wrong goes to stderr in one sentence.

pub(crate) mod args;
mod crowd;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod hash_password;
pub(crate) mod health;
pub(crate) mod init;
pub(crate) mod log;
pub(crate) mod login;
pub(crate) mod output;
pub(crate) mod pair;
pub(crate) mod person;
mod printer;
pub(crate) mod set;
pub(crate) mod watch;
pub(crate) mod who;

use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;

use herenow_client::protocol::{
    CloseReason, DeviceId, DeviceLabel, DisplayName, OperatorKey, Query, UserKey,
};
use herenow_client::{Answer, Connection, Disconnect, Event, Options, QueryError, connect};
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
            Disconnect::Goodbye { reason: CloseReason::NameInUse, .. } => (
                Exit::Refused,
                "; choose another one with --name, or `herenow pair` with that device",
            ),
            Disconnect::Goodbye { reason, .. } if is_refusal(*reason) => (Exit::Refused, ""),
            _ => (Exit::Unavailable, ""),
        };
        Self::new(
            exit,
            format!("{}: {}{advice}", target.shown(), output::plain(&reason.to_string())),
        )
    }
}

/// Reasons that another try would not change.
fn is_refusal(reason: CloseReason) -> bool {
    use CloseReason as R;
    matches!(
        reason,
        R::Replaced
            | R::BadHello
            | R::UnsupportedVersion
            | R::ProtocolError(_)
            | R::ServerFull
            | R::TooManySessions
            | R::NotAuthorized
            | R::CredentialExpired
            | R::Kicked
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

/// The key that this account shares with the user's other devices.
fn own_key() -> Result<UserKey, Failure> {
    herenow_client::user_key().map_err(|error| {
        Failure::new(Exit::Internal, format!("cannot keep this user's key: {error}"))
    })
}

/// The key of whoever operates a server of this account.
fn known_operator() -> Result<Option<OperatorKey>, Failure> {
    herenow_client::known_operator_key().map_err(|error| {
        Failure::new(Exit::Internal, format!("cannot read the operator's key: {error}"))
    })
}

/// What others see this program as.
fn label() -> DeviceLabel {
    DeviceLabel::new("command line").expect("a plain word is a valid label")
}

/// Connects, asks one question, and leaves.
async fn ask(options: Options, query: Query, target: &Target) -> Result<Answer, Failure> {
    let (client, mut connection) = connect(options);
    let asking = client.query(query);
    tokio::pin!(asking);
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut asking => break answer,
            event = connection.next() => match event {
                Some(Event::Closed { reason, .. }) => return Err(Failure::closed(&reason, target)),
                Some(_) => {}
                None => break Err(QueryError::Over),
            },
        }
    };
    part(&client, &mut connection).await;
    answer.map_err(|error| match error {
        QueryError::Refused { text, .. } => Failure::new(Exit::Refused, output::plain(&text)),
        QueryError::Disconnected(reason) => Failure::closed(&reason, target),
        error => Failure::new(Exit::Internal, error.to_string()),
    })
}

/// Says goodbye, and waits until it has left.
async fn part(client: &herenow_client::Client, connection: &mut Connection) {
    client.goodbye();
    while connection.next().await.is_some() {}
}

/// One who only asks: not listed, and watching nothing.
fn asker(target: &Target, name: DisplayName, device: DeviceId) -> Result<Options, Failure> {
    let mut options = target.options(name, device)?;
    options.observe = true;
    options.reconnect = false;
    options.views.clear();
    Ok(options)
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
