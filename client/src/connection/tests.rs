//! The shell over in-memory pipes, in paused time.

use std::sync::{Arc, Mutex};

use herenow_protocol::message::Incoming;
use herenow_protocol::{
    Choice, ClientMessage, DeviceId, DisplayName, Query, RoomName, ServerMessage, Status,
    StatusText, WatchTarget,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use super::*;
use crate::link::Stream;

impl Stream for DuplexStream {}

/// Hands out one end of a pipe, and the other end to the test.
struct Pipes {
    servers: mpsc::UnboundedSender<DuplexStream>,
    pipe_bytes: usize,
}

impl Connect for Pipes {
    fn connect(&mut self, _: &str) -> Connecting {
        let (client, server) = duplex(self.pipe_bytes);
        self.servers.send(server).expect("the test keeps the other end");
        Box::pin(async { Ok(Link { stream: Box::new(client), local: None }) })
    }
}

/// Refuses every try.
struct Refusal(Arc<Mutex<u32>>);

impl Connect for Refusal {
    fn connect(&mut self, _: &str) -> Connecting {
        *self.0.lock().expect("no test panics while holding it") += 1;
        Box::pin(async { Err(Disconnect::ConnectionRefused) })
    }
}

fn options() -> Options {
    let name = DisplayName::new("ada").expect("a test name is valid");
    Options::new("pipe", name, DeviceId::new("d").expect("a test id is valid"))
}

fn piped(pipe_bytes: usize) -> (Client, Connection, mpsc::UnboundedReceiver<DuplexStream>) {
    let (servers, pipes) = mpsc::unbounded_channel();
    let (client, connection) = connect_through(Pipes { servers, pipe_bytes }, options(), 1);
    (client, connection, pipes)
}

/// The next message of the client; `None` at the end of the pipe.
async fn read(server: &mut DuplexStream) -> Option<ClientMessage> {
    let len = server.read_u16().await.ok()?;
    let mut body = vec![0; usize::from(len)];
    server.read_exact(&mut body).await.ok()?;
    match Incoming::decode(&body).expect("the client speaks the protocol") {
        Incoming::Message(message) => Some(message),
        other => panic!("the client sent {other:?}"),
    }
}

async fn write(server: &mut DuplexStream, message: ServerMessage) {
    server.write_all(&message.encode()).await.expect("the client reads");
}

fn welcome(heartbeat_ms: u64) -> ServerMessage {
    ServerMessage::Welcome(herenow_protocol::Welcome {
        version: 1,
        session: herenow_protocol::SessionId(1),
        heartbeat_ms,
        misses: 5,
        detection_bound_ms: 10_500,
        epoch: herenow_protocol::Epoch([0; 16]),
        frame_bytes_max: 4_096,
        server: String::new(),
        token: None,
        resumed: false,
        resume_window_ms: 0,
        views: Vec::new(),
        credential_ms: 0,
    })
}

async fn until(connection: &mut Connection, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = connection.next().await.expect("the connection is not over");
        if wanted(&event) {
            return event;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_cancelled_at_every_byte_misses_nothing() {
    let (_client, mut connection, mut pipes) = piped(1);
    let server = tokio::spawn(async move {
        let mut server = pipes.recv().await.expect("the client connects");
        assert!(matches!(read(&mut server).await, Some(ClientMessage::Hello(_))));
        write(&mut server, welcome(1_000)).await;
        assert!(matches!(read(&mut server).await, Some(ClientMessage::Watch { .. })));
        server
    });
    let mut events = Vec::new();
    while events.len() < 2 {
        tokio::select! {
            biased;
            event = connection.next() => events.extend(event),
            () = tokio::task::yield_now() => {}
        }
    }
    assert!(matches!(events[..], [Event::Connecting { attempt: 1 }, Event::SignedIn(_)]));
    let keep_awake = async { while connection.next().await.is_some() {} };
    tokio::select! {
        () = keep_awake => panic!("the connection ended"),
        server = server => drop(server.expect("the server got what it waited for")),
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_stops_neither_beats_nor_the_verdict() {
    let (_client, mut connection, mut pipes) = piped(256);
    let server = tokio::spawn(async move {
        let mut server = pipes.recv().await.expect("the client connects");
        read(&mut server).await;
        write(&mut server, welcome(1_000)).await;
        (server, pipes)
    });
    until(&mut connection, |event| matches!(event, Event::SignedIn(_))).await;
    let start = clock::now();
    let closed = until(&mut connection, |event| matches!(event, Event::Closed { .. })).await;
    let Event::Closed { reason, .. } = closed else { unreachable!("just matched") };
    assert_eq!(reason, Disconnect::ServerSilent { unanswered: 5 });
    let took = clock::now() - start;
    assert!(took >= Duration::from_secs(5) && took < Duration::from_millis(5_100), "{took:?}");
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn an_outbox_that_nobody_empties_ends_the_connection() {
    let (_client, mut connection, mut pipes) = piped(64);
    // It talks, so it is not silent, but it never reads on.
    let server = tokio::spawn(async move {
        let mut server = pipes.recv().await.expect("the client connects");
        read(&mut server).await;
        write(&mut server, welcome(10)).await;
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if server.write_all(&[0, 2, 0x91, 0x50]).await.is_err() {
                return;
            }
        }
    });
    let closed = until(&mut connection, |event| matches!(event, Event::Closed { .. })).await;
    let Event::Closed { reason, .. } = closed else { unreachable!("just matched") };
    assert_eq!(reason, Disconnect::ConnectionReset);
    server.await.expect("the client hung up");
}

#[tokio::test(start_paused = true)]
async fn the_goodbye_is_read_before_the_connection_closes() {
    let (client, mut connection, mut pipes) = piped(1);
    let server = tokio::spawn(async move {
        let mut server = pipes.recv().await.expect("the client connects");
        read(&mut server).await;
        write(&mut server, welcome(1_000)).await;
        let mut said = Vec::new();
        while let Some(message) = read(&mut server).await {
            said.push(message);
        }
        said
    });
    until(&mut connection, |event| matches!(event, Event::SignedIn(_))).await;
    client.goodbye();
    let closed = connection.next().await;
    assert_eq!(closed, Some(Event::Closed { reason: Disconnect::Left, retry_in: None }));
    assert_eq!(connection.next().await, None);
    assert_eq!(connection.next().await, None);
    let said = server.await.expect("the server read to the end");
    assert!(matches!(said.last(), Some(ClientMessage::Goodbye { .. })), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_that_nobody_takes_is_not_waited_for_long() {
    let (client, mut connection, mut pipes) = piped(256);
    client.goodbye();
    assert!(matches!(
        connection.next().await,
        Some(Event::Closed { .. } | Event::Connecting { .. })
    ));
    let start = clock::now();
    while connection.next().await.is_some() {}
    assert!(clock::now() - start <= FAREWELL_MAX);
    pipes.close();
}

#[tokio::test(start_paused = true)]
async fn a_refusing_server_is_tried_again_with_growing_pauses() {
    let tries = Arc::new(Mutex::new(0));
    let (_client, mut connection) = connect_through(Refusal(Arc::clone(&tries)), options(), 1);
    let minute = tokio::time::sleep(Duration::from_secs(60));
    tokio::pin!(minute);
    let mut refusals = 0;
    loop {
        tokio::select! {
            () = &mut minute => break,
            event = connection.next() => match event.expect("it goes on") {
                Event::Closed { reason, retry_in: Some(wait) } => {
                    assert_eq!(reason, Disconnect::ConnectionRefused);
                    assert!(wait >= Duration::from_millis(500), "{wait:?}");
                    refusals += 1;
                }
                Event::Connecting { attempt } => assert_eq!(attempt, refusals + 1),
                other => panic!("unexpected {other:?}"),
            },
        }
    }
    assert!((6..=20).contains(&refusals), "{refusals} in a minute");
    assert_eq!(*tries.lock().expect("no test panics while holding it"), refusals);
}

#[tokio::test(start_paused = true)]
async fn wishes_of_one_kind_do_not_pile_up() {
    let (client, mut connection, mut pipes) = piped(4_096);
    for n in 0..100_000 {
        let text = StatusText::new(&n.to_string()).expect("a number is a valid text");
        client.choose(Choice::chosen(Status::Away, text));
    }
    let server = tokio::spawn(async move {
        let mut server = pipes.recv().await.expect("the client connects");
        read(&mut server).await
    });
    until(&mut connection, |event| matches!(event, Event::Connecting { .. })).await;
    let hello = tokio::select! {
        _ = until(&mut connection, |_| false) => unreachable!("no event ends it"),
        hello = server => hello.expect("the server read a message"),
    };
    let Some(ClientMessage::Hello(hello)) = hello else { panic!("not a Hello: {hello:?}") };
    let text = hello.choice.text.map(|text| text.to_string());
    assert_eq!(text.as_deref(), Some("99999"), "the last one");
}

fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a test name is valid")
}

fn people(count: usize) -> WatchTarget {
    let name = |n| DisplayName::new(&format!("n{n}")).expect("a test name is valid");
    WatchTarget::People { names: (0..count).map(name).collect(), view: None }
}

#[test]
fn views_are_numbered_as_they_are_asked_for() {
    let mut options = options();
    options.views.push(people(1));
    let (client, _commands) = pair(&options);
    let a = WatchTarget::Room(room("a"));
    assert_eq!(client.watch(a.clone()), Ok(ViewKey(2)));
    assert_eq!(client.watch(a.clone()), Ok(ViewKey(2)), "a room is watched once");
    let lobby = WatchTarget::Room(RoomName::lobby());
    assert_eq!(client.watch(lobby), Ok(ViewKey::FIRST));
    client.unwatch(ViewKey(2));
    assert_eq!(client.watch(a), Ok(ViewKey(3)), "no number is used again");
    assert_eq!(client.watch(people(1)), Ok(ViewKey(4)));
    assert_eq!(client.watch(people(1)), Ok(ViewKey(5)), "lists may be alike");
}

#[test]
fn more_than_a_session_may_have_is_refused_at_once() {
    use crate::TooMany;
    let (client, _commands) = pair(&options());
    for n in 1..32 {
        client.watch(WatchTarget::Room(room(&n.to_string()))).expect("32 with the lobby");
        client.join(room(&n.to_string())).expect("32 with the lobby");
    }
    assert_eq!(client.watch(WatchTarget::Room(room("x"))), Err(TooMany::RoomViews));
    assert_eq!(client.join(room("x")), Err(TooMany::Rooms));
    assert_eq!(client.join(RoomName::lobby()), Ok(()), "everyone is there");
    assert_eq!(client.join(room("1")), Ok(()), "one is there already");
    assert_eq!(client.watch(people(1_001)), Err(TooMany::People(1_001)));
    for _ in 0..8 {
        client.watch(people(1_000)).expect("eight lists");
    }
    assert_eq!(client.watch(people(1)), Err(TooMany::Lists));
    client.leave(&room("1"));
    client.unwatch(ViewKey(1));
    assert_eq!(client.join(room("x")), Ok(()));
    assert!(client.watch(WatchTarget::Room(room("x"))).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_question_is_answered_through_the_connection() {
    let (client, mut connection, mut pipes) = piped(4_096);
    let server = tokio::spawn(async move {
        let mut server = pipes.recv().await.expect("the client connects");
        read(&mut server).await;
        write(&mut server, welcome(60_000)).await;
        while let Some(message) = read(&mut server).await {
            if let ClientMessage::Query { request, .. } = message {
                let (count, entries, next) = (3, Vec::new(), None);
                write(&mut server, ServerMessage::People { request, count, entries, next }).await;
            }
        }
    });
    let answer = client.query(Query::Count(RoomName::lobby()));
    let answer = tokio::select! {
        answer = answer => answer,
        _ = until(&mut connection, |_| false) => unreachable!("no event ends it"),
    };
    let expected = crate::Answer::People { count: 3, entries: Vec::new(), next: None };
    assert_eq!(answer, Ok(expected));
    drop(connection);
    server.await.expect("the server read to the end");
}

#[tokio::test(start_paused = true)]
async fn questions_beyond_the_bound_fail_at_once_and_the_others_with_the_connection() {
    use crate::query::{QUERIES_MAX, QueryError};
    let (client, mut connection) = connect_through(Refusal(Arc::default()), options(), 1);
    let ask = || client.query(Query::Count(RoomName::lobby()));
    let waiting: Vec<_> = (0..QUERIES_MAX).map(|_| ask()).collect();
    assert_eq!(ask().await, Err(QueryError::TooMany));
    until(&mut connection, |event| matches!(event, Event::Closed { .. })).await;
    for answer in waiting {
        let refused = QueryError::Disconnected(Disconnect::ConnectionRefused);
        assert_eq!(answer.await, Err(refused));
    }
    let last = ask();
    drop(connection);
    assert_eq!(last.await, Err(QueryError::Over), "nobody is left to answer");
    assert_eq!(ask().await, Err(QueryError::Over));
}

#[tokio::test(start_paused = true)]
async fn who_asks_after_the_last_goodbye_is_told_so() {
    let (client, mut connection, _pipes) = piped(4_096);
    client.goodbye();
    while connection.next().await.is_some() {}
    let answer = client.query(Query::Count(RoomName::lobby())).await;
    assert_eq!(answer, Err(crate::QueryError::Over));
}
