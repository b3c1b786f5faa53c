//! A list that was found wrong is mended where it is wrong.

use herenow_protocol::Change;

use super::*;
use crate::view::Mismatch;

const WIDTH: u32 = 2;

/// Eight people in four buckets of two.
const EIGHT: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn with(id: usize, name: &'static str) -> Vec<&'static str> {
    let mut names = EIGHT.to_vec();
    names[id] = name;
    names
}

/// The request and the ranges of the only `Repair` that was sent.
fn asked(rig: &mut Rig) -> (u32, Vec<(u32, u32)>) {
    let sent = rig.sent();
    let repair = |message: &ClientMessage| match message {
        ClientMessage::Repair { request, view: VIEW, ranges } => {
            Some((*request, ranges.iter().map(|(first, last)| (first.0, last.0)).collect()))
        }
        _ => None,
    };
    match &sent.iter().filter_map(repair).collect::<Vec<_>>()[..] {
        [asked] => asked.clone(),
        _ => panic!("not one Repair: {sent:?}"),
    }
}

fn watches(rig: &mut Rig) -> usize {
    let is_watch = |message: &ClientMessage| matches!(message, ClientMessage::Watch { .. });
    rig.sent().into_iter().filter(is_watch).count()
}

fn repairs(rig: &mut Rig) -> usize {
    let is_repair = |message: &ClientMessage| matches!(message, ClientMessage::Repair { .. });
    rig.sent().into_iter().filter(is_repair).count()
}

/// The sums that the server's list of `names` has, from a bucket on.
fn buckets(names: &[&str], first: usize, until: usize, more: bool) -> ServerMessage {
    let hasher = EntryHasher::new(EPOCH);
    let sum = |bucket: &[Entry]| {
        let mut sum = Digest::default();
        bucket.iter().for_each(|entry| sum.add(hasher.hash(entry)));
        sum
    };
    let entries = entries(names);
    let digests = entries.chunks(WIDTH as usize).map(sum).take(until).skip(first).collect();
    let first = u32::try_from(first).expect("a test has few buckets");
    ServerMessage::Buckets { view: VIEW, first, width: WIDTH, digests, more }
}

fn page(names: &[&str], first: u32, last: u32) -> ServerMessage {
    let entries = entries(names)[first as usize..=last as usize].to_vec();
    ServerMessage::SnapshotPage { view: VIEW, first: UserId(first), last: UserId(last), entries }
}

fn end(names: &[&str]) -> ServerMessage {
    ServerMessage::SnapshotEnd { view: VIEW, proof: proof(names) }
}

fn repaired(entries: usize) -> Event {
    Event::Repaired { view: ViewKey::FIRST, entries }
}

/// A rig with `names`, where the server has `truth`: an ack told so, and the buckets were asked for.
fn diverged(names: &[&str], truth: &[&str]) -> (Rig, u32) {
    let mut rig = Rig::signed_in(names);
    rig.ack(0, truth);
    let effects = rig.done();
    assert!(
        matches!(effects[0], Effect::Emit(Event::Diverged { view: ViewKey::FIRST, .. })),
        "{effects:?}"
    );
    assert_eq!(effects[1], Effect::Emit(stale(Duration::ZERO)));
    rig.effects = effects;
    let (request, ranges) = asked(&mut rig);
    assert_eq!(ranges, []);
    (rig, request)
}

fn names(rig: &Rig) -> Vec<String> {
    rig.session.view().entries().map(|entry| entry.name.to_string()).collect()
}

#[test]
fn one_wrong_entry_costs_its_bucket() {
    let truth = with(4, "x");
    let (mut rig, request) = diverged(&EIGHT, &truth);
    rig.hear(ServerMessage::Result { request, view: None });
    rig.hear(buckets(&truth, 0, 4, false));
    let (request, ranges) = asked(&mut rig);
    assert_eq!(ranges, [(4, 5)]);
    rig.hear(ServerMessage::Result { request, view: None });
    rig.hear(page(&truth, 4, 5));
    assert_eq!(rig.done(), []);
    rig.hear(end(&truth));
    assert_eq!(rig.done(), [Effect::Emit(repaired(1)), Effect::Emit(fresh())]);
    assert_eq!(names(&rig), truth);
    rig.wait(BEAT * 4);
    assert_eq!(watches(&mut rig), 0);
}

#[test]
fn buckets_that_come_in_two_messages_are_compared_as_one() {
    let mut truth = with(3, "x");
    truth[4] = "y";
    let (mut rig, _) = diverged(&EIGHT, &truth);
    rig.hear(buckets(&truth, 0, 2, true));
    assert_eq!(rig.done(), [], "more follow");
    rig.hear(buckets(&truth, 2, 4, false));
    assert_eq!(asked(&mut rig).1, [(2, 5)], "side by side, they are one range");
}

#[test]
fn a_delta_with_a_wrong_sum_starts_a_repair_and_those_that_follow_are_applied() {
    let mut rig = Rig::signed_in(&EIGHT);
    let truth = with(0, "x");
    let joined = |id: usize| vec![Change::Joined(entries(&truth).remove(id))];
    let delta = |from, changes, proof| ServerMessage::Delta { view: VIEW, from, proof, changes };
    rig.hear(delta(8, joined(1), ViewProof { version: 9, ..proof(&truth) }));
    assert!(rig.told().iter().any(|event| matches!(event, Event::Diverged { .. })));
    let left = vec![Change::Left { id: UserId(7), cause: CloseReason::Goodbye }];
    let seven = &truth[..7];
    rig.hear(delta(77, left, ViewProof { version: 78, ..proof(seven) }));
    let told = rig.told();
    assert!(matches!(&told[..], [Event::Left { entry, .. }] if entry.name.as_str() == "h"));
    rig.hear(buckets(seven, 0, 4, false));
    assert_eq!(asked(&mut rig).1, [(0, 1)]);
    rig.hear(page(seven, 0, 1));
    let proof = ViewProof { version: 78, ..proof(seven) };
    rig.hear(ServerMessage::SnapshotEnd { view: VIEW, proof });
    assert_eq!(rig.told(), [repaired(1), fresh()]);
    assert_eq!(names(&rig), seven);
    // From here on the versions count again.
    rig.hear(delta(79, Vec::new(), ViewProof { version: 80, ..proof }));
    assert!(rig.told().iter().any(|event| matches!(event, Event::Diverged { .. })));
}

#[test]
fn a_delta_that_comes_twice_is_told_and_costs_nothing() {
    let mut rig = Rig::signed_in(&["a"]);
    let changes = vec![Change::Joined(entries(&["a", "b"]).remove(1))];
    let delta = ServerMessage::Delta { view: VIEW, from: 1, proof: proof(&["a", "b"]), changes };
    rig.hear(delta.clone());
    rig.done();
    rig.hear(delta);
    let done = rig.done();
    let mismatch = Mismatch::Version { held: 2, told: 1 };
    let diverged = Event::Diverged { view: ViewKey::FIRST, mismatch };
    let told = |event: &Event| done.contains(&Effect::Emit(event.clone()));
    assert!(told(&diverged) && told(&repaired(0)) && told(&fresh()), "{done:?}");
    assert_eq!(repairs(&mut rig), 0);
    rig.wait(BEAT * 4);
    assert_eq!(repairs(&mut rig) + watches(&mut rig), 0);
}

#[test]
fn a_version_that_alone_is_off_is_taken_over() {
    let mut rig = Rig::signed_in(&EIGHT);
    let views = vec![(VIEW, ViewProof { version: 99, ..proof(&EIGHT) })];
    rig.hear(ack(0, Some(me()), views));
    assert!(rig.told().ends_with(&[repaired(0), fresh()]));
    let proof = ViewProof { version: 100, ..proof(&EIGHT) };
    rig.hear(ServerMessage::Delta { view: VIEW, from: 99, proof, changes: Vec::new() });
    assert_eq!(rig.done(), []);
}

#[test]
fn who_the_server_does_not_have_goes_away_with_the_buckets() {
    let truth = &EIGHT[..6];
    let (mut rig, _) = diverged(&EIGHT, truth);
    rig.hear(buckets(truth, 0, 3, false));
    assert_eq!(rig.done(), [], "no range is wrong");
    assert_eq!(names(&rig), truth);
    let views = vec![(VIEW, ViewProof { version: 10, ..proof(truth) })];
    rig.hear(ack(0, Some(me()), views));
    assert_eq!(rig.told(), [repaired(2), fresh()]);
}

#[test]
fn buckets_that_agree_although_the_whole_does_not_end_in_a_new_snapshot() {
    let (mut rig, _) = diverged(&EIGHT, &with(4, "x"));
    rig.wait(Duration::from_secs(1));
    rig.done();
    rig.hear(buckets(&EIGHT, 0, 4, false));
    assert_eq!(repairs(&mut rig), 0);
    rig.ack(0, &with(4, "x"));
    assert_eq!(watches(&mut rig), 1);
}

#[test]
fn a_list_that_is_mostly_wrong_is_asked_for_anew() {
    let truth = ["a", "x", "c", "y", "e", "z", "g", "h"];
    let (mut rig, _) = diverged(&EIGHT, &truth);
    rig.hear(buckets(&truth, 0, 4, false));
    rig.wait(Duration::from_secs(1));
    assert_eq!(watches(&mut rig), 1);
}

#[test]
fn a_repair_that_does_not_end_in_an_exact_copy_is_given_up() {
    let truth = with(4, "x");
    let (mut rig, _) = diverged(&EIGHT, &truth);
    rig.hear(buckets(&truth, 0, 4, false));
    rig.hear(page(&EIGHT, 4, 5));
    rig.hear(end(&truth));
    rig.wait(Duration::from_secs(1));
    let watch = rig.sent().into_iter().find_map(|message| match message {
        ClientMessage::Watch { request, .. } => Some(request),
        _ => None,
    });
    let request = watch.expect("it asks anew");
    rig.hear(ServerMessage::Result { request, view: Some(VIEW) });
    rig.snapshot(&truth);
    assert_eq!(rig.told(), [snapshot(), fresh()]);
}

#[test]
fn a_repair_that_takes_more_than_three_heartbeats_is_given_up() {
    let (mut rig, _) = diverged(&EIGHT, &with(4, "x"));
    // Something is heard all the time, but not what was asked for.
    for _ in 0..5 {
        rig.wait(BEAT);
        rig.hear_bytes(b"\x92\xcc\xc8\xa5hello");
        let waited = rig.effects.clone();
        if watches(&mut rig) == 1 {
            return;
        }
        assert!(waited.iter().all(|effect| !matches!(effect, Effect::Disconnect)));
    }
    panic!("it waits for ever");
}

#[test]
fn a_refused_repair_is_not_told_and_ends_in_a_new_snapshot() {
    let (mut rig, request) = diverged(&EIGHT, &with(4, "x"));
    let (code, text) = (ErrorCode::NoSuchView, String::new());
    rig.hear(ServerMessage::Error { request, code, text });
    rig.wait(Duration::from_secs(1));
    let done = rig.done();
    let is_refused = |effect: &Effect| matches!(effect, Effect::Emit(Event::Refused { .. }));
    assert!(!done.iter().any(is_refused), "{done:?}");
    rig.effects = done;
    assert_eq!(watches(&mut rig), 1);
}

#[test]
fn a_snapshot_that_the_server_began_itself_mends_the_list_as_well() {
    let truth = with(4, "x");
    let (mut rig, request) = diverged(&EIGHT, &truth);
    rig.hear(page(&truth, 0, 3));
    rig.hear(ServerMessage::Result { request, view: None });
    let (first, last) = (UserId(4), UserId(u32::MAX));
    let entries = entries(&truth).split_off(4);
    rig.hear(ServerMessage::SnapshotPage { view: VIEW, first, last, entries });
    rig.hear(end(&truth));
    assert_eq!(rig.done(), [Effect::Emit(repaired(1)), Effect::Emit(fresh())]);
    assert_eq!(names(&rig), truth);
    // The answer to the repair that is not needed any more is to nobody.
    rig.hear(buckets(&truth, 0, 4, false));
    assert_eq!(rig.done(), []);
}

#[test]
fn news_that_would_prove_the_list_does_not_end_a_repair_whose_pages_are_under_way() {
    let truth = with(4, "x");
    let (mut rig, _) = diverged(&EIGHT, &truth);
    rig.hear(buckets(&truth, 0, 4, false));
    assert_eq!(asked(&mut rig).1, [(4, 5)]);
    let changes = vec![Change::Joined(entries(&truth).remove(4))];
    let proof = proof(&truth);
    rig.hear(ServerMessage::Delta { view: VIEW, from: 8, proof, changes });
    rig.done();
    rig.hear(page(&truth, 4, 5));
    rig.hear(end(&truth));
    assert_eq!(rig.told(), [repaired(0), fresh()]);
    rig.wait(BEAT * 4);
    assert_eq!(watches(&mut rig), 0);
}

#[test]
fn many_ranges_are_asked_for_in_several_messages() {
    let mut here: Vec<String> = (0..1_000).map(|n| format!("n{n}")).collect();
    let old: Vec<&str> = here.iter().map(String::as_str).collect();
    let mut rig = Rig::signed_in(&old);
    // Every tenth is wrong: a hundred buckets of two.
    for n in (0..1_000).step_by(10) {
        here[n] = format!("x{n}");
    }
    let truth: Vec<&str> = here.iter().map(String::as_str).collect();
    rig.ack(0, &truth);
    rig.done();
    rig.hear(buckets(&truth, 0, 500, false));
    let mut counts = Vec::new();
    while !rig.session.view().is_complete() {
        let (_, ranges) = asked(&mut rig);
        counts.push(ranges.len());
        for (first, last) in ranges {
            rig.hear(page(&truth, first, last));
        }
        rig.hear(end(&truth));
    }
    assert_eq!(counts, [64, 36]);
    assert_eq!(rig.told(), [repaired(100), fresh()]);
}

#[test]
fn a_server_that_is_never_content_is_asked_for_one_repair_a_second() {
    let mut rig = Rig::signed_in(&["a"]);
    let mut asked = 0;
    for n in 0..100 {
        let views = vec![(VIEW, ViewProof { count: 9, ..proof(&["a"]) })];
        rig.hear(ack(n, Some(me()), views));
        rig.hear(ack(n, Some(me()), vec![(VIEW, proof(&["a"]))]));
        asked += repairs(&mut rig);
        rig.wait(Duration::from_millis(100));
        asked += repairs(&mut rig);
    }
    assert!((1..=11).contains(&asked), "{asked} in ten seconds");
}
