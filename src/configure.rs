//! Which configuration a server gets: flags, environment and file; and the commands that look at it.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use herenow::Config;
use herenow::config::KNOBS;
use herenow::config::document::document;
use herenow::config::knob::{Given as Value, Knob};
use herenow::config::sources::{Loaded, Sources};

use crate::cli::output::line;
use crate::serve::{EXIT_CONFIG, fail};

/// Names the file. Empty: there is none, not even one of the usual places.
const VARIABLE: &str = "HERENOW_CONFIG";

/// The file of a server that the system runs.
const SYSTEM_FILE: &str = "/etc/herenow/herenow.toml";

/// What the command line says of the configuration. Its flags are made of the table of knobs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    file: Option<OsString>,
    flags: Vec<(&'static str, String)>,
}

/// Flags of `herenow print-config`.
#[derive(Args, Debug)]
pub(crate) struct Print {
    /// Print the defaults, whatever is configured
    #[arg(long)]
    defaults: bool,

    #[command(flatten)]
    given: Given,
}

/// Reads and checks what a server started now would get.
///
/// # Errors
/// All mistakes, one a line.
pub(crate) fn load(given: &Given) -> Result<Loaded, Box<dyn Display>> {
    let file = match find_file(given) {
        Some(path) => {
            let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
            Some((path, text))
        }
        None => None,
    };
    let sources = Sources { file, environment: environment(), flags: given.flags.clone() };
    sources.load().map_err(|mistakes| -> Box<dyn Display> { Box::new(mistakes) })
}

fn unreadable(path: &Path, error: &io::Error) -> Box<dyn Display> {
    Box::new(format!("cannot read the configuration {}: {error}", path.display()))
}

/// The file that was named, or else the user's own, or else the system's.
fn find_file(given: &Given) -> Option<PathBuf> {
    if let Some(named) = given.file.clone().or_else(|| env::var_os(VARIABLE)) {
        return (!named.is_empty()).then(|| named.into());
    }
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let own = env::var_os("XDG_CONFIG_HOME").filter(|own| !own.is_empty()).map(PathBuf::from);
    let own = own.or_else(home).map(|folder| folder.join("herenow/herenow.toml"));
    own.into_iter().chain([PathBuf::from(SYSTEM_FILE)]).find(|path| path.exists())
}

fn environment() -> Vec<(String, String)> {
    let text = |text: &OsStr| text.to_string_lossy().into_owned();
    let all = env::vars_os().map(|(name, value)| (text(&name), text(&value)));
    all.filter(|(name, _)| name.starts_with("HERENOW_")).collect()
}

/// `herenow check-config`.
pub(crate) fn check(given: &Given) -> ExitCode {
    match load(given) {
        Ok(loaded) => {
            let file = find_file(given).map(|path| path.display().to_string());
            let whose = file.as_deref().unwrap_or("the configuration (there is no file)");
            for warning in &loaded.warnings {
                // Nobody may be reading.
                let _ = line(&format!("{whose}: {warning}"));
            }
            let _ = line(&format!("{whose} is right"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(EXIT_CONFIG, &error),
    }
}

/// `herenow print-config`.
pub(crate) fn print(arguments: &Print) -> ExitCode {
    let text = match arguments.defaults {
        true => document(&Config::default(), None),
        false => match load(&arguments.given) {
            Ok(loaded) => loaded.to_string(),
            Err(error) => return fail(EXIT_CONFIG, &error),
        },
    };
    // Whoever closed the pipe has what they wanted.
    let _ = line(text.trim_end());
    ExitCode::SUCCESS
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Self::default();
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.file = matches.get_one::<OsString>("config").cloned();
        let said = |knob: &&Knob| matches.value_source(knob.flag) == Some(ValueSource::CommandLine);
        self.flags = KNOBS
            .iter()
            .filter(said)
            .filter_map(|knob| Some((knob.flag, matches.get_one::<String>(knob.flag)?.clone())))
            .collect();
        Ok(())
    }
}

impl Args for Given {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(OsString))
            .help(format!(
                "The configuration file [default: {VARIABLE}, ~/.config/herenow/herenow.toml or {SYSTEM_FILE}]"
            ));
        command.arg(file).args(KNOBS.iter().map(flag)).after_help(AFTER_HELP)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

const AFTER_HELP: &str = "\
Every flag can be given as an environment variable, such as HERENOW_TICK_MAX for --tick-max, and stands in
the configuration file under its own key: `herenow print-config --defaults` prints such a file. Flags win over
the environment, that over the file, that over the defaults. At SIGHUP the file is read again.";

/// The flag of a knob.
fn flag(knob: &'static Knob) -> Arg {
    let default = knob.place.show(&Config::default());
    let shown = match default.trim_matches('"') {
        "" | "false" => String::new(),
        default => format!(" [default: {default}]"),
    };
    let arg = Arg::new(knob.flag)
        .long(knob.flag)
        .value_name(knob.place.value_name())
        .help(format!("{}{shown}", knob.summary()))
        .action(ArgAction::Set)
        .value_parser(move |text: &str| {
            knob.place.set(&mut Config::default(), Value::AsText(text)).map(|()| text.to_owned())
        });
    match knob.place.is_switch() {
        true => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        false => arg,
    }
}
