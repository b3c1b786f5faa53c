//! A list against a naive reader of its frames.

mod missed;
mod model;

use std::borrow::Borrow;
use std::collections::BTreeMap;

use herenow_protocol::frame::split_body;
use herenow_protocol::limits::{FRAME_BYTES_MAX, METADATA_BYTES_MAX, SERVER_FRAME_BYTES_MAX};
use herenow_protocol::{
    Change, DeviceLabel, Metadata, Presence, ServerMessage, Status, StatusText,
};

use super::*;

const VIEW: ViewId = ViewId(1);
const EPOCH: Epoch = Epoch([9; 16]);
const LOG_BYTES: usize = 64 * 1024;

/// What somebody who only has the document would keep.
#[derive(Clone, Default)]
struct Reader {
    version: u64,
    entries: BTreeMap<u32, Entry>,
}

impl Reader {
    fn read(&mut self, frame: &Bytes) {
        match decode(frame) {
            ServerMessage::SnapshotPage { first, last, entries, .. } => {
                assert!(entries.iter().all(|entry| (first..=last).contains(&entry.id)));
                self.entries.retain(|id, _| !(first.0..=last.0).contains(id));
                self.entries.extend(entries.into_iter().map(|entry| (entry.id.0, entry)));
            }
            ServerMessage::Delta { from, proof, changes, .. } => {
                assert_eq!(from, self.version, "versions are consecutive");
                changes.into_iter().for_each(|change| self.change(change));
                self.version = proof.version;
                assert_eq!(self.proof(), proof);
            }
            other => panic!("a roster does not send {other:?}"),
        }
    }

    fn read_all<'a>(&mut self, frames: impl IntoIterator<Item = &'a Bytes>) {
        frames.into_iter().for_each(|frame| self.read(frame));
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Joined(entry) => {
                assert_eq!(self.entries.insert(entry.id.0, entry), None, "joined twice");
            }
            Change::Updated { id, shown } => {
                self.entries.get_mut(&id.0).expect("only the listed are updated").shown = shown;
            }
            Change::Left { id, .. } => {
                self.entries.remove(&id.0).expect("only the listed leave");
            }
        }
    }

    fn proof(&self) -> ViewProof {
        let count = u32::try_from(self.entries.len()).expect("few");
        ViewProof { version: self.version, count, digest: sum(self.entries.values()) }
    }

    fn snapshot(roster: &mut Roster) -> Self {
        let mut reader = Self::default();
        let mut from = Some(0);
        while let Some(page) = from {
            let batch = roster.pages(page, 4_000);
            reader.read_all(&batch.frames);
            (from, reader.version) = (batch.next, batch.proof.version);
        }
        assert_eq!(reader.proof(), roster.proof());
        reader
    }

    fn names(&self) -> Vec<&str> {
        self.entries.values().map(|entry| entry.name.as_str()).collect()
    }
}

fn decode(frame: &Bytes) -> ServerMessage {
    assert!(frame.len() - 2 <= SERVER_FRAME_BYTES_MAX, "a frame of {} bytes", frame.len());
    let body = split_body(&mut &frame[..], FRAME_BYTES_MAX).expect("sound").expect("whole");
    ServerMessage::decode(body).expect("our own frame").expect("a known op")
}

fn sum(entries: impl Iterator<Item = impl Borrow<Entry>>) -> Digest {
    let hasher = EntryHasher::new(EPOCH);
    let mut digest = Digest::default();
    entries.for_each(|entry| digest.add(hasher.hash(entry.borrow())));
    digest
}

fn empty() -> Roster {
    Roster::new(VIEW, EPOCH, LOG_BYTES)
}

/// A published list of so many.
fn crowd(count: u32) -> Roster {
    let mut roster = empty();
    for n in 0..count {
        roster.join(name(&format!("user {n}")), Shown::default());
    }
    roster.publish();
    roster
}

fn name(text: &str) -> DisplayName {
    DisplayName::new(text).expect("a test name is valid")
}

fn busy(text: &str) -> Shown {
    let text = StatusText::new(text).expect("a test text is valid");
    Shown { presence: Presence::chosen(Status::Busy, text), since_ms: 2_000, ..Shown::default() }
}

