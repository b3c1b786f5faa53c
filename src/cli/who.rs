//! `herenow who`: the list, once.

use herenow_client::protocol::Entry;
use herenow_client::{Event, Options, View, connect};
use serde_json::json;

use super::args::Who;
use super::output::{ago, by_name, columns, line, unix_ms, user_json};
use super::{Exit, Failure, observer_name, passing_device};

/// Observes, prints the list, leaves.
pub(crate) async fn run(arguments: Who) -> Result<(), Failure> {
    let Who { target, json } = arguments;
    let mut options = Options::new(&target.server, observer_name(), passing_device());
    options.observe = true;
    options.reconnect = false;
    let (client, mut connection) = connect(options);
    while let Some(event) = connection.next().await {
        match event {
            Event::Snapshot => {
                let text =
                    if json { as_json(connection.view()) } else { as_table(connection.view()) };
                client.goodbye();
                while connection.next().await.is_some() {}
                // Whoever closed the pipe has what they wanted.
                let _ = line(&text);
                return Ok(());
            }
            Event::Closed { reason, .. } => return Err(Failure::closed(&reason, &target)),
            _ => {}
        }
    }
    Err(Failure::new(Exit::Internal, "the connection ended without a reason"))
}

fn as_json(view: &View) -> String {
    let users: Vec<_> = by_name(view).into_iter().map(user_json).collect();
    json!({"count": users.len(), "users": users}).to_string()
}

fn as_table(view: &View) -> String {
    let entries = by_name(view);
    let width = entries.iter().map(|entry| columns(entry.name.as_str())).max().unwrap_or(0);
    let now = unix_ms();
    let mut lines: Vec<_> = entries.iter().map(|entry| row(entry, width, now)).collect();
    lines.push(match entries.len() {
        0 => "Nobody is here.".to_owned(),
        1 => "1 person is here.".to_owned(),
        count => format!("{count} people are here."),
    });
    lines.join("\n")
}

fn row(entry: &Entry, width: usize, now: u64) -> String {
    let name = entry.name.as_str();
    let pad = " ".repeat(width - columns(name));
    let (status, since) = (entry.presence.status, ago(now.saturating_sub(entry.since_ms)));
    format!("{name}{pad}  {status:<9}  {since:>6}  {}", entry.presence.text).trim_end().to_owned()
}
