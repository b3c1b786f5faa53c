//! The client against a server that follows a script, frame by frame, over real sockets.

mod script;

use std::time::Duration;

use herenow_client::protocol::{
    Change, Choice, ClientMessage, CloseReason, Digest, Query, RoomName, ServerMessage, Shown,
    Status, StatusText, Welcome, digest::EntryHasher,
};
use herenow_client::{Answer, Disconnect, Event, ViewKey};
use script::{
    BEAT, Script, VIEW, closed, connect_to, entry, goodbye, page, proof, unhurried, until,
    until_closed, welcome,
};

const SNAPSHOT: Event = Event::Snapshot { view: ViewKey::FIRST };
const FRESH: Event = Event::Fresh { view: ViewKey::FIRST };

/// More than any of these scripts takes on a busy machine; a script that waits in vain fails here.
const PATIENCE: Duration = Duration::from_secs(30);

async fn patiently<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("the script came to its end")
}

#[tokio::test]
async fn signs_in_and_takes_a_snapshot_with_deltas_between_its_pages() {
    let (mut script, server) = Script::listen().await;
    let (_client, mut connection) = connect_to(&server);
    let serve = async {
        let mut line = script.accept_and_welcome().await;
        let request = line.expect_watch().await;
        line.send(&ServerMessage::Result { request, view: Some(VIEW) }).await;
        line.send(&page(0, 9, &[entry(1, "ada"), entry(2, "bob")])).await;
        // Between two pages bob leaves, eve joins on the page to come, and somebody unknown changes.
        let changes = vec![
            Change::Left { id: entry(2, "bob").id, cause: CloseReason::Goodbye },
            Change::Joined(entry(12, "eve")),
            Change::Updated { id: entry(99, "x").id, shown: Shown::default() },
        ];
        let after = proof(5, &[entry(1, "ada"), entry(12, "eve")]);
        line.send(&ServerMessage::Delta { view: VIEW, from: 4, proof: after, changes }).await;
        line.send(&page(10, u32::MAX, &[entry(12, "eve")])).await;
        line.send(&ServerMessage::SnapshotEnd { view: VIEW, proof: after }).await;
        line
    };
    let client = async {
        until(&mut connection, |event| *event == SNAPSHOT).await;
        connection.view().entries().map(|entry| entry.name.to_string()).collect::<Vec<_>>()
    };
    let (_line, names) = patiently(async { tokio::join!(serve, client) }).await;
    assert_eq!(names, ["ada", "eve"]);
}

#[tokio::test]
async fn a_wrong_digest_is_told_and_the_list_is_mended() {
    let (mut script, server) = Script::listen().await;
    let (_client, mut connection) = connect_to(&server);
    let truth = [entry(1, "ada"), entry(9, "eve"), entry(17, "bob")];
    let serve = async {
        let mut line = script.accept_with(unhurried()).await;
        line.serve_list(1, &[entry(1, "ada"), entry(17, "bob")]).await;
        let changes = vec![Change::Joined(entry(9, "liz"))];
        line.send(&ServerMessage::Delta { view: VIEW, from: 1, proof: proof(2, &truth), changes })
            .await;
        let (request, ranges) = line.expect_repair().await;
        assert_eq!(ranges, []);
        line.send(&ServerMessage::Result { request, view: None }).await;
        line.send(&buckets(8, &truth)).await;
        let (request, ranges) = line.expect_repair().await;
        assert_eq!(ranges.len(), 1);
        let (first, last) = ranges[0];
        line.send(&ServerMessage::Result { request, view: None }).await;
        line.send(&page(first.0, last.0, &truth[1..2])).await;
        line.send(&ServerMessage::SnapshotEnd { view: VIEW, proof: proof(2, &truth) }).await;
        line
    };
    let client = async {
        let mut told = Vec::new();
        while told.last() != Some(&FRESH) {
            told.push(connection.next().await.expect("it goes on"));
        }
        (told, connection.view().get(entry(9, "eve").id).map(|eve| eve.name.to_string()))
    };
    let (_line, (told, second)) = patiently(async { tokio::join!(serve, client) }).await;
    let place =
        |wanted: &dyn Fn(&Event) -> bool| told.iter().position(wanted).expect("it was told");
    let diverged = place(&|event| matches!(event, Event::Diverged { .. }));
    let stale = place(&|event| matches!(event, Event::Stale { .. }));
    let repaired = place(&|event| matches!(event, Event::Repaired { entries: 1, .. }));
    assert!(diverged < stale && stale < repaired, "{told:?}");
    assert_eq!(second.as_deref(), Some("eve"));
}

