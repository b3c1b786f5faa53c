//! Going on with a session after its connection was lost.

use herenow_protocol::Change;

use super::*;

const TOKEN: ResumeToken = ResumeToken([9; 16]);

/// A `Welcome` with which the session and these views go on.
fn goes_on(views: &[ViewId]) -> ServerMessage {
    let token = Some(ResumeToken([10; 16]));
    ServerMessage::Welcome(Welcome { resumed: true, token, views: views.to_vec(), ..welcome() })
}

/// A rig that lost its connection and says `Hello` again.
fn returning(names: &[&str]) -> Rig {
    let mut rig = Rig::signed_in(names);
    rig.lose_connection();
    let resume = rig.next_hello().resume.expect("it goes on with its session");
    assert_eq!((resume.token, resume.epoch), (TOKEN, Some(EPOCH)));
    assert_eq!(resume.views, [(VIEW, proof(names).version)]);
    rig
}

fn watches(rig: &mut Rig) -> usize {
    let is_watch = |message: &ClientMessage| matches!(message, ClientMessage::Watch { .. });
    rig.sent().into_iter().filter(is_watch).count()
}

#[test]
fn a_view_goes_on_from_its_version_and_costs_no_snapshot() {
    let mut rig = returning(&["ada"]);
    rig.hear(goes_on(&[VIEW]));
    let done = rig.done();
    assert!(matches!(done[..], [Effect::Emit(Event::SignedIn(_))]), "{done:?}");
    let bob = entries(&["ada", "bob"]).remove(1);
    let (proof, changes) = (proof(&["ada", "bob"]), vec![Change::Joined(bob.clone())]);
    rig.hear(ServerMessage::Delta { view: VIEW, from: 1, proof, changes });
    rig.hear(ServerMessage::SnapshotEnd { view: VIEW, proof });
    let joined = Event::Joined { view: ViewKey::FIRST, entry: bob };
    assert_eq!(rig.told(), [joined, fresh()]);
    assert!(rig.session.view().is_complete());
}

#[test]
fn a_view_that_missed_nothing_is_proved_by_the_end_alone() {
    let mut rig = returning(&["ada"]);
    rig.hear(goes_on(&[VIEW]));
    rig.done();
    rig.hear(ServerMessage::SnapshotEnd { view: VIEW, proof: proof(&["ada"]) });
    assert_eq!(rig.told(), [fresh()]);
}

#[test]
fn pages_instead_of_the_missing_deltas_are_a_new_snapshot() {
    let mut rig = returning(&["ada"]);
    rig.hear(goes_on(&[VIEW]));
    rig.done();
    rig.snapshot(&["eve", "bob"]);
    assert_eq!(rig.told(), [snapshot(), fresh()]);
    assert_eq!(rig.session.view().len(), 2);
}

#[test]
fn a_view_that_does_not_go_on_is_watched_anew_and_shown_as_old() {
    let other_epoch = Welcome { epoch: Epoch([4; 16]), resumed: true, ..welcome() };
    let welcomes = [
        Welcome { resumed: true, ..welcome() },
        Welcome { resumed: true, views: vec![ViewId(77)], ..welcome() },
        Welcome { resumed: false, views: vec![VIEW], ..welcome() },
        Welcome { views: vec![VIEW], ..other_epoch },
    ];
    for welcome in welcomes {
        let mut rig = returning(&["ada", "bob"]);
        rig.hear(ServerMessage::Welcome(welcome.clone()));
        assert_eq!(watches(&mut rig), 1, "{welcome:?}");
        let view = rig.session.view();
        assert_eq!((view.len(), view.is_complete()), (2, false), "{welcome:?}");
    }
}

#[test]
fn in_another_epoch_a_new_snapshot_replaces_what_was_shown() {
    let mut rig = returning(&["ada"]);
    let epoch = Epoch([4; 16]);
    rig.hear(ServerMessage::Welcome(Welcome { epoch, resumed: true, ..welcome() }));
    rig.answer_watch();
    rig.done();
    let eve = entries(&["eve"]);
    let mut digest = Digest::default();
    digest.add(EntryHasher::new(epoch).hash(&eve[0]));
    let (view, first, last) = (VIEW, UserId(0), UserId(u32::MAX));
    rig.hear(ServerMessage::SnapshotPage { view, first, last, entries: eve });
    let proof = ViewProof { version: 1, count: 1, digest };
    rig.hear(ServerMessage::SnapshotEnd { view, proof });
    assert_eq!(rig.told(), [snapshot(), fresh()]);
}

