//! What commands print: words for people, or one JSON object a line for programs.

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use herenow_client::protocol::{
    Choice, CloseReason, DeviceLabel, Entry, Presence, Status, StatusText,
};
use herenow_client::{Disconnect, Event, View, ViewKey};
use serde_json::{Value, json};

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

/// Prints a whole text. Whoever does not read it does not want it.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
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
pub(crate) fn by_name(view: &View) -> Vec<Entry> {
    let mut entries: Vec<_> = view.entries().collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// A user as `who --json` and a snapshot show them.
pub(crate) fn user_json(entry: &Entry) -> Value {
    let shown = &entry.shown;
    let mut object = json!({"user": entry.name.as_str()});
    extend(&mut object, presence_json(&shown.presence));
    object["since_ms"] = shown.since_ms.into();
    let devices = shown.devices.as_slice().iter().map(DeviceLabel::as_str);
    object["devices"] = devices.collect();
    object["metadata"] = shown.metadata.pairs().collect();
    object
}

/// What others see of a status.
pub(crate) fn presence_json(presence: &Presence) -> Value {
    let Presence { status, text, automatic, until_ms } = presence;
    json!({
        "status": status.name(),
        "text": text.as_str(),
        "automatic": automatic,
        "until_ms": (*until_ms > 0).then_some(until_ms),
    })
}

fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

/// What each view is called in the output.
#[derive(Clone, Debug)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// In the order of their numbers.
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    fn get(&self, view: ViewKey) -> &str {
        self.0.get(view.0 as usize).map_or("?", String::as_str)
    }

    /// Nothing where there is only one.
    fn prefix(&self, view: ViewKey) -> String {
        if self.0.len() < 2 { String::new() } else { format!("[{}] ", self.get(view)) }
    }
}

/// One object for an event; `None` for one that is not worth a line. `view` is the list that the event is about.
pub(crate) fn event_json(event: &Event, view: &View, names: &Names) -> Option<Value> {
    let mut object = match event {
        Event::Connecting { attempt } => json!({"event": "connecting", "attempt": attempt}),
        Event::SignedIn(welcome) => json!({
            "event": "signed_in",
            "session": welcome.session.0,
            "resumed": welcome.resumed,
            "heartbeat_ms": welcome.heartbeat_ms,
            "misses": welcome.misses,
            "detection_bound_ms": welcome.detection_bound_ms,
        }),
        Event::Snapshot { .. } => snapshot_json(view),
        Event::Joined { entry, .. } => about("join", entry),
        Event::Updated { entry, .. } => about("update", entry),
        Event::Left { entry, cause, .. } => leave_json(entry, *cause),
        Event::Stale { age, .. } => json!({"event": "stale", "age_ms": millis(*age)}),
        Event::Fresh { .. } => json!({"event": "fresh"}),
        Event::Diverged { mismatch, .. } => {
            json!({"event": "diverged", "text": mismatch.to_string()})
        }
        Event::Repaired { entries, .. } => json!({"event": "repaired", "entries": entries}),
        Event::ContactLost { unanswered, of } => {
            json!({"event": "contact_lost", "unanswered": unanswered, "of": of})
        }
        Event::Busy(delay) => json!({"event": "busy", "delay_ms": delay.map(millis)}),
        Event::ContactBack => json!({"event": "contact_back"}),
        Event::Mirror(me) => mirror_json(me.as_ref()),
        Event::Accepted(choice) => choice_json("accepted", choice),
        Event::Chosen(choice) => choice_json("chosen", choice),
        Event::Refused { code, text } => {
            json!({"event": "refused", "code": code.name(), "text": text})
        }
        Event::Network { up } => json!({"event": "network", "up": up}),
        Event::Closed { reason, retry_in } => closed_json(reason, retry_in.map(|r| r.as_millis())),
        Event::Renewed => json!({"event": "renewed"}),
        Event::RoundTrip(_) => return None,
    };
    if let Some(key) = view_of(event) {
        object["view"] = names.get(key).into();
    }
    object["at"] = unix_ms().into();
    Some(object)
}

/// The list that an event is about.
pub(crate) fn view_of(event: &Event) -> Option<ViewKey> {
    match event {
        Event::Snapshot { view }
        | Event::Joined { view, .. }
        | Event::Updated { view, .. }
        | Event::Left { view, .. }
        | Event::Stale { view, .. }
        | Event::Fresh { view }
        | Event::Diverged { view, .. }
        | Event::Repaired { view, .. } => Some(*view),
        _ => None,
    }
}

fn snapshot_json(view: &View) -> Value {
    let users: Vec<_> = by_name(view).iter().map(user_json).collect();
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
    let mut object = json!({"event": event});
    extend(&mut object, user_json(entry));
    object
}

