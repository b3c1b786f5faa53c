//! Rooms: named lists that sessions join, leave and watch.

use herenow_protocol::limits::{ROOM_VIEWS_MAX, ROOMS_MAX};

use super::*;

fn try_join(desk: &mut Desk, connection: ConnectionId, name: &str) -> Answer {
    desk.say(connection, Command::Join(room(name)))
}

#[test]
fn a_user_is_in_a_room_while_any_of_their_sessions_is() {
    let mut desk = Desk::new();
    let (a, b) = (desk.sign_in(keyed("ada", "a")), desk.sign_in(keyed("ada", "b")));
    let bob = desk.sign_in(hello("bob", "desk"));
    let attic = desk.watch(bob, "attic");
    desk.join(a, "attic");
    assert!(matches!(desk.news().changes(attic)[..], [Change::Joined(_)]));
    desk.join(b, "attic");
    assert!(desk.news().is_quiet(), "there she is already");
    desk.leave(a, "attic");
    assert!(desk.news().is_quiet(), "there she still is");
    desk.leave(b, "attic");
    assert_eq!(desk.news().leaves(attic), [CloseReason::Goodbye]);
    assert_eq!(desk.names(), ["ada", "bob"], "she left the room, not the house");
}

#[test]
fn to_join_again_or_to_leave_where_one_is_not_changes_nothing() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.join(ada, "attic");
    desk.news();
    desk.join(ada, "attic");
    desk.join(ada, "lobby");
    desk.leave(ada, "cellar");
    assert!(desk.news().is_quiet());
    assert_failed(&desk.say(ada, Command::Leave(RoomName::lobby())), ErrorCode::BadRequest);
    assert_eq!(desk.names(), ["ada"]);
}

#[test]
fn a_status_is_shown_in_every_room_at_once() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.join(ada, "attic");
    let attic = desk.watch(ada, "attic");
    desk.news();
    desk.choose(ada, saying("hi"));
    let news = desk.news();
    for view in [LOBBY_VIEW, attic] {
        let told = news.changes(view);
        let [Change::Updated { shown, .. }] = &told[..] else { panic!("{told:?}") };
        assert_eq!(shown.presence.text.as_str(), "hi");
    }
}

#[test]
fn every_room_has_a_version_count_and_digest_of_its_own() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let bob = desk.sign_in(hello("bob", "desk"));
    for (connection, name) in [(ada, "attic"), (ada, "cellar"), (bob, "cellar")] {
        desk.join(connection, name);
    }
    desk.news();
    let proofs = ["lobby", "attic", "cellar", "roof"].map(|name| {
        let view = desk.watch(ada, name);
        desk.say(ada, Command::Fetch(view, Wish::Pages(0)));
        let news = desk.news();
        let [Delivery::Pages(batch)] = news.to(ada)[..] else { panic!() };
        batch.proof
    });
    let counts = proofs.map(|proof| (proof.version, proof.count));
    assert_eq!(counts, [(2, 2), (1, 1), (2, 2), (0, 0)]);
    assert_eq!(proofs[0].digest, proofs[2].digest, "the same people with the same ids");
    assert_ne!(proofs[0].digest, proofs[1].digest);
    assert_eq!(proofs[3], ViewProof::default(), "a room that nobody joined is empty");
}

#[test]
fn under_load_rooms_are_published_at_most_once_a_tick_each() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    // A load that stretches the tick by so little that one can still count in ticks.
    let little = Duration::from_nanos(2);
    desk.registry.tick_mut().wrote((TICK + little) / 2, desk.start);
    desk.join(ada, "attic");
    desk.advance(Duration::ZERO);
    desk.advance(TICK / 2 + little);
    desk.join(ada, "cellar");
    desk.advance(Duration::ZERO);
    desk.effects.clear();
    desk.choose(ada, chosen(Status::Busy));
    let views = |desk: &mut Desk| {
        let published = std::mem::take(&mut desk.effects);
        published.iter().filter(|effect| matches!(effect, Effect::Publish(_))).count()
    };
    desk.advance(TICK / 2);
    assert_eq!(views(&mut desk), 2, "lobby and attic, which had been told a tick before");
    desk.advance(TICK / 2 + little);
    assert_eq!(views(&mut desk), 1, "the cellar half a tick later");
    desk.advance(TICK * 9);
    assert_eq!(views(&mut desk), 0);
}

#[test]
fn a_session_that_ends_leaves_its_rooms() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let bob = desk.sign_in(hello("bob", "desk"));
    desk.join(ada, "attic");
    let attic = desk.watch(bob, "attic");
    desk.news();
    desk.end(ada, CloseReason::Goodbye);
    assert_eq!(desk.news().leaves(attic), [CloseReason::Goodbye]);
    assert_eq!(desk.room(bob, "attic"), [""; 0]);
}

