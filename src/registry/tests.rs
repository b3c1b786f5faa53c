//! Stories of sign-ins and leaves.

use std::time::Duration;

use herenow_protocol::{Status, StatusText};

use super::*;

const TICK: Duration = Duration::from_millis(20);

struct Desk {
    registry: Registry,
    now: Moment,
    effects: Vec<Effect>,
}

impl Desk {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
        let instant = Instant::now();
        let registry = Registry::new(Epoch([1; 16]), TICK);
        Self { registry, now: Moment { instant, unix_ms: 1_000 }, effects: Vec::new() }
    }

    fn apply(&mut self, session: u64, command: Command) -> Answer {
        self.registry.apply(SessionId(session), command, self.now, &mut self.effects)
    }

    fn sign_in(&mut self, session: u64, name: &str, device: &str) -> Answer {
        self.apply(session, Command::SignIn(hello(name, device)))
    }

    fn end(&mut self, session: u64) {
        self.apply(session, Command::End(CloseReason::ConnectionClosed));
    }

    fn flush(&mut self) {
        self.registry.flush(self.now.instant, &mut self.effects);
    }

    fn names(&self) -> Vec<&str> {
        self.registry.listed().map(|entry| entry.name.as_str()).collect()
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

fn hello(name: &str, device: &str) -> Hello {
    Hello {
        name: DisplayName::new(name).expect("a test name is valid"),
        device: DeviceId::new(device).expect("a test device id is valid"),
        label: String::new(),
        heartbeat: None,
        observe: false,
        presence: Presence::default(),
    }
}

fn observer(name: &str, device: &str) -> Command {
    Command::SignIn(Hello { observe: true, ..hello(name, device) })
}

fn away(text: &str) -> Presence {
    Presence { status: Status::Away, text: StatusText::new(text).expect("a test text is valid") }
}

fn is_signed_in(answer: &Answer) -> bool {
    matches!(answer, Answer::SignedIn { .. })
}

#[test]
fn who_signs_in_is_listed_and_who_ends_is_not() {
    let mut desk = Desk::new();
    assert!(is_signed_in(&desk.sign_in(1, "ada", "d1")));
    assert!(is_signed_in(&desk.sign_in(2, "bob", "d2")));
    assert_eq!(desk.names(), ["ada", "bob"]);
    desk.end(1);
    assert_eq!(desk.names(), ["bob"]);
    assert_eq!(desk.registry.session_count(), 1);
}

#[test]
fn a_name_in_use_on_another_device_is_refused() {
    let mut desk = Desk::new();
    desk.sign_in(1, "ada", "d1");
    let answer = desk.sign_in(2, "ada", "d2");
    assert!(matches!(answer, Answer::Refused(CloseReason::NameInUse, _)), "{answer:?}");
    desk.end(2);
    assert_eq!(desk.names(), ["ada"], "the refused session takes nobody along");
}

#[test]
fn the_same_device_takes_over_without_a_leave() {
    let mut desk = Desk::new();
    desk.sign_in(1, "ada", "d1");
    desk.flush();
    let version = desk.registry.proof().version;
    desk.effects();
    assert!(is_signed_in(&desk.sign_in(2, "ada", "d1")));
    assert_eq!(desk.effects(), [Effect::Close(SessionId(1), CloseReason::Replaced)]);
    assert_eq!(desk.registry.proof().version, version, "nobody has anything to hear");
    desk.end(1);
    assert_eq!(desk.names(), ["ada"], "the loser's end changes nothing");
    desk.end(2);
    assert!(desk.names().is_empty());
}

#[test]
fn observers_are_not_listed_and_hold_no_name() {
    let mut desk = Desk::new();
    let Answer::SignedIn { me, .. } = desk.apply(1, observer("ada", "d1")) else { panic!() };
    assert_eq!(me, None);
    assert!(desk.names().is_empty());
    assert!(is_signed_in(&desk.sign_in(2, "ada", "d2")));
    desk.end(1);
    assert_eq!(desk.names(), ["ada"]);
}

#[test]
fn a_status_is_shown_and_mirrored() {
    let mut desk = Desk::new();
    desk.sign_in(1, "ada", "d1");
    desk.now.unix_ms = 5_000;
    assert_eq!(desk.apply(1, Command::SetPresence(away("back at three"))), Answer::Done);
    let mirror = Effect::Mirror(SessionId(1), Some(away("back at three")));
    assert_eq!(desk.effects(), [mirror]);
    let ada = desk.registry.listed().next().expect("ada is listed");
    assert_eq!((&ada.presence, ada.since_ms), (&away("back at three"), 5_000));
}

#[test]
fn an_observer_speaks_for_its_name_from_the_same_device_only() {
    let mut desk = Desk::new();
    desk.sign_in(1, "ada", "d1");
    desk.apply(2, observer("ada", "d1"));
    desk.apply(3, observer("ada", "d2"));
    desk.apply(4, observer("bob", "d1"));
    let set = || Command::SetPresence(away(""));
    assert_eq!(desk.apply(2, set()), Answer::Done);
    assert_eq!(desk.effects(), [Effect::Mirror(SessionId(1), Some(away("")))]);
    for stranger in [3, 4] {
        let answer = desk.apply(stranger, set());
        assert!(matches!(answer, Answer::Failed(ErrorCode::NotListed, _)), "{answer:?}");
    }
}

#[test]
fn only_the_lobby_can_be_watched() {
    let mut desk = Desk::new();
    desk.sign_in(1, "ada", "d1");
    assert_eq!(desk.apply(1, Command::Watch("lobby".into())), Answer::Watching(LOBBY_VIEW));
    let answer = desk.apply(1, Command::Watch("attic".into()));
    assert!(matches!(answer, Answer::Failed(ErrorCode::NoSuchRoom, _)), "{answer:?}");
}

#[test]
fn the_first_change_is_told_at_once_and_the_next_after_a_tick() {
    let mut desk = Desk::new();
    let start = desk.now.instant;
    assert_eq!(desk.registry.flush_due(start), None, "nothing to tell");
    desk.sign_in(1, "ada", "d1");
    assert_eq!(desk.registry.flush_due(start), Some(start));
    desk.flush();
    assert_eq!(desk.registry.flush_due(start), None);
    desk.sign_in(2, "bob", "d2");
    assert_eq!(desk.registry.flush_due(start), Some(start + TICK));
    let later = start + TICK * 5;
    assert_eq!(desk.registry.flush_due(later), Some(later));
}

#[test]
fn pages_follow_the_deltas_they_include() {
    let mut desk = Desk::new();
    desk.sign_in(1, "ada", "d1");
    desk.apply(1, Command::Pages(LOBBY_VIEW, 0));
    desk.flush();
    let effects = desk.effects();
    let [Effect::Publish(deltas), Effect::Pages(SessionId(1), batch)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(deltas.last().map(|delta| delta.proof), Some(batch.proof));
    assert_eq!(batch.next, None);
}

#[test]
fn pages_for_a_session_that_ended_are_not_made() {
    let mut desk = Desk::new();
    desk.sign_in(1, "ada", "d1");
    desk.apply(1, Command::Pages(LOBBY_VIEW, 0));
    desk.end(1);
    desk.flush();
    assert!(!desk.effects().iter().any(|effect| matches!(effect, Effect::Pages(..))));
}

#[test]
fn an_id_is_free_again_only_after_its_leave_was_published() {
    let mut desk = Desk::new();
    desk.sign_in(1, "ada", "d1");
    desk.flush();
    desk.end(1);
    desk.sign_in(2, "bob", "d2");
    let id = |desk: &Desk| desk.registry.listed().next().map(|entry| entry.id);
    assert_eq!(id(&desk), Some(UserId(1)), "0 still stands for ada");
    desk.flush();
    desk.end(2);
    desk.flush();
    desk.sign_in(3, "eve", "d3");
    assert!(id(&desk).is_some_and(|id| id.0 < 2), "ids stay small");
}