#[tokio::test]
async fn a_broken_connection_is_resumed_and_the_list_goes_on() {
    let (mut script, server) = Script::listen().await;
    let (_client, mut connection) = connect_to(&server);
    let list = [entry(1, "ada"), entry(2, "bob")];
    let (has_list, seen) = tokio::sync::oneshot::channel();
    let serve = async {
        let mut line = script.accept_with(unhurried()).await;
        line.serve_list(1, &list[..1]).await;
        seen.await.expect("the client gets its list");
        drop(line);
        let mut line = script.accept().await;
        let resume = line.expect_hello().await.resume.expect("the session goes on");
        assert_eq!(resume.token, welcome().token.expect("the script gives one"));
        assert_eq!(resume.views, [(VIEW, 1)]);
        let welcome = Welcome { resumed: true, views: vec![VIEW], ..unhurried() };
        line.send(&ServerMessage::Welcome(welcome)).await;
        let changes = vec![Change::Joined(entry(2, "bob"))];
        let after = proof(2, &list);
        line.send(&ServerMessage::Delta { view: VIEW, from: 1, proof: after, changes }).await;
        line.send(&ServerMessage::SnapshotEnd { view: VIEW, proof: after }).await;
        line
    };
    let client = async {
        until(&mut connection, |event| *event == SNAPSHOT).await;
        has_list.send(()).expect("the script waits for it");
        until_closed(&mut connection).await;
        let mut told = Vec::new();
        while told.last() != Some(&FRESH) {
            told.push(connection.next().await.expect("it goes on"));
        }
        told
    };
    let (_line, told) = patiently(async { tokio::join!(serve, client) }).await;
    assert!(!told.contains(&SNAPSHOT), "nothing was sent twice: {told:?}");
    assert!(told.iter().any(|event| matches!(event, Event::Joined { .. })), "{told:?}");
    assert_eq!(connection.view().len(), 2);
}

#[tokio::test]
async fn a_question_is_answered() {
    let (mut script, server) = Script::listen().await;
    let (client, mut connection) = connect_to(&server);
    let serve = async {
        let mut line = script.accept_with(unhurried()).await;
        line.expect_watch().await;
        let Some(ClientMessage::Query { request, .. }) = line.next().await else {
            panic!("not a question")
        };
        let (count, entries, next) = (7, Vec::new(), None);
        line.send(&ServerMessage::People { request, count, entries, next }).await;
        line
    };
    let answer = client.query(Query::Count(RoomName::lobby()));
    let drive = async { while connection.next().await.is_some() {} };
    let (_line, answer) = patiently(async {
        tokio::select! {
            both = async { tokio::join!(serve, answer) } => both,
            () = drive => panic!("the connection ended"),
        }
    })
    .await;
    assert_eq!(answer, Ok(Answer::People { count: 7, entries: Vec::new(), next: None }));
}

/// The sums of `entries` in buckets of `width`.
fn buckets(width: u32, entries: &[herenow_client::protocol::Entry]) -> ServerMessage {
    let hasher = EntryHasher::new(welcome().epoch);
    let last = entries.iter().map(|entry| entry.id.0).max().unwrap_or(0);
    let mut digests = vec![Digest::default(); (last / width + 1) as usize];
    entries.iter().for_each(|entry| digests[(entry.id.0 / width) as usize].add(hasher.hash(entry)));
    ServerMessage::Buckets { view: VIEW, first: 0, width, digests, more: false }
}

