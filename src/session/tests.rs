//! One connection's rules, with time as an argument.

use herenow_protocol::{
    Choice, DeviceId, DeviceLabel, DisplayName, Entry, Epoch, Explanation, Health, Query, RoomName,
    Rule, Shown, Status, StatusText, WatchTarget,
};

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
        let session = Session::new(&config, now);
        Self { session, config, now, effects: Vec::new() }
    }

    /// A session that is signed in with the default heartbeat.
    fn signed_in() -> Self {
        let mut talk = Self::accepted();
        talk.say(&ClientMessage::Hello(hello()));
        talk.answer(Answer::SignedIn(Box::new(welcomed())));
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
            let regular = self.now + self.session.liveness().interval;
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
        label: DeviceLabel::default(),
        heartbeat: None,
        observe: false,
        choice: Choice::automatic(Status::Available),
        key: None,
        resume: None,
        credential: None,
    }
}

/// What the registry says to ada.
fn welcomed() -> SignedIn {
    SignedIn {
        session: SessionId(7),
        token: Some(ResumeToken([4; 16])),
        epoch: EPOCH,
        me: Some(Presence::default()),
        resumed: false,
        resume_window: SECOND * 60,
        views: Vec::new(),
    }
}

fn lobby() -> WatchTarget {
    WatchTarget::Room(RoomName::lobby())
}

