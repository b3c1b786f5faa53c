//! A server that means harm, to see what a client makes of it.
//!
//! ```text
//! cargo run --release -p herenow-client --example hostile_server -- 127.0.0.1:4399 MODE
//! ```
//!
//! Modes: `empty` is harmless, with nobody in the list, to compare with; `crowd` lists 100,000 people with the longest
//! names that there are; `stuffed` gives them the longest texts as well, until the client hangs up; `churn` lists the crowd
//! anew again and again; `nonsense` sends what is no frame; `goodbye` sends everybody away and invites them back at once.
//!
//! Prints one line for each connection: how long after the end of the one before it came, in milliseconds.

use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, Instant};

use herenow_client::protocol::digest::EntryHasher;
use herenow_client::protocol::limits::NAME_BYTES_MAX;
use herenow_client::protocol::message::Incoming;
use herenow_client::protocol::{
    ClientMessage, CloseReason, Digest, DisplayName, Entry, Epoch, Presence, ServerMessage,
    SessionId, Shown, Status, StatusText, UserId, ViewId, ViewProof, Welcome,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PEOPLE: u32 = 100_000;
const VIEW: ViewId = ViewId(1);
const EPOCH: Epoch = Epoch([7; 16]);

/// People in one page: as many of the longest names and texts as a frame takes.
const PAGE: u32 = 20;

/// Between two lists of the mode `churn`.
const CHURN_EVERY: Duration = Duration::from_secs(2);

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: hostile_server HOST:PORT empty|crowd|stuffed|churn|nonsense|goodbye";
    let listener = TcpListener::bind(arguments.next().ok_or(usage)?).await?;
    let mode = arguments.next().ok_or(usage)?;
    let mut ended: Option<Instant> = None;
    loop {
        let (stream, _) = listener.accept().await?;
        let gap = ended.map_or(-1.0, |ended| now().duration_since(ended).as_secs_f64() * 1e3);
        writeln!(std::io::stdout(), "connection after {gap:.1} ms")?;
        // Whatever ends it, the next one is served.
        let result = Line(stream).serve(&mode).await;
        ended = Some(now());
        writeln!(std::io::stdout(), "ended: {result:?}")?;
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn now() -> Instant {
    Instant::now()
}

struct Line(TcpStream);

impl Line {
    async fn serve(mut self, mode: &str) -> Result<(), Failure> {
        self.next().await?;
        if mode == "goodbye" {
            return self.dismiss().await;
        }
        self.send(&ServerMessage::Welcome(welcome())).await?;
        if mode == "nonsense" {
            self.0.write_all(&[0xff; 64]).await?;
            return Ok(());
        }
        let text = if mode == "stuffed" { "\u{1f4a3}".repeat(140) } else { String::new() };
        let people = if mode == "empty" { 0 } else { PEOPLE };
        loop {
            let message = match mode {
                "churn" => tokio::time::timeout(CHURN_EVERY, self.next()).await,
                _ => Ok(self.next().await),
            };
            match message {
                Err(_) => self.list(people, &text).await?,
                Ok(message) => match message? {
                    ClientMessage::Watch { request, .. } => {
                        self.send(&ServerMessage::Result { request, view: Some(VIEW) }).await?;
                        self.list(people, &text).await?;
                    }
                    ClientMessage::Heartbeat { n, .. } => self.answer(n).await?,
                    ClientMessage::Goodbye { .. } => return Ok(()),
                    _ => {}
                },
            }
        }
    }

    async fn dismiss(&mut self) -> Result<(), Failure> {
        let (reason, text) = (CloseReason::InternalError, "come back at once".to_owned());
        let goodbye =
            ServerMessage::Goodbye { reason, reconnect: true, come_back_after_ms: 0, text };
        self.send(&goodbye).await
    }

    async fn answer(&mut self, n: u64) -> Result<(), Failure> {
        let ack = ServerMessage::HeartbeatAck { n, me: None, views: Vec::new(), delay_ms: 0 };
        self.send(&ack).await
    }

    async fn list(&mut self, people: u32, text: &str) -> Result<(), Failure> {
        let (hasher, mut digest) = (EntryHasher::new(EPOCH), Digest::default());
        for first in (0..people).step_by(PAGE as usize) {
            let entries: Vec<Entry> =
                (first..first + PAGE).map(|id| entry(id, text)).collect::<Result<_, Failure>>()?;
            entries.iter().for_each(|entry| digest.add(hasher.hash(entry)));
            let (first, last) = (UserId(first), UserId(first + PAGE - 1));
            self.send(&ServerMessage::SnapshotPage { view: VIEW, first, last, entries }).await?;
        }
        let proof = ViewProof { version: 1, count: people, digest };
        self.send(&ServerMessage::SnapshotEnd { view: VIEW, proof }).await
    }

    async fn send(&mut self, message: &ServerMessage) -> Result<(), Failure> {
        Ok(self.0.write_all(&message.encode()).await?)
    }

    async fn next(&mut self) -> Result<ClientMessage, Failure> {
        loop {
            let mut body = vec![0; usize::from(self.0.read_u16().await?)];
            self.0.read_exact(&mut body).await?;
            if let Incoming::Message(message) = Incoming::decode(&body)? {
                return Ok(message);
            }
        }
    }
}

fn entry(id: u32, text: &str) -> Result<Entry, Failure> {
    let name = DisplayName::new(&format!("{id:0>width$}", width = NAME_BYTES_MAX))?;
    let status = [Status::Available, Status::Away, Status::Busy][id as usize % 3];
    let presence = Presence::chosen(status, StatusText::new(text)?);
    Ok(Entry { id: UserId(id), name, shown: Shown { presence, ..Shown::default() } })
}

fn welcome() -> Welcome {
    Welcome {
        version: 1,
        session: SessionId(1),
        heartbeat_ms: 5_000,
        misses: 5,
        detection_bound_ms: 26_000,
        epoch: EPOCH,
        frame_bytes_max: 4_096,
        server: "hostile".to_owned(),
        token: None,
        resumed: false,
        resume_window_ms: 0,
        views: Vec::new(),
        credential_ms: 0,
    }
}
