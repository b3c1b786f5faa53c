//! A server that means harm, over real sockets: whatever it sends, the client keeps its memory, its pace and its head.

mod script;

use std::time::{Duration, Instant};

use herenow_client::protocol::limits::NAME_BYTES_MAX;
use herenow_client::protocol::{
    Change, CloseReason, DisplayName, Entry, Presence, ServerMessage, Shown, Status, StatusText,
    UserId,
};
use herenow_client::reconnect::RETRY_MIN;
use herenow_client::{Connection, Disconnect, Event, Options, PERSON_BYTES, connect};
use script::{Line, Script, VIEW, entry, goodbye, page, proof, unhurried, until_closed};

const PATIENCE: Duration = Duration::from_secs(60);

/// What the lists of these clients may take, beside each person's share.
const LISTS_BYTES: usize = 64 * 1024;

async fn patiently<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("the script came to its end")
}

#[expect(clippy::disallowed_methods, reason = "a socket takes real time")]
fn now() -> Instant {
    Instant::now()
}

fn frugal(server: &str) -> Connection {
    let name = DisplayName::new("ada").expect("a test name is valid");
    let device = herenow_client::protocol::DeviceId::new("device").expect("a test id is valid");
    let mut options = Options::new(server, name, device);
    options.lists_bytes_max = LISTS_BYTES;
    connect(options).1
}

/// Somebody with the longest name and the longest text.
fn giant(id: u32) -> Entry {
    let name = format!("{id:0>width$}", width = NAME_BYTES_MAX);
    let text = StatusText::new(&"\u{1f4a3}".repeat(140)).expect("140 characters");
    let presence = Presence { text, ..Presence::chosen(Status::Busy, StatusText::default()) };
    let name = DisplayName::new(&name).expect("64 bytes");
    Entry { id: UserId(id), name, shown: Shown { presence, ..Shown::default() } }
}

/// Sends pages of giants until the client hangs up; returns how many people it was sent.
async fn stuff(line: &mut Line) -> usize {
    let request = line.expect_watch().await;
    line.send(&ServerMessage::Result { request, view: Some(VIEW) }).await;
    for first in (0..100_000).step_by(10) {
        let giants: Vec<Entry> = (first..first + 10).map(giant).collect();
        if !line.try_send(&page(first, first + 9, &giants)).await {
            return usize::try_from(first).expect("a few");
        }
    }
    100_000
}

#[tokio::test]
async fn a_stuffed_list_ends_the_connection_before_it_fills_the_memory() {
    let (mut script, server) = Script::listen().await;
    let mut connection = frugal(&server);
    let serve = async {
        let mut line = script.accept_with(unhurried()).await;
        stuff(&mut line).await
    };
    let client = async {
        let (reason, retry_in) = until_closed(&mut connection).await;
        assert_eq!(reason, Disconnect::ListTooLarge);
        assert!(retry_in.is_some_and(|wait| wait >= RETRY_MIN), "{retry_in:?}");
    };
    patiently(async {
        tokio::select! {
            sent = serve => panic!("the client took all of {sent} and did not end the connection"),
            () = client => {}
        }
    })
    .await;
    let size = connection.view().size();
    assert!(size.bytes <= LISTS_BYTES + size.people * PERSON_BYTES, "{size:?}");
}

#[tokio::test]
async fn changes_stuff_a_list_no_more_than_pages_do() {
    let (mut script, server) = Script::listen().await;
    let mut connection = frugal(&server);
    let serve = async {
        let mut line = script.accept_with(unhurried()).await;
        line.serve_list(1, &[entry(1, "bob")]).await;
        for (version, first) in (1..).zip((10..100_000).step_by(10)) {
            let changes = (first..first + 10).map(|id| Change::Joined(giant(id))).collect();
            // That the proof is wrong does not keep the entries out.
            let proof = proof(version + 1, &[]);
            let delta = ServerMessage::Delta { view: VIEW, from: version, proof, changes };
            if !line.try_send(&delta).await {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let client = async { until_closed(&mut connection).await.0 };
    let reason = patiently(async {
        tokio::select! { () = serve => unreachable!("it goes on for ever"), reason = client => reason }
    })
    .await;
    assert_eq!(reason, Disconnect::ListTooLarge);
    let size = connection.view().size();
    // The frame that was one too many is not taken apart.
    let frame = 16 * 1024;
    assert!(size.bytes <= LISTS_BYTES + size.people * PERSON_BYTES + frame, "{size:?}");
}

#[tokio::test]
async fn usual_lists_of_any_length_are_taken() {
    let (mut script, server) = Script::listen().await;
    let mut connection = frugal(&server);
    let people: Vec<Entry> = (0..5_000).map(|id| entry(id, &format!("person {id}"))).collect();
    let serve = async {
        let mut line = script.accept_with(unhurried()).await;
        let request = line.expect_watch().await;
        line.send(&ServerMessage::Result { request, view: Some(VIEW) }).await;
        for (part, first) in people.chunks(100).zip((0..).step_by(100)) {
            let last = if first == 4_900 { u32::MAX } else { first + 99 };
            line.send(&page(first, last, part)).await;
        }
        line.send(&ServerMessage::SnapshotEnd { view: VIEW, proof: proof(1, &people) }).await;
        line
    };
    let client = script::until(&mut connection, |event| matches!(event, Event::Snapshot { .. }));
    patiently(async { tokio::join!(serve, client) }).await;
    assert_eq!(connection.view().len(), people.len());
}

/// An endless goodbye that invites to come back at once, right after the sign-in or instead of it.
#[tokio::test]
async fn nobody_is_made_to_come_back_faster_than_the_pace() {
    for welcomes in [false, true] {
        let (mut script, server) = Script::listen().await;
        let mut connection = frugal(&server);
        let serve = async {
            let mut gaps = Vec::new();
            let mut dismissed_at: Option<Instant> = None;
            for _ in 0..3 {
                let mut line = script.accept().await;
                gaps.extend(dismissed_at.map(|at| now() - at));
                line.expect_hello().await;
                if welcomes {
                    line.send(&ServerMessage::Welcome(unhurried())).await;
                }
                // Taken before the client can know of it, so that the gap is never shorter than its wait.
                dismissed_at = Some(now());
                line.send(&goodbye(CloseReason::InternalError, true, 0)).await;
            }
            gaps
        };
        let drive = async { while connection.next().await.is_some() {} };
        let gaps = patiently(async {
            tokio::select! { gaps = serve => gaps, () = drive => panic!("the client gave up") }
        })
        .await;
        assert!(gaps.len() == 2 && gaps.iter().all(|gap| *gap >= RETRY_MIN), "{gaps:?}");
    }
}

/// Bytes that are no frames, frames that are too long, and frames that are no messages.
#[tokio::test]
async fn nonsense_ends_the_connection_at_the_usual_pace() {
    let nonsense: [&[u8]; 5] = [
        &[0, 0],
        &[0xff; 64],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0, 1, 0xc1],
        &[0, 3, 0x92, 0x41, 0x90],
    ];
    for bytes in nonsense {
        let (mut script, server) = Script::listen().await;
        let mut connection = frugal(&server);
        let serve = async {
            let mut line = script.accept_with(unhurried()).await;
            line.send_bytes(bytes).await;
            line
        };
        let client = async { until_closed(&mut connection).await };
        let (_line, (reason, retry_in)) = patiently(async { tokio::join!(serve, client) }).await;
        assert!(matches!(reason, Disconnect::ProtocolError(_)), "{bytes:?}: {reason:?}");
        assert!(retry_in.is_some_and(|wait| wait >= RETRY_MIN), "{retry_in:?}");
    }
}
