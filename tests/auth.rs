//! Who may come in, over real sockets: the right ones at once, the wrong ones with always the same bytes.

#[allow(dead_code, reason = "each test binary uses a part of the shared helpers")]
mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use herenow_protocol::frame::split_body;
use herenow_protocol::limits::SERVER_FRAME_BYTES_MAX;
use herenow_protocol::{
    ClientMessage, CloseReason, DeviceId, DisplayName, ErrorCode, Hello, Query, RoomName,
    ServerMessage, WatchTarget,
};
use support::PATIENCE;
use support::peer::{ScriptedPeer, hello};
use support::server::{HERENOW, TestServer};

const SECRET: &str = "a secret of the whole office";

/// A folder of this test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("herenow-test-auth-{:016x}", rand::random::<u64>());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("the folder for temporary files can be written");
        Self(folder)
    }

    fn put(&self, name: &str, text: &str) -> String {
        let file = self.0.join(name);
        fs::write(&file, text).expect("the folder is ours");
        file.to_str().expect("a plain name").to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn with_secret(scratch: &Scratch) -> TestServer {
    let file = scratch.put("secret", SECRET);
    TestServer::start(&["--auth", "secret", "--auth-secret-file", &file])
}

/// A server whose users are ada and eve, with their names as passwords; `rights` are ada's.
fn with_users(scratch: &Scratch, rights: &str) -> TestServer {
    let user = |name: &str, rights: &str| {
        let hash = herenow::auth::hash_password(&name.into()).expect("randomness");
        format!("[users.{name}]\npassword = \"{hash}\"\n{rights}\n")
    };
    let file = scratch.put("users.toml", &(user("ada", rights) + &user("eve", "")));
    TestServer::start(&["--auth", "users", "--auth-users-file", &file])
}

fn bringing(name: &str, credential: Option<&str>) -> Hello {
    Hello { credential: credential.map(Into::into), ..hello(name) }
}

/// Everything that a server says to this `Hello` until it hangs up.
fn answer(server: SocketAddr, hello: Hello) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is open");
    stream.write_all(&ClientMessage::Hello(hello).encode()).expect("it is open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it ends in order");
    answer
}

fn goodbye_in(mut bytes: &[u8]) -> (CloseReason, bool, String) {
    let body = split_body(&mut bytes, SERVER_FRAME_BYTES_MAX).expect("a frame").expect("whole");
    match ServerMessage::decode(body).expect("a sound frame") {
        Some(ServerMessage::Goodbye { reason, reconnect, text, .. }) => (reason, reconnect, text),
        other => panic!("{other:?}"),
    }
}

/// The code with which a request is refused.
fn refusal(peer: &mut ScriptedPeer, message: &ClientMessage) -> ErrorCode {
    peer.send(message);
    peer.expect("an Error", PATIENCE, |message| match message {
        ServerMessage::Error { code, .. } => Some(*code),
        _ => None,
    })
}

fn is_done(peer: &mut ScriptedPeer, message: &ClientMessage) -> bool {
    peer.send(message);
    peer.expect("an answer", PATIENCE, |message| match message {
        ServerMessage::Result { .. }
        | ServerMessage::People { .. }
        | ServerMessage::Explanation { .. } => Some(true),
        ServerMessage::Error { .. } => Some(false),
        _ => None,
    })
}

#[test]
fn a39_whoever_is_refused_hears_the_same_bytes_whatever_is_wrong() {
    let scratch = Scratch::new();
    let long = "x".repeat(2_500);
    let wrong = [
        bringing("ada", None),
        bringing("ada", Some("")),
        bringing("ada", Some("eve")),
        bringing("nobody", Some("ada")),
    ];
    // Each server sees fewer failures than make an address wait.
    let server = with_users(&scratch, "");
    let said: Vec<Vec<u8>> = wrong.into_iter().map(|hello| answer(server.address, hello)).collect();
    let (reason, reconnect, text) = goodbye_in(&said[0]);
    assert_eq!((reason, reconnect), (CloseReason::NotAuthorized, false), "{text}");
    let server = with_secret(&scratch);
    let more = [bringing("ada", None), bringing("ada", Some(&long)), bringing("eve", Some("no"))]
        .map(|hello| answer(server.address, hello));
    for other in said.iter().chain(&more) {
        assert_eq!(*other, said[0], "the same bytes");
    }
}

