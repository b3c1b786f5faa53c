//! People and servers to test with.

use herenow_client::protocol::{
    DisplayName, Entry, Epoch, Presence, SessionId, Status, StatusText, UserId, Welcome,
};

pub fn presence(status: Status, text: &str) -> Presence {
    Presence { status, text: StatusText::new(text).expect("a valid text") }
}

pub fn entry(id: u32, name: &str, status: Status, text: &str) -> Entry {
    let name = DisplayName::new(name).expect("a valid name");
    Entry { id: UserId(id), name, presence: presence(status, text), since_ms: 0 }
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

pub fn crowd(count: u32) -> Vec<Entry> {
    let status = |id: u32| Status::ALL[id as usize % 3];
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
    }
}
