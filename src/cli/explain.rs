//! `herenow explain`: why someone is shown as they are.

use herenow_client::Answer;
use herenow_client::protocol::{
    CloseReason, Explanation, Query, Rule, SessionReport, SessionState, Status, Transition,
};
use serde_json::{Value, json};

use super::args::Explain;
use super::output::{clock_time, full_words, line, plain, presence_json};
use super::{Exit, Failure, ask, asker, known_operator, own_device, own_key};

/// Asks as the user or as the operator, whichever this account is, and prints the answer.
pub(crate) async fn run(arguments: Explain) -> Result<(), Failure> {
    let Explain { name, target, json } = arguments;
    let mut options = asker(&target, name.clone(), own_device()?)?;
    options.key = Some(own_key()?);
    let query = Query::Explain { name, operator: known_operator()? };
    let Answer::Explanation(explanation) = ask(options, query, &target).await? else {
        return Err(Failure::new(Exit::Internal, "the server answered something else"));
    };
    // Whoever closed the pipe has what they wanted.
    let _ = line(&if json { as_json(&explanation) } else { as_words(&explanation) });
    Ok(())
}

fn as_json(explanation: &Explanation) -> String {
    let Explanation { name, me, rule, winner, sessions, transitions } = explanation;
    json!({
        "user": name.as_str(),
        "shown": me.as_ref().map(presence_json),
        "rule": rule.name(),
        "winner": winner.map(|session| session.0),
        "sessions": sessions.iter().map(session_json).collect::<Vec<_>>(),
        "transitions": transitions.iter().map(transition_json).collect::<Vec<_>>(),
    })
    .to_string()
}

fn session_json(report: &SessionReport) -> Value {
    json!({
        "session": report.session.0,
        "device": report.device.as_str(),
        "state": report.state.name(),
        "status": report.status.name(),
        "automatic": report.automatic,
        "since_ms": report.since_ms,
        "heard_ms_ago": report.heard_ms_ago,
        "sent_ms_ago": report.sent_ms_ago,
        "round_trip_us": report.round_trip_us,
        "misses": report.misses,
        "grace_ms": report.grace_ms,
        "resume_ms": report.resume_ms,
    })
}

fn transition_json(transition: &Transition) -> Value {
    json!({
        "at": transition.at_ms,
        "event": transition.kind.name(),
        "session": transition.session.map(|session| session.0),
        "cause": transition.cause.map(CloseReason::name),
        "not_before": transition.not_before_ms,
        "status": transition.status.map(Status::name),
    })
}

fn as_words(explanation: &Explanation) -> String {
    let Explanation { name, me, rule, winner, sessions, transitions } = explanation;
    let shown = match me {
        Some(me) => format!("{name} is shown {}", full_words(me)),
        None => format!("{name} is shown offline"),
    };
    let mut lines = vec![format!("{shown}, because {}.", rule_words(*rule))];
    if !sessions.is_empty() {
        lines.push("\nSessions:".to_owned());
    }
    for report in sessions {
        let decided = if *winner == Some(report.session) { "  <- decided" } else { "" };
        lines.push(format!("  {}{decided}", session_words(report)));
    }
    if !transitions.is_empty() {
        lines.push("\nWhat happened last:".to_owned());
    }
    lines
        .extend(transitions.iter().map(|transition| format!("  {}", transition_words(transition))));
    lines.join("\n")
}

fn rule_words(rule: Rule) -> &'static str {
    match rule {
        Rule::NoSession => "no session counts",
        Rule::OnlySession => "the only session that counts says so",
        Rule::InvisibleHides => "an invisible session hides all of them",
        Rule::PersonOverProgram => "what a person chose outranks what programs chose",
        Rule::Precedence => "busy wins over available, and available over away",
    }
}

fn session_words(report: &SessionReport) -> String {
    let by = if report.automatic { "by a program" } else { "by a person" };
    let device = plain(report.device.as_str());
    let says = format!("{device:?}: {} {by} since {}", report.status, clock_time(report.since_ms));
    let heard = format!("heard {} ago", span(report.heard_ms_ago));
    let state = match report.state {
        SessionState::Connected => {
            let sent = report.sent_ms_ago.map(|ms| format!(", sent {} ago", span(ms)));
            let round_trip = report
                .round_trip_us
                .map(|us| format!(", round trip {}.{} ms", us / 1000, us / 100 % 10));
            let (sent, round_trip) = (sent.unwrap_or_default(), round_trip.unwrap_or_default());
            format!("connected, {heard}{sent}{round_trip}, {} beats missed", report.misses)
        }
        SessionState::Grace => {
            format!(
                "connection lost, {heard}, still counts for {}",
                span(report.grace_ms.unwrap_or(0))
            )
        }
        SessionState::Resumable => {
            format!(
                "connection lost, {heard}, can be resumed for {}",
                span(report.resume_ms.unwrap_or(0))
            )
        }
    };
    format!("{says}; {state}")
}

fn transition_words(transition: &Transition) -> String {
    let status = transition.status.map(|status| format!(" {status}")).unwrap_or_default();
    let cause = transition.cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    let session =
        transition.session.map(|session| format!(" session {session}")).unwrap_or_default();
    format!("{}  {}{status}{session}{cause}", clock_time(transition.at_ms), transition.kind)
}

/// `1.5 s` for 1,500 ms.
fn span(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms / 100 % 10)
}
