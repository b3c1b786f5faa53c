//! The desktop program of herenow: arguments, renderer, window.

use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use herenow_desktop::account::Account;
use herenow_desktop::app::{App, Outside};
use herenow_desktop::clock::Clock;
use herenow_desktop::core::language::Language;
use herenow_desktop::core::notify;
use herenow_desktop::core::sign_in::Start;
use herenow_desktop::errors;
use herenow_desktop::instance::{self, Started};
use herenow_desktop::network::Network;
use herenow_desktop::platform::Session;
use herenow_desktop::store::FileStore;

/// The server of a first start: the one on this computer.
const SERVER: &str = "127.0.0.1";

/// Shows who is here, now.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The server: HOST or HOST:PORT; without it the one used last, or 127.0.0.1.
    #[arg(long, value_name = "HOST[:PORT]")]
    server: Option<String>,
    /// The name that others will see; signs in at once.
    #[arg(long)]
    name: Option<String>,
    /// Opens a window even if one is open already.
    #[arg(long)]
    another: bool,
    /// Whose coming online is told by a notification, whatever the settings say.
    #[arg(long, value_name = "WHOM")]
    notify: Option<Whom>,
    /// Away after this many seconds without a key or a mouse, whatever the settings say; 0 for never.
    #[arg(long, value_name = "SECONDS")]
    away_after: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Whom {
    /// Everybody's.
    All,
    /// That of favourites.
    Favourites,
    /// Nobody's.
    None,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { server, name, another, notify, away_after } = Arguments::parse();
    let _errors = errors::shelter()?;
    let start = Start { server, name };
    let instance = match another {
        true => None,
        false => match instance::start(&start)? {
            Started::First(instance) => Some(instance),
            Started::Alone => None,
            Started::Told => return Ok(()),
        },
    };
    select_renderer()?;
    let clock = Clock::system();
    let variable = |name: &str| std::env::var(name).ok();
    let desktop = Session::join(clock.clone())?;
    let outside = Outside {
        dialer: Box::new(Network::new(clock.clone())),
        keys: Box::new(Account),
        store: Box::new(FileStore::of_account()),
        clock,
        language: Language::of_system(variable),
        first: (SERVER.to_owned(), variable("USER").unwrap_or_default()),
    };
    let app = App::new(outside)?;
    slint::set_xdg_app_id(herenow_desktop::APP_ID)?;
    app.settle(Rc::new(desktop));
    if let Some(whom) = notify {
        app.desk().tell_of(whom.into());
    }
    if let Some(seconds) = away_after {
        app.desk().go_away_after(positive(seconds));
    }
    app.start(&start);
    app.run(instance)?;
    Ok(())
}

/// A time in seconds, of which 0 means that there is none.
fn positive(seconds: u64) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

impl From<Whom> for notify::Whom {
    fn from(whom: Whom) -> Self {
        match whom {
            Whom::All => Self::All,
            Whom::Favourites => Self::Favourites,
            Whom::None => Self::Nobody,
        }
    }
}

/// Takes the software renderer: on a computer without a fast GPU it needs a quarter of the memory
/// and a fifth of the time of OpenGL. `SLINT_BACKEND` still overrides it.
fn select_renderer() -> Result<(), slint::PlatformError> {
    match std::env::var_os("SLINT_BACKEND") {
        Some(_) => Ok(()),
        None => slint::BackendSelector::new().renderer_name("software".into()).select(),
    }
}
