//! What the commands of a client can be told.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use herenow::Config;
use herenow_client::address::{Address, InvalidAddress, take_credential};
use herenow_client::protocol::limits::TLS_PORT;
use herenow_client::protocol::{Credential, DeviceId, DisplayName, RoomName, Status, StatusText};
use herenow_client::{Options, Trust};

use super::{Exit, Failure};

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

    /// The file with what lets you in: the server's secret, your password or your token
    #[arg(long, value_name = "FILE", env = "HERENOW_CREDENTIAL_FILE")]
    credential_file: Option<PathBuf>,

    /// Whose password or token that is, for commands that sign in under no name of their own
    #[arg(long, value_name = "NAME", env = "HERENOW_USER", value_parser = DisplayName::typed)]
    user: Option<DisplayName>,
}

impl Target {
    /// The address without what lets one in.
    pub(crate) fn shown(&self) -> String {
        take_credential(&self.server).0
    }

    /// The name of one who only looks.
    pub(crate) fn observer(&self) -> DisplayName {
        self.user.clone().unwrap_or_else(super::observer_name)
    }

    /// Options for this server.
    ///
    /// # Errors
    /// The credential cannot be read.
    pub(crate) fn options(&self, name: DisplayName, device: DeviceId) -> Result<Options, Failure> {
        let trust = match &self.ca {
            Some(file) => Trust::Authorities(file.clone()),
            None if self.trust_first_use => Trust::FirstUse,
            None => Trust::Known,
        };
        let credential = self.credential_file.as_deref().map(read_credential).transpose()?;
        Ok(Options { trust, credential, ..Options::new(&self.server, name, device) })
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

/// Flags of `herenow export` and `herenow erase`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  herenow export ada --state /var/lib/herenow > ada.json
  herenow erase ada --state /var/lib/herenow

`export` may be run beside the server. `erase` wants it stopped; transitions stay, with a random name instead.")]
pub(crate) struct Person {
    /// Who
    #[arg(value_name = "NAME", value_parser = DisplayName::typed)]
    pub(crate) name: DisplayName,

    /// The folder that `herenow serve --state` was given
    #[arg(long, value_name = "DIR", env = "HERENOW_STATE")]
    pub(crate) state: PathBuf,
}

/// Flags of `herenow login`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  herenow login --server tls://SECRET@chat.example.org#FINGERPRINT
  herenow login --server tls://chat.example.org --user ada --credential-file password

It tries what was given, and keeps it for every program of this account.")]
pub(crate) struct Login {
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Flags of `herenow init`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  herenow init ~/herenow
  herenow init /etc/herenow --host chat.example.org

Nothing is overwritten. Only the account that makes the files can read them.")]
pub(crate) struct Init {
    /// The folder for the configuration, the secret, the certificate and its key
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,

    /// How clients call this computer [default: its own name]
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,

    /// Where TLS is spoken
    #[arg(long, value_name = "PORT", default_value_t = TLS_PORT)]
    pub(crate) port: u16,
}

/// Flags of `herenow hash-password`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  herenow hash-password --user ada >> users.toml
  echo \"$PASSWORD\" | herenow hash-password

The password is read from stdin; typed, it is not shown.")]
pub(crate) struct HashPassword {
    /// Print the whole section of a user file for this user
    #[arg(long, value_name = "NAME", value_parser = DisplayName::typed)]
    pub(crate) user: Option<DisplayName>,
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

fn read_credential(file: &Path) -> Result<Credential, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", file.display())))?;
    Ok(Credential::from(text.trim()))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it has no `=`")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn server(text: &str) -> Result<String, InvalidAddress> {
    Address::parse(&take_credential(text).0).map(|_| text.to_owned())
}
