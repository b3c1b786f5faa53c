//! A server that does what the test says, and nothing else.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::time::Duration;

use herenow_client::protocol::digest::EntryHasher;
use herenow_client::protocol::message::Incoming;
use herenow_client::protocol::{
    ClientMessage, CloseReason, DeviceId, Digest, DisplayName, Entry, Epoch, Hello, ResumeToken,
    ServerMessage, SessionId, Shown, UserId, ViewId, ViewProof, Welcome,
};
use herenow_client::{Client, Connection, Disconnect, Event, Options, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const BEAT: Duration = Duration::from_millis(100);
pub(crate) const VIEW: ViewId = ViewId(7);

const EPOCH: Epoch = Epoch([4; 16]);

/// A listening server without a connection.
pub(crate) struct Script(TcpListener);

/// One connection of the server.
pub(crate) struct Line(TcpStream);

impl Script {
    /// Listens on a free port. Returns its address as well.
    pub(crate) async fn listen() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it listens").to_string();
        (Self(listener), address)
    }

    pub(crate) async fn accept(&mut self) -> Line {
        let (stream, _) = self.0.accept().await.expect("a client connects");
        stream.set_nodelay(true).expect("a live socket takes options");
        Line(stream)
    }

    /// Up to the `Welcome`.
    pub(crate) async fn accept_and_welcome(&mut self) -> Line {
        self.accept_with(welcome()).await
    }

    /// Up to this `Welcome`.
    pub(crate) async fn accept_with(&mut self, welcome: Welcome) -> Line {
        let mut line = self.accept().await;
        line.expect_hello().await;
        line.send(&ServerMessage::Welcome(welcome)).await;
        line
    }

    /// Whether nobody connects for this long.
    pub(crate) async fn is_left_alone(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.0.accept()).await.is_err()
    }
}

impl Line {
    pub(crate) async fn send(&mut self, message: &ServerMessage) {
        self.send_bytes(&message.encode()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the client listens");
    }

    /// Whether the client still takes it.
    pub(crate) async fn try_send(&mut self, message: &ServerMessage) -> bool {
        self.0.write_all(&message.encode()).await.is_ok()
    }

    /// The next message, `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<ClientMessage> {
        let len = self.0.read_u16().await.ok()?;
        let mut body = vec![0; usize::from(len)];
        self.0.read_exact(&mut body).await.ok()?;
        match Incoming::decode(&body).expect("the client speaks the protocol") {
            Incoming::Message(message) => Some(message),
            other => panic!("the client sent {other:?}"),
        }
    }

    pub(crate) async fn expect_hello(&mut self) -> Hello {
        match self.next().await {
            Some(ClientMessage::Hello(hello)) => hello,
            other => panic!("not a Hello: {other:?}"),
        }
    }

    /// The request number of the next `Watch`. Beats before it get a sign of life from a newer protocol.
    pub(crate) async fn expect_watch(&mut self) -> u32 {
        loop {
            match self.next().await {
                Some(ClientMessage::Watch { request, .. }) => return request,
                Some(ClientMessage::Heartbeat { .. }) => self.send_bytes(&[0, 2, 0x91, 0x50]).await,
                other => panic!("not a Watch: {other:?}"),
            }
        }
    }

    /// Number and ranges of the next `Repair`. Beats before it get a sign of life from a newer protocol.
    pub(crate) async fn expect_repair(&mut self) -> (u32, Vec<(UserId, UserId)>) {
        loop {
            match self.next().await {
                Some(ClientMessage::Repair { request, view: VIEW, ranges }) => {
                    return (request, ranges);
                }
                Some(ClientMessage::Heartbeat { .. }) => self.send_bytes(&[0, 2, 0x91, 0x50]).await,
                other => panic!("not a Repair: {other:?}"),
            }
        }
    }

    /// The number of the next heartbeat.
    pub(crate) async fn expect_beat(&mut self) -> u64 {
        match self.next().await {
            Some(ClientMessage::Heartbeat { n, .. }) => n,
            other => panic!("not a Heartbeat: {other:?}"),
        }
    }

    /// Answers the next `Watch` with this list.
    pub(crate) async fn serve_list(&mut self, version: u64, entries: &[Entry]) {
        let request = self.expect_watch().await;
        self.send(&ServerMessage::Result { request, view: Some(VIEW) }).await;
        self.send(&page(0, u32::MAX, entries)).await;
        let proof = proof(version, entries);
        self.send(&ServerMessage::SnapshotEnd { view: VIEW, proof }).await;
    }

    /// Everything that the client still says.
    pub(crate) async fn read_to_end(&mut self) -> Vec<ClientMessage> {
        let mut said = Vec::new();
        while let Some(message) = self.next().await {
            said.push(message);
        }
        said
    }
}

/// A client of this server, who is called ada.
pub(crate) fn connect_to(server: &str) -> (Client, Connection) {
    let name = DisplayName::new("ada").expect("a test name is valid");
    connect(Options::new(server, name, DeviceId::new("device").expect("a test id is valid")))
}

/// The next event of this kind; others are passed over.
pub(crate) async fn until(connection: &mut Connection, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = connection.next().await.expect("the connection is not over");
        if wanted(&event) {
            return event;
        }
    }
}

pub(crate) async fn until_closed(connection: &mut Connection) -> (Disconnect, Option<Duration>) {
    match until(connection, |event| matches!(event, Event::Closed { .. })).await {
        Event::Closed { reason, retry_in } => (reason, retry_in),
        other => panic!("not the end: {other:?}"),
    }
}

/// An end after which nothing follows.
pub(crate) fn closed(reason: Disconnect) -> (Disconnect, Option<Duration>) {
    (reason, None)
}

pub(crate) fn entry(id: u32, name: &str) -> Entry {
    let name = DisplayName::new(name).expect("a test name is valid");
    Entry { id: UserId(id), name, shown: Shown { since_ms: 1_000, ..Shown::default() } }
}

pub(crate) fn page(first: u32, last: u32, entries: &[Entry]) -> ServerMessage {
    let (first, last) = (UserId(first), UserId(last));
    ServerMessage::SnapshotPage { view: VIEW, first, last, entries: entries.to_vec() }
}

pub(crate) fn proof(version: u64, entries: &[Entry]) -> ViewProof {
    let (hasher, mut digest) = (EntryHasher::new(EPOCH), Digest::default());
    entries.iter().for_each(|entry| digest.add(hasher.hash(entry)));
    ViewProof { version, count: u32::try_from(entries.len()).expect("a short list"), digest }
}

pub(crate) fn goodbye(
    reason: CloseReason,
    reconnect: bool,
    come_back_after_ms: u64,
) -> ServerMessage {
    ServerMessage::Goodbye { reason, reconnect, come_back_after_ms, text: String::new() }
}

/// A `Welcome` after which no beat comes for long, for scripts that a busy machine must not hurry.
pub(crate) fn unhurried() -> Welcome {
    Welcome { heartbeat_ms: 60_000, detection_bound_ms: 301_000, ..welcome() }
}

pub(crate) fn welcome() -> Welcome {
    Welcome {
        version: 1,
        session: SessionId(1),
        heartbeat_ms: u64::try_from(BEAT.as_millis()).expect("a tenth of a second fits"),
        misses: 5,
        detection_bound_ms: 600,
        epoch: EPOCH,
        frame_bytes_max: 4_096,
        server: "script".to_owned(),
        token: Some(ResumeToken([8; 16])),
        resumed: false,
        resume_window_ms: 60_000,
        views: Vec::new(),
        credential_ms: 0,
    }
}
