//! What the real program costs: from its start to a window, memory, processor time at rest and under changes.
//!
//! `cargo bench -p herenow-desktop --bench process [-- PEOPLE...] [-- --growth SECONDS]` starts it under Xvfb against a scripted server in
//! this process, since a real one would need a connection for each of 100,000 people. Needs Xvfb.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(unreachable_pub, reason = "its own modules are all that there is")]

#[path = "process/crowd.rs"]
mod crowd;
#[path = "process/program.rs"]
mod program;

use std::thread::sleep;
use std::time::Duration;

use crowd::Crowd;
use program::{Display, Program};

/// How often the program is started for one figure.
const STARTS: usize = 11;

/// From the sign-in until memory is looked at: the list is there, and buffers of the start are gone by then.
const SETTLE: Duration = Duration::from_secs(5);

/// For how long processor time is counted.
const WATCHED: Duration = Duration::from_secs(20);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let growth = words.iter().position(|word| word == "--growth");
    let growth_s = growth.and_then(|at| words.get(at + 1)).map(|word| seconds(word));
    let counted = words.iter().take(growth.unwrap_or(words.len()));
    let mut counts: Vec<u32> = counted.filter_map(|word| word.parse().ok()).collect();
    if counts.is_empty() {
        counts = vec![10, 10_000, 100_000, 1_000_000];
    }
    let display = Display::start();
    println!("| people | what | |\n|---:|---|---:|");
    for people in counts {
        measure(&display, people, growth_s);
    }
}

fn seconds(word: &str) -> u64 {
    word.parse().expect("--growth takes a number of seconds")
}

fn measure(display: &Display, people: u32, growth_s: Option<u64>) {
    let crowd = Crowd::of(people);
    starts(display, &crowd, people);
    let program = Program::start(display, &crowd.address());
    program.wait_for_sign_in(display);
    sleep(SETTLE);
    println!("| {people} | PSS, signed in | {:.1} MB |", program.pss_mb());
    println!("| {people} | private memory of that | {:.1} MB |", program.private_mb());
    let share = program.processor_share(WATCHED);
    println!("| {people} | processor time at rest, heartbeats on | {share:.2} % of a core |");
    for rate in [1_000, 10_000] {
        crowd.change(rate);
        sleep(SETTLE);
        let share = program.processor_share(WATCHED);
        println!(
            "| {people} | processor time at {rate} changes a second | {share:.1} % of a core |"
        );
    }
    if let Some(growth_s) = growth_s {
        crowd.change(1_000);
        sleep(Duration::from_secs(30));
        let before = program.pss_mb();
        sleep(Duration::from_secs(growth_s));
        let grown = program.pss_mb() - before;
        println!("| {people} | growth in {growth_s} s of 1000 changes a second | {grown:.2} MB |");
    }
    crowd.change(0);
}

/// From the start of the process to its window, and until it is signed in, in milliseconds. The list comes after that.
fn starts(display: &Display, crowd: &Crowd, people: u32) {
    let mut windows = Vec::new();
    let mut signed_in = Vec::new();
    for _ in 0..STARTS {
        let program = Program::start(display, &crowd.address());
        windows.push(program.wait_for_window(display).as_secs_f64() * 1e3);
        signed_in.push(program.wait_for_sign_in(display).as_secs_f64() * 1e3);
    }
    for (what, mut times) in [("window", windows), ("sign-in done", signed_in)] {
        times.sort_by(f64::total_cmp);
        let (middle, worst) = (times[STARTS / 2], times[STARTS - 1]);
        println!(
            "| {people} | start to {what}: p50, worst of {STARTS} | {middle:.0} ms, {worst:.0} ms |"
        );
    }
}
