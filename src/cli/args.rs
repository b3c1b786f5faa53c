//! What the commands of a client can be told.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use herenow::Config;
use herenow_client::address::{InvalidAddress, split};
use herenow_client::protocol::{DisplayName, Status, StatusText};

/// Which server to talk to.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    /// The server's address
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "HERENOW_SERVER",
        default_value = "127.0.0.1:4373",
        value_parser = server
    )]
    pub(crate) server: String,
}

/// Flags of `herenow who`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  herenow who
  herenow who --json | jq '.users[].user'")]
pub(crate) struct Who {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `herenow watch`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  herenow watch --name ada
  herenow watch --observe --json | jq -r 'select(.event == \"leave\").cause'

Events of --json, one object a line, each with \"at\" in milliseconds since 1970:
  connecting signed_in snapshot join update leave mirror contact_lost contact_back
  stale fresh network refused closed

Ends with 0 after Ctrl-C or a closed pipe, 1 if the server refuses, 69 if it cannot be reached.")]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) target: Target,

    /// The name to be seen under [default: $USER]
    #[arg(long, value_name = "NAME", value_parser = DisplayName::typed)]
    pub(crate) name: Option<DisplayName>,

    /// Watch without being listed
    #[arg(long)]
    pub(crate) observe: bool,

    /// End with the connection instead of coming back
    #[arg(long)]
    pub(crate) once: bool,

    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,

    /// Beat this often; the server brings it within its limits
    #[arg(long, value_name = "TIME", value_parser = crate::serve::time)]
    pub(crate) heartbeat: Option<Duration>,
}

/// Flags of `herenow set`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  herenow set busy
  herenow set away \"back at three\"
  herenow set available --name ada --stay

It changes the status of the user who is signed in with this name from this computer account, by the
desktop window or by `herenow watch`. With --stay it signs in itself.")]
pub(crate) struct Set {
    /// available, away or busy
    pub(crate) status: Status,

    /// What to say beside it, up to 140 characters; none takes the old text away
    #[arg(default_value = "", hide_default_value = true, value_parser = StatusText::new)]
    pub(crate) text: StatusText,

    #[command(flatten)]
    pub(crate) target: Target,

    /// Whose status [default: $USER]
    #[arg(long, value_name = "NAME", value_parser = DisplayName::typed)]
    pub(crate) name: Option<DisplayName>,

    /// Sign in with this status and stay until Ctrl-C
    #[arg(long)]
    pub(crate) stay: bool,
}

/// Flags of `herenow demo`.
#[derive(Args, Debug)]
#[command(after_help = "\
Then, in another terminal:
  herenow watch --name ada")]
pub(crate) struct Demo {
    /// How many people come and go
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub(crate) people: u32,

    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value_t = Config::default().listen)]
    pub(crate) listen: SocketAddr,

    /// Which story is played
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

fn server(text: &str) -> Result<String, InvalidAddress> {
    split(text).map(|_| text.to_owned())
}
