//! A client in another language, written from `docs/protocol.md` alone, against the real server.
//!
//! It needs `python3`. Where that cannot import `msgpack`, the test makes a virtual environment
//! in the target directory and installs it there. Only where there is no `python3` are these tests skipped.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use herenow_protocol::digest::EntryHasher;
use herenow_protocol::frame::split_body;
use herenow_protocol::limits::CLIENT_FRAME_BYTES_MAX;
use herenow_protocol::message::Incoming;
use herenow_protocol::{
    Change, Choice, ClientMessage, CloseReason, DeviceLabel, Digest, DisplayName, Entry, Epoch,
    Hello, Presence, ResumeToken, ServerMessage, SessionId, Shown, Status, UserId, ViewId,
    ViewProof, WatchTarget, Welcome,
};
use serde_json::{Value, json};

/// Far longer than anything here takes; reached only when something never comes.
const PATIENCE: Duration = Duration::from_secs(30);

const VIEW: ViewId = ViewId(1);

const EPOCH: Epoch = Epoch([7; 16]);

const TOKEN: ResumeToken = ResumeToken([8; 16]);

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Python that can import msgpack, made at most once; `None` if there is no Python at all.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| {
        let imports = |python: &Path| {
            let test = Command::new(python).args(["-c", "import msgpack"]).output();
            test.map(|output| output.status.success())
        };
        let system = PathBuf::from("python3");
        match imports(&system) {
            Err(_) => return None,
            Ok(true) => return Some(system),
            Ok(false) => {}
        }
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-client");
        let python = venv.join("bin/python");
        if !imports(&python).unwrap_or(false) {
            let requirements = repository().join("examples/python/requirements.txt");
            must(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
            must(Command::new(&python).args(["-m", "pip", "install", "-qr"]).arg(&requirements));
        }
        Some(python)
    });
    if python.is_none() {
        // Not eprintln, which cargo hides while the test passes.
        let _ = writeln!(io::stderr(), "\nSKIPPED: the Python client; there is no python3 here\n");
    }
    python.as_deref()
}

fn must(command: &mut Command) {
    let output = command.output().expect("python3 was there a moment ago");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} failed (on Debian: apt install python3-venv):\n{stderr}"
    );
}

/// A process that is killed when the test ends, however it ends.
struct Process(Child);

impl Process {
    fn signal(&self, name: &str) {
        must(Command::new("kill").arg(format!("-{name}")).arg(self.0.id().to_string()));
    }

