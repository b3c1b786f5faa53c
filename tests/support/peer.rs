//! A client that does exactly what a test says, over a real socket.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use herenow_protocol::digest::EntryHasher;
use herenow_protocol::frame::take_body;
use herenow_protocol::limits::SERVER_FRAME_BYTES_MAX;
use herenow_protocol::{
    Change, Choice, ClientMessage, CloseReason, DeviceId, DeviceLabel, Digest, DisplayName, Entry,
    Hello, Presence, RoomName, ServerMessage, UserId, ViewProof, WatchTarget, Welcome,
};
use socket2::SockRef;
use socket2::{Domain, Socket, Type};

use super::{PATIENCE, now};

/// Between two looks at the sockets of a [`Herd`].
const HERD_TURN: Duration = Duration::from_millis(5);

/// A sign-in under this name, from a device of its own, with the server's heartbeat.
pub(crate) fn hello(name: &str) -> Hello {
    let device = format!("device-of-{}", name.replace(' ', "-"));
    Hello {
        name: DisplayName::new(name).expect("a test name is valid"),
        device: DeviceId::new(&device).expect("a test device is valid"),
        label: DeviceLabel::default(),
        heartbeat: None,
        observe: false,
        choice: Choice::default(),
        key: None,
        resume: None,
        credential: None,
    }
}

/// One connection, driven frame by frame.
///
/// Once it is signed in it beats by itself while it is being read from, until it is told not to.
/// What it reads of a view is checked against the server's proofs.
#[derive(Debug)]
pub(crate) struct ScriptedPeer {
    stream: TcpStream,
    inbox: BytesMut,
    /// The list that it watches.
    pub(crate) list: List,
    /// Everyone who came since its snapshot, in order.
    pub(crate) joins: Vec<Join>,
    /// Everyone who left since its snapshot, in order.
    pub(crate) leaves: Vec<Leave>,
    beats: Option<Beats>,
    requests: u32,
}

/// What comes next on a connection.
#[derive(Debug)]
pub(crate) enum Next {
    /// A message.
    Message(ServerMessage),
    /// The server closed the connection in order.
    Closed,
    /// The connection broke.
    Broken(io::Error),
    /// Nothing within the limit.
    Nothing,
}

/// Somebody came.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    /// When it was read.
    pub(crate) at: Instant,
    /// Who.
    pub(crate) name: String,
}

/// Somebody left.
#[derive(Clone, Debug)]
pub(crate) struct Leave {
    /// When it was read.
    pub(crate) at: Instant,
    /// Who.
    pub(crate) name: String,
    /// Why.
    pub(crate) cause: CloseReason,
}

/// How a server says goodbye.
#[derive(Clone, Debug)]
pub(crate) struct Goodbye {
    /// Why.
    pub(crate) reason: CloseReason,
    /// Whether the client may come back by itself.
    pub(crate) reconnect: bool,
    /// Not before this.
    pub(crate) come_back_after: Duration,
}

#[derive(Debug)]
struct Beats {
    interval: Duration,
    due: Instant,
    n: u64,
}

