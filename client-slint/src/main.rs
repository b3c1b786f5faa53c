//! The desktop program of herenow: arguments, renderer, window.

use std::error::Error;

use clap::Parser;
use herenow_desktop::account::Account;
use herenow_desktop::app::App;
use herenow_desktop::clock::Clock;
use herenow_desktop::network::Network;

/// The server of a first start: the one on this computer.
const SERVER: &str = "127.0.0.1";

/// Shows who is here, now.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The server: HOST or HOST:PORT.
    #[arg(long, value_name = "HOST[:PORT]", default_value = SERVER)]
    server: String,
    /// The name that others will see; signs in at once.
    #[arg(long)]
    name: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    select_renderer()?;
    let clock = Clock::system();
    let app = App::new(Box::new(Network::new(clock.clone())), Box::new(Account), clock)?;
    slint::set_xdg_app_id("org.example.herenow")?;
    let login = std::env::var("USER").unwrap_or_default();
    match &arguments.name {
        Some(name) => app.sign_in(&arguments.server, name),
        None => app.offer(&arguments.server, &login),
    }
    app.run()?;
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
