//! Where a configuration comes from: defaults, a file, environment variables, flags; the later ones win.
//!
//! Pure: whoever loads has read the file and the environment. All mistakes are told at once, each with its place.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::knob::{Given, Knob};
use super::{Config, ConfigError, KNOBS};

/// What was given.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file's path and text.
    pub file: Option<(PathBuf, String)>,
    /// Variables whose names begin with `HERENOW_`.
    pub environment: Vec<(String, String)>,
    /// Flags, without the dashes.
    pub flags: Vec<(&'static str, String)>,
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Where its values come from.
    pub origins: Origins,
    /// What looks wrong but harms nothing, in words.
    pub warnings: Vec<String>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave one.
    Default,
    /// This line of this file, counted from 1.
    File(PathBuf, usize),
    /// The knob's environment variable.
    Environment,
    /// The knob's flag.
    Flag,
}

/// Where the values of all knobs come from.
#[derive(Clone, Debug)]
pub struct Origins(Vec<Origin>);

/// Everything that is wrong with a configuration, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Mistakes(pub Vec<String>);

impl Sources {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All mistakes. Relations between knobs are checked once each of them can be read.
    pub fn load(&self) -> Result<Loaded, Mistakes> {
        self.read().end()
    }

    /// Reads everything; relations are not checked yet.
    pub(super) fn read(&self) -> Loading {
        let mut loading = Loading::default();
        if let Some((path, text)) = &self.file {
            loading.file(path, text);
        }
        loading.environment(&self.environment);
        for (flag, text) in &self.flags {
            let index = KNOBS.iter().position(|knob| knob.flag == *flag);
            loading.text(index.expect("flags are made of the table"), text, Origin::Flag);
        }
        loading
    }
}

impl Origin {
    /// In words.
    #[must_use]
    pub fn of(&self, knob: &Knob) -> String {
        match self {
            Self::Default => "nobody".to_owned(),
            Self::File(path, line) => format!("{}:{line}", path.display()),
            Self::Environment => knob.variable(),
            Self::Flag => format!("--{}", knob.flag),
        }
    }
}

impl Origins {
    /// Where this knob's value comes from.
    ///
    /// # Panics
    /// Never: every knob stands in the table.
    #[must_use]
    pub fn of(&self, knob: &Knob) -> &Origin {
        let index = KNOBS.iter().position(|other| std::ptr::eq(other, knob));
        &self.0[index.expect("every knob stands in the table")]
    }
}

/// What was read so far.
pub(super) struct Loading {
    pub(super) config: Config,
    origins: Origins,
    pub(super) mistakes: Vec<String>,
    warnings: Vec<String>,
}

impl Default for Loading {
    fn default() -> Self {
        let origins = Origins(vec![Origin::Default; KNOBS.len()]);
        Self { config: Config::default(), origins, mistakes: Vec::new(), warnings: Vec::new() }
    }
}

