//! Where the log goes: to stderr, as text or as JSON, through a writer that outlives a closed one.

use std::io::{self, IsTerminal};

use herenow::Config;
use herenow::config::LogFormat;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// The log of this process.
#[derive(Clone)]
pub(crate) struct Logging(Handle<EnvFilter, Registry>);

impl Logging {
    /// Begins to log as the configuration says.
    ///
    /// # Errors
    /// The filter is none.
    pub(crate) fn begin(config: &Config) -> Result<Self, String> {
        let (filter, handle) = reload::Layer::new(filter(config)?);
        let to_terminal = io::stderr().is_terminal();
        let as_json = match config.log_format {
            LogFormat::Auto => !to_terminal,
            LogFormat::Text => false,
            LogFormat::Json => true,
        };
        // It would tell of a log that cannot be written with a panic, which ends whoever logged.
        let lines = fmt::layer().with_writer(io::stderr).log_internal_errors(false);
        let lines = match as_json {
            true => lines.json().flatten_event(true).boxed(),
            false => lines.with_ansi(to_terminal).boxed(),
        };
        tracing_subscriber::registry().with(filter).with(lines).init();
        Ok(Self(handle))
    }

    /// Logs from now on what a new configuration says.
    ///
    /// # Errors
    /// The filter is none; the old one stays.
    pub(crate) fn follow(&self, config: &Config) -> Result<(), String> {
        let filter = filter(config)?;
        self.0.reload(filter).map_err(|error| error.to_string())
    }
}

fn filter(config: &Config) -> Result<EnvFilter, String> {
    let text = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let text = text.as_deref().unwrap_or(&config.log_filter);
    let explained = |error: ParseError| {
        format!("--log-filter \"{}\": {error}; write a level such as \"info\"", text.escape_debug())
    };
    EnvFilter::try_new(text).map_err(explained)
}
