//! Faults between an honest server and the view: each is found at the next delta or ack, and mended.

use super::*;

/// Ids to a bucket.
const WIDTH: u32 = 4;

/// Ids that the random rosters use; more than the roster of the other tests, for several buckets.
const IDS: u32 = 64;

/// What happens to one delta on its way.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Dropped,
    Twice,
    /// It comes after the next one.
    Late,
    /// One of its entries is another than was meant.
    Altered(u64),
    /// The copy itself is spoilt, as by a faulty memory or program.
    EntrySpoilt(u32),
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Dropped),
        Just(Fault::Twice),
        Just(Fault::Late),
        (1..1_000_u64).prop_map(Fault::Altered),
        (0..IDS).prop_map(Fault::EntrySpoilt),
    ]
}

type Delta = (u64, ViewProof, Vec<Change>);

/// Changes one or several entries of `roster`, so that the delta is never empty.
fn some_delta(roster: &mut Roster, ids: &[u32], since_ms: u64) -> Delta {
    for &id in ids {
        match roster.entries.get(&id) {
            Some(held) if since_ms.is_multiple_of(3) => {
                let id = held.id;
                roster.change(Change::Left { id, cause: CloseReason::Goodbye });
            }
            Some(held) => {
                let id = held.id;
                roster.change(Change::Updated { id, shown: shown("changed", since_ms) });
            }
            None => roster.change(Change::Joined(entry(id, "new", "", since_ms))),
        }
    }
    roster.delta()
}

/// A view and a roster that agree on 40 people.
fn many() -> (View, Roster) {
    let (mut view, mut roster) = agreed(&[]);
    for id in 0..40 {
        roster.change(Change::Joined(entry(id, &format!("n{id}"), "", 5)));
    }
    roster.delta();
    snapshot(&mut view, &mut roster, 100).expect("an honest snapshot proves itself");
    (view, roster)
}

/// Applies a delta; whether the view found itself wrong.
fn apply(view: &mut View, (from, proof, changes): Delta) -> bool {
    view.delta(from, &proof, changes, some_instant(), &mut Vec::new()).is_err()
}

fn alter(changes: &mut [Change], by: u64) {
    match changes.last_mut() {
        Some(Change::Joined(entry)) => entry.shown.since_ms += by,
        Some(Change::Updated { shown, .. }) => shown.since_ms += by,
        Some(Change::Left { id, .. }) => id.0 = 1_000_000,
        None => {}
    }
}

/// Lets a fault befall `delta`, and whether the view found it by then. A late one comes after `next`.
fn suffer(view: &mut View, fault: Fault, mut delta: Delta, next: Delta) -> bool {
    match fault {
        Fault::Dropped => apply(view, next),
        Fault::Twice => {
            let first = apply(view, delta.clone());
            let second = apply(view, delta);
            assert!(second && !first, "the second one has no place");
            apply(view, next);
            true
        }
        Fault::Late => {
            let found = apply(view, next);
            apply(view, delta);
            found
        }
        Fault::Altered(by) => {
            alter(&mut delta.2, by);
            let found = apply(view, delta);
            apply(view, next);
            found
        }
        Fault::EntrySpoilt(id) => {
            let hasher = EntryHasher::new(EPOCH);
            view.shown.mend(&hasher, UserId(id), UserId(id), vec![entry(id, "spoilt", "", 1)]);
            let found = apply(view, delta);
            apply(view, next);
            found
        }
    }
}

/// What a server answers to a `Repair`: the sums of all buckets up to the last one that has entries.
fn buckets(roster: &Roster) -> Vec<Digest> {
    let hasher = EntryHasher::new(EPOCH);
    let last = roster.entries.last_key_value().map_or(0, |(id, _)| id / WIDTH + 1);
    let mut sums = vec![Digest::default(); last as usize];
    for (id, entry) in &roster.entries {
        sums[(id / WIDTH) as usize].add(hasher.hash(entry));
    }
    sums
}

