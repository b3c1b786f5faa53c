//! `herenow pair`: one person, several devices.

use herenow_client::protocol::pairing;
use herenow_client::set_user_key;

use super::args::Pair;
use super::output::line;
use super::{Exit, Failure, own_key};

/// Prints this account's pairing code, or makes the account one of the devices of the person with that code.
#[expect(clippy::unused_async, reason = "every command is run alike")]
pub(crate) async fn run(arguments: Pair) -> Result<(), Failure> {
    let text = match arguments.code {
        Some(code) => {
            set_user_key(&code).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
            "This account is one of that person's devices from now on. Programs that run already notice at their next start."
                .to_owned()
        }
        None => pairing::code(own_key()?),
    };
    // Whoever closed the pipe has what they wanted.
    let _ = line(&text);
    Ok(())
}
