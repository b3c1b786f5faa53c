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
    assert_eq!(rig.told(), [Event::Joined { view: ViewKey::FIRST, entry: bob.clone() }]);
    let (changes, cause) = (UserId(1), CloseReason::HeartbeatTimeout);
    let changes = vec![Change::Left { id: changes, cause }];
    let proof = ViewProof { version: 3, ..proof(&["ada"]) };
    rig.hear(ServerMessage::Delta { view: VIEW, from: 2, proof, changes });
    assert_eq!(rig.told(), [Event::Left { view: ViewKey::FIRST, entry: bob, cause }]);
}

#[test]
fn a_server_whose_sums_are_always_wrong_costs_one_snapshot_a_second() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.wait(Duration::from_secs(1));
    rig.done();
    rig.ack(1, &["eve"]);
    let mut asked = watches(&mut rig);
    for _ in 0..100 {
        let request = rig.session.requests.last();
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
    rig.wait(Duration::from_millis(700));
    rig.hear(ack(0, Some(me()), Vec::new()));
    assert!(rig.told().contains(&stale(Duration::from_millis(700))));
    rig.ack(0, &["ada"]);
    assert_eq!(rig.told(), [fresh()]);
}

#[test]
fn a_snapshot_that_the_server_begins_itself_replaces_the_list() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.snapshot(&["ada", "bob"]);
    assert_eq!(rig.told(), [stale(Duration::ZERO), snapshot(), fresh()]);
    assert_eq!(rig.sent(), []);
}

#[test]
fn frames_of_another_view_change_nothing() {
    let mut rig = Rig::signed_in(&["ada"]);
    let (view, bad) = (ViewId(9), proof(&["eve"]));
    rig.hear(ServerMessage::SnapshotEnd { view, proof: bad });
    rig.hear(ServerMessage::Delta { view, from: 77, proof: bad, changes: Vec::new() });
    rig.hear(ack(1, Some(me()), vec![(VIEW, proof(&["ada"])), (view, bad)]));
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

fn room(name: &str) -> WatchTarget {
    WatchTarget::Room(RoomName::new(name).expect("a test name is valid"))
}

fn people(count: usize) -> WatchTarget {
    let name = |n| DisplayName::new(&format!("person {n}")).expect("a test name is valid");
    WatchTarget::People { names: (0..count).map(name).collect(), view: None }
}

/// What was asked for besides heartbeats.
fn asked(rig: &mut Rig) -> Vec<ClientMessage> {
    let is_request = |message: &ClientMessage| !matches!(message, ClientMessage::Heartbeat { .. });
    rig.sent().into_iter().filter(is_request).collect()
}

fn serve(rig: &mut Rig, request: u32, view: ViewId, names: &[&str]) {
    rig.hear(ServerMessage::Result { request, view: Some(view) });
    let (first, last, entries) = (UserId(0), UserId(u32::MAX), entries(names));
    rig.hear(ServerMessage::SnapshotPage { view, first, last, entries });
    rig.hear(ServerMessage::SnapshotEnd { view, proof: proof(names) });
}

#[test]
fn every_view_is_told_by_its_own_number() {
    let mut rig = Rig::with(|options| options.views = vec![room("a"), room("b"), room("a")]);
    rig.reach_server();
    rig.done();
    rig.hear(ServerMessage::Welcome(welcome()));
    let sent = asked(&mut rig);
    let [ClientMessage::Watch { request: a, .. }, ClientMessage::Watch { request: b, .. }] =
        sent[..]
    else {
        panic!("the room that stands there twice is watched once: {sent:?}")
    };
    serve(&mut rig, b, ViewId(7), &["bob"]);
    serve(&mut rig, a, ViewId(8), &["ada", "eve"]);
    let told = [1, 0].map(|key| Event::Snapshot { view: ViewKey(key) });
    assert_eq!(rig.told(), told);
    let len = |key| rig.session.view_of(ViewKey(key)).map(View::len);
    assert_eq!([len(0), len(1), len(2)], [Some(2), Some(1), None]);
    assert_eq!(rig.session.view().len(), 2, "the first");
    // One is proved by this ack and the other is not.
    rig.hear(ack(0, None, vec![(ViewId(7), proof(&["bob"]))]));
    let told = rig.told();
    assert!(matches!(told[..], [_, Event::Stale { view: ViewKey(0), .. }]), "{told:?}");
}

#[test]
fn a_view_that_is_closed_is_not_told_of_any_more() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.watch(1, room("a"));
    let sent = asked(&mut rig);
    let [ClientMessage::Watch { request, .. }] = sent[..] else { panic!("{sent:?}") };
    serve(&mut rig, request, ViewId(2), &["bob"]);
    rig.done();
    rig.unwatch(1);
    let sent = asked(&mut rig);
    assert!(matches!(sent[..], [ClientMessage::Unwatch { view: ViewId(2), .. }]), "{sent:?}");
    let changes = vec![Change::Joined(entries(&["eve"]).remove(0))];
    let delta = |view| ServerMessage::Delta { view, from: 1, proof: proof(&["eve"]), changes };
    rig.hear(delta(ViewId(2)));
    assert_eq!(rig.done(), []);
    assert!(rig.session.view_of(ViewKey(1)).is_none());
}

