//! A scripted server with more people than a real one could have connections for, who change as often as it is told.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::Duration;

use herenow_client::protocol::digest::EntryHasher;
use herenow_client::protocol::message::Incoming;
use herenow_client::protocol::{
    Change, ClientMessage, DeviceLabel, Digest, DisplayName, Entry, Epoch, ErrorCode, Presence,
    ServerMessage, SessionId, Shown, Status, StatusText, UserId, ViewId, ViewProof, WatchTarget,
    Welcome,
};

const VIEW: ViewId = ViewId(1);
const EPOCH: Epoch = Epoch([7; 16]);

/// Entries of one page, and changes of one delta, well below the largest frame.
const PAGE: usize = 100;

/// How far deltas are apart, as those of a real server.
const TICK: Duration = Duration::from_millis(20);

/// The server.
pub struct Crowd {
    address: SocketAddr,
    rate: Arc<AtomicUsize>,
}

/// Everybody, as the one client that is connected knows them.
struct List {
    entries: Vec<Entry>,
    hasher: EntryHasher,
    proof: ViewProof,
    random: u64,
    /// The client, once it watches.
    watcher: Option<TcpStream>,
}

impl Crowd {
    /// A server with so many people, who do nothing.
    pub fn of(people: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let list = Arc::new(Mutex::new(List::of(people)));
        let rate = Arc::<AtomicUsize>::default();
        let (shared, changes) = (Arc::clone(&list), Arc::clone(&rate));
        thread::spawn(move || change_forever(&shared, &changes));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let list = Arc::clone(&list);
                // A client that hangs up ends its thread, and that is all.
                thread::spawn(move || serve(&list, stream));
            }
        });
        Self { address, rate }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// So many statuses change in a second from now on.
    pub fn change(&self, rate: usize) {
        self.rate.store(rate, Ordering::Relaxed);
    }
}

fn lock(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

fn change_forever(list: &Mutex<List>, rate: &AtomicUsize) {
    loop {
        sleep(TICK);
        let count = rate.load(Ordering::Relaxed) / 50;
        let mut list = lock(list);
        if count > 0 && list.watcher.is_some() && list.tell_changes(count).is_err() {
            list.watcher = None;
        }
    }
}

fn serve(list: &Mutex<List>, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let message = next(&mut stream)?;
        let mut list = lock(list);
        let answer = match message {
            ClientMessage::Hello(_) => ServerMessage::Welcome(welcome()),
            ClientMessage::Heartbeat { n, .. } => ServerMessage::HeartbeatAck {
                n,
                me: Some(Presence::chosen(Status::Available, StatusText::default())),
                views: vec![(VIEW, list.proof)],
                delay_ms: 0,
            },
            ClientMessage::Watch { request, target: WatchTarget::Room(_), .. } => {
                list.show(&mut stream, request)?;
                list.watcher = Some(stream.try_clone()?);
                continue;
            }
            ClientMessage::SetStatus { request, .. }
            | ClientMessage::Join { request, .. }
            | ClientMessage::Leave { request, .. }
            | ClientMessage::Unwatch { request, .. } => {
                ServerMessage::Result { request, view: None }
            }
            ClientMessage::Watch { request, .. }
            | ClientMessage::Query { request, .. }
            | ClientMessage::Repair { request, .. }
            | ClientMessage::Renew { request, .. } => {
                let text = "the script does not know".to_owned();
                ServerMessage::Error { request, code: ErrorCode::NotAllowed, text }
            }
            ClientMessage::Goodbye { .. } => {
                list.watcher = None;
                return Ok(());
            }
        };
        stream.write_all(&answer.encode())?;
    }
}

impl List {
    fn of(people: u32) -> Self {
        let entries: Vec<Entry> = (0..people).map(entry).collect();
        let (hasher, mut digest) = (EntryHasher::new(EPOCH), Digest::default());
        entries.iter().for_each(|entry| digest.add(hasher.hash(entry)));
        let proof = ViewProof { version: 1, count: people, digest };
        Self { entries, hasher, proof, random: 0x9E37_79B9_7F4A_7C15, watcher: None }
    }

