//! The rules of one client, from the first try to connect to the last goodbye.
//!
//! Pure: inputs come with their time, outputs are [`Effect`]s appended to a list, and every random number
//! comes from the seed. The shell (or a simulation) performs the effects in order, and calls
//! [`Session::poll`] when [`Session::next_deadline`] has come.

mod lobby;
mod own_status;
mod signed_in;

use std::time::{Duration, Instant};

use herenow_protocol::{ClientMessage, DecodeError, Hello, Presence, ServerMessage};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::heartbeat::Heartbeat;
use crate::reconnect::{Invitation, Reconnect, Retry};
use crate::{Disconnect, Event, Options, View};
use lobby::Lobby;
use own_status::OwnStatus;

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
}

/// What the program wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Show this presence from now on, also after a reconnect.
    SetPresence(Presence),
    /// Do not wait any longer for the next try.
    RetryNow,
    /// Sign out, for good.
    Goodbye,
}

/// The client's side of herenow, without a socket.
#[derive(Debug)]
pub struct Session {
    /// What the next sign-in says; its presence is always the last one wanted.
    hello: Hello,
    rng: StdRng,
    phase: Phase,
    /// Which try this is since the last sign-in.
    attempt: u32,
    reconnect: Reconnect,
    network_up: bool,
    lobby: Lobby,
    status: OwnStatus,
    last_request: u32,
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
            hello: options.hello(),
            rng: StdRng::seed_from_u64(seed),
            phase: Phase::Waiting(Retry::at_once(now)),
            attempt: 0,
            reconnect: Reconnect::new(options.reconnect),
            network_up: true,
            lobby: Lobby::default(),
            status: OwnStatus::default(),
            last_request: 0,
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
            let hello = self.hello_that_fits();
            self.status.said_with_hello(self.hello.observe || hello != self.hello);
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
            Command::SetPresence(presence) => self.set_presence(presence, effects),
            Command::RetryNow => {
                if let Phase::Waiting(retry) = &mut self.phase {
                    retry.hurry(now);
                    self.poll(now, effects);
                }
            }
            Command::Goodbye => self.leave(now, effects),
        }
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
                let watch_again = self.lobby.watch_again_at().into_iter();
                watch_again.chain([heartbeat.deadline()]).min()
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

    /// Who is listed. It outlives a connection; [`Event::Stale`] says that it is old.
    #[must_use]
    pub fn view(&self) -> &View {
        self.lobby.view()
    }

    fn try_to_connect(&mut self, effects: &mut Vec<Effect>) {
        self.attempt = self.attempt.saturating_add(1);
        self.phase = Phase::Connecting;
        effects.push(Effect::Emit(Event::Connecting { attempt: self.attempt }));
        effects.push(Effect::Connect);
    }

    /// The sign-in. With a text too long for the frame limit before sign-in it goes without, and the
    /// wanted presence follows as a request of its own. An observer shows nothing and says nothing of it.
    fn hello_that_fits(&mut self) -> Hello {
        let hello = self.hello.clone();
        if hello.observe {
            return Hello { presence: Presence::default(), ..hello };
        }
        if hello.fits() {
            return hello;
        }
        let presence = Presence { status: hello.presence.status, ..Presence::default() };
        self.status.want(hello.presence);
        Hello { presence, ..hello }
    }

    fn set_presence(&mut self, presence: Presence, effects: &mut Vec<Effect>) {
        self.hello.presence = presence.clone();
        self.status.want(presence);
        if self.is_signed_in() {
            self.send_status(effects);
        }
    }

    fn send_status(&mut self, effects: &mut Vec<Effect>) {
        let request = self.last_request.wrapping_add(1);
        if let Some(message) = self.status.next_request(request) {
            self.last_request = request;
            effects.push(Effect::Send(message));
        }
    }

    fn leave(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.is_over() {
            return;
        }
        if self.is_signed_in() {
            let reason = herenow_protocol::CloseReason::Goodbye;
            effects.push(Effect::Send(ClientMessage::Goodbye { reason }));
        }
        self.give_up(Disconnect::Left, now, effects);
    }

    /// Ends the connection from this side.
    fn give_up(&mut self, reason: Disconnect, now: Instant, effects: &mut Vec<Effect>) {
        if self.has_connection() {
            effects.push(Effect::Disconnect);
        }
        self.end(reason, Invitation::Unsaid, now, effects);
    }

    fn end(
        &mut self,
        reason: Disconnect,
        invitation: Invitation,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let reason = self.blame_own_network(reason);
        let retry = self.reconnect.ended(&reason, invitation, now, &mut self.rng);
        self.lobby.unfollow(effects);
        self.status.disconnected(self.hello.observe);
        self.phase = retry.map_or(Phase::Over, Phase::Waiting);
        let retry_in = retry.map(|retry| retry.at - now);
        effects.push(Effect::Emit(Event::Closed { reason, retry_in }));
    }

    /// With the network of this computer down, a server that cannot be reached is not to blame.
    fn blame_own_network(&self, reason: Disconnect) -> Disconnect {
        use Disconnect as D;
        match reason {
            D::ServerSilent { .. } | D::ConnectionReset | D::Unreachable(_) | D::SignInTimeout
                if !self.network_up =>
            {
                D::NetworkDown
            }
            reason => reason,
        }
    }
}

#[cfg(test)]
mod tests;
