//! The user's own presence: wanted, told, and seen by others.

use herenow_protocol::Metadata;

use super::*;

fn choose(rig: &mut Rig, status: Status, text: &str) {
    rig.command(Command::Choose(choice(status, text)));
}

/// What the next sign-in says.
fn hello_choice(rig: &mut Rig) -> Choice {
    rig.next_hello().choice
}

fn request_of(rig: &mut Rig) -> (u32, Choice) {
    match rig.sent().as_slice() {
        [ClientMessage::SetStatus { request, choice }] => (*request, choice.clone()),
        other => panic!("not one SetStatus: {other:?}"),
    }
}

/// What is chosen right after this `Welcome`, if anything.
fn chosen_after(rig: &mut Rig, welcome: Welcome) -> Option<Choice> {
    rig.hear(ServerMessage::Welcome(welcome));
    rig.sent().into_iter().find_map(|message| match message {
        ClientMessage::SetStatus { choice, .. } => Some(choice),
        _ => None,
    })
}

fn resumed() -> Welcome {
    Welcome { resumed: true, ..welcome() }
}

fn some_metadata() -> Metadata {
    Metadata::new([("desk", "4")]).expect("one short pair")
}

#[test]
fn away_stays_away_through_a_reconnect() {
    let mut rig = Rig::signed_in(&["ada"]);
    choose(&mut rig, Status::Away, "tea");
    assert_eq!(request_of(&mut rig).1, choice(Status::Away, "tea"));
    rig.lose_connection();
    assert_eq!(hello_choice(&mut rig), choice(Status::Away, "tea"));
    assert_eq!(chosen_after(&mut rig, welcome()), None, "the Hello said it");
}

#[test]
fn a_session_that_goes_on_is_told_what_its_hello_could_not_tell() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.lose_connection();
    choose(&mut rig, Status::Away, "tea");
    assert_eq!(hello_choice(&mut rig), choice(Status::Away, "tea"));
    let told = chosen_after(&mut rig, resumed());
    assert_eq!(told, Some(choice(Status::Away, "tea")), "its Hello is not read");
    rig.lose_connection();
    hello_choice(&mut rig);
    let told = chosen_after(&mut rig, resumed());
    assert_eq!(told, Some(choice(Status::Away, "tea")), "nobody answered, so it is said again");
}

#[test]
fn a_session_that_goes_on_is_not_told_again_what_it_knows() {
    let mut rig = Rig::signed_in(&["ada"]);
    choose(&mut rig, Status::Away, "tea");
    let (request, _) = request_of(&mut rig);
    rig.hear(ServerMessage::Result { request, view: None });
    rig.lose_connection();
    hello_choice(&mut rig);
    assert_eq!(chosen_after(&mut rig, resumed()), None);
}

#[test]
fn what_is_chosen_while_signing_in_is_sent_afterwards() {
    for welcome in [welcome(), resumed()] {
        let mut rig = Rig::new();
        rig.reach_server();
        choose(&mut rig, Status::Busy, "");
        rig.done();
        assert_eq!(chosen_after(&mut rig, welcome), Some(choice(Status::Busy, "")));
    }
}

#[test]
fn one_change_is_in_flight_and_the_last_of_the_others_follows() {
    let mut rig = Rig::signed_in(&["ada"]);
    for text in ["1", "2", "3", "4"] {
        choose(&mut rig, Status::Away, text);
    }
    let (request, first) = request_of(&mut rig);
    assert_eq!(first, choice(Status::Away, "1"));
    rig.hear(ServerMessage::Result { request, view: None });
    let done = rig.done();
    assert_eq!(done[0], Effect::Emit(Event::Accepted(first)));
    let Effect::Send(ClientMessage::SetStatus { choice: last, .. }) = &done[1] else {
        panic!("the next one follows: {done:?}")
    };
    assert_eq!(last, &choice(Status::Away, "4"));
}

#[test]
fn what_a_later_choice_leaves_as_it_is_comes_from_the_earlier_one() {
    let mut rig = Rig::signed_in(&["ada"]);
    choose(&mut rig, Status::Busy, "in flight");
    rig.done();
    let metadata = Some(some_metadata());
    rig.command(Command::Choose(Choice { metadata, ..choice(Status::Away, "tea") }));
    rig.command(Command::Choose(Choice::automatic(Status::Available)));
    rig.hear(ServerMessage::Result { request: rig.session.requests.last(), view: None });
    let (_, last) = request_of(&mut rig);
    assert_eq!((last.status, last.automatic), (Status::Available, true));
    assert_eq!(last.text.map(|text| text.to_string()).as_deref(), Some("tea"));
    assert_eq!(last.metadata, Some(some_metadata()));
}

