//! The history of a connection as a text for whoever is asked what went wrong.
//!
//! It holds times, reasons and numbers, and neither a user's name nor anybody's words: it can be passed on.

use std::fmt::Write as _;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::core::history::{History, SessionFacts, Step, Stepped};

/// The two clocks at the same moment, by which other moments find their time on the wall.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// On the clock that measures.
    pub now: Instant,
    /// On the wall, in milliseconds since 1970.
    pub wall_ms: u64,
}

/// The text. Times are UTC.
#[must_use]
pub fn write(history: &History, server: &str, moment: Moment) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_into(&mut text, history, server, moment);
    text
}

/// What the file is called, such as `connection-2027-01-15T08-00-00Z.log`.
#[must_use]
pub fn file_name(moment: Moment) -> String {
    let time =
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(moment.wall_ms));
    format!("connection-{}.log", time.to_string().replace(':', "-"))
}

fn write_into(
    text: &mut String,
    history: &History,
    server: &str,
    moment: Moment,
) -> std::fmt::Result {
    writeln!(text, "# herenow connection log; times are UTC")?;
    writeln!(text, "program=herenow-desktop version={}", env!("CARGO_PKG_VERSION"))?;
    writeln!(text, "written={}", moment.time(moment.now))?;
    writeln!(text, "server={server}")?;
    if let Some(facts) = history.session() {
        write_session(text, facts)?;
    }
    let list = history.list();
    write!(text, "list people={} digest={}", list.people, list.digest)?;
    if let Some(version) = list.version {
        write!(text, " version={version}")?;
    }
    if let Some(proved_at) = list.proved_at {
        write!(text, " proved={}", moment.time(proved_at))?;
    }
    writeln!(text)?;
    let times: Vec<String> =
        history.round_trips().map(|time| time.as_micros().to_string()).collect();
    writeln!(text, "round_trips_us={}", times.join(","))?;
    history.steps().try_for_each(|stepped| write_step(text, stepped, moment))
}

fn write_session(text: &mut String, facts: &SessionFacts) -> std::fmt::Result {
    let SessionFacts { session, server, epoch, bound } = facts;
    let bound_ms = bound.as_millis();
    writeln!(text, "session={session} software={server:?} epoch={epoch} bound_ms={bound_ms}")
}

fn write_step(text: &mut String, stepped: &Stepped, moment: Moment) -> std::fmt::Result {
    write!(text, "{} ", moment.time(stepped.at))?;
    match stepped.step {
        Step::Trying(attempt) => writeln!(text, "connecting attempt={attempt}"),
        Step::SignedIn => writeln!(text, "signed_in"),
        Step::Resumed => writeln!(text, "resumed"),
        Step::ContactLost(unanswered, of) => {
            writeln!(text, "contact_lost unanswered={unanswered} of={of}")
        }
        Step::ContactBack => writeln!(text, "contact_back"),
        Step::Listed => writeln!(text, "listed"),
        Step::Stale => writeln!(text, "stale"),
        Step::Proved => writeln!(text, "proved"),
        Step::Wrong => writeln!(text, "wrong"),
        Step::Mended(entries) => writeln!(text, "mended entries={entries}"),
        Step::NetworkDown => writeln!(text, "network_down"),
        Step::NetworkUp => writeln!(text, "network_up"),
        Step::Closed { name, retry_in: Some(wait), .. } => {
            writeln!(text, "closed reason={name} retry_in_ms={}", wait.as_millis())
        }
        Step::Closed { name, retry_in: None, .. } => writeln!(text, "closed reason={name}"),
    }
}

impl Moment {
    fn time(self, at: Instant) -> humantime::Rfc3339Timestamp {
        let ago = self.now.saturating_duration_since(at);
        let wall = Duration::from_millis(self.wall_ms).saturating_sub(ago);
        humantime::format_rfc3339_millis(UNIX_EPOCH + wall)
    }
}

#[cfg(test)]
mod tests {
    use herenow_client::{Disconnect, Event};

    use super::*;
    use crate::core::history::ListFacts;

    #[expect(clippy::disallowed_methods, reason = "any point in time will do")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_log_tells_what_happened_and_when_and_nobodys_words() {
        let (mut history, now) = (History::default(), start());
        let text = "ada is in use".to_owned();
        let reason = herenow_client::protocol::CloseReason::NameInUse;
        let events = [
            (0, Event::Connecting { attempt: 1 }),
            (500, Event::RoundTrip(Duration::from_micros(700))),
            (1_500, Event::Closed { reason: Disconnect::Goodbye { reason, text }, retry_in: None }),
        ];
        for (ms, event) in events {
            history.add(&event, ListFacts::default(), now + Duration::from_millis(ms));
        }
        let moment = Moment { now: now + Duration::from_secs(2), wall_ms: 1_800_000_002_000 };
        let log = write(&history, "127.0.0.1", moment);
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(
            lines[2..],
            [
                "written=2027-01-15T08:00:02.000Z",
                "server=127.0.0.1",
                "list people=0 digest=00000000000000000000000000000000",
                "round_trips_us=700",
                "2027-01-15T08:00:00.000Z connecting attempt=1",
                "2027-01-15T08:00:01.500Z closed reason=name_in_use",
            ]
        );
        assert_eq!(file_name(moment), "connection-2027-01-15T08-00-02Z.log");
    }
}