    fn show(&self, stream: &mut TcpStream, request: u32) -> io::Result<()> {
        let opened = ServerMessage::Result { request, view: Some(VIEW) };
        stream.write_all(&opened.encode())?;
        let mut first = UserId(0);
        for entries in self.entries.chunks(PAGE) {
            let last = entries.last().map_or(first, |entry| entry.id);
            let entries = entries.to_vec();
            let page = ServerMessage::SnapshotPage { view: VIEW, first, last, entries };
            stream.write_all(&page.encode())?;
            first = UserId(last.0 + 1);
        }
        let (last, entries) = (UserId(u32::MAX), Vec::new());
        let rest = ServerMessage::SnapshotPage { view: VIEW, first, last, entries };
        stream.write_all(&rest.encode())?;
        stream.write_all(&ServerMessage::SnapshotEnd { view: VIEW, proof: self.proof }.encode())
    }

    fn tell_changes(&mut self, count: usize) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let some = left.min(PAGE);
            let changes = (0..some).map(|_| self.change_one()).collect();
            let from = self.proof.version;
            self.proof.version += 1;
            let delta = ServerMessage::Delta { view: VIEW, from, proof: self.proof, changes };
            if let Some(watcher) = &mut self.watcher {
                watcher.write_all(&delta.encode())?;
            }
            left -= some;
        }
        Ok(())
    }

    fn change_one(&mut self) -> Change {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let mixed = usize::try_from(self.random >> 16).unwrap_or_default();
        let entry = &mut self.entries[mixed % self.proof.count as usize];
        self.proof.digest.remove(self.hasher.hash(entry));
        let status = [Status::Available, Status::Away, Status::Busy][mixed % 3];
        let text = ["", "in a meeting until three", "lunch", "back later"][(mixed >> 8) % 4];
        entry.shown.presence.status = status;
        entry.shown.presence.text = StatusText::new(text).expect("a valid text");
        self.proof.digest.add(self.hasher.hash(entry));
        Change::Updated { id: entry.id, shown: entry.shown.clone() }
    }
}

fn entry(id: u32) -> Entry {
    const FIRST: [&str; 8] =
        ["Ada", "Grace", "Barbara", "Ken", "Margaret", "Edsger", "Frances", "Katherine"];
    const LAST: [&str; 8] =
        ["Lovelace", "Hopper", "Liskov", "Thompson", "Hamilton", "Dijkstra", "Allen", "Johnson"];
    let mixed = id.wrapping_mul(2_654_435_761) as usize;
    let name = format!("{} {} {id}", FIRST[mixed % 8], LAST[(mixed >> 8) % 8]);
    let text = if mixed & 3 == 0 { "in a meeting until three" } else { "" };
    let presence = Presence::chosen(Status::Available, StatusText::new(text).expect("a text"));
    let devices = [DeviceLabel::new("desk").expect("a label")].into_iter().collect();
    let shown = Shown { presence, since_ms: 1_795_563_000_000, devices, ..Shown::default() };
    Entry { id: UserId(id), name: DisplayName::new(&name).expect("a valid name"), shown }
}

fn next(stream: &mut TcpStream) -> io::Result<ClientMessage> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut body)?;
    match Incoming::decode(&body) {
        Ok(Incoming::Message(message)) => Ok(message),
        other => panic!("the window sent {other:?}"),
    }
}

fn welcome() -> Welcome {
    Welcome {
        version: 1,
        session: SessionId(1),
        heartbeat_ms: 2_000,
        misses: 5,
        detection_bound_ms: 10_500,
        epoch: EPOCH,
        frame_bytes_max: 4_096,
        server: "script".to_owned(),
        token: None,
        resumed: false,
        resume_window_ms: 0,
        views: Vec::new(),
        credential_ms: 0,
    }
}
