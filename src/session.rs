//! The rules of one connection: sign-in, heartbeats, requests, goodbye.
//!
//! Pure: no sockets, no actors, no clock; callers pass `now`. Frames go in, effects come out. At
//! most one command of a session is unanswered at the registry; until its answer is here, the
//! session is [busy](Session::is_busy) and its shell reads no further, which bounds the registry's
//! mailbox by the number of sessions.

use std::time::{Duration, Instant};

use herenow_protocol::limits::{
    CLIENT_FRAME_BYTES_MAX, FRAME_PREFIX_BYTES, HELLO_BYTES_MAX, HELLO_WITH_CREDENTIAL_BYTES_MAX,
    VERSION,
};
use herenow_protocol::message::{BadHello, Incoming};
use herenow_protocol::{
    ClientMessage, CloseReason, Credential, DecodeError, DisplayName, ErrorCode, Hello, Presence,
    ResumeToken, ServerMessage, SessionId, UserId, ViewId, Violation, Welcome,
};

use crate::auth::{Grant, REFUSED};
use crate::clock::Stamp;
use crate::config::{AuthMode, Config, Liveness};
use crate::limits::meter::{Load, Meter};
use crate::registry::{Answer, Command, SignedIn};

mod granted;
mod metering;
#[cfg(test)]
mod tests;

use granted::Granted;
use metering::Newest;

/// What the server calls itself in a `Welcome`.
const SERVER: &str = concat!("herenow ", env!("CARGO_PKG_VERSION"));

/// One connection, from accept to its end.
#[derive(Debug)]
pub struct Session {
    state: State,
    /// The agreed heartbeat rule, as its two numbers: there are many sessions.
    heartbeat_ms: u32,
    misses: u8,
    /// The newest sign of life.
    heard_at: Stamp,
    /// What it has said lately, if that is more than one frame.
    meter: Option<Box<Meter>>,
    /// The newest frame, if it is not in the meter.
    newest: Option<Newest>,
    /// It has said too much for now.
    paused: bool,
    /// When the next check is expected, to notice a stall of our own. Until `Hello` has come, its deadline.
    next_check: Stamp,
    /// What it may do, where not everybody may do everything.
    granted: Option<Box<Granted>>,
}

/// What a session gets if one begins: random, so that nobody can guess it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The session's number; below 2^53.
    pub session: SessionId,
    /// What resumes it.
    pub token: ResumeToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waiting for `Hello`.
    AwaitingHello,
    /// The registry has the sign-in.
    SigningIn,
    /// Signed in.
    SignedIn { unanswered: Option<Request> },
    /// Over.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request(u32);

/// Why somebody does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The credential is not accepted.
    Refused,
    /// It was not looked at: there are too many, or too many failed. It may be brought again after this time.
    NotNow(Duration),
}

/// What a session asks its shell to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Hand this to the registry; give the answer to [`Session::answered`].
    Ask(Command),
    /// Ask the registry to sign this user in under this rule, with fresh [`Credentials`].
    SignIn(Box<Hello>, Liveness),
    /// Find out whether whoever says this may come in; give the answer to [`Session::admitted`].
    Admit(Box<Hello>),
    /// Find out whether this user may stay with this credential; give the answer to [`Session::renewed`].
    Renew(DisplayName, Credential),
    /// Send this.
    Send(ServerMessage),
    /// Answer heartbeat `n` with what the views are like at this place of the stream.
    Ack(u64),
    /// Signed in under this rule: beat and tune the socket accordingly. Others see `me`.
    SignedIn(Liveness, Option<Presence>),
    /// Read on after this time, and then call [`Session::go_on`].
    Pause(Duration),
    /// The last round trip that the client measured, in microseconds.
    RoundTrip(u64),
    /// Open this view, from its first page on.
    Open(ViewId),
    /// Go on with this view; the client's copy has this version.
    GoOn(ViewId, u64),
    /// Close this view.
    Shut(ViewId),
    /// Send what repairs this view, and answer the request. No ranges: the digests of the buckets.
    Repair(u32, ViewId, Vec<(UserId, UserId)>),
    /// Say this goodbye and end the connection; tell the registry if it knows the session.
    Close(CloseReason, String),
}

