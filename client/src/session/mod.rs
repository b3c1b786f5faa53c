//! The rules of one client, from the first try to connect to the last goodbye.
//!
//! Pure: inputs come with their time, outputs are [`Effect`]s appended to a list, and every random number
//! comes from the seed. The shell (or a simulation) performs the effects in order, and calls
//! [`Session::poll`] when [`Session::next_deadline`] has come.

mod answers;
mod delay;
mod ending;
mod own_status;
mod queries;
mod repair;
mod requests;
mod resume;
mod rooms;
mod signed_in;
mod views;
mod watched;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use herenow_protocol::limits::CLIENT_FRAME_BYTES_MAX;
use herenow_protocol::{
    Choice, ClientMessage, Credential, DecodeError, Hello, Query, RoomName, ServerMessage,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::heartbeat::Heartbeat;
use crate::options::WantedViews;
use crate::query::{Answer, QueryError, QueryId};
use crate::reconnect::{Invitation, Reconnect, Retry};
use crate::{Disconnect, Event, Options, View, ViewKey};
use delay::Delay;
use own_status::OwnStatus;
pub(crate) use own_status::amend;
use queries::Queries;
use requests::{Asked, Requests};
use resume::{Ticket, shorten};
use rooms::Rooms;
use views::Views;

/// How long the server may take to answer a `Hello`.
pub const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(10);

/// What the session wants done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Connect to the server, then call [`Session::connected`] or [`Session::disconnected`].
    Connect,
    /// Send this to the server.
    Send(ClientMessage),
    /// Close the connection, or stop making one, and report nothing more about it.
    Disconnect,
    /// Tell the program.
    Emit(Event),
    /// Tell the program what became of its question.
    Answer(QueryId, Result<Answer, QueryError>),
}

/// What the program wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Show this from now on, also after a reconnect.
    Choose(Choice),
    /// Watch these, by the numbers that the program has for them, and nothing else.
    Views(WantedViews),
    /// Be in these rooms besides the lobby, and in no others.
    Rooms(BTreeSet<RoomName>),
    /// Bring this credential from now on, and prove with it that this session may go on.
    Renew(Credential),
    /// Ask this, once. It is answered with [`Effect::Answer`].
    Query(QueryId, Query),
    /// Do not wait any longer for the next try.
    RetryNow,
    /// Sign out, for good.
    Goodbye,
}

/// The client's side of herenow, without a socket.
#[derive(Debug)]
pub struct Session {
    /// What every sign-in says.
    hello: Hello,
    rng: StdRng,
    phase: Phase,
    /// Which try this is since the last sign-in.
    attempt: u32,
    reconnect: Reconnect,
    network_up: bool,
    views: Views,
    /// What [`Self::view`] is if nothing is watched.
    no_view: View,
    rooms: Rooms,
    queries: Queries,
    status: OwnStatus,
    delay: Delay,
    requests: Requests,
    /// Goes on with the last session.
    ticket: Option<Ticket>,
    /// The text did not fit the last `Hello`.
    text_left_out: bool,
    /// Bytes of a frame that the server accepts.
    frame_max: usize,
    /// What all lists together may take.
    lists_bytes_max: usize,
}

#[derive(Debug)]
enum Phase {
    Waiting(Retry),
    Connecting,
    SigningIn { until: Instant },
    SignedIn(Heartbeat),
    Over,
}

impl Session {
    /// A session that connects at its first [`poll`](Self::poll). The same seed gives the same jitter.
    #[must_use]
    pub fn new(options: &Options, seed: u64, now: Instant) -> Self {
        Self {
            hello: hello(options),
            rng: StdRng::seed_from_u64(seed),
            phase: Phase::Waiting(Retry::at_once(now)),
            attempt: 0,
            reconnect: Reconnect::new(options.reconnect),
            network_up: true,
            views: Views::new(options.wanted_views()),
            no_view: View::default(),
            rooms: Rooms::new(&options.wanted_rooms()),
            queries: Queries::default(),
            status: OwnStatus::new(options.choice.clone(), options.observe, now),
            delay: Delay::default(),
            requests: Requests::default(),
            ticket: None,
            text_left_out: false,
            frame_max: CLIENT_FRAME_BYTES_MAX,
            lists_bytes_max: options.lists_bytes_max,
        }
    }

    /// Does what is due by now.
    pub fn poll(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        match &self.phase {
            Phase::Waiting(retry) if now >= retry.at => self.try_to_connect(effects),
            Phase::SigningIn { until } if now >= *until => {
                self.give_up(Disconnect::SignInTimeout, now, effects);
            }
            Phase::SignedIn(_) => self.poll_signed_in(now, effects),
            Phase::Waiting(_) | Phase::Connecting | Phase::SigningIn { .. } | Phase::Over => {}
        }
    }

    /// The connection that [`Effect::Connect`] asked for is there.
    pub fn connected(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if let Phase::Connecting = self.phase {
            self.phase = Phase::SigningIn { until: now + SIGN_IN_TIMEOUT };
            let hello = self.next_hello(now);
            effects.push(Effect::Send(ClientMessage::Hello(hello)));
        }
    }

