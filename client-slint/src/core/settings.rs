//! What the user set, and what the window remembers from one start to the next: the file `desktop.toml` as values.
//!
//! Nothing in here is secret. A file that is not as it should be costs as little as possible: a key that cannot be read takes
//! its default and is named, a key that this version does not know is kept as it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::language::Language;
use super::people::{Grouping, Sort};
use super::watching::{Favourites, TellMe};

/// How many servers are remembered; the oldest is forgotten first.
pub const SERVERS_MAX: usize = 8;

/// The longest time until idleness counts as being away, in minutes: a working day.
pub const AWAY_AFTER_MIN_MAX: u16 = 480;

/// The smallest and the largest side of a remembered window, in logical pixels.
pub const WINDOW_SIDE: std::ops::RangeInclusive<u32> = 200..=16_384;

const HEADER: &str = "\
# What the herenow window remembers. The window writes this file anew whenever a setting changes;
# keys that it does not know stay, comments do not. There are no secrets in it.

";

/// Everything that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// Where to sign in, and as whom.
    pub sign_in: SignIn,
    /// How the window looks.
    pub look: Look,
    /// How the list is ordered.
    pub list: List,
    /// Whose coming is told.
    pub notifications: Notifications,
    /// When the user counts as away.
    pub presence: Presence,
    /// The window itself.
    pub window: Window,
    /// Who matters to the user, by server.
    pub people: BTreeMap<String, People>,
    /// What another version wrote.
    #[serde(flatten)]
    other: Table,
}

/// Where to sign in, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct SignIn {
    /// Addresses as they were typed, the last one used first; at most [`SERVERS_MAX`].
    #[serde(deserialize_with = "few_servers")]
    pub servers: Vec<String>,
    /// The name used last.
    pub name: String,
    /// What others call this device; `None` for the computer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_label: Option<String>,
    /// Sign in at the start of the program.
    pub by_itself: Switch,
    /// The user signed out, so that the next start waits for them.
    pub signed_out: bool,
    /// The user was invisible last, and will be at the next sign-in.
    pub invisible: bool,
    #[serde(flatten)]
    other: Table,
}

/// How the window looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Look {
    /// `None` for that of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Light or dark.
    pub colours: Colours,
    /// How large everything is.
    pub scale_percent: Scale,
    /// One line for each person.
    pub compact_rows: bool,
    /// Nothing slides or fades.
    pub reduced_motion: bool,
    #[serde(flatten)]
    other: Table,
}

/// How the list is ordered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct List {
    /// What makes a group.
    pub grouping: Grouping,
    /// What comes first within it.
    pub sort: Sort,
    #[serde(flatten)]
    other: Table,
}

/// Whose coming is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Notifications {
    /// Of whom.
    pub people: Told,
    #[serde(flatten)]
    other: Table,
}

/// When the user counts as away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Presence {
    /// After so many minutes without a key or a mouse.
    pub away_after_min: AwayAfter,
    #[serde(flatten)]
    other: Table,
}

/// The window itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Window {
    /// Its size in logical pixels, as it is when it does not fill the screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// It fills the screen.
    pub maximised: bool,
    /// Closing it leaves the program in the tray, where there is one.
    pub close_to_tray: Switch,
    #[serde(flatten)]
    other: Table,
}

/// Who matters to the user on one server, and where they are there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct People {
    /// Shown first, and told of.
    pub favourites: Favourites,
    /// To be told of when they come online.
    pub tell_me: TellMe,
    /// The rooms to be in, besides the lobby.
    pub rooms: BTreeSet<String>,
    #[serde(flatten)]
    other: Table,
}

/// Something that is on unless the user switches it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Switch(pub bool);

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colours {
    /// As the system says.
    #[default]
    System,
    /// Light, whatever the system says.
    Light,
    /// Dark, whatever the system says.
    Dark,
}

/// Whose coming is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// Everybody's.
    All,
    /// The favourites'.
    #[default]
    Favourites,
    /// Nobody's.
    None,
}

/// How large everything is, in percent of its usual size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Scale(u16);

