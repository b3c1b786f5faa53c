//! What the actors make of the rules, and of a handler that panics: actix would drop its actor alone.
//!
//! What makes them panic exists in this module only.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::process::Command as Process;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::prelude::*;
use bytes::BytesMut;
use herenow_protocol::frame::take_body;
use herenow_protocol::limits::FRAME_BYTES_MAX;
use herenow_protocol::{
    Change, Choice, ClientMessage, CloseReason, DeviceId, DeviceLabel, DisplayName, Epoch,
    ErrorCode, Hello, Query, Resume, RoomName, ServerMessage, Status, UserId, ViewId, WatchTarget,
    Welcome,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

use super::fanout_actor::{FanoutActor, Fanouts};
use super::lines::Lines;
use super::registry_actor::{EXIT_SOFTWARE, RegistryActor};
use super::session_actor::{Local, SessionActor};
use super::socket::{AnySocket, Socket};
use crate::clock::Clock;
use crate::config::Config;
use crate::registry::{Registry, Rules};
use crate::tick::Tick;

/// Makes the registry panic.
#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

impl Handler<Panic> for RegistryActor {
    type Result = ();

    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("planted in the registry");
    }
}

/// A socket at the server, whose reading panics once it has been told to.
struct Mined {
    stream: DuplexStream,
    mine: Mine,
}

/// Tells a [`Mined`] socket to panic.
#[derive(Clone, Default)]
struct Mine(Rc<Cell<bool>>);

impl Socket for Mined {}

