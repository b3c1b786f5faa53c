//! Lists of people: views over users wherever they are.

use herenow_protocol::limits::{LIST_PEOPLE_MAX, LISTS_MAX};

use super::*;

/// What a list has now, as its snapshot says it.
#[track_caller]
fn snapshot(desk: &mut Desk, connection: ConnectionId, view: ViewId) -> Vec<Entry> {
    desk.news();
    desk.say(connection, Command::Fetch(view, Wish::Pages(0)));
    let news = desk.news();
    let told = news.to(connection);
    let [Delivery::Pages(batch)] = told[..] else { panic!("{told:?}") };
    let entries = batch.frames.iter().flat_map(|frame| {
        let body = split_body(&mut &frame[..], FRAME_BYTES_MAX).expect("sound").expect("whole");
        match ServerMessage::decode(body).expect("our own frame") {
            Some(ServerMessage::SnapshotPage { entries, .. }) => entries,
            other => panic!("a page, not {other:?}"),
        }
    });
    entries.collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("user {n}")).collect()
}

#[test]
fn everybody_who_was_named_has_an_entry_here_or_not() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(showing(hello("ada", "desk"), Status::Busy));
    let bob = desk.sign_in(hello("bob", "desk"));
    desk.advance(SECOND);
    desk.end(bob, CloseReason::Goodbye);
    let seen_ms = desk.now.unix_ms;
    let list = desk.watch_people(ada, &["nobody", "ada", "bob"]);
    let entries = snapshot(&mut desk, ada, list);
    let names: Vec<_> = entries.iter().map(|e| (e.id.0, e.name.as_str())).collect();
    assert_eq!(names, [(0, "nobody"), (1, "ada"), (2, "bob")], "in the order of naming");
    assert_eq!(entries[0].shown, Shown::offline(0), "never seen");
    assert_eq!(entries[1].shown, desk.shown("ada"));
    assert_eq!(entries[2].shown, Shown::offline(seen_ms));
}

#[test]
fn nobody_joins_or_leaves_a_list_but_by_being_named() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let list = desk.watch_people(ada, &["bob"]);
    desk.news();
    let bob = desk.sign_in(hello("bob", "desk"));
    let told = desk.news().list(ada, list);
    let [Change::Updated { id: UserId(0), shown }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*shown, desk.shown("bob"));
    desk.choose(bob, chosen(Status::Busy));
    desk.sign_in(hello("eve", "desk"));
    let told = desk.news().list(ada, list);
    let [Change::Updated { shown, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(shown.presence.status, Status::Busy);
    desk.end(bob, CloseReason::Goodbye);
    let gone_ms = desk.now.unix_ms;
    let told = desk.news().list(ada, list);
    let [Change::Updated { shown, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*shown, Shown::offline(gone_ms));
}

#[test]
fn names_are_added_to_a_list_and_count_once() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let list = desk.watch_people(ada, &["bob", "eve", "bob"]);
    desk.news();
    assert_eq!(desk.try_watch_people(ada, &["eve", "mia", "mia"], Some(list)), Answer::Added(list));
    let told = desk.news().list(ada, list);
    let [Change::Joined(mia)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((mia.id, mia.name.as_str()), (UserId(2), "mia"));
    assert_eq!(desk.try_watch_people(ada, &["bob"], Some(list)), Answer::Added(list));
    assert!(desk.news().is_quiet(), "everybody is there already");
    assert_eq!(snapshot(&mut desk, ada, list).len(), 3);
}

#[test]
fn a_list_has_a_thousand_people() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let names = numbered(LIST_PEOPLE_MAX + 1);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_failed(&desk.try_watch_people(ada, &names, None), ErrorCode::Limit);
    let list = desk.watch_people(ada, &names[..LIST_PEOPLE_MAX - 1]);
    let two = &names[LIST_PEOPLE_MAX - 1..];
    assert_failed(&desk.try_watch_people(ada, two, Some(list)), ErrorCode::Limit);
    let known = snapshot(&mut desk, ada, list).len();
    assert_eq!(known, LIST_PEOPLE_MAX - 1, "a refusal changes nothing");
    assert_eq!(desk.try_watch_people(ada, &two[..1], Some(list)), Answer::Added(list));
    assert_eq!(desk.try_watch_people(ada, &two[..1], Some(list)), Answer::Added(list));
    assert_failed(&desk.try_watch_people(ada, &two[1..], Some(list)), ErrorCode::Limit);
}

#[test]
fn a_session_has_eight_lists() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let lists: Vec<_> = (0..LISTS_MAX).map(|_| desk.watch_people(ada, &["bob"])).collect();
    assert_failed(&desk.try_watch_people(ada, &["bob"], None), ErrorCode::Limit);
    assert_eq!(desk.say(ada, Command::Unwatch(lists[0])), Answer::Unwatched(lists[0]));
    let new = desk.watch_people(ada, &[]);
    assert!(!lists.contains(&new), "no number stands for two lists");
    assert!(snapshot(&mut desk, ada, new).is_empty());
}

