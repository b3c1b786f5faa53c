//! `herenow set`: shows another status.

use herenow_client::protocol::{Choice, DisplayName, ErrorCode, Metadata};
use herenow_client::{Event, Options, connect};

use super::args::Set;
use super::output::{line, plain};
use super::{Exit, Failure, label, name_or_user, own_device, own_key, stop_asked};

/// Sets the status of the user who is signed in with this name from this account, or signs in with
/// it and stays.
pub(crate) async fn run(arguments: Set) -> Result<(), Failure> {
    let choice = choice(&arguments)?;
    let name = name_or_user(arguments.name.as_ref())?;
    let mut options = arguments.target.options(name, own_device()?)?;
    options.key = Some(own_key()?);
    options.choice = choice.clone();
    options.observe = !arguments.stay;
    options.reconnect = arguments.stay;
    options.label = label();
    options.views.clear();
    if arguments.stay {
        stay(options, &arguments).await
    } else {
        set(options, choice, &arguments).await
    }
}

fn choice(arguments: &Set) -> Result<Choice, Failure> {
    let pairs = arguments.meta.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let metadata = Metadata::new(pairs)
        .map_err(|error| Failure::new(Exit::Usage, format!("--meta: {error}")))?;
    Ok(Choice {
        text_for: arguments.text_for,
        metadata: (!arguments.meta.is_empty()).then_some(metadata),
        ..Choice::chosen(arguments.status, arguments.text.clone())
    })
}

async fn set(options: Options, choice: Choice, arguments: &Set) -> Result<(), Failure> {
    let name = options.name.clone();
    let (client, mut connection) = connect(options);
    client.choose(choice);
    let mut outcome = None;
    while let Some(event) = connection.next().await {
        match event {
            Event::Accepted(_) => outcome = Some(Ok(())),
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