impl ScriptedPeer {
    /// A connection on which nothing was said yet.
    pub(crate) fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&server, PATIENCE).expect("the server listens");
        Self::over(stream)
    }

    /// A connection from this address of the machine.
    pub(crate) fn connect_from(address: IpAddr, server: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, None);
        let socket = socket.expect("a socket can be made");
        socket.bind(&SocketAddr::new(address, 0).into()).expect("the address is ours");
        socket.connect(&server.into()).expect("the server listens");
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("the socket is open");
        Self {
            stream,
            inbox: BytesMut::new(),
            list: List::default(),
            joins: Vec::new(),
            leaves: Vec::new(),
            beats: None,
            requests: 0,
        }
    }

    /// A listed user.
    pub(crate) fn signed_in(server: SocketAddr, name: &str) -> Self {
        let mut peer = Self::connect(server);
        peer.sign_in(hello(name));
        peer
    }

    /// A listed user who watches the lobby and has its list.
    pub(crate) fn watching(server: SocketAddr, name: &str) -> Self {
        let mut peer = Self::signed_in(server, name);
        peer.watch();
        peer
    }

    /// Signs in and begins to beat as agreed.
    pub(crate) fn sign_in(&mut self, hello: Hello) -> Welcome {
        self.send(&ClientMessage::Hello(hello));
        let welcome = self.expect("a Welcome", PATIENCE, |message| match message {
            ServerMessage::Welcome(welcome) => Some(welcome.clone()),
            _ => None,
        });
        self.list.follow(&welcome);
        let interval = Duration::from_millis(welcome.heartbeat_ms);
        self.beats = Some(Beats { interval, due: now() + interval / 2, n: 0 });
        welcome
    }

    /// Watches the lobby and waits for its list.
    pub(crate) fn watch(&mut self) {
        self.ask_to_watch();
        self.expect("the end of a snapshot", PATIENCE, |message| {
            matches!(message, ServerMessage::SnapshotEnd { .. }).then_some(())
        });
    }

    /// Asks for the lobby's list without waiting for it.
    pub(crate) fn ask_to_watch(&mut self) {
        self.requests += 1;
        let (request, target) = (self.requests, WatchTarget::Room(RoomName::lobby()));
        self.send(&ClientMessage::Watch { request, target });
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, message: &ClientMessage) {
        self.try_send(&message.encode()).expect("the server takes what a peer says");
    }

    /// Sends bytes, whatever they mean.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.set_nonblocking(false)?;
        self.stream.set_write_timeout(Some(PATIENCE))?;
        self.stream.write_all(bytes)
    }

    /// Sends a heartbeat now. Returns when.
    pub(crate) fn beat(&mut self) -> Instant {
        let at = now();
        let beats = self.beats.as_mut().expect("only who is signed in may beat");
        beats.n += 1;
        beats.due = at + beats.interval;
        let n = beats.n;
        self.send(&ClientMessage::Heartbeat { n, round_trip_us: 0 });
        at
    }

    /// Falls silent: no beat is sent by itself any more.
    pub(crate) fn stop_beating(&mut self) {
        self.beats = None;
    }

    /// Sends the same bytes again and again, never reading, until the server takes no more of them
    /// for `patience`. Returns how many bytes the server took; an error ends it too.
    pub(crate) fn flood(&mut self, frames: &[u8], patience: Duration) -> usize {
        self.stream.set_nonblocking(true).expect("the socket is open");
        let (mut sent, mut progress) = (0, now());
        while progress.elapsed() < patience {
            // A write that was cut short goes on where it stopped, or the frames would be torn.
            match self.stream.write(&frames[sent % frames.len()..]) {
                Ok(n) => (sent, progress) = (sent + n, now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(HERD_TURN),
                Err(_) => break,
            }
        }
        sent
    }

    /// Breaks the connection off with a reset.
    pub(crate) fn reset(self) {
        let socket = SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("the socket is open");
    }

    /// Waits for what comes next, beating meanwhile.
    pub(crate) fn next(&mut self, limit: Duration) -> Next {
        let deadline = now() + limit;
        loop {
            if let Some(message) = self.take_message() {
                return Next::Message(message);
            }
            let wait_until = self.beat_if_due().map_or(deadline, |due| due.min(deadline));
            let wait = wait_until.saturating_duration_since(now());
            match self.read(wait) {
                Ok(0) => return Next::Closed,
                Ok(_) => {}
                // The kernel's own verdict on a dead connection is `TimedOut`, another error.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if now() >= deadline {
                        return Next::Nothing;
                    }
                }
                Err(error) => return Next::Broken(error),
            }
        }
    }

    /// Waits for a message that `choose` finds something in; others are skipped.
    ///
    /// # Panics
    /// If the connection ends or nothing is found within `limit`.
    pub(crate) fn expect<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut choose: impl FnMut(&ServerMessage) -> Option<T>,
    ) -> T {
        let deadline = now() + limit;
        loop {
            match self.next(deadline.saturating_duration_since(now())) {
                Next::Message(message) => {
                    if let Some(found) = choose(&message) {
                        return found;
                    }
                }
                other => panic!("waited {limit:?} for {what}: {other:?}"),
            }
        }
    }

    /// Reads and beats until `done`.
    ///
    /// # Panics
    /// If the connection ends or `limit` passes before.
    pub(crate) fn read_until(
        &mut self,
        what: &str,
        limit: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) {
        let deadline = now() + limit;
        while !done(self) {
            match self.next(deadline.saturating_duration_since(now())) {
                Next::Message(_) => {}
                other => panic!("waited {limit:?} for {what}: {other:?}"),
            }
        }
    }

    /// Reads and beats until somebody's leave is told.
    pub(crate) fn expect_leave(&mut self, name: &str, limit: Duration) -> Leave {
        let find = |peer: &Self| peer.leaves.iter().find(|leave| leave.name == name).cloned();
        self.read_until(&format!("{name} to leave"), limit, |peer| find(peer).is_some());
        find(self).expect("it was found one line above")
    }

    /// Reads and beats until somebody's join is told.
    pub(crate) fn expect_join(&mut self, name: &str, limit: Duration) {
        let joined = |peer: &Self| peer.joins.iter().any(|join| join.name == name);
        self.read_until(&format!("{name} to join"), limit, joined);
    }

    /// Reads and beats for some time.
    ///
    /// # Panics
    /// If the connection ends.
    pub(crate) fn read_for(&mut self, time: Duration) {
        let deadline = now() + time;
        loop {
            match self.next(deadline.saturating_duration_since(now())) {
                Next::Message(_) => {}
                Next::Nothing => return,
                other => panic!("the connection ended: {other:?}"),
            }
        }
    }

    /// Waits until the server says goodbye.
    pub(crate) fn expect_goodbye(&mut self, limit: Duration) -> Goodbye {
        self.expect("a Goodbye", limit, |message| match message {
            &ServerMessage::Goodbye { reason, reconnect, come_back_after_ms, .. } => {
                let come_back_after = Duration::from_millis(come_back_after_ms);
                Some(Goodbye { reason, reconnect, come_back_after })
            }
            _ => None,
        })
    }

    /// Waits until the server carried out a request.
    pub(crate) fn expect_result(&mut self, number: u32) {
        self.expect("a Result", PATIENCE, |message| match message {
            ServerMessage::Result { request, .. } => (*request == number).then_some(()),
            ServerMessage::Error { text, .. } => panic!("refused: {text}"),
            _ => None,
        });
    }

    /// How long the server takes to answer a heartbeat.
    pub(crate) fn round_trip(&mut self) -> Duration {
        let sent = self.beat();
        let beat = self.beats.as_ref().expect("it beat one line above").n;
        self.expect("the answer to a heartbeat", PATIENCE, |message| match message {
            ServerMessage::HeartbeatAck { n, .. } if *n == beat => Some(sent.elapsed()),
            _ => None,
        })
    }

    /// Handles what is there without waiting for more, and beats if a beat is due.
    fn pump(&mut self) -> Next {
        loop {
            if self.take_message().is_some() {
                continue;
            }
            self.beat_if_due();
            match self.read(Duration::ZERO) {
                Ok(0) => return Next::Closed,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Next::Nothing,
                Err(error) => return Next::Broken(error),
            }
        }
    }

    /// Sends a beat if one is due; returns when the next one is.
    fn beat_if_due(&mut self) -> Option<Instant> {
        if self.beats.as_ref().is_some_and(|beats| now() >= beats.due) {
            let beats = self.beats.as_mut().expect("checked one line above");
            beats.n += 1;
            beats.due += beats.interval;
            let beat = ClientMessage::Heartbeat { n: beats.n, round_trip_us: 0 }.encode();
            // Whether the connection still stands is for the reader to find out.
            let _ = self.try_send(&beat);
        }
        self.beats.as_ref().map(|beats| beats.due)
    }

    fn read(&mut self, wait: Duration) -> io::Result<usize> {
        self.stream.set_nonblocking(wait.is_zero())?;
        if !wait.is_zero() {
            self.stream.set_read_timeout(Some(wait))?;
        }
        let mut buffer = [0; 16 * 1024];
        let read = self.stream.read(&mut buffer)?;
        self.inbox.extend_from_slice(&buffer[..read]);
        Ok(read)
    }

    fn take_message(&mut self) -> Option<ServerMessage> {
        loop {
            let body = take_body(&mut self.inbox, SERVER_FRAME_BYTES_MAX);
            let body = body.expect("the server's frames keep to the limits")?;
            let message = ServerMessage::decode(&body).expect("the server keeps to the protocol");
            // Messages of another protocol version are ignored, as docs/protocol.md says.
            if let Some(message) = message {
                self.follow(&message);
                return Some(message);
            }
        }
    }

    fn follow(&mut self, message: &ServerMessage) {
        if let ServerMessage::Delta { changes, .. } = message {
            let at = now();
            for change in changes {
                match change {
                    Change::Joined(entry) => {
                        self.joins.push(Join { at, name: entry.name.as_str().to_owned() });
                    }
                    Change::Left { id, cause } => {
                        if let Some(entry) = self.list.entries.get(id) {
                            let (name, cause) = (entry.name.as_str().to_owned(), *cause);
                            self.leaves.push(Leave { at, name, cause });
                        }
                    }
                    Change::Updated { .. } => {}
                }
            }
        }
        self.list.apply(message);
    }
}

