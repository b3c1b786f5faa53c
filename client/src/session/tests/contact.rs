//! Silence, ends and returns.

use super::*;

#[test]
fn silence_is_told_the_list_grows_old_and_the_end_comes_within_the_bound() {
    let mut rig = Rig::signed_in(&["ada"]);
    let start = rig.now;
    rig.wait(BEAT * 5 - Duration::from_millis(1));
    let mut told = rig.told();
    let lost = |unanswered| Event::ContactLost { unanswered, of: 5 };
    let Event::Stale { age, .. } = told.remove(1) else { panic!("stale is told second") };
    assert!(age >= BEAT && age <= BEAT * 2, "{age:?} at the second beat");
    assert_eq!(told, [lost(2), lost(3), lost(4), lost(5)], "and once");
    rig.wait(Duration::from_millis(1));
    let done = rig.done();
    let reason = CloseReason::HeartbeatTimeout;
    assert_eq!(done[..2], [Effect::Send(ClientMessage::Goodbye { reason }), Effect::Disconnect]);
    let Effect::Emit(Event::Closed { reason, retry_in: Some(_) }) = &done[2] else {
        panic!("not closed: {done:?}")
    };
    assert_eq!(reason, &Disconnect::ServerSilent { unanswered: 5 });
    assert_eq!(rig.now - start, BEAT * 5);
}

#[test]
fn contact_that_comes_back_freshens_the_list_only_with_a_proof() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.wait(BEAT * 3);
    rig.done();
    rig.hear_bytes(b"\x92\xcc\xc8\xa5hello");
    assert_eq!(rig.told(), [Event::ContactBack], "any frame will do");
    rig.ack(3, &["ada"]);
    let told = rig.told();
    assert!(
        matches!(told[..], [Event::RoundTrip(_), Event::Fresh { view: ViewKey::FIRST }]),
        "{told:?}"
    );
    rig.ack(3, &["ada"]);
    assert_eq!(rig.told(), [], "fresh is told once");
}

#[test]
fn an_ack_that_comes_before_the_next_beat_is_late_for_nobody() {
    let mut rig = Rig::signed_in(&["ada"]);
    let mut beats = 0;
    while beats < 50 {
        rig.wait(Duration::from_millis(1));
        let is_next = |sent: &ClientMessage| matches!(sent, ClientMessage::Heartbeat { n, .. } if *n == beats + 1);
        if rig.sent().iter().any(is_next) {
            beats += 1;
            rig.wait(BEAT - Duration::from_millis(1));
            rig.ack(beats, &["ada"]);
            let told = rig.told();
            assert!(matches!(told[..], [Event::RoundTrip(_)]), "{told:?}");
        }
    }
}

#[test]
fn after_a_return_the_list_is_told_whole_and_fresh() {
    let mut rig = Rig::signed_in(&["ada", "bob"]);
    rig.lose_connection();
    assert!(matches!(
        rig.told()[..],
        [Event::Stale { .. }, Event::Closed { retry_in: Some(_), .. }]
    ));
    assert_eq!(rig.session.view().len(), 2, "the old list stays to be shown as old");
    rig.wait_for_retry();
    rig.sign_in(&["ada"]);
    let told = rig.told();
    assert_eq!(told[2..], [snapshot(), fresh()], "{told:?}");
}

#[test]
fn the_server_s_time_to_come_back_is_kept() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.hear(goodbye(CloseReason::ServerShutdown, true, 3_000));
    let (reason, retry_in) = closed(&rig.told());
    assert_eq!(reason.name(), "server_shutdown");
    assert!(retry_in.is_some_and(|wait| wait >= Duration::from_secs(3)), "{retry_in:?}");
    rig.network(false);
    rig.network(true);
    rig.done();
    rig.wait(Duration::from_millis(2_999));
    assert_eq!(rig.done(), [], "not even a link that comes back may hurry it");
}

#[test]
fn who_was_replaced_stays_away() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.hear(goodbye(CloseReason::Replaced, true, 0));
    assert_eq!(closed(&rig.told()).1, None);
    rig.command(Command::RetryNow);
    rig.wait(Duration::from_secs(600));
    assert_eq!(rig.done(), []);
}

#[test]
fn without_reconnect_the_first_end_is_the_last() {
    let mut rig = Rig::with(|options| options.reconnect = false);
    rig.reach_server();
    rig.lose_connection();
    assert_eq!(closed(&rig.told()).1, None);
    assert!(rig.session.is_over());
}

#[test]
fn a_silent_server_is_not_blamed_for_a_pulled_cable() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.network(false);
    rig.network(false);
    assert_eq!(rig.told(), [Event::Network { up: false }], "told once");
    rig.wait(BEAT * 5);
    assert_eq!(closed(&rig.told()).0, Disconnect::NetworkDown);
    rig.network(true);
    assert_eq!(rig.told(), [Event::Network { up: true }]);
    rig.wait(Duration::from_millis(1_500));
    assert_eq!(rig.told(), [Event::Connecting { attempt: 1 }], "soon after the cable is back");
}

