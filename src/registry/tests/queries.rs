//! What is asked once.

use herenow_protocol::{Metadata, Rule, SessionState};

use super::*;

fn operator() -> Option<OperatorKey> {
    Some(OperatorKey([9; 16]))
}

/// Everything that ada may be, as others must not be able to tell.
fn states() -> Vec<Desk> {
    let mut offline = Desk::new();
    let ada = offline.sign_in(keyed("ada", "desk"));
    offline.end(ada, CloseReason::Goodbye);
    let mut lost = Desk::new();
    let ada = lost.sign_in(keyed("ada", "desk"));
    lost.end(ada, CloseReason::ConnectionReset);
    let mut shown = Desk::new();
    shown.sign_in(keyed("ada", "desk"));
    let mut invisible = Desk::new();
    invisible.sign_in(showing(keyed("ada", "desk"), Status::Invisible));
    vec![Desk::new(), offline, lost, shown, invisible]
}

#[test]
fn people_are_shown_as_a_list_would_show_them() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(showing(hello("ada", "desk"), Status::Busy));
    let names = ["nobody", "ada"].map(name).to_vec();
    let answer = desk.say(ada, Command::Query(Query::People(names)));
    let Answer::People(2, entries, None) = answer else { panic!("{answer:?}") };
    let ids: Vec<_> = entries.iter().map(|e| (e.id.0, e.name.as_str())).collect();
    assert_eq!(ids, [(0, "nobody"), (1, "ada")]);
    assert_eq!(entries[0].shown, Shown::offline(0));
    assert_eq!(entries[1].shown, desk.shown("ada"));
}

#[test]
fn what_does_not_fit_one_frame_is_asked_for_again() {
    let mut desk = Desk::new();
    let value = "v".repeat(1_000);
    let metadata = Metadata::new([("k", &*value)]).expect("it fits");
    let heavy = Choice { metadata: Some(metadata), ..chosen(Status::Busy) };
    let all: Vec<_> = (0..20)
        .map(|n| {
            let device = DeviceId::new(&format!("d{n}")).expect("valid");
            let user = name(&format!("user {n:02}"));
            let connection = desk.sign_in(Hello { name: user, device, ..hello("ada", "desk") });
            desk.choose(connection, heavy.clone());
            connection
        })
        .collect();
    let (mut from, mut read) = (Some(UserId(0)), Vec::new());
    while let Some(first) = from {
        let page = Query::Page { room: RoomName::lobby(), from: first };
        let answer = desk.say(all[0], Command::Query(page));
        let Answer::People(20, entries, next) = answer else { panic!("{answer:?}") };
        assert!(entries.len() < 16 && entries.iter().all(|entry| entry.id >= first));
        read.extend(entries.into_iter().map(|entry| entry.id.0));
        from = next;
    }
    assert_eq!(read, (0..20).collect::<Vec<_>>());
    let names: Vec<_> = (0..20).map(|n| name(&format!("user {n:02}"))).collect();
    let answer = desk.say(all[0], Command::Query(Query::People(names)));
    let Answer::People(20, entries, Some(next)) = answer else { panic!("{answer:?}") };
    assert_eq!(next.0 as usize, entries.len(), "the first that did not fit");
}

#[test]
fn a_count_is_of_a_room_and_of_nobody_where_there_is_none() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    desk.sign_in(showing(hello("bob", "desk"), Status::Invisible));
    let mut count = |text| desk.say(ada, Command::Query(Query::Count(room(text))));
    assert_eq!(count("lobby"), Answer::People(1, Vec::new(), None));
    assert_eq!(count("attic"), Answer::People(0, Vec::new(), None));
    let beyond = Query::Page { room: RoomName::lobby(), from: UserId(u32::MAX) };
    assert_eq!(desk.say(ada, Command::Query(beyond)), Answer::People(1, Vec::new(), None));
    let nowhere = Query::Page { room: room("attic"), from: UserId(0) };
    assert_eq!(desk.say(ada, Command::Query(nowhere)), Answer::People(0, Vec::new(), None));
}

#[test]
fn why_is_not_told_to_strangers_however_the_user_is() {
    let answers = states().into_iter().flat_map(|mut desk| {
        let eve = desk.sign_in(hello("eve", "desk"));
        let same_name = desk.sign_in(observer("ada", "elsewhere"));
        [eve, same_name].map(|asker| {
            let query = |operator| Query::Explain { name: name("ada"), operator };
            [None, Some(OperatorKey([0; 16]))]
                .map(|operator| desk.say(asker, Command::Query(query(operator))))
        })
    });
    let answers: Vec<_> = answers.collect();
    assert_failed(&answers[0][0], ErrorCode::NotAllowed);
    assert!(answers.iter().flatten().all(|answer| *answer == answers[0][0]));
}

