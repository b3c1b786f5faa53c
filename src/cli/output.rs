//! What commands print: words for people, or one JSON object a line for programs.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use herenow_client::protocol::{CloseReason, Entry, Presence, Status};
use herenow_client::{Disconnect, Event, View};
use serde_json::{Map, Value, json};

/// Nobody reads any more.
#[derive(Debug)]
pub(crate) struct Closed;

/// Prints one line, at once.
///
/// # Errors
/// [`Closed`] if stdout takes it no more.
pub(crate) fn line(text: &str) -> Result<(), Closed> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|_| Closed)
}

/// Words from elsewhere, without anything that a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "what is printed carries the time of printing")]
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Everyone in a view, by name.
pub(crate) fn by_name(view: &View) -> Vec<&Entry> {
    let mut entries: Vec<_> = view.entries().collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// A user as `who --json` and a snapshot show them.
pub(crate) fn user_json(entry: &Entry) -> Value {
    json!({
        "user": entry.name.as_str(),
        "status": entry.presence.status.name(),
        "text": entry.presence.text.as_str(),
        "since_ms": entry.since_ms,
    })
}

/// One object for an event; `None` for one that is not worth a line.
pub(crate) fn event_json(event: &Event, view: &View) -> Option<Value> {
    let mut object = match event {
        Event::Connecting { attempt } => json!({"event": "connecting", "attempt": attempt}),
        Event::SignedIn(welcome) => json!({
            "event": "signed_in",
            "session": welcome.session.0,
            "heartbeat_ms": welcome.heartbeat_ms,
            "misses": welcome.misses,
            "detection_bound_ms": welcome.detection_bound_ms,
        }),
        Event::Snapshot => snapshot_json(view),
        Event::Joined(entry) => about("join", entry),
        Event::Updated(entry) => about("update", entry),
        Event::Left { entry, cause } => leave_json(entry, *cause),
        Event::Stale => json!({"event": "stale"}),
        Event::Fresh => json!({"event": "fresh"}),
        Event::ContactLost { unanswered, of } => {
            json!({"event": "contact_lost", "unanswered": unanswered, "of": of})
        }
        Event::ContactBack => json!({"event": "contact_back"}),
        Event::Mirror(me) => mirror_json(me.as_ref()),
        Event::Refused { code, text } => {
            json!({"event": "refused", "code": code.name(), "text": text})
        }
        Event::Network { up } => json!({"event": "network", "up": up}),
        Event::Closed { reason, retry_in } => closed_json(reason, retry_in.map(|r| r.as_millis())),
        Event::RoundTrip(_) => return None,
    };
    object["at"] = unix_ms().into();
    Some(object)
}

fn snapshot_json(view: &View) -> Value {
    let users: Vec<_> = by_name(view).into_iter().map(user_json).collect();
    json!({"event": "snapshot", "count": users.len(), "users": users})
}

/// The whole list, in the place of lines that a slow reader missed.
pub(crate) fn missed_json(missed: u64, view: &View) -> Value {
    let mut object = snapshot_json(view);
    object["missed"] = missed.into();
    object["at"] = unix_ms().into();
    object
}

/// As [`missed_json`], for people.
pub(crate) fn missed_words(missed: u64, view: &View) -> String {
    format!("... {missed} lines left out ...\n{}", snapshot_words(view))
}

fn about(event: &str, entry: &Entry) -> Value {
    let mut object = Map::from_iter([("event".to_owned(), event.into())]);
    if let Value::Object(user) = user_json(entry) {
        object.extend(user);
    }
    object.into()
}

fn leave_json(entry: &Entry, cause: CloseReason) -> Value {
    let mut object = json!({"event": "leave", "user": entry.name.as_str(), "cause": cause.name()});
    if let Some(violation) = cause.violation() {
        object["detail"] = violation.name().into();
    }
    object
}

fn mirror_json(me: Option<&Presence>) -> Value {
    match me {
        Some(Presence { status, text }) => json!({
            "event": "mirror", "listed": true, "status": status.name(), "text": text.as_str(),
        }),
        None => json!({"event": "mirror", "listed": false}),
    }
}

fn closed_json(reason: &Disconnect, retry_in_ms: Option<u128>) -> Value {
    let mut object =
        json!({"event": "closed", "reason": reason.name(), "text": reason.to_string()});
    if let Some(violation) = reason.violation() {
        object["detail"] = violation.name().into();
    }
    object["retry_in_ms"] = retry_in_ms.and_then(|ms| u64::try_from(ms).ok()).into();
    object
}

/// One line for an event; `None` for one that is not worth a line.
pub(crate) fn event_words(event: &Event, view: &View) -> Option<String> {
    Some(match event {
        Event::Connecting { attempt: 1 } | Event::RoundTrip(_) => return None,
        Event::Connecting { attempt } => format!("trying again, number {attempt}"),
        Event::SignedIn(welcome) => format!(
            "signed in; whoever falls silent is told gone within {} s",
            seconds(u128::from(welcome.detection_bound_ms))
        ),
        Event::Snapshot => snapshot_words(view),
        Event::Joined(entry) => format!("+ {} came{}", entry.name, presence_words(&entry.presence)),
        Event::Updated(entry) => format!("~ {} is {}", entry.name, full_words(&entry.presence)),
        Event::Left { entry, cause } => format!("- {} left: {}", entry.name, cause_words(*cause)),
        Event::Stale => "! the list may be old".to_owned(),
        Event::Fresh => "the list is exact again".to_owned(),
        Event::ContactLost { unanswered, of } => {
            format!("! contact lost: {unanswered} of {of} heartbeats unanswered")
        }
        Event::ContactBack => "contact is back".to_owned(),
        Event::Mirror(Some(me)) => format!("others see you {}", full_words(me)),
        Event::Mirror(None) => "others do not see you".to_owned(),
        Event::Refused { text, .. } => format!("! refused: {}", plain(text)),
        Event::Network { up: false } => "! your own network is down".to_owned(),
        Event::Network { up: true } => "your own network is back".to_owned(),
        Event::Closed { reason, retry_in } => {
            let reason = plain(&reason.to_string());
            match retry_in {
                Some(wait) => format!("! {reason}; next try in {} s", seconds(wait.as_millis())),
                None => format!("! {reason}"),
            }
        }
    })
}

fn snapshot_words(view: &View) -> String {
    let entries = by_name(view);
    let shown = entries.iter().map(|e| format!("{}{}", e.name, presence_words(&e.presence)));
    match entries.len() {
        0 => "nobody is here".to_owned(),
        count => format!("{count} here: {}", shown.collect::<Vec<_>>().join(", ")),
    }
}

/// Nothing for someone who is simply available.
fn presence_words(presence: &Presence) -> String {
    match presence {
        Presence { status: Status::Available, text } if text.is_empty() => String::new(),
        presence => format!(" ({})", full_words(presence)),
    }
}

fn full_words(Presence { status, text }: &Presence) -> String {
    if text.is_empty() { status.to_string() } else { format!("{status}: {text}") }
}

fn cause_words(cause: CloseReason) -> String {
    match cause {
        CloseReason::Goodbye => "said goodbye".to_owned(),
        CloseReason::ConnectionClosed => "closed the connection without a word".to_owned(),
        CloseReason::ConnectionReset => "the connection broke".to_owned(),
        CloseReason::HeartbeatTimeout => "fell silent".to_owned(),
        CloseReason::SlowConsumer => "was too slow to take the news".to_owned(),
        cause => cause.to_string().replace('_', " "),
    }
}

/// `10.5` for 10,500 ms, `3` for 3,000.
fn seconds(ms: u128) -> String {
    let tenths = (ms + 50) / 100;
    match tenths % 10 {
        0 => format!("{}", tenths / 10),
        rest => format!("{}.{rest}", tenths / 10),
    }
}

/// How long ago, in words as short as a column.
pub(crate) fn ago(ms: u64) -> String {
    match ms / 1000 {
        0..60 => "now".to_owned(),
        s @ 60..3_600 => format!("{} min", s / 60),
        s @ 3_600..86_400 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

/// Columns that a text takes on a terminal: two for wide East Asian characters and emoji.
pub(crate) fn columns(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_words() {
        let shown: Vec<_> = [0, 59_999, 60_000, 7_200_000, 200_000_000].map(ago).into();
        assert_eq!(shown, ["now", "now", "1 min", "2 h", "2 d"]);
        assert_eq!(["10.5", "3", "0.6"], [10_500, 3_000, 600].map(seconds));
    }

    #[test]
    fn words_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\n"), "a\u{FFFD}[2Jb\u{FFFD}");
    }
}
