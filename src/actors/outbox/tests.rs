//! The four obligations of the bounded writer.

mod model;
mod repair;

use herenow_protocol::frame::split_body;
use herenow_protocol::limits::FRAME_BYTES_MAX;
use herenow_protocol::{DisplayName, Epoch, Shown, Status, StatusText, ViewProof};

use super::*;
use crate::roster::Roster;

const VIEW: ViewId = ViewId(1);
const BYTES_MAX: usize = 32_768;
const LOG_BYTES: usize = 16_384;

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
        let roster = Roster::new(VIEW, Epoch([5; 16]), LOG_BYTES);
        Self { roster, outbox, socket: Vec::new(), next_id: 0 }
    }

    fn join(&mut self, count: u32) {
        for _ in 0..count {
            let name = DisplayName::new(&format!("user {}", self.next_id)).expect("valid");
            self.roster.join(name, Shown::default());
            self.next_id += 1;
        }
        self.publish();
    }

    /// Somebody says something else.
    fn update(&mut self, id: u32, text: &str) {
        let text = StatusText::new(text).expect("valid");
        let shown = Shown { presence: Presence::chosen(Status::Away, text), ..Shown::default() };
        self.roster.update(UserId(id), &shown);
        self.publish();
    }

    fn publish(&mut self) {
        for delta in self.roster.publish() {
            self.outbox.deliver(&delta);
        }
    }

    /// Serves one wish, as the registry does.
    fn serve(&mut self) -> bool {
        let Some((VIEW, wish)) = self.outbox.next_wish() else { return false };
        self.answer(wish);
        true
    }

    fn answer(&mut self, wish: Wish) {
        let Self { roster, outbox, .. } = self;
        match wish {
            Wish::Pages(from) => outbox.deliver_pages(roster.pages(from, 8_000)),
            Wish::Since(version) => match roster.missed(version, 8_000) {
                Some(missed) => outbox.deliver_missed(missed),
                None => outbox.deliver_pages(roster.pages(0, 8_000)),
            },
            Wish::Buckets(from) => outbox.deliver_buckets(roster.buckets(from)),
            Wish::Ranges(ranges) => outbox.deliver_ranges(roster.ranges(ranges, 8_000)),
        }
    }

    /// A list of so many whose reader has everything.
    fn live(count: u32) -> Self {
        let mut reading = Self::new();
        reading.join(count);
        reading.drain_all();
        reading.said();
        reading
    }

    /// What the socket took since the last call.
    fn said(&mut self) -> Vec<ServerMessage> {
        decode(&std::mem::take(&mut self.socket))
    }

    /// The socket takes up to `bytes`.
    fn drain(&mut self, bytes: usize) {
        let mut left = bytes;
        let socket = &mut self.socket;
        let flushed = self.outbox.flush(now(), |frames| {
            if left == 0 {
                return Poll::Pending;
            }
            let chunk: Vec<u8> = frames.iter().flat_map(|frame| frame.iter().copied()).collect();
            let taken = chunk.len().min(left);
            socket.extend_from_slice(&chunk[..taken]);
            left -= taken;
            Poll::Ready(Ok(taken))
        });
        assert!(!matches!(flushed, Poll::Ready(Err(_))));
    }

    /// A step of the view past the queue, of which the socket takes up to `bytes`.
    fn tell(&mut self, delta: &PublishedDelta, bytes: usize) {
        let Self { outbox, socket, .. } = self;
        let told = outbox.tell(delta, now(), |frame| {
            let taken = frame.len().min(bytes);
            socket.extend_from_slice(&frame[..taken]);
            if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
        });
        assert!(!matches!(told, Poll::Ready(Err(_))));
        assert_eq!(told.is_pending(), !outbox.is_empty());
    }

    fn drain_all(&mut self) {
        while self.serve() || !self.outbox.is_empty() {
            self.drain(usize::MAX);
        }
    }

    /// The proof that the reader was last given for its complete view, if it is complete.
    fn acked(&mut self) -> Option<ViewProof> {
        let before = self.outbox.queue.len();
        self.outbox.push_ack(1, Duration::ZERO);
        let ack = self.outbox.queue.remove(before).expect("just pushed");
        self.outbox.queued_bytes -= size(ack.len());
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
    assert!(reading.serve());
    assert_eq!(reading.acked(), None, "more pages follow");
    reading.drain_all();
    assert_eq!(reading.acked(), Some(reading.roster.proof()));
    assert!(matches!(decode(&reading.socket).last(), Some(ServerMessage::SnapshotEnd { .. })));
}

