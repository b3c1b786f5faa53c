//! Who is here, now? Prints one line per event until Ctrl-C, then says goodbye.
//!
//! ```text
//! cargo run -p herenow-client --example watch -- ada 127.0.0.1
//! ```

use std::error::Error;
use std::io::{self, Write as _};

use herenow_client::protocol::DisplayName;
use herenow_client::{Event, Options, View, connect, device_id, user_key};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = DisplayName::new(&arguments.next().ok_or("usage: watch NAME [HOST:PORT]")?)?;
    let server = arguments.next().unwrap_or_else(|| "127.0.0.1".to_owned());

    let mut options = Options::new(server, name, device_id()?);
    options.key = Some(user_key()?);
    let (client, mut connection) = connect(options);
    tokio::spawn(async move {
        // Without a way to hear Ctrl-C the system ends the program, which is what was asked for.
        if tokio::signal::ctrl_c().await.is_ok() {
            client.goodbye();
        }
    });
    while let Some(event) = connection.next().await {
        if let Some(line) = describe(&event, connection.view()) {
            writeln!(io::stdout(), "{line}")?;
        }
    }
    Ok(())
}

fn describe(event: &Event, view: &View) -> Option<String> {
    Some(match event {
        Event::Snapshot { .. } | Event::Repaired { .. } => {
            let names: Vec<_> = view.entries().map(|entry| entry.name.to_string()).collect();
            format!("here now: {}", names.join(", "))
        }
        Event::Joined { entry, .. } => format!("{} came", entry.name),
        Event::Updated { entry, .. } => {
            format!("{} is {}", entry.name, entry.shown.presence.status)
        }
        Event::Left { entry, cause, .. } => format!("{} left: {cause}", entry.name),
        Event::Stale { age, .. } => format!("as of {:.0} s ago", age.as_secs_f64()),
        Event::ContactLost { unanswered, of } => format!("contact lost: {unanswered} of {of}"),
        Event::ContactBack => "contact is back".to_owned(),
        Event::Closed { reason, retry_in: Some(wait) } => {
            format!("{reason}; trying again in {:.1} s", wait.as_secs_f64())
        }
        Event::Closed { reason, retry_in: None } => reason.to_string(),
        _ => return None,
    })
}
