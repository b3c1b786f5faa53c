//! Losing a connection and coming back.

use super::*;

/// Ada and bob, who watches the lobby; everything is told.
fn ada_and_bob() -> (Desk, ConnectionId, ConnectionId) {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let bob = desk.sign_in(hello("bob", "desk"));
    desk.watch(bob, "lobby");
    desk.news();
    (desk, ada, bob)
}

fn transition(news: &News, kind: TransitionKind) -> Vec<&Transition> {
    news.transitions().into_iter().filter(|transition| transition.kind == kind).collect()
}

#[test]
fn who_comes_back_within_grace_was_never_gone_for_anybody() {
    let (mut desk, ada, _) = ada_and_bob();
    let (before, since) = (desk.registry.proof(), desk.shown("ada").since_ms);
    desk.end(ada, CloseReason::ConnectionReset);
    desk.advance(GRACE - Duration::from_millis(1));
    let (_, again) = desk.resume(hello("ada", "desk"), ada);
    assert_eq!((again.session, again.resumed), (SessionId(ada.0), true));
    assert_eq!(again.me.map(|me| me.status), Some(Status::Available));
    desk.advance(WINDOW * 2);
    let news = desk.news();
    assert!(news.is_quiet(), "no deadline of the old loss comes true");
    assert_eq!((desk.registry.proof(), desk.shown("ada").since_ms), (before, since));
    assert_eq!(news.kinds(), [TransitionKind::Lost, TransitionKind::Resumed]);
}

#[test]
fn who_does_not_come_back_leaves_at_the_end_of_grace_with_the_cause() {
    for cause in [CloseReason::ConnectionClosed, CloseReason::ConnectionReset] {
        let (mut desk, ada, bob) = ada_and_bob();
        let lost_ms = desk.now.unix_ms;
        desk.end(ada, cause);
        desk.advance(GRACE - Duration::from_millis(1));
        assert_eq!(desk.names(), ["ada", "bob"]);
        desk.advance(Duration::from_millis(1));
        assert_eq!(desk.names(), ["bob"]);
        let news = desk.news();
        assert_eq!(news.leaves(LOBBY_VIEW), [cause]);
        let offline = transition(&news, TransitionKind::Offline);
        assert_eq!((offline[0].cause, offline[0].not_before_ms), (Some(cause), lost_ms));
        assert_eq!(offline[0].at_ms, lost_ms + millis(GRACE));
        assert_eq!(desk.ask(bob, "ada"), Shown::offline(lost_ms), "seen when last heard");
    }
}

#[test]
fn grace_never_outlasts_the_announced_bound() {
    let (mut desk, ada, _) = ada_and_bob();
    let heard_at = desk.now.instant;
    desk.advance(SECOND * 7);
    desk.say(ada, Command::End(CloseReason::ConnectionReset, heard_at));
    desk.advance(RULE.silence_max() - SECOND * 7 - Duration::from_millis(1));
    assert_eq!(desk.names(), ["ada", "bob"]);
    desk.advance(Duration::from_millis(1));
    assert_eq!(desk.names(), ["bob"], "three seconds of grace instead of five");
}

#[test]
fn whoever_was_silent_for_the_whole_rule_is_told_of_at_once() {
    let (mut desk, ada, _) = ada_and_bob();
    let heard_at = desk.now.instant;
    let heard_ms = desk.now.unix_ms;
    desk.advance(RULE.silence_max());
    desk.say(ada, Command::End(CloseReason::HeartbeatTimeout, heard_at));
    assert_eq!(desk.names(), ["bob"]);
    let news = desk.news();
    assert_eq!(news.leaves(LOBBY_VIEW), [CloseReason::HeartbeatTimeout]);
    assert_eq!(transition(&news, TransitionKind::Lost)[0].not_before_ms, heard_ms);
    let (_, again) = desk.resume(hello("ada", "desk"), ada);
    assert!(again.resumed, "its session can still be resumed");
}