impl AsyncRead for Mined {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        assert!(!self.mine.0.get(), "planted in a session");
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Mined {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A socket at the server that takes everything and passes it on only when it is told to, as TLS may.
struct Hoarding {
    stream: DuplexStream,
    held: Vec<u8>,
}

impl Socket for Hoarding {}

impl AsyncRead for Hoarding {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Hoarding {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let Self { stream, held } = &mut *self;
        while !held.is_empty() {
            let written = std::task::ready!(Pin::new(&mut *stream).poll_write(cx, held))?;
            held.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The actors of a server with one arbiter, without a listener.
struct Rig {
    local: Rc<Local>,
    registry: Addr<RegistryActor>,
    lines: Lines,
}

impl Rig {
    /// Nobody counts any longer than their connection, so that no test waits for a grace period.
    fn start() -> Self {
        Self::start_beside(Vec::new())
    }

    /// A server with these fan-outs besides its own.
    fn start_beside(others: Vec<Addr<FanoutActor>>) -> Self {
        let config = Config { grace: Duration::ZERO, ..Config::default() };
        let (config, clock) = (Arc::new(config), Clock::system());
        let lines = Lines::new(0, Tick::new(config.tick, config.tick_max));
        let fanout = FanoutActor::new(lines.clone(), Arc::clone(&config), clock).start();
        let registry = Registry::new(Epoch([1; 16]), Rules::from(&*config));
        let fanouts = Fanouts([vec![fanout], others].concat());
        let registry = RegistryActor::new(registry, fanouts, clock, None).start();
        let local = Rc::new(Local::new(&config, clock, registry.clone(), lines.clone()));
        Self { local, registry, lines }
    }

    fn call(&self) -> (Mine, Caller) {
        self.call_from(Ipv4Addr::LOCALHOST)
    }

    fn call_from(&self, address: Ipv4Addr) -> (Mine, Caller) {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let mine = Mine::default();
        let socket = Mined { stream: theirs, mine: mine.clone() };
        let address = SocketAddr::from((address, 1));
        SessionActor::begin(AnySocket::Other(Box::new(socket)), address, &self.local);
        (mine, Caller { stream: ours, received: BytesMut::new() })
    }

    /// A connection whose socket holds back what it took; the pipe behind it is narrow.
    fn call_through_a_hoarder(&self) -> Caller {
        let (ours, theirs) = tokio::io::duplex(64);
        let socket = Hoarding { stream: theirs, held: Vec::new() };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        SessionActor::begin(AnySocket::Other(Box::new(socket)), address, &self.local);
        Caller { stream: ours, received: BytesMut::new() }
    }

    /// A client that is signed in and watches the lobby.
    async fn sign_in(&self, name: &str) -> (Mine, Caller) {
        let (mine, mut caller) = self.call();
        caller.hello(hello(name)).await;
        let target = WatchTarget::Room(RoomName::lobby());
        caller.say(&ClientMessage::Watch { request: 1, target }).await;
        caller.expect(|message| matches!(message, ServerMessage::SnapshotEnd { .. })).await;
        (mine, caller)
    }
}

fn hello(name: &str) -> Hello {
    Hello {
        name: DisplayName::new(name).expect("a test name is valid"),
        device: DeviceId::new(name).expect("a test device id is valid"),
        label: DeviceLabel::default(),
        heartbeat: None,
        observe: false,
        choice: Choice::automatic(Status::Available),
        key: None,
        resume: None,
        credential: None,
    }
}

struct Caller {
    stream: DuplexStream,
    received: BytesMut,
}

impl Caller {
    async fn hello(&mut self, hello: Hello) -> Welcome {
        self.say(&ClientMessage::Hello(hello)).await;
        match self.expect(|message| matches!(message, ServerMessage::Welcome(_))).await {
            ServerMessage::Welcome(welcome) => welcome,
            _ => unreachable!("just matched"),
        }
    }

    /// Asks for a view; the number comes back.
    async fn watch(&mut self, target: WatchTarget) -> ViewId {
        self.say(&ClientMessage::Watch { request: 7, target }).await;
        let answer = |message: &ServerMessage| {
            matches!(message, ServerMessage::Result { request: 7, view: Some(_) })
        };
        match self.expect(answer).await {
            ServerMessage::Result { view: Some(view), .. } => view,
            _ => unreachable!("just matched"),
        }
    }

    async fn say(&mut self, message: &ClientMessage) {
        self.stream.write_all(&message.encode()).await.expect("the session listens");
    }

    /// Reads until a message that `wanted` accepts; the deadline only ends a failing test.
    async fn expect(&mut self, wanted: impl Fn(&ServerMessage) -> bool) -> ServerMessage {
        let reading = async {
            loop {
                while let Some(body) =
                    take_body(&mut self.received, FRAME_BYTES_MAX).expect("sound frames")
                {
                    let message = ServerMessage::decode(&body).expect("our own").expect("known");
                    if wanted(&message) {
                        return message;
                    }
                }
                let read = self.stream.read_buf(&mut self.received).await.expect("readable");
                assert!(read > 0, "the connection ended before the message came");
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reading).await.expect("in time")
    }
}

#[test]
fn a_panic_in_a_session_ends_that_session_alone() {
    System::new().block_on(async {
        let rig = Rig::start();
        let (mine, mut ada) = rig.sign_in("ada").await;
        let (_, mut bob) = rig.sign_in("bob").await;
        mine.0.set(true);
        ada.say(&ClientMessage::Heartbeat { n: 1, round_trip_us: 0 }).await;
        let left = |message: &ServerMessage| match message {
            ServerMessage::Delta { changes, .. } => changes
                .iter()
                .any(|c| matches!(c, Change::Left { cause: CloseReason::InternalError, .. })),
            _ => false,
        };
        bob.expect(left).await;
        bob.say(&ClientMessage::Heartbeat { n: 1, round_trip_us: 0 }).await;
        let ack = bob.expect(|m| matches!(m, ServerMessage::HeartbeatAck { .. })).await;
        let ServerMessage::HeartbeatAck { views, .. } = ack else { unreachable!() };
        assert_eq!(views[0].1.count, 1, "bob alone is left");
    });
}

#[test]
fn a_session_moves_to_the_connection_that_resumes_it_and_its_views_go_on() {
    System::new().block_on(async {
        let rig = Rig::start();
        let (_, mut old) = rig.call();
        let welcome = old.hello(hello("ada")).await;
        let lobby = old.watch(WatchTarget::Room(RoomName::lobby())).await;
        let end = old.expect(|m| matches!(m, ServerMessage::SnapshotEnd { .. })).await;
        let ServerMessage::SnapshotEnd { proof, .. } = end else { unreachable!() };
        let token = welcome.token.expect("a listed session has one");
        let views = vec![(lobby, proof.version)];
        let resume = Some(Resume { token, epoch: Some(welcome.epoch), views });
        let (_, mut new) = rig.call();
        let again = new.hello(Hello { resume, ..hello("ada") }).await;
        assert_eq!((again.session, again.resumed), (welcome.session, true));
        assert_eq!(again.views, [lobby]);
        let end = new.expect(|m| matches!(m, ServerMessage::SnapshotEnd { .. })).await;
        assert_eq!(end, ServerMessage::SnapshotEnd { view: lobby, proof }, "nothing was missed");
        old.expect(|m| matches!(m, ServerMessage::Goodbye { reason: CloseReason::Replaced, .. }))
            .await;
        let _bob = rig.sign_in("bob").await;
        new.expect(|m| matches!(m, ServerMessage::Delta { view, .. } if *view == lobby)).await;
    });
}

#[test]
fn a_list_of_people_is_told_to_its_own_connection() {
    System::new().block_on(async {
        let rig = Rig::start();
        let (_a, mut ada) = rig.sign_in("ada").await;
        let (_b, mut bob) = rig.sign_in("bob").await;
        let names = ["eve"].map(|name| DisplayName::new(name).expect("valid")).to_vec();
        let list = ada.watch(WatchTarget::People { names: names.clone(), view: None }).await;
        let of_list = |message: &ServerMessage| {
            matches!(message, ServerMessage::SnapshotEnd { view, .. } if *view == list)
        };
        ada.expect(of_list).await;
        // Their lists have the same number, and nothing else in common.
        assert_eq!(bob.watch(WatchTarget::People { names: Vec::new(), view: None }).await, list);
        bob.expect(of_list).await;
        let (_e, _eve) = rig.sign_in("eve").await;
        ada.expect(|m| matches!(m, ServerMessage::Delta { view, .. } if *view == list)).await;
        bob.say(&ClientMessage::Heartbeat { n: 5, round_trip_us: 0 }).await;
        let ack = bob.expect(|m| matches!(m, ServerMessage::HeartbeatAck { .. })).await;
        let ServerMessage::HeartbeatAck { views, .. } = ack else { unreachable!() };
        let proof = views.iter().find(|(view, _)| *view == list).map(|(_, proof)| proof.count);
        assert_eq!(proof, Some(0));
    });
}

/// The count of the first view in the next ack, and its delay.
async fn acked(caller: &mut Caller) -> (u32, u64) {
    caller.say(&ClientMessage::Heartbeat { n: 1, round_trip_us: 0 }).await;
    match caller.expect(|m| matches!(m, ServerMessage::HeartbeatAck { .. })).await {
        ServerMessage::HeartbeatAck { views, delay_ms, .. } => (views[0].1.count, delay_ms),
        _ => unreachable!("just matched"),
    }
}

#[test]
fn nothing_is_published_while_an_arbiter_still_writes_the_last_publication() {
    System::new().block_on(async {
        // A fan-out that never gets a turn holds what it was sent.
        let stuck = Context::<FanoutActor>::new();
        let rig = Rig::start_beside(vec![stuck.address()]);
        let (_a, mut ada) = rig.sign_in("ada").await;
        let (_b, mut bob) = rig.call();
        bob.hello(hello("bob")).await;
        tokio::time::sleep(rig.local.config().tick * 5).await;
        assert_eq!(acked(&mut ada).await.0, 1, "her own publication is not written everywhere");
        drop(stuck);
        ada.expect(|m| matches!(m, ServerMessage::Delta { .. })).await;
        assert_eq!(acked(&mut ada).await.0, 2);
    });
}

#[test]
fn an_ack_says_what_its_arbiter_knows_of_the_load() {
    System::new().block_on(async {
        let rig = Rig::start();
        let (_a, mut ada) = rig.sign_in("ada").await;
        assert!(acked(&mut ada).await.1 >= 30, "a tick of 20 ms and half of one");
        rig.lines.wrote(Duration::from_secs(60), rig.local.clock().instant());
        assert_eq!(acked(&mut ada).await.1, 120_000);
    });
}

#[test]
fn a_repair_is_served_beside_the_deltas() {
    System::new().block_on(async {
        let rig = Rig::start();
        let (_a, mut ada) = rig.sign_in("ada").await;
        let view = ada.watch(WatchTarget::Room(RoomName::lobby())).await;
        ada.expect(|m| matches!(m, ServerMessage::SnapshotEnd { .. })).await;
        ada.say(&ClientMessage::Repair { request: 2, view, ranges: Vec::new() }).await;
        ada.expect(|m| matches!(m, ServerMessage::Result { request: 2, .. })).await;
        ada.expect(|m| matches!(m, ServerMessage::Buckets { digests, .. } if digests.len() == 1))
            .await;
        let ranges = vec![(UserId(0), UserId(127))];
        ada.say(&ClientMessage::Repair { request: 3, view, ranges: ranges.clone() }).await;
        ada.expect(
            |m| matches!(m, ServerMessage::SnapshotPage { entries, .. } if entries.len() == 1),
        )
        .await;
        ada.expect(|m| matches!(m, ServerMessage::SnapshotEnd { .. })).await;
        let elsewhere = ClientMessage::Repair { request: 4, view: ViewId(9), ranges };
        ada.say(&elsewhere).await;
        ada.expect(|m| {
            matches!(m, ServerMessage::Error { request: 4, code: ErrorCode::NoSuchView, .. })
        })
        .await;
    });
}

#[test]
fn an_explanation_knows_the_connection_too() {
    System::new().block_on(async {
        let rig = Rig::start();
        let (_a, mut ada) = rig.sign_in("ada").await;
        ada.say(&ClientMessage::Heartbeat { n: 1, round_trip_us: 350 }).await;
        let name = DisplayName::new("ada").expect("valid");
        let query = Query::Explain { name, operator: None };
        ada.say(&ClientMessage::Query { request: 5, query }).await;
        let answer = ada.expect(|m| matches!(m, ServerMessage::Explanation { .. })).await;
        let ServerMessage::Explanation { explanation, .. } = answer else { unreachable!() };
        let [session] = &explanation.sessions[..] else { panic!("{explanation:?}") };
        assert_eq!((session.round_trip_us, session.sent_ms_ago.is_some()), (Some(350), true));
    });
}

/// A26.
#[test]
fn a26_one_address_of_four_has_only_so_many_connections_and_the_others_all_they_want() {
    System::new().block_on(async {
        let rig = Rig::start();
        let most = rig.local.config().per_address_max as usize;
        let greedy = Ipv4Addr::new(10, 77, 0, 1);
        // As many as there may be new ones at once, which is less than there may be in all.
        let mut quiet = Vec::new();
        for host in [2, 3, 4] {
            let (_, mut caller) = rig.call_from(Ipv4Addr::new(10, 77, 0, host));
            caller.hello(hello(&format!("from-{host}"))).await;
            quiet.push(caller);
        }
        let mut callers = Vec::new();
        for _ in 0..200 {
            // A task may write only so often before these pipes have it yield.
            tokio::task::yield_now().await;
            callers.push(rig.call_from(greedy).1);
        }
        let refused = callers.split_off(most.min(60));
        for mut caller in refused {
            let goodbye = caller.expect(|m| matches!(m, ServerMessage::Goodbye { .. })).await;
            let ServerMessage::Goodbye { reason, reconnect, come_back_after_ms, .. } = goodbye
            else {
                unreachable!("just matched")
            };
            assert_eq!((reason, reconnect), (CloseReason::ServerFull, true));
            assert!(come_back_after_ms >= 1_000);
        }
        for (n, caller) in callers.iter_mut().enumerate() {
            caller.hello(hello(&format!("greedy-{n}"))).await;
        }
        let (_, mut late) = rig.call_from(Ipv4Addr::new(10, 77, 0, 4));
        late.hello(hello("late")).await;
        for caller in &mut quiet {
            caller.say(&ClientMessage::Heartbeat { n: 1, round_trip_us: 0 }).await;
            caller.expect(|m| matches!(m, ServerMessage::HeartbeatAck { .. })).await;
        }
        // Places that become free can be taken again, at the pace for new ones.
        assert_eq!(rig.lines.len(), 60 + 4);
        let refused = rig.lines.stock().counts.refused;
        assert_eq!(refused.iter().sum::<u64>(), 140, "{refused:?}");
    });
}

/// Set for the process that is to die.
const CHILD: &str = "HERENOW_TEST_REGISTRY_PANICS";

#[test]
fn a_panic_in_the_registry_ends_the_process_with_a_clear_line() {
    if std::env::var_os(CHILD).is_some() {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
        System::new().block_on(async {
            let rig = Rig::start();
            let _bob = rig.sign_in("bob").await;
            rig.registry.do_send(Panic);
            tokio::time::sleep(Duration::from_secs(30)).await;
        });
        return;
    }
    let name = "actors::tests::a_panic_in_the_registry_ends_the_process_with_a_clear_line";
    let output = Process::new(std::env::current_exe().expect("this test is a program"))
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("this test can be run again");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(EXIT_SOFTWARE), "{said}");
    assert!(said.contains("the registry panicked; the server ends"), "{said}");
}

#[actix::test]
async fn what_a_socket_holds_back_is_asked_to_leave() {
    let rig = Rig::start();
    let mut hoarded = rig.call_through_a_hoarder();
    hoarded.hello(hello("ada")).await;
    hoarded.watch(WatchTarget::Room(RoomName::lobby())).await;
    hoarded.expect(|message| matches!(message, ServerMessage::SnapshotEnd { .. })).await;
    // What the fan-out writes goes the same way.
    let (_mine, _bob) = rig.sign_in("bob").await;
    hoarded.expect(|message| matches!(message, ServerMessage::Delta { .. })).await;
}

#[test]
fn whoever_says_no_hello_is_sent_away_when_their_own_time_is_up() {
    System::new().block_on(async {
        tokio::time::pause();
        let rig = Rig::start();
        let (_, mut ada) = rig.sign_in("ada").await;
        let (_, mut silent) = rig.call();
        let sign_in_deadline = Duration::from_secs(1);
        rig.local.reconfigure(&Config { sign_in_deadline, ..(*rig.local.config()).clone() });
        let (_, mut hurried) = rig.call();
        let called_at = rig.local.clock().instant();
        for (caller, seconds) in [(&mut hurried, 1), (&mut silent, 5)] {
            let sent_away = |message: &ServerMessage| {
                matches!(message, ServerMessage::Goodbye { reason: CloseReason::SignInTimeout, .. })
            };
            caller.expect(sent_away).await;
            // The runtime's time stands still but for its timers, which have whole milliseconds.
            let after = rig.local.clock().instant() - called_at;
            let due = Duration::from_secs(seconds);
            assert!(after >= due && after < due + Duration::from_millis(10), "{after:?}");
        }
        acked(&mut ada).await;
    });
}