#[test]
fn only_a_list_of_ones_own_can_be_added_to() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let bob = desk.sign_in(hello("bob", "desk"));
    let list = desk.watch_people(ada, &["bob"]);
    for (who, view) in [(bob, list), (ada, LOBBY_VIEW), (ada, ViewId(99))] {
        let answer = desk.try_watch_people(who, &["eve"], Some(view));
        assert_failed(&answer, ErrorCode::NoSuchView);
    }
}

#[test]
fn somebody_in_several_lists_is_told_in_each() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let eve = desk.sign_in(hello("eve", "desk"));
    let lists = [
        (ada, desk.watch_people(ada, &["bob"])),
        (ada, desk.watch_people(ada, &["eve", "bob"])),
        (eve, desk.watch_people(eve, &["bob", "ada"])),
    ];
    desk.news();
    desk.sign_in(hello("bob", "desk"));
    let news = desk.news();
    for ((connection, list), id) in lists.into_iter().zip([0, 1, 0]) {
        let told = news.list(connection, list);
        assert!(matches!(told[..], [Change::Updated { id: UserId(n), .. }] if n == id), "{told:?}");
    }
}

#[test]
fn who_is_watched_no_more_is_told_no_more() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let list = desk.watch_people(ada, &["bob"]);
    let bob = desk.sign_in(hello("bob", "desk"));
    assert_eq!(desk.say(ada, Command::Unwatch(list)), Answer::Unwatched(list));
    assert!(desk.news().list(ada, list).is_empty(), "not even what was changed before");
    desk.choose(bob, chosen(Status::Busy));
    assert!(desk.news().list(ada, list).is_empty());
    assert_failed(&desk.say(ada, Command::Unwatch(list)), ErrorCode::NoSuchView);
    assert!(desk.registry.watched.is_empty(), "nobody is looked after any more");
}

#[test]
fn lists_end_with_their_session() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.watch_people(ada, &["bob"]);
    let tool = desk.sign_in(observer("eve", "cli"));
    desk.watch_people(tool, &["bob"]);
    desk.end(tool, CloseReason::ConnectionClosed);
    desk.end(ada, CloseReason::ConnectionReset);
    assert_eq!(desk.registry.watched.len(), 1, "it waits for ada");
    desk.advance(WINDOW);
    assert!(desk.registry.watched.is_empty());
}

#[test]
fn a_list_is_told_at_once_and_then_at_most_once_a_tick() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let bob = desk.sign_in(hello("bob", "desk"));
    let list = desk.watch_people(ada, &["bob"]);
    desk.news();
    desk.advance(SECOND);
    let mut told = Vec::new();
    for n in 0..4 {
        desk.choose(bob, saying(&n.to_string()));
        desk.advance(Duration::ZERO);
        told.push(News(std::mem::take(&mut desk.effects)).list(ada, list).len());
        desk.advance(TICK / 2 - Duration::from_millis(1));
        told.push(News(std::mem::take(&mut desk.effects)).list(ada, list).len());
    }
    assert_eq!(told, [1, 0, 0, 0, 0, 1, 0, 0]);
    let last = desk.news().list(ada, list);
    assert!(
        matches!(&last[..], [Change::Updated { shown, .. }]
        if shown.presence.text.as_str() == "3"),
        "{last:?}"
    );
}

#[test]
fn pages_of_a_list_follow_the_deltas_they_include() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let list = desk.watch_people(ada, &["bob"]);
    desk.say(ada, Command::Fetch(list, Wish::Pages(0)));
    let news = desk.news();
    let told = news.to(ada);
    let [.., Delivery::Deltas(deltas), Delivery::Pages(batch)] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(deltas.last().map(|delta| delta.proof), Some(batch.proof));
}