#[test]
fn a_view_that_is_closed_while_it_is_opened_is_closed_once_it_has_a_number() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.watch(1, room("a"));
    let sent = asked(&mut rig);
    let [ClientMessage::Watch { request, .. }] = sent[..] else { panic!("{sent:?}") };
    rig.unwatch(1);
    assert_eq!(asked(&mut rig), [], "nobody knows its number yet");
    rig.hear(ServerMessage::Result { request, view: Some(ViewId(2)) });
    let sent = asked(&mut rig);
    assert!(matches!(sent[..], [ClientMessage::Unwatch { view: ViewId(2), .. }]), "{sent:?}");
}

#[test]
fn a_room_that_is_watched_again_at_once_stays_open() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.watch(1, room("a"));
    rig.unwatch(1);
    rig.watch(2, room("a"));
    let sent = asked(&mut rig);
    let [ClientMessage::Watch { request: first, .. }, ClientMessage::Watch { request: second, .. }] =
        sent[..]
    else {
        panic!("{sent:?}")
    };
    rig.hear(ServerMessage::Result { request: first, view: Some(ViewId(2)) });
    assert_eq!(asked(&mut rig), [], "the server has one view of a room only");
    serve(&mut rig, second, ViewId(2), &["bob"]);
    assert_eq!(rig.told(), [Event::Snapshot { view: ViewKey(2) }]);
}

#[test]
fn a_long_list_is_sent_in_parts_and_told_once_it_is_whole() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.watch(1, people(300));
    let (mut parts, mut opened) = (Vec::new(), None);
    while let Some(ClientMessage::Watch { request, target }) = asked(&mut rig).pop() {
        let WatchTarget::People { names, view } = target else { panic!("not people") };
        assert_eq!(view, opened, "the later ones add to the first");
        opened = Some(ViewId(4));
        parts.push(names.len());
        // The server may be through with a snapshot of a part before the next part arrives.
        serve(&mut rig, request, ViewId(4), &["ada"]);
        if parts.iter().sum::<usize>() < 300 {
            let effects = rig.done();
            let told = |effect: &Effect| matches!(effect, Effect::Emit(_));
            assert!(!effects.iter().any(told), "a part is not told: {effects:?}");
            rig.effects = effects;
        } else {
            assert_eq!(rig.told(), [Event::Snapshot { view: ViewKey(1) }]);
        }
    }
    assert_eq!(parts, [128, 128, 44]);
}

#[test]
fn a_part_of_a_list_is_never_longer_than_a_frame() {
    let name = |n| DisplayName::new(&format!("{n:064}")).expect("64 bytes are allowed");
    let names: Vec<_> = (0..200).map(name).collect();
    let mut rig = Rig::signed_in(&["ada"]);
    rig.watch(1, WatchTarget::People { names: names.clone(), view: None });
    let mut sent = Vec::new();
    while let Some(message) = asked(&mut rig).pop() {
        assert!(message.encode().len() - 2 <= 4_096);
        let ClientMessage::Watch { request, target: WatchTarget::People { names, .. } } = message
        else {
            panic!("not a list: {message:?}")
        };
        sent.extend(names);
        rig.hear(ServerMessage::Result { request, view: Some(ViewId(4)) });
    }
    assert_eq!(sent, names, "everybody, in order");
}

#[test]
fn an_empty_list_is_asked_for_once() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.watch(1, people(0));
    let sent = asked(&mut rig);
    let [ClientMessage::Watch { request, .. }] = sent[..] else { panic!("{sent:?}") };
    serve(&mut rig, request, ViewId(2), &[]);
    assert_eq!(rig.done(), [Effect::Emit(Event::Snapshot { view: ViewKey(1) })]);
}

#[test]
fn what_is_watched_while_there_is_no_connection_is_asked_for_at_the_sign_in() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.lose_connection();
    rig.watch(1, room("a"));
    rig.unwatch(0);
    rig.next_hello();
    rig.hear(ServerMessage::Welcome(welcome()));
    let sent = asked(&mut rig);
    let [ClientMessage::Watch { target, .. }] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(*target, room("a"));
}
