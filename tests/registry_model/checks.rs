//! What must agree after every step: the registry's answers, what its clients were sent, what it wrote down, and the
//! [`Model`].

use std::collections::{BTreeMap, BTreeSet};

use herenow::registry::Answer;
use herenow_protocol::{Entry, Explanation, Query, SessionState, Shown, Status, UserId};

use super::copies::Copy;
use super::desk::{Desk, EYE, OPERATOR, name, room};
use super::model::{Model, UNIX_MS};
use super::step::{NAMES, Name, ROOMS, Room, View};

/// Everything that can be looked at between two steps.
pub(crate) fn assert_agree(desk: &mut Desk, model: &Model) {
    assert_eq!(desk.now, model.now);
    ROOMS.iter().for_each(|room| assert_room(desk, model, room));
    assert_people(desk, model);
    NAMES.iter().for_each(|name| assert_explained(desk, model, name));
    assert_connections(desk, model);
    assert_written_down(desk, model);
    if desk.is_quiet() {
        assert_published(desk, model);
    }
}

/// Who is in a room, and what they are shown with.
fn assert_room(desk: &mut Desk, model: &Model, of: Room) {
    let page = Query::Page { room: room(of), from: UserId(0) };
    let Answer::People(count, entries, None) = desk.ask(page) else { panic!("no page of {of}") };
    let expected = by_name(&model.room(of));
    assert_eq!(count as usize, expected.len(), "how many are in {of}");
    assert_eq!(shown(&entries), expected, "who is in {of}");
    let counted = desk.ask(Query::Count(room(of)));
    assert_eq!(counted, Answer::People(count, Vec::new(), None));
}

/// How anybody is shown in a list of people, here or not.
fn assert_people(desk: &mut Desk, model: &Model) {
    let asked = ["ada", "bob", "cyd", "dan"];
    let names = asked.iter().map(|of| name(of)).collect();
    let Answer::People(4, entries, None) = desk.ask(Query::People(names)) else { panic!("people") };
    assert_list(&entries, &asked, model, "the people asked for");
}

fn assert_list(entries: &[Entry], names: &[Name], model: &Model, which: &str) {
    let expected: Vec<_> = (0..)
        .zip(names)
        .map(|(n, of)| Entry { id: UserId(n), name: name(of), shown: model.listed(of) })
        .collect();
    assert_eq!(entries, expected, "{which}");
}

/// The sessions of a user, which can be resumed and for how long, and the rule that decides.
fn assert_explained(desk: &mut Desk, model: &Model, of: Name) {
    let query = Query::Explain { name: name(of), operator: Some(OPERATOR) };
    let Answer::Explanation(told, _) = desk.ask(query) else { panic!("{of} is not explained") };
    let (visible, rule) = model.merged(of);
    assert_eq!((&told.me, told.rule), (&model.me(of), rule), "how {of} is seen, and by which rule");
    assert_eq!(sessions_told(&told), sessions_of(model, of), "the sessions of {of}");
    let winner = told.winner.map(|winner| &model.sessions[&winner.0]);
    match (visible, winner) {
        (Some(visible), Some(winner)) => {
            assert_eq!(visible, (winner.status, winner.automatic), "who decided for {of}");
        }
        (None, Some(winner)) => assert_eq!(winner.status, Status::Invisible),
        (visible, None) => assert_eq!(visible, None),
    }
}

/// Number, label, what became of its connection, status, and what is left of grace and of the time to resume.
type Told = (u64, String, SessionState, (Status, bool, u64), (Option<u64>, Option<u64>));

fn sessions_told(told: &Explanation) -> Vec<Told> {
    let sessions = told.sessions.iter().map(|session| {
        let status = (session.status, session.automatic, session.since_ms);
        let left = (session.grace_ms, session.resume_ms);
        (session.session.0, session.device.as_str().to_owned(), session.state, status, left)
    });
    sessions.collect()
}

fn sessions_of(model: &Model, of: Name) -> Vec<Told> {
    let sessions = model.sessions_of(of).into_iter().map(|(number, session)| {
        let counts = model.counts(session);
        let state = match session.lost {
            None => SessionState::Connected,
            Some(_) if counts => SessionState::Grace,
            Some(_) => SessionState::Resumable,
        };
        let grace = session.lost.filter(|_| counts).map(|lost| lost.counts_until - model.now);
        let resume = session.lost.map(|lost| lost.resume_until - model.now);
        let status = (session.status, session.automatic, UNIX_MS + session.since);
        (number, session.device.to_owned(), state, status, (grace, resume))
    });
    sessions.collect()
}

