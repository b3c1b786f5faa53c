//! What a copy of an older version is told: the newest state of everybody, in one delta.

use super::*;

/// The one delta that a copy of this version missed.
fn changes_since(roster: &Roster, from: u64) -> Vec<Change> {
    let missed = roster.missed(from, usize::MAX).expect("it is remembered");
    let [frame] = &missed.frames[..] else { panic!("{missed:?}") };
    let ServerMessage::Delta { from: begins, proof, changes, .. } = decode(frame) else { panic!() };
    assert_eq!((begins, proof), (from, roster.proof()));
    changes
}

#[test]
fn who_missed_some_deltas_gets_one_that_says_the_same() {
    let mut roster = crowd(10);
    let mut reader = Reader::snapshot(&mut roster);
    let from = reader.version;
    for n in 0..5 {
        roster.update(UserId(n), &busy("x"));
        roster.publish();
    }
    let missed = roster.missed(from, usize::MAX).expect("it is remembered");
    assert_eq!((missed.from, missed.frames.len()), (from, 1));
    reader.read_all(&missed.frames);
    assert_eq!((reader.proof(), missed.proof), (roster.proof(), roster.proof()));
    let nothing = roster.missed(reader.version, 0).expect("nothing was missed");
    assert!(nothing.frames.is_empty());
}

#[test]
fn what_was_missed_is_not_told_if_it_is_too_much_unknown_or_forgotten() {
    let mut roster = crowd(10);
    let from = roster.proof().version;
    roster.update(UserId(0), &busy("x"));
    roster.publish();
    assert_eq!(roster.missed(from, 10), None, "more than was asked for");
    assert_eq!(roster.missed(from - 1, usize::MAX), None, "a version inside of a step");
    assert_eq!(roster.missed(from + 99, usize::MAX), None, "a version that never was");
    for n in 0..1_000 {
        roster.update(UserId(1), &Shown { since_ms: n, ..busy("x") });
        roster.publish();
    }
    assert_eq!(roster.missed(from, usize::MAX), None, "the log is bounded");
    assert!(roster.missed(roster.proof().version - 1, usize::MAX).is_some());
}

#[test]
fn a_list_that_remembers_nothing_still_knows_who_missed_nothing() {
    let mut roster = Roster::new(VIEW, EPOCH, 0);
    roster.join(name("ada"), Shown::default());
    roster.publish();
    assert!(roster.missed(1, 0).is_some());
    assert_eq!(roster.missed(0, usize::MAX), None);
}

#[test]
fn nobody_is_told_a_state_that_has_passed() {
    let mut roster = crowd(3);
    let from = roster.proof().version;
    for text in ["a", "b", "c"] {
        roster.update(UserId(1), &busy(text));
        roster.publish();
    }
    let [Change::Updated { id: UserId(1), shown }] = &changes_since(&roster, from)[..] else {
        panic!()
    };
    assert_eq!(*shown, busy("c"));
}

#[test]
fn who_came_and_went_in_between_is_not_mentioned() {
    let mut roster = crowd(3);
    let from = roster.proof().version;
    let id = roster.join(name("guest"), Shown::default());
    roster.publish();
    roster.leave(id, CloseReason::Goodbye);
    roster.publish();
    assert_eq!(changes_since(&roster, from), []);
}

#[test]
fn who_changed_and_changed_back_is_not_mentioned() {
    let mut roster = crowd(3);
    let (from, before) = (roster.proof().version, roster.get(UserId(1)).expect("listed"));
    roster.update(UserId(1), &busy("x"));
    roster.publish();
    roster.update(UserId(1), &before.shown);
    roster.publish();
    assert_eq!(changes_since(&roster, from), []);
}

#[test]
fn an_id_that_was_given_on_tells_the_leave_of_the_first_and_the_join_of_the_last() {
    let mut roster = crowd(1);
    let (from, first) = (roster.proof().version, roster.get(UserId(0)).expect("listed"));
    roster.leave(UserId(0), CloseReason::HeartbeatTimeout);
    roster.publish();
    for (who, cause) in [("eve", Some(CloseReason::Goodbye)), ("bob", None)] {
        assert_eq!(roster.join(name(who), Shown::default()), UserId(0));
        roster.publish();
        if let Some(cause) = cause {
            roster.leave(UserId(0), cause);
            roster.publish();
        }
    }
    let [Change::Left { id, cause: CloseReason::HeartbeatTimeout }, Change::Joined(bob)] =
        &changes_since(&roster, from)[..]
    else {
        panic!()
    };
    assert_eq!((*id, bob.name.as_str()), (first.id, "bob"));
}

#[test]
fn who_came_back_under_another_id_leaves_before_they_join() {
    let mut roster = crowd(2);
    let from = roster.proof().version;
    let ada = roster.get(UserId(0)).expect("listed").name;
    roster.leave(UserId(0), CloseReason::Goodbye);
    let again = roster.join(ada.clone(), Shown::default());
    roster.publish();
    assert_ne!(again, UserId(0), "the leave was not published yet");
    assert_eq!(roster.join(name("bob"), Shown::default()), UserId(0));
    roster.publish();
    let told = changes_since(&roster, from);
    let left = told.iter().position(|change| matches!(change, Change::Left { .. }));
    let joined = |change: &Change| matches!(change, Change::Joined(entry) if entry.name == ada);
    assert!(left < told.iter().position(joined), "{told:?}");
}

#[test]
fn what_does_not_fit_one_frame_is_not_told() {
    let mut roster = crowd(200);
    let from = roster.proof().version;
    for n in 0..200 {
        roster.update(UserId(n), &busy(&"a text of some length, ".repeat(6)));
        roster.publish();
    }
    assert_eq!(roster.missed(from, usize::MAX), None);
    assert_eq!(changes_since(&roster, roster.proof().version - 100).len(), 100);
}
