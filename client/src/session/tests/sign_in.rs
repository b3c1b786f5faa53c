//! From the first try to the list, and the ways in which that fails.

use super::*;

#[test]
fn a_sign_in_goes_step_by_step() {
    let mut rig = Rig::new();
    rig.poll();
    assert_eq!(rig.done(), [Effect::Emit(Event::Connecting { attempt: 1 }), Effect::Connect]);
    rig.session.connected(rig.now, &mut rig.effects);
    assert!(matches!(rig.sent()[..], [ClientMessage::Hello(_)]));
    rig.hear(ServerMessage::Welcome(welcome()));
    let watch = ClientMessage::Watch { request: 1, target: WatchTarget::Room(RoomName::lobby()) };
    assert_eq!(rig.done(), [Effect::Emit(Event::SignedIn(welcome())), Effect::Send(watch)]);
    rig.hear(ServerMessage::Result { request: 1, view: Some(VIEW) });
    assert_eq!(rig.done(), [], "nothing was shown that could be old");
    rig.snapshot(&["ada", "bob"]);
    assert_eq!(rig.told(), [snapshot()], "a first list needs no word that it is fresh");
    assert_eq!(rig.session.view().len(), 2);
}

#[test]
fn a_server_that_does_not_answer_the_hello_is_left_after_ten_seconds() {
    let mut rig = Rig::new();
    rig.reach_server();
    rig.wait(SIGN_IN_TIMEOUT - Duration::from_millis(1));
    rig.done();
    rig.wait(Duration::from_millis(1));
    let done = rig.done();
    assert_eq!(done.first(), Some(&Effect::Disconnect));
    let Some(Effect::Emit(Event::Closed { reason, retry_in })) = done.last() else {
        panic!("not closed: {done:?}")
    };
    assert_eq!(reason, &Disconnect::SignInTimeout);
    assert!(retry_in.is_some());
}

#[test]
fn a_welcome_that_no_clock_can_keep_is_a_violation() {
    let hostile: [fn(&mut Welcome); 5] = [
        |welcome| welcome.heartbeat_ms = u64::MAX,
        |welcome| welcome.heartbeat_ms = 1,
        |welcome| welcome.misses = u32::MAX,
        |welcome| welcome.version = 2,
        |welcome| welcome.misses = 1_001,
    ];
    for spoil in hostile {
        let mut rig = Rig::new();
        rig.reach_server();
        let mut spoilt = welcome();
        spoil(&mut spoilt);
        rig.hear(ServerMessage::Welcome(spoilt.clone()));
        let (reason, _) = closed(&rig.told());
        assert!(matches!(reason, Disconnect::ProtocolError(_)), "{spoilt:?}: {reason:?}");
    }
}

#[test]
fn messages_out_of_place_are_violations() {
    let mut rig = Rig::new();
    rig.reach_server();
    rig.ack(1, &[]);
    assert!(matches!(closed(&rig.told()).0, Disconnect::ProtocolError(_)), "before the Welcome");

    let mut rig = Rig::signed_in(&["ada"]);
    rig.hear(ServerMessage::Welcome(welcome()));
    assert!(matches!(closed(&rig.told()).0, Disconnect::ProtocolError(_)), "a second Welcome");
}

#[test]
fn bytes_that_are_no_message_close_the_connection() {
    for body in [&b"\xc1"[..], b"\x90", b"\x92\x42\x01", b"\x93\xcc\x42\x01\xc0\xff\xff"] {
        let mut rig = Rig::signed_in(&["ada"]);
        rig.hear_bytes(body);
        let told = rig.told();
        let (reason, retry_in) = closed(&told);
        assert_eq!(reason.name(), "protocol_error", "{body:x?}");
        assert!(reason.violation().is_some());
        assert!(retry_in.is_some_and(|wait| wait >= Duration::from_millis(500)));
    }
}

#[test]
fn a_message_from_a_newer_server_is_ignored() {
    let newer = b"\x92\xcc\xc8\xa5hello";
    let mut rig = Rig::new();
    rig.reach_server();
    rig.done();
    rig.hear_bytes(newer);
    assert_eq!(rig.done(), []);
    let mut rig = Rig::signed_in(&["ada"]);
    rig.hear_bytes(newer);
    assert_eq!(rig.done(), []);
}

#[test]
fn a_refused_sign_in_is_final_and_says_why() {
    let mut rig = Rig::new();
    rig.reach_server();
    let text = "ada is signed in from another device".to_owned();
    let (reason, reconnect) = (CloseReason::NameInUse, false);
    let goodbye = ServerMessage::Goodbye { reason, reconnect, come_back_after_ms: 0, text };
    rig.hear(goodbye);
    let (reason, retry_in) = closed(&rig.told());
    assert_eq!((reason.name(), retry_in), ("name_in_use", None));
    assert!(reason.to_string().contains("another device"), "{reason}");
    assert!(rig.session.is_over());
    assert_eq!(rig.session.next_deadline(), None);
}

#[test]
fn tries_are_counted_from_the_last_sign_in() {
    let mut rig = Rig::new();
    for attempt in 1..=3 {
        rig.wait_for_retry();
        assert_eq!(rig.told(), [Event::Connecting { attempt }]);
        rig.session.disconnected(Disconnect::ConnectionRefused, rig.now, &mut rig.effects);
        assert_eq!(closed(&rig.told()).0, Disconnect::ConnectionRefused);
    }
    rig.now = rig.session.next_deadline().expect("it tries again");
    rig.sign_in(&["ada"]);
    rig.lose_connection();
    rig.done();
    rig.wait_for_retry();
    assert_eq!(rig.told(), [Event::Connecting { attempt: 1 }]);
}

#[test]
fn the_same_seed_gives_the_same_transcript() {
    let transcript = |seed| {
        let mut rig = Rig::seeded(seed, |_| {});
        rig.sign_in(&["ada"]);
        let start = rig.now;
        rig.wait(Duration::from_secs(60));
        (rig.done(), rig.session.next_deadline().map(|at| at - start))
    };
    assert_eq!(transcript(1), transcript(1));
    assert_ne!(transcript(1), transcript(2));
}
