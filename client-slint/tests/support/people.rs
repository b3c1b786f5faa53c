//! People and servers to test with.

use herenow_client::protocol::{
    Choice, DeviceLabel, DisplayName, Entry, Epoch, Presence, SessionId, Shown, Status, StatusText,
    UserId, Welcome,
};

pub fn presence(status: Status, text: &str) -> Presence {
    Presence::chosen(status, StatusText::new(text).expect("a valid text"))
}

/// A person chooses a status and leaves the text as it is.
pub fn chosen(status: Status) -> Choice {
    Choice { status, ..Choice::default() }
}

pub fn entry(id: u32, name: &str, status: Status, text: &str) -> Entry {
    let name = DisplayName::new(name).expect("a valid name");
    let shown = Shown { presence: presence(status, text), ..Shown::default() };
    Entry { id: UserId(id), name, shown }
}

/// As [`entry`], away since then because nobody touched the device.
pub fn idle(id: u32, name: &str, since_ms: u64, text: &str) -> Entry {
    let mut entry = entry(id, name, Status::Away, text);
    (entry.shown.presence.automatic, entry.shown.since_ms) = (true, since_ms);
    entry
}

/// The same person, signed in from these devices.
pub fn with_devices(mut entry: Entry, labels: &[&str]) -> Entry {
    let label = |label: &&str| DeviceLabel::new(label).expect("a valid label");
    entry.shown.devices = labels.iter().map(label).collect();
    entry
}

/// The same person, with a text that goes away then.
pub fn until(mut entry: Entry, until_ms: u64) -> Entry {
    entry.shown.presence.until_ms = until_ms;
    entry
}

/// Eleven people, and Ada, who is signed in herself.
pub fn office() -> Vec<Entry> {
    use Status::{Available, Away, Busy};
    let people = [
        ("Ada Lovelace", Available, ""),
        ("Grace Hopper", Available, "Nanoseconds on the table, ask me for one"),
        ("Radia Perlman", Away, "Lunch, back at one"),
        ("Ken Thompson", Busy, "In a review"),
        ("Barbara Liskov", Available, ""),
        (
            "Edsger Dijkstra",
            Away,
            "Walking and thinking. Please write me a letter, on paper, and wait",
        ),
        ("Hedy Lamarr", Available, "Hopping between frequencies"),
        ("Ελένη Παππά", Available, "Διάλειμμα"),
        ("Katherine Johnson", Busy, "Checking the numbers"),
        ("Alan Turing", Available, "Out for a run at five"),
        ("Frances Allen", Available, "Reading about compilers"),
        ("Žofie", Away, ""),
    ];
    let numbered = (1..).zip(people);
    numbered.map(|(id, (name, status, text))| entry(id, name, status, text)).collect()
}

/// What people in a room are shown with.
pub const STATUSES: [Status; 3] = [Status::Available, Status::Away, Status::Busy];

pub fn crowd(count: u32) -> Vec<Entry> {
    let status = |id: u32| STATUSES[id as usize % 3];
    (0..count).map(|id| entry(id, &format!("person {id:06}"), status(id), "here")).collect()
}

pub fn welcome() -> Welcome {
    Welcome {
        version: 1,
        session: SessionId(1),
        heartbeat_ms: 2_000,
        misses: 5,
        detection_bound_ms: 10_500,
        epoch: Epoch([0; 16]),
        frame_bytes_max: 4_096,
        server: "herenow".to_owned(),
        token: None,
        resumed: false,
        resume_window_ms: 0,
        views: Vec::new(),
        credential_ms: 0,
    }
}