    fn wait(mut self) -> ExitStatus {
        self.0.wait().expect("the process can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines of a pipe, as they come; the channel closes with the pipe.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The real server, on a port of its own.
struct Server {
    process: Process,
    address: String,
    /// Kept, so that the server never writes to a closed pipe.
    stdout: Receiver<String>,
}

impl Server {
    fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    fn start_at(address: &str) -> Self {
        Self::start_with(address, &[])
    }

    fn start_with(address: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_herenow"))
            .args(["serve", "--listen", address])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("cargo built the server");
        let stdout = lines(child.stdout.take().expect("stdout is piped"));
        let process = Process(child);
        let address = loop {
            let line = stdout.recv_timeout(PATIENCE).expect("the server says where it listens");
            if let Some(at) = line.find("127.0.0.1:") {
                let address = &line[at..];
                let end = address.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
                break address[..end.unwrap_or(address.len())].to_owned();
            }
        };
        Self { process, address, stdout }
    }

    /// The next line of its greeting that begins like this, without the beginning.
    fn greeting(&self, beginning: &str) -> String {
        loop {
            let line = self.stdout.recv_timeout(PATIENCE).expect("the greeting has such a line");
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim().to_owned();
            }
        }
    }
}

/// One run of `watch.py`.
struct Watcher {
    process: Process,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Watcher {
    fn start(python: &Path, server: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(python)
            .arg(repository().join("examples/python/watch.py"))
            .args(["--server", server, "--verbose"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 was there a moment ago");
        let stdout = lines(child.stdout.take().expect("stdout is piped"));
        let stderr = lines(child.stderr.take().expect("stderr is piped"));
        Self { process: Process(child), stdout, stderr }
    }

    /// The next event about the list, proofs included.
    fn any_event(&self) -> Value {
        loop {
            let line = self.stdout.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                let stderr: Vec<_> = self.stderr.try_iter().collect();
                panic!("no further event; stderr: {stderr:?}")
            });
            let event: Value = serde_json::from_str(&line)
                .unwrap_or_else(|e| panic!("{line:?} is no JSON object: {e}"));
            // On a busy machine an ack may come late, which is none of these tests' business.
            let name = event["event"].as_str().expect("an event has a name");
            if !["contact_lost", "contact_back", "stale", "fresh"].contains(&name) {
                return event;
            }
        }
    }

    /// The next event that is not a proof.
    fn event(&self) -> Value {
        loop {
            let event = self.any_event();
            if event["event"] != "proved" {
                return event;
            }
        }
    }

    /// Waits until an ack has proved the list as it is since the last event.
    fn proved(&self) -> u64 {
        let event = self.any_event();
        assert_eq!(event["event"], "proved", "{event}");
        event["version"].as_u64().expect("a version is a number")
    }

    /// How it ended, and what it said on stderr.
    fn end(self) -> (Option<i32>, String) {
        let code = self.process.wait().code();
        (code, self.stderr.iter().collect::<Vec<_>>().join("\n"))
    }
}

/// Someone as the client shows them, whose only device is another run of it.
fn user(name: &str) -> Value {
    json!({"user": name, "status": "available", "text": "", "devices": ["watch.py"]})
}

fn event(event: &str, name: &str) -> Value {
    let mut shown = user(name);
    shown["event"] = json!(event);
    shown
}

#[test]
fn two_clients_see_each_other_come_and_go_and_every_list_is_proved() {
    let Some(python) = python() else { return };
    let server = Server::start();
    let start = |arguments: &[&str]| Watcher::start(python, &server.address, arguments);

    let ada = start(&["--name", "ada", "--heartbeat-ms", "500", "--give-up", "0"]);
    assert_eq!(ada.event(), json!({"event": "snapshot", "count": 1, "users": [user("ada")]}));
    let alone = ada.proved();

    let bob = start(&["--name", "bob", "--heartbeat-ms", "500", "--seconds", "1.5"]);
    let both = json!({"event": "snapshot", "count": 2, "users": [user("ada"), user("bob")]});
    assert_eq!(bob.event(), both);
    assert_eq!(ada.event(), event("join", "bob"));
    let together = ada.proved();
    assert!(together > alone, "a join makes a new version");
    assert_eq!(bob.proved(), together, "both hold the same version");

    assert_eq!(bob.event(), json!({"event": "closed", "reason": "goodbye"}));
    assert_eq!(bob.end(), (Some(0), String::new()));
    assert_eq!(ada.event(), json!({"event": "leave", "user": "bob", "cause": "goodbye"}));
    assert!(ada.proved() > together, "a leave makes a new version");

    // Frozen, it sends nothing, while its socket stays open.
    let frozen = start(&["--name", "frozen", "--heartbeat-ms", "100", "--give-up", "0"]);
    assert_eq!(frozen.event()["event"], "snapshot");
    assert_eq!(ada.event(), event("join", "frozen"));
    frozen.process.signal("STOP");
    let left = json!({"event": "leave", "user": "frozen", "cause": "heartbeat_timeout"});
    assert_eq!(ada.event(), left);
    // It hears of that, or finds its connection gone, before it can tell itself.
    frozen.process.signal("CONT");
    let closed = frozen.event();
    assert_eq!(
        (&closed["event"], &closed["reason"]),
        (&json!("closed"), &json!("heartbeat_timeout"))
    );
    assert_eq!(frozen.end().0, Some(1));

    // Killed, its socket is closed by the system; by a reset if bytes of the server lay unread.
    let killed = start(&["--name", "killed"]);
    assert_eq!(killed.event()["event"], "snapshot");
    assert_eq!(ada.event(), event("join", "killed"));
    drop(killed);
    let left = ada.event();
    assert_eq!((&left["event"], &left["user"]), (&json!("leave"), &json!("killed")));
    let cause = left["cause"].as_str().expect("a leave has a cause");
    assert!(["connection_closed", "connection_reset"].contains(&cause), "{cause}");
    ada.proved();

    server.process.signal("TERM");
    let closed = ada.event();
    assert_eq!(
        (&closed["event"], &closed["reason"]),
        (&json!("closed"), &json!("server_shutdown"))
    );
    assert_eq!(ada.end().0, Some(1));
}

#[test]
fn an_observer_sees_everyone_and_is_seen_by_nobody() {
    let Some(python) = python() else { return };
    let server = Server::start();
    let start = |arguments: &[&str]| Watcher::start(python, &server.address, arguments);

    let observer = start(&["--name", "eve", "--observe", "--heartbeat-ms", "500"]);
    assert_eq!(observer.event(), json!({"event": "snapshot", "count": 0, "users": []}));
    observer.proved();
    let ada = start(&["--name", "ada", "--seconds", "0.5"]);
    assert_eq!(ada.event(), json!({"event": "snapshot", "count": 1, "users": [user("ada")]}));
    assert_eq!(observer.event(), event("join", "ada"));
    assert_eq!(observer.event(), json!({"event": "leave", "user": "ada", "cause": "goodbye"}));
    assert_eq!(ada.event(), json!({"event": "closed", "reason": "goodbye"}), "nobody else came");
}

#[test]
fn a_refused_sign_in_says_why() {
    let Some(python) = python() else { return };
    let server = Server::start();
    let start = |arguments: &[&str]| Watcher::start(python, &server.address, arguments);

    let ada = start(&["--name", "ada"]);
    assert_eq!(ada.event()["event"], "snapshot");
    for (name, reason) in [("ada", "name_in_use"), ("a\u{200b}da", "bad_hello")] {
        let refused = start(&["--name", name]);
        let closed = refused.event();
        assert_eq!((&closed["event"], &closed["reason"]), (&json!("closed"), &json!(reason)));
        assert!(closed["text"].as_str().is_some_and(|text| !text.is_empty()), "{closed}");
        assert_eq!(refused.end().0, Some(1));
    }
}

#[test]
fn a_client_comes_in_through_tls_with_the_secret_and_not_with_another() {
    let Some(python) = python() else { return };
    let folder =
        std::env::temp_dir().join(format!("herenow-python-{:016x}", rand::random::<u64>()));
    let file = |name: &str| folder.join(name).to_str().expect("a plain name").to_owned();
    let made = Command::new(env!("CARGO_BIN_EXE_herenow")).arg("init").arg(&folder).output();
    assert!(made.expect("it can be started").status.success());
    std::fs::write(file("wrong"), "not the secret at all").expect("the folder is ours");
    let config = file("herenow.toml");
    let server =
        Server::start_with("127.0.0.1:0", &["--config", &config, "--tls-listen", "127.0.0.1:0"]);
    let tls = server.greeting("with TLS on ");
    let start = |server: &str, secret: &str| {
        Watcher::start(python, server, &["--name", "ada", "--credential-file", &file(secret)])
    };
    let ada = start(&tls, "secret");
    assert_eq!(ada.event()["event"], "snapshot");
    ada.proved();
    let refused = start(&tls, "wrong");
    assert_eq!(refused.event()["reason"], "not_authorized");
    assert_eq!(refused.end().0, Some(1));
    let (address, _) = tls.split_once('#').expect("the fingerprint follows");
    let other_certificate = start(&format!("{address}#{}", "0".repeat(64)), "secret");
    let (code, words) = other_certificate.end();
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("another certificate"), "{words}");
    let in_plain_text = start(&server.address, "secret");
    assert_eq!(in_plain_text.end().0, Some(2));
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}

#[test]
fn a_client_comes_back_when_its_server_does() {
    let Some(python) = python() else { return };
    let server = Server::start();
    let ada = Watcher::start(python, &server.address, &["--name", "ada"]);
    let snapshot = json!({"event": "snapshot", "count": 1, "users": [user("ada")]});
    assert_eq!(ada.event(), snapshot);
    let address = server.address.clone();
    server.process.signal("KILL");
    assert_eq!(ada.event()["event"], "lost");
    drop(server);
    let _server = Server::start_at(&address);
    assert_eq!(ada.event(), json!({"event": "back", "resumed": false}), "nothing was kept on disk");
    assert_eq!(ada.event(), snapshot);
}

/// A server that says what the test wants, to see whether the client believes it.
struct Liar {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Liar {
    fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().expect("the client connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Self { stream, buffer: Vec::new() }
    }

    fn say(&mut self, message: &ServerMessage) {
        self.stream.write_all(&message.encode()).expect("the client reads");
    }

    /// The next message, which must be sound.
    fn hear(&mut self) -> ClientMessage {
        loop {
            let mut rest = &self.buffer[..];
            let body = split_body(&mut rest, CLIENT_FRAME_BYTES_MAX).expect("a sound length");
            if let Some(body) = body {
                let incoming = Incoming::decode(body).expect("a sound frame");
                self.buffer = rest.to_vec();
                let Incoming::Message(message) = incoming else { panic!("{incoming:?}") };
                return message;
            }
            let mut chunk = [0; 1_024];
            let got = self.stream.read(&mut chunk).expect("the client writes");
            assert_ne!(got, 0, "the client closed the connection");
            self.buffer.extend_from_slice(&chunk[..got]);
        }
    }

    /// Signs the client in and opens its view.
    fn welcome(&mut self, heartbeat_ms: u64) {
        self.sign_in(heartbeat_ms, &[]);
        self.watch();
    }

    /// Signs the client in, or lets its session go on with these views, and returns its `Hello`.
    fn sign_in(&mut self, heartbeat_ms: u64, views: &[ViewId]) -> Hello {
        let ClientMessage::Hello(hello) = self.hear() else { panic!("not a Hello") };
        self.say(&ServerMessage::Welcome(Welcome {
            version: 1,
            session: SessionId(1),
            heartbeat_ms,
            misses: 3,
            detection_bound_ms: 4 * heartbeat_ms,
            epoch: EPOCH,
            frame_bytes_max: 4_096,
            server: "a liar".to_owned(),
            token: Some(TOKEN),
            resumed: !views.is_empty(),
            resume_window_ms: 60_000,
            views: views.to_vec(),
            credential_ms: 0,
        }));
        hello
    }

    /// Hears the client ask for the lobby, and opens its view.
    fn watch(&mut self) {
        let request = match self.hear_request() {
            ClientMessage::Watch { request, target: WatchTarget::Room(room) }
                if room.as_str() == "lobby" =>
            {
                request
            }
            other => panic!("{other:?}"),
        };
        self.say(&ServerMessage::Result { request, view: Some(VIEW) });
    }

    /// Hears the client ask for a repair with these ranges, and agrees.
    fn repair(&mut self, expected: &[(u32, u32)]) {
        let ClientMessage::Repair { request, view: VIEW, ranges } = self.hear_request() else {
            panic!("not a Repair")
        };
        let ranges: Vec<_> = ranges.iter().map(|(first, last)| (first.0, last.0)).collect();
        assert_eq!(ranges, expected);
        self.say(&ServerMessage::Result { request, view: None });
    }

    /// The next message that is no heartbeat; these come whenever they are due.
    fn hear_request(&mut self) -> ClientMessage {
        loop {
            match self.hear() {
                ClientMessage::Heartbeat { .. } => {}
                other => return other,
            }
        }
    }

    fn goodbye(&mut self, reason: CloseReason, reconnect: bool) {
        let text = "for a moment".to_owned();
        self.say(&ServerMessage::Goodbye { reason, reconnect, come_back_after_ms: 1, text });
    }

    fn snapshot(&mut self, entries: Vec<Entry>, proof: ViewProof) {
        let (first, last) = (UserId(0), UserId(u32::MAX));
        self.say(&ServerMessage::SnapshotPage { view: VIEW, first, last, entries });
        self.say(&ServerMessage::SnapshotEnd { view: VIEW, proof });
    }
}

fn entry(id: u32, name: &str) -> Entry {
    let name = DisplayName::new(name).expect("a test name is valid");
    let label = DeviceLabel::new("watch.py").expect("a test label is valid");
    let devices = std::iter::once(label).collect();
    let shown = Shown { since_ms: 1_700_000_000_000, devices, ..Shown::default() };
    Entry { id: UserId(id), name, shown }
}

fn proof(version: u64, entries: &[Entry]) -> ViewProof {
    let hasher = EntryHasher::new(EPOCH);
    let mut digest = Digest::default();
    entries.iter().for_each(|entry| digest.add(hasher.hash(entry)));
    ViewProof { version, count: u32::try_from(entries.len()).expect("few"), digest }
}

/// Starts a client that never comes back, lets `lie` talk to it, and returns its events, exit code and
/// stderr.
fn lied_to(python: &Path, lie: impl FnOnce(&mut Liar)) -> (Vec<Value>, Option<i32>, String) {
    lied_to_with(python, &["--give-up", "0"], |listener| {
        let mut liar = Liar::accept(listener);
        lie(&mut liar);
        liar
    })
}

/// As [`lied_to`], with the listener, for one who lies over several connections. What `lie` returns is kept
/// until the client has ended, since closing a socket may take away what the client has not read yet.
fn lied_to_with<T>(
    python: &Path,
    arguments: &[&str],
    lie: impl FnOnce(&TcpListener) -> T,
) -> (Vec<Value>, Option<i32>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound").to_string();
    let watcher = Watcher::start(python, &address, &[&["--name", "ada"], arguments].concat());
    let _kept = lie(&listener);
    let mut events = Vec::new();
    while let Ok(line) = watcher.stdout.recv_timeout(PATIENCE) {
        events.push(serde_json::from_str(&line).expect("every line is JSON"));
    }
    let (code, stderr) = watcher.end();
    (events, code, stderr)
}

/// Those of `events` that do not depend on how busy the machine is, by their names.
fn names(events: &[Value]) -> Vec<&str> {
    let names = events.iter().map(|event| event["event"].as_str().expect("an event has a name"));
    names
        .filter(|name| !["contact_lost", "contact_back", "stale", "fresh"].contains(name))
        .collect()
}

/// Proves somebody whom no page names, whatever the client asks for, until it gives up.
fn insist(liar: &mut Liar) {
    let eve = [entry(1, "eve")];
    liar.repair(&[]);
    let digests = vec![proof(1, &eve).digest];
    liar.say(&ServerMessage::Buckets { view: VIEW, first: 0, width: 16, digests, more: false });
    liar.repair(&[(0, 15)]);
    liar.snapshot(vec![], proof(9, &eve));
    liar.watch();
    liar.snapshot(vec![], proof(9, &eve));
}

#[test]
fn a_wrong_snapshot_is_noticed() {
    let Some(python) = python() else { return };
    let (events, code, stderr) = lied_to(python, |liar| {
        liar.welcome(60_000);
        liar.snapshot(vec![entry(1, "ada")], proof(1, &[entry(1, "eve")]));
        insist(liar);
    });
    assert_eq!(names(&events), ["wrong", "wrong"], "a wrong list is not shown; {stderr}");
    assert_eq!(code, Some(3));
    assert!(stderr.contains("after the snapshot"), "{stderr}");
}

#[test]
fn a_wrong_delta_is_noticed() {
    let Some(python) = python() else { return };
    let (ada, bob) = (entry(1, "ada"), entry(2, "bob"));
    let sound = proof(2, &[ada.clone(), bob.clone()]);
    let lies = [
        ("another digest", 1, ViewProof { digest: proof(1, &[]).digest, ..sound }),
        ("another count", 1, ViewProof { count: 3, ..sound }),
        ("a gap", 2, ViewProof { version: 3, ..sound }),
    ];
    for (lie, from, proof_after) in lies {
        let (ada, bob) = (ada.clone(), bob.clone());
        let (events, code, stderr) = lied_to(python, move |liar| {
            liar.welcome(60_000);
            liar.snapshot(vec![ada.clone()], proof(1, &[ada]));
            let changes = vec![Change::Joined(bob)];
            liar.say(&ServerMessage::Delta { view: VIEW, from, proof: proof_after, changes });
            insist(liar);
        });
        assert_eq!(names(&events), ["snapshot", "wrong", "wrong"], "{lie} is noticed: {stderr}");
        assert_eq!(code, Some(3), "{lie}");
        let why = events[1]["why"].as_str().expect("it says why");
        assert!(why.contains("delta"), "{lie}: {why}");
    }
}

#[test]
fn an_ack_that_proves_another_list_is_noticed() {
    let Some(python) = python() else { return };
    let ada = entry(1, "ada");
    let (events, code, stderr) = lied_to(python, move |liar| {
        liar.welcome(50);
        liar.snapshot(vec![ada.clone()], proof(1, std::slice::from_ref(&ada)));
        // The first ack proves the list, the next one that of a server that saw a change more.
        for version in [1, 2] {
            let ClientMessage::Heartbeat { n, .. } = liar.hear() else { panic!("not a heartbeat") };
            let views = vec![(VIEW, proof(version, std::slice::from_ref(&ada)))];
            liar.say(&ServerMessage::HeartbeatAck {
                n,
                me: Some(Presence::default()),
                views,
                delay_ms: 0,
            });
        }
        insist(liar);
    });
    assert_eq!(names(&events), ["snapshot", "proved", "wrong", "wrong"], "{stderr}");
    assert_eq!(code, Some(3));
    let why = events.iter().find_map(|event| event["why"].as_str()).expect("it says why");
    assert!(why.contains("in the ack of beat"), "{why}");
}

#[test]
fn a_wrong_list_is_repaired_where_its_buckets_differ() {
    let Some(python) = python() else { return };
    let people = [entry(1, "ada"), entry(20, "bob"), entry(40, "carl")];
    let (events, code, stderr) = lied_to(python, |liar| {
        liar.welcome(60_000);
        // Bob is somebody else in the page, and dora is not there at all.
        let told = [people[0].clone(), entry(20, "eve"), people[2].clone(), entry(99, "dora")];
        liar.snapshot(told.to_vec(), proof(5, &people));
        liar.repair(&[]);
        let sum = |people: &[Entry]| proof(0, people).digest;
        let digests = vec![sum(&people[..1]), sum(&people[1..2])];
        liar.say(&ServerMessage::Buckets { view: VIEW, first: 0, width: 16, digests, more: true });
        let digests = vec![sum(&people[2..])];
        liar.say(&ServerMessage::Buckets { view: VIEW, first: 2, width: 16, digests, more: false });
        liar.repair(&[(16, 31), (96, 111)]);
        for (first, last, entries) in [(16, 31, people[1..2].to_vec()), (96, 111, vec![])] {
            let (first, last) = (UserId(first), UserId(last));
            liar.say(&ServerMessage::SnapshotPage { view: VIEW, first, last, entries });
        }
        liar.say(&ServerMessage::SnapshotEnd { view: VIEW, proof: proof(5, &people) });
        liar.goodbye(CloseReason::ServerShutdown, false);
    });
    assert_eq!(names(&events), ["wrong", "snapshot", "closed"], "{stderr}");
    let users = json!([user("ada"), user("bob"), user("carl")]);
    assert_eq!((&events[1]["users"], code), (&users, Some(1)));
}

#[test]
fn a_lost_connection_is_resumed_where_the_list_was() {
    let Some(python) = python() else { return };
    let [ada, bob] = [entry(1, "ada"), entry(2, "bob")];
    let (events, code, stderr) = lied_to_with(python, &[], |listener| {
        let mut first = Liar::accept(listener);
        let hello = first.sign_in(60_000, &[]);
        assert_eq!(hello.resume, None, "there is nothing to resume yet");
        first.watch();
        first.snapshot(vec![ada.clone()], proof(7, std::slice::from_ref(&ada)));
        drop(first);

        let mut second = Liar::accept(listener);
        let again = second.sign_in(60_000, &[VIEW]);
        assert_eq!(again.device, hello.device);
        let resume = again.resume.expect("it has a token");
        assert_eq!((resume.token, resume.epoch), (TOKEN, Some(EPOCH)));
        assert_eq!(resume.views, [(VIEW, 7)]);
        let changes = vec![Change::Joined(bob.clone())];
        let proof = proof(8, &[ada.clone(), bob.clone()]);
        second.say(&ServerMessage::Delta { view: VIEW, from: 7, proof, changes });
        second.say(&ServerMessage::SnapshotEnd { view: VIEW, proof });
        second.goodbye(CloseReason::Replaced, false);
        second
    });
    let expected = ["snapshot", "lost", "back", "join", "snapshot", "closed"];
    assert_eq!(names(&events), expected, "{stderr}");
    assert_eq!((&events[2]["resumed"], code), (&json!(true), Some(1)));
}

#[test]
fn a_list_that_two_acks_did_not_prove_is_called_stale_until_one_does() {
    let Some(python) = python() else { return };
    let ada = entry(1, "ada");
    let (events, _, stderr) = lied_to(python, |liar| {
        liar.welcome(50);
        liar.snapshot(vec![ada.clone()], proof(1, std::slice::from_ref(&ada)));
        // Not silent: there are frames enough, but no ack among them.
        let n = loop {
            let ClientMessage::Heartbeat { n, .. } = liar.hear() else { panic!("not a heartbeat") };
            if n == 6 {
                break n;
            }
            liar.say(&ServerMessage::Chosen(Choice::automatic(Status::Available)));
        };
        let views = vec![(VIEW, proof(1, std::slice::from_ref(&ada)))];
        liar.say(&ServerMessage::HeartbeatAck { n, me: None, views, delay_ms: 0 });
        liar.goodbye(CloseReason::ServerShutdown, false);
    });
    let names = events.iter().filter_map(|event| event["event"].as_str());
    let names: Vec<_> = names.filter(|name| ["stale", "fresh"].contains(name)).collect();
    assert_eq!(names, ["stale", "fresh"], "{stderr}");
}

#[test]
fn changes_between_pages_are_part_of_the_snapshot() {
    let Some(python) = python() else { return };
    let people: Vec<_> =
        ["ada", "bob", "carl"].into_iter().zip(1..).map(|(n, id)| entry(id, n)).collect();
    let (events, code, stderr) = lied_to(python, move |liar| {
        liar.welcome(60_000);
        let page = |first, last, entries| {
            let (first, last) = (UserId(first), UserId(last));
            ServerMessage::SnapshotPage { view: VIEW, first, last, entries }
        };
        let delta = |from, changes| {
            let proof = proof(from + 1, &[]);
            ServerMessage::Delta { view: VIEW, from, proof, changes }
        };
        let left = |id| Change::Left { id: UserId(id), cause: CloseReason::Goodbye };
        liar.say(&page(0, 2, people[..2].to_vec()));
        // Bob, whom a page named, leaves; dora, whom the next page would have named, came and went.
        liar.say(&delta(7, vec![left(2), left(9)]));
        liar.say(&page(3, u32::MAX, people[2..].to_vec()));
        let rest = [people[0].clone(), people[2].clone()];
        liar.say(&ServerMessage::SnapshotEnd { view: VIEW, proof: proof(8, &rest) });
        liar.goodbye(CloseReason::ServerShutdown, true);
    });
    let snapshot = json!({"event": "snapshot", "count": 2, "users": [user("ada"), user("carl")]});
    let closed = json!({"event": "closed", "reason": "server_shutdown", "text": "for a moment"});
    assert_eq!((events, code), (vec![snapshot, closed], Some(1)), "{stderr}");
}

#[test]
fn a_server_that_falls_silent_is_given_up_at_the_announced_number_of_beats() {
    let Some(python) = python() else { return };
    let (events, code, stderr) = lied_to(python, |liar| {
        liar.welcome(50);
        liar.snapshot(vec![], proof(1, &[]));
        let goodbye = loop {
            match liar.hear() {
                ClientMessage::Heartbeat { .. } => {}
                other => break other,
            }
        };
        assert_eq!(goodbye, ClientMessage::Goodbye { reason: CloseReason::HeartbeatTimeout });
    });
    let lost = events.iter().find(|event| event["event"] == "contact_lost");
    assert_eq!(lost, Some(&json!({"event": "contact_lost", "beats": 2})), "{stderr}");
    let closed = json!({"event": "closed", "reason": "heartbeat_timeout"});
    assert_eq!((events.last(), code), (Some(&closed), Some(1)), "{stderr}");
}

#[test]
fn the_vectors_are_what_their_generator_writes() {
    let Some(python) = python() else { return };
    let generator = repository().join("protocol/vectors/generate.py");
    must(Command::new(python).arg(generator).arg("--check"));
}

#[test]
fn the_client_computes_what_the_vectors_say() {
    let Some(python) = python() else { return };
    must(Command::new(python).arg(repository().join("examples/python/selftest.py")));
}