    /// The body of one frame came.
    pub fn frame(&mut self, body: &[u8], now: Instant, effects: &mut Vec<Effect>) {
        match (ServerMessage::decode(body), &mut self.phase) {
            (_, Phase::Waiting(_) | Phase::Connecting | Phase::Over) => {}
            (Err(error), _) => self.give_up(Disconnect::ProtocolError(error), now, effects),
            (Ok(message), Phase::SigningIn { .. }) => self.answer_to_hello(message, now, effects),
            (Ok(message), Phase::SignedIn(heartbeat)) => {
                if heartbeat.heard(now) {
                    effects.push(Effect::Emit(Event::ContactBack));
                }
                self.while_signed_in(message, now, effects);
            }
        }
    }

    /// The bytes that came cannot be split into frames.
    pub fn broken(&mut self, error: DecodeError, now: Instant, effects: &mut Vec<Effect>) {
        self.give_up(Disconnect::ProtocolError(error), now, effects);
    }

    /// The connection, or the try to make one, ended by itself.
    pub fn disconnected(&mut self, cause: Disconnect, now: Instant, effects: &mut Vec<Effect>) {
        if self.has_connection() {
            self.end(cause, Invitation::Unsaid, now, effects);
        }
    }

    /// The program wants something.
    pub fn command(&mut self, command: Command, now: Instant, effects: &mut Vec<Effect>) {
        match command {
            Command::Choose(choice) => self.status.choose(choice, now),
            Command::Views(wanted) => self.views.want(wanted, self.is_signed_in().then_some(now)),
            Command::Rooms(wanted) => self.rooms.want(&wanted),
            Command::Renew(credential) => self.renew(credential, effects),
            Command::Query(id, query) => self.ask(id, query, effects),
            Command::RetryNow => self.retry_now(now, effects),
            Command::Goodbye => self.leave(now, effects),
        }
        self.send_what_is_due(now, effects);
    }

    /// This computer's own network came or went.
    pub fn network(&mut self, up: bool, now: Instant, effects: &mut Vec<Effect>) {
        if self.network_up == up || self.is_over() {
            return;
        }
        self.network_up = up;
        effects.push(Effect::Emit(Event::Network { up }));
        if let (Phase::Waiting(retry), true) = (&mut self.phase, up) {
            retry.link_up(now, &mut self.rng);
        }
    }

    /// When [`Self::poll`] has something to do; `None` while the session waits for its shell.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting(retry) => Some(retry.at),
            Phase::SigningIn { until } => Some(*until),
            Phase::SignedIn(heartbeat) => {
                self.views.deadline().into_iter().chain([heartbeat.deadline()]).min()
            }
            Phase::Connecting | Phase::Over => None,
        }
    }

    /// Whether there will be no further effect.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether there is a connection, or a try to make one, that has not ended.
    #[must_use]
    pub fn has_connection(&self) -> bool {
        !matches!(self.phase, Phase::Waiting(_) | Phase::Over)
    }

    /// Whether the server accepted the sign-in and the connection has not ended since.
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        matches!(self.phase, Phase::SignedIn(_))
    }

    /// Who is in the first list; nobody if nothing is watched. It outlives a connection; [`Event::Stale`] says that it
    /// is old.
    #[must_use]
    pub fn view(&self) -> &View {
        self.views.first().unwrap_or(&self.no_view)
    }

    /// Who is in the list of this number; `None` if it is not watched.
    #[must_use]
    pub fn view_of(&self, key: ViewKey) -> Option<&View> {
        self.views.view(key)
    }

    /// How old what the server shows may be at most, as the last heartbeat's answer said; `None` if it did not.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.delay.said()
    }

    fn try_to_connect(&mut self, effects: &mut Vec<Effect>) {
        self.attempt = self.attempt.saturating_add(1);
        self.phase = Phase::Connecting;
        effects.push(Effect::Emit(Event::Connecting { attempt: self.attempt }));
        effects.push(Effect::Connect);
    }

    /// The next sign-in: what is wanted now, and what can be continued.
    fn next_hello(&mut self, now: Instant) -> Hello {
        let views = self.views.resumable();
        let mut hello = Hello {
            choice: self.status.hello(now),
            resume: self.ticket.as_ref().map(|ticket| ticket.resume(views)),
            ..self.hello.clone()
        };
        self.text_left_out = shorten(&mut hello);
        hello
    }

    fn renew(&mut self, credential: Credential, effects: &mut Vec<Effect>) {
        self.hello.credential = Some(credential.clone());
        if self.is_signed_in() {
            let renew = |request| ClientMessage::Renew { request, credential };
            self.requests.send(Asked::Renew, effects, renew);
        }
    }

    fn ask(&mut self, id: QueryId, query: Query, effects: &mut Vec<Effect>) {
        match self.is_over() {
            true => effects.push(Effect::Answer(id, Err(QueryError::Over))),
            false => self.queries.ask(id, query),
        }
    }

    fn retry_now(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if let Phase::Waiting(retry) = &mut self.phase {
            retry.hurry(now);
            self.poll(now, effects);
        }
    }
}

/// What every sign-in of these options says.
fn hello(options: &Options) -> Hello {
    Hello {
        name: options.name.clone(),
        device: options.device.clone(),
        label: options.label.clone(),
        heartbeat: options.heartbeat,
        observe: options.observe,
        choice: Choice::default(),
        key: options.key,
        resume: None,
        credential: options.credential.clone(),
    }
}

#[cfg(test)]
mod tests;
