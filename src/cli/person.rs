//! `herenow export` and `herenow erase`: what a server's folder keeps of one person.

use herenow::store::StoreError;
use herenow::store::person::{Erased, erase as erase_from, export as export_from};

use super::args::Person;
use super::output::{print, unix_ms};
use super::{Exit, Failure};

/// Prints everything that is kept.
#[expect(clippy::unused_async, reason = "every command is run alike")]
pub(crate) async fn export(arguments: Person) -> Result<(), Failure> {
    let kept = export_from(&arguments.state, &arguments.name).map_err(|error| failed(&error))?;
    print(&format!("{kept:#}\n"));
    Ok(())
}

/// Erases it.
#[expect(clippy::unused_async, reason = "every command is run alike")]
pub(crate) async fn erase(arguments: Person) -> Result<(), Failure> {
    let Person { name, state } = arguments;
    let erased = erase_from(&state, &name, unix_ms()).map_err(|error| failed(&error))?;
    if erased == Erased::default() {
        return Err(Failure::new(Exit::Refused, format!("nothing is kept of {name}")));
    }
    let Erased { sessions, transitions, others } = erased;
    print(&format!(
        "Erased {name}: {sessions} sessions, {others} other rows; {transitions} transitions bear no name any more.\n"
    ));
    Ok(())
}

fn failed(error: &StoreError) -> Failure {
    let exit = match error {
        StoreError::InUse { .. } => Exit::Refused,
        _ => Exit::Unavailable,
    };
    Failure::new(exit, error.to_string())
}