#[test]
fn what_the_server_said_itself_is_not_blamed_on_the_network() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.network(false);
    rig.hear(goodbye(CloseReason::ServerShutdown, true, 0));
    assert_eq!(closed(&rig.told()).0.name(), "server_shutdown");
}

#[test]
fn leaving_says_goodbye_wherever_one_is() {
    let leave = |rig: &mut Rig| {
        rig.done();
        rig.command(Command::Goodbye);
        let done = rig.done();
        let left = Event::Closed { reason: Disconnect::Left, retry_in: None };
        assert_eq!(done.last(), Some(&Effect::Emit(left)));
        assert!(rig.session.is_over());
        rig.command(Command::Goodbye);
        rig.wait(Duration::from_secs(60));
        assert_eq!(rig.done(), [], "once");
        done
    };
    assert_eq!(leave(&mut Rig::new()).len(), 1, "there is no connection to close");
    let mut connecting = Rig::new();
    connecting.poll();
    assert_eq!(leave(&mut connecting)[0], Effect::Disconnect);
    let mut signing_in = Rig::new();
    signing_in.reach_server();
    assert_eq!(leave(&mut signing_in)[0], Effect::Disconnect);
    let done = leave(&mut Rig::signed_in(&["ada"]));
    let reason = CloseReason::Goodbye;
    assert_eq!(done[..2], [Effect::Send(ClientMessage::Goodbye { reason }), Effect::Disconnect]);
}

#[test]
fn an_impatient_user_does_not_wait_for_the_retry() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.hear(goodbye(CloseReason::ServerShutdown, true, 60_000));
    rig.wait(Duration::from_secs(1));
    rig.done();
    rig.command(Command::RetryNow);
    assert_eq!(rig.told(), [Event::Connecting { attempt: 1 }]);
    rig.command(Command::RetryNow);
    assert_eq!(rig.told(), [], "it is trying already");
}

#[test]
fn a_stalled_program_does_not_blame_the_server() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.now += Duration::from_secs(3_600);
    rig.poll();
    assert_eq!(rig.told(), [stale(Duration::from_secs(3_600))], "but what it knows is old");
    assert!(rig.session.is_signed_in());
    rig.ack(1, &["ada"]);
    let told = rig.told();
    assert!(matches!(told[..], [Event::RoundTrip(_), Event::Fresh { .. }]), "{told:?}");
}

#[test]
fn without_acks_the_list_is_old_whatever_else_is_said() {
    let mut rig = Rig::signed_in(&["ada"]);
    let mut told = Vec::new();
    for _ in 0..60 {
        rig.wait(Duration::from_millis(100));
        // A delta that proves itself every tenth of a second, and never an ack.
        let proof = proof(&["ada"]);
        rig.hear(ServerMessage::Delta { view: VIEW, from: 1, proof, changes: Vec::new() });
        told.extend(rig.told());
    }
    assert!(matches!(told[..], [Event::Stale { .. }]), "once, and not fresh again: {told:?}");
    let Event::Stale { age, .. } = told[0] else { unreachable!("just matched") };
    assert!(age <= Duration::from_millis(100), "the last delta proved it: {age:?}");
    rig.ack(3, &["ada"]);
    assert!(rig.told().contains(&fresh()));
}

#[test]
fn an_ack_that_is_late_by_two_beats_does_not_freshen_the_list() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.wait(BEAT * 3);
    assert!(rig.told().iter().any(is_stale));
    rig.ack(1, &["ada"]);
    assert!(!rig.told().contains(&fresh()), "beats 2 and 3 are still open");
    rig.ack(2, &["ada"]);
    assert!(rig.told().contains(&fresh()));
}

#[test]
fn a_first_list_that_comes_while_acks_are_missing_is_old_at_once() {
    let mut rig = Rig::new();
    rig.reach_server();
    rig.hear(ServerMessage::Welcome(welcome()));
    rig.answer_watch();
    rig.wait(BEAT * 3);
    rig.done();
    rig.snapshot(&["ada"]);
    assert_eq!(rig.told()[..], [Event::ContactBack, snapshot(), stale(Duration::ZERO)]);
}

#[test]
fn a_beat_carries_the_last_round_trip() {
    let mut rig = Rig::signed_in(&["ada"]);
    let beat = |rig: &mut Rig| loop {
        rig.wait(Duration::from_millis(1));
        if let Some(ClientMessage::Heartbeat { n, round_trip_us }) = rig.sent().pop() {
            return (n, round_trip_us);
        }
    };
    assert_eq!(beat(&mut rig), (1, 0), "none was measured");
    rig.wait(Duration::from_millis(30));
    rig.ack(1, &["ada"]);
    let (n, round_trip_us) = beat(&mut rig);
    assert_eq!(n, 2);
    assert!((30_000..=31_000).contains(&round_trip_us), "{round_trip_us}");
}