#[test]
fn a_session_is_in_thirty_two_rooms_and_watches_as_many() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    for n in 1..ROOMS_MAX {
        desk.join(ada, &format!("room {n}"));
    }
    assert_failed(&try_join(&mut desk, ada, "one more"), ErrorCode::Limit);
    desk.join(ada, "room 1");
    desk.leave(ada, "room 1");
    desk.join(ada, "one more");
    for n in 0..ROOM_VIEWS_MAX {
        desk.watch(ada, &format!("view {n}"));
    }
    let more = Command::Watch(WatchTarget::Room(RoomName::lobby()));
    assert_failed(&desk.say(ada, more.clone()), ErrorCode::Limit);
    let view = desk.watch(ada, "view 3");
    assert_eq!(desk.say(ada, Command::Unwatch(view)), Answer::Unwatched(view));
    assert_eq!(desk.say(ada, more), Answer::Watching(LOBBY_VIEW));
}

#[test]
fn a_room_that_is_watched_already_keeps_its_number() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    assert_eq!(desk.watch(ada, "lobby"), LOBBY_VIEW);
    let attic = desk.watch(ada, "attic");
    assert_eq!(desk.watch(ada, "attic"), attic);
    assert_eq!(desk.say(ada, Command::Unwatch(attic)), Answer::Unwatched(attic));
    assert_failed(&desk.say(ada, Command::Unwatch(attic)), ErrorCode::NoSuchView);
    let other = desk.sign_in(hello("bob", "desk"));
    assert_eq!(desk.watch(other, "attic"), attic, "it is the same for everyone");
}

#[test]
fn numbers_of_views_do_not_tell_which_rooms_were_made_before() {
    let views = [["attic", "cellar"], ["cellar", "attic"]].map(|order| {
        let mut desk = Desk::new();
        let ada = desk.sign_in(hello("ada", "desk"));
        order.iter().for_each(|name| drop(desk.say(ada, Command::Join(room(name)))));
        ["attic", "cellar"].map(|name| desk.watch(ada, name))
    });
    assert_eq!(views[0], views[1]);
}

#[test]
fn idle_rooms_make_place_for_others_and_used_ones_do_not() {
    let mut desk = Desk::with_rules(Rules { rooms_max: 3, ..rules() });
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.join(ada, "attic");
    let watched = desk.watch(ada, "cellar");
    let roof = try_join(&mut desk, ada, "roof");
    assert_failed(&roof, ErrorCode::NoSuchRoom);
    let roof = desk.say(ada, Command::Watch(WatchTarget::Room(room("roof"))));
    assert_failed(&roof, ErrorCode::NoSuchRoom);
    assert_eq!(desk.room(ada, "attic"), ["ada"]);
    desk.leave(ada, "attic");
    assert_failed(&try_join(&mut desk, ada, "roof"), ErrorCode::NoSuchRoom);
    desk.news();
    desk.join(ada, "roof");
    assert_eq!(desk.room(ada, "roof"), ["ada"], "the attic was left and that was told");
    assert_eq!(desk.say(ada, Command::Unwatch(watched)), Answer::Unwatched(watched));
    assert_eq!(desk.watch(ada, "garden"), desk.watch(ada, "garden"));
    assert_failed(&try_join(&mut desk, ada, "attic"), ErrorCode::NoSuchRoom);
}

#[test]
fn a_room_that_waits_for_a_lost_session_is_not_given_away() {
    let mut desk = Desk::with_rules(Rules { rooms_max: 2, ..rules() });
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.join(ada, "attic");
    desk.end(ada, CloseReason::ConnectionReset);
    desk.advance(GRACE + SECOND);
    let bob = desk.sign_in(hello("bob", "desk"));
    assert_failed(&try_join(&mut desk, bob, "cellar"), ErrorCode::NoSuchRoom);
    desk.resume(hello("ada", "desk"), ada);
    assert_eq!(desk.room(bob, "attic"), ["ada"]);
}

#[test]
fn an_idle_room_keeps_its_version() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.join(ada, "attic");
    desk.leave(ada, "attic");
    desk.news();
    let view = desk.watch(ada, "attic");
    desk.say(ada, Command::Fetch(view, Wish::Since(2)));
    let news = desk.news();
    assert!(matches!(news.to(ada)[..], [Delivery::Missed(missed)] if missed.proof.version == 2));
}

#[test]
fn a_watcher_repairs_a_room_by_buckets_and_ranges() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let view = desk.watch(ada, "lobby");
    desk.news();
    desk.say(ada, Command::Fetch(view, Wish::Buckets(0)));
    desk.say(ada, Command::Fetch(view, Wish::Ranges(vec![(UserId(0), UserId(127))])));
    let (proof, news) = (desk.registry.proof(), desk.news());
    let [Delivery::Buckets(buckets), Delivery::Ranges(ranges)] = news.to(ada)[..] else { panic!() };
    assert_eq!((buckets.proof, ranges.proof), (proof, proof));
    let health = Query::Health { operator: Some(OperatorKey([9; 16])) };
    let Answer::Health(health) = desk.say(ada, Command::Query(health)) else { panic!() };
    assert_eq!((health.divergences, health.sessions, health.users), (1, 1, 1));
}