#[test]
fn deltas_between_pages_keep_the_snapshot_exact() {
    let mut reading = Reading::new();
    reading.join(1_000);
    reading.serve();
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
fn who_fell_behind_a_little_gets_what_was_missed_and_no_snapshot() {
    let mut reading = Reading::live(1_000);
    let held = Bytes::from(vec![0; BYTES_MAX - 10]);
    reading.outbox.push(held);
    reading.update(3, "brb");
    reading.join(1);
    assert_eq!(reading.acked(), None);
    reading.drain(usize::MAX);
    reading.socket.clear();
    assert_eq!(reading.outbox.next_wish(), Some((VIEW, Wish::Since(1_000))));
    reading.answer(Wish::Since(1_000));
    reading.drain(usize::MAX);
    let said = reading.said();
    let [delta, end] = &said[..] else { panic!("{said:?}") };
    let ServerMessage::Delta { from: 1_000, changes, .. } = delta else { panic!("{delta:?}") };
    assert_eq!(changes.len(), 2, "one delta for both steps");
    assert_eq!(end, &ServerMessage::SnapshotEnd { view: VIEW, proof: reading.roster.proof() });
    assert_eq!(reading.acked(), Some(reading.roster.proof()));
}

#[test]
fn a_copy_that_a_resumed_client_has_goes_on() {
    let mut reading = Reading::live(1_000);
    let version = reading.roster.proof().version;
    reading.outbox = Outbox::new(BYTES_MAX);
    reading.outbox.go_on(VIEW, version);
    assert_eq!(reading.acked(), None, "nothing is proved yet");
    reading.update(3, "brb");
    reading.drain_all();
    let said = reading.said();
    assert!(matches!(said[..], [ServerMessage::Delta { from, .. }, _] if from == version));
    assert_eq!(reading.acked(), Some(reading.roster.proof()));
}

#[test]
fn a_copy_that_missed_nothing_only_proves_itself() {
    let mut reading = Reading::live(10);
    let proof = reading.roster.proof();
    reading.outbox = Outbox::new(BYTES_MAX);
    reading.outbox.go_on(VIEW, proof.version);
    reading.drain_all();
    assert_eq!(reading.said(), [ServerMessage::SnapshotEnd { view: VIEW, proof }]);
}

#[test]
fn a_copy_that_is_too_old_gets_a_snapshot() {
    let mut reading = Reading::live(500);
    for n in 0..500 {
        reading.update(n, "somewhere else, as everybody is today");
    }
    reading.outbox = Outbox::new(BYTES_MAX);
    reading.outbox.go_on(VIEW, 500);
    reading.drain_all();
    let said = reading.said();
    assert!(said.iter().all(|message| !matches!(message, ServerMessage::Delta { .. })));
    assert_eq!(reading.acked(), Some(reading.roster.proof()));
}

#[test]
fn what_was_missed_after_another_version_is_not_used() {
    let mut reading = Reading::live(10);
    reading.outbox.go_on(VIEW, 10);
    let (_, wish) = reading.outbox.next_wish().expect("it wants what it missed");
    // The client asks for the view anew before the answer is here.
    reading.outbox.open(VIEW);
    reading.answer(wish);
    assert_eq!(reading.acked(), None);
    reading.drain_all();
    assert!(matches!(reading.said()[0], ServerMessage::SnapshotPage { .. }));
    assert_eq!(reading.acked(), Some(reading.roster.proof()));
}

#[test]
fn a_view_that_is_closed_and_opened_again_is_not_confused_by_late_answers() {
    let mut reading = Reading::new();
    reading.join(1_000);
    assert!(reading.serve());
    reading.drain(usize::MAX);
    let (_, of_the_closed) = reading.outbox.next_wish().expect("more pages are needed");
    reading.outbox.shut(VIEW);
    reading.outbox.open(VIEW);
    // From here on an answer comes when the next question is already on its way.
    let mut under_way = of_the_closed;
    for _ in 0..20 {
        let next = reading.outbox.next_wish();
        reading.answer(under_way);
        reading.drain(usize::MAX);
        let Some((_, wish)) = next.or_else(|| reading.outbox.next_wish()) else { break };
        under_way = wish;
    }
    assert_eq!(reading.acked(), Some(reading.roster.proof()), "the snapshot comes to its end");
}

#[test]
fn nothing_is_pushed_that_was_not_asked_for() {
    let mut reading = Reading::live(10);
    for wish in [Wish::Pages(0), Wish::Since(10), Wish::Buckets(0), Wish::Ranges(Vec::new())] {
        reading.answer(wish);
    }
    assert!(reading.outbox.is_empty());
}

#[test]
fn how_others_see_the_user_is_never_older_than_what_was_told() {
    let me = |status| Some(Presence { status, ..Presence::default() });
    let acked = |outbox: &mut Outbox| {
        outbox.push_ack(1, Duration::ZERO);
        let ack = outbox.queue.pop_back().expect("just pushed");
        let ServerMessage::HeartbeatAck { me, .. } = decode(&ack)[0].clone() else { panic!() };
        me
    };
    let mut outbox = Outbox::new(BYTES_MAX);
    assert_eq!(acked(&mut outbox), None);
    outbox.set_first_me(me(Status::Available));
    assert_eq!(acked(&mut outbox), me(Status::Available));
    outbox.set_me(None);
    assert_eq!(acked(&mut outbox), None, "invisible from now on");
    // The sign-in was answered before, but the answer waited for the disk.
    let mut outbox = Outbox::new(BYTES_MAX);
    outbox.set_me(me(Status::Busy));
    outbox.set_first_me(me(Status::Available));
    assert_eq!(acked(&mut outbox), me(Status::Busy));
}

#[test]
fn pages_asked_for_before_falling_behind_are_not_used() {
    let mut reading = Reading::new();
    reading.join(1_000);
    reading.serve();
    reading.drain(usize::MAX);
    let Some((VIEW, Wish::Pages(page))) = reading.outbox.next_wish() else { panic!() };
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
        outbox.push_ack(acks, Duration::ZERO);
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
        reading.serve();
        reading.drain(taken);
        reading.outbox.end(CloseReason::Replaced, goodbye.encode());
        reading.outbox.push_ack(1, Duration::ZERO);
        reading.join(1);
        assert!(!reading.serve());
        reading.drain(usize::MAX);
        let messages = decode(&reading.socket);
        assert_eq!(messages.last(), Some(&goodbye));
        assert!(messages.len() <= 2, "at most the frame that was begun, {taken} bytes taken");
    }
}