#[test]
fn metadata_follow_a_sign_in_that_cannot_say_them() {
    let metadata = Some(some_metadata());
    let chosen = Choice { metadata, ..Choice::automatic(Status::Available) };
    let mut rig = Rig::with(|options| options.choice = chosen.clone());
    assert_eq!(hello_choice(&mut rig).metadata, None);
    assert_eq!(chosen_after(&mut rig, welcome()), Some(chosen));
}

#[test]
fn a_text_that_was_taken_away_while_offline_is_taken_away() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.lose_connection();
    choose(&mut rig, Status::Available, "");
    hello_choice(&mut rig);
    let told = chosen_after(&mut rig, welcome());
    assert_eq!(told, Some(choice(Status::Available, "")), "a Hello's empty text replaces none");
    rig.lose_connection();
    rig.done();
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
fn who_is_not_shown_is_told_by_the_first_ack() {
    let mut rig = Rig::new();
    rig.sign_in(&["ada"]);
    rig.done();
    rig.hear(ack(0, None, vec![(VIEW, proof(&["ada"]))]));
    assert_eq!(rig.told(), [Event::Mirror(None)]);
}

#[test]
fn who_chose_to_be_visible_again_and_is_not_is_told_within_a_heartbeat() {
    let mut rig = Rig::signed_in(&["ada"]);
    let unseen = || ack(0, None, vec![(VIEW, proof(&["ada"]))]);
    for status in [Status::Invisible, Status::Available] {
        choose(&mut rig, status, "");
        let (request, _) = request_of(&mut rig);
        rig.hear(ServerMessage::Result { request, view: None });
        rig.hear(unseen());
        assert_eq!(rig.told()[1..], [Event::Mirror(None)], "{status}, though it said so before");
    }
}

#[test]
fn what_another_connection_chose_is_kept_through_a_reconnect() {
    let mut rig = Rig::signed_in(&["ada"]);
    let away = choice(Status::Away, "set from a terminal");
    rig.hear(ServerMessage::Chosen(away.clone()));
    assert_eq!(rig.told(), [Event::Chosen(away.clone())]);
    rig.lose_connection();
    assert_eq!(hello_choice(&mut rig), away);
}

#[test]
fn what_others_see_is_not_what_this_device_wants() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.hear(ack(0, Some(presence(Status::Busy, "on the phone")), Vec::new()));
    rig.lose_connection();
    assert_eq!(hello_choice(&mut rig), Choice::automatic(Status::Available));
}

#[test]
fn a_choice_under_way_is_later_than_what_another_connection_chose() {
    let mut rig = Rig::signed_in(&["ada"]);
    choose(&mut rig, Status::Away, "tea");
    rig.done();
    rig.hear(ServerMessage::Chosen(choice(Status::Busy, "")));
    assert_eq!(rig.told(), []);
    rig.lose_connection();
    assert_eq!(hello_choice(&mut rig), choice(Status::Away, "tea"));
}

#[test]
fn nobody_is_made_to_choose_to_be_offline() {
    let mut rig = Rig::signed_in(&["ada"]);
    rig.hear(ServerMessage::Chosen(choice(Status::Offline, "")));
    rig.lose_connection();
    assert_eq!(hello_choice(&mut rig).status, Status::Available);
}

#[test]
fn a_text_that_is_not_the_user_s_any_more_does_not_come_back() {
    let mut rig = Rig::signed_in(&["ada"]);
    choose(&mut rig, Status::Away, "tea");
    let (request, _) = request_of(&mut rig);
    let seen = |text| ack(0, Some(presence(Status::Away, text)), Vec::new());
    rig.hear(seen("an older one"));
    rig.hear(ServerMessage::Result { request, view: None });
    rig.hear(seen("tea"));
    rig.lose_connection();
    assert_eq!(hello_choice(&mut rig), choice(Status::Away, "tea"), "it was shown");
    rig.hear(ServerMessage::Welcome(resumed()));
    rig.hear(seen("set on the telephone"));
    rig.lose_connection();
    let said = hello_choice(&mut rig);
    assert_eq!((said.status, said.text), (Status::Away, None), "another device replaced it");
}

