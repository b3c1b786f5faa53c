//! Questions, each of which is answered once.

use herenow_protocol::Health;

use super::*;

fn ask(rig: &mut Rig, id: u64) {
    rig.command(Command::Query(QueryId(id), Query::Count(RoomName::lobby())));
}

fn questions(rig: &mut Rig) -> Vec<u32> {
    let asked = |message| match message {
        ClientMessage::Query { request, .. } => Some(request),
        _ => None,
    };
    rig.sent().into_iter().filter_map(asked).collect()
}

type Answered = (u64, Result<Answer, QueryError>);

fn answers(rig: &mut Rig) -> Vec<Answered> {
    let answer = |effect| match effect {
        Effect::Answer(QueryId(id), answer) => Some((id, answer)),
        _ => None,
    };
    rig.done().into_iter().filter_map(answer).collect()
}

#[test]
fn every_kind_of_answer_reaches_who_asked() {
    let mut rig = Rig::signed_in(&["ada"]);
    (1..=3).for_each(|id| ask(&mut rig, id));
    let asked = questions(&mut rig);
    let entries = entries(&["ada"]);
    let (count, next) = (1, None);
    let request = asked[0];
    rig.hear(ServerMessage::People { request, count, entries: entries.clone(), next });
    rig.hear(ServerMessage::Health { request: asked[1], health: Health::default() });
    rig.hear(refusal(asked[2]));
    let told = answers(&mut rig);
    assert_eq!(told[0], (1, Ok(Answer::People { count, entries, next })));
    assert_eq!(told[1], (2, Ok(Answer::Health(Health::default()))));
    assert!(
        matches!(&told[2], (3, Err(QueryError::Refused { code: ErrorCode::NotListed, .. }))),
        "and the program is not told of it as of a request of its own: {told:?}"
    );
    rig.hear(ServerMessage::Health { request: asked[1], health: Health::default() });
    assert_eq!(rig.done(), [], "a second answer is to nobody");
}

#[test]
fn a_question_that_is_carried_out_is_no_answer() {
    let mut rig = Rig::signed_in(&["ada"]);
    ask(&mut rig, 1);
    let request = questions(&mut rig)[0];
    rig.hear(ServerMessage::Result { request, view: None });
    assert_eq!(answers(&mut rig), [(1, Err(QueryError::Misunderstood))]);
}

#[test]
fn what_is_asked_before_the_sign_in_is_asked_then() {
    let mut rig = Rig::new();
    ask(&mut rig, 1);
    rig.reach_server();
    rig.hear(ServerMessage::Welcome(welcome()));
    assert_eq!(questions(&mut rig).len(), 1);
}

#[test]
fn no_question_survives_its_connection() {
    let mut rig = Rig::signed_in(&["ada"]);
    (1..=20).for_each(|id| ask(&mut rig, id));
    rig.lose_connection();
    let told = answers(&mut rig);
    assert_eq!(told.len(), 20, "sent or not");
    let lost = Err(QueryError::Disconnected(Disconnect::ConnectionReset));
    assert!(told.iter().all(|(_, answer)| *answer == lost), "{told:?}");
    ask(&mut rig, 21);
    rig.command(Command::Goodbye);
    assert_eq!(answers(&mut rig), [(21, Err(QueryError::Disconnected(Disconnect::Left)))]);
    ask(&mut rig, 22);
    assert_eq!(answers(&mut rig), [(22, Err(QueryError::Over))]);
}

#[test]
fn a_few_questions_are_under_way_at_a_time_and_all_are_asked() {
    let mut rig = Rig::signed_in(&["ada"]);
    (1..=64).for_each(|id| ask(&mut rig, id));
    let mut open = questions(&mut rig);
    assert_eq!(open.len(), 8);
    let mut told = 0;
    while let Some(request) = open.pop() {
        rig.hear(ServerMessage::Health { request, health: Health::default() });
        let effects = rig.done();
        told += effects.iter().filter(|effect| matches!(effect, Effect::Answer(..))).count();
        rig.effects = effects;
        open.extend(questions(&mut rig));
    }
    assert_eq!(told, 64);
}

#[test]
fn a_question_for_too_many_people_is_not_sent() {
    let people = |count: usize, bytes: usize| {
        let name = |n| DisplayName::new(&format!("{n:0bytes$}")).expect("a test name is valid");
        Query::People((0..count).map(name).collect())
    };
    let mut rig = Rig::signed_in(&["ada"]);
    for (id, query, fits) in
        [(1, people(129, 3), false), (2, people(128, 64), false), (3, people(128, 29), true)]
    {
        rig.command(Command::Query(QueryId(id), query));
        let told = rig.done();
        let sent = matches!(&told[..], [Effect::Send(ClientMessage::Query { .. })]);
        let too_long = Effect::Answer(QueryId(id), Err(QueryError::TooLong));
        assert!(sent == fits && (fits || told == [too_long]), "{id}: {told:?}");
    }
}
