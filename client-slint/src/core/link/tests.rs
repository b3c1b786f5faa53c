use herenow_client::protocol::{DecodeError, Epoch, SessionId, Welcome};
use herenow_client::view::Mismatch;
use herenow_client::{Distrust, ViewKey};

use super::*;

fn welcome() -> Event {
    Event::SignedIn(Welcome {
        version: 1,
        session: SessionId(1),
        heartbeat_ms: 2_000,
        misses: 5,
        detection_bound_ms: 10_500,
        epoch: Epoch([0; 16]),
        frame_bytes_max: 4_096,
        server: String::new(),
        token: None,
        resumed: false,
        resume_window_ms: 0,
        views: Vec::new(),
        credential_ms: 0,
    })
}

const VIEW: ViewKey = ViewKey::FIRST;
const SNAPSHOT: Event = Event::Snapshot { view: VIEW };
const STALE: Event = Event::Stale { view: VIEW, age: Duration::ZERO };
const FRESH: Event = Event::Fresh { view: VIEW };
const REPAIRED: Event = Event::Repaired { view: VIEW, entries: 1 };
const DIVERGED: Event =
    Event::Diverged { view: VIEW, mismatch: Mismatch::Count { held: 1, told: 2 } };

fn closed(reason: Disconnect, retry_in: Option<u64>) -> Event {
    Event::Closed { reason, retry_in: retry_in.map(Duration::from_millis) }
}

fn goodbye(reason: CloseReason) -> Disconnect {
    Disconnect::Goodbye { reason, text: String::new() }
}

#[expect(clippy::disallowed_methods, reason = "any point in time will do, and only this makes one")]
fn start() -> Instant {
    Instant::now()
}

struct World {
    link: Link,
    now: Instant,
}

impl World {
    fn connected() -> Self {
        let mut world = Self { link: Link::dialled(), now: start() };
        world.tell(&[Event::Connecting { attempt: 1 }, welcome(), SNAPSHOT]);
        world
    }

    fn tell(&mut self, events: &[Event]) {
        for event in events {
            self.link.apply(event, self.now);
        }
    }

    /// The list is proved exact now.
    fn prove(&mut self) {
        self.link.note_proof(Some(self.now));
    }

    fn shown_after(&self, ms: u64) -> Shown {
        self.link.shown(self.now + Duration::from_millis(ms))
    }

    fn kind(&self) -> Kind {
        self.link.shown(self.now).kind
    }
}

#[test]
fn a_sign_in_passes_through_connecting_and_loading() {
    let mut world = World { link: Link::default(), now: start() };
    assert_eq!(world.kind(), Kind::SignedOut);
    world.link = Link::dialled();
    world.tell(&[Event::Connecting { attempt: 1 }]);
    assert_eq!((world.kind(), world.link.phase()), (Kind::Connecting, Phase::Trying));
    world.tell(&[welcome()]);
    assert_eq!((world.kind(), world.link.is_exact()), (Kind::Loading, false));
    world.tell(&[SNAPSHOT]);
    assert_eq!((world.kind(), world.link.is_exact()), (Kind::Connected, true));
    world.tell(&[Event::RoundTrip(Duration::from_millis(12))]);
    assert_eq!(world.link.shown(world.now).round_trip, Some(Duration::from_millis(12)));
}

#[test]
fn a_busy_server_is_shown_until_it_has_caught_up_or_the_connection_ends() {
    let behind = Duration::from_millis(1_200);
    for over in [Event::Busy(None), welcome()] {
        let mut world = World { link: Link::dialled(), now: start() };
        world.tell(&[welcome(), SNAPSHOT, Event::Busy(Some(behind))]);
        assert_eq!(world.link.shown(world.now).delay, Some(behind));
        assert!(world.link.is_exact(), "it is late, not wrong");
        world.tell(&[over]);
        assert_eq!(world.link.shown(world.now).delay, None);
    }
}

