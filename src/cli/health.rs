//! `herenow health`: how a server is, for its operator.

use herenow_client::Answer;
use herenow_client::protocol::{Health, Query, StoreState};
use serde_json::json;

use super::output::{line, plain};
use super::{Exit, Failure, ask, asker, known_operator, passing_device};

/// Asks and prints. Fails if the server's store does.
pub(crate) async fn run(arguments: super::args::Health) -> Result<(), Failure> {
    let super::args::Health { target, json } = arguments;
    let query = Query::Health { operator: known_operator()? };
    let options = asker(&target, target.observer(), passing_device())?;
    let Answer::Health(health) = ask(options, query, &target).await? else {
        return Err(Failure::new(Exit::Internal, "the server answered something else"));
    };
    // Whoever closed the pipe has what they wanted.
    let _ = line(&if json { as_json(&health) } else { as_words(&health) });
    match health.store {
        StoreState::Failing => {
            Err(Failure::new(Exit::Refused, "the server cannot write its state"))
        }
        StoreState::None | StoreState::Written => Ok(()),
    }
}

fn as_json(health: &Health) -> String {
    json!({
        "sessions": health.sessions,
        "users": health.users,
        "store": health.store.name(),
        "transitions_waiting": health.waiting,
        "transitions_dropped": health.dropped,
        "divergences": health.divergences,
        "text": health.text,
    })
    .to_string()
}

fn as_words(health: &Health) -> String {
    let store = match health.store {
        StoreState::None => "keeps nothing on disk".to_owned(),
        StoreState::Written => format!("is written, {} transitions are under way", health.waiting),
        StoreState::Failing => format!(
            "cannot be written: {} ({} transitions wait, {} are lost)",
            plain(&health.text),
            health.waiting,
            health.dropped
        ),
    };
    format!(
        "sessions     {}\nusers        {}\ndivergences  {}\nstate        {store}",
        health.sessions, health.users, health.divergences
    )
}
