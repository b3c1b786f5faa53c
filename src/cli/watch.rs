//! `herenow watch`: what happens, as it happens.

use std::time::Duration;

use herenow_client::{Connection, Disconnect, Event, Options, connect};

use super::args::Watch;
use super::output::{Closed, event_json, event_words, line, missed_json, missed_words};
use super::printer::Printer;
use super::{Failure, name_or_user, observer_name, own_device, passing_device, stop_asked};

/// How long a goodbye, or the last lines, may take to leave before the command ends anyway.
const PARTING: Duration = Duration::from_secs(1);

/// Prints every event until Ctrl-C, a closed pipe, or an end that the client does not come back from.
pub(crate) async fn run(arguments: Watch) -> Result<(), Failure> {
    let options = options(&arguments)?;
    let (client, mut connection) = connect(options);
    let stop = stop_asked();
    tokio::pin!(stop);
    let mut printer = Printer::start(line);
    let mut was_signed_in = false;
    let mut last = None;
    loop {
        let event = tokio::select! {
            event = connection.next() => event,
            () = &mut stop => break,
        };
        let Some(event) = event else {
            printer.finish(PARTING);
            return judge(last, was_signed_in, &arguments);
        };
        was_signed_in |= matches!(event, Event::SignedIn(_));
        if let Err(Closed) = show(&mut printer, &event, &connection, arguments.json) {
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
    printer.finish(PARTING);
    Ok(())
}

fn show(
    printer: &mut Printer,
    event: &Event,
    connection: &Connection,
    json: bool,
) -> Result<(), Closed> {
    let view = connection.view();
    let whole = |missed| match json {
        true => missed_json(missed, view).to_string(),
        false => missed_words(missed, view),
    };
    let is_in_list = matches!(
        event,
        Event::Snapshot | Event::Joined(_) | Event::Updated(_) | Event::Left { .. }
    );
    if printer.catch_up(whole)? && is_in_list {
        return Ok(());
    }
    let text = match json {
        true => event_json(event, view).map(|object| object.to_string()),
        false => event_words(event, view),
    };
    text.map_or(Ok(()), |text| printer.print(text))
}

fn options(arguments: &Watch) -> Result<Options, Failure> {
    let (name, device) = match arguments.observe {
        true => (observer_name(), passing_device()),
        false => (name_or_user(arguments.name.as_ref())?, own_device()?),
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
