//! What the commands of a client can be told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use herenow::Config;
use herenow_client::address::{Address, InvalidAddress};
use herenow_client::protocol::{DeviceId, DisplayName, RoomName, Status, StatusText};
use herenow_client::{Options, Trust};

/// Which server to talk to.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    /// The server's address; tls://HOST:PORT speaks TLS, tls://HOST:PORT#FINGERPRINT only to that certificate
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "HERENOW_SERVER",
        default_value = "127.0.0.1:4373",
        value_parser = server
    )]
    pub(crate) server: String,

    /// Trust the authorities in this PEM file, and nobody else, to vouch for the server
    #[arg(long, value_name = "FILE", env = "HERENOW_CA")]
    ca: Option<PathBuf>,

    /// Of a server that is met for the first time, remember and trust whatever certificate it shows
    #[arg(long, conflicts_with = "ca")]
    trust_first_use: bool,
}

impl Target {
    /// Options for this server.
    pub(crate) fn options(&self, name: DisplayName, device: DeviceId) -> Options {
        let trust = match &self.ca {
            Some(file) => Trust::Authorities(file.clone()),
            None if self.trust_first_use => Trust::FirstUse,
            None => Trust::Known,
        };
        Options { trust, ..Options::new(&self.server, name, device) }
    }
}

/// Flags of `herenow who`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  herenow who
  herenow who ada \"Grace Hopper\"
  herenow who --room support
  herenow who --room support --count
  herenow who --json | jq '.users[].user'")]
pub(crate) struct Who {
    /// These people, here or not, instead of everyone in a room
    #[arg(value_name = "NAME", value_parser = DisplayName::typed, conflicts_with_all = ["room", "count"])]
    pub(crate) names: Vec<DisplayName>,

    /// The room
    #[arg(long, value_name = "ROOM", value_parser = RoomName::typed, default_value = "lobby")]
    pub(crate) room: RoomName,

    /// Only how many
    #[arg(long)]
    pub(crate) count: bool,

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
  herenow watch --room support --join support
  herenow watch --people ada,grace
  herenow watch --observe --json | jq -r 'select(.event == \"leave\").cause'

Events of --json, one object a line, each with \"at\" in milliseconds since 1970:
  connecting signed_in snapshot join update leave mirror accepted chosen contact_lost
  contact_back busy stale fresh diverged repaired network refused closed
Those about a list name it in \"view\".

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

    /// Watch this room; may be given several times [default: lobby]
    #[arg(long, value_name = "ROOM", value_parser = RoomName::typed)]
    pub(crate) room: Vec<RoomName>,

    /// Watch these people, wherever they are
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = DisplayName::typed)]
    pub(crate) people: Vec<DisplayName>,

    /// Be in this room; may be given several times
    #[arg(long, value_name = "ROOM", value_parser = RoomName::typed)]
    pub(crate) join: Vec<RoomName>,

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
  herenow set away \"back at three\" --for 2h
  herenow set invisible
  herenow set available --name ada --stay

It changes the status of the user who is signed in with this name from this computer account, by the
desktop window or by `herenow watch`. With --stay it signs in itself.")]
pub(crate) struct Set {
    /// available, away, busy or invisible
    pub(crate) status: Status,

    /// What to say beside it, up to 140 characters; none takes the old text away
    #[arg(default_value = "", hide_default_value = true, value_parser = StatusText::new)]
    pub(crate) text: StatusText,

    /// Take the text away after this time
    #[arg(long = "for", value_name = "TIME", value_parser = crate::serve::time, requires = "text")]
    pub(crate) text_for: Option<Duration>,

    /// What programs shall know about you, instead of what they knew; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) meta: Vec<(String, String)>,

    #[command(flatten)]
    pub(crate) target: Target,

    /// Whose status [default: $USER]
    #[arg(long, value_name = "NAME", value_parser = DisplayName::typed)]
    pub(crate) name: Option<DisplayName>,

    /// Sign in with this status and stay until Ctrl-C
    #[arg(long)]
    pub(crate) stay: bool,
}

/// Flags of `herenow explain`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  herenow explain ada
  herenow explain ada --json | jq .rule

Everybody may ask about themselves, from the device or the account that they are signed in from. The account
that runs the server may ask about anybody.")]
pub(crate) struct Explain {
    /// Who
    #[arg(value_name = "NAME", value_parser = DisplayName::typed)]
    pub(crate) name: DisplayName,

    #[command(flatten)]
    pub(crate) target: Target,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `herenow log`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  herenow log --state /var/lib/herenow
  herenow log --state /var/lib/herenow --follow --json
  herenow log --state /var/lib/herenow --since 1042

Each line begins with its cursor. Given back with --since, it misses nothing and repeats nothing,
whether the server runs, was stopped or died.")]
pub(crate) struct Log {
    /// The folder that `herenow serve --state` was given
    #[arg(long, value_name = "DIR", env = "HERENOW_STATE")]
    pub(crate) state: PathBuf,

    /// Begin after this cursor
    #[arg(long, value_name = "CURSOR", default_value_t = 0)]
    pub(crate) since: u64,

    /// Go on with what happens, until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,

    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `herenow health`.
#[derive(Args, Debug)]
pub(crate) struct Health {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `herenow pair`.
#[derive(Args, Debug)]
#[command(after_help = "\
Your devices share a user key, so that they are one person for others and nobody else can use your name
while it is yours. On the first device:
  herenow pair
On each other one, with the code that the first one printed:
  herenow pair 0ABCD-...

Whoever has the code can sign in as you.")]
pub(crate) struct Pair {
    /// The pairing code of another device
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
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

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it has no `=`")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn server(text: &str) -> Result<String, InvalidAddress> {
    Address::parse(text).map(|_| text.to_owned())
}
