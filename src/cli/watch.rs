//! `herenow watch`: what happens, as it happens.

use std::time::Duration;

use herenow_client::{Disconnect, Event, Options, connect};

use super::args::Watch;
use super::output::{Closed, event_json, event_words, line};
use super::{Exit, Failure, observer_name, own_device, passing_device, stop_asked};

/// How long a goodbye may take to leave before the command ends anyway.
const PARTING: Duration = Duration::from_secs(1);

/// Prints every event until Ctrl-C, a closed pipe, or an end that the client does not come back from.
pub(crate) async fn run(arguments: Watch) -> Result<(), Failure> {
    let options = options(&arguments)?;
    let (client, mut connection) = connect(options);
    let stop = stop_asked();
    tokio::pin!(stop);
    let mut was_signed_in = false;
    let mut last = None;
    loop {
        let event = tokio::select! {
            event = connection.next() => event,
            () = &mut stop => break,
        };
        let Some(event) = event else { return judge(last, was_signed_in, &arguments) };
        was_signed_in |= matches!(event, Event::SignedIn(_));
        let text = match arguments.json {
            true => event_json(&event, connection.view()).map(|object| object.to_string()),
            false => event_words(&event, connection.view()),
        };
        if let Err(Closed) = text.map_or(Ok(()), |text| line(&text)) {
            break;
        }
        if let Event::Closed { reason, .. } = event {
            last = Some(reason);
        }
    }
    client.goodbye();
    let parting = async { while connection.next().await.is_some() {} };
    // A server that does not take the goodbye will miss the heartbeats.
    let _ = tokio::time::timeout(PARTING, parting).await;
    Ok(())
}

fn options(arguments: &Watch) -> Result<Options, Failure> {
    let (name, device) = match (&arguments.name, arguments.observe) {
        (Some(name), false) => (name.clone(), own_device()?),
        (_, true) => (observer_name(), passing_device()),
        (None, false) => {
            let text = "say under which name with --name, or --observe to stay unseen";
            return Err(Failure::new(Exit::Refused, text));
        }
    };
    let mut options = Options::new(&arguments.target.server, name, device);
    options.observe = arguments.observe;
    options.reconnect = !arguments.once;
    options.heartbeat = arguments.heartbeat;
    options.label = "command line".to_owned();
    Ok(options)
}

/// With --once, the end of a connection that had worked is what was asked for.
fn judge(last: Option<Disconnect>, was_signed_in: bool, arguments: &Watch) -> Result<(), Failure> {
    match last {
        Some(reason) if !(arguments.once && was_signed_in) => {
            Err(Failure::closed(&reason, &arguments.target))
        }
        _ => Ok(()),
    }
}