#[tokio::test]
async fn contact_is_lost_and_comes_back() {
    let (mut script, server) = Script::listen().await;
    let (_client, mut connection) = connect_to(&server);
    let serve = async {
        let mut line = script.accept_and_welcome().await;
        let list = [entry(1, "ada")];
        line.serve_list(1, &list).await;
        // The first three beats are left unanswered; one answer makes up for all of them.
        while line.expect_beat().await < 3 {}
        let views = vec![(VIEW, proof(1, &list))];
        line.send(&ServerMessage::HeartbeatAck { n: 3, me: None, views, delay_ms: 0 }).await;
        line
    };
    let client = async {
        let mut told = Vec::new();
        while told.last() != Some(&FRESH) {
            told.push(connection.next().await.expect("it goes on"));
        }
        told
    };
    let (_line, told) = patiently(async { tokio::join!(serve, client) }).await;
    let place =
        |wanted: &dyn Fn(&Event) -> bool| told.iter().position(wanted).expect("it was told");
    let lost = place(&|event| matches!(event, Event::ContactLost { unanswered: 2, of: 5 }));
    let back = place(&|event| *event == Event::ContactBack);
    assert!(lost < place(&|event| matches!(event, Event::Stale { .. })));
    assert!(lost < back && back < told.len() - 1);
    assert!(told.iter().any(|event| matches!(event, Event::RoundTrip(_))));
}

#[tokio::test]
async fn a_silent_server_is_left_with_a_word() {
    let (mut script, server) = Script::listen().await;
    let (_client, mut connection) = connect_to(&server);
    let serve = async {
        let mut line = script.accept_and_welcome().await;
        line.serve_list(1, &[]).await;
        line.read_to_end().await
    };
    let (said, (reason, retry_in)) =
        patiently(async { tokio::join!(serve, until_closed(&mut connection)) }).await;
    assert_eq!(reason, Disconnect::ServerSilent { unanswered: 5 });
    assert!(retry_in.is_some());
    let beats = said.iter().filter(|said| matches!(said, ClientMessage::Heartbeat { .. })).count();
    assert_eq!(beats, 5, "{said:?}");
    let last = ClientMessage::Goodbye { reason: CloseReason::HeartbeatTimeout };
    assert_eq!(said.last(), Some(&last));
}

