//! What the window costs on its own thread: frames, keystrokes and changes, with 100 to a million people.
//!
//! `cargo bench -p herenow-desktop --bench frames [-- 100000]` draws with the program's renderer into memory, so it needs no display. Everything goes the way
//! that it goes in the program, from a batch of the network on; only the network itself is left out. Times are of
//! the wall, so they mean something on a quiet machine.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::cell::{Cell, RefCell};
use std::fs;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use herenow_client::protocol::{
    Choice, DeviceLabel, DisplayName, Entry, OperatorKey, Presence, Query, RoomName, Shown, Status,
    StatusText, UserId, WatchTarget,
};
use herenow_client::{Event, ViewKey};
use herenow_desktop::account::Keys;
use herenow_desktop::app::{App, Outside};
use herenow_desktop::call::{Call, Deliver, Dialer, Then};
use herenow_desktop::clock::Clock;
use herenow_desktop::core::batch::{Batch, Whole};
use herenow_desktop::core::history::ListFacts;
use herenow_desktop::core::language::Language;
use herenow_desktop::core::people::Snapshot;
use herenow_desktop::core::sign_in::{Form, Start};
use herenow_desktop::store::Store;
use slint::platform::software_renderer::{
    MinimalSoftwareWindow, PremultipliedRgbaColor, RepaintBufferType,
};
use slint::platform::{Key, Platform, WindowAdapter, WindowEvent};
use slint::{ComponentHandle as _, LogicalPosition, PhysicalSize, PlatformError, SharedString};

const VIEW: ViewKey = ViewKey::FIRST;
const FRAME: Duration = Duration::from_millis(16);
const SIZES: [(u32, u32); 2] = [(360, 640), (2560, 1440)];

/// Changes a second in the busiest measure, as many frames a second, for so many seconds.
const CHANGES: usize = 10_000;
const FRAMES_A_SECOND: usize = 60;
const SECONDS: usize = 10;

thread_local!(static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) });

struct Memory(Rc<MinimalSoftwareWindow>);

impl Platform for Memory {
    fn create_window_adapter(&self) -> Result<Rc<dyn WindowAdapter>, PlatformError> {
        Ok(self.0.clone())
    }

    fn duration_since_start(&self) -> Duration {
        NOW.get()
    }
}

/// The network's end: what is put in here is delivered.
#[derive(Clone, Default)]
struct Line(Rc<RefCell<Option<Deliver>>>);

struct Silent;

impl Dialer for Line {
    fn dial(&self, _: &Form, _: Choice, deliver: Deliver) -> io::Result<Box<dyn Call>> {
        self.0.replace(Some(deliver));
        Ok(Box::new(Silent))
    }
}

impl Call for Silent {
    fn choose(&self, _: Choice) {}
    fn retry_now(&self) {}
    fn watch(&self, _: WatchTarget) -> Option<ViewKey> {
        None
    }
    fn unwatch(&self, _: ViewKey) {}
    fn join(&self, _: RoomName) -> bool {
        true
    }
    fn part(&self, _: &RoomName) {}
    fn ask(&self, _: Query, _: Then) {}
    fn leave(&mut self, _: Duration) {}
}

