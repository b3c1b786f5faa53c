//! The four obligations of the bounded writer.

use herenow_protocol::frame::split_body;
use herenow_protocol::limits::FRAME_BYTES_MAX;
use herenow_protocol::{DisplayName, Entry, Epoch, UserId};

use super::*;
use crate::roster::Roster;

const VIEW: ViewId = ViewId(1);
const BYTES_MAX: usize = 32_768;

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn now() -> Instant {
    Instant::now()
}

/// A room and one reader of it, whose socket takes as much as the test says.
struct Reading {
    roster: Roster,
    outbox: Outbox,
    socket: Vec<u8>,
    next_id: u32,
}

impl Reading {
    fn new() -> Self {
        let mut outbox = Outbox::new(BYTES_MAX);
        outbox.open(VIEW);
        let roster = Roster::new(VIEW, Epoch([5; 16]));
        Self { roster, outbox, socket: Vec::new(), next_id: 0 }
    }

    fn join(&mut self, count: u32) {
        for _ in 0..count {
            let name = DisplayName::new(&format!("user {}", self.next_id)).expect("valid");
            let (id, presence) = (UserId(self.next_id), Presence::default());
            self.roster.join(Entry { id, name, presence, since_ms: 1_000 });
            self.next_id += 1;
        }
        for delta in self.roster.publish() {
            self.outbox.deliver(&delta);
        }
    }

    fn serve_pages(&mut self) -> bool {
        let Some((_, page)) = self.outbox.wants_pages() else { return false };
        let batch = self.roster.pages(page, 8_000);
        self.outbox.deliver_pages(batch);
        true
    }

    /// The socket takes up to `bytes`.
    fn drain(&mut self, bytes: usize) {
        let mut left = bytes;
        let socket = &mut self.socket;
        let flushed = self.outbox.flush(now(), |chunk| {
            if left == 0 {
                return Poll::Pending;
            }
            let taken = chunk.len().min(left);
            socket.extend_from_slice(&chunk[..taken]);
            left -= taken;
            Poll::Ready(Ok(taken))
        });
        assert!(!matches!(flushed, Poll::Ready(Err(_))));
    }

    fn drain_all(&mut self) {
        while self.serve_pages() || !self.outbox.is_empty() {
            self.drain(usize::MAX);
        }
    }

    /// The proof that the reader was last given for its complete view, if it is complete.
    fn acked(&mut self) -> Option<ViewProof> {
        let before = self.outbox.queue.len();
        self.outbox.push_ack(1);
        let ack = self.outbox.queue.remove(before).expect("just pushed");
        self.outbox.queued_bytes -= ack.len();
        let ServerMessage::HeartbeatAck { views, .. } = decode(&ack)[0].clone() else { panic!() };
        views.first().map(|(_, proof)| *proof)
    }
}

fn decode(mut bytes: &[u8]) -> Vec<ServerMessage> {
    let mut messages = Vec::new();
    while let Some(body) = split_body(&mut bytes, FRAME_BYTES_MAX).expect("sound frames") {
        messages.push(ServerMessage::decode(body).expect("our own frame").expect("a known op"));
    }
    assert!(bytes.is_empty(), "the last frame is cut");
    messages
}

#[test]
fn a_view_is_proved_once_its_snapshot_is_complete() {
    let mut reading = Reading::new();
    reading.join(1_000);
    assert_eq!(reading.acked(), None, "no page is here yet");
    assert!(reading.serve_pages());
    assert_eq!(reading.acked(), None, "more pages follow");
    reading.drain_all();
    assert_eq!(reading.acked(), Some(reading.roster.proof()));
    assert!(matches!(decode(&reading.socket).last(), Some(ServerMessage::SnapshotEnd { .. })));
}

#[test]
fn deltas_between_pages_keep_the_snapshot_exact() {
    let mut reading = Reading::new();
    reading.join(1_000);
    reading.serve_pages();
    reading.drain(usize::MAX);
    reading.join(3);
    reading.drain_all();
    assert_eq!(reading.acked(), Some(reading.roster.proof()));
    reading.join(1);
    assert_eq!(reading.acked(), Some(reading.roster.proof()));
}

