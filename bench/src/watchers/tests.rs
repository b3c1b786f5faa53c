//! The prover must notice every kind of wrong frame, and name the watcher.

use herenow_client::protocol::digest::EntryHasher;
use herenow_client::protocol::{
    Change, CloseReason, Digest, DisplayName, Entry, Presence, Shown, Status, StatusText, UserId,
    ViewId,
};

use super::*;

const EPOCH: Epoch = Epoch([7; 16]);
const FIRST: usize = 5;

fn entry(id: u32, name: &str, text: &str) -> Entry {
    let name = DisplayName::new(name).unwrap();
    let presence = Presence::chosen(Status::Busy, StatusText::new(text).unwrap());
    Entry { id: UserId(id), name, shown: Shown { presence, ..Shown::default() } }
}

fn proof(version: u64, entries: &[Entry]) -> ViewProof {
    let hasher = EntryHasher::new(EPOCH);
    let mut digest = Digest::default();
    entries.iter().for_each(|entry| digest.add(hasher.hash(entry)));
    ViewProof { version, count: u32::try_from(entries.len()).unwrap(), digest }
}

fn body(message: &ServerMessage) -> Vec<u8> {
    message.encode()[2..].to_vec()
}

fn page(entries: Vec<Entry>) -> Vec<u8> {
    let (first, last) = (UserId(0), UserId(u32::MAX));
    body(&ServerMessage::SnapshotPage { view: ViewId(1), first, last, entries })
}

fn end(proof: ViewProof) -> Vec<u8> {
    body(&ServerMessage::SnapshotEnd { view: ViewId(1), proof })
}

fn delta(from: u64, proof: ViewProof, changes: Vec<Change>) -> Vec<u8> {
    body(&ServerMessage::Delta { view: ViewId(1), from, proof, changes })
}

fn ack(proof: ViewProof) -> Vec<u8> {
    body(&ServerMessage::HeartbeatAck {
        n: 1,
        me: None,
        views: vec![(ViewId(1), proof)],
        delay_ms: 0,
    })
}

fn ada_and_bob() -> Vec<Entry> {
    vec![entry(0, "ada", "here"), entry(3, "bob", "here")]
}

/// Two watchers whose view is complete at version 4.
fn two() -> Watchers {
    let mut watchers = Watchers::new(EPOCH, FIRST, 2);
    for who in [FIRST, FIRST + 1] {
        watchers.hear(who, &page(ada_and_bob())).unwrap();
        let told = watchers.hear(who, &end(proof(4, &ada_and_bob()))).unwrap();
        assert!(matches!(told, Told::Complete));
    }
    watchers
}

fn update(text: &str) -> Vec<Change> {
    vec![Change::Updated { id: UserId(3), shown: entry(3, "bob", text).shown }]
}

fn mismatch(watchers: &mut Watchers, who: usize, body: &[u8]) -> Mismatch {
    match watchers.hear(who, body) {
        Err(Failure::View { who: named, mismatch }) if named == who => mismatch,
        other => panic!("no mismatch of watcher {who} but {other:?}"),
    }
}

#[test]
fn exact_views_stay_proved_through_every_kind_of_change() {
    let mut watchers = two();
    let updated = vec![entry(0, "ada", "here"), entry(3, "bob", "#0002.00000009")];
    let mut joined = updated.clone();
    joined.push(entry(9, "eve", ""));
    let left = joined[1..].to_vec();
    let goodbye = CloseReason::Goodbye;
    for who in [FIRST, FIRST + 1] {
        let news = delta(4, proof(5, &updated), update("#0002.00000009"));
        let Ok(Told::News(marks)) = watchers.hear(who, &news) else { panic!("no news") };
        assert_eq!(marks[..], [Mark { sender: 2, change: 9 }]);
        let news = delta(5, proof(6, &joined), vec![Change::Joined(entry(9, "eve", ""))]);
        watchers.hear(who, &news).unwrap();
        let news = delta(6, proof(8, &left), vec![Change::Left { id: UserId(0), cause: goodbye }]);
        watchers.hear(who, &news).unwrap();
        let told = watchers.hear(who, &ack(proof(8, &left))).unwrap();
        assert!(matches!(told, Told::Ack { n: 1, proved: Some(8) }));
    }
}

#[test]
fn a_wrong_text_in_one_watchers_frame_is_noticed() {
    let mut watchers = two();
    let after = vec![entry(0, "ada", "here"), entry(3, "bob", "gone")];
    watchers.hear(FIRST, &delta(4, proof(5, &after), update("gone"))).unwrap();
    let planted = delta(4, proof(5, &after), update("Gone"));
    assert!(matches!(mismatch(&mut watchers, FIRST + 1, &planted), Mismatch::Digest { .. }));
}

#[test]
fn a_frame_that_one_watcher_never_got_is_noticed() {
    let mut watchers = two();
    let one = vec![entry(0, "ada", "here"), entry(3, "bob", "one")];
    let two = vec![entry(0, "ada", "here"), entry(3, "bob", "two")];
    watchers.hear(FIRST, &delta(4, proof(5, &one), update("one"))).unwrap();
    let news = delta(5, proof(6, &two), update("two"));
    watchers.hear(FIRST, &news).unwrap();
    let expected = Mismatch::Version { held: 4, told: 5 };
    assert_eq!(mismatch(&mut watchers, FIRST + 1, &news), expected);
}

#[test]
fn a_snapshot_without_somebody_is_noticed() {
    let mut watchers = Watchers::new(EPOCH, FIRST, 1);
    watchers.hear(FIRST, &page(ada_and_bob()[..1].to_vec())).unwrap();
    let expected = Mismatch::Count { held: 1, told: 2 };
    assert_eq!(mismatch(&mut watchers, FIRST, &end(proof(4, &ada_and_bob()))), expected);
}

#[test]
fn an_ack_of_another_list_is_noticed() {
    let mut watchers = two();
    let other = vec![entry(0, "ada", "here"), entry(3, "bob", "away")];
    let wrong = mismatch(&mut watchers, FIRST, &ack(proof(4, &other)));
    assert!(matches!(wrong, Mismatch::Digest { .. }));
    let expected = Mismatch::Version { held: 4, told: 5 };
    assert_eq!(mismatch(&mut watchers, FIRST + 1, &ack(proof(5, &ada_and_bob()))), expected);
}

#[test]
fn a_change_of_somebody_unknown_is_noticed() {
    let mut watchers = two();
    let left = vec![Change::Left { id: UserId(7), cause: CloseReason::Goodbye }];
    let news = delta(4, proof(5, &ada_and_bob()), left);
    let expected = Mismatch::Unknown { id: UserId(7) };
    assert_eq!(mismatch(&mut watchers, FIRST, &news), expected);
}