impl Loading {
    fn file(&mut self, path: &Path, text: &str) {
        let place = Place { path, text };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or_default();
            self.mistakes.push(format!("{}: {}", place.of(&span), error.message()));
        }
        if self.mistakes.is_empty() {
            for (section, value) in table.get_ref().iter() {
                self.section(&place, section, value);
            }
        }
    }

    fn section(
        &mut self,
        place: &Place<'_>,
        name: &Spanned<Text<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let is_known = KNOBS.iter().any(|knob| knob.section == name.get_ref().as_ref());
        match value.get_ref() {
            DeValue::Table(table) if is_known => {
                for (key, value) in table.iter() {
                    self.entry(place, name.get_ref(), key, value);
                }
            }
            _ => {
                let advice = section_advice(name.get_ref(), is_known);
                self.mistakes.push(format!("{}: {advice}", place.of(&name.span())));
            }
        }
    }

    fn entry(
        &mut self,
        place: &Place<'_>,
        section: &str,
        key: &Spanned<Text<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let name = key.get_ref().as_ref();
        let knob = KNOBS.iter().position(|knob| knob.section == section && knob.key == name);
        let Some(index) = knob else {
            let advice = key_advice(section, name);
            return self.mistakes.push(format!("{}: {advice}", place.of(&key.span())));
        };
        let origin = Origin::File(place.path.to_owned(), place.line(&value.span()));
        self.given(index, Given::InFile(value.get_ref()), origin);
    }

    /// Variables of other names are other programs' matter, unless they look like ours misspelt: a cluster that runs a
    /// service of this name sets `HERENOW_PORT` and the like by itself.
    fn environment(&mut self, variables: &[(String, String)]) {
        for (name, text) in variables {
            let names: Vec<_> = KNOBS.iter().map(Knob::variable).collect();
            if let Some(index) = names.iter().position(|known| known == name) {
                self.text(index, text, Origin::Environment);
                continue;
            }
            let near = nearest(name, names.iter().map(String::as_str));
            if let Some((1..=2, near)) = near.filter(|_| !OTHER_VARIABLES.contains(&&**name)) {
                self.warnings.push(format!("{name} means nothing here; did you mean {near}?"));
            }
        }
    }

    fn text(&mut self, index: usize, text: &str, origin: Origin) {
        self.given(index, Given::AsText(text), origin);
    }

    fn given(&mut self, index: usize, given: Given<'_>, origin: Origin) {
        let knob = &KNOBS[index];
        match knob.place.set(&mut self.config, given) {
            Ok(()) => self.origins.0[index] = origin,
            Err(error) => {
                let key = match origin {
                    Origin::File(..) => format!("{}: {}", origin.of(knob), knob.key),
                    _ => origin.of(knob),
                };
                self.mistakes.push(format!("{key}: {error}"));
            }
        }
    }

    fn end(mut self) -> Result<Loaded, Mistakes> {
        if self.mistakes.is_empty()
            && let Err(error) = self.config.check()
        {
            self.mistakes.push(self.with_places(&error));
        }
        let Self { config, origins, mistakes, warnings } = self;
        match mistakes.is_empty() {
            true => Ok(Loaded { config, origins, warnings }),
            false => Err(Mistakes(mistakes)),
        }
    }

    /// A relation that does not hold, and which lines of which file have a part in it.
    fn with_places(&self, error: &ConfigError) -> String {
        let concerned = KNOBS.iter().filter(|knob| error.flags().contains(&knob.flag));
        let places: Vec<_> = concerned
            .filter(|knob| matches!(self.origins.of(knob), Origin::File(..) | Origin::Environment))
            .map(|knob| format!("{} is {}", knob.name(), self.origins.of(knob).of(knob)))
            .collect();
        match places.is_empty() {
            true => error.to_string(),
            false => format!("{error} ({})", places.join(", ")),
        }
    }
}

type Text<'a> = std::borrow::Cow<'a, str>;

/// Variables of ours that are no knobs.
pub(super) const OTHER_VARIABLES: &[&str] = &[
    "HERENOW_CONFIG",
    "HERENOW_SERVER",
    "HERENOW_BIN",
    "HERENOW_CA",
    "HERENOW_CREDENTIAL_FILE",
    "HERENOW_USER",
];

/// A file, to say where in it something stands.
struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    fn of(&self, span: &Range<usize>) -> String {
        format!("{}:{}", self.path.display(), self.line(span))
    }
}

fn section_advice(name: &str, is_known: bool) -> String {
    let shown = name.escape_debug();
    if is_known {
        return format!("\"{shown}\" is a section: write [{shown}], and its keys below");
    }
    if let Some(knob) = KNOBS.iter().find(|knob| knob.key == name) {
        return format!("the key \"{shown}\" stands in the section [{}]", knob.section);
    }
    let sections = KNOBS.iter().map(|knob| knob.section);
    match nearest(name, sections) {
        Some((_, near)) => format!("unknown section [{shown}]; the nearest is [{near}]"),
        None => format!("unknown section [{shown}]"),
    }
}

fn key_advice(section: &str, name: &str) -> String {
    let shown = name.escape_debug();
    let in_section = KNOBS.iter().filter(|knob| knob.section == section).map(|knob| knob.key);
    if let Some(knob) = KNOBS.iter().find(|knob| knob.key == name || knob.flag == name) {
        return format!(
            "unknown key \"{shown}\" in [{section}]; you may mean \"{}\" in [{}]",
            knob.key, knob.section
        );
    }
    match nearest(name, in_section) {
        Some((_, near)) => {
            format!("unknown key \"{shown}\" in [{section}]; the nearest is \"{near}\"")
        }
        None => format!("unknown key \"{shown}\" in [{section}]"),
    }
}

/// The name that takes the fewest changes to become another one, and how many it takes.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<(usize, &'a str)> {
    known.map(|known| (strsim::osa_distance(name, known), known)).min()
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::document::document(&self.config, Some(&self.origins)))
    }
}