#[test]
fn a_step_that_goes_past_the_queue_is_whole_whatever_the_socket_takes() {
    for taken in [0, 1, 30, usize::MAX] {
        let mut reading = Reading::live(3);
        reading.roster.leave(UserId(1), CloseReason::Goodbye);
        let [delta] = &reading.roster.publish()[..] else { panic!("one change is one step") };
        reading.tell(delta, taken);
        let waits = delta.frame.len().saturating_sub(taken);
        assert_eq!(reading.outbox.queued_bytes(), waits, "{taken} bytes taken");
        assert_eq!(reading.outbox.outflow().blocked_since.is_some(), waits > 0);
        reading.drain(usize::MAX);
        assert_eq!(reading.socket, delta.frame);
        assert_eq!(reading.acked(), Some(delta.proof));
    }
}

#[test]
fn who_does_not_have_the_version_before_is_not_told_past_the_queue_either() {
    let mut reading = Reading::live(3);
    reading.roster.leave(UserId(1), CloseReason::Goodbye);
    reading.roster.publish();
    reading.roster.leave(UserId(2), CloseReason::Goodbye);
    let [delta] = &reading.roster.publish()[..] else { panic!("one change is one step") };
    reading.tell(delta, usize::MAX);
    assert!(reading.socket.is_empty() && reading.outbox.has_wish(), "it lacks a step");
    reading.drain_all();
    assert_eq!(reading.acked(), Some(delta.proof));
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
    let one_byte = |_: &[IoSlice<'_>]| match std::mem::take(&mut first) {
        true => Poll::Ready(Ok(1)),
        false => Poll::Pending,
    };
    assert!(outbox.flush(later, one_byte).is_pending());
    assert_eq!(outbox.outflow().blocked_since, Some(later));
}