#[test]
fn a_copy_that_was_wrong_or_not_whole_is_not_named() {
    let spoil: [fn(&mut Rig); 2] = [
        |rig| rig.ack(0, &["eve"]),
        |rig| {
            let (first, last, entries) = (UserId(0), UserId(9), Vec::new());
            rig.hear(ServerMessage::SnapshotPage { view: VIEW, first, last, entries });
        },
    ];
    for spoil in spoil {
        let mut rig = Rig::signed_in(&["ada"]);
        spoil(&mut rig);
        rig.lose_connection();
        let resume = rig.next_hello().resume.expect("the session goes on");
        assert_eq!(resume.views, []);
    }
}

#[test]
fn each_welcome_brings_the_next_token() {
    let mut rig = returning(&["ada"]);
    rig.hear(goes_on(&[VIEW]));
    rig.hear(ServerMessage::SnapshotEnd { view: VIEW, proof: proof(&["ada"]) });
    rig.lose_connection();
    let resume = rig.next_hello().resume.expect("it goes on again");
    assert_eq!(resume.token, ResumeToken([10; 16]));
    assert_eq!(resume.views, [(VIEW, 1)]);
}

#[test]
fn a_token_outlives_tries_that_fail() {
    let mut rig = returning(&["ada"]);
    for _ in 0..3 {
        rig.session.disconnected(Disconnect::ConnectionRefused, rig.now, &mut rig.effects);
        let resume = rig.next_hello().resume.expect("it still goes on");
        assert_eq!(resume.views, [(VIEW, 1)]);
    }
}

#[test]
fn a_server_that_stops_is_returned_to_and_one_that_ended_the_session_is_met_anew() {
    use CloseReason as R;
    for (reason, resumes) in [
        (R::ServerShutdown, true),
        (R::SlowConsumer, true),
        (R::HeartbeatTimeout, true),
        (R::InternalError, false),
        (R::Goodbye, false),
    ] {
        let mut rig = Rig::signed_in(&["ada"]);
        rig.hear(goodbye(reason, true, 0));
        assert_eq!(rig.next_hello().resume.is_some(), resumes, "{reason}");
    }
}

#[test]
fn an_observer_has_nothing_to_go_on_with() {
    let mut rig = Rig::with(|options| options.observe = true);
    rig.reach_server();
    rig.hear(ServerMessage::Welcome(Welcome { token: None, ..welcome() }));
    rig.lose_connection();
    assert_eq!(rig.next_hello().resume, None);
}

#[test]
fn who_can_go_on_is_back_before_a_restarted_server_reports_him_gone() {
    let longest = |window_ms: u64| {
        let wait = |seed| {
            let mut rig = Rig::seeded(seed, |_| {});
            rig.reach_server();
            let resume_window_ms = window_ms;
            rig.hear(ServerMessage::Welcome(Welcome { resume_window_ms, ..welcome() }));
            let mut waits = Vec::new();
            rig.lose_connection();
            for _ in 0..8 {
                let at = rig.session.next_deadline().expect("it tries again");
                waits.push(at - rig.now);
                rig.now = at;
                rig.poll();
                let refused = Disconnect::ConnectionRefused;
                rig.session.disconnected(refused, rig.now, &mut rig.effects);
            }
            assert!(waits.iter().all(|wait| *wait >= Duration::from_millis(500)), "{waits:?}");
            waits.into_iter().max().expect("eight waits")
        };
        (0..50).map(wait).max().expect("fifty seeds")
    };
    let capped = longest(600_000);
    assert!(capped <= Duration::from_secs(4), "0.4 of five beats of two seconds: {capped:?}");
    assert!(capped > Duration::from_millis(3_500), "and the whole range is used: {capped:?}");
    assert!(longest(1_000) > Duration::from_secs(10), "once there is nothing to go on with");
}