/// What the shell knows of its socket when it lets a session check itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outflow {
    /// When the socket last took a byte, if there are bytes that it does not take.
    pub blocked_since: Option<Instant>,
    /// Whether reading is paused because the outbox is full.
    pub reading_paused: bool,
}

impl Session {
    /// A connection accepted at `now`.
    #[must_use]
    pub fn new(config: &Config, now: Instant) -> Self {
        let (heartbeat_ms, misses) = config.liveness(None).numbers();
        let next_check = now + config.sign_in_deadline;
        Self {
            state: State::AwaitingHello,
            heartbeat_ms,
            misses,
            heard_at: Stamp::of(now),
            meter: None,
            newest: None,
            paused: false,
            next_check: Stamp::of(next_check),
            granted: None,
        }
    }

    /// The newest sign of life.
    #[must_use]
    pub fn heard_at(&self) -> Instant {
        self.heard_at.instant()
    }

    /// The agreed heartbeat rule.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        Liveness::of(self.heartbeat_ms, self.misses)
    }

    /// Bytes that the next frame may have.
    #[must_use]
    pub fn frame_bytes_max(&self, config: &Config) -> usize {
        match self.state {
            State::AwaitingHello | State::SigningIn if config.auth_mode != AuthMode::Open => {
                HELLO_WITH_CREDENTIAL_BYTES_MAX
            }
            State::AwaitingHello | State::SigningIn => HELLO_BYTES_MAX,
            State::SignedIn { .. } | State::Ended => CLIENT_FRAME_BYTES_MAX,
        }
    }

    /// Whether the next frame must wait: for the registry's answer, or because there were too many.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.paused
            || matches!(self.state, State::SigningIn | State::SignedIn { unanswered: Some(_) })
    }

    /// Whether the connection is over; nothing more is received or checked.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// The body of one frame arrived.
    pub fn receive(
        &mut self,
        body: &[u8],
        config: &Config,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let before = std::mem::replace(&mut self.heard_at, Stamp::of(now));
        match Incoming::decode(body) {
            Ok(incoming) => {
                let bytes = u32::try_from(FRAME_PREFIX_BYTES + body.len()).unwrap_or(u32::MAX);
                let load = Load { bytes, is_change: is_change(&incoming) };
                self.dispatch(incoming, config, effects);
                self.meter(load, before.instant(), config, now, effects);
            }
            Err(error) => self.violated(&error, effects),
        }
    }

    /// The pause that an effect asked for is over.
    pub fn go_on(&mut self) {
        self.paused = false;
    }

    /// Bytes arrived that are no frame.
    pub fn violated(&mut self, error: &DecodeError, effects: &mut Vec<Effect>) {
        self.close(error.close_reason(), error.to_string(), effects);
    }

    /// It was found out whether the one who said this may come in.
    pub fn admitted(
        &mut self,
        hello: Box<Hello>,
        verdict: Result<Grant, Refusal>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        // It may have ended while that was found out.
        if self.state != State::SigningIn {
            return;
        }
        let granted = match verdict {
            Ok(grant) => Granted::new(hello.name.clone(), grant, now),
            Err(Refusal::Refused) => {
                return self.close(CloseReason::NotAuthorized, REFUSED.to_owned(), effects);
            }
            Err(Refusal::NotNow(wait)) => {
                let text = format!("try again in {} s", wait.as_secs().max(1));
                return self.close(CloseReason::ServerFull, text, effects);
            }
        };
        if let Err(text) = granted.allows_hello(&hello) {
            return self.close(CloseReason::NotAuthorized, text.to_owned(), effects);
        }
        self.granted = Some(Box::new(granted));
        effects.push(Effect::SignIn(hello, self.liveness()));
    }

    /// It was found out whether this session may go on with a new credential.
    pub fn renewed(
        &mut self,
        verdict: Result<Grant, Refusal>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let State::SignedIn { unanswered: Some(Request(request)) } = self.state else { return };
        self.state = State::SignedIn { unanswered: None };
        match (verdict, &mut self.granted) {
            (Ok(grant), Some(granted)) => {
                **granted = Granted::new(granted.name().clone(), grant, now);
                effects.push(done(request, None));
            }
            (Ok(_), None) => effects.push(done(request, None)),
            (Err(Refusal::Refused), _) => {
                effects.push(failed(request, ErrorCode::NotAllowed, REFUSED.to_owned()));
            }
            (Err(Refusal::NotNow(wait)), _) => {
                let text = format!("try again in {} s", wait.as_secs().max(1));
                effects.push(failed(request, ErrorCode::Limit, text));
            }
        }
    }

    /// Whether it was proven that the name of this session is its own.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.granted.as_ref().is_some_and(|granted| granted.is_proven())
    }

    /// The registry answered.
    pub fn answered(&mut self, answer: Answer, now: Instant, effects: &mut Vec<Effect>) {
        match std::mem::replace(&mut self.state, State::SignedIn { unanswered: None }) {
            State::SigningIn => self.signed_in(answer, now, effects),
            State::SignedIn { unanswered: Some(request) } => {
                answer_request(request, answer, effects)
            }
            // The session ended while the registry was asked.
            other => self.state = other,
        }
    }

    /// Looks at the clock. A session of which nothing was heard for the whole silence is over, unless
    /// this process itself was stalled meanwhile. Call it every heartbeat interval, and once more when
    /// it returns a time before that.
    pub fn check(
        &mut self,
        outflow: Outflow,
        config: &Config,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> Option<Instant> {
        let next_check = self.next_check.instant();
        let stalled = now > next_check + self.liveness().stall();
        match self.state {
            State::AwaitingHello if now >= next_check && !stalled => {
                let text = "no complete Hello in time".to_owned();
                self.close(CloseReason::SignInTimeout, text, effects);
            }
            // Forgiven, not forgotten: nobody checks again unless a deadline lies ahead.
            State::AwaitingHello if now >= next_check => {
                self.next_check = Stamp::of(now + config.sign_in_deadline);
            }
            State::SignedIn { .. } if self.expires_at().is_some_and(|at| now >= at) => {
                let text = "the credential was good until now".to_owned();
                self.close(CloseReason::CredentialExpired, text, effects);
            }
            State::SignedIn { .. } => self.check_silence(outflow, stalled, config, now, effects),
            _ => {}
        }
        self.schedule(now)
    }

    /// The socket ended on its own, or another part of the server ended the session.
    pub fn end(&mut self) {
        self.state = State::Ended;
    }

    fn dispatch(&mut self, incoming: Incoming, config: &Config, effects: &mut Vec<Effect>) {
        match (self.state, incoming) {
            (State::AwaitingHello, Incoming::Message(ClientMessage::Hello(hello))) => {
                self.hello(hello, config, effects);
            }
            (State::AwaitingHello, Incoming::BadHello(error)) => self.refuse(&error, effects),
            (State::SignedIn { .. }, Incoming::Message(message)) => {
                match self.allowed(message, config) {
                    Ok(message) => self.message(message, effects),
                    Err((request, text)) => {
                        effects.push(failed(request, ErrorCode::NotAllowed, text.to_owned()));
                    }
                }
            }
            (State::SignedIn { .. }, Incoming::BadRequest { request, error }) => {
                effects.push(failed(request, ErrorCode::BadRequest, error));
            }
            (State::SignedIn { .. }, Incoming::UnknownOp { op, request }) => {
                let text = format!("this server does not know op {op}");
                effects.push(failed(request, ErrorCode::UnknownOp, text));
            }
            _ => self.unexpected(effects),
        }
    }

    fn hello(&mut self, hello: Hello, config: &Config, effects: &mut Vec<Effect>) {
        let liveness = config.liveness(hello.heartbeat);
        (self.heartbeat_ms, self.misses) = liveness.numbers();
        self.state = State::SigningIn;
        let hello = Box::new(hello);
        effects.push(match config.auth_mode {
            AuthMode::Open => Effect::SignIn(hello, liveness),
            _ => Effect::Admit(hello),
        });
    }

    /// The message, if this session may say it, as the registry is to hear it.
    fn allowed(
        &self,
        message: ClientMessage,
        config: &Config,
    ) -> Result<ClientMessage, (u32, &'static str)> {
        match &self.granted {
            Some(granted) => granted.allowed(message, config.operator),
            None => Ok(message),
        }
    }

    fn expires_at(&self) -> Option<Instant> {
        self.granted.as_ref()?.expires_at()
    }

    fn refuse(&mut self, error: &BadHello, effects: &mut Vec<Effect>) {
        let reason = match error {
            BadHello::Version(_) => CloseReason::UnsupportedVersion,
            _ => CloseReason::BadHello,
        };
        self.close(reason, error.to_string(), effects);
    }

    fn message(&mut self, message: ClientMessage, effects: &mut Vec<Effect>) {
        match message {
            ClientMessage::Heartbeat { n, round_trip_us } => {
                if round_trip_us > 0 {
                    effects.push(Effect::RoundTrip(round_trip_us));
                }
                effects.push(Effect::Ack(n));
            }
            ClientMessage::SetStatus { request, choice } => {
                self.ask(request, Command::Choose(choice), effects);
            }
            ClientMessage::Watch { request, target } => {
                self.ask(request, Command::Watch(target), effects);
            }
            ClientMessage::Unwatch { request, view } => {
                self.ask(request, Command::Unwatch(view), effects);
            }
            ClientMessage::Join { request, room } => {
                self.ask(request, Command::Join(room), effects);
            }
            ClientMessage::Leave { request, room } => {
                self.ask(request, Command::Leave(room), effects);
            }
            ClientMessage::Query { request, query } => {
                self.ask(request, Command::Query(query), effects);
            }
            ClientMessage::Repair { request, view, ranges } => {
                effects.push(Effect::Repair(request, view, ranges));
            }
            ClientMessage::Renew { request, credential } => {
                self.renew(request, credential, effects)
            }
            ClientMessage::Goodbye { reason } => self.close(reason, String::new(), effects),
            ClientMessage::Hello(_) => self.unexpected(effects),
        }
    }

    fn ask(&mut self, request: u32, command: Command, effects: &mut Vec<Effect>) {
        self.state = State::SignedIn { unanswered: Some(Request(request)) };
        effects.push(Effect::Ask(command));
    }

    fn renew(&mut self, request: u32, credential: Credential, effects: &mut Vec<Effect>) {
        match &self.granted {
            Some(granted) => {
                self.state = State::SignedIn { unanswered: Some(Request(request)) };
                effects.push(Effect::Renew(granted.name().clone(), credential));
            }
            // Where everybody may come in everybody may stay.
            None => effects.push(done(request, None)),
        }
    }

    fn unexpected(&mut self, effects: &mut Vec<Effect>) {
        let reason = CloseReason::ProtocolError(Violation::UnexpectedMessage);
        self.close(reason, "this message is not allowed here".to_owned(), effects);
    }

    fn signed_in(&mut self, answer: Answer, now: Instant, effects: &mut Vec<Effect>) {
        match answer {
            Answer::SignedIn(signed_in) => {
                self.heard_at = Stamp::of(now);
                effects.push(Effect::SignedIn(self.liveness(), signed_in.me.clone()));
                effects.push(Effect::Send(self.welcome(&signed_in, now)));
                let views = signed_in.views.into_iter();
                effects.extend(views.map(|(view, version)| Effect::GoOn(view, version)));
            }
            Answer::Refused(reason, text) => self.close(reason, text, effects),
            answer => unreachable!("a sign-in is answered with yes or no, not {answer:?}"),
        }
    }

    fn welcome(&self, signed_in: &SignedIn, now: Instant) -> ServerMessage {
        let liveness = self.liveness();
        let Liveness { interval, misses } = liveness;
        ServerMessage::Welcome(Welcome {
            version: VERSION,
            session: signed_in.session,
            heartbeat_ms: millis(interval),
            misses,
            detection_bound_ms: millis(liveness.detection_bound()),
            epoch: signed_in.epoch,
            frame_bytes_max: CLIENT_FRAME_BYTES_MAX as u64,
            server: SERVER.to_owned(),
            token: signed_in.token,
            resumed: signed_in.resumed,
            resume_window_ms: millis(signed_in.resume_window),
            views: signed_in.views.iter().map(|(view, _)| *view).collect(),
            credential_ms: self.expires_at().map_or(0, |at| millis(at - now).max(1)),
        })
    }

    fn check_silence(
        &mut self,
        outflow: Outflow,
        stalled: bool,
        config: &Config,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        // While we were not running, or the registry has not answered, the silence is our own.
        if stalled || self.is_busy() {
            self.heard_at = Stamp::of(now);
        }
        // While a full outbox keeps us from reading, a byte that the peer takes is its sign of life.
        if let (true, Some(since)) = (outflow.reading_paused, outflow.blocked_since) {
            self.heard_at = self.heard_at.max(Stamp::of(since));
        }
        let for_at_least = |since: Instant, span| now.saturating_duration_since(since) >= span;
        let reason = if for_at_least(self.heard_at(), self.liveness().silence_max()) {
            Some(match outflow.reading_paused {
                true => CloseReason::SlowConsumer,
                false => CloseReason::HeartbeatTimeout,
            })
        } else {
            let stuck = outflow.blocked_since.is_some_and(|t| for_at_least(t, config.write_stall));
            (stuck && !stalled).then_some(CloseReason::SlowConsumer)
        };
        if let Some(reason) = reason {
            self.close(reason, String::new(), effects);
        }
    }

    /// Checks come every interval, and exactly when the silence would be complete.
    fn schedule(&mut self, now: Instant) -> Option<Instant> {
        let liveness = self.liveness();
        let regular = now + liveness.interval;
        let decisive = match self.state {
            State::AwaitingHello => Some(self.next_check.instant()),
            State::SignedIn { .. } => {
                let silent = self.heard_at() + liveness.silence_max();
                Some(self.expires_at().map_or(silent, |at| at.min(silent)))
            }
            State::SigningIn | State::Ended => None,
        };
        let early = decisive.filter(|&at| now < at && (at < regular || !self.is_signed_in()));
        self.next_check = Stamp::of(early.unwrap_or(regular));
        early
    }

    fn is_signed_in(&self) -> bool {
        matches!(self.state, State::SignedIn { .. })
    }

    fn close(&mut self, reason: CloseReason, text: String, effects: &mut Vec<Effect>) {
        self.state = State::Ended;
        effects.push(Effect::Close(reason, text));
    }
}