#[test]
fn the_list_is_exact_only_while_nothing_speaks_against_it() {
    let pairs = [
        (STALE, FRESH, Kind::Checking),
        (DIVERGED, REPAIRED, Kind::Repairing),
        (DIVERGED, SNAPSHOT, Kind::Repairing),
        (Event::ContactLost { unanswered: 2, of: 5 }, Event::ContactBack, Kind::ContactLost),
        (Event::Network { up: false }, Event::Network { up: true }, Kind::NetworkDown),
    ];
    for (bad, good, kind) in pairs {
        let mut world = World::connected();
        world.tell(&[bad]);
        assert_eq!((world.kind(), world.link.is_exact()), (kind, false));
        world.tell(&[good]);
        assert_eq!((world.kind(), world.link.is_exact()), (Kind::Connected, true));
    }
}

#[test]
fn every_end_has_its_own_kind() {
    let cases = [
        (goodbye(CloseReason::ServerShutdown), Kind::ServerShutdown),
        (goodbye(CloseReason::Replaced), Kind::Replaced),
        (goodbye(CloseReason::NameInUse), Kind::NameInUse),
        (goodbye(CloseReason::HeartbeatTimeout), Kind::Unheard),
        (goodbye(CloseReason::SlowConsumer), Kind::TooSlow),
        (goodbye(CloseReason::BadHello), Kind::SignInRefused),
        (goodbye(CloseReason::UnsupportedVersion), Kind::OtherVersion),
        (goodbye(CloseReason::ServerFull), Kind::ServerFull),
        (goodbye(CloseReason::InternalError), Kind::ServerFailed),
        (goodbye(CloseReason::ServerCrash), Kind::ServerFailed),
        (goodbye(CloseReason::TooManySessions), Kind::TooManyDevices),
        (goodbye(CloseReason::SignInTimeout), Kind::NoAnswer),
        (goodbye(CloseReason::ProtocolError(Violation::WrongShape)), Kind::NotUnderstood),
        (goodbye(CloseReason::Goodbye), Kind::Ended),
        (Disconnect::Left, Kind::Ended),
        (Disconnect::ServerSilent { unanswered: 5 }, Kind::ServerSilent),
        (Disconnect::ConnectionRefused, Kind::Refused),
        (Disconnect::Unreachable("no route to host".into()), Kind::Unreachable),
        (Disconnect::Untrusted(Distrust::Unvouched("expired".into())), Kind::Unreachable),
        (Disconnect::NetworkDown, Kind::NetworkDown),
        (Disconnect::ConnectionClosed, Kind::Lost),
        (Disconnect::ConnectionReset, Kind::Lost),
        (Disconnect::SignInTimeout, Kind::NoAnswer),
        (Disconnect::ProtocolError(DecodeError::OutOfRange("a name")), Kind::NotUnderstood),
    ];
    for (reason, kind) in cases {
        let mut world = World::connected();
        world.tell(&[closed(reason.clone(), None)]);
        assert_eq!(world.kind(), kind, "{reason:?}");
        assert!(!world.link.is_exact(), "{reason:?}");
    }
}

#[test]
fn a_countdown_rounds_up_and_never_shows_zero() {
    let mut world = World::connected();
    world.tell(&[closed(Disconnect::ConnectionReset, Some(2_500))]);
    let at = |ms| world.link.shown(world.now + Duration::from_millis(ms)).retry_in;
    assert_eq!([at(0), at(499), at(500), at(1_501), at(2_500), at(9_000)], [3, 3, 2, 1, 1, 1]);
    assert_eq!(world.link.shown(world.now).action, Action::Retry);
}

#[test]
fn a_list_that_is_stale_stays_so_until_it_is_fresh() {
    for news in [SNAPSHOT, REPAIRED] {
        let mut world = World::connected();
        world.tell(&[STALE, DIVERGED, news.clone()]);
        assert_eq!(world.kind(), Kind::Checking, "{news:?} is whole, but not proved now");
        world.tell(&[FRESH]);
        assert!(world.link.is_exact());
    }
    let mut world = World::connected();
    world.tell(&[STALE, closed(Disconnect::ConnectionReset, Some(0)), welcome(), SNAPSHOT]);
    assert!(!world.link.is_exact(), "nor does a new session freshen it");
}

#[test]
fn a_session_that_goes_on_needs_no_new_snapshot() {
    let mut world = World::connected();
    world.tell(&[STALE, closed(Disconnect::ConnectionReset, Some(0)), welcome()]);
    assert_eq!(world.kind(), Kind::Loading);
    world.tell(&[FRESH]);
    assert_eq!(world.kind(), Kind::Connected);
}

