//! `herenow who`: a list, once.

use herenow_client::protocol::limits::NAMES_MAX;
use herenow_client::protocol::{DisplayName, Entry, Query, Status, WatchTarget};
use herenow_client::{Answer, Event, Options, connect};
use serde_json::json;

use super::args::{Target, Who};
use super::output::{ago, by_name, columns, full_words, line, unix_ms, user_json};
use super::{Exit, Failure, ask, asker, part, passing_device};

/// Observes, prints the list, leaves.
pub(crate) async fn run(arguments: Who) -> Result<(), Failure> {
    let Who { names, room, count, target, json } = arguments;
    let text = if count {
        count_of(Query::Count(room), &target, json).await?
    } else if names.is_empty() {
        let entries = everyone(WatchTarget::Room(room), &target).await?;
        if json { as_json(&entries) } else { as_table(&entries) }
    } else {
        let entries = people(names, &target).await?;
        if json { as_json(&entries) } else { rows(&entries).join("\n") }
    };
    // Whoever closed the pipe has what they wanted.
    let _ = line(&text);
    Ok(())
}

fn asking(target: &Target) -> Result<Options, Failure> {
    asker(target, target.observer(), passing_device())
}

async fn count_of(query: Query, target: &Target, json: bool) -> Result<String, Failure> {
    match ask(asking(target)?, query, target).await? {
        Answer::People { count, .. } if json => Ok(json!({"count": count}).to_string()),
        Answer::People { count, .. } => Ok(count.to_string()),
        _ => Err(Failure::new(Exit::Internal, "the server answered something else")),
    }
}

/// These people, in the order in which they were asked for. More than fit one question are asked for in several.
async fn people(mut names: Vec<DisplayName>, target: &Target) -> Result<Vec<Entry>, Failure> {
    let mut people = Vec::new();
    while !names.is_empty() {
        let some: Vec<_> = names.iter().take(NAMES_MAX / 2).cloned().collect();
        let query = Query::People(some);
        let Answer::People { entries, .. } = ask(asking(target)?, query, target).await? else {
            return Err(Failure::new(Exit::Internal, "the server answered something else"));
        };
        if entries.is_empty() {
            return Err(Failure::new(Exit::Internal, "the server left somebody out"));
        }
        names.drain(..entries.len().min(names.len()));
        people.extend(entries);
    }
    Ok(people)
}

/// Everyone in a view, which proves itself before it is printed.
async fn everyone(view: WatchTarget, target: &Target) -> Result<Vec<Entry>, Failure> {
    let mut options = asking(target)?;
    options.views = vec![view];
    let (client, mut connection) = connect(options);
    while let Some(event) = connection.next().await {
        match event {
            Event::Snapshot { .. } => {
                let entries = by_name(connection.view());
                part(&client, &mut connection).await;
                return Ok(entries);
            }
            Event::Refused { text, .. } => {
                return Err(Failure::new(Exit::Refused, super::output::plain(&text)));
            }
            Event::Closed { reason, .. } => return Err(Failure::closed(&reason, target)),
            _ => {}
        }
    }
    Err(Failure::new(Exit::Internal, "the connection ended without a reason"))
}

fn as_json(entries: &[Entry]) -> String {
    let users: Vec<_> = entries.iter().map(user_json).collect();
    json!({"count": users.len(), "users": users}).to_string()
}

fn as_table(entries: &[Entry]) -> String {
    let mut lines = rows(entries);
    lines.push(match entries.len() {
        0 => "Nobody is here.".to_owned(),
        1 => "1 person is here.".to_owned(),
        count => format!("{count} people are here."),
    });
    lines.join("\n")
}

fn rows(entries: &[Entry]) -> Vec<String> {
    let width = entries.iter().map(|entry| columns(entry.name.as_str())).max().unwrap_or(0);
    let now = unix_ms();
    entries.iter().map(|entry| row(entry, width, now)).collect()
}

fn row(entry: &Entry, width: usize, now: u64) -> String {
    let name = entry.name.as_str();
    let pad = " ".repeat(width - columns(name));
    let presence = &entry.shown.presence;
    let status = presence.status;
    let since = match entry.shown.since_ms {
        0 => "never".to_owned(),
        since_ms => ago(now.saturating_sub(since_ms)),
    };
    let since = if status == Status::Offline { format!("seen {since}") } else { since };
    let rest = full_words(presence);
    let rest = rest.strip_prefix(status.name()).unwrap_or(&rest).trim_start_matches([':', ' ']);
    format!("{name}{pad}  {status:<9}  {since:>6}  {rest}").trim_end().to_owned()
}