#[test]
fn a39_after_five_failures_an_address_waits_and_the_user_does_not() {
    let scratch = Scratch::new();
    let server = with_users(&scratch, "");
    let mut ada = ScriptedPeer::connect(server.address);
    ada.sign_in(bringing("ada", Some("ada")));
    let wrong = || goodbye_in(&answer(server.address, bringing("ada", Some("guess")))).0;
    let said: Vec<CloseReason> = (0..20)
        .map(|_| {
            ada.round_trip();
            wrong()
        })
        .collect();
    assert!(said[..5].iter().all(|reason| *reason == CloseReason::NotAuthorized), "{said:?}");
    let looked_at = said.iter().filter(|reason| **reason == CloseReason::NotAuthorized).count();
    assert!(looked_at < said.len(), "nobody guesses as fast as that: {said:?}");
    let (reason, reconnect, text) =
        goodbye_in(&answer(server.address, bringing("ada", Some("ada"))));
    assert_eq!((reason, reconnect), (CloseReason::ServerFull, true), "{text}");
    assert!(text.starts_with("try again in "), "{text}");
    // Her session goes on, and from elsewhere she comes in.
    ada.round_trip();
    let elsewhere = "127.0.0.9".parse().expect("an address of the loopback");
    let mut other = ScriptedPeer::connect_from(elsewhere, server.address);
    other.sign_in(bringing("ada", Some("ada")));
    assert!(!server.log().contains("guess") && !server.log().contains("ada"), "{}", server.log());
}

#[test]
fn a_secret_lets_anybody_in_under_a_free_name() {
    let scratch = Scratch::new();
    let server = with_secret(&scratch);
    let mut ada = ScriptedPeer::connect(server.address);
    let welcome = ada.sign_in(bringing("ada", Some(SECRET)));
    assert_eq!(welcome.credential_ms, 0, "it has no end");
    let other = DeviceId::new("another").expect("valid");
    let stranger = Hello { device: other, ..bringing("ada", Some(SECRET)) };
    let (reason, ..) = goodbye_in(&answer(server.address, stranger));
    assert_eq!(reason, CloseReason::NameInUse, "a secret proves no name");
}

#[test]
fn a_proven_user_needs_no_key_for_another_device() {
    let scratch = Scratch::new();
    let server = with_users(&scratch, "");
    let mut watcher = ScriptedPeer::connect(server.address);
    watcher.sign_in(bringing("eve", Some("eve")));
    watcher.watch();
    let mut devices: Vec<_> = (0..3)
        .map(|i| {
            let device = DeviceId::new(&format!("device-{i}")).expect("valid");
            let mut peer = ScriptedPeer::connect(server.address);
            peer.sign_in(Hello { device, ..bringing("ada", Some("ada")) });
            peer
        })
        .collect();
    watcher.expect_join("ada", PATIENCE);
    for device in &mut devices {
        device.round_trip();
    }
    watcher.round_trip();
    assert_eq!(watcher.joins.len(), 1, "she is one person: {:?}", watcher.joins);
}

