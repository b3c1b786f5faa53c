//! `herenow log`: what happened to sessions and users, from a server's folder.

use std::time::Duration;

use herenow::journal::Logged;
use herenow::store::{Cursor, Gap, LogReader, StoreError};
use herenow_client::protocol::{CloseReason, TransitionKind};
use serde_json::json;

use super::args::Log;
use super::output::{Closed, clock_time, line, plain};
use super::{Exit, Failure, stop_asked};

/// Transitions read at a time.
const BATCH: usize = 1_000;

/// How often a log that is followed is looked at.
const POLL: Duration = Duration::from_millis(200);

/// Prints what is there, and with --follow what comes.
pub(crate) async fn run(arguments: Log) -> Result<(), Failure> {
    let reader = LogReader::open(&arguments.state).map_err(|error| cannot_read(&error))?;
    let newest = reader.newest().map_err(|error| cannot_read(&error))?;
    if arguments.since > newest.0 {
        return Err(beyond_the_end(arguments.since, newest));
    }
    let stop = stop_asked();
    tokio::pin!(stop);
    let mut cursor = Cursor(arguments.since);
    loop {
        let (next, Ok(())) = print_from(&reader, cursor, arguments.json)? else { return Ok(()) };
        if next == cursor && !arguments.follow {
            return Ok(());
        }
        let caught_up = next == cursor;
        cursor = next;
        if caught_up {
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = &mut stop => return Ok(()),
            }
        }
    }
}

/// Prints one batch. Returns where the next one begins.
fn print_from(
    reader: &LogReader,
    from: Cursor,
    json: bool,
) -> Result<(Cursor, Result<(), Closed>), Failure> {
    let transitions = reader.read(from, BATCH).map_err(|error| cannot_read(&error))?;
    let end = transitions.last().map_or(from, |(cursor, _)| *cursor);
    // The end of the log is looked at for gaps only when it has grown.
    let gaps = if end == from {
        Vec::new()
    } else {
        reader.gaps(from, end).map_err(|e| cannot_read(&e))?
    };
    let mut gaps = gaps.into_iter().filter(|gap| gap.cursor < end).peekable();
    for (cursor, logged) in &transitions {
        while let Some(gap) = gaps.next_if(|gap| gap.cursor < *cursor) {
            if let Err(closed) = line(&if json { gap_json(gap) } else { gap_words(gap) }) {
                return Ok((from, Err(closed)));
            }
        }
        let text = if json { as_json(*cursor, logged) } else { as_words(*cursor, logged) };
        if let Err(closed) = line(&text) {
            return Ok((from, Err(closed)));
        }
    }
    Ok((end, Ok(())))
}

/// Going on from there would pass over everything until then.
fn beyond_the_end(since: u64, Cursor(newest): Cursor) -> Failure {
    let text = format!(
        "--since {since} is beyond the end of this log, which is {newest}: the cursor is of another log. Begin with --since 0"
    );
    Failure::new(Exit::Refused, text)
}

fn cannot_read(error: &StoreError) -> Failure {
    Failure::new(Exit::Unavailable, error.to_string())
}

fn as_json(Cursor(cursor): Cursor, Logged { name, device, transition }: &Logged) -> String {
    let mut object = json!({
        "cursor": cursor,
        "at": transition.at_ms,
        "event": transition.kind.name(),
        "user": name.as_str(),
        "not_before": transition.not_before_ms,
    });
    if let Some(session) = transition.session {
        object["session"] = session.0.into();
        object["device"] = device.as_str().into();
    }
    if let Some(cause) = transition.cause {
        object["cause"] = cause.name().into();
    }
    if let Some(violation) = transition.cause.and_then(CloseReason::violation) {
        object["detail"] = violation.name().into();
    }
    if let Some(status) = transition.status {
        object["status"] = status.name().into();
    }
    object.to_string()
}

fn as_words(Cursor(cursor): Cursor, Logged { name, device, transition }: &Logged) -> String {
    let who = match transition.session {
        Some(session) => format!("{name}, session {session} on {:?}", plain(device.as_str())),
        None => name.to_string(),
    };
    let what = match (transition.kind, transition.status) {
        (TransitionKind::Online | TransitionKind::Changed, Some(status)) => {
            format!("{} {status}", transition.kind)
        }
        (kind, _) => kind.to_string(),
    };
    let why = transition.cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    let earlier = transition.at_ms.saturating_sub(transition.not_before_ms);
    let since = match earlier {
        0 => String::new(),
        ms => format!(" (up to {:.1} s earlier)", Duration::from_millis(ms).as_secs_f64()),
    };
    format!("{cursor:>6}  {}  {what:<16} {who}{why}{since}", clock_time(transition.at_ms))
}

fn gap_json(gap: Gap) -> String {
    let Gap { cursor: Cursor(cursor), dropped, from_ms, to_ms } = gap;
    json!({"cursor": cursor, "event": "gap", "dropped": dropped, "from": from_ms, "to": to_ms})
        .to_string()
}

fn gap_words(gap: Gap) -> String {
    let Gap { cursor: Cursor(cursor), dropped, to_ms, .. } = gap;
    format!(
        "{cursor:>6}  {}  {dropped} transitions are missing: the disk failed",
        clock_time(to_ms)
    )
}