/// The most that others can be shown of anybody.
fn heaviest() -> Shown {
    let value = "v".repeat(METADATA_BYTES_MAX - 6);
    let label = DeviceLabel::new(&"l".repeat(64)).expect("64 bytes are allowed");
    let mut shown = busy(&"🦊".repeat(140));
    (shown.presence.automatic, shown.presence.until_ms) = (true, (1 << 53) - 1);
    Shown {
        since_ms: (1 << 53) - 1,
        devices: (0..16).map(|_| label.clone()).collect(),
        metadata: Metadata::new([("k", &*value)]).expect("1,024 bytes are allowed"),
        ..shown
    }
}

fn frames(deltas: &[PublishedDelta]) -> impl Iterator<Item = &Bytes> {
    deltas.iter().map(|delta| &delta.frame)
}

fn ids(ranges: &[(u32, u32)]) -> Vec<(UserId, UserId)> {
    ranges.iter().map(|&(first, last)| (UserId(first), UserId(last))).collect()
}

#[test]
fn a_reader_follows_every_change() {
    let (mut roster, mut reader) = (empty(), Reader::default());
    let ada = roster.join(name("ada"), Shown::default());
    reader.read_all(frames(&roster.publish()));
    roster.update(ada, &busy("deep in it"));
    roster.join(name("bob"), Shown::default());
    reader.read_all(frames(&roster.publish()));
    assert_eq!(reader.entries[&ada.0].shown, busy("deep in it"));
    assert!(roster.leave(ada, CloseReason::Goodbye), "ada was there");
    reader.read_all(frames(&roster.publish()));
    assert_eq!(reader.names(), ["bob"]);
}

#[test]
fn within_one_publication_the_newest_state_wins() {
    let (mut roster, mut reader) = (empty(), Reader::default());
    let ada = roster.join(name("ada"), Shown::default());
    ["one", "two", "three"].iter().for_each(|text| assert!(roster.update(ada, &busy(text))));
    let deltas = roster.publish();
    assert_eq!(deltas.len(), 1);
    reader.read_all(frames(&deltas));
    assert_eq!(reader.entries[&ada.0].shown, busy("three"));
    assert_eq!((deltas[0].from, deltas[0].proof.version), (0, 4), "four changes, one delta");
}

#[test]
fn who_comes_and_goes_unseen_is_an_empty_step() {
    let (mut roster, mut reader) = (empty(), Reader::default());
    let ada = roster.join(name("ada"), Shown::default());
    roster.leave(ada, CloseReason::ConnectionClosed);
    let deltas = roster.publish();
    reader.read_all(frames(&deltas));
    assert_eq!((reader.entries.len(), reader.version), (0, 2));
    assert!(matches!(decode(&deltas[0].frame),
        ServerMessage::Delta { changes, .. } if changes.is_empty()));
    assert!(roster.publish().is_empty(), "nothing new");
}

#[test]
fn a_leave_carries_its_newest_cause() {
    let mut roster = crowd(1);
    roster.leave(UserId(0), CloseReason::HeartbeatTimeout);
    let deltas = roster.publish();
    let ServerMessage::Delta { changes, .. } = decode(&deltas[0].frame) else { panic!() };
    let cause = CloseReason::HeartbeatTimeout;
    assert_eq!(changes, [Change::Left { id: UserId(0), cause }]);
}

#[test]
fn what_changes_nothing_is_no_step() {
    let mut roster = crowd(1);
    roster.update(UserId(0), &Shown::default());
    roster.update(UserId(7), &busy("nobody"));
    assert!(!roster.leave(UserId(7), CloseReason::Goodbye));
    assert!(!roster.is_dirty());
}

#[test]
fn an_id_rests_until_its_leave_is_published() {
    let mut roster = crowd(2);
    roster.leave(UserId(0), CloseReason::Goodbye);
    assert_eq!(roster.join(name("bob"), Shown::default()), UserId(2), "0 is still ada for others");
    roster.publish();
    assert_eq!(roster.join(name("eve"), Shown::default()), UserId(0));
}

#[test]
fn a_large_publication_is_split_and_proves_itself_at_every_step() {
    let (mut roster, mut reader) = (empty(), Reader::default());
    for n in 0..2_000 {
        roster.join(name(&format!("user number {n} with a rather long name")), Shown::default());
    }
    let deltas = roster.publish();
    assert!(deltas.len() > 5, "{} deltas", deltas.len());
    reader.read_all(frames(&deltas));
    assert_eq!(reader.proof(), roster.proof());
}