#[test]
fn what_somebody_may_not_do_is_refused_and_the_rest_is_not() {
    let scratch = Scratch::new();
    let rights = "rooms = [\"lobby\", \"team-*\"]\nlists = false\ninvisible = false\nobserve = false\nexplain = true";
    let server = with_users(&scratch, rights);
    let mut ada = ScriptedPeer::connect(server.address);
    ada.sign_in(bringing("ada", Some("ada")));
    let room = |name: &str| RoomName::new(name).expect("a valid name");
    let names = || vec![DisplayName::new("eve").expect("valid")];
    let people = || WatchTarget::People { names: names(), view: None };
    let mut request = 100;
    let mut next = || {
        request += 1;
        request
    };
    for forbidden in [
        ClientMessage::Watch { request: next(), target: WatchTarget::Room(room("board")) },
        ClientMessage::Join { request: next(), room: room("board") },
        ClientMessage::Query { request: next(), query: Query::Count(room("board")) },
        ClientMessage::Query {
            request: next(),
            query: Query::Page { room: room("board"), from: herenow_protocol::UserId(0) },
        },
        ClientMessage::Watch { request: next(), target: people() },
        ClientMessage::Query { request: next(), query: Query::People(names()) },
        ClientMessage::SetStatus {
            request: next(),
            choice: herenow_protocol::Choice::automatic(herenow_protocol::Status::Invisible),
        },
    ] {
        assert_eq!(refusal(&mut ada, &forbidden), ErrorCode::NotAllowed, "{forbidden:?}");
    }
    let explain = |request| ClientMessage::Query {
        request,
        query: Query::Explain { name: names()[0].clone(), operator: None },
    };
    for allowed in [
        ClientMessage::Join { request: next(), room: room("team-red") },
        ClientMessage::Query { request: next(), query: Query::Count(room("lobby")) },
        explain(next()),
    ] {
        assert!(is_done(&mut ada, &allowed), "{allowed:?}");
    }
    let mut eve = ScriptedPeer::connect(server.address);
    eve.sign_in(bringing("eve", Some("eve")));
    let about_ada =
        Query::Explain { name: DisplayName::new("ada").expect("valid"), operator: None };
    let asking = ClientMessage::Query { request: next(), query: about_ada };
    assert_eq!(refusal(&mut eve, &asking), ErrorCode::NotAllowed, "the right is ada's");
    for hello in [
        Hello { observe: true, ..bringing("ada", Some("ada")) },
        Hello {
            choice: herenow_protocol::Choice::automatic(herenow_protocol::Status::Invisible),
            ..bringing("ada", Some("ada"))
        },
    ] {
        let (reason, reconnect, text) = goodbye_in(&answer(server.address, hello));
        assert_eq!((reason, reconnect), (CloseReason::NotAuthorized, false), "{text}");
        assert!(text.starts_with("you may not"), "{text}");
    }
}

#[test]
fn a_renewal_where_nothing_ends_is_checked_all_the_same() {
    let scratch = Scratch::new();
    let server = with_users(&scratch, "");
    let mut ada = ScriptedPeer::connect(server.address);
    ada.sign_in(bringing("ada", Some("ada")));
    assert!(is_done(&mut ada, &ClientMessage::Renew { request: 1, credential: "ada".into() }));
    let wrong = ClientMessage::Renew { request: 2, credential: "eve".into() };
    assert_eq!(refusal(&mut ada, &wrong), ErrorCode::NotAllowed);
    ada.round_trip();
}

#[test]
fn a38_a_server_outside_loopback_says_what_it_wants() {
    let scratch = Scratch::new();
    let file = scratch.put("secret", SECRET);
    let guarded = ["--auth", "secret", "--auth-secret-file", &file];
    for (arguments, words) in [
        (&[][..], "--insecure-open"),
        (&guarded[..], "--insecure-plaintext"),
        (&["--auth", "secret"], "--insecure-plaintext"),
    ] {
        let output = serve(&[&["--listen", "0.0.0.0:0"], arguments].concat());
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {output:?}");
        let said = String::from_utf8(output.stderr).expect("messages are UTF-8");
        assert!(said.contains(words) && said.contains("0.0.0.0:0"), "{said}");
        assert!(output.stdout.is_empty(), "it greets although it refuses");
    }
    let missing = serve(&["--listen", "127.0.0.1:0", "--auth", "users"]);
    assert_eq!(missing.status.code(), Some(78), "{missing:?}");
}

fn serve(arguments: &[&str]) -> Output {
    Command::new(HERENOW).arg("serve").args(arguments).output().expect("the program can be started")
}

