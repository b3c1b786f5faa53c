//! `herenow login`: keeps what lets this account into a server, once the server has accepted it.

use herenow_client::address::{Address, Security, take_credential};
use herenow_client::keep_credential;
use herenow_client::protocol::{Query, RoomName};

use super::args::Login;
use super::output::print;
use super::{Exit, Failure, ask, asker, passing_device};

/// Tries it, and keeps it.
pub(crate) async fn run(arguments: Login) -> Result<(), Failure> {
    let target = &arguments.target;
    let mut options = asker(target, target.observer(), passing_device())?;
    let (server, credential) = take_credential(&options.server);
    options.credential = options.credential.take().or(credential);
    let Some(credential) = options.credential.clone() else {
        let text = "what lets you in? Give tls://CREDENTIAL@HOST:PORT, or --credential-file";
        return Err(Failure::new(Exit::Usage, text));
    };
    ask(options, Query::Count(RoomName::lobby()), target).await?;
    keep_credential(&server, &credential).map_err(|error| Failure::internal(&error))?;
    print(&format!("From now on --server {} is enough.\n", plain_address(&server)));
    Ok(())
}

/// Without the fingerprint, which is remembered.
fn plain_address(server: &str) -> String {
    match Address::parse(server) {
        Ok(address) => Address { security: Security::Tls(None), ..address }.to_string(),
        Err(_) => server.to_owned(),
    }
}