#[test]
fn a_goodbye_and_a_violation_end_a_session_at_once() {
    let violation = CloseReason::ProtocolError(herenow_protocol::Violation::TrailingBytes);
    for cause in [CloseReason::Goodbye, violation] {
        let (mut desk, ada, _) = ada_and_bob();
        desk.end(ada, cause);
        assert_eq!(desk.names(), ["bob"]);
        let news = desk.news();
        assert_eq!(news.leaves(LOBBY_VIEW), [cause]);
        assert_eq!(transition(&news, TransitionKind::Closed)[0].cause, Some(cause));
        let (_, again) = desk.resume(hello("ada", "desk"), ada);
        assert!(!again.resumed, "there is nothing to go on with");
    }
}

#[test]
fn a_session_is_resumed_while_its_old_connection_still_looks_alive() {
    let (mut desk, ada, _) = ada_and_bob();
    let version = desk.registry.proof().version;
    let (new, again) = desk.resume(hello("ada", "desk"), ada);
    assert!(again.resumed);
    let news = desk.news();
    assert_eq!(news.closed(ada), Some(CloseReason::Replaced));
    desk.end(ada, CloseReason::Replaced);
    desk.advance(WINDOW * 2);
    assert!(desk.news().is_quiet());
    assert_eq!(desk.registry.proof().version, version, "nobody has anything to hear");
    desk.choose(new, chosen(Status::Busy));
    assert_eq!(desk.status("ada"), Status::Busy);
}

#[test]
fn after_grace_and_within_the_window_a_session_is_listed_again() {
    let (mut desk, ada, bob) = ada_and_bob();
    desk.choose(ada, Choice { text: Some(words("deep in it")), ..chosen(Status::Busy) });
    desk.join(ada, "attic");
    desk.end(ada, CloseReason::ConnectionReset);
    desk.advance(WINDOW - SECOND);
    desk.news();
    let (_, again) = desk.resume(hello("ada", "desk"), ada);
    assert!(again.resumed);
    assert_eq!((desk.status("ada"), desk.text("ada").as_str()), (Status::Busy, "deep in it"));
    assert_eq!(desk.shown("ada").since_ms, desk.now.unix_ms, "others see it since now");
    assert_eq!(desk.room(bob, "attic"), ["ada"]);
    let news = desk.news();
    assert_eq!(news.kinds(), [TransitionKind::Resumed, TransitionKind::Online]);
    assert!(matches!(news.lobby()[..], [Change::Joined(_)]));
}

#[test]
fn after_the_window_a_session_is_closed_once_with_the_cause() {
    let (mut desk, ada, _) = ada_and_bob();
    desk.end(ada, CloseReason::ConnectionReset);
    desk.advance(WINDOW - Duration::from_millis(1));
    assert_eq!(desk.registry.session_count(), 2);
    desk.advance(Duration::from_millis(1));
    assert_eq!(desk.registry.session_count(), 1);
    desk.advance(WINDOW);
    let news = desk.news();
    let closed = transition(&news, TransitionKind::Closed);
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].cause, Some(CloseReason::ConnectionReset));
    assert_eq!(news.leaves(LOBBY_VIEW).len(), 1, "the leave was told at the end of grace");
    let (_, again) = desk.resume(hello("ada", "desk"), ada);
    assert!(!again.resumed);
}

#[test]
fn a_session_that_is_lost_again_has_its_whole_grace_again() {
    let (mut desk, ada, _) = ada_and_bob();
    desk.end(ada, CloseReason::ConnectionReset);
    desk.advance(SECOND * 4);
    let (new, _) = desk.resume(hello("ada", "desk"), ada);
    desk.end(new, CloseReason::ConnectionReset);
    desk.advance(SECOND * 4);
    assert_eq!(desk.names(), ["ada", "bob"]);
    desk.advance(SECOND);
    assert_eq!(desk.names(), ["bob"]);
    desk.advance(WINDOW - SECOND * 6);
    assert!(desk.resume(hello("ada", "desk"), ada).1.resumed, "and its whole window");
}