#[tokio::test]
async fn who_was_replaced_does_not_come_back() {
    let (mut script, server) = Script::listen().await;
    let (_client, mut connection) = connect_to(&server);
    let serve = async {
        let mut line = script.accept_and_welcome().await;
        line.send(&goodbye(CloseReason::Replaced, true, 0)).await;
        line.read_to_end().await;
    };
    let ((), (reason, retry_in)) =
        patiently(async { tokio::join!(serve, until_closed(&mut connection)) }).await;
    assert_eq!((reason.name(), retry_in), ("replaced", None));
    assert_eq!(connection.next().await, None);
    assert!(script.is_left_alone(Duration::from_millis(1_200)).await);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the pause happens between two real sockets")]
async fn the_time_to_come_back_is_honoured_and_the_choice_kept() {
    let (mut script, server) = Script::listen().await;
    let (client, mut connection) = connect_to(&server);
    let text = StatusText::new("back at three").expect("a test text is valid");
    let away = Choice::chosen(Status::Away, text);
    client.choose(away.clone());
    let pause = Duration::from_millis(700);
    let serve = async {
        let mut line = script.accept_and_welcome().await;
        line.send(&goodbye(CloseReason::ServerShutdown, true, 700)).await;
        let gone = tokio::time::Instant::now().into_std();
        line.read_to_end().await;
        let mut line = script.accept().await;
        let waited = tokio::time::Instant::now().into_std() - gone;
        (waited, line.expect_hello().await)
    };
    let drive = async { while connection.next().await.is_some() {} };
    let (waited, hello) = patiently(async {
        tokio::select! {
            served = serve => served,
            () = drive => panic!("the connection ended"),
        }
    })
    .await;
    assert!(waited >= pause, "{waited:?}");
    assert_eq!(hello.choice, away);
}

#[tokio::test]
async fn a_server_that_throws_everybody_out_is_not_stormed() {
    let (mut script, server) = Script::listen().await;
    let (_client, mut connection) = connect_to(&server);
    let serve = async {
        for _ in 0..4 {
            let mut line = script.accept().await;
            line.expect_hello().await;
            line.send(&goodbye(CloseReason::InternalError, true, 0)).await;
            line.read_to_end().await;
        }
    };
    let client = async {
        let mut waits = Vec::new();
        while waits.len() < 4 {
            waits.extend(until_closed(&mut connection).await.1);
        }
        waits
    };
    let ((), waits) = patiently(async { tokio::join!(serve, client) }).await;
    assert!(waits.iter().all(|&wait| wait >= Duration::from_millis(500)), "{waits:?}");
}

#[tokio::test]
async fn what_is_no_herenow_is_left_as_a_protocol_error() {
    let long_name =
        [&[0, 78, 0x95, 67, 1, 0, 1, 0x91, 0x95, 1, 0xd9, 65][..], &[b'x'; 65]].concat();
    let scripts: [&[u8]; 5] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0, 0],
        &[0xff, 0xff],
        &[0, 2, 0xc1, 0xc1],
        &[&long_name[..], &[0, 0xa0, 1]].concat(),
    ];
    for bytes in scripts {
        let (mut script, server) = Script::listen().await;
        let (_client, mut connection) = connect_to(&server);
        let serve = async {
            let mut line = script.accept_and_welcome().await;
            line.send_bytes(bytes).await;
            line.read_to_end().await;
        };
        let ((), (reason, _)) =
            patiently(async { tokio::join!(serve, until_closed(&mut connection)) }).await;
        assert!(matches!(reason, Disconnect::ProtocolError(_)), "{bytes:x?}: {reason:?}");
        assert_eq!(reason.name(), "protocol_error");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_without_a_word_is_told_as_that() {
    let (mut script, server) = Script::listen().await;
    let (_client, mut connection) = connect_to(&server);
    let serve = async { drop(script.accept_and_welcome().await) };
    let ((), (reason, retry_in)) =
        patiently(async { tokio::join!(serve, until_closed(&mut connection)) }).await;
    // The client's `Watch` may reach a socket that is closed already: then it is a reset.
    assert!(
        matches!(reason, Disconnect::ConnectionClosed | Disconnect::ConnectionReset),
        "{reason:?}"
    );
    assert!(retry_in.is_some());
}

#[tokio::test]
async fn a_goodbye_that_races_a_reset_is_still_read() {
    let (mut script, server) = Script::listen().await;
    let (_client, mut connection) = connect_to(&server);
    let serve = async {
        let mut line = script.accept_and_welcome().await;
        // The goodbye lies in the client's buffer when the connection closes with unread beats in it.
        tokio::time::sleep(BEAT * 2).await;
        line.send(&goodbye(CloseReason::ServerShutdown, true, 100)).await;
    };
    let ((), (reason, _)) =
        patiently(async { tokio::join!(serve, until_closed(&mut connection)) }).await;
    assert_eq!(reason.name(), "server_shutdown");
}

#[tokio::test]
async fn leaving_is_a_goodbye_on_the_wire() {
    let (mut script, server) = Script::listen().await;
    let (client, mut connection) = connect_to(&server);
    let serve = async {
        let mut line = script.accept_and_welcome().await;
        line.serve_list(1, &[]).await;
        line.read_to_end().await
    };
    let leave = async {
        until(&mut connection, |event| *event == SNAPSHOT).await;
        client.goodbye();
        let end = until_closed(&mut connection).await;
        assert_eq!(connection.next().await, None);
        end
    };
    let (said, end) = patiently(async { tokio::join!(serve, leave) }).await;
    assert_eq!(end, closed(Disconnect::Left));
    let last = ClientMessage::Goodbye { reason: CloseReason::Goodbye };
    assert_eq!(said.last(), Some(&last));
}
