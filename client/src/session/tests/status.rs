//! The user's own presence: wanted, told, and seen by others.

use super::*;

fn set(rig: &mut Rig, status: Status, text: &str) {
    rig.command(Command::SetPresence(presence(status, text)));
}

fn hello_presence(rig: &mut Rig) -> Presence {
    match rig.sent().into_iter().next() {
        Some(ClientMessage::Hello(hello)) => hello.presence,
        other => panic!("not a Hello: {other:?}"),
    }
}

fn request_of(rig: &mut Rig) -> (u32, Presence) {
    match rig.sent().as_slice() {
        [ClientMessage::SetStatus { request, presence }] => (*request, presence.clone()),
        other => panic!("not one SetStatus: {other:?}"),
    }
}

#[test]
fn away_stays_away_through_a_reconnect() {
    let mut rig = Rig::signed_in(&["ada"]);
    set(&mut rig, Status::Away, "tea");
    assert_eq!(request_of(&mut rig).1, presence(Status::Away, "tea"));
    rig.lose_connection();
    rig.wait_for_retry();
    rig.done();
    rig.session.connected(rig.now, &mut rig.effects);
    assert_eq!(hello_presence(&mut rig), presence(Status::Away, "tea"));
    rig.hear(ServerMessage::Welcome(welcome()));
    let sent = rig.sent();
    assert!(matches!(sent[..], [ClientMessage::Watch { .. }]), "the Hello said it: {sent:?}");
}

#[test]
fn what_is_set_while_signing_in_is_sent_afterwards() {
    let mut rig = Rig::new();
    rig.reach_server();
    set(&mut rig, Status::Busy, "");
    rig.done();
    rig.hear(ServerMessage::Welcome(welcome()));
    let sent = rig.sent();
    assert!(
        sent.iter().any(|message| matches!(message, ClientMessage::SetStatus { .. })),
        "{sent:?}"
    );
}

#[test]
fn one_change_is_in_flight_and_the_last_of_the_others_follows() {
    let mut rig = Rig::signed_in(&["ada"]);
    for text in ["1", "2", "3", "4"] {
        set(&mut rig, Status::Away, text);
    }
    let (request, first) = request_of(&mut rig);
    assert_eq!(first, presence(Status::Away, "1"));
    rig.hear(ServerMessage::Result { request, view: None });
    let done = rig.done();
    assert_eq!(done[0], Effect::Emit(Event::Mirror(Some(first))));
    let Effect::Send(ClientMessage::SetStatus { presence: last, .. }) = &done[1] else {
        panic!("the next one follows: {done:?}")
    };
    assert_eq!(last, &presence(Status::Away, "4"));
}

#[test]
fn the_mirror_tells_changes_only() {
    let mut rig = Rig::signed_in(&["ada"]);
    let busy = presence(Status::Busy, "");
    for _ in 0..3 {
        rig.hear(ack(0, Some(busy.clone()), vec![(VIEW, proof(&["ada"]))]));
    }
    assert_eq!(rig.told(), [Event::Mirror(Some(busy))]);
}

#[test]
fn what_another_connection_set_is_kept_through_a_reconnect() {
    let mut rig = Rig::signed_in(&["ada"]);
    let away = presence(Status::Away, "set from a terminal");
    rig.hear(ack(1, Some(away.clone()), Vec::new()));
    rig.lose_connection();
    rig.wait_for_retry();
    rig.done();
    rig.session.connected(rig.now, &mut rig.effects);
    assert_eq!(hello_presence(&mut rig), away);
}

#[test]
fn an_ack_from_before_a_change_does_not_undo_it() {
    let mut rig = Rig::signed_in(&["ada"]);
    set(&mut rig, Status::Away, "tea");
    rig.hear(ack(1, Some(Presence::default()), Vec::new()));
    rig.lose_connection();
    rig.wait_for_retry();
    rig.done();
    rig.session.connected(rig.now, &mut rig.effects);
    assert_eq!(hello_presence(&mut rig), presence(Status::Away, "tea"));
}

#[test]
fn an_observer_learns_that_the_change_was_made() {
    let mut rig = Rig::with(|options| options.observe = true);
    set(&mut rig, Status::Away, "tea");
    rig.sign_in(&["ada"]);
    let set = |effect| match effect {
        Effect::Send(ClientMessage::SetStatus { request, .. }) => Some(request),
        _ => None,
    };
    let request = rig.done().into_iter().find_map(set).expect("what waited is sent");
    rig.hear(ServerMessage::Result { request, view: None });
    assert_eq!(rig.told(), [Event::Mirror(Some(presence(Status::Away, "tea")))]);
    rig.ack(1, &["ada"]);
    assert_eq!(rig.told(), [], "an ack shows nobody to an observer, and that is no news");
}

#[test]
fn an_observer_learns_that_nobody_is_listed() {
    let mut rig = Rig::with(|options| options.observe = true);
    rig.sign_in(&[]);
    rig.done();
    set(&mut rig, Status::Away, "");
    let (request, _) = request_of(&mut rig);
    rig.hear(refusal(request));
    assert!(
        matches!(rig.done()[..], [Effect::Emit(Event::Refused { .. })]),
        "and is not sent again"
    );
    set(&mut rig, Status::Busy, "");
    assert_eq!(request_of(&mut rig).1.status, Status::Busy, "a refusal blocks nothing");
}

#[test]
fn what_an_observer_asked_for_in_vain_is_asked_again() {
    let mut rig = Rig::with(|options| options.observe = true);
    rig.sign_in(&["ada"]);
    set(&mut rig, Status::Away, "");
    rig.lose_connection();
    rig.wait_for_retry();
    rig.reach_server();
    rig.done();
    rig.hear(ServerMessage::Welcome(welcome()));
    let sent = rig.sent();
    assert!(matches!(sent.last(), Some(ClientMessage::SetStatus { .. })), "{sent:?}");
}

#[test]
fn a_text_too_long_for_a_hello_follows_as_a_request() {
    let long = "🦊".repeat(140);
    let mut rig = Rig::with(|options| options.presence = presence(Status::Away, &long));
    rig.reach_server();
    let sent = rig.sent();
    let [hello @ ClientMessage::Hello(said)] = &sent[..] else { panic!("{sent:?}") };
    assert!(hello.encode().len() <= 2 + 512);
    assert_eq!(said.presence, presence(Status::Away, ""), "the status is right at once");
    rig.hear(ServerMessage::Welcome(welcome()));
    let sent = rig.sent();
    let asked = sent.iter().find_map(|message| match message {
        ClientMessage::SetStatus { presence, .. } => Some(presence.clone()),
        _ => None,
    });
    assert_eq!(asked, Some(presence(Status::Away, &long)), "{sent:?}");
}
