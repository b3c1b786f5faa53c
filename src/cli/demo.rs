//! `herenow demo`: a server with people in it, so that a newcomer sees life at once.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use herenow::Config;

use super::args::Demo;
use super::crowd;
use crate::logging::Logging;
use crate::serve::{EXIT_CONFIG, fail, operator, serve, server_flag};

/// Serves, and lets people come and go over real sockets of this computer.
pub(crate) fn run(arguments: &Demo) -> ExitCode {
    let listen = arguments.listen;
    let config = Config { listen, log_filter: "warn".to_owned(), ..Config::default() };
    if let Err(error) = config.check() {
        return fail(EXIT_CONFIG, &error);
    }
    if let Err(error) = Logging::begin(&config) {
        return fail(EXIT_CONFIG, &error);
    }
    serve(Config { operator: operator(), ..config }, None, |addresses, _| {
        let address = addresses.plain;
        greet(address, arguments.people);
        crowd::gather(address, arguments.people, arguments.seed);
    })
}

fn greet(address: SocketAddr, people: u32) {
    let server = server_flag(address);
    let greeting = format!(
        "herenow listens on {address}, and {people} people come, go, change their status and lose their cable.\n\n\
         Next, in another terminal:\n  \
         herenow watch --name ada{server}\n  \
         herenow who{server}\n  \
         herenow-desktop{server}\n\n\
         Ctrl-C stops it.\n"
    );
    // Nobody may be reading; the people come all the same.
    let mut out = io::stdout();
    let _ = out.write_all(greeting.as_bytes()).and_then(|()| out.flush());
}
