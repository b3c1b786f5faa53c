//! A room against a naive reader of its frames.

use std::collections::BTreeMap;

use herenow_protocol::digest::EntryHasher;
use herenow_protocol::frame::split_body;
use herenow_protocol::limits::FRAME_BYTES_MAX;
use herenow_protocol::{DisplayName, Status, StatusText};
use proptest::prelude::*;

use super::*;

const VIEW: ViewId = ViewId(1);
const EPOCH: Epoch = Epoch([9; 16]);

/// What somebody who only has the document would keep.
#[derive(Default)]
struct Reader {
    version: u64,
    entries: BTreeMap<u32, Entry>,
}

impl Reader {
    fn read(&mut self, frame: &Bytes) {
        assert!(frame.len() - 2 <= SERVER_FRAME_BYTES_MAX, "a frame of {} bytes", frame.len());
        let body =
            split_body(&mut &frame[..], FRAME_BYTES_MAX).expect("sound").expect("whole").to_vec();
        match ServerMessage::decode(&body).expect("our own frame").expect("a known op") {
            ServerMessage::SnapshotPage { first, last, entries, .. } => {
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

    fn change(&mut self, change: Change) {
        match change {
            Change::Joined(entry) => {
                assert_eq!(self.entries.insert(entry.id.0, entry), None, "joined twice");
            }
            Change::Updated { id, presence, since_ms } => {
                let entry = self.entries.get_mut(&id.0).expect("only the listed are updated");
                (entry.presence, entry.since_ms) = (presence, since_ms);
            }
            Change::Left { id, .. } => {
                self.entries.remove(&id.0).expect("only the listed leave");
            }
        }
    }

    fn proof(&self) -> ViewProof {
        let hasher = EntryHasher::new(EPOCH);
        let mut digest = Digest::default();
        self.entries.values().for_each(|entry| digest.add(hasher.hash(entry)));
        let count = u32::try_from(self.entries.len()).expect("few");
        ViewProof { version: self.version, count, digest }
    }

    fn snapshot(roster: &mut Roster) -> Self {
        let mut reader = Self::default();
        let mut from = Some(0);
        while let Some(page) = from {
            let batch = roster.pages(page, 4_000);
            batch.frames.iter().for_each(|frame| reader.read(frame));
            (from, reader.version) = (batch.next, batch.proof.version);
        }
        assert_eq!(reader.proof(), roster.proof());
        reader
    }
}

fn entry(id: u32, name: &str) -> Entry {
    let name = DisplayName::new(name).expect("a test name is valid");
    Entry { id: UserId(id), name, presence: Presence::default(), since_ms: 1_000 }
}

fn busy(text: &str) -> Presence {
    Presence { status: Status::Busy, text: StatusText::new(text).expect("a test text is valid") }
}

fn read_all(reader: &mut Reader, deltas: &[PublishedDelta]) {
    deltas.iter().for_each(|delta| reader.read(&delta.frame));
}

#[test]
fn a_reader_follows_every_change() {
    let (mut roster, mut reader) = (Roster::new(VIEW, EPOCH), Reader::default());
    roster.join(entry(0, "ada"));
    read_all(&mut reader, &roster.publish());
    roster.update(UserId(0), busy("deep in it"), 2_000);
    roster.join(entry(1, "bob"));
    read_all(&mut reader, &roster.publish());
    assert_eq!(reader.entries[&0].presence, busy("deep in it"));
    roster.leave(UserId(0), CloseReason::Goodbye);
    read_all(&mut reader, &roster.publish());
    assert_eq!(reader.entries.keys().copied().collect::<Vec<_>>(), [1]);
}

#[test]
fn within_one_publication_the_newest_state_wins() {
    let mut roster = Roster::new(VIEW, EPOCH);
    roster.join(entry(0, "ada"));
    for text in ["one", "two", "three"] {
        roster.update(UserId(0), busy(text), 2_000);
    }
    let deltas = roster.publish();
    assert_eq!(deltas.len(), 1);
    let mut reader = Reader::default();
    read_all(&mut reader, &deltas);
    assert_eq!(reader.entries[&0].presence, busy("three"));
    assert_eq!((deltas[0].from, deltas[0].proof.version), (0, 4), "four changes, one delta");
}

#[test]
fn who_comes_and_goes_unseen_is_not_announced() {
    let mut roster = Roster::new(VIEW, EPOCH);
    roster.join(entry(0, "ada"));
    roster.leave(UserId(0), CloseReason::ConnectionClosed);
    let deltas = roster.publish();
    let mut reader = Reader::default();
    read_all(&mut reader, &deltas);
    assert_eq!((reader.entries.len(), reader.version), (0, 2));
    assert!(roster.publish().is_empty(), "nothing new");
}

#[test]
fn the_same_presence_again_is_no_change() {
    let mut roster = Roster::new(VIEW, EPOCH);
    roster.join(entry(0, "ada"));
    roster.publish();
    roster.update(UserId(0), Presence::default(), 9_000);
    assert!(!roster.is_dirty());
    assert_eq!(roster.get(UserId(0)).map(|entry| entry.since_ms), Some(1_000));
}

#[test]
fn a_large_publication_is_split_and_proves_itself_at_every_step() {
    let (mut roster, mut reader) = (Roster::new(VIEW, EPOCH), Reader::default());
    for id in 0..2_000 {
        roster.join(entry(id, &format!("user number {id} with a rather long name")));
    }
    let deltas = roster.publish();
    assert!(deltas.len() > 5, "{} deltas", deltas.len());
    read_all(&mut reader, &deltas);
    assert_eq!(reader.proof(), roster.proof());
}

#[test]
fn the_longest_entries_still_fit_their_frames() {
    let mut roster = Roster::new(VIEW, EPOCH);
    for id in 0..PAGE_IDS * 2 {
        let mut entry = entry(id, &format!("{id:0>64}"));
        entry.presence = busy(&"🦊".repeat(140));
        entry.since_ms = u64::MAX >> 11;
        roster.join(entry);
    }
    let mut reader = Reader::default();
    read_all(&mut reader, &roster.publish());
    assert_eq!(Reader::snapshot(&mut roster).entries, reader.entries);
}

#[test]
fn pages_are_encoded_once_and_again_only_where_they_changed() {
    let mut roster = Roster::new(VIEW, EPOCH);
    (0..PAGE_IDS * 3).for_each(|id| roster.join(entry(id, &format!("user {id}"))));
    roster.publish();
    let address = |batch: &PageBatch| batch.frames.iter().map(|f| f.as_ptr()).collect::<Vec<_>>();
    let first = roster.pages(0, usize::MAX);
    assert_eq!(address(&first)[..3], address(&roster.pages(0, usize::MAX))[..3]);
    roster.update(UserId(PAGE_IDS), busy("x"), 2_000);
    roster.publish();
    let second = roster.pages(0, usize::MAX);
    let same: Vec<_> = (0..3).map(|n| address(&first)[n] == address(&second)[n]).collect();
    assert_eq!(same, [true, false, true]);
}

#[test]
#[should_panic(expected = "still listed for watchers")]
fn an_id_is_not_used_again_before_its_leave_is_published() {
    let mut roster = Roster::new(VIEW, EPOCH);
    roster.join(entry(0, "ada"));
    roster.publish();
    roster.leave(UserId(0), CloseReason::Goodbye);
    roster.join(entry(0, "bob"));
}

#[derive(Clone, Debug)]
enum Op {
    Join(u32),
    Update(u32, u8),
    Leave(u32),
    Publish,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..300_u32).prop_map(Op::Join),
        3 => (0..300_u32, any::<u8>()).prop_map(|(id, text)| Op::Update(id, text)),
        2 => (0..300_u32).prop_map(Op::Leave),
        1 => Just(Op::Publish),
    ]
}

proptest! {
    #[test]
    fn any_history_reaches_every_reader(ops in proptest::collection::vec(op(), 0..400)) {
        let (mut roster, mut reader) = (Roster::new(VIEW, EPOCH), Reader::default());
        let mut naive = BTreeMap::new();
        let mut resting = Vec::new();
        for op in ops {
            match op {
                Op::Join(id) if !naive.contains_key(&id) && !resting.contains(&id) => {
                    let entry = entry(id, &format!("user {id}"));
                    naive.insert(id, entry.clone());
                    roster.join(entry);
                }
                Op::Update(id, text) if naive.contains_key(&id) => {
                    let presence = busy(&text.to_string());
                    roster.update(UserId(id), presence.clone(), u64::from(text));
                    let entry = naive.get_mut(&id).expect("just checked");
                    if entry.presence != presence {
                        (entry.presence, entry.since_ms) = (presence, u64::from(text));
                    }
                }
                Op::Leave(id) if naive.remove(&id).is_some() => {
                    roster.leave(UserId(id), CloseReason::Goodbye);
                    resting.push(id);
                }
                Op::Publish => {
                    read_all(&mut reader, &roster.publish());
                    resting.clear();
                }
                _ => {}
            }
        }
        read_all(&mut reader, &roster.publish());
        prop_assert_eq!(&reader.entries, &naive);
        prop_assert_eq!(&Reader::snapshot(&mut roster).entries, &naive);
    }
}
