//! `herenow watch`: what happens, as it happens.

use std::time::Duration;

use herenow_client::protocol::WatchTarget;
use herenow_client::{Connection, Disconnect, Event, Options, connect};

use super::args::Watch;
use super::output::{
    Closed, Names, event_json, event_words, line, missed_json, missed_words, view_of,
};
use super::printer::Printer;
use super::{
    Failure, label, name_or_user, observer_name, own_device, own_key, passing_device, stop_asked,
};

/// How long a goodbye, or the last lines, may take to leave before the command ends anyway.
const PARTING: Duration = Duration::from_secs(1);

/// Prints every event until Ctrl-C, a closed pipe, or an end that the client does not come back from.
pub(crate) async fn run(arguments: Watch) -> Result<(), Failure> {
    let options = options(&arguments)?;
    let names = names(&options);
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
        if let Err(Closed) = show(&mut printer, &event, &connection, &names, arguments.json) {
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
    names: &Names,
    json: bool,
) -> Result<(), Closed> {
    let first = connection.view();
    let view = view_of(event).and_then(|key| connection.view_of(key)).unwrap_or(first);
    let whole = |missed| match json {
        true => missed_json(missed, first).to_string(),
        false => missed_words(missed, first),
    };
    let is_in_list = matches!(
        event,
        Event::Snapshot { .. } | Event::Joined { .. } | Event::Updated { .. } | Event::Left { .. }
    );
    if printer.catch_up(whole)? && is_in_list {
        return Ok(());
    }
    let text = match json {
        true => event_json(event, view, names).map(|object| object.to_string()),
        false => event_words(event, view, names),
    };
    text.map_or(Ok(()), |text| printer.print(text))
}

fn options(arguments: &Watch) -> Result<Options, Failure> {
    let (name, device) = match arguments.observe {
        true => (observer_name(), passing_device()),
        false => (name_or_user(arguments.name.as_ref())?, own_device()?),
    };
    let mut options = arguments.target.options(name, device)?;
    if !arguments.observe {
        options.key = Some(own_key()?);
    }
    options.observe = arguments.observe;
    options.reconnect = !arguments.once;
    options.heartbeat = arguments.heartbeat;
    options.label = label();
    options.rooms.clone_from(&arguments.join);
    if !arguments.room.is_empty() || !arguments.people.is_empty() {
        options.views = arguments.room.iter().cloned().map(WatchTarget::Room).collect();
    }
    if !arguments.people.is_empty() {
        let names = arguments.people.clone();
        options.views.push(WatchTarget::People { names, view: None });
    }
    Ok(options)
}

fn names(options: &Options) -> Names {
    let name = |target: &WatchTarget| match target {
        WatchTarget::Room(room) => room.to_string(),
        WatchTarget::People { .. } => "people".to_owned(),
    };
    Names::new(options.views.iter().map(name).collect())
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
