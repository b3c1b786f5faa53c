//! What the registry costs without sockets: time per sign-in, change and leave, publications of every tick included,
//! time per page of a snapshot, and memory per user.
//!
//! `cargo run --release --example registry_cost -- [USERS] [--watched] [--labels]`
//!
//! `--watched` lets one session watch the lobby, so that every change is encoded; `--labels` gives every device a label of
//! its own in place of one of eight common ones.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use herenow::clock::Moment;
use herenow::config::{Config, Liveness};
use herenow::registry::{
    Answer, Command, ConnectionId, Effect, LOBBY_VIEW, Registry, Rules, SignIn, Wish,
};
use herenow_protocol::{
    Choice, CloseReason, DeviceId, DeviceLabel, DisplayName, Epoch, Hello, ResumeToken, RoomName,
    SessionId, Status, WatchTarget,
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Changes between two polls, so many that a tick of 20 ms is a tick of about 10,000 changes a second.
const CHANGES_PER_TICK: usize = 200;

/// The default tick.
const TICK: Duration = Duration::from_millis(20);

/// What one run measured.
#[derive(Debug)]
pub struct Costs {
    /// Nanoseconds per sign-in.
    pub ns_sign_in: f64,
    /// Nanoseconds per change of a status.
    pub ns_update: f64,
    /// Nanoseconds per leave.
    pub ns_leave: f64,
    /// Nanoseconds per page of 128 ids that is encoded anew.
    pub ns_page: f64,
    /// Resident bytes per user, all in.
    pub bytes_per_user: f64,
}

/// What the run is like.
#[derive(Clone, Copy, Debug)]
struct Plan {
    users: usize,
    watched: bool,
    own_labels: bool,
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
        let now = Moment { instant: read_clock(), unix_ms: 1_790_000_000_000 };
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

    fn tick(&mut self) {
        self.registry.poll(self.now, &mut self.effects);
        self.effects.clear();
        self.now.instant += TICK;
        self.now.unix_ms += 20;
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let users = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let plan = Plan { users, watched: has("--watched"), own_labels: has("--labels") };
    match measure(plan) {
        Some(costs) => {
            println!("{plan:?}\n{costs:#.1?}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("the registry did not do what it was asked to");
            ExitCode::FAILURE
        }
    }
}

/// Signs so many users in, changes the status of each, takes pages, and lets them go. `None` if an answer is not the
/// expected one.
fn measure(plan: Plan) -> Option<Costs> {
    let users = plan.users;
    let order = shuffled(users);
    let mut desk = Desk::new();
    let before = resident_bytes()?;
    if plan.watched {
        desk.say(u64::MAX, sign_in(plan, users, true));
        let lobby = Command::Watch(WatchTarget::Room(RoomName::lobby()));
        desk.say(u64::MAX, lobby);
    }
    let mut signing_in = Duration::ZERO;
    for block in 0..users.div_ceil(10_000) {
        // What a session makes of the bytes of its client is not the registry's.
        let block = block * 10_000..users.min((block + 1) * 10_000);
        let commands: Vec<_> = block.map(|n| (n as u64, sign_in(plan, n, false))).collect();
        let start = read_clock();
        for (n, command) in commands {
            if !matches!(desk.say(n, command), Answer::SignedIn(_)) {
                return None;
            }
        }
        signing_in += start.elapsed();
    }
    desk.tick();
    let memory = resident_bytes()?.saturating_sub(before);
    let listed = desk.registry.proof().count as usize;
    let update = timed(&order, |n| {
        let status = if n % 2 == 0 { Status::Busy } else { Status::Away };
        desk.say(n, Command::Choose(Choice { status, ..Choice::default() }));
    });
    desk.tick();
    let page = pages(&mut desk, users);
    let leave = timed(&order, |n| {
        let heard = desk.now.instant;
        desk.say(n, Command::End(CloseReason::Goodbye, heard));
    });
    desk.tick();
    let left = desk.registry.proof().count;
    let per_user = |span: Duration| span.as_nanos() as f64 / users as f64;
    (listed == users && left == 0).then(|| Costs {
        ns_sign_in: per_user(signing_in),
        ns_update: per_user(update),
        ns_leave: per_user(leave),
        ns_page: page,
        bytes_per_user: memory as f64 / users as f64,
    })
}

fn timed(order: &[u64], mut each: impl FnMut(u64)) -> Duration {
    let start = read_clock();
    order.iter().for_each(|n| each(*n));
    start.elapsed()
}

/// The time per page of a whole snapshot of which nothing is cached.
fn pages(desk: &mut Desk, users: usize) -> f64 {
    let watcher = u64::MAX - 1;
    let hello = SignIn::new(
        Hello { observe: true, ..hello("observer", "o", "") },
        liveness(),
        SessionId(1 << 52),
        ResumeToken([1; 16]),
    );
    desk.say(watcher, Command::SignIn(Box::new(hello)));
    desk.say(watcher, Command::Watch(WatchTarget::Room(RoomName::lobby())));
    desk.tick();
    let (start, mut from) = (read_clock(), Some(0));
    while let Some(page) = from {
        desk.say(watcher, Command::Fetch(LOBBY_VIEW, Wish::Pages(page)));
        from = desk.effects.drain(..).find_map(|effect| match effect {
            Effect::Deliver(_, herenow::registry::Delivery::Pages(batch)) => batch.next,
            _ => None,
        });
    }
    let spent = start.elapsed();
    desk.say(watcher, Command::End(CloseReason::Goodbye, desk.now.instant));
    spent.as_nanos() as f64 / users.div_ceil(128) as f64
}

fn sign_in(plan: Plan, n: usize, observe: bool) -> Command {
    const COMMON: [&str; 8] = [
        "laptop-1", "desktop1", "phone-01", "tablet-1", "kitchen1", "office-1", "car-no-1",
        "browser1",
    ];
    let label = match plan.own_labels {
        true => format!("dev{n:05}"),
        false => COMMON[n % 8].to_owned(),
    };
    let hello = hello(&format!("user{n:07}"), &format!("device-{n:09}"), &label);
    let mut token = [3; 16];
    token[..8].copy_from_slice(&mix(n as u64).to_be_bytes());
    let session = SessionId(mix(n as u64 ^ 0xABCD) >> 11);
    let hello = Hello { observe, ..hello };
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
    }
}

fn liveness() -> Liveness {
    Liveness { interval: Duration::from_secs(2), misses: 5 }
}

/// Every number below this in an order of chance, the same in every run.
fn shuffled(count: usize) -> Vec<u64> {
    let mut numbers: Vec<_> = (0..count as u64).collect();
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

#[expect(clippy::disallowed_methods, reason = "this program measures time")]
fn read_clock() -> Instant {
    Instant::now()
}