/// Repairs a diverged view, and what that proved. Returns also how many ranges were asked for.
fn repair(view: &mut View, roster: &Roster) -> (Result<Proved, Mismatch>, usize) {
    let (sums, mut wrong) = (buckets(roster), Vec::new());
    view.await_pages();
    view.compare(0, WIDTH, &sums, &mut wrong);
    view.cut(UserId(WIDTH * u32::try_from(sums.len()).expect("a test roster is small")));
    for &(first, last) in &wrong {
        let range = roster.entries.range(first.0..=last.0);
        view.page(first, last, range.map(|(_, entry)| entry.clone()).collect());
    }
    (view.end_snapshot(&roster.proof(), some_instant()), wrong.len())
}

fn some_ids() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(0..IDS, 1..6)
}

proptest! {
    #[test]
    fn every_fault_is_found_at_the_next_delta_and_mended_exactly(
        fault in fault(), first in some_ids(), second in some_ids(), since in 10..10_000_u64,
    ) {
        let (mut view, mut roster) = many();
        let delta = some_delta(&mut roster, &first, since);
        let next = some_delta(&mut roster, &second, since + 1);
        let found = suffer(&mut view, fault, delta, next);
        // Whatever was spoilt may have been replaced by news of the same person.
        prop_assert!(found || copied(&view) == held(&roster), "{fault:?} was not found");
        if view.is_diverged() {
            let (proved, _) = repair(&mut view, &roster);
            prop_assert!(matches!(proved, Ok(Proved::Mended { .. })), "{proved:?}");
        }
        prop_assert!(view.is_complete());
        prop_assert_eq!(view.prove(&roster.proof(), some_instant()), Ok(Proved::Exact));
        prop_assert_eq!(copied(&view), held(&roster));
    }

    #[test]
    fn a_fault_in_the_last_delta_is_found_by_the_ack(
        fault in fault(), ids in some_ids(), since in 10..10_000_u64,
    ) {
        let (mut view, mut roster) = many();
        let mut delta = some_delta(&mut roster, &ids, since);
        let mut found = false;
        match fault {
            Fault::Dropped | Fault::Late => {}
            Fault::Twice => found = apply(&mut view, delta.clone()) | apply(&mut view, delta),
            Fault::Altered(by) => {
                alter(&mut delta.2, by);
                found = apply(&mut view, delta);
            }
            Fault::EntrySpoilt(id) => {
                apply(&mut view, delta);
                let (hasher, id) = (EntryHasher::new(EPOCH), UserId(id));
                view.shown.mend(&hasher, id, id, vec![entry(id.0, "spoilt", "", 1)]);
            }
        }
        found |= view.prove(&roster.proof(), some_instant()).is_err();
        prop_assert!(found || copied(&view) == held(&roster), "{fault:?} was not found");
        if view.is_diverged() {
            let (proved, _) = repair(&mut view, &roster);
            prop_assert!(matches!(proved, Ok(Proved::Mended { .. })), "{proved:?}");
        }
        prop_assert_eq!(copied(&view), held(&roster));
    }

    #[test]
    fn without_a_fault_there_is_no_alarm(deltas in proptest::collection::vec(some_ids(), 1..20)) {
        let (mut view, mut roster) = many();
        for (since, ids) in (10..).zip(&deltas) {
            let delta = some_delta(&mut roster, ids, since);
            prop_assert!(!apply(&mut view, delta));
            prop_assert_eq!(view.prove(&roster.proof(), some_instant()), Ok(Proved::Exact));
            let mut wrong = Vec::new();
            prop_assert_eq!(view.compare(0, WIDTH, &buckets(&roster), &mut wrong), 0);
        }
    }

    #[test]
    fn news_during_a_repair_does_not_disturb_it(
        ids in some_ids(), news in proptest::collection::vec(some_ids(), 0..8), spoilt in 0..IDS,
    ) {
        let (mut view, mut roster) = many();
        let delta = some_delta(&mut roster, &ids, 10);
        let next = some_delta(&mut roster, &ids, 11);
        suffer(&mut view, Fault::EntrySpoilt(spoilt), delta, next);
        let (sums, mut wrong) = (buckets(&roster), Vec::new());
        view.await_pages();
        view.compare(0, WIDTH, &sums, &mut wrong);
        view.cut(UserId(WIDTH * u32::try_from(sums.len()).expect("a test roster is small")));
        let mut news = (20..).zip(&news);
        for &(first, last) in &wrong {
            // Between any two messages the roster goes on.
            if let Some((since, ids)) = news.next() {
                apply(&mut view, some_delta(&mut roster, ids, since));
            }
            let range = roster.entries.range(first.0..=last.0);
            view.page(first, last, range.map(|(_, entry)| entry.clone()).collect());
            prop_assert!(!view.is_complete(), "only the end of the pages proves anything");
        }
        for (since, ids) in news {
            apply(&mut view, some_delta(&mut roster, ids, since));
        }
        view.end_snapshot(&roster.proof(), some_instant()).expect("nothing new is wrong");
        prop_assert!(view.is_complete());
        prop_assert_eq!(copied(&view), held(&roster));
    }
}