fn choice_json(event: &str, choice: &Choice) -> Value {
    let text = choice.text.as_ref().map(StatusText::as_str);
    json!({"event": event, "status": choice.status.name(), "text": text})
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn leave_json(entry: &Entry, cause: CloseReason) -> Value {
    let mut object = json!({"event": "leave", "user": entry.name.as_str(), "cause": cause.name()});
    if let Some(violation) = cause.violation() {
        object["detail"] = violation.name().into();
    }
    object
}

fn mirror_json(me: Option<&Presence>) -> Value {
    let mut object = json!({"event": "mirror", "listed": me.is_some()});
    if let Some(me) = me {
        extend(&mut object, presence_json(me));
    }
    object
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

/// One line for an event; `None` for one that is not worth a line. `view` is the list that the event is about.
pub(crate) fn event_words(event: &Event, view: &View, names: &Names) -> Option<String> {
    let words = match event {
        Event::Connecting { attempt: 1 } | Event::RoundTrip(_) | Event::Accepted(_) => return None,
        Event::Connecting { attempt } => format!("trying again, number {attempt}"),
        Event::SignedIn(welcome) if welcome.resumed => "signed in again, as before".to_owned(),
        Event::SignedIn(welcome) => format!(
            "signed in; whoever falls silent is told gone within {} s",
            seconds(u128::from(welcome.detection_bound_ms))
        ),
        Event::Snapshot { .. } => snapshot_words(view),
        Event::Joined { entry, .. } => {
            format!("+ {} came{}", entry.name, presence_words(&entry.shown.presence))
        }
        Event::Updated { entry, .. } => {
            format!("~ {} is {}", entry.name, full_words(&entry.shown.presence))
        }
        Event::Left { entry, cause, .. } => {
            format!("- {} left: {}", entry.name, cause_words(*cause))
        }
        Event::Stale { age, .. } => {
            format!("! the list may be old: it was right {} s ago", seconds(age.as_millis()))
        }
        Event::Fresh { .. } => "the list is exact again".to_owned(),
        Event::Diverged { mismatch, .. } => {
            format!("! the list is wrong and will be mended: {mismatch}")
        }
        Event::Repaired { entries, .. } => {
            format!("the list is mended; {entries} entries were wrong")
        }
        Event::ContactLost { unanswered, of } => {
            format!("! contact lost: {unanswered} of {of} heartbeats unanswered")
        }
        Event::Busy(Some(delay)) => {
            let seconds = seconds(delay.as_millis());
            format!("! the server is busy: the lists may be up to {seconds} s behind")
        }
        Event::Busy(None) => "the server has caught up".to_owned(),
        Event::ContactBack => "contact is back".to_owned(),
        Event::Renewed => "the server took the new credential".to_owned(),
        Event::Mirror(Some(me)) => format!("others see you {}", full_words(me)),
        Event::Mirror(None) => "others do not see you".to_owned(),
        Event::Chosen(choice) => format!("you chose {} elsewhere", choice.status),
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
    };
    Some(match view_of(event) {
        Some(key) => format!("{}{words}", names.prefix(key)),
        None => words,
    })
}

fn snapshot_words(view: &View) -> String {
    let entries = by_name(view);
    let shown = entries.iter().map(|e| format!("{}{}", e.name, presence_words(&e.shown.presence)));
    let here = entries.iter().filter(|e| e.shown.presence.status != Status::Offline).count();
    let all = entries.len();
    let count = if here == all { here.to_string() } else { format!("{here} of {all}") };
    match all {
        0 => "nobody is here".to_owned(),
        _ => format!("{count} here: {}", shown.collect::<Vec<_>>().join(", ")),
    }
}

/// Nothing for someone who is simply available.
fn presence_words(presence: &Presence) -> String {
    match presence {
        Presence { status: Status::Available, text, .. } if text.is_empty() => String::new(),
        presence => format!(" ({})", full_words(presence)),
    }
}

/// `away (idle): back soon (42 min left)`.
pub(crate) fn full_words(presence: &Presence) -> String {
    let Presence { status, text, automatic, until_ms } = presence;
    let idle = if *automatic && *status == Status::Away { " (idle)" } else { "" };
    let left = match until_ms.saturating_sub(unix_ms()) {
        0 => String::new(),
        ms => format!(" ({} left)", in_words(ms)),
    };
    if text.is_empty() {
        format!("{status}{idle}")
    } else {
        format!("{status}{idle}: {text}{left}")
    }
}

/// A span, rounded up, in words as short as a column.
fn in_words(ms: u64) -> String {
    match ms.div_ceil(1000) {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min", s.div_ceil(60)),
        s => format!("{} h", s.div_ceil(3_600)),
    }
}

/// A time of the wall clock, in UTC.
pub(crate) fn clock_time(unix_ms: u64) -> String {
    // Later times than a clock can show are shown as its last.
    let at = UNIX_EPOCH + Duration::from_millis(unix_ms.min(253_402_300_799_999));
    humantime::format_rfc3339_millis(at).to_string()
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
