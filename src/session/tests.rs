//! One connection's rules, with time as an argument.

use herenow_protocol::{DeviceId, DisplayName, Epoch, Presence, Status};

use super::*;

struct Talk {
    session: Session,
    config: Config,
    now: Instant,
    effects: Vec<Effect>,
}

const EPOCH: Epoch = Epoch([3; 16]);

impl Talk {
    /// A connection that has just been accepted.
    fn accepted() -> Self {
        let config = Config::default();
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
        let now = Instant::now();
        let session = Session::new(SessionId(7), &config, now);
        Self { session, config, now, effects: Vec::new() }
    }

    /// A session that is signed in with the default heartbeat.
    fn signed_in() -> Self {
        let mut talk = Self::accepted();
        talk.say(&ClientMessage::Hello(hello()));
        talk.answer(Answer::SignedIn { epoch: EPOCH, me: Some(Presence::default()) });
        talk.check();
        talk.effects.clear();
        talk
    }

    fn say(&mut self, message: &ClientMessage) -> Vec<Effect> {
        self.say_bytes(&message.encode()[2..])
    }

    fn say_bytes(&mut self, body: &[u8]) -> Vec<Effect> {
        self.session.receive(body, &self.config, self.now, &mut self.effects);
        std::mem::take(&mut self.effects)
    }

    fn answer(&mut self, answer: Answer) -> Vec<Effect> {
        self.session.answered(answer, self.now, &mut self.effects);
        std::mem::take(&mut self.effects)
    }

    fn check(&mut self) -> Option<Instant> {
        self.check_with(Outflow::default())
    }

    fn check_with(&mut self, outflow: Outflow) -> Option<Instant> {
        self.session.check(outflow, &self.config, self.now, &mut self.effects)
    }

    /// Lets time pass as the shell does: checks every interval and whenever one is asked for.
    fn advance(&mut self, span: Duration) {
        let end = self.now + span;
        let mut early = self.check();
        while self.now < end {
            let regular = self.now + self.session.liveness.interval;
            self.now = early.unwrap_or(regular).min(regular).min(end);
            early = self.check();
        }
    }

    fn closed(&self) -> Option<CloseReason> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Close(reason, _) => Some(*reason),
            _ => None,
        })
    }
}

fn hello() -> Hello {
    Hello {
        name: DisplayName::new("ada").expect("valid"),
        device: DeviceId::new("d1").expect("valid"),
        label: String::new(),
        heartbeat: None,
        observe: false,
        presence: Presence::default(),
    }
}