impl Keys for Silent {
    fn code(&self) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn adopt(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn operator(&self) -> Option<OperatorKey> {
        None
    }
    fn device_label(&self) -> String {
        String::new()
    }
}

impl Store for Silent {
    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
    fn save(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn set_aside(&self) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// The program with people in it.
struct Bench {
    window: Rc<MinimalSoftwareWindow>,
    app: App,
    line: Line,
    pixels: Vec<PremultipliedRgbaColor>,
    width: usize,
    random: u64,
}

impl Bench {
    fn new() -> Result<Self, PlatformError> {
        let window = MinimalSoftwareWindow::new(RepaintBufferType::ReusedBuffer);
        slint::platform::set_platform(Box::new(Memory(window.clone())))
            .expect("this is the first platform");
        let line = Line::default();
        let app = App::new(Outside {
            dialer: Box::new(line.clone()),
            keys: Box::new(Silent),
            store: Box::new(Silent),
            clock: Clock::system(),
            language: Language::English,
            first: (String::new(), String::new()),
        })?;
        app.window().show()?;
        app.start(&Start { server: Some("127.0.0.1".into()), name: Some("Ada".into()) });
        let bench =
            Self { window, app, line, pixels: Vec::new(), width: 0, random: 0x9E37_79B9_7F4A_7C15 };
        Ok(bench)
    }

    fn resize(&mut self, (width, height): (u32, u32)) {
        self.window.set_size(PhysicalSize::new(width, height));
        self.pixels = vec![PremultipliedRgbaColor::default(); (width * height) as usize];
        self.width = width as usize;
        self.draw();
    }

    fn deliver(&self, batch: Batch) {
        self.line.0.borrow().as_ref().expect("a call is under way")(batch);
    }

    /// Draws one frame, if anything changed. Returns whether it did.
    fn draw(&mut self) -> bool {
        NOW.set(NOW.get() + FRAME);
        slint::platform::update_timers_and_animations();
        let (pixels, width) = (&mut self.pixels, self.width);
        self.window.draw_if_needed(|renderer| _ = renderer.render(pixels, width))
    }

    fn press(&self, key: impl Into<SharedString>) {
        let text = key.into();
        let window = self.app.window().window();
        window.dispatch_event(WindowEvent::KeyPressed { text: text.clone() });
        window.dispatch_event(WindowEvent::KeyReleased { text });
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from((self.random >> 11) % limit as u64).expect("below a usize")
    }

    fn change(&mut self, batch: &mut Batch, people: usize) {
        let (id, status) = (self.below(people), self.below(3));
        let entry = entry(id, [Status::Available, Status::Away, Status::Busy][status]);
        let list = ListFacts::default();
        batch.add(Event::Updated { view: VIEW, entry }, Instant::now(), list, None);
    }
}

fn entry(id: usize, status: Status) -> Entry {
    const FIRST: [&str; 15] = [
        "Ada",
        "Grace",
        "Linus",
        "Barbara",
        "Ken",
        "Dennis",
        "Margaret",
        "Edsger",
        "Frances",
        "Alan",
        "Radia",
        "Tim",
        "Hedy",
        "Donald",
        "Katherine",
    ];
    const LAST: [&str; 15] = [
        "Lovelace", "Hopper", "Allen", "Liskov", "Thompson", "Ritchie", "Hamilton", "Dijkstra",
        "Turing", "Perlman", "Lee", "Lamarr", "Knuth", "Johnson", "Žižek",
    ];
    let mixed = id.wrapping_mul(2_654_435_761);
    let (first, last) = (FIRST[mixed % 15], LAST[(mixed >> 8) % 15]);
    let text = if mixed & 3 == 0 { "in a meeting until three, back later" } else { "" };
    let shown = Shown {
        presence: Presence::chosen(status, StatusText::new(text).expect("a valid text")),
        since_ms: 1_795_563_000_000,
        devices: [DeviceLabel::new("desk").expect("a valid label")].into_iter().collect(),
        ..Shown::default()
    };
    let name = DisplayName::new(&format!("{first} {last} {id}")).expect("a valid name");
    Entry { id: UserId(u32::try_from(id).expect("an id")), name, shown }
}

/// Milliseconds, sorted.
struct Times(Vec<f64>);

impl Times {
    fn of(count: usize, mut measured: impl FnMut(usize)) -> Self {
        let time = |n| {
            let start = Instant::now();
            measured(n);
            start.elapsed().as_secs_f64() * 1e3
        };
        let mut times: Vec<f64> = (0..count).map(time).collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    fn at(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a short list"
        )]
        let place = ((self.0.len() - 1) as f64 * share).round() as usize;
        self.0[place]
    }

    fn print(&self, what: &str) {
        let (count, middle) = (self.0.len(), self.at(0.5));
        let (most, worst) = (self.at(0.99), self.at(1.0));
        println!("| {what} | {count} | {middle:.3} | {most:.3} | {worst:.3} |");
    }
}

/// Kilobytes of memory that this process alone is charged with.
fn pss_kb() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}

/// Seconds of processor time of this thread.
fn processor_s() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos: f64 =
        stat.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default();
    nanos / 1e9
}

fn main() -> Result<(), PlatformError> {
    let asked: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let counts = if asked.is_empty() { vec![100, 100_000, 1_000_000] } else { asked };
    let mut bench = Bench::new()?;
    bench.resize(SIZES[0]);
    println!("| what | times | p50 ms | p99 ms | worst ms |\n|---|---:|---:|---:|---:|");
    for people in counts {
        measure(&mut bench, people);
    }
    Ok(())
}

