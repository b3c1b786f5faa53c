//! `herenow-bench-registry`: what the registry costs without sockets.
//!
//! So many sign in, change their status and leave, publications of every tick included; between, a whole snapshot is taken.
//! Time is the processor's, of this process. Prints one line of JSON.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use herenow::clock::{Clock, Moment};
use herenow::config::{Config, Liveness};
use herenow::registry::{
    Answer, Command, ConnectionId, Delivery, Effect, LOBBY_VIEW, Registry, Rules, SignIn, Wish,
};
use herenow_client::protocol::{
    Choice, CloseReason, DeviceId, DeviceLabel, DisplayName, Epoch, Hello, ResumeToken, RoomName,
    SessionId, Status, WatchTarget,
};
use nix::time::{ClockId, clock_gettime};

/// The allocator of the server.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Changes between two polls, so many that a tick of 20 ms is a tick of about 10,000 changes a second.
const CHANGES_PER_TICK: usize = 200;

/// How often a snapshot of which everything is cached is taken.
const AGAIN: u32 = 100;

/// Sign-ins that are made beforehand.
const BLOCK: usize = 1_000;

/// The default tick.
const TICK: Duration = Duration::from_millis(20);

/// What one run measured.
#[derive(Debug)]
struct Costs {
    ns_sign_in: f64,
    ns_update: f64,
    ns_leave: f64,
    /// Of 128 ids, encoded anew.
    ns_page: f64,
    /// Of one that is served again.
    ns_page_again: f64,
    /// Resident, all in.
    bytes_per_user: f64,
}

/// Measures the registry without sockets
#[derive(Clone, Copy, Debug, Parser)]
#[command(version, about)]
struct Plan {
    /// How many sign in
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    users: usize,
}

/// A registry, and time that passes by one tick every [`CHANGES_PER_TICK`] changes.
struct Desk {
    registry: Registry,
    now: Moment,
    effects: Vec<Effect>,
    changes: usize,
}

impl Desk {
    fn new() -> Self {
        let rules = Rules { journal: false, ..Rules::from(&Config::default()) };
        let registry = Registry::new(Epoch([7; 16]), rules);
        let now = Clock::system().now();
        Self { registry, now, effects: Vec::new(), changes: 0 }
    }

    fn say(&mut self, connection: u64, command: Command) -> Answer {
        let connection = ConnectionId(connection);
        let answer = self.registry.apply(connection, command, self.now, &mut self.effects);
        self.changes += 1;
        if self.changes.is_multiple_of(CHANGES_PER_TICK) {
            self.tick();
        }
        answer
    }

    /// A wish for pages, which is no change.
    fn fetch(&mut self, connection: u64, page: u32) {
        let wish = Command::Fetch(LOBBY_VIEW, Wish::Pages(page));
        self.registry.apply(ConnectionId(connection), wish, self.now, &mut self.effects);
    }

    fn tick(&mut self) {
        self.registry.poll(self.now, &mut self.effects);
        self.effects.clear();
        self.now.instant += TICK;
        self.now.unix_ms += 20;
    }
}

fn main() -> ExitCode {
    let Some(costs) = measure(Plan::parse()) else {
        eprintln!("the registry did not do what it was asked to");
        return ExitCode::FAILURE;
    };
    let Costs { ns_sign_in, ns_update, ns_leave, ns_page, ns_page_again, bytes_per_user } = costs;
    let line = serde_json::json!({
        "ns_per_change": (ns_sign_in + ns_update + ns_leave) / 3.0,
        "ns_per_sign_in": ns_sign_in,
        "ns_per_update": ns_update,
        "ns_per_leave": ns_leave,
        "ns_per_page": ns_page,
        "ns_per_page_again": ns_page_again,
        "bytes_per_user": bytes_per_user,
    });
    println!("{line}");
    ExitCode::SUCCESS
}

