//! The `herenow` program: arguments, logging, signals, then [`herenow::run`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod cli;
mod configure;
mod doors;
mod logging;
mod serve;

/// Takes a tenth less for a session than the system's own: `docs/benchmarks.md`.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Who is here, now? A presence server, and the commands to look at one.
#[derive(Debug, Parser)]
#[command(version, about, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

const AFTER_HELP: &str = "\
Without a command, herenow serves on this computer alone, as `herenow serve` does.

Try it in three terminals:
  herenow serve
  herenow watch --name ada
  herenow who";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve: answer who is here, until stopped
    Serve(configure::Given),
    /// Check the configuration, and say what is wrong with it
    CheckConfig(configure::Given),
    /// Print the configuration, with words about every key
    PrintConfig(configure::Print),
    /// Print who is here
    Who(cli::args::Who),
    /// Sign in and print what happens, as it happens
    Watch(cli::args::Watch),
    /// Show another status
    Set(cli::args::Set),
    /// Tell why someone is shown as they are
    Explain(cli::args::Explain),
    /// Print what happened to sessions and users, from a server's folder
    Log(cli::args::Log),
    /// Tell how a server is
    Health(cli::args::Health),
    /// Print this account's pairing code, or take over that of another device
    Pair(cli::args::Pair),
    /// Make a configuration that is safe on a network, with a secret and a certificate
    Init(cli::args::Init),
    /// Keep what lets this account into a server
    Login(cli::args::Login),
    /// Print the hash of a password, for a user file
    HashPassword(cli::args::HashPassword),
    /// Print everything that a server's folder keeps of a person
    Export(cli::args::Person),
    /// Erase a person from the folder of a server that is stopped
    Erase(cli::args::Person),
    /// Serve, with people who come, go, change status and lose their cable
    Demo(cli::args::Demo),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command.unwrap_or_else(|| Command::Serve(configure::Given::default())) {
        Command::Serve(given) => serve::run(given),
        Command::CheckConfig(given) => configure::check(&given),
        Command::PrintConfig(arguments) => configure::print(&arguments),
        Command::Who(arguments) => cli::run(cli::who::run(arguments)),
        Command::Watch(arguments) => cli::run(cli::watch::run(arguments)),
        Command::Set(arguments) => cli::run(cli::set::run(arguments)),
        Command::Explain(arguments) => cli::run(cli::explain::run(arguments)),
        Command::Log(arguments) => cli::run(cli::log::run(arguments)),
        Command::Health(arguments) => cli::run(cli::health::run(arguments)),
        Command::Pair(arguments) => cli::run(cli::pair::run(arguments)),
        Command::Init(arguments) => cli::run(cli::init::run(arguments)),
        Command::Login(arguments) => cli::run(cli::login::run(arguments)),
        Command::HashPassword(arguments) => cli::run(cli::hash_password::run(arguments)),
        Command::Export(arguments) => cli::run(cli::person::export(arguments)),
        Command::Erase(arguments) => cli::run(cli::person::erase(arguments)),
        Command::Demo(arguments) => cli::demo::run(&arguments),
    }
}