#[test]
fn last_seen_is_told_as_exactly_as_configured() {
    let step = LastSeenTold::InSteps(Duration::from_secs(60));
    for last_seen in [LastSeenTold::Exactly, step, LastSeenTold::Never] {
        let mut desk = Desk::with_rules(Rules { last_seen, ..rules() });
        let ada = desk.sign_in(hello("ada", "desk"));
        let bob = desk.sign_in(hello("bob", "desk"));
        let list = desk.watch_people(ada, &["bob"]);
        snapshot(&mut desk, ada, list);
        desk.news();
        desk.advance(Duration::from_millis(1_234));
        desk.end(bob, CloseReason::Goodbye);
        let left_ms = desk.now.unix_ms;
        assert!(!left_ms.is_multiple_of(60_000), "or a step would hide nothing");
        let told = match last_seen {
            LastSeenTold::Exactly => left_ms,
            LastSeenTold::InSteps(_) => left_ms / 60_000 * 60_000,
            LastSeenTold::Never => 0,
        };
        let changes = desk.news().list(ada, list);
        let [Change::Updated { shown, .. }] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!(*shown, Shown::offline(told), "{last_seen:?}, as it happens");
        assert_eq!(desk.ask(ada, "bob"), Shown::offline(told), "{last_seen:?}, when asked");
    }
}

#[test]
fn where_people_must_agree_they_are_shown_to_whom_they_have_in_a_list() {
    let mut desk = Desk::with_rules(Rules { mutual_consent: true, ..rules() });
    let ada = desk.sign_in(hello("ada", "desk"));
    let bob = desk.sign_in(hello("bob", "desk"));
    let eve = desk.sign_in(hello("eve", "desk"));
    let of_ada = desk.watch_people(ada, &["bob", "eve"]);
    let entries = snapshot(&mut desk, ada, of_ada);
    assert!(entries.iter().all(|entry| entry.shown == Shown::offline(0)), "nobody agreed yet");
    desk.news();
    assert_eq!(desk.ask(ada, "bob"), Shown::offline(0));
    assert_eq!(desk.ask(ada, "ada"), desk.shown("ada"), "everybody sees themselves");

    // With her in a list of his he is there, in both directions; nobody else is told.
    let of_bob = desk.watch_people(bob, &["ada"]);
    let told = desk.news().list(ada, of_ada);
    let [Change::Updated { id: UserId(0), shown }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*shown, desk.shown("bob"));
    assert_eq!(snapshot(&mut desk, bob, of_bob)[0].shown, desk.shown("ada"));
    assert_eq!(
        (desk.ask(ada, "bob"), desk.ask(eve, "bob")),
        (desk.shown("bob"), Shown::offline(0))
    );

    // What he does from then on she is told, and what eve does she is not.
    desk.choose(bob, chosen(Status::Busy));
    desk.choose(eve, chosen(Status::Busy));
    let told = desk.news().list(ada, of_ada);
    let [Change::Updated { id: UserId(0), shown }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(shown.presence.status, Status::Busy);

    // He takes it back.
    desk.say(bob, Command::Unwatch(of_bob));
    let told = desk.news().list(ada, of_ada);
    assert_eq!(told, [Change::Updated { id: UserId(0), shown: Shown::offline(0) }]);
}

#[test]
fn where_people_must_agree_hiding_leaving_and_not_agreeing_look_alike() {
    let mut endings = Vec::new();
    for end in 0..3 {
        let mut desk = Desk::with_rules(Rules { mutual_consent: true, ..rules() });
        let ada = desk.sign_in(hello("ada", "desk"));
        let bob = desk.sign_in(hello("bob", "desk"));
        let of_ada = desk.watch_people(ada, &["bob"]);
        let of_bob = desk.watch_people(bob, &["ada"]);
        snapshot(&mut desk, ada, of_ada);
        desk.news();
        match end {
            0 => desk.end(bob, CloseReason::Goodbye),
            1 => desk.choose(bob, chosen(Status::Invisible)),
            _ => drop(desk.say(bob, Command::Unwatch(of_bob))),
        }
        endings.push((desk.news().list(ada, of_ada), desk.ask(ada, "bob")));
    }
    let gone = vec![Change::Updated { id: UserId(0), shown: Shown::offline(0) }];
    assert_eq!(endings[0], (gone, Shown::offline(0)));
    assert!(endings.iter().all(|ending| *ending == endings[0]), "{endings:?}");
}
