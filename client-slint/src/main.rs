//! The desktop program of herenow: arguments, renderer, window.

use std::error::Error;

use clap::Parser;
use herenow_desktop::account::Account;
use herenow_desktop::app::{App, Outside};
use herenow_desktop::clock::Clock;
use herenow_desktop::core::language::Language;
use herenow_desktop::core::sign_in::Start;
use herenow_desktop::instance::{self, Started};
use herenow_desktop::network::Network;
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
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { server, name, another } = Arguments::parse();
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
    let outside = Outside {
        dialer: Box::new(Network::new(clock.clone())),
        keys: Box::new(Account),
        store: Box::new(FileStore::of_account()),
        clock,
        language: Language::of_system(variable),
        first: (SERVER.to_owned(), variable("USER").unwrap_or_default()),
    };
    let app = App::new(outside)?;
    slint::set_xdg_app_id("org.example.herenow")?;
    app.start(&start);
    app.run(instance)?;
    Ok(())
}

/// Takes the software renderer: on a computer without a fast GPU it needs a quarter of the memory
/// and a fifth of the time of OpenGL. `SLINT_BACKEND` still overrides it.
fn select_renderer() -> Result<(), slint::PlatformError> {
    match std::env::var_os("SLINT_BACKEND") {
        Some(_) => Ok(()),
        None => slint::BackendSelector::new().renderer_name("software".into()).select(),
    }
}