#[test]
fn an_old_list_has_an_age_and_an_exact_one_has_none() {
    let mut world = World::connected();
    assert_eq!(world.shown_after(5_000).proved_ago, None);
    world.prove();
    assert_eq!(
        (world.shown_after(5_000).proved_ago, world.link.changes_in(world.now)),
        (None, None)
    );
    world.tell(&[STALE]);
    let age = |ms| world.shown_after(ms).proved_ago;
    assert_eq!([age(0), age(999)], [Some(Age::Seconds(0)); 2]);
    assert_eq!([age(1_000), age(119_999)], [Some(Age::Seconds(1)), Some(Age::Seconds(119))]);
    assert_eq!([age(120_000), age(7_199_999)], [Some(Age::Minutes(2)), Some(Age::Minutes(119))]);
    assert_eq!(age(7_200_000), Some(Age::Hours(2)));
}

#[test]
fn a_list_that_was_never_proved_has_no_age() {
    let mut world = World { link: Link::dialled(), now: start() };
    world.tell(&[closed(Disconnect::ConnectionRefused, None)]);
    assert_eq!(world.shown_after(5_000).proved_ago, None);
    assert_eq!(world.link.changes_in(world.now), None);
}

/// Looking only when told to finds every picture, and finds another picture each time.
#[test]
fn the_picture_changes_exactly_when_it_says() {
    for retry_in in [None, Some(2_345)] {
        let mut world = World::connected();
        world.prove();
        world.now += Duration::from_millis(777);
        world.tell(&[STALE, closed(Disconnect::ConnectionReset, retry_in)]);
        for _ in 0..10 {
            let before = world.link.shown(world.now);
            let wait = world.link.changes_in(world.now).expect("an old list ages");
            assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
            let just_before = world.now + wait - Duration::from_nanos(1);
            assert_eq!(world.link.shown(just_before), before);
            world.now += wait;
            assert_ne!(world.link.shown(world.now), before, "after {wait:?}");
        }
    }
}

#[test]
fn the_reason_stays_while_the_next_try_is_under_way() {
    let mut world = World::connected();
    world.tell(&[closed(goodbye(CloseReason::ServerShutdown), Some(1_000))]);
    world.tell(&[Event::Connecting { attempt: 1 }]);
    assert_eq!((world.kind(), world.link.phase()), (Kind::ServerShutdown, Phase::Trying));
    world.tell(&[closed(Disconnect::ConnectionRefused, Some(1_000))]);
    assert_eq!((world.kind(), world.link.phase()), (Kind::Refused, Phase::Waiting));
    world.tell(&[Event::Connecting { attempt: 2 }, welcome(), SNAPSHOT]);
    assert_eq!(world.kind(), Kind::Connected);
    assert_eq!(world.link.shown(world.now).said, "");
}

#[test]
fn a_contact_lost_in_the_last_session_is_forgotten_in_the_next() {
    let mut world = World::connected();
    world.tell(&[
        Event::RoundTrip(Duration::from_millis(3)),
        Event::ContactLost { unanswered: 4, of: 5 },
        closed(Disconnect::ServerSilent { unanswered: 5 }, Some(500)),
        Event::Connecting { attempt: 1 },
        welcome(),
        SNAPSHOT,
    ]);
    let shown = world.link.shown(world.now);
    assert_eq!((shown.kind, shown.contact_lost, shown.round_trip), (Kind::Connected, None, None));
}

#[test]
fn what_is_over_stays_over_until_the_user_acts() {
    let mut world = World::connected();
    world.tell(&[closed(goodbye(CloseReason::Replaced), None)]);
    world.link.finish();
    let shown = world.link.shown(world.now);
    assert_eq!((shown.phase, shown.action), (Phase::Over, Action::TakeOver));
    world.tell(&[Event::Network { up: false }]);
    assert_eq!(world.kind(), Kind::Replaced, "a dead session has no network to lose");
}

#[test]
fn foreign_words_are_made_fit_for_one_line() {
    assert_eq!(one_line("back\nat \u{1b}[31mthree"), "back at  [31mthree");
    assert_eq!(one_line(&"x".repeat(5_000)).len(), SAID_CHARS_MAX);
}