#[test]
fn a_hash_of_a_password_is_printed_for_a_user_file() {
    let mut process = Command::new(HERENOW)
        .args(["hash-password", "--user", "ada lovelace"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let mut stdin = process.stdin.take().expect("its stdin is a pipe");
    stdin.write_all(b"correct horse\n").expect("it reads");
    drop(stdin);
    let output = process.wait_with_output().expect("it ends");
    let section = String::from_utf8(output.stdout).expect("it is text");
    let scratch = Scratch::new();
    let file = scratch.put("users.toml", &section);
    let server = TestServer::start(&["--auth", "users", "--auth-users-file", &file]);
    let mut ada = ScriptedPeer::connect(server.address);
    ada.sign_in(bringing("ada lovelace", Some("correct horse")));
}

/// Runs a command of an account of its own.
fn run(home: &Path, arguments: &[&str]) -> Output {
    Command::new(HERENOW)
        .args(arguments)
        .env("XDG_STATE_HOME", home)
        .output()
        .expect("the program can be started")
}

#[test]
fn init_makes_a_server_that_its_one_line_lets_people_into() {
    let scratch = Scratch::new();
    let (folder, home) = (scratch.0.join("server"), scratch.0.join("home"));
    let place = folder.to_str().expect("a plain name");
    let made = run(&home, &["init", place, "--host", "localhost"]);
    assert!(made.status.success(), "{made:?}");
    let words = String::from_utf8(made.stdout).expect("it is text");
    for file in ["herenow.toml", "certificate.pem", "key.pem", "secret"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(folder.join(file)).expect(file).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let before = fs::read(folder.join("key.pem")).expect("it was made");
    let again = run(&home, &["init", place]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert_eq!(
        fs::read(folder.join("key.pem")).expect("it is there"),
        before,
        "nothing is overwritten"
    );

    let text = |file: &str| folder.join(file).to_str().expect("a plain name").to_owned();
    let server =
        TestServer::start(&["--config", &text("herenow.toml"), "--tls-listen", "127.0.0.1:0"]);
    let line = words.lines().find(|line| line.contains("herenow login")).expect("the one line");
    let login = line.split_whitespace().last().expect("the address");
    let port = server.tls_address().port();
    let login = login.replace(":4374", &format!(":{port}"));
    let plain = format!("tls://localhost:{port}");
    let stranger = run(&home, &["who", "--server", &plain]);
    assert!(!stranger.status.success(), "it is not known yet: {stranger:?}");
    let logged_in = run(&home, &["login", "--server", &login]);
    assert!(logged_in.status.success(), "{logged_in:?}");
    let said = String::from_utf8(logged_in.stdout).expect("it is text");
    assert!(
        said.contains(&plain) && !said.contains(login.split('@').next().expect("a secret")),
        "{said}"
    );
    let who = run(&home, &["who", "--json", "--server", &plain]);
    assert!(who.status.success(), "{who:?}");
    // What is wrong is neither kept nor shown.
    let wrong = run(&home, &["login", "--server", &format!("tls://wrong-secret@localhost:{port}")]);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    let shown = String::from_utf8(wrong.stderr).expect("it is text");
    assert!(!shown.contains("wrong-secret"), "{shown}");
    assert!(run(&home, &["who", "--server", &plain]).status.success(), "the right one is kept");
}

/// A key that tokens are signed with, and the file that a server has it in.
struct SharedKey(&'static str);

const KEY: SharedKey = SharedKey("0123456789abcdef0123456789abcdef");

impl SharedKey {
    fn server(&self, scratch: &Scratch) -> TestServer {
        let file = scratch.put("key", self.0);
        TestServer::start(&["--auth", "jwt", "--auth-algorithms", "HS256", "--auth-keys", &file])
    }

    fn sign(&self, claims: &serde_json::Value) -> String {
        let key = jsonwebtoken::EncodingKey::from_secret(self.0.as_bytes());
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        jsonwebtoken::encode(&header, claims, &key).expect("it signs")
    }

    /// A token of this user that ends in so many seconds, or has ended so many seconds ago.
    fn token(&self, user: &str, ends_in: i64) -> String {
        let claims =
            serde_json::json!({"sub": user, "aud": "herenow", "exp": unix_seconds() + ends_in});
        self.sign(&claims)
    }
}

#[expect(clippy::disallowed_methods, reason = "tokens end by the wall clock")]
fn unix_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("1970 is over").as_secs()).expect("it is not so late yet")
}

#[test]
fn a40_whatever_is_wrong_with_a_token_the_answer_is_the_same() {
    let scratch = Scratch::new();
    let good = KEY.token("ada", 60);
    let (head, signature) = good.rsplit_once('.').expect("three parts");
    let (_, payload) = head.split_once('.').expect("three parts");
    // {"alg":"none"}
    let none = format!("eyJhbGciOiJub25lIn0.{payload}.");
    let elsewhere =
        serde_json::json!({"sub": "ada", "aud": "elsewhere", "exp": unix_seconds() + 60});
    let endless = serde_json::json!({"sub": "ada", "aud": "herenow"});
    let wrong = [
        none,
        KEY.token("ada", -30),
        KEY.token("eve", 60),
        KEY.sign(&elsewhere),
        KEY.sign(&endless),
        format!("{}{signature}.", "x".repeat(3_000)),
        "no token".to_owned(),
        SharedKey("another key of thirty-two bytes!").token("ada", 60),
    ];
    let mut said = Vec::new();
    // Each server sees fewer failures than make an address wait.
    for some in wrong.chunks(4) {
        let server = KEY.server(&scratch);
        said.extend(some.iter().map(|token| answer(server.address, bringing("ada", Some(token)))));
        let mut ada = ScriptedPeer::connect(server.address);
        ada.sign_in(bringing("ada", Some(&good)));
        assert!(!server.log().contains("eyJ"), "a log has no token: {}", server.log());
    }
    assert_eq!(goodbye_in(&said[0]).0, CloseReason::NotAuthorized);
    assert!(said.iter().all(|other| *other == said[0]), "the same bytes");
}

#[test]
fn a40_a_session_ends_with_its_token_unless_it_is_renewed() {
    let scratch = Scratch::new();
    let server = KEY.server(&scratch);
    let mut eve = ScriptedPeer::connect(server.address);
    // Both tokens have ended, but not by more than clocks may differ.
    let welcome = eve.sign_in(bringing("eve", Some(&KEY.token("eve", -22))));
    assert!((1..=3_000).contains(&welcome.credential_ms), "{welcome:?}");
    eve.watch();
    let mut ada = ScriptedPeer::connect(server.address);
    ada.sign_in(bringing("ada", Some(&KEY.token("ada", -22))));
    eve.expect_join("ada", PATIENCE);
    let fresh = KEY.token("eve", 60);
    assert!(is_done(&mut eve, &ClientMessage::Renew { request: 9, credential: (&*fresh).into() }));
    let stolen = KEY.token("ada", 60);
    let renew = ClientMessage::Renew { request: 10, credential: (&*stolen).into() };
    assert_eq!(refusal(&mut eve, &renew), ErrorCode::NotAllowed, "a session stays its user's");
    let goodbye = ada.expect_goodbye(PATIENCE);
    assert_eq!((goodbye.reason, goodbye.reconnect), (CloseReason::CredentialExpired, true));
    let leave = eve.expect_leave("ada", PATIENCE);
    assert_eq!(leave.cause, CloseReason::CredentialExpired);
    eve.round_trip();
}

/// What the time of a refusal tells of its reason: the medians of each kind, and how far the two distributions are apart
/// (Kolmogorov and Smirnov). It asserts no time; `docs/reliability.md` has the figures.
#[test]
#[ignore = "takes minutes: scripts/soak"]
fn soak_a39_the_time_of_a_refusal_tells_nothing() {
    let samples: usize =
        std::env::var("HERENOW_REFUSALS").map_or(Ok(2_000), |n| n.parse()).expect("a number");
    let scratch = Scratch::new();
    let server = with_users(&scratch, "");
    let kinds = [("no such user", "nobody"), ("wrong password", "ada")];
    let mut took: [Vec<std::time::Duration>; 2] = Default::default();
    for i in 0..samples {
        let kind = i % 2;
        // Five failures of each address are free.
        let address = std::net::Ipv4Addr::from(0x7f01_0000 + u32::try_from(i / 4).expect("few"));
        let mut peer = ScriptedPeer::connect_from(address.into(), server.address);
        let begun = support::now();
        peer.send(&ClientMessage::Hello(bringing(kinds[kind].1, Some("a guess"))));
        let goodbye = peer.expect_goodbye(PATIENCE);
        took[kind].push(begun.elapsed());
        assert_eq!(goodbye.reason, CloseReason::NotAuthorized);
    }
    took.iter_mut().for_each(|times| times.sort_unstable());
    for ((kind, _), times) in kinds.iter().zip(&took) {
        support::say_spread(kind, None, times);
    }
    let [unknown, wrong] = &took;
    let (apart, p) = kolmogorov_smirnov(unknown, wrong);
    let medians = [unknown, wrong].map(|times| times[times.len() / 2]);
    let difference = medians[0].abs_diff(medians[1]);
    support::say(&format!("medians differ by {difference:?}; D = {apart:.4}, p = {p:.3}"));
}

/// The largest distance of two sorted samples' distributions, and how probable one as large is if they are the same.
fn kolmogorov_smirnov<T: Ord>(one: &[T], other: &[T]) -> (f64, f64) {
    let (n, m) = (one.len() as f64, other.len() as f64);
    let share =
        |sample: &[T], at: &T| sample.partition_point(|x| x <= at) as f64 / sample.len() as f64;
    let distance = |at: &T| (share(one, at) - share(other, at)).abs();
    let apart = one.iter().chain(other).map(distance).fold(0.0, f64::max);
    let size = (n * m / (n + m)).sqrt();
    let lambda = (size + 0.12 + 0.11 / size) * apart;
    let term =
        |k: i32| 2.0 * (-1.0_f64).powi(k - 1) * (-2.0 * f64::from(k * k) * lambda * lambda).exp();
    (apart, (1..=100).map(term).sum::<f64>().clamp(0.0, 1.0))
}

#[test]
fn samples_that_differ_are_told_from_samples_that_do_not() {
    let even: Vec<u32> = (0..1_000).map(|n| 2 * n).collect();
    let odd: Vec<u32> = (0..1_000).map(|n| 2 * n + 1).collect();
    let late: Vec<u32> = (0..1_000).map(|n| 2 * n + 300).collect();
    let (apart, p) = kolmogorov_smirnov(&even, &odd);
    assert!(apart < 0.01 && p > 0.99, "{apart} {p}");
    let (apart, p) = kolmogorov_smirnov(&even, &late);
    assert!(apart > 0.1 && p < 0.001, "{apart} {p}");
}

#[test]
fn with_mutual_consent_people_see_each_other_and_no_room() {
    let scratch = Scratch::new();
    let key = scratch.put("key", KEY.0);
    let arguments = ["--auth", "jwt", "--auth-algorithms", "HS256", "--auth-keys", &key];
    let server = TestServer::start(&[&arguments[..], &["--mutual-consent"]].concat());
    let sign_in = |name: &str| {
        let mut peer = ScriptedPeer::connect(server.address);
        peer.sign_in(bringing(name, Some(&KEY.token(name, 60))));
        peer
    };
    let (mut ada, mut eve) = (sign_in("ada"), sign_in("eve"));
    let lobby = WatchTarget::Room(RoomName::lobby());
    let watch = ClientMessage::Watch { request: 1, target: lobby };
    assert_eq!(refusal(&mut ada, &watch), ErrorCode::NotAllowed);
    let named = |name: &str| vec![DisplayName::new(name).expect("valid")];
    let status_of = |peer: &mut ScriptedPeer, name: &str| {
        peer.send(&ClientMessage::Query { request: 2, query: Query::People(named(name)) });
        peer.expect("an answer", PATIENCE, |message| match message {
            ServerMessage::People { entries, .. } => Some(entries[0].shown.presence.status),
            _ => None,
        })
    };
    let list = |name: &str| ClientMessage::Watch {
        request: 3,
        target: WatchTarget::People { names: named(name), view: None },
    };
    assert!(is_done(&mut ada, &list("eve")));
    assert_eq!(status_of(&mut ada, "eve"), herenow_protocol::Status::Offline);
    assert_eq!(status_of(&mut eve, "ada"), herenow_protocol::Status::Available, "ada agrees");
    assert!(is_done(&mut eve, &list("ada")));
    assert_eq!(status_of(&mut ada, "eve"), herenow_protocol::Status::Available);
}
