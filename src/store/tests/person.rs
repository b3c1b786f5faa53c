//! Telling and erasing what is kept of one person.

use std::fs;

use super::super::person::{Erased, erase, export};
use super::*;

/// A store that kept something of ada, who is signed in twice and shown, and of bob.
fn kept(temp: &TempDir) {
    let (store, _) = open(&temp.data());
    let shown = |user: &str, kind, session| {
        let Record::Transition(mut logged) = offline(user, START_MS) else { unreachable!() };
        logged.device = DeviceLabel::new("her telephone").unwrap();
        logged.transition =
            Transition { kind, session, status: None, cause: None, ..logged.transition };
        Record::Transition(logged)
    };
    store.write(vec![
        Record::Session(Box::new(session(1, "adalberta"))),
        Record::Session(Box::new(session(2, "adalberta"))),
        Record::Session(Box::new(session(3, "bob"))),
        Record::Person(Box::new(person("adalberta"))),
        Record::Person(Box::new(person("bob"))),
        Record::LastSeen(name("adalberta"), 5),
        shown("adalberta", TransitionKind::Opened, Some(SessionId(1))),
        shown("adalberta", TransitionKind::Opened, Some(SessionId(2))),
        shown("adalberta", TransitionKind::Online, None),
        offline("bob", START_MS),
    ]);
    store.close(true);
}

/// Whether any file of the store has these bytes.
fn is_on_disk(temp: &TempDir, words: &str) -> bool {
    fs::read_dir(temp.data()).unwrap().any(|file| {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        bytes.windows(words.len()).any(|window| window == words.as_bytes())
    })
}

#[test]
fn everything_that_is_kept_of_somebody_is_told_and_nothing_of_others() {
    let temp = TempDir::new();
    kept(&temp);
    let told = export(&temp.data(), &name("adalberta")).unwrap();
    let rows = |table: &str| told[table].as_array().unwrap().len();
    assert_eq!(["session", "person", "last_seen", "transition"].map(rows), [2, 1, 1, 3], "{told}");
    assert_eq!(told["person"][0]["text"], "back at 3");
    assert_eq!(told["last_seen"][0]["at_ms"], 5);
    assert_eq!(told["transition"][0]["device"], "her telephone");
    assert!(!told.to_string().contains("bob"), "{told}");
    let nobody = export(&temp.data(), &name("eve")).unwrap();
    assert_eq!(nobody["session"].as_array().unwrap().len(), 0);
}

#[test]
fn whoever_is_erased_is_nowhere_on_disk_and_their_sessions_are_closed_once() {
    let temp = TempDir::new();
    kept(&temp);
    assert!(is_on_disk(&temp, "adalberta") && is_on_disk(&temp, "her telephone"));
    let erased = erase(&temp.data(), &name("adalberta"), START_MS + 9).unwrap();
    assert_eq!(erased, Erased { sessions: 2, transitions: 6, others: 2 });
    assert!(!is_on_disk(&temp, "adalberta"), "the name is gone, from free pages too");
    assert!(!is_on_disk(&temp, "her telephone"));

    let log = LogReader::open(&temp.data()).unwrap();
    let entries: Vec<_> = log.read(Cursor::START, 99).unwrap();
    let of_nobody: Vec<_> =
        entries.iter().map(|(_, logged)| logged).filter(|l| l.name != name("bob")).collect();
    let kinds: Vec<_> =
        of_nobody.iter().map(|l| (l.transition.kind, l.transition.session)).collect();
    use TransitionKind as T;
    let [one, two] = [1, 2].map(|n| Some(SessionId(n)));
    assert_eq!(kinds[..3], [(T::Opened, one), (T::Opened, two), (T::Online, None)]);
    // The session that signed in first is the second one.
    assert_eq!(kinds[3..], [(T::Closed, two), (T::Closed, one), (T::Offline, None)]);
    assert!(of_nobody.iter().all(|logged| logged.name == of_nobody[0].name), "it is one nobody");

    let (store, restored) = open(&temp.data());
    assert_eq!(restored.sessions, [session(3, "bob")], "others are where they were");
    assert_eq!(restored.people, [person("bob")]);
    store.close(true);
    let again = erase(&temp.data(), &name("adalberta"), START_MS + 10).unwrap();
    assert_eq!(again, Erased::default(), "there is nothing left");
}

#[test]
fn nobody_is_erased_under_a_server_that_runs() {
    let temp = TempDir::new();
    kept(&temp);
    let (store, _) = open(&temp.data());
    let refused = erase(&temp.data(), &name("adalberta"), START_MS).unwrap_err();
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    assert_eq!(export(&temp.data(), &name("adalberta")).unwrap()["person"][0]["name"], "adalberta");
    store.close(true);
    let nowhere = temp.data().join("misspelt");
    let missing = erase(&nowhere, &name("adalberta"), START_MS).unwrap_err();
    assert!(matches!(missing, StoreError::Missing { .. }), "{missing}");
    assert!(!nowhere.exists(), "and no empty store was made");
}
