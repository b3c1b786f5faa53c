//! `herenow set`: shows another status.

use herenow_client::protocol::{DisplayName, ErrorCode, Presence};
use herenow_client::{Event, Options, connect};

use super::args::Set;
use super::output::{line, plain};
use super::{Exit, Failure, name_or_user, own_device, stop_asked};

/// Sets the status of the user who is signed in with this name from this account, or signs in with
/// it and stays.
pub(crate) async fn run(arguments: Set) -> Result<(), Failure> {
    let presence = Presence { status: arguments.status, text: arguments.text.clone() };
    let name = name_or_user(arguments.name.as_ref())?;
    let mut options = Options::new(&arguments.target.server, name, own_device()?);
    options.presence = presence.clone();
    options.observe = !arguments.stay;
    options.reconnect = arguments.stay;
    options.label = "command line".to_owned();
    if arguments.stay {
        stay(options, &arguments).await
    } else {
        set(options, presence, &arguments).await
    }
}

async fn set(options: Options, presence: Presence, arguments: &Set) -> Result<(), Failure> {
    let name = options.name.clone();
    let (client, mut connection) = connect(options);
    client.set_presence(presence);
    let mut outcome = None;
    while let Some(event) = connection.next().await {
        match event {
            Event::Mirror(Some(_)) => outcome = Some(Ok(())),
            Event::Refused { code, text } => outcome = Some(Err(refusal(code, &text, &name))),
            Event::Closed { reason, .. } if outcome.is_none() => {
                return Err(Failure::closed(&reason, &arguments.target));
            }
            _ => continue,
        }
        client.goodbye();
    }
    outcome.unwrap_or_else(|| Err(Failure::new(Exit::Internal, "the server gave no answer")))
}

fn refusal(code: ErrorCode, text: &str, name: &DisplayName) -> Failure {
    let text = match code {
        ErrorCode::NotListed => format!(
            "{name} is not signed in from this computer account; sign in with the desktop window or \
             `herenow watch --name \"{name}\"`, or add --stay"
        ),
        _ => plain(text),
    };
    Failure::new(Exit::Refused, text)
}

async fn stay(options: Options, arguments: &Set) -> Result<(), Failure> {
    let name = options.name.clone();
    let (client, mut connection) = connect(options);
    let stop = stop_asked();
    tokio::pin!(stop);
    let mut leaving = false;
    loop {
        let event = tokio::select! {
            event = connection.next() => event,
            () = &mut stop, if !leaving => {
                leaving = true;
                client.goodbye();
                continue;
            }
        };
        match event {
            None => return Ok(()),
            Some(Event::SignedIn(_)) => {
                let text = format!("{} is {}; Ctrl-C signs out", name, arguments.status);
                // The status is shown whether or not anybody reads this.
                let _ = line(&text);
            }
            Some(Event::Closed { reason, retry_in: None }) if !leaving => {
                return Err(Failure::closed(&reason, &arguments.target));
            }
            Some(_) => {}
        }
    }
}
