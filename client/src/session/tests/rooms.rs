//! The rooms that one is in.

use super::*;

fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a test name is valid")
}

fn want(rig: &mut Rig, rooms: &[&str]) {
    rig.command(Command::Rooms(rooms.iter().copied().map(room).collect()));
}

/// Joins (`+`) and leaves (`-`) that were sent, with their numbers.
fn moves(rig: &mut Rig) -> Vec<(String, u32)> {
    let told = |message| match message {
        ClientMessage::Join { request, room } => Some((format!("+{}", room.as_str()), request)),
        ClientMessage::Leave { request, room } => Some((format!("-{}", room.as_str()), request)),
        _ => None,
    };
    rig.sent().into_iter().filter_map(told).collect()
}

fn names(moves: &[(String, u32)]) -> Vec<&str> {
    moves.iter().map(|(name, _)| name.as_str()).collect()
}

fn carry_out(rig: &mut Rig, moves: &[(String, u32)]) {
    for &(_, request) in moves {
        rig.hear(ServerMessage::Result { request, view: None });
    }
}

fn in_rooms(rooms: &[&str]) -> Rig {
    let mut rig = Rig::with(|options| {
        options.rooms = rooms.iter().copied().chain(["lobby"]).map(room).collect();
    });
    rig.sign_in(&["ada"]);
    let sent = moves(&mut rig);
    assert_eq!(names(&sent), rooms.iter().map(|name| format!("+{name}")).collect::<Vec<_>>());
    carry_out(&mut rig, &sent);
    rig
}

#[test]
fn the_rooms_of_the_options_are_joined_and_the_lobby_needs_none() {
    let mut rig = in_rooms(&["a", "b"]);
    assert_eq!(rig.done(), [], "once");
}

#[test]
fn only_what_changes_is_sent() {
    let mut rig = in_rooms(&["a", "b"]);
    want(&mut rig, &["b", "c"]);
    let sent = moves(&mut rig);
    assert_eq!(names(&sent), ["-a", "+c"]);
    want(&mut rig, &["b", "c"]);
    assert_eq!(moves(&mut rig), [], "it is under way");
    carry_out(&mut rig, &sent);
    assert_eq!(moves(&mut rig), []);
}

#[test]
fn who_changes_his_mind_while_it_is_under_way_is_heard_afterwards() {
    let mut rig = in_rooms(&["a"]);
    want(&mut rig, &[]);
    let leave = moves(&mut rig);
    want(&mut rig, &["a"]);
    assert_eq!(moves(&mut rig), []);
    carry_out(&mut rig, &leave);
    assert_eq!(names(&moves(&mut rig)), ["+a"]);
}

#[test]
fn a_room_that_is_refused_is_told_and_not_tried_again_in_this_session() {
    let mut rig = Rig::signed_in(&["ada"]);
    want(&mut rig, &["a"]);
    let (_, request) = moves(&mut rig).remove(0);
    let text = "32 rooms".to_owned();
    rig.hear(ServerMessage::Error { request, code: ErrorCode::Limit, text });
    assert!(matches!(rig.told()[..], [Event::Refused { code: ErrorCode::Limit, .. }]));
    want(&mut rig, &["a", "b"]);
    assert_eq!(names(&moves(&mut rig)), ["+b"]);
}

#[test]
fn a_new_session_joins_again_and_one_that_goes_on_does_not() {
    for (resumed, joined) in [(false, vec!["+a", "+b"]), (true, vec![])] {
        let mut rig = in_rooms(&["a", "b"]);
        rig.lose_connection();
        rig.next_hello();
        rig.hear(ServerMessage::Welcome(Welcome { resumed, ..welcome() }));
        assert_eq!(names(&moves(&mut rig)), joined, "resumed: {resumed}");
    }
}

#[test]
fn what_was_under_way_at_a_loss_is_asked_again() {
    let mut rig = in_rooms(&["a"]);
    want(&mut rig, &["b"]);
    assert_eq!(names(&moves(&mut rig)), ["-a", "+b"]);
    rig.lose_connection();
    want(&mut rig, &[]);
    rig.next_hello();
    rig.hear(ServerMessage::Welcome(Welcome { resumed: true, ..welcome() }));
    assert_eq!(names(&moves(&mut rig)), ["-a", "-b"], "b may have been joined");
}
