//! What a registry makes of what a former server left on disk, at every moment at which that one may have died.

use std::time::Duration;

use herenow::clock::Moment;
use herenow::journal::{Fingerprint, LostRecord, PersonRecord, Record, Restored, SessionRecord};
use herenow::registry::{Effect, Registry, Rules};
use herenow::{Clock, Config};
use herenow_protocol::{
    CloseReason, DeviceLabel, DisplayName, Epoch, Metadata, SessionId, Status, StatusText,
    TransitionKind,
};

/// When the former server was last known to run, in milliseconds since 1970.
const ALIVE_MS: u64 = 1_700_000_000_000;

/// How long there was no server.
const OUTAGE_MS: u64 = 3_000;

/// Ada's only session, whose connection is lost like this, if it is.
fn left_behind(lost: Option<LostRecord>, stopped: bool) -> Restored {
    let name = DisplayName::new("ada").expect("a plain word is a name");
    let session = SessionRecord {
        session: SessionId(7),
        token: Fingerprint([1; 16]),
        name: name.clone(),
        device: Fingerprint([2; 16]),
        label: DeviceLabel::default(),
        heartbeat_ms: 2_000,
        status: Status::Available,
        automatic: true,
        since_ms: ALIVE_MS - 60_000,
        rooms: Vec::new(),
        opened_ms: ALIVE_MS - 60_000,
        lost,
    };
    let (text, metadata) = (StatusText::default(), Metadata::default());
    let person = PersonRecord { name, key: None, text, until_ms: 0, metadata };
    let (sessions, people) = (vec![session], vec![person]);
    Restored { sessions, people, last_seen: Vec::new(), alive_ms: ALIVE_MS, stopped }
}

fn lost(cause: CloseReason, shown_until_ms: u64) -> LostRecord {
    let heard_ms = ALIVE_MS - 5_000;
    LostRecord { cause, heard_ms, shown_until_ms, resume_until_ms: ALIVE_MS + 50_000 }
}

/// A server that starts with what was left.
struct Start {
    registry: Registry,
    now: Moment,
    noted: Vec<(TransitionKind, Option<CloseReason>)>,
}

impl Start {
    fn with(restored: Restored) -> Self {
        let rules = Rules { journal: true, ..Rules::from(&Config::default()) };
        let mut registry = Registry::new(Epoch([0; 16]), rules);
        let now = Moment { unix_ms: ALIVE_MS + OUTAGE_MS, ..Clock::system().now() };
        let mut effects = Vec::new();
        registry.restore(restored, 5, now, &mut effects);
        let mut start = Self { registry, now, noted: Vec::new() };
        start.note(effects);
        start
    }

    fn note(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Record(Record::Transition(logged)) = effect {
                self.noted.push((logged.transition.kind, logged.transition.cause));
            }
        }
    }

    fn is_shown(&self) -> bool {
        self.registry.listed().next().is_some()
    }

    /// For how long ada is shown who does not come back, to the millisecond.
    fn shown_ms(&mut self) -> u64 {
        let mut ms = 0;
        while self.is_shown() {
            ms += 1;
            let (instant, unix_ms) = (self.now.instant, self.now.unix_ms);
            let now =
                Moment { instant: instant + Duration::from_millis(ms), unix_ms: unix_ms + ms };
            let mut effects = Vec::new();
            self.registry.poll(now, &mut effects);
            self.note(effects);
        }
        ms
    }
}

#[test]
fn who_was_connected_when_the_server_died_is_shown_for_the_silence_and_lost_once() {
    let mut start = Start::with(left_behind(None, false));
    let crash = Some(CloseReason::ServerCrash);
    assert_eq!(start.noted, [(TransitionKind::Lost, crash)]);
    assert_eq!(start.shown_ms(), 10_000);
    assert_eq!(start.noted[1..], [(TransitionKind::Offline, crash)]);
}

#[test]
fn who_was_lost_before_is_not_lost_again_and_has_the_rest_of_the_time() {
    for cause in [
        CloseReason::ServerCrash,
        CloseReason::ConnectionReset,
        // Of an earlier stop, for this server was killed.
        CloseReason::ServerShutdown,
    ] {
        let mut start = Start::with(left_behind(Some(lost(cause, ALIVE_MS + 2_500)), false));
        assert_eq!(start.noted, [], "{cause}");
        assert_eq!(start.shown_ms(), 2_500, "{cause}");
        assert_eq!(start.noted, [(TransitionKind::Offline, Some(cause))]);
    }
}

#[test]
fn who_was_sent_away_by_a_stop_has_all_of_the_time() {
    let stop = lost(CloseReason::ServerShutdown, ALIVE_MS + 2_500);
    let mut start = Start::with(left_behind(Some(stop), true));
    assert_eq!(start.noted, []);
    assert_eq!(start.shown_ms(), 10_000);
}

#[test]
fn whose_time_was_over_but_not_noted_is_noted_offline_now() {
    let reset = lost(CloseReason::ConnectionReset, ALIVE_MS - 1);
    let start = Start::with(left_behind(Some(reset), false));
    assert!(!start.is_shown());
    assert_eq!(start.noted, [(TransitionKind::Offline, Some(CloseReason::ConnectionReset))]);
}

#[test]
fn who_was_noted_offline_is_neither_shown_nor_noted_again() {
    for stopped in [false, true] {
        for cause in [CloseReason::ConnectionReset, CloseReason::ServerShutdown] {
            let start = Start::with(left_behind(Some(lost(cause, 0)), stopped));
            assert!(!start.is_shown(), "{cause}, stopped: {stopped}");
            assert_eq!(start.noted, [], "{cause}, stopped: {stopped}");
        }
    }
}