#[test]
fn a_reader_that_does_not_read_falls_behind_within_the_bound() {
    let mut reading = Reading::new();
    reading.drain_all();
    for _ in 0..500 {
        reading.join(20);
        assert!(reading.outbox.queued_bytes() <= BYTES_MAX);
    }
    assert_eq!(reading.acked(), None, "what it has is not the list any more");
    assert!(!reading.outbox.has_wish(), "nothing is asked for while the outbox is full");
    reading.drain_all();
    assert_eq!(reading.acked(), Some(reading.roster.proof()), "it converges to the newest list");
    decode(&reading.socket);
}

#[test]
fn pages_asked_for_before_falling_behind_are_not_used() {
    let mut reading = Reading::new();
    reading.join(1_000);
    reading.serve_pages();
    reading.drain(usize::MAX);
    let (_, page) = reading.outbox.wants_pages().expect("more pages are needed");
    let late = reading.roster.pages(page, 8_000);
    for _ in 0..200 {
        reading.join(20);
    }
    let queued = reading.outbox.queued_bytes();
    reading.outbox.deliver_pages(late);
    assert_eq!(reading.outbox.queued_bytes(), queued);
    reading.drain_all();
    assert_eq!(reading.acked(), Some(reading.roster.proof()));
}

#[test]
fn whoever_asks_and_never_reads_stops_itself() {
    let mut outbox = Outbox::new(BYTES_MAX);
    let mut acks = 0;
    while !outbox.is_full() {
        outbox.push_ack(acks);
        acks += 1;
    }
    let over = outbox.queued_bytes().saturating_sub(BYTES_MAX + REPLY_RESERVE);
    assert!(over < 100, "{over} bytes past the reserve");
    assert!(acks <= FRAMES_MAX as u64 + 1, "{acks} frames");
    assert!(outbox.outflow().reading_paused);
}

#[test]
fn after_a_goodbye_nothing_else_is_sent_and_no_frame_is_cut() {
    let goodbye =
        crate::session::goodbye(CloseReason::Replaced, String::new(), std::time::Duration::ZERO);
    for taken in [0, 1, 7, 100] {
        let mut reading = Reading::new();
        reading.join(100);
        reading.serve_pages();
        reading.drain(taken);
        reading.outbox.end(CloseReason::Replaced, goodbye.encode());
        reading.outbox.push_ack(1);
        reading.join(1);
        assert!(!reading.serve_pages());
        reading.drain(usize::MAX);
        let messages = decode(&reading.socket);
        assert_eq!(messages.last(), Some(&goodbye));
        assert!(messages.len() <= 2, "at most the frame that was begun, {taken} bytes taken");
    }
}

#[test]
fn a_closed_view_gets_nothing_more() {
    let mut reading = Reading::new();
    reading.drain_all();
    assert!(reading.outbox.shut(VIEW));
    assert!(!reading.outbox.shut(VIEW), "it is closed already");
    reading.join(5);
    assert!(reading.outbox.is_empty());
    assert_eq!(reading.acked(), None);
}

#[test]
fn a_blocked_socket_is_known_since_its_last_byte() {
    let mut outbox = Outbox::new(BYTES_MAX);
    outbox.push(Bytes::from_static(b"\0\x01\x90"));
    let start = now();
    let blocked = |outbox: &mut Outbox, at| outbox.flush(at, |_| Poll::Pending);
    assert!(blocked(&mut outbox, start).is_pending());
    let later = start + std::time::Duration::from_secs(3);
    assert!(blocked(&mut outbox, later).is_pending());
    assert_eq!(outbox.outflow().blocked_since, Some(start));
    let mut first = true;
    let one_byte = |_: &[u8]| match std::mem::take(&mut first) {
        true => Poll::Ready(Ok(1)),
        false => Poll::Pending,
    };
    assert!(outbox.flush(later, one_byte).is_pending());
    assert_eq!(outbox.outflow().blocked_since, Some(later));
}
