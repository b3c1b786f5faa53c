//! What actix does when a handler panics, and what we make of it.
//!
//! The messages that make an actor panic exist in this module only.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use bytes::BytesMut;
use herenow_protocol::frame::take_body;
use herenow_protocol::limits::FRAME_BYTES_MAX;
use herenow_protocol::{
    Change, Choice, ClientMessage, CloseReason, DeviceId, DeviceLabel, DisplayName, Epoch, Hello,
    RoomName, ServerMessage, Status, WatchTarget,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf};

use super::fanout_actor::{FanoutActor, Fanouts};
use super::line::Lines;
use super::registry_actor::{EXIT_SOFTWARE, RegistryActor};
use super::session_actor::{Local, Reader, SessionActor};
use crate::clock::Clock;
use crate::config::Config;
use crate::registry::{Registry, Rules};

/// Makes the actor that gets it panic.
#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

impl Handler<Panic> for SessionActor {
    type Result = ();

    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("planted in a session");
    }
}

impl Handler<Panic> for RegistryActor {
    type Result = ();

    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("planted in the registry");
    }
}

impl Reader for ReadHalf<DuplexStream> {
    fn agreed(&self, _: Duration) {}

    fn ended(&self, _: Duration) {}
}

/// The actors of a server with one arbiter, without a listener.
struct Rig {
    local: Local,
}

impl Rig {
    /// Nobody counts any longer than their connection, so that no test waits for a grace period.
    fn start() -> Self {
        let config = Config { grace: Duration::ZERO, ..Config::default() };
        let (config, clock) = (Arc::new(config), Clock::system());
        let lines = Lines::default();
        let fanout = FanoutActor::new(lines.clone(), Arc::clone(&config), clock).start();
        let registry = Registry::new(Epoch([1; 16]), Rules::from(&*config));
        let registry = RegistryActor::new(registry, Fanouts(vec![fanout]), clock, None).start();
        Self { local: Local { arbiter: 0, config, clock, registry, lines } }
    }

    /// A client that is signed in and watches the lobby.
    async fn sign_in(&self, name: &str) -> (Addr<SessionActor>, Caller) {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (reader, writer) = tokio::io::split(theirs);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let actor = SessionActor::begin(reader, Box::new(writer), address, &self.local);
        let mut caller = Caller { stream: ours, received: BytesMut::new() };
        caller.say(&ClientMessage::Hello(hello(name))).await;
        caller.expect(|message| matches!(message, ServerMessage::Welcome(_))).await;
        let target = WatchTarget::Room(RoomName::lobby());
        caller.say(&ClientMessage::Watch { request: 1, target }).await;
        caller.expect(|message| matches!(message, ServerMessage::SnapshotEnd { .. })).await;
        (actor, caller)
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
    }
}

struct Caller {
    stream: DuplexStream,
    received: BytesMut,
}

impl Caller {
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
        let (doomed, _stream) = rig.sign_in("ada").await;
        let (_actor, mut bob) = rig.sign_in("bob").await;
        doomed.do_send(Panic);
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

/// Set for the process that is to die.
const CHILD: &str = "HERENOW_TEST_REGISTRY_PANICS";

#[test]
fn a_panic_in_the_registry_ends_the_process_with_a_clear_line() {
    if std::env::var_os(CHILD).is_some() {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
        System::new().block_on(async {
            let rig = Rig::start();
            let _bob = rig.sign_in("bob").await;
            rig.local.registry.do_send(Panic);
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