#[test]
fn the_heaviest_entries_still_fit_their_frames() {
    let (mut roster, mut reader) = (empty(), Reader::default());
    for n in 0..PAGE_IDS + 3 {
        roster.join(name(&format!("{n:0>64}")), heaviest());
    }
    let deltas = roster.publish();
    assert!(deltas.len() > 15, "{} deltas of entries of 3 KiB", deltas.len());
    reader.read_all(frames(&deltas));
    assert_eq!(Reader::snapshot(&mut roster).entries, reader.entries);
    let mut repaired = Reader { version: roster.proof().version, ..Reader::default() };
    repaired.read_all(&roster.ranges(ids(&[(0, u32::MAX)]), usize::MAX).frames);
    assert_eq!(repaired.entries, reader.entries);
}

#[test]
fn pages_are_encoded_once_and_again_only_where_they_changed() {
    let mut roster = crowd(PAGE_IDS * 3);
    let address = |batch: &PageBatch| batch.frames.iter().map(|f| f.as_ptr()).collect::<Vec<_>>();
    let first = roster.pages(0, usize::MAX);
    assert_eq!(address(&first)[..3], address(&roster.pages(0, usize::MAX))[..3]);
    roster.update(UserId(PAGE_IDS), &busy("x"));
    roster.publish();
    let second = roster.pages(0, usize::MAX);
    let same: Vec<_> = (0..3).map(|n| address(&first)[n] == address(&second)[n]).collect();
    assert_eq!(same, [true, false, true]);
}

#[test]
fn the_last_page_says_that_there_is_nobody_beyond() {
    let mut reader = Reader::default();
    let ghost = Entry { id: UserId(5_000_000), name: name("ghost"), shown: Shown::default() };
    reader.entries.insert(ghost.id.0, ghost);
    reader.read_all(&crowd(3).pages(0, usize::MAX).frames);
    assert_eq!(reader.entries.len(), 3);
}

#[test]
#[should_panic(expected = "pages are taken from the published list")]
fn pages_are_never_ahead_of_the_deltas() {
    let mut roster = crowd(1);
    roster.update(UserId(0), &busy("x"));
    roster.pages(0, usize::MAX);
}

#[test]
fn buckets_add_up_to_the_digest_and_to_their_entries() {
    let mut roster = crowd(PAGE_IDS * 2 + 5);
    roster.update(UserId(PAGE_IDS), &busy("x"));
    roster.leave(UserId(1), CloseReason::Goodbye);
    roster.publish();
    let batch = roster.buckets(0);
    let ServerMessage::Buckets { view, first, width, digests, more } = decode(&batch.frame) else {
        panic!()
    };
    assert_eq!((view, first, width, more, digests.len()), (VIEW, 0, PAGE_IDS, false, 3));
    let mut total = Digest::default();
    digests.iter().for_each(|digest| total.add(*digest));
    assert_eq!(total, roster.proof().digest);
    for (digest, bucket) in digests.into_iter().zip(0..) {
        let of_bucket = roster.entries().filter(|entry| entry.id.0 / PAGE_IDS == bucket);
        assert_eq!(digest, sum(of_bucket));
        assert_eq!(digest, roster.bucket(bucket));
    }
    assert_eq!(roster.bucket(99), Digest::default());
}

#[test]
fn more_buckets_than_a_frame_holds_come_in_several() {
    let mut roster = crowd(1_021 * PAGE_IDS);
    let (mut from, mut all) = (Some(0), Vec::new());
    while let Some(bucket) = from {
        let batch = roster.buckets(bucket);
        let ServerMessage::Buckets { first, digests, more, .. } = decode(&batch.frame) else {
            panic!()
        };
        assert_eq!((first, more), (bucket, batch.next.is_some()));
        all.extend(digests);
        from = batch.next;
    }
    assert_eq!(all.len(), 1_021);
    let beyond = roster.buckets(5_000);
    let ServerMessage::Buckets { digests, more: false, .. } = decode(&beyond.frame) else {
        panic!()
    };
    assert!(digests.is_empty());
    roster.leave(UserId(0), CloseReason::Goodbye);
    roster.publish();
    assert_ne!(roster.bucket(0), all[0]);
}