/// After how many minutes without a key or a mouse the user counts as away; 0 for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct AwayAfter(u16);

/// The size of a window in logical pixels, each side within [`WINDOW_SIDE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "[u32; 2]", into = "[u32; 2]")]
pub struct Size {
    width: u32,
    height: u32,
}

/// What a file said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What could be read, with defaults for the rest.
    pub settings: Settings,
    /// What could not.
    pub complaints: Vec<Complaint>,
}

/// A key that could not be read and has its default instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The key, with the section before it.
    pub key: String,
    /// What is wrong with its value.
    pub reason: String,
}

/// The file cannot be read at all; everything has its default.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It holds bytes that are no text.
    #[error("the file is not UTF-8 text: byte {0} is none")]
    NotText(usize),
    /// It is text, but no TOML.
    #[error("{0}")]
    NotToml(String),
}

impl Settings {
    /// Reads what [`Settings::text`] wrote, or what somebody made of it.
    ///
    /// # Errors
    /// [`Broken`] if nothing can be made of it.
    pub fn read(bytes: &[u8]) -> Result<Reading, Broken> {
        let text =
            std::str::from_utf8(bytes).map_err(|error| Broken::NotText(error.valid_up_to()))?;
        let table = text
            .parse::<Table>()
            .map_err(|error| Broken::NotToml(error.to_string().trim_end().to_owned()))?;
        Ok(Reader::default().settings(table))
    }

    /// The file that holds these settings.
    #[must_use]
    pub fn text(&self) -> String {
        // By way of a table, in which values come before sections whatever the order of the fields.
        let table = Table::try_from(self).expect("plain values make a table");
        format!("{HEADER}{table}")
    }

    /// Who matters on the server with this address, as it was typed.
    #[must_use]
    pub fn people_on(&self, server: &str) -> People {
        self.people.get(server).cloned().unwrap_or_default()
    }
}

impl SignIn {
    /// The server used last.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.servers.first().map(String::as_str)
    }

    /// Notes that the user signs in here by this name.
    pub fn note(&mut self, server: &str, name: &str, device_label: Option<String>) {
        self.servers.retain(|known| known != server);
        self.servers.insert(0, server.to_owned());
        self.servers.truncate(SERVERS_MAX);
        name.clone_into(&mut self.name);
        (self.device_label, self.signed_out) = (device_label, false);
    }

    /// Whom to sign in at the start of the program, and where; `None` if the user is to be asked.
    #[must_use]
    pub fn at_start(&self) -> Option<(&str, &str)> {
        let server = self.server().filter(|_| self.by_itself.0 && !self.signed_out)?;
        (!self.name.is_empty()).then_some((server, &self.name))
    }
}

impl Default for Switch {
    fn default() -> Self {
        Self(true)
    }
}

impl Scale {
    /// The sizes to choose from, in percent.
    pub const CHOICES: [u16; 5] = [100, 125, 150, 175, 200];

    /// A size of [`Scale::CHOICES`]; `None` for any other.
    #[must_use]
    pub fn new(percent: u16) -> Option<Self> {
        Self::CHOICES.contains(&percent).then_some(Self(percent))
    }

    /// In percent.
    #[must_use]
    pub fn percent(self) -> u16 {
        self.0
    }
}

impl Default for Scale {
    fn default() -> Self {
        Self(100)
    }
}

impl TryFrom<u16> for Scale {
    type Error = String;

    fn try_from(percent: u16) -> Result<Self, String> {
        Self::new(percent).ok_or_else(|| format!("{percent} is none of 100, 125, 150, 175 and 200"))
    }
}

impl From<Scale> for u16 {
    fn from(scale: Scale) -> Self {
        scale.0
    }
}

impl AwayAfter {
    /// The times to choose from, in minutes; 0 for never.
    pub const CHOICES: [u16; 5] = [0, 5, 10, 15, 30];

    /// So many minutes, at most [`AWAY_AFTER_MIN_MAX`].
    #[must_use]
    pub fn new(minutes: u16) -> Option<Self> {
        (minutes <= AWAY_AFTER_MIN_MAX).then_some(Self(minutes))
    }