fn beat(n: u64) -> ClientMessage {
    ClientMessage::Heartbeat { n, round_trip_us: 0 }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_sign_in_announces_the_rule_and_its_bound() {
    let mut talk = Talk::accepted();
    let wish = Hello { heartbeat: Some(Duration::from_millis(100)), ..hello() };
    let asked = talk.say(&ClientMessage::Hello(wish.clone()));
    let rule = talk.config.liveness(wish.heartbeat);
    assert_eq!(asked, [Effect::SignIn(Box::new(wish), rule)]);
    assert!(talk.session.is_busy(), "nothing is read until the registry has answered");
    let effects = talk.answer(Answer::SignedIn(Box::new(welcomed())));
    let [Effect::SignedIn(agreed, me), Effect::Send(ServerMessage::Welcome(welcome))] =
        &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!((agreed, me), (&rule, &Some(Presence::default())));
    assert_eq!((welcome.heartbeat_ms, welcome.misses, welcome.detection_bound_ms), (100, 5, 600));
    assert_eq!((welcome.session, welcome.epoch), (SessionId(7), EPOCH));
    assert_eq!((welcome.token, welcome.resumed), (Some(ResumeToken([4; 16])), false));
    assert_eq!((welcome.resume_window_ms, &welcome.views[..]), (60_000, &[][..]));
}

#[test]
fn a_session_that_goes_on_says_so_before_its_views_do() {
    let mut talk = Talk::accepted();
    talk.say(&ClientMessage::Hello(hello()));
    let views = vec![(ViewId(1), 40), (ViewId(9), 2)];
    let goes_on = SignedIn { session: SessionId(3), resumed: true, views, ..welcomed() };
    let effects = talk.answer(Answer::SignedIn(Box::new(goes_on)));
    let [Effect::SignedIn(..), Effect::Send(ServerMessage::Welcome(welcome)), go_on @ ..] =
        &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!((welcome.session, welcome.resumed), (SessionId(3), true));
    assert_eq!(welcome.views, [ViewId(1), ViewId(9)]);
    assert_eq!(go_on, [Effect::GoOn(ViewId(1), 40), Effect::GoOn(ViewId(9), 2)]);
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
    let choice = Choice::chosen(Status::Busy, StatusText::default());
    let set = ClientMessage::SetStatus { request: 9, choice: choice.clone() };
    assert_eq!(talk.say(&set), [Effect::Ask(Command::Choose(choice))]);
    assert!(talk.session.is_busy());
    let answer = ServerMessage::Result { request: 9, view: None };
    assert_eq!(talk.answer(Answer::Done), [Effect::Send(answer)]);
    assert!(!talk.session.is_busy());
}

#[test]
fn a_beat_may_bring_the_round_trip_that_the_client_measured() {
    let mut talk = Talk::signed_in();
    let beat = ClientMessage::Heartbeat { n: 4, round_trip_us: 350 };
    assert_eq!(talk.say(&beat), [Effect::RoundTrip(350), Effect::Ack(4)]);
}

#[test]
fn a_watch_answers_before_it_opens_the_view() {
    let mut talk = Talk::signed_in();
    talk.say(&ClientMessage::Watch { request: 2, target: lobby() });
    let effects = talk.answer(Answer::Watching(ViewId(1)));
    let answer = ServerMessage::Result { request: 2, view: Some(ViewId(1)) };
    assert_eq!(effects, [Effect::Send(answer), Effect::Open(ViewId(1))]);
}

#[test]
fn people_are_added_to_a_list_without_a_snapshot() {
    let mut talk = Talk::signed_in();
    let names = vec![DisplayName::new("bob").expect("valid")];
    let target = WatchTarget::People { names, view: Some(ViewId(8)) };
    talk.say(&ClientMessage::Watch { request: 2, target });
    let answer = ServerMessage::Result { request: 2, view: Some(ViewId(8)) };
    assert_eq!(talk.answer(Answer::Added(ViewId(8))), [Effect::Send(answer)]);
}

#[test]
fn an_unwatch_closes_the_view_before_it_answers() {
    let mut talk = Talk::signed_in();
    let asked = talk.say(&ClientMessage::Unwatch { request: 2, view: ViewId(1) });
    assert_eq!(asked, [Effect::Ask(Command::Unwatch(ViewId(1)))]);
    let answer = ServerMessage::Result { request: 2, view: None };
    let effects = talk.answer(Answer::Unwatched(ViewId(1)));
    assert_eq!(effects, [Effect::Shut(ViewId(1)), Effect::Send(answer)]);
}

#[test]
fn rooms_and_queries_are_the_registrys() {
    let mut talk = Talk::signed_in();
    let attic = || RoomName::new("attic").expect("valid");
    let query = || Query::Count(attic());
    for (message, command) in [
        (ClientMessage::Join { request: 5, room: attic() }, Command::Join(attic())),
        (ClientMessage::Leave { request: 5, room: attic() }, Command::Leave(attic())),
        (ClientMessage::Query { request: 5, query: query() }, Command::Query(query())),
    ] {
        assert_eq!(talk.say(&message), [Effect::Ask(command)]);
        talk.answer(Answer::Done);
    }
}

#[test]
fn answers_to_queries_carry_the_number_of_their_request() {
    let mut talk = Talk::signed_in();
    let name = DisplayName::new("bob").expect("valid");
    let entries = vec![Entry { id: UserId(0), name: name.clone(), shown: Shown::offline(0) }];
    let explanation = Explanation {
        name,
        me: None,
        rule: Rule::NoSession,
        winner: None,
        sessions: Vec::new(),
        transitions: Vec::new(),
    };
    let request = 6;
    for (answer, message) in [
        (
            Answer::People(1, entries.clone(), Some(UserId(1))),
            ServerMessage::People { request, count: 1, entries, next: Some(UserId(1)) },
        ),
        (
            Answer::Explanation(Box::new(explanation.clone()), Vec::new()),
            ServerMessage::Explanation { request, explanation },
        ),
        (
            Answer::Health(Box::default()),
            ServerMessage::Health { request, health: Health::default() },
        ),
    ] {
        talk.say(&ClientMessage::Query { request, query: Query::Health { operator: None } });
        assert_eq!(talk.answer(answer), [Effect::Send(message)]);
    }
}

#[test]
fn a_repair_is_the_outboxs_and_waits_for_nobody() {
    let mut talk = Talk::signed_in();
    let ranges = vec![(UserId(0), UserId(127))];
    let repair = ClientMessage::Repair { request: 3, view: ViewId(1), ranges: ranges.clone() };
    assert_eq!(talk.say(&repair), [Effect::Repair(3, ViewId(1), ranges)]);
    assert!(!talk.session.is_busy());
    assert_eq!(repair_answer(3, true), ServerMessage::Result { request: 3, view: None });
    let refused = repair_answer(3, false);
    assert!(matches!(
        refused,
        ServerMessage::Error { request: 3, code: ErrorCode::NoSuchView, .. }
    ));
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
    talk.say(&ClientMessage::Watch { request: 2, target: lobby() });
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

fn guarded() -> Talk {
    let mut talk = Talk::accepted();
    talk.config.auth_mode = AuthMode::Jwt;
    talk
}

fn grant(lasts: Option<Duration>) -> Grant {
    Grant { is_proven: true, rights: Default::default(), lasts }
}

impl Talk {
    fn admit(&mut self, verdict: Result<Grant, Refusal>) -> Vec<Effect> {
        self.session.admitted(Box::new(hello()), verdict, self.now, &mut self.effects);
        std::mem::take(&mut self.effects)
    }

    fn renew(&mut self, verdict: Result<Grant, Refusal>) -> Vec<Effect> {
        self.session.renewed(verdict, self.now, &mut self.effects);
        std::mem::take(&mut self.effects)
    }

    /// A session whose credential is good for this long.
    fn signed_in_for(lasts: Duration) -> Self {
        let mut talk = guarded();
        talk.say(&ClientMessage::Hello(hello()));
        talk.admit(Ok(grant(Some(lasts))));
        talk.answer(Answer::SignedIn(Box::new(welcomed())));
        talk.check();
        talk.effects.clear();
        talk
    }
}

#[test]
fn where_not_everybody_may_come_in_a_hello_is_judged_before_the_registry_hears_of_it() {
    let mut talk = guarded();
    assert_eq!(talk.session.frame_bytes_max(&talk.config), HELLO_WITH_CREDENTIAL_BYTES_MAX);
    let effects = talk.say(&ClientMessage::Hello(hello()));
    assert_eq!(effects, [Effect::Admit(Box::new(hello()))]);
    assert!(talk.session.is_busy() && !talk.session.is_proven());
    let effects = talk.admit(Ok(grant(Some(Duration::from_millis(1_500)))));
    assert_eq!(effects, [Effect::SignIn(Box::new(hello()), talk.session.liveness())]);
    assert!(talk.session.is_proven());
    let effects = talk.answer(Answer::SignedIn(Box::new(welcomed())));
    let told = effects.iter().find_map(|effect| match effect {
        Effect::Send(ServerMessage::Welcome(welcome)) => Some(welcome.credential_ms),
        _ => None,
    });
    assert_eq!(told, Some(1_500));
}

#[test]
fn whoever_is_refused_is_told_one_thing() {
    for (verdict, reason, text) in [
        (Refusal::Refused, CloseReason::NotAuthorized, "the credential was not accepted"),
        (
            Refusal::NotNow(Duration::from_millis(5_900)),
            CloseReason::ServerFull,
            "try again in 5 s",
        ),
    ] {
        let mut talk = guarded();
        talk.say(&ClientMessage::Hello(hello()));
        let effects = talk.admit(Err(verdict));
        assert_eq!(effects, [Effect::Close(reason, text.to_owned())]);
        assert!(talk.session.is_ended());
    }
    // Who hung up meanwhile is told nothing.
    let mut talk = guarded();
    talk.say(&ClientMessage::Hello(hello()));
    talk.session.end();
    assert_eq!(talk.admit(Ok(grant(None))), []);
}

#[test]
fn a40_a_session_ends_with_its_credential_however_lively_it_is() {
    let lasts = Duration::from_secs(5);
    let mut talk = Talk::signed_in_for(lasts);
    for n in 1..=4 {
        talk.advance(Duration::from_secs(1));
        talk.say(&ClientMessage::Heartbeat { n, round_trip_us: 0 });
    }
    talk.advance(Duration::from_millis(999));
    assert_eq!(talk.closed(), None);
    talk.advance(Duration::from_millis(1));
    assert_eq!(talk.closed(), Some(CloseReason::CredentialExpired));
}

#[test]
fn a40_a_renewed_credential_is_the_one_that_counts() {
    let mut talk = Talk::signed_in_for(Duration::from_secs(5));
    let renew = |request| ClientMessage::Renew { request, credential: "new".into() };
    let effects = talk.say(&renew(7));
    assert_eq!(effects, [Effect::Renew(hello().name, "new".into())]);
    assert!(talk.session.is_busy(), "one at a time");
    let effects = talk.renew(Ok(grant(Some(Duration::from_secs(60)))));
    assert_eq!(effects, [done(7, None)]);
    talk.say(&renew(8));
    let effects = talk.renew(Err(Refusal::Refused));
    let refused = failed(8, ErrorCode::NotAllowed, "the credential was not accepted".to_owned());
    assert_eq!(effects, [refused]);
    for n in 1..=59 {
        talk.advance(Duration::from_secs(1));
        talk.say(&ClientMessage::Heartbeat { n, round_trip_us: 0 });
    }
    assert_eq!(talk.closed(), None, "a refusal changes nothing");
    talk.advance(Duration::from_secs(1));
    assert_eq!(talk.closed(), Some(CloseReason::CredentialExpired));
}

#[test]
fn where_everybody_may_come_in_everybody_may_stay() {
    let mut talk = Talk::signed_in();
    let renew = ClientMessage::Renew { request: 3, credential: "whatever".into() };
    assert_eq!(talk.say(&renew), [done(3, None)]);
}