fn measure(bench: &mut Bench, people: usize) {
    println!("| **{people} people** | | | | |");
    let entries: Vec<Entry> =
        (0..people).map(|id| entry(id, [Status::Available, Status::Away][id % 2])).collect();
    let mut snapshot = None;
    let made = Times::of(1, |_| snapshot = Some(Snapshot::of(entries.iter())));
    made.print("a list made ready, away from the window's thread");
    drop(entries);
    let before = pss_kb();
    let mut batch = Batch::default();
    let events = [Event::Connecting { attempt: 1 }, Event::Snapshot { view: VIEW }];
    for event in events {
        let whole = matches!(event, Event::Snapshot { .. })
            .then(|| Whole::Lobby(snapshot.take().expect("it was made ready")));
        let list = ListFacts { proved_at: Some(Instant::now()), ..ListFacts::default() };
        batch.add(event, Instant::now(), list, whole);
    }
    let mut batch = Some(batch);
    let shown = Times::of(1, |_| {
        bench.deliver(batch.take().expect("one batch"));
        bench.draw();
    });
    shown.print("the list taken over and drawn");
    scroll(bench, people);
    bench.resize(SIZES[0]);
    search(bench);
    changes(bench, people);
    println!("| PSS of this process: {before} kB before, {} kB after | | | | |", pss_kb());
}

fn scroll(bench: &mut Bench, people: usize) {
    for size in SIZES {
        bench.resize(size);
        bench.press(Key::Home);
        let position = LogicalPosition::new(100.0, 400.0);
        let mut down = true;
        let times = Times::of(600, |n| {
            // There and back where the list is short.
            down = if n % 100 == 0 && people < 1_000 { !down } else { down };
            let delta_y = if down { -37.0 } else { 37.0 };
            let event = WindowEvent::PointerScrolled { position, delta_x: 0.0, delta_y };
            bench.app.window().window().dispatch_event(event);
            bench.draw();
        });
        times.print(&format!("a frame while scrolling, {}x{}", size.0, size.1));
        let jumps = Times::of(60, |n| {
            bench.press([Key::End, Key::PageUp, Key::Home, Key::PageDown][n % 4]);
            bench.draw();
        });
        jumps.print(&format!("a key that jumps, {}x{}", size.0, size.1));
        let still = Times::of(200, |_| assert!(!bench.draw(), "nothing changed"));
        still.print("a frame in which nothing changed");
        bench.app.window().window().dispatch_event(WindowEvent::PointerExited);
        pass_key_hold(bench);
    }
}

/// After a key rows keep their places for a while.
fn pass_key_hold(bench: &mut Bench) {
    (0..200).for_each(|_| _ = bench.draw());
}

fn search(bench: &mut Bench) {
    let words = ["lovelace", "meeting", "Žižek 1", "person", "an"];
    let mut keys: Vec<SharedString> = Vec::new();
    for word in words {
        keys.extend(word.chars().map(SharedString::from));
        keys.push(Key::Escape.into());
    }
    let times = Times::of(keys.len() * 3, |n| {
        bench.press(keys[n % keys.len()].clone());
        bench.draw();
    });
    times.print("a keystroke of a search, with its frame");
}

fn changes(bench: &mut Bench, people: usize) {
    bench.press(Key::Home);
    pass_key_hold(bench);
    let mut drawn = 0;
    let times = Times::of(500, |_| {
        let mut batch = Batch::default();
        bench.change(&mut batch, people);
        bench.deliver(batch);
        drawn += usize::from(bench.draw());
    });
    times.print(&format!("one change, with its frame; {drawn} drew anything"));
    let before = processor_s();
    let times = Times::of(FRAMES_A_SECOND * SECONDS, |_| {
        let mut batch = Batch::default();
        (0..CHANGES / FRAMES_A_SECOND).for_each(|_| bench.change(&mut batch, people));
        bench.deliver(batch);
        bench.draw();
    });
    times.print(&format!("{CHANGES} changes a second, a frame"));
    #[expect(clippy::cast_precision_loss, reason = "seconds are few")]
    let share = (processor_s() - before) / SECONDS as f64 * 100.0;
    println!(
        "| {CHANGES} changes a second: {share:.1} % of a core, making them included | | | | |"
    );
}