    /// In minutes; `None` for never.
    #[must_use]
    pub fn minutes(self) -> Option<u16> {
        (self.0 > 0).then_some(self.0)
    }
}

impl Default for AwayAfter {
    fn default() -> Self {
        Self(10)
    }
}

impl TryFrom<u16> for AwayAfter {
    type Error = String;

    fn try_from(minutes: u16) -> Result<Self, String> {
        Self::new(minutes).ok_or_else(|| {
            format!("{minutes} minutes are too many, at most {AWAY_AFTER_MIN_MAX} will do")
        })
    }
}

impl From<AwayAfter> for u16 {
    fn from(after: AwayAfter) -> Self {
        after.0
    }
}

impl Size {
    /// A size with both sides within [`WINDOW_SIDE`].
    #[must_use]
    pub fn new(width: u32, height: u32) -> Option<Self> {
        let fits = WINDOW_SIDE.contains(&width) && WINDOW_SIDE.contains(&height);
        fits.then_some(Self { width, height })
    }

    /// In logical pixels.
    #[must_use]
    pub fn width(self) -> u32 {
        self.width
    }

    /// In logical pixels.
    #[must_use]
    pub fn height(self) -> u32 {
        self.height
    }
}

impl TryFrom<[u32; 2]> for Size {
    type Error = String;

    fn try_from([width, height]: [u32; 2]) -> Result<Self, String> {
        Self::new(width, height)
            .ok_or_else(|| format!("no window is {width} by {height} pixels large"))
    }
}

impl From<Size> for [u32; 2] {
    fn from(size: Size) -> Self {
        [size.width, size.height]
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

fn few_servers<'de, D: serde::Deserializer<'de>>(servers: D) -> Result<Vec<String>, D::Error> {
    let mut servers = Vec::<String>::deserialize(servers)?;
    servers.truncate(SERVERS_MAX);
    Ok(servers)
}

/// Takes a file apart key by key.
#[derive(Default)]
struct Reader {
    complaints: Vec<Complaint>,
}

impl Reader {
    fn settings(mut self, mut table: Table) -> Reading {
        let settings = Settings {
            sign_in: self.section(&mut table, "sign-in"),
            look: self.section(&mut table, "look"),
            list: self.section(&mut table, "list"),
            notifications: self.section(&mut table, "notifications"),
            presence: self.section(&mut table, "presence"),
            window: self.section(&mut table, "window"),
            people: self.people(&mut table),
            other: table,
        };
        Reading { settings, complaints: self.complaints }
    }

    fn section<T: DeserializeOwned + Default>(&mut self, table: &mut Table, name: &str) -> T {
        let keys = self.table(table, name);
        self.sound(name, keys)
    }

    fn people(&mut self, table: &mut Table) -> BTreeMap<String, People> {
        let mut servers = self.table(table, "people");
        let names: Vec<String> = servers.keys().cloned().collect();
        let section = |name: String| {
            let keys = self.table(&mut servers, &name);
            let people = self.sound(&format!("people.{name}"), keys);
            (name, people)
        };
        names.into_iter().map(section).collect()
    }

    fn table(&mut self, table: &mut Table, name: &str) -> Table {
        match table.remove(name) {
            None => Table::new(),
            Some(Value::Table(keys)) => keys,
            Some(value) => {
                self.complain(name, format!("a section is wanted, not {value}"));
                Table::new()
            }
        }
    }

    /// The keys that can be read, each looked at alone, so that a bad one costs no other.
    fn sound<T: DeserializeOwned + Default>(&mut self, section: &str, keys: Table) -> T {
        let mut sound = Table::new();
        for (key, value) in keys {
            let alone = Table::from_iter([(key.clone(), value.clone())]);
            match alone.try_into::<T>() {
                Ok(_) => drop(sound.insert(key, value)),
                Err(error) => self.complain(&format!("{section}.{key}"), error.message().into()),
            }
        }
        sound.try_into().unwrap_or_default()
    }

    fn complain(&mut self, key: &str, reason: String) {
        self.complaints.push(Complaint { key: key.to_owned(), reason });
    }
}

#[cfg(test)]
mod tests;
