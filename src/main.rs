//! The `herenow` program: arguments, logging, signals, then [`herenow::run`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod serve;

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
    /// Serve: answer who is here, until stopped.
    Serve(serve::Serve),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command.unwrap_or_else(|| Command::Serve(serve::Serve::default())) {
        Command::Serve(arguments) => serve::run(&arguments),
    }
}