#[test]
fn a_text_goes_away_when_its_time_is_over_whenever_it_is_said() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let lunch = || Choice { text_for: Some(minutes(30)), ..choice(Status::Away, "lunch") };
    let mut rig = Rig::with(|options| options.choice = lunch());
    rig.sign_in(&["ada"]);
    rig.now += minutes(10);
    rig.lose_connection();
    rig.now += minutes(10) - BEAT * 3;
    let said = hello_choice(&mut rig);
    let left = said.text_for.expect("it still goes away");
    assert!(left <= minutes(10) + BEAT * 3 && left > minutes(10) - BEAT * 3, "{left:?}");
    rig.lose_connection();
    rig.now += minutes(20);
    let said = hello_choice(&mut rig);
    assert_eq!((said.text, said.text_for), (None, None), "its time is over");
    // One that was never shown still replaces the one before it.
    rig.command(Command::Choose(lunch()));
    rig.now += minutes(31);
    assert_eq!(chosen_after(&mut rig, resumed()), Some(choice(Status::Away, "")));
}

#[test]
fn an_observer_learns_that_the_change_was_made() {
    let mut rig = Rig::with(|options| options.observe = true);
    choose(&mut rig, Status::Away, "tea");
    rig.sign_in(&["ada"]);
    let set = |effect| match effect {
        Effect::Send(ClientMessage::SetStatus { request, .. }) => Some(request),
        _ => None,
    };
    let request = rig.done().into_iter().find_map(set).expect("what waited is sent");
    rig.hear(ServerMessage::Result { request, view: None });
    assert_eq!(rig.told(), [Event::Accepted(choice(Status::Away, "tea"))]);
    rig.hear(ack(0, None, vec![(VIEW, proof(&["ada"]))]));
    assert_eq!(rig.told(), [], "an ack shows nobody to an observer, and that is no news");
}

#[test]
fn an_observer_learns_that_nobody_is_listed() {
    let mut rig = Rig::with(|options| options.observe = true);
    rig.sign_in(&[]);
    rig.done();
    choose(&mut rig, Status::Away, "");
    let (request, _) = request_of(&mut rig);
    rig.hear(refusal(request));
    assert!(
        matches!(rig.done()[..], [Effect::Emit(Event::Refused { .. })]),
        "and is not sent again"
    );
    choose(&mut rig, Status::Busy, "");
    assert_eq!(request_of(&mut rig).1.status, Status::Busy, "a refusal blocks nothing");
}

#[test]
fn what_an_observer_asked_for_in_vain_is_asked_again() {
    let mut rig = Rig::with(|options| options.observe = true);
    rig.sign_in(&["ada"]);
    choose(&mut rig, Status::Away, "");
    rig.lose_connection();
    let hello = rig.next_hello();
    assert_eq!(hello.choice, Choice::automatic(Status::Available), "its Hello says nothing");
    assert_eq!(chosen_after(&mut rig, welcome()), Some(choice(Status::Away, "")));
}

#[test]
fn a_text_too_long_for_a_hello_follows_as_a_request() {
    let long = "🦊".repeat(140);
    let mut rig = Rig::with(|options| {
        options.name = DisplayName::new(&"x".repeat(64)).expect("64 bytes are allowed");
        options.device = DeviceId::new(&"d".repeat(64)).expect("64 bytes are allowed");
        options.label =
            herenow_protocol::DeviceLabel::new(&"🦊".repeat(16)).expect("64 bytes are allowed");
        options.key = Some(herenow_protocol::UserKey([7; 16]));
        options.choice = choice(Status::Away, &long);
    });
    // Only together with a session to go on with, and its views, is it too long.
    rig.reach_server();
    let said = rig.sent();
    assert!(matches!(&said[..], [ClientMessage::Hello(hello)] if hello.choice.text.is_some()));
    rig.hear(ServerMessage::Welcome(welcome()));
    for key in 1..16 {
        let room = RoomName::new(&format!("room {key}")).expect("a test name is valid");
        rig.watch(key, WatchTarget::Room(room));
    }
    rig.serve_all_watches();
    rig.lose_connection();
    let hello = rig.next_hello();
    assert!(hello.fits());
    assert_eq!(hello.choice.text, None);
    assert_eq!(hello.choice.status, Status::Away, "the status is right at once");
    assert!(hello.resume.is_some_and(|resume| resume.views.len() == 16));
    assert_eq!(chosen_after(&mut rig, welcome()), Some(choice(Status::Away, &long)));
}