/// A copy of the lobby's list, kept as `docs/protocol.md` says and by nothing but a map.
#[derive(Debug, Default)]
pub(crate) struct List {
    hasher: Option<EntryHasher>,
    entries: BTreeMap<UserId, Entry>,
    /// The version, once a snapshot is complete.
    version: Option<u64>,
    snapshots: u32,
}

impl List {
    /// The names of everyone listed, in alphabetical order.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.entries.values().map(|entry| entry.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// What a user shows.
    pub(crate) fn presence(&self, name: &str) -> Option<&Presence> {
        let mut entries = self.entries.values();
        entries.find(|entry| entry.name.as_str() == name).map(|entry| &entry.shown.presence)
    }

    /// Whether its snapshot is complete, so that everything in it was proved.
    pub(crate) fn is_complete(&self) -> bool {
        self.version.is_some()
    }

    /// How many snapshots were completed.
    pub(crate) fn snapshots(&self) -> u32 {
        self.snapshots
    }

    /// The version, if it is complete.
    pub(crate) fn version(&self) -> Option<u64> {
        self.version
    }

    fn follow(&mut self, welcome: &Welcome) {
        *self = Self { hasher: Some(EntryHasher::new(welcome.epoch)), ..Self::default() };
    }

    fn apply(&mut self, message: &ServerMessage) {
        match message {
            // The only request of a scripted peer with a value is that to watch.
            ServerMessage::Result { view: Some(_), .. } => self.version = None,
            ServerMessage::SnapshotPage { first, last, entries, .. } => {
                self.version = None;
                self.entries.retain(|id, _| !(*first..=*last).contains(id));
                self.entries.extend(entries.iter().map(|entry| (entry.id, entry.clone())));
            }
            ServerMessage::SnapshotEnd { proof, .. } => {
                self.version = Some(proof.version);
                self.snapshots += 1;
                self.prove(proof);
            }
            ServerMessage::Delta { from, proof, changes, .. } => {
                assert!(self.version.is_none_or(|version| version == *from), "a step is missing");
                changes.iter().for_each(|change| self.change(change));
                if self.version.is_some() {
                    self.version = Some(proof.version);
                    self.prove(proof);
                }
            }
            ServerMessage::HeartbeatAck { views, .. } => {
                for (_, proof) in views {
                    assert_eq!(self.version, Some(proof.version), "an ack of another version");
                    self.prove(proof);
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Joined(entry) => {
                let old = self.entries.insert(entry.id, entry.clone());
                assert!(old.is_none() || !self.is_complete(), "{old:?} joined twice");
            }
            Change::Updated { id, shown } => match self.entries.get_mut(id) {
                Some(entry) => entry.shown = shown.clone(),
                None => assert!(!self.is_complete(), "an update of nobody"),
            },
            Change::Left { id, .. } => {
                let old = self.entries.remove(id);
                assert!(old.is_some() || !self.is_complete(), "a leave of nobody");
            }
        }
    }

    fn prove(&self, proof: &ViewProof) {
        let hasher = self.hasher.as_ref().expect("a view begins after the Welcome");
        let mut digest = Digest::default();
        self.entries.values().for_each(|entry| digest.add(hasher.hash(entry)));
        assert_eq!(self.entries.len(), proof.count as usize, "the count differs");
        assert_eq!(digest, proof.digest, "the list differs: {:?}", self.names());
    }
}

/// Peers that beat and read on a thread of their own while the test does something else.
#[derive(Debug)]
pub(crate) struct Herd {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Herded>>,
}

/// A peer that was in a [`Herd`].
#[derive(Debug)]
pub(crate) struct Herded {
    /// The peer.
    pub(crate) peer: ScriptedPeer,
    /// How its connection ended, if it did.
    pub(crate) end: Option<Next>,
}

impl Herd {
    /// Lets these peers live on their own.
    pub(crate) fn of(peers: Vec<ScriptedPeer>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let herded = |peer| Herded { peer, end: None };
            let mut herd: Vec<_> = peers.into_iter().map(herded).collect();
            while !stopped.load(Ordering::Relaxed) {
                for Herded { peer, end } in herd.iter_mut().filter(|herded| herded.end.is_none()) {
                    let next = peer.pump();
                    if !matches!(next, Next::Nothing) {
                        *end = Some(next);
                    }
                }
                thread::sleep(HERD_TURN);
            }
            herd
        });
        Self { stop, thread }
    }

    /// Takes the peers back.
    pub(crate) fn release(self) -> Vec<Herded> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("every peer of the herd is content")
    }
}