fn beat(n: u64) -> ClientMessage {
    ClientMessage::Heartbeat { n }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_sign_in_announces_the_rule_and_its_bound() {
    let mut talk = Talk::accepted();
    let wish = Hello { heartbeat: Some(Duration::from_millis(100)), ..hello() };
    let asked = talk.say(&ClientMessage::Hello(wish.clone()));
    assert_eq!(asked, [Effect::Ask(Command::SignIn(wish))]);
    assert!(talk.session.is_busy(), "nothing is read until the registry has answered");
    let effects = talk.answer(Answer::SignedIn { epoch: EPOCH, me: None });
    let [Effect::SignedIn(..), Effect::Send(ServerMessage::Welcome(welcome))] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((welcome.heartbeat_ms, welcome.misses, welcome.detection_bound_ms), (100, 5, 600));
    assert_eq!((welcome.session, welcome.epoch), (SessionId(7), EPOCH));
}

#[test]
fn a_refused_sign_in_says_why() {
    let mut talk = Talk::accepted();
    talk.say(&ClientMessage::Hello(hello()));
    let effects = talk.answer(Answer::Refused(CloseReason::NameInUse, "taken".into()));
    assert_eq!(effects, [Effect::Close(CloseReason::NameInUse, "taken".into())]);
    assert!(talk.session.is_ended());
}

#[test]
fn a_hello_that_breaks_a_rule_is_refused_in_words() {
    let mut talk = Talk::accepted();
    // [1, 1, " ada", "d1"]: a name with a space in front.
    let effects = talk.say_bytes(b"\x94\x01\x01\xa4 ada\xa2d1");
    let [Effect::Close(CloseReason::BadHello, text)] = &effects[..] else { panic!("{effects:?}") };
    assert!(text.contains("spaces"), "{text}");
    let mut talk = Talk::accepted();
    let effects = talk.say_bytes(b"\x94\x01\x02\xa3ada\xa2d1");
    assert!(matches!(effects[..], [Effect::Close(CloseReason::UnsupportedVersion, _)]));
}

#[test]
fn nothing_but_a_hello_may_come_first_and_only_once() {
    let mut talk = Talk::accepted();
    let unexpected = CloseReason::ProtocolError(Violation::UnexpectedMessage);
    talk.session.receive(&beat(1).encode()[2..], &talk.config, talk.now, &mut talk.effects);
    assert_eq!(talk.closed(), Some(unexpected));
    let mut talk = Talk::signed_in();
    let again = ClientMessage::Hello(hello()).encode();
    talk.session.receive(&again[2..], &talk.config, talk.now, &mut talk.effects);
    assert_eq!(talk.closed(), Some(unexpected));
}

#[test]
fn the_sign_in_deadline_counts_from_accept() {
    let mut talk = Talk::accepted();
    talk.advance(SECOND * 5 - Duration::from_millis(1));
    assert_eq!(talk.closed(), None);
    talk.advance(Duration::from_millis(1));
    assert_eq!(talk.closed(), Some(CloseReason::SignInTimeout));
}

#[test]
fn a_stall_of_this_process_grants_a_stranger_one_more_deadline() {
    let mut talk = Talk::accepted();
    talk.check();
    talk.now += SECOND * 20;
    let next = talk.check();
    assert_eq!(talk.closed(), None);
    assert_eq!(next, Some(talk.now + SECOND * 5), "somebody looks again");
    talk.advance(SECOND * 5);
    assert_eq!(talk.closed(), Some(CloseReason::SignInTimeout));
}

#[test]
fn every_beat_is_answered_and_requests_wait_for_the_registry() {
    let mut talk = Talk::signed_in();
    assert_eq!(talk.say(&beat(1)), [Effect::Ack(1)]);
    let presence = Presence { status: Status::Busy, ..Presence::default() };
    let set = ClientMessage::SetStatus { request: 9, presence: presence.clone() };
    assert_eq!(talk.say(&set), [Effect::Ask(Command::SetPresence(presence))]);
    assert!(talk.session.is_busy());
    let answer = ServerMessage::Result { request: 9, view: None };
    assert_eq!(talk.answer(Answer::Done), [Effect::Send(answer)]);
    assert!(!talk.session.is_busy());
}

#[test]
fn a_watch_answers_before_it_opens_the_view() {
    let mut talk = Talk::signed_in();
    talk.say(&ClientMessage::Watch { request: 2, room: "lobby".into() });
    let effects = talk.answer(Answer::Watching(ViewId(1)));
    let answer = ServerMessage::Result { request: 2, view: Some(ViewId(1)) };
    assert_eq!(effects, [Effect::Send(answer), Effect::Open(ViewId(1))]);
}

#[test]
fn bad_requests_are_answered_and_change_nothing() {
    let mut talk = Talk::signed_in();
    // [3, 5, 77]: a status that does not exist. [99, 6]: an op that does not exist.
    for (body, request, code) in [
        (&b"\x93\x03\x05\x4d"[..], 5, ErrorCode::BadRequest),
        (&b"\x92\x63\x06"[..], 6, ErrorCode::UnknownOp),
    ] {
        let effects = talk.say_bytes(body);
        let [Effect::Send(ServerMessage::Error { request: r, code: c, text })] = &effects[..]
        else {
            panic!("{effects:?}")
        };
        assert_eq!((*r, *c), (request, code));
        assert!(!text.is_empty());
    }
    assert!(!talk.session.is_ended());
}

#[test]
fn bytes_that_are_no_message_end_the_session() {
    let mut talk = Talk::signed_in();
    let effects = talk.say_bytes(&[0xc1]);
    let reason = CloseReason::ProtocolError(Violation::NotMessagePack);
    assert!(matches!(&effects[..], [Effect::Close(r, _)] if *r == reason), "{effects:?}");
}

#[test]
fn silence_is_fatal_exactly_when_it_is_complete() {
    let mut talk = Talk::signed_in();
    talk.advance(SECOND * 3);
    talk.say(&beat(1));
    talk.advance(SECOND * 10 - Duration::from_millis(1));
    assert_eq!(talk.closed(), None);
    talk.advance(Duration::from_millis(1));
    assert_eq!(talk.closed(), Some(CloseReason::HeartbeatTimeout));
}

#[test]
fn any_frame_is_a_sign_of_life() {
    let mut talk = Talk::signed_in();
    for _ in 0..10 {
        talk.advance(SECOND * 9);
        talk.say(&ClientMessage::Unwatch { request: 1, view: ViewId(4) });
    }
    assert_eq!(talk.closed(), None);
}

#[test]
fn a_stall_of_this_process_is_forgiven_once() {
    let mut talk = Talk::signed_in();
    talk.now += SECOND * 60;
    talk.check();
    assert_eq!(talk.closed(), None, "the timer came late: it was us");
    talk.advance(SECOND * 10 - Duration::from_millis(1));
    assert_eq!(talk.closed(), None, "the silence counts from the end of the stall");
    talk.advance(Duration::from_millis(1));
    assert_eq!(talk.closed(), Some(CloseReason::HeartbeatTimeout), "and is not forgiven twice");
}

#[test]
fn a_slow_registry_is_not_the_peers_silence() {
    let mut talk = Talk::signed_in();
    talk.say(&ClientMessage::Watch { request: 2, room: "lobby".into() });
    talk.advance(SECOND * 30);
    assert_eq!(talk.closed(), None);
}

#[test]
fn a_peer_that_asks_and_never_reads_is_a_slow_consumer() {
    let mut talk = Talk::signed_in();
    let outflow = Outflow { blocked_since: Some(talk.now), reading_paused: true };
    for _ in 0..5 {
        talk.now += SECOND * 2;
        talk.check_with(outflow);
    }
    assert_eq!(talk.closed(), Some(CloseReason::SlowConsumer));
}

#[test]
fn a_reader_that_still_takes_bytes_is_kept() {
    let mut talk = Talk::signed_in();
    for _ in 0..60 {
        talk.now += SECOND * 2;
        talk.check_with(Outflow { blocked_since: Some(talk.now - SECOND), reading_paused: true });
    }
    assert_eq!(talk.closed(), None);
}

#[test]
fn a_peer_that_beats_but_takes_nothing_is_dropped_in_the_end() {
    let mut talk = Talk::signed_in();
    let blocked_since = Some(talk.now);
    let mut seconds = 0;
    while talk.closed().is_none() {
        talk.now += SECOND * 2;
        seconds += 2;
        talk.session.receive(&beat(1).encode()[2..], &talk.config, talk.now, &mut talk.effects);
        talk.check_with(Outflow { blocked_since, reading_paused: false });
    }
    assert_eq!((talk.closed(), seconds), (Some(CloseReason::SlowConsumer), 30));
}

#[test]
fn a_goodbye_ends_the_session_for_the_reason_it_gives() {
    for reason in [CloseReason::Goodbye, CloseReason::HeartbeatTimeout] {
        let mut talk = Talk::signed_in();
        let effects = talk.say(&ClientMessage::Goodbye { reason });
        assert_eq!(effects, [Effect::Close(reason, String::new())]);
    }
}

#[test]
fn only_a_planned_stop_names_a_time_to_come_back() {
    let after = Duration::from_millis(1_234);
    let message = goodbye(CloseReason::ServerShutdown, String::new(), after);
    let ServerMessage::Goodbye { reconnect, come_back_after_ms, .. } = message else { panic!() };
    assert_eq!((reconnect, come_back_after_ms), (true, 1_234));
    let message = goodbye(CloseReason::Replaced, String::new(), after);
    let ServerMessage::Goodbye { reconnect, come_back_after_ms, .. } = message else { panic!() };
    assert_eq!((reconnect, come_back_after_ms), (false, 0));
}