#[test]
fn what_lies_beyond_the_last_bucket_goes_away() {
    let (mut view, roster) = many();
    let hasher = EntryHasher::new(EPOCH);
    let far = UserId(u32::MAX);
    view.shown.mend(&hasher, far, far, vec![entry(far.0, "nobody", "", 1)]);
    assert!(view.prove(&roster.proof(), some_instant()).is_err());
    let (proved, ranges) = repair(&mut view, &roster);
    assert_eq!((proved, ranges), (Ok(Proved::Mended { entries: 1 }), 0));
    assert_eq!(copied(&view), held(&roster));
}

#[test]
fn buckets_that_differ_side_by_side_are_one_range() {
    let (mut view, roster) = many();
    for id in [8, 12, 13, 16, 30] {
        let hasher = EntryHasher::new(EPOCH);
        view.shown.mend(&hasher, UserId(id), UserId(id), Vec::new());
    }
    let mut wrong = Vec::new();
    let sums = buckets(&roster);
    let count = view.compare(0, WIDTH, &sums[..4], &mut wrong)
        + view.compare(4, WIDTH, &sums[4..], &mut wrong);
    assert_eq!(count, 4);
    let range = |first, last| (UserId(first), UserId(last));
    assert_eq!(wrong, [range(8, 19), range(28, 31)], "also across two messages");
}

#[test]
fn a_bucket_may_reach_beyond_the_last_id() {
    let (view, _) = many();
    let mut wrong = Vec::new();
    let told = [Digest::from_bytes([1; 16])];
    assert_eq!(view.compare(1, u32::MAX, &told, &mut wrong), 1);
    assert_eq!(wrong, [(UserId(u32::MAX), UserId(u32::MAX))]);
    let huge = view.compare(u32::MAX, u32::MAX, &[Digest::default()], &mut wrong);
    assert_eq!(huge, 0, "hostile numbers do no harm");
}

#[test]
fn one_wrong_entry_of_ten_thousand_costs_a_twentieth_of_a_snapshot_at_most() {
    use herenow_protocol::{ClientMessage, ServerMessage, ViewId};
    let (view, width, users) = (ViewId(1), 64, 10_000);
    let people: Vec<Entry> =
        (0..users).map(|id| entry(id, &format!("user-{id}"), "", 1_700_000_000_000)).collect();
    let page = |first: u32, last: u32, entries: &[Entry]| {
        let (first, last, entries) = (UserId(first), UserId(last), entries.to_vec());
        ServerMessage::SnapshotPage { view, first, last, entries }.encode().len()
    };
    let proof = ViewProof::default();
    let end = ServerMessage::SnapshotEnd { view, proof }.encode().len();
    let snapshot: usize = people
        .chunks(200)
        .map(|part| page(part[0].id.0, part[part.len() - 1].id.0, part))
        .sum::<usize>()
        + end;
    let digests = vec![Digest::from_bytes([255; 16]); users.div_ceil(width) as usize];
    let buckets = ServerMessage::Buckets { view, first: 0, width, digests, more: false };
    let result = ServerMessage::Result { request: 9, view: None }.encode().len();
    let asked = |ranges| ClientMessage::Repair { request: 9, view, ranges }.encode().len();
    let range = (UserId(640), UserId(703));
    let repair = asked(Vec::new())
        + result
        + buckets.encode().len()
        + asked(vec![range])
        + result
        + page(640, 703, &people[640..704])
        + end;
    assert!(repair * 20 <= snapshot, "{repair} bytes for a repair, {snapshot} for a snapshot");
}