#[test]
fn a_token_that_nobody_has_is_a_plain_sign_in() {
    let (mut desk, ada, _) = ada_and_bob();
    let strange = Resume { token: ResumeToken([200; 16]), epoch: None, views: Vec::new() };
    let (_, answer) = desk.try_sign_in(Hello { resume: Some(strange), ..hello("eve", "desk") });
    assert!(!signed_in(answer).resumed);
    assert_eq!(desk.names(), ["ada", "bob", "eve"]);
    let (_, answer) = desk.try_sign_in(resuming(hello("mia", "desk"), ada, &[]));
    assert!(!signed_in(answer).resumed, "the token of another user");
    assert_eq!(desk.names(), ["ada", "bob", "eve", "mia"]);
}

#[test]
fn who_resumes_needs_neither_key_nor_device() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(keyed("ada", "desk"));
    let (_, again) = desk.resume(hello("ada", "elsewhere"), ada);
    assert!(again.resumed);
    assert_eq!(desk.devices("ada"), ["desk"], "the label of a Hello that resumes is not read");
}

#[test]
fn status_and_text_of_a_hello_that_resumes_are_not_read() {
    let (mut desk, ada, _) = ada_and_bob();
    desk.choose(ada, Choice { text: Some(words("here")), ..chosen(Status::Busy) });
    let choice = Choice::chosen(Status::Invisible, words("not read"));
    desk.resume(Hello { choice, ..hello("ada", "desk") }, ada);
    assert_eq!((desk.status("ada"), desk.text("ada").as_str()), (Status::Busy, "here"));
}

#[test]
fn the_rule_of_the_newest_connection_holds() {
    let (mut desk, ada, _) = ada_and_bob();
    desk.connections += 1;
    let connection = ConnectionId(desk.connections);
    let hurried = Liveness { interval: Duration::from_millis(100), misses: 5 };
    let hello = resuming(hello("ada", "desk"), ada, &[]);
    let sign_in = SignIn::new(hello, hurried, SessionId(connection.0), ResumeToken([8; 16]));
    desk.say(connection, Command::SignIn(Box::new(sign_in)));
    desk.end(connection, CloseReason::ConnectionReset);
    desk.advance(Duration::from_millis(500));
    assert_eq!(desk.names(), ["bob"], "five beats of 100 ms, not five seconds");
}

#[test]
fn named_views_go_on_and_the_others_are_given_up() {
    let (mut desk, ada, _) = ada_and_bob();
    desk.watch(ada, "lobby");
    let attic = desk.watch(ada, "attic");
    let list = desk.watch_people(ada, &["bob"]);
    let given_up = desk.watch_people(ada, &["eve"]);
    desk.news();
    desk.end(ada, CloseReason::ConnectionReset);
    let named = [(LOBBY_VIEW, 2), (list, 1), (ViewId(77), 3)];
    let (new, answer) = desk.try_sign_in(resuming(hello("ada", "desk"), ada, &named));
    assert_eq!(signed_in(answer).views, [(LOBBY_VIEW, 2), (list, 1)]);
    desk.news();
    for (view, there) in [(LOBBY_VIEW, true), (list, true), (attic, false), (given_up, false)] {
        desk.say(new, Command::Fetch(view, Wish::Pages(0)));
        assert_eq!(!desk.news().to(new).is_empty(), there, "{view:?}");
    }
    assert_failed(&desk.say(new, Command::Unwatch(attic)), ErrorCode::NoSuchView);
}

#[test]
fn views_of_another_epoch_are_all_given_up() {
    for epoch in [None, Some(Epoch([2; 16]))] {
        let (mut desk, ada, _) = ada_and_bob();
        desk.watch(ada, "lobby");
        desk.end(ada, CloseReason::ConnectionReset);
        let mut hello = resuming(hello("ada", "desk"), ada, &[(LOBBY_VIEW, 2)]);
        hello.resume.as_mut().expect("it resumes").epoch = epoch;
        let (new, answer) = desk.try_sign_in(hello);
        let answer = signed_in(answer);
        assert_eq!((answer.resumed, &answer.views[..]), (true, &[][..]));
        assert_failed(&desk.say(new, Command::Unwatch(LOBBY_VIEW)), ErrorCode::NoSuchView);
    }
}

