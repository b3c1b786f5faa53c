//! `herenow hash-password`: what a user file needs to know of a password.

use std::io::{self, IsTerminal as _};

use herenow::auth::hash_password;
use herenow_client::protocol::Credential;

use super::args::HashPassword;
use super::output::print;
use super::{Exit, Failure};

/// Reads a password, unseen if somebody types it, and prints its hash.
#[expect(clippy::unused_async, reason = "every command is run alike")]
pub(crate) async fn run(arguments: HashPassword) -> Result<(), Failure> {
    let password = read().map_err(|error| Failure::internal(&error))?;
    if password.expose().is_empty() {
        return Err(Failure::new(Exit::Usage, "an empty password is none"));
    }
    let hash = hash_password(&password).map_err(|error| Failure::internal(&error))?;
    print(&match arguments.user {
        Some(user) => {
            let user = toml::Value::from(user.as_str());
            format!("[users.{user}]\npassword = \"{hash}\"\n")
        }
        None => format!("{hash}\n"),
    });
    Ok(())
}

fn read() -> io::Result<Credential> {
    let line = match io::stdin().is_terminal() {
        true => rpassword::prompt_password("Password: ")?,
        false => {
            let mut line = String::new();
            io::stdin().read_line(&mut line)?;
            line
        }
    };
    Ok(Credential::from(line.trim_end_matches(['\n', '\r'])))
}
