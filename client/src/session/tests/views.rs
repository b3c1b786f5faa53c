//! A list that proves itself, or is asked for again.

use herenow_protocol::Change;

use super::*;

fn joined(from: u64, name: &str, proof: ViewProof) -> ServerMessage {
    let entry = entries(&["ada", name]).pop().expect("two entries");
    ServerMessage::Delta { view: VIEW, from, proof, changes: vec![Change::Joined(entry)] }
}

fn watches(rig: &mut Rig) -> usize {
    let sent = rig.sent();
    sent.iter().filter(|message| matches!(message, ClientMessage::Watch { .. })).count()
}

#[test]
fn a_delta_is_told_as_what_happened() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.hear(joined(1, "bob", proof(&["ada", "bob"])));
    let bob = entries(&["ada", "bob"]).pop().expect("two entries");
    assert_eq!(rig.told(), [Event::Joined(bob.clone())]);
    let (changes, cause) = (UserId(1), CloseReason::HeartbeatTimeout);
    let changes = vec![Change::Left { id: changes, cause }];
    let proof = ViewProof { version: 3, ..proof(&["ada"]) };
    rig.hear(ServerMessage::Delta { view: VIEW, from: 2, proof, changes });
    assert_eq!(rig.told(), [Event::Left { entry: bob, cause }]);
}

#[test]
fn a_wrong_sum_is_told_and_the_list_is_asked_for_again() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.wait(Duration::from_secs(1));
    rig.done();
    rig.hear(joined(1, "bob", proof(&["ada", "eve"])));
    let done = rig.done();
    assert!(done.contains(&Effect::Emit(Event::Stale)), "{done:?}");
    let Some(Effect::Send(watch @ ClientMessage::Watch { .. })) = done.last() else {
        panic!("it asks again at once: {done:?}")
    };
    rig.effects.push(Effect::Send(watch.clone()));
    rig.answer_watch();
    rig.snapshot(&["ada", "eve"]);
    assert_eq!(rig.told(), [Event::Snapshot, Event::Fresh]);
    assert_eq!(rig.session.view().len(), 2);
}

#[test]
fn an_ack_with_another_sum_is_a_mismatch_too() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.wait(Duration::from_secs(1));
    rig.done();
    rig.ack(1, &["eve"]);
    assert!(rig.told().contains(&Event::Stale));
}

#[test]
fn a_server_whose_sums_are_always_wrong_costs_one_snapshot_a_second() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.wait(Duration::from_secs(1));
    rig.done();
    rig.ack(1, &["eve"]);
    let mut asked = watches(&mut rig);
    for _ in 0..100 {
        let request = rig.session.last_request;
        rig.hear(ServerMessage::Result { request, view: Some(VIEW) });
        let (first, last, entries) = (UserId(0), UserId(u32::MAX), entries(&["ada"]));
        rig.hear(ServerMessage::SnapshotPage { view: VIEW, first, last, entries });
        rig.hear(ServerMessage::SnapshotEnd { view: VIEW, proof: proof(&["eve"]) });
        rig.wait(Duration::from_millis(100));
        asked += watches(&mut rig);
    }
    assert!((9..=12).contains(&asked), "{asked} in ten seconds");
}

#[test]
fn a_list_that_the_server_does_not_vouch_for_is_old() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.hear(ack(1, None, Vec::new()));
    assert_eq!(rig.told(), [Event::Stale]);
    rig.ack(2, &["ada"]);
    assert_eq!(rig.told(), [Event::Fresh]);
}

#[test]
fn a_snapshot_that_the_server_begins_itself_replaces_the_list() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.snapshot(&["ada", "bob"]);
    assert_eq!(rig.told(), [Event::Stale, Event::Snapshot, Event::Fresh]);
    assert_eq!(rig.sent(), []);
}

#[test]
fn frames_of_another_view_change_nothing() {
    let mut rig = Rig::signed_in(&["ada"]);
    let (view, bad) = (ViewId(9), proof(&["eve"]));
    rig.hear(ServerMessage::SnapshotEnd { view, proof: bad });
    rig.hear(ServerMessage::Delta { view, from: 77, proof: bad, changes: Vec::new() });
    rig.hear(ack(1, None, vec![(VIEW, proof(&["ada"])), (view, bad)]));
    assert_eq!(rig.done(), []);
}

#[test]
fn a_refused_watch_is_told_and_not_repeated() {
    let mut rig = Rig::new();
    rig.reach_server();
    rig.hear(ServerMessage::Welcome(welcome()));
    rig.done();
    let text = "there is no room lobby".to_owned();
    let code = ErrorCode::NoSuchRoom;
    rig.hear(ServerMessage::Error { request: 1, code, text: text.clone() });
    assert_eq!(rig.told(), [Event::Refused { code, text }]);
    rig.wait(BEAT);
    rig.ack(1, &[]);
    assert_eq!(watches(&mut rig), 0);
}