#[test]
fn who_was_away_gets_what_was_missed() {
    let (mut desk, ada, bob) = ada_and_bob();
    desk.watch(ada, "lobby");
    let list = desk.watch_people(ada, &["bob"]);
    desk.news();
    let version = desk.registry.proof().version;
    desk.end(ada, CloseReason::ConnectionReset);
    desk.choose(bob, chosen(Status::Busy));
    assert!(desk.news().to(ada).is_empty(), "nothing goes to a connection that is no more");
    let named = [(LOBBY_VIEW, version), (list, 1)];
    let (new, _) = desk.try_sign_in(resuming(hello("ada", "desk"), ada, &named));
    for (view, from) in named {
        desk.say(new, Command::Fetch(view, Wish::Since(from)));
        let News(effects) = desk.news();
        let told = effects.iter().find_map(|effect| match effect {
            Effect::Deliver(to, Delivery::Missed(missed)) if *to == new => Some(missed),
            _ => None,
        });
        let missed = told.unwrap_or_else(|| panic!("{view:?}: {effects:?}"));
        assert_eq!((missed.view, missed.from, missed.frames.len()), (view, from, 1));
    }
    desk.say(new, Command::Fetch(LOBBY_VIEW, Wish::Since(99)));
    let news = desk.news();
    assert!(matches!(news.to(new)[..], [Delivery::Pages(batch)] if batch.from == 0), "unknown");
}

#[test]
fn one_device_that_is_lost_does_not_take_its_user_along() {
    let mut desk = Desk::new();
    let a = desk.sign_in(showing(keyed("ada", "a"), Status::Busy));
    desk.sign_in(keyed("ada", "b"));
    desk.news();
    desk.end(a, CloseReason::ConnectionReset);
    assert!(desk.news().is_quiet(), "in grace it counts");
    desk.advance(GRACE);
    let told = desk.news().lobby();
    assert!(matches!(told[..], [Change::Updated { .. }]), "{told:?}");
    assert_eq!((desk.status("ada"), desk.devices("ada")), (Status::Available, vec!["b".into()]));
    desk.resume(hello("ada", "a"), a);
    assert_eq!((desk.status("ada"), desk.devices("ada").len()), (Status::Busy, 2));
}

#[test]
fn a_lost_invisible_session_goes_on_hiding_its_user_for_its_grace() {
    let mut desk = Desk::new();
    desk.sign_in(keyed("ada", "a"));
    let hidden = desk.sign_in(showing(keyed("ada", "b"), Status::Invisible));
    desk.end(hidden, CloseReason::ConnectionReset);
    desk.advance(GRACE - TICK);
    assert!(desk.names().is_empty());
    desk.advance(TICK);
    assert_eq!(desk.names(), ["ada"]);
}

#[test]
fn a_device_in_a_room_that_is_lost_leaves_it_with_the_cause() {
    let mut desk = Desk::new();
    let a = desk.sign_in(keyed("ada", "a"));
    desk.sign_in(keyed("ada", "b"));
    desk.join(a, "attic");
    let bob = desk.sign_in(hello("bob", "desk"));
    let attic = desk.watch(bob, "attic");
    desk.news();
    desk.end(a, CloseReason::ConnectionReset);
    desk.advance(GRACE);
    let news = desk.news();
    assert_eq!(news.leaves(attic), [CloseReason::ConnectionReset]);
    assert_eq!(news.leaves(LOBBY_VIEW), []);
}

#[test]
fn resuming_beats_a_name_that_is_in_use() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(keyed("ada", "desk"));
    desk.sign_in(keyed("ada", "phone"));
    desk.end(ada, CloseReason::ConnectionReset);
    desk.advance(GRACE + SECOND);
    let elsewhere = hello("ada", "elsewhere");
    assert_eq!(desk.refused(elsewhere.clone()), CloseReason::NameInUse);
    assert!(desk.resume(elsewhere, ada).1.resumed);
}
