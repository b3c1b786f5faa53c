//! Whose name it is.

use herenow_protocol::limits::SESSIONS_MAX;

use super::*;

/// The name of ada, tried by somebody with another key and by somebody with none.
fn strangers() -> [Hello; 2] {
    let device = DeviceId::new("stranger").expect("valid");
    let stranger = Hello { device, ..hello("ada", "far") };
    [stranger.clone(), Hello { key: Some(key(77)), ..stranger }]
}

#[test]
fn the_key_lets_another_device_in_and_nothing_else_does() {
    let mut desk = Desk::new();
    desk.sign_in(keyed("ada", "desk"));
    desk.sign_in(keyed("ada", "phone"));
    for stranger in strangers() {
        assert_eq!(desk.refused(stranger), CloseReason::NameInUse);
    }
    assert_eq!(desk.devices("ada"), ["desk", "phone"]);
}

#[test]
fn two_devices_without_a_key_are_two_people() {
    let mut desk = Desk::new();
    desk.sign_in(hello("ada", "desk"));
    assert_eq!(desk.refused(hello("ada", "phone")), CloseReason::NameInUse);
    assert_eq!(
        desk.refused(keyed("ada", "phone")),
        CloseReason::NameInUse,
        "the first sets the key"
    );
}

#[test]
fn a_refused_connection_takes_nobody_along() {
    let mut desk = Desk::new();
    desk.sign_in(hello("ada", "desk"));
    let (refused, _) = desk.try_sign_in(hello("ada", "phone"));
    desk.end(refused, CloseReason::NameInUse);
    assert_eq!(desk.names(), ["ada"]);
    assert_eq!(desk.registry.session_count(), 1);
}

#[test]
fn a_name_with_a_key_is_kept_for_the_window_and_free_after_it() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(keyed("ada", "desk"));
    desk.advance(SECOND);
    desk.end(ada, CloseReason::Goodbye);
    desk.advance(WINDOW - Duration::from_millis(1));
    for stranger in strangers() {
        assert_eq!(desk.refused(stranger), CloseReason::NameInUse);
    }
    desk.advance(Duration::from_millis(1));
    let [_, stranger] = strangers();
    desk.sign_in(stranger);
    assert_eq!(desk.refused(keyed("ada", "desk")), CloseReason::NameInUse, "it is another's now");
}

#[test]
fn her_own_key_finds_a_kept_name() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(keyed("ada", "desk"));
    desk.end(ada, CloseReason::Goodbye);
    desk.advance(SECOND);
    desk.sign_in(keyed("ada", "phone"));
    assert_eq!(desk.devices("ada"), ["phone"]);
}

#[test]
fn a_name_without_a_key_is_free_at_once() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.end(ada, CloseReason::Goodbye);
    let [stranger, _] = strangers();
    desk.sign_in(stranger);
    assert_eq!(desk.names(), ["ada"]);
}

#[test]
fn a_name_in_grace_is_still_in_use() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.end(ada, CloseReason::ConnectionReset);
    let [stranger, _] = strangers();
    assert_eq!(desk.refused(stranger.clone()), CloseReason::NameInUse);
    desk.advance(GRACE);
    desk.sign_in(stranger);
}

#[test]
fn who_takes_a_free_name_ends_the_hidden_sessions_of_the_former_user() {
    let mut desk = Desk::new();
    let hidden = desk.sign_in(showing(keyed("ada", "desk"), Status::Invisible));
    let lost = desk.sign_in(showing(keyed("ada", "phone"), Status::Invisible));
    desk.choose(hidden, Choice { text: Some(words("secret")), ..chosen(Status::Invisible) });
    desk.end(lost, CloseReason::ConnectionReset);
    desk.advance(GRACE);
    desk.news();
    let [stranger, _] = strangers();
    let new = desk.sign_in(stranger);
    let news = desk.news();
    assert_eq!(news.closed(hidden), Some(CloseReason::NameInUse));
    let closed: Vec<_> =
        news.transitions().into_iter().filter(|t| t.kind == TransitionKind::Closed).collect();
    assert_eq!(closed.len(), 2);
    assert!(closed.iter().all(|t| t.cause == Some(CloseReason::NameInUse)));
    assert_eq!((desk.text("ada").as_str(), desk.devices("ada")), ("", vec!["far".to_owned()]));
    assert_eq!(desk.registry.session_count(), 1);
    desk.end(hidden, CloseReason::NameInUse);
    assert_eq!(desk.names(), ["ada"]);
    desk.end(new, CloseReason::Goodbye);
    let (_, again) = desk.try_sign_in(resuming(keyed("ada", "phone"), lost, &[]));
    assert!(!signed_in(again).resumed, "that session is gone");
}