#[test]
fn ranges_are_repaired_by_whole_pages() {
    let mut roster = crowd(PAGE_IDS * 3);
    let batch = roster.ranges(ids(&[(PAGE_IDS, PAGE_IDS * 2 - 1)]), usize::MAX);
    assert_eq!((batch.frames.len(), batch.rest.len()), (1, 0));
    let ServerMessage::SnapshotPage { first, last, entries, .. } = decode(&batch.frames[0]) else {
        panic!()
    };
    assert_eq!((first.0, last.0, entries.len()), (PAGE_IDS, PAGE_IDS * 2 - 1, PAGE_IDS as usize));
    let inside = roster.ranges(ids(&[(PAGE_IDS + 3, PAGE_IDS + 3)]), usize::MAX);
    assert_eq!(inside.frames, batch.frames, "a part of a page is repaired by the page");
}

#[test]
fn a_range_over_the_end_says_that_there_is_nobody() {
    let mut roster = crowd(PAGE_IDS + 1);
    for range in [(0, u32::MAX), (PAGE_IDS, u32::MAX), (PAGE_IDS * 7, PAGE_IDS * 8 - 1)] {
        let batch = roster.ranges(ids(&[range]), usize::MAX);
        let last = decode(batch.frames.last().expect("every range has an answer"));
        let ServerMessage::SnapshotPage { first, last, entries, .. } = last else { panic!() };
        assert_eq!((first.0, last.0, entries.len()), (PAGE_IDS * 2, u32::MAX, 0), "{range:?}");
    }
    let nobody = empty().ranges(ids(&[(0, 127)]), usize::MAX);
    assert_eq!((nobody.frames.len(), nobody.rest.len()), (1, 0));
}

#[test]
fn what_does_not_fit_a_batch_of_ranges_is_left_for_the_next() {
    let mut roster = crowd(PAGE_IDS * 4);
    let whole = roster.ranges(ids(&[(0, 200), (300, 511)]), usize::MAX).frames;
    let (mut rest, mut frames, mut batches) = (ids(&[(0, 200), (300, 511)]), Vec::new(), 0);
    while !rest.is_empty() {
        let batch = roster.ranges(rest, 1);
        assert_eq!(batch.frames.len(), 1, "at least one, and no more than was asked for");
        frames.extend(batch.frames);
        rest = batch.rest;
        batches += 1;
    }
    assert_eq!((batches, frames), (4, whole));
}

#[test]
fn entries_are_read_from_any_id_on() {
    let roster = crowd(5);
    let from = |id| roster.entries_from(UserId(id)).map(|e| e.id.0).collect::<Vec<_>>();
    assert_eq!((from(3), from(5), from(u32::MAX)), (vec![3, 4], vec![], vec![]));
}

#[test]
fn an_entry_weighs_at_least_what_it_takes_on_the_wire() {
    for (text, shown) in [("a", Shown::default()), (&"n".repeat(64), heaviest())] {
        let entry = Entry { id: UserId(u32::MAX), name: name(text), shown };
        let page = |entries| ServerMessage::SnapshotPage {
            view: VIEW,
            first: UserId(0),
            last: UserId(u32::MAX),
            entries,
        };
        let taken = page(vec![entry.clone()]).encode().len() - page(Vec::new()).encode().len();
        assert!(taken <= weight(&entry), "{taken} bytes, weighed as {}", weight(&entry));
    }
}

#[test]
fn who_changes_and_changes_back_is_a_step_without_news() {
    let mut roster = crowd(2);
    let (id, before) = (UserId(1), roster.proof());
    let presence = Presence { status: Status::Busy, ..Presence::default() };
    roster.update(id, &Shown { presence, ..Shown::default() });
    roster.update(id, &Shown::default());
    let deltas = roster.publish();
    let [PublishedDelta { from, proof, frame, .. }] = &deltas[..] else { panic!("{deltas:?}") };
    assert_eq!((*from, proof.version), (before.version, before.version + 2));
    assert_eq!((proof.count, proof.digest), (before.count, before.digest));
    assert!(matches!(decode(frame), ServerMessage::Delta { changes, .. } if changes.is_empty()));
}
