//! `herenow-bench`: what a herenow server costs, beside the least that any server must cost for the same traffic.
//!
//! Reading order: `crowd` and `socket` (raw connections over one poll), `people` (what the load says), `watchers`,
//! `view`, `frames` and `catalogue` (every watcher's view is proved), `server`, `accounting` and `pinning` (the process
//! under test), `kernel` (what sockets hold), `timers` (sessions without sockets), `floor` (the least), `measures`,
//! `report` and `conditions`.

mod accounting;
mod args;
mod catalogue;
mod clock;
mod conditions;
mod crowd;
mod deliveries;
mod failure;
mod floor;
mod frames;
mod kernel;
mod mark;
mod measures;
mod patience;
mod people;
mod pinning;
mod plan;
mod reading;
mod report;
mod rhythm;
mod server;
mod setting;
mod socket;
mod timers;
mod view;
mod watchers;

use std::process::ExitCode;

use clap::Parser as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use args::{Arguments, Command, Common};
use conditions::Conditions;
use failure::{Failure, Tried as _};
use measures::Measure;

fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    let ended = match command {
        Command::Floor(floor) => raise_descriptors().and_then(|()| floor.serve()),
        command => measure(&common, &plan::measures(&command)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("herenow-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Takes the measures and reports each as soon as it is there.
fn measure(common: &Common, measures: &[Measure]) -> Result<(), Failure> {
    raise_descriptors()?;
    let setting = common.setting();
    let program = setting.source.program();
    let conditions = Conditions::read(program, setting.pinning, setting.runs);
    let table = |text: &str| if common.json { eprint!("{text}") } else { print!("{text}") };
    table(&format!("{}\n{}", conditions.lines(), report::head()));
    for measure in measures {
        let record = measure.take(&setting)?;
        table(&record.rows());
        if common.json {
            println!("{}", record.json(&conditions));
        }
    }
    Ok(())
}

/// As many descriptors as the system allows; the processes started here inherit it.
fn raise_descriptors() -> Result<(), Failure> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).tried("reading the limit of descriptors")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).tried("raising the limit of descriptors")
}
