//! A copy that is wrong is repaired beside the deltas, or by a snapshot.

use super::*;

fn ranges(first: u32, last: u32) -> Vec<(UserId, UserId)> {
    vec![(UserId(first), UserId(last))]
}

/// Their kinds, for stories in which the order counts.
fn kinds(messages: &[ServerMessage]) -> Vec<&'static str> {
    let kind = |message: &ServerMessage| match message {
        ServerMessage::SnapshotPage { .. } => "page",
        ServerMessage::SnapshotEnd { .. } => "end",
        ServerMessage::Delta { .. } => "delta",
        ServerMessage::Buckets { .. } => "buckets",
        _ => "other",
    };
    messages.iter().map(kind).collect()
}

#[test]
fn buckets_come_first_and_then_the_ranges_that_differ() {
    let mut reading = Reading::live(1_000);
    assert!(reading.outbox.repair(VIEW, Vec::new()));
    reading.drain_all();
    assert_eq!(kinds(&reading.said()), ["buckets"]);
    reading.outbox.repair(VIEW, ranges(128, 255));
    reading.drain_all();
    let said = reading.said();
    assert_eq!(kinds(&said), ["page", "end"]);
    assert_eq!(said[1], ServerMessage::SnapshotEnd { view: VIEW, proof: reading.roster.proof() });
    assert!(!reading.outbox.has_wish(), "the repair is over");
}

#[test]
fn a_view_that_is_not_open_is_not_repaired() {
    let mut reading = Reading::live(10);
    assert!(!reading.outbox.repair(ViewId(2), Vec::new()));
    reading.outbox.shut(VIEW);
    assert!(!reading.outbox.repair(VIEW, Vec::new()));
}

#[test]
fn a_view_whose_snapshot_is_under_way_gets_that_instead() {
    let mut reading = Reading::new();
    reading.join(1_000);
    assert!(reading.outbox.repair(VIEW, Vec::new()));
    reading.drain_all();
    assert!(!kinds(&reading.said()).contains(&"buckets"));
    assert_eq!(reading.acked(), Some(reading.roster.proof()));
}

#[test]
fn what_was_taken_at_another_version_is_taken_again() {
    let mut reading = Reading::live(1_000);
    for repair in [Vec::new(), ranges(0, 127)] {
        reading.outbox.repair(VIEW, repair);
        let (_, wish) = reading.outbox.next_wish().expect("a repair is wanted");
        let (early, from) = (wish.clone(), reading.roster.proof());
        // Taken now, and delivered after a delta that it does not know.
        match early {
            Wish::Buckets(from) => {
                let batch = reading.roster.buckets(from);
                reading.update(1, "first");
                reading.outbox.deliver_buckets(batch);
            }
            Wish::Ranges(ranges) => {
                let batch = reading.roster.ranges(ranges, 8_000);
                reading.update(1, "second");
                reading.outbox.deliver_ranges(batch);
            }
            other => panic!("{other:?}"),
        }
        assert_ne!(from, reading.roster.proof());
        reading.drain(usize::MAX);
        assert_eq!(kinds(&reading.said()), ["delta"]);
        reading.drain_all();
        let said = kinds(&reading.said());
        assert!(said == ["buckets"] || said == ["page", "end"], "{said:?}");
    }
}

#[test]
fn ranges_come_in_batches_between_which_deltas_go_on() {
    let mut reading = Reading::live(1_000);
    reading.outbox.repair(VIEW, ranges(0, u32::MAX));
    assert!(reading.serve());
    reading.update(1, "brb");
    reading.drain_all();
    let said = reading.said();
    let delta = said.iter().position(|m| matches!(m, ServerMessage::Delta { .. }));
    assert!(delta.is_some_and(|at| at > 0 && at + 2 < said.len()), "{:?}", kinds(&said));
    assert_eq!(kinds(&said).iter().filter(|kind| **kind == "end").count(), 1);
    assert_eq!(reading.acked(), Some(reading.roster.proof()));
}

#[test]
fn whoever_falls_behind_while_repairing_gets_a_snapshot() {
    let mut reading = Reading::live(1_000);
    reading.outbox.repair(VIEW, ranges(0, 127));
    reading.outbox.push(Bytes::from(vec![0; BYTES_MAX]));
    reading.update(1, "brb");
    reading.drain(usize::MAX);
    reading.socket.clear();
    assert_eq!(reading.outbox.next_wish(), Some((VIEW, Wish::Pages(0))), "its copy was wrong");
}

#[test]
fn a_repair_that_is_asked_for_while_another_is_under_way_is_the_one_that_is_made() {
    for [first, second] in [
        [Vec::new(), ranges(128, 255)],
        [ranges(128, 255), Vec::new()],
        [ranges(0, 127), ranges(128, 255)],
    ] {
        let mut reading = Reading::live(1_000);
        reading.outbox.repair(VIEW, first);
        let (_, wish) = reading.outbox.next_wish().expect("a repair is wanted");
        reading.outbox.repair(VIEW, second.clone());
        reading.answer(wish);
        reading.drain_all();
        let said = reading.said();
        match second[..] {
            [] => assert_eq!(kinds(&said), ["buckets"]),
            [(first, last)] => assert!(
                said.iter()
                    .any(|m| matches!(m, ServerMessage::SnapshotPage { first: f, last: l, .. }
                    if (*f, *l) == (first, last))),
                "{:?}",
                kinds(&said)
            ),
            _ => unreachable!("one range at most"),
        }
    }
}
