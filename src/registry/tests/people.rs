//! One person, several devices.

use herenow_protocol::Metadata;

use super::*;

#[test]
fn two_devices_are_one_person() {
    let mut desk = Desk::new();
    desk.sign_in(keyed("ada", "desk"));
    desk.sign_in(keyed("ada", "phone"));
    assert_eq!(desk.names(), ["ada"]);
    assert_eq!((desk.registry.proof().count, desk.registry.session_count()), (1, 2));
    assert_eq!(desk.devices("ada"), ["desk", "phone"]);
}

#[test]
fn a_second_device_that_closes_is_an_update_and_the_last_one_a_leave() {
    let mut desk = Desk::new();
    let (first, second) = (desk.sign_in(keyed("ada", "desk")), desk.sign_in(keyed("ada", "phone")));
    desk.news();
    desk.end(second, CloseReason::Goodbye);
    let told = desk.news().lobby();
    let [Change::Updated { shown, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(shown.devices.as_slice().len(), 1);
    desk.end(first, CloseReason::Goodbye);
    let told = desk.news().lobby();
    assert!(matches!(told[..], [Change::Left { cause: CloseReason::Goodbye, .. }]), "{told:?}");
}

#[test]
fn the_leave_names_the_cause_of_the_device_that_was_last() {
    let mut desk = Desk::new();
    let (first, second) = (desk.sign_in(keyed("ada", "desk")), desk.sign_in(keyed("ada", "phone")));
    desk.news();
    desk.end(first, CloseReason::ConnectionReset);
    desk.advance(SECOND);
    desk.end(second, CloseReason::ConnectionClosed);
    desk.advance(GRACE);
    assert_eq!(desk.news().leaves(LOBBY_VIEW), [CloseReason::ConnectionClosed]);
}

#[test]
fn busy_wins_over_available_and_available_over_away() {
    let mut desk = Desk::new();
    let a = desk.sign_in(showing(keyed("ada", "a"), Status::Away));
    assert_eq!(desk.status("ada"), Status::Away);
    let b = desk.sign_in(showing(keyed("ada", "b"), Status::Available));
    assert_eq!(desk.status("ada"), Status::Available);
    desk.choose(a, chosen(Status::Busy));
    assert_eq!(desk.status("ada"), Status::Busy);
    desk.choose(b, chosen(Status::Busy));
    desk.choose(a, chosen(Status::Away));
    assert_eq!(desk.status("ada"), Status::Busy);
}

#[test]
fn what_a_person_chose_outranks_what_is_automatic() {
    let mut desk = Desk::new();
    desk.sign_in(keyed("ada", "desk"));
    let phone = desk.sign_in(keyed("ada", "phone"));
    desk.choose(phone, chosen(Status::Away));
    let shown = desk.shown("ada").presence;
    assert_eq!((shown.status, shown.automatic), (Status::Away, false));
    desk.choose(phone, Choice::automatic(Status::Away));
    let shown = desk.shown("ada").presence;
    assert_eq!((shown.status, shown.automatic), (Status::Available, true));
}

#[test]
fn an_invisible_device_hides_its_user_everywhere() {
    let mut desk = Desk::new();
    let watcher = desk.sign_in(hello("bob", "desk"));
    let list = desk.watch_people(watcher, &["ada"]);
    let ada = desk.sign_in(keyed("ada", "desk"));
    desk.join(ada, "attic");
    let attic = desk.watch(watcher, "attic");
    desk.news();
    let empty = desk.registry.proof().digest;
    desk.advance(SECOND);
    desk.sign_in(showing(keyed("ada", "phone"), Status::Invisible));
    let hidden_ms = desk.now.unix_ms;
    let news = desk.news();
    assert_eq!(news.leaves(LOBBY_VIEW), [CloseReason::Goodbye]);
    assert_eq!(news.leaves(attic), [CloseReason::Goodbye]);
    let told = news.list(watcher, list);
    let [Change::Updated { shown, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*shown, Shown::offline(hidden_ms));
    assert_eq!(news.mirror(ada), Some(&None), "ada's own window knows that nobody sees her");
    assert_eq!((desk.names(), desk.registry.proof().count), (vec!["bob".to_owned()], 1));
    assert_ne!(desk.registry.proof().digest, empty);
    assert_eq!(desk.ask(watcher, "ada"), Shown::offline(hidden_ms));
    assert_eq!(desk.room(watcher, "attic"), [""; 0]);
}

#[test]
fn who_is_invisible_from_the_start_leaves_no_trace_and_appears_when_shown() {
    let mut desk = Desk::new();
    let (ada, answer) = desk.try_sign_in(showing(hello("ada", "desk"), Status::Invisible));
    assert_eq!(signed_in(answer).me, None);
    let before = desk.registry.proof();
    assert_eq!((before.version, before.count), (0, 0));
    let news = desk.news();
    assert!(news.is_quiet());
    assert_eq!(news.kinds(), [TransitionKind::Opened], "it is never online for others");
    desk.choose(ada, chosen(Status::Busy));
    let news = desk.news();
    assert!(matches!(news.lobby()[..], [Change::Joined(_)]));
    assert!(matches!(news.mirror(ada), Some(Some(me)) if me.status == Status::Busy));
}

#[test]
fn labels_of_devices_stand_in_the_order_of_sign_in() {
    let mut desk = Desk::new();
    desk.sign_in(keyed("ada", "one"));
    let two = desk.sign_in(keyed("ada", "two"));
    desk.sign_in(keyed("ada", "three"));
    assert_eq!(desk.devices("ada"), ["one", "two", "three"]);
    desk.sign_in(keyed("ada", "one"));
    assert_eq!(desk.devices("ada"), ["one", "two", "three"], "who starts anew keeps the place");
    desk.end(two, CloseReason::Goodbye);
    assert_eq!(desk.devices("ada"), ["one", "three"]);
}

#[test]
fn since_moves_with_the_status_only() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(keyed("ada", "desk"));
    let since = |desk: &Desk| desk.shown("ada").since_ms - START_MS;
    desk.advance(SECOND);
    desk.choose(ada, Choice { text: Some(words("hi")), ..Choice::automatic(Status::Available) });
    let metadata = Metadata::new([("k", "v")]).expect("small");
    desk.choose(ada, Choice { metadata: Some(metadata), ..Choice::automatic(Status::Available) });
    let phone = desk.sign_in(keyed("ada", "phone"));
    assert_eq!(since(&desk), 0, "text, metadata and devices are no status");
    desk.advance(SECOND);
    desk.choose(phone, Choice::automatic(Status::Busy));
    assert_eq!(since(&desk), 2_000);
    desk.advance(SECOND);
    desk.choose(ada, Choice::automatic(Status::Busy));
    desk.choose(phone, Choice::automatic(Status::Away));
    assert_eq!(since(&desk), 2_000, "busy it stays, whoever says so");
    desk.choose(ada, chosen(Status::Busy));
    assert_eq!(since(&desk), 3_000, "a choice of hers is another status than one of a program");
}

#[test]
fn metadata_are_replaced_as_a_whole_or_left_alone() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(keyed("ada", "desk"));
    let with = |pairs: &[(&str, &str)]| {
        let metadata = Metadata::new(pairs.iter().copied()).expect("small");
        Choice { metadata: Some(metadata), ..Choice::automatic(Status::Available) }
    };
    desk.choose(ada, with(&[("track", "Blue"), ("game", "chess")]));
    assert_eq!(desk.shown("ada").metadata.get("track"), Some("Blue"));
    desk.choose(ada, Choice::automatic(Status::Away));
    assert_eq!(desk.shown("ada").metadata.len(), 2, "not said is not changed");
    desk.choose(ada, with(&[("game", "go")]));
    let metadata = desk.shown("ada").metadata;
    assert_eq!((metadata.get("game"), metadata.get("track")), (Some("go"), None));
    let phone = desk.sign_in(keyed("ada", "phone"));
    desk.end(ada, CloseReason::Goodbye);
    assert_eq!(desk.shown("ada").metadata.get("game"), Some("go"), "they are hers, not the desk's");
    desk.end(phone, CloseReason::Goodbye);
    desk.sign_in(keyed("ada", "phone"));
    assert!(desk.shown("ada").metadata.is_empty(), "her last session took them along");
}

#[test]
fn every_session_of_the_user_is_told_how_others_see_her() {
    let mut desk = Desk::new();
    let (a, b) = (desk.sign_in(keyed("ada", "a")), desk.sign_in(keyed("ada", "b")));
    desk.news();
    desk.choose(a, chosen(Status::Busy));
    let news = desk.news();
    for connection in [a, b] {
        assert!(matches!(news.mirror(connection), Some(Some(me)) if me.status == Status::Busy));
    }
}

#[test]
fn observers_are_nobody_and_hold_no_name() {
    let mut desk = Desk::new();
    let (watcher, answer) = desk.try_sign_in(observer("ada", "cli"));
    let answer = signed_in(answer);
    assert_eq!((answer.me, answer.token), (None, None));
    assert!(desk.names().is_empty());
    desk.sign_in(hello("ada", "desk"));
    assert_failed(&desk.say(watcher, Command::Join(room("attic"))), ErrorCode::NotListed);
    assert_failed(&desk.say(watcher, Command::Leave(room("attic"))), ErrorCode::NotListed);
    desk.end(watcher, CloseReason::ConnectionClosed);
    assert_eq!(desk.names(), ["ada"]);
    assert_eq!(desk.registry.session_count(), 1, "an observer has no grace");
}

#[test]
fn an_observer_speaks_for_its_name_from_the_same_device_only() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let tool = desk.sign_in(observer("ada", "desk"));
    let elsewhere = desk.sign_in(observer("ada", "phone"));
    let other = desk.sign_in(Hello { name: name("bob"), ..observer("ada", "desk") });
    desk.choose(tool, saying("back at three"));
    assert_eq!(desk.text("ada"), "back at three");
    let news = desk.news();
    assert!(news.to(ada).contains(&&Delivery::Chosen(saying("back at three"))));
    for stranger in [elsewhere, other] {
        assert_failed(&desk.say(stranger, Command::Choose(saying("no"))), ErrorCode::NotListed);
    }
}

#[test]
fn who_chooses_for_itself_is_not_told_so() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.choose(ada, saying("hi"));
    assert!(!desk.news().to(ada).iter().any(|told| matches!(told, Delivery::Chosen(_))));
}