/// Who is connected, and what each was told of itself.
fn assert_connections(desk: &Desk, model: &Model) {
    let connected: BTreeSet<_> = desk.clients.keys().copied().filter(|n| *n != EYE).collect();
    assert_eq!(connected, model.connections().into_iter().collect(), "the connections");
    assert_eq!(desk.registry.session_count(), model.sessions.len() + 1, "the sessions and the eye");
    for (connection, client) in desk.clients.iter().filter(|(n, _)| **n != EYE) {
        let session = &model.sessions[&client.session];
        assert_eq!(session.connection, Some(*connection));
        let me = if session.observer { None } else { model.me(session.name) };
        assert_eq!(client.me, me, "what {} is told of itself", session.name);
    }
}

/// Each session opened and closed once, each coming and going told once, and a restart would find what is there.
fn assert_written_down(desk: &Desk, model: &Model) {
    let diary = &desk.diary;
    assert_eq!(diary.opened, model.opened.keys().copied().collect(), "the sessions opened");
    assert_eq!(diary.closed, model.closed, "the sessions closed");
    for of in NAMES {
        let seen = model.seen.get(of).copied().unwrap_or_default();
        let status = seen.visible.map(|(status, _)| status);
        assert_eq!(diary.online.get(of).copied(), status, "how {of} was last told to be");
        let arrivals = diary.arrivals.get(of).copied().unwrap_or_default();
        assert_eq!(arrivals, seen.arrivals, "how often {of} came");
        if let Some(cause) = seen.cause {
            assert_eq!(diary.departures[of], (Some(cause), seen.last_ms), "why {of} went");
            assert_eq!(diary.last_seen[of], seen.last_ms, "when {of} was seen last");
        }
    }
    let listed = model.sessions.iter().filter(|(_, session)| !session.observer);
    assert_eq!(diary.sessions.len(), listed.clone().count(), "sessions on disk");
    for (number, session) in listed {
        let kept = &diary.sessions[number];
        let rooms: BTreeSet<_> =
            kept.rooms.iter().map(herenow_protocol::RoomName::as_str).collect();
        assert_eq!((kept.status, kept.automatic), (session.status, session.automatic));
        assert_eq!(rooms, session.rooms, "rooms of {number}");
        let lost = kept.lost.map(|lost| (lost.cause, lost.resume_until_ms - UNIX_MS));
        assert_eq!(lost, session.lost.map(|lost| (lost.cause, lost.resume_until)));
    }
    let with_sessions = NAMES.into_iter().filter(|of| !model.sessions_of(of).is_empty());
    assert!(diary.people.keys().map(String::as_str).eq(with_sessions), "people on disk");
}

/// Everything is published: every copy is what the model says, and the lobby was left for the right causes.
fn assert_published(desk: &Desk, model: &Model) {
    for (connection, client) in &desk.clients {
        let session = model.sessions.get(&client.session);
        let views = session.map(|session| {
            let rooms = session.views.iter().map(|room| View::Room(room));
            rooms.chain(session.lists.keys().map(|n| View::List(*n))).collect::<BTreeSet<_>>()
        });
        let views = views.unwrap_or_else(|| BTreeSet::from([View::Room("lobby")]));
        assert_eq!(client.copies.keys().copied().collect::<BTreeSet<_>>(), views);
        for (view, copy) in &client.copies {
            assert_eq!(copy.waits_for, None, "{connection} got its {view:?}");
            match view {
                View::Room(of) => {
                    assert_eq!(copied(copy), by_name(&model.room(of)), "a copy of {of}")
                }
                View::List(n) => {
                    let entries: Vec<_> = copy.entries.values().cloned().collect();
                    let names = &model.sessions[&client.session].lists[n];
                    assert_list(&entries, names, model, "a copy of a list");
                }
            }
        }
    }
    assert_causes(desk, model);
}

/// Who came and went between two publications was seen by nobody, and is left out.
fn assert_causes(desk: &Desk, model: &Model) {
    for (of, (arrivals, cause)) in &desk.lobby_news {
        let seen = &model.seen[of.as_str()];
        if seen.visible.is_none() && *arrivals == seen.arrivals {
            assert_eq!(*cause, seen.cause, "why {of} left the lobby");
        }
    }
}

fn copied(copy: &Copy) -> BTreeMap<String, Shown> {
    shown(&copy.entries.values().cloned().collect::<Vec<_>>())
}

fn shown(entries: &[Entry]) -> BTreeMap<String, Shown> {
    let of = |entry: &Entry| (entry.name.as_str().to_owned(), entry.shown.clone());
    let by_name: BTreeMap<_, _> = entries.iter().map(of).collect();
    assert_eq!(by_name.len(), entries.len(), "everyone is there once");
    by_name
}

fn by_name(people: &BTreeMap<Name, Shown>) -> BTreeMap<String, Shown> {
    people.iter().map(|(name, shown)| ((*name).to_owned(), shown.clone())).collect()
}