#[test]
fn health_is_for_the_operator_whatever_it_is() {
    for mut desk in states() {
        let eve = desk.sign_in(hello("eve", "desk"));
        for wrong in [None, Some(OperatorKey([0; 16]))] {
            let query = Command::Query(Query::Health { operator: wrong });
            assert_failed(&desk.say(eve, query), ErrorCode::NotAllowed);
        }
        let query = Command::Query(Query::Health { operator: operator() });
        assert!(matches!(desk.say(eve, query), Answer::Health(_)));
    }
    let mut desk = Desk::with_rules(Rules { operator: None, ..rules() });
    let eve = desk.sign_in(hello("eve", "desk"));
    let query = Command::Query(Query::Health { operator: None });
    assert_failed(&desk.say(eve, query), ErrorCode::NotAllowed);
}

#[test]
fn a_user_is_told_why_by_session_device_or_key() {
    let mut desk = Desk::new();
    let session = desk.sign_in(keyed("ada", "desk"));
    let same_device = desk.sign_in(observer("ada", "desk"));
    let same_key = desk.sign_in(Hello { observe: true, ..keyed("ada", "elsewhere") });
    for asker in [session, same_device, same_key] {
        let query = Query::Explain { name: name("ada"), operator: None };
        let answer = desk.say(asker, Command::Query(query));
        assert!(matches!(answer, Answer::Explanation(..)), "{answer:?}");
    }
}

#[test]
fn an_explanation_says_what_decided_and_what_is_left() {
    let mut desk = Desk::new();
    let a = desk.sign_in(keyed("ada", "a"));
    let b = desk.sign_in(showing(keyed("ada", "b"), Status::Busy));
    desk.advance(SECOND);
    desk.end(a, CloseReason::ConnectionReset);
    desk.advance(SECOND * 2);
    let query = Query::Explain { name: name("ada"), operator: operator() };
    let answer = desk.say(b, Command::Query(query));
    let Answer::Explanation(why, connections) = answer else { panic!("{answer:?}") };
    assert_eq!((why.rule, why.winner), (Rule::PersonOverProgram, Some(SessionId(b.0))));
    assert_eq!(why.me.map(|me| me.status), Some(Status::Busy));
    assert_eq!(connections, [None, Some(b)]);
    let [lost, there] = &why.sessions[..] else { panic!() };
    assert_eq!((lost.state, there.state), (SessionState::Grace, SessionState::Connected));
    assert_eq!((lost.grace_ms, lost.resume_ms), (Some(3_000), Some(58_000)));
    assert_eq!((lost.heard_ms_ago, lost.misses), (2_000, 1));
    assert_eq!((there.grace_ms, there.resume_ms), (None, None));
    desk.advance(SECOND * 4);
    let why = desk.explain(b, "ada");
    let lost = &why.sessions[0];
    assert_eq!((lost.state, lost.grace_ms), (SessionState::Resumable, None));
    assert_eq!((why.rule, lost.resume_ms), (Rule::OnlySession, Some(54_000)));
    let kinds: Vec<_> = why.transitions.iter().map(|t| t.kind).collect();
    use TransitionKind::{Changed, Lost, Online, Opened};
    assert_eq!(kinds, [Opened, Online, Opened, Changed, Lost], "the newest last");
}

#[test]
fn the_vitals_of_a_connection_complete_a_report() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    let mut report = desk.explain(ada, "ada").sessions.remove(0);
    let ago = |span| desk.now.instant.checked_sub(span).expect("a recent time");
    let vitals = Vitals {
        heard_at: ago(SECOND * 5),
        sent_at: Some(ago(SECOND)),
        round_trip_us: 0,
        interval: SECOND * 2,
    };
    vitals.complete(&mut report, desk.now.instant);
    assert_eq!((report.heard_ms_ago, report.sent_ms_ago), (5_000, Some(1_000)));
    assert_eq!((report.misses, report.round_trip_us), (2, None));
}

#[test]
fn twenty_transitions_are_kept() {
    let mut desk = Desk::new();
    let ada = desk.sign_in(hello("ada", "desk"));
    for n in 0..30 {
        desk.choose(ada, chosen(if n % 2 == 0 { Status::Busy } else { Status::Away }));
    }
    let why = desk.explain(ada, "ada");
    assert_eq!(why.transitions.len(), 20);
    assert!(why.transitions.iter().all(|t| t.kind == TransitionKind::Changed));
}
