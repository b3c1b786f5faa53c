//! Random records against a naive model in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use herenow_protocol::Violation;
use proptest::prelude::*;

use super::*;

/// What a store should keep, one record after the other.
#[derive(Debug, Default)]
struct Model {
    sessions: BTreeMap<SessionId, SessionRecord>,
    people: BTreeMap<DisplayName, PersonRecord>,
    last_seen: BTreeMap<DisplayName, u64>,
    log: Vec<Logged>,
}

impl Model {
    fn apply(&mut self, record: Record) {
        match record {
            Record::Session(record) => {
                self.sessions.insert(record.session, *record);
            }
            Record::SessionGone(session) => {
                self.sessions.remove(&session);
            }
            Record::Person(record) => {
                self.people.insert(record.name.clone(), *record);
            }
            Record::PersonGone(name) => {
                self.people.remove(&name);
            }
            Record::LastSeen(name, at_ms) => {
                self.last_seen.insert(name, at_ms);
            }
            Record::Transition(logged) => self.log.push(logged),
        }
    }

    /// What a restart restores; it ends people without sessions.
    fn restart(&mut self, stopped: bool) -> Restored {
        let mut sessions: Vec<_> = self.sessions.values().cloned().collect();
        sessions.sort_by_key(|session| (session.opened_ms, session.session));
        self.people.retain(|name, _| sessions.iter().any(|session| session.name == *name));
        let mut last_seen: Vec<_> = self.last_seen.clone().into_iter().collect();
        last_seen.sort_by_key(|(name, at_ms)| (Reverse(*at_ms), name.clone()));
        let people = self.people.values().cloned().collect();
        Restored { sessions, people, last_seen, alive_ms: START_MS, stopped }
    }
}

fn users() -> impl Strategy<Value = DisplayName> {
    prop::sample::select(vec!["ada", "bob", "Žofie", "O'Neil; --"]).prop_map(name)
}

fn session_ids() -> impl Strategy<Value = SessionId> {
    prop_oneof![1u64..5, Just((1 << 53) - 1)].prop_map(SessionId)
}

fn fingerprints() -> impl Strategy<Value = Fingerprint> {
    any::<[u8; 16]>().prop_map(Fingerprint)
}

fn times() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..4, START_MS..START_MS + 4, Just((1 << 53) - 1)]
}

fn labels() -> impl Strategy<Value = DeviceLabel> {
    "[a-z'é ]{0,9}".prop_map(|label| DeviceLabel::new(&label).unwrap())
}

fn statuses() -> impl Strategy<Value = Status> {
    prop::sample::select(Status::ALL.to_vec())
}

fn causes() -> impl Strategy<Value = CloseReason> {
    prop_oneof![
        (0u64..16).prop_map(|number| CloseReason::from_wire(number, 0)),
        (0u64..8).prop_map(|n| CloseReason::ProtocolError(Violation::from_wire(n))),
    ]
}

fn sessions() -> impl Strategy<Value = SessionRecord> {
    let rooms = prop::collection::vec("[a-z\"\\\\,]{1,5}", 0..4)
        .prop_map(|rooms| rooms.iter().map(|room| RoomName::new(room).unwrap()).collect());
    let who = (session_ids(), fingerprints(), users(), fingerprints(), labels());
    let lost = (0u64..5, times(), times(), times()).prop_map(
        |(cause, heard_ms, shown_until_ms, resume_until_ms)| LostRecord {
            cause: CloseReason::from_wire(cause, 0),
            heard_ms,
            shown_until_ms,
            resume_until_ms,
        },
    );
    let lost = prop::option::of(lost);
    let how = (times(), statuses(), any::<bool>(), times(), rooms, times(), lost);
    (who, how).prop_map(
        |(
            (session, token, name, device, label),
            (heartbeat_ms, status, automatic, since_ms, rooms, opened_ms, lost),
        )| SessionRecord {
            session,
            token,
            name,
            device,
            label,
            heartbeat_ms,
            status,
            automatic,
            since_ms,
            rooms,
            opened_ms,
            lost,
        },
    )
}

fn people() -> impl Strategy<Value = PersonRecord> {
    let metadata = prop::collection::btree_map("[a-z\"]{1,3}", any::<String>(), 0..3);
    let text = "[a-z'\"é]{0,9}";
    (users(), prop::option::of(fingerprints()), text, times(), metadata).prop_filter_map(
        "metadata within their limit",
        |(name, key, text, until_ms, metadata)| {
            let pairs = metadata.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let metadata = Metadata::new(pairs).ok()?;
            let text = StatusText::new(&text).unwrap();
            Some(PersonRecord { name, key, text, until_ms, metadata })
        },
    )
}

fn transitions() -> impl Strategy<Value = Logged> {
    let kind = prop::sample::select(TransitionKind::ALL.to_vec());
    let session = prop::option::of(session_ids());
    let rest = (times(), prop::option::of(causes()), times(), prop::option::of(statuses()));
    (users(), labels(), kind, session, rest).prop_map(
        |(name, device, kind, session, (at_ms, cause, not_before_ms, status))| Logged {
            name,
            device,
            transition: Transition { at_ms, kind, session, cause, not_before_ms, status },
        },
    )
}

fn records() -> impl Strategy<Value = Record> {
    prop_oneof![
        3 => sessions().prop_map(|record| Record::Session(Box::new(record))),
        1 => session_ids().prop_map(Record::SessionGone),
        3 => people().prop_map(|record| Record::Person(Box::new(record))),
        1 => users().prop_map(Record::PersonGone),
        2 => (users(), times()).prop_map(|(name, at_ms)| Record::LastSeen(name, at_ms)),
        3 => transitions().prop_map(Record::Transition),
    ]
}

/// A life of a server: what it writes at once, whether it waits for each write, how it ends.
type Life = (Vec<Vec<Record>>, bool, bool);

fn lives() -> impl Strategy<Value = Vec<Life>> {
    let writes = prop::collection::vec(prop::collection::vec(records(), 0..6), 0..8);
    prop::collection::vec((writes, any::<bool>(), any::<bool>()), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_restart_restores_what_was_written(lives in lives()) {
        let temp = TempDir::new();
        let mut model = Model::default();
        let mut expected = Restored::default();
        let options = options();
        for (writes, waits, stopped) in lives {
            let (store, restored) = Store::open(&temp.data(), options.clone()).unwrap();
            prop_assert_eq!(restored, expected);
            for write in writes {
                write.iter().cloned().for_each(|record| model.apply(record));
                let ticket = store.write(write);
                if waits {
                    wait_for_commit(&store, ticket);
                }
            }
            store.close(stopped);
            expected = model.restart(stopped);
        }
        let (store, restored) = Store::open(&temp.data(), options).unwrap();
        prop_assert_eq!(restored, expected);
        let log = LogReader::open(&temp.data()).unwrap().read(Cursor::START, usize::MAX).unwrap();
        let log: Vec<_> = log.into_iter().map(|(_, logged)| logged).collect();
        prop_assert_eq!(log, model.log);
        store.close(true);
    }
}