#[test]
fn a_sign_in_does_not_tell_whether_a_user_is_invisible_or_offline() {
    for wait in [SECOND, WINDOW + SECOND] {
        let answers = [true, false].map(|hides| {
            let mut desk = Desk::new();
            let ada = desk.sign_in(keyed("ada", "desk"));
            desk.advance(SECOND);
            match hides {
                true => desk.choose(ada, chosen(Status::Invisible)),
                false => desk.end(ada, CloseReason::Goodbye),
            }
            desk.advance(wait);
            strangers().map(|stranger| desk.try_sign_in(stranger).1)
        });
        assert_eq!(answers[0], answers[1], "after {wait:?}");
    }
}

#[test]
fn the_same_device_takes_over_with_its_rooms_and_without_a_leave() {
    let mut desk = Desk::new();
    let old = desk.sign_in(hello("ada", "desk"));
    desk.join(old, "attic");
    let attic = desk.watch(old, "attic");
    desk.news();
    let version = desk.registry.proof().version;
    let new = desk.sign_in(hello("ada", "desk"));
    let news = desk.news();
    assert_eq!(news.closed(old), Some(CloseReason::Replaced));
    assert_eq!(desk.registry.proof().version, version, "nobody has anything to hear");
    assert!(news.lobby().is_empty() && news.changes(attic).is_empty());
    assert_eq!(desk.room(new, "attic"), ["ada"]);
    desk.end(old, CloseReason::Replaced);
    assert_eq!(desk.names(), ["ada"], "the loser's end changes nothing");
    desk.leave(new, "attic");
    assert_eq!(desk.room(new, "attic"), [""; 0]);
    desk.end(new, CloseReason::Goodbye);
    assert!(desk.names().is_empty());
}

#[test]
fn the_same_device_takes_over_a_session_that_waits() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.join(ada, "attic");
    desk.end(ada, CloseReason::ConnectionReset);
    desk.advance(GRACE + SECOND);
    let new = desk.sign_in(hello("ada", "desk"));
    assert_eq!(desk.registry.session_count(), 1);
    assert_eq!(desk.room(new, "attic"), ["ada"]);
}

#[test]
fn a_user_has_sixteen_sessions() {
    let mut desk = Desk::new();
    let all: Vec<_> =
        (0..SESSIONS_MAX).map(|n| desk.sign_in(keyed("ada", &format!("d{n}")))).collect();
    assert_eq!(desk.refused(keyed("ada", "more")), CloseReason::TooManySessions);
    desk.sign_in(keyed("ada", "d3"));
    assert_eq!(desk.registry.session_count(), SESSIONS_MAX, "a device that starts anew is no more");
    desk.end(all[0], CloseReason::Goodbye);
    desk.sign_in(keyed("ada", "more"));
}

#[test]
fn the_longest_lost_session_gives_way_to_a_seventeenth() {
    let mut desk = Desk::new();
    let all: Vec<_> =
        (0..SESSIONS_MAX).map(|n| desk.sign_in(keyed("ada", &format!("d{n}")))).collect();
    for lost in [all[5], all[2], all[9]] {
        desk.end(lost, CloseReason::ConnectionReset);
        desk.advance(SECOND);
    }
    desk.news();
    desk.sign_in(keyed("ada", "more"));
    let news = desk.news();
    let closed: Vec<_> = news
        .transitions()
        .into_iter()
        .filter(|t| t.kind == TransitionKind::Closed)
        .map(|t| (t.session, t.cause))
        .collect();
    assert_eq!(closed, [(Some(SessionId(all[5].0)), Some(CloseReason::ConnectionReset))]);
    assert_eq!(desk.registry.session_count(), SESSIONS_MAX);
}

#[test]
fn a_name_that_was_proven_needs_no_key_and_is_never_given_away() {
    let mut desk = Desk::new();
    let first = desk.sign_in(keyed("ada", "desk"));
    desk.choose(first, chosen(Status::Invisible));
    desk.connections += 1;
    let connection = ConnectionId(desk.connections);
    let device = DeviceId::new("far").expect("valid");
    let hello = Hello { device, ..hello("ada", "far") };
    let sign_in = SignIn::new(hello, RULE, SessionId(desk.connections), token(connection));
    let answer = desk.say(connection, Command::SignIn(Box::new(sign_in.proven(true))));
    assert!(matches!(answer, Answer::SignedIn(_)), "{answer:?}");
    // The invisible device hides both: they are one person, and the first one was not evicted.
    let Answer::SignedIn(signed_in) = answer else { unreachable!() };
    assert_eq!(signed_in.me, None);
    desk.end(connection, CloseReason::Goodbye);
    desk.choose(first, chosen(Status::Busy));
    assert_eq!(desk.shown("ada").presence.status, Status::Busy);
}