/// Signs so many users in, changes the status of each, takes pages, and lets them go. `None` if an answer is not the
/// expected one.
fn measure(plan: Plan) -> Option<Costs> {
    let users = plan.users;
    let order = shuffled(users);
    let mut desk = Desk::new();
    // What the requests themselves take is taken before the first look.
    drop(block(plan, 0));
    let before = resident_bytes()?;
    let mut signing_in = Duration::ZERO;
    for first in (0..users).step_by(BLOCK) {
        // What a session makes of the bytes of its client is not the registry's.
        let commands = block(plan, first);
        let start = spent()?;
        for (n, command) in commands {
            if !matches!(desk.say(n, command), Answer::SignedIn(_)) {
                return None;
            }
        }
        signing_in += spent()? - start;
    }
    (0..3).for_each(|_| desk.tick());
    let memory = resident_bytes()?.saturating_sub(before);
    let listed = desk.registry.proof().count as usize;
    let update = timed(&order, |n| {
        let status = if n % 2 == 0 { Status::Busy } else { Status::Away };
        desk.say(n, Command::Choose(Choice { status, ..Choice::default() }));
    })?;
    desk.tick();
    let (page, again) = pages(&mut desk, users)?;
    let leave = timed(&order, |n| {
        let heard = desk.now.instant;
        desk.say(n, Command::End(CloseReason::Goodbye, heard));
    })?;
    (0..3).for_each(|_| desk.tick());
    let left = desk.registry.proof().count;
    let per_user = |span: Duration| span.as_nanos() as f64 / users as f64;
    (listed == users && left == 0).then(|| Costs {
        ns_sign_in: per_user(signing_in),
        ns_update: per_user(update),
        ns_leave: per_user(leave),
        ns_page: page,
        ns_page_again: again,
        bytes_per_user: memory as f64 / users as f64,
    })
}

/// The next sign-ins, made beforehand.
fn block(plan: Plan, first: usize) -> Vec<(u64, Command)> {
    let numbers = first..plan.users.min(first + BLOCK);
    numbers.map(|n| (n as u64 + 1, sign_in(n))).collect()
}

fn timed(order: &[u64], mut each: impl FnMut(u64)) -> Option<Duration> {
    let start = spent()?;
    order.iter().for_each(|n| each(*n));
    Some(spent()? - start)
}

/// The time per page of a whole snapshot of which nothing is cached, and of the next one.
fn pages(desk: &mut Desk, users: usize) -> Option<(f64, f64)> {
    let watcher = (1 << 24) - 1;
    let hello = Hello { observe: true, ..hello("observer", "o", "") };
    let token = ResumeToken([1; 16]);
    let hello = SignIn::new(hello, liveness(), SessionId(1 << 52), token);
    desk.say(watcher, Command::SignIn(Box::new(hello)));
    desk.say(watcher, Command::Watch(WatchTarget::Room(RoomName::lobby())));
    // Whatever waits for a tick is published.
    (0..3).for_each(|_| desk.tick());
    let mut snapshot = || {
        let (start, mut from, mut frames) = (spent()?, Some(0), 0);
        while let Some(page) = from {
            desk.fetch(watcher, page);
            let batch = desk.effects.drain(..).find_map(|effect| match effect {
                Effect::Deliver(_, Delivery::Pages(batch)) => Some(batch),
                _ => None,
            })?;
            frames += batch.frames.len();
            from = batch.next;
        }
        let spent = spent()? - start;
        // One more says that there is nobody beyond.
        let pages = users.div_ceil(128);
        (frames == pages + 1).then(|| spent.as_nanos() as f64 / pages as f64)
    };
    let anew = snapshot()?;
    // One alone takes next to no time.
    let again: Option<Vec<_>> = (0..AGAIN).map(|_| snapshot()).collect();
    let costs = (anew, again?.iter().sum::<f64>() / f64::from(AGAIN));
    desk.say(watcher, Command::End(CloseReason::Goodbye, desk.now.instant));
    Some(costs)
}

fn sign_in(n: usize) -> Command {
    let hello = hello(&format!("user{n:07}"), &format!("device-{n:09}"), "laptop");
    let mut token = [3; 16];
    token[..8].copy_from_slice(&mix(n as u64).to_be_bytes());
    let session = SessionId(mix(n as u64 ^ 0xABCD) >> 11);
    Command::SignIn(Box::new(SignIn::new(hello, liveness(), session, ResumeToken(token))))
}

fn hello(name: &str, device: &str, label: &str) -> Hello {
    Hello {
        name: DisplayName::new(name).expect("a valid name"),
        device: DeviceId::new(device).expect("a valid device id"),
        label: DeviceLabel::new(label).expect("a valid label"),
        heartbeat: None,
        observe: false,
        choice: Choice::automatic(Status::Available),
        key: None,
        resume: None,
        credential: None,
    }
}

fn liveness() -> Liveness {
    Liveness { interval: Duration::from_secs(2), misses: 5 }
}

/// Every number below this in an order of chance, the same in every run.
fn shuffled(count: usize) -> Vec<u64> {
    let mut numbers: Vec<_> = (1..=count as u64).collect();
    numbers.sort_unstable_by_key(|n| mix(*n ^ 0x5EED));
    numbers
}

/// Spreads the bits of a number: the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

/// Resident memory of this process: the second field of `statm`, in pages of 4 KiB.
fn resident_bytes() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split_whitespace().nth(1)?.parse::<usize>().ok()? * 4096)
}

/// The time that this process spent on a processor. What others do on the same machine counts less in it than in a clock.
fn spent() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).ok().map(Duration::from)
}