/// The goodbye for a reason, as the wire wants it. `come_back_after` counts for a planned stop only.
#[must_use]
pub fn goodbye(reason: CloseReason, text: String, come_back_after: Duration) -> ServerMessage {
    use CloseReason as R;
    let reconnect = matches!(
        reason,
        R::SignInTimeout
            | R::HeartbeatTimeout
            | R::SlowConsumer
            | R::ServerShutdown
            | R::ServerFull
            | R::InternalError
            | R::ServerCrash
            | R::CredentialExpired
            | R::TooManyRequests
    );
    let come_back_after_ms = if reconnect { millis(come_back_after) } else { 0 };
    ServerMessage::Goodbye { reason, reconnect, come_back_after_ms, text }
}

/// The answer to a `Repair`, once it is known whether the view is open.
#[must_use]
pub fn repair_answer(request: u32, is_open: bool) -> ServerMessage {
    if is_open {
        return ServerMessage::Result { request, view: None };
    }
    let (code, text) = (ErrorCode::NoSuchView, "there is no such view".to_owned());
    ServerMessage::Error { request, code, text }
}

fn answer_request(Request(request): Request, answer: Answer, effects: &mut Vec<Effect>) {
    match answer {
        Answer::Done => effects.push(done(request, None)),
        Answer::Watching(view) => {
            effects.push(done(request, Some(view)));
            effects.push(Effect::Open(view));
        }
        Answer::Added(view) => effects.push(done(request, Some(view))),
        Answer::Unwatched(view) => {
            effects.push(Effect::Shut(view));
            effects.push(done(request, None));
        }
        Answer::People(count, entries, next) => {
            effects.push(Effect::Send(ServerMessage::People { request, count, entries, next }));
        }
        Answer::Explanation(explanation, _) => {
            let explanation = *explanation;
            effects.push(Effect::Send(ServerMessage::Explanation { request, explanation }));
        }
        Answer::Health(health) => {
            effects.push(Effect::Send(ServerMessage::Health { request, health: *health }));
        }
        Answer::Failed(code, text) => effects.push(failed(request, code, text)),
        answer => unreachable!("a request is done or failed, not {answer:?}"),
    }
}

fn done(request: u32, view: Option<ViewId>) -> Effect {
    Effect::Send(ServerMessage::Result { request, view })
}

fn failed(request: u32, code: ErrorCode, text: String) -> Effect {
    Effect::Send(ServerMessage::Error { request, code, text })
}

/// Whether others may have to be told of what comes here.
fn is_change(incoming: &Incoming) -> bool {
    use ClientMessage as M;
    let Incoming::Message(message) = incoming else { return false };
    matches!(message, M::SetStatus { .. } | M::Join { .. } | M::Leave { .. })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
