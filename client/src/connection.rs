//! The shell around [`Session`]: owns the socket, waits for whatever comes first, performs the effects.

mod transport;

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, timeout};

use crate::address::take_credential;
use crate::client::{Client, Commands, pair};
use crate::link::{Connect, Connecting, Link, Network};
use crate::secrets::kept_credential;
use crate::session::{Command, Effect, Session};
use crate::{Disconnect, Event, Options, View, ViewKey, clock, network};
use transport::{Received, Transport};

/// How often this computer's own network is looked at.
const NETWORK_POLL: Duration = Duration::from_millis(500);

/// How long the last goodbye may take to reach the server.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// A client's connections to its server, one after the other, and the list they keep.
///
/// It works only while [`next`](Self::next) is awaited: a program that stops calling it stops its heartbeats, and is
/// expelled by the server. Dropping it closes the socket without a goodbye.
pub struct Connection {
    session: Session,
    server: String,
    connector: Box<dyn Connect>,
    commands: Commands,
    socket: Socket,
    /// This end's address in the last connection.
    local: Option<IpAddr>,
    network_poll: Option<tokio::time::Interval>,
    events: VecDeque<Event>,
    /// The last connection, on which a goodbye may still be under way.
    leaving: Option<Transport>,
}

enum Socket {
    None,
    Connecting(Connecting),
    Up(Transport),
}

enum Input {
    Command(Command),
    Connected(Result<Link, Disconnect>),
    Received(Received),
    LookAtNetwork,
    Deadline,
}

/// A client that connects at the first [`Connection::next`], which must be awaited in a tokio runtime with I/O and time.
#[must_use]
pub fn connect(mut options: Options) -> (Client, Connection) {
    let (server, credential) = take_credential(&options.server);
    options.server = server;
    let kept = || kept_credential(&options.server);
    options.credential = options.credential.take().or(credential).or_else(kept);
    let network = Network::new(options.trust.clone());
    let network = network.carrying_a_secret(options.credential.is_some());
    connect_through(network, options, rand::random())
}

/// Like [`connect`], with another way to make connections, and with the seed of all jitter.
#[must_use]
pub fn connect_through(
    connector: impl Connect + 'static,
    options: Options,
    seed: u64,
) -> (Client, Connection) {
    let (client, commands) = pair(&options);
    let connection = Connection {
        session: Session::new(&options, seed, clock::now()),
        server: options.server,
        connector: Box::new(connector),
        commands,
        socket: Socket::None,
        local: None,
        network_poll: None,
        events: VecDeque::new(),
        leaving: None,
    };
    (client, connection)
}

impl Connection {
    /// What happens next. `None`: the connection is over for good.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.session.is_over() {
                self.commands.end();
                self.farewell().await;
                return None;
            }
            let input = self.input().await;
            self.handle(input);
        }
    }

    /// Who is in the first list that is watched, the lobby unless the options say otherwise, as of the last event that
    /// [`next`](Self::next) returned or of events that it is about to return.
    #[must_use]
    pub fn view(&self) -> &View {
        self.session.view()
    }

    /// Who is in the list of this number, as [`view`](Self::view); `None` if it is not watched.
    #[must_use]
    pub fn view_of(&self, key: ViewKey) -> Option<&View> {
        self.session.view_of(key)
    }

    /// How old what the server shows may be at most, as the last heartbeat's answer said; `None` if it did not, or if no
    /// heartbeat of this connection was answered. [`Event::Busy`] tells when people would notice.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.session.delay()
    }

    async fn input(&mut self) -> Input {
        let deadline = self.session.next_deadline();
        tokio::select! {
            // What the server said comes before the clock: it may be the answer whose absence is about to
            // be punished. A flood of it must not keep the user from leaving.
            biased;
            command = self.commands.next() => Input::Command(command),
            input = self.socket.input() => input,
            () = clock::sleep_until(deadline) => Input::Deadline,
            () = tick(&mut self.network_poll) => Input::LookAtNetwork,
        }
    }

    fn handle(&mut self, input: Input) {
        let now = clock::now();
        let mut effects = Vec::new();
        match input {
            Input::Command(command) => self.session.command(command, now, &mut effects),
            Input::Connected(Ok(link)) => {
                self.observe_network_of(link.local);
                self.socket = Socket::Up(Transport::new(link.stream));
                self.session.connected(now, &mut effects);
            }
            Input::Connected(Err(cause)) => {
                self.socket = Socket::None;
                self.session.disconnected(cause, now, &mut effects);
            }
            Input::Received(received) => self.receive(received, &mut effects),
            Input::LookAtNetwork => self.look_at_network(&mut effects),
            Input::Deadline => {}
        }
        // Traffic never postpones a heartbeat, so every input is followed by what is due.
        self.session.poll(now, &mut effects);
        self.perform(effects);
    }

    fn receive(&mut self, received: Received, effects: &mut Vec<Effect>) {
        let now = clock::now();
        let Socket::Up(transport) = &mut self.socket else { return };
        while self.session.has_connection() {
            match transport.next_frame() {
                Ok(Some(body)) => self.session.frame(&body, now, effects),
                Ok(None) => break,
                Err(error) => self.session.broken(error, now, effects),
            }
        }
        if let Received::End(cause) = received
            && self.session.has_connection()
        {
            self.socket = Socket::None;
            self.session.disconnected(cause, now, effects);
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Connect => {
                    self.socket = Socket::Connecting(self.connector.connect(&self.server));
                }
                Effect::Send(message) => {
                    if let Socket::Up(transport) = &mut self.socket {
                        transport.send(&message);
                    }
                }
                Effect::Disconnect => self.disconnect(),
                Effect::Emit(event) => self.emit(event),
                Effect::Answer(query, answer) => self.commands.answer(query, answer),
            }
        }
    }

    fn emit(&mut self, event: Event) {
        if let (Event::SignedIn(welcome), Socket::Up(transport)) = (&event, &self.socket) {
            transport.agreed(Duration::from_millis(welcome.detection_bound_ms));
        }
        self.events.push_back(event);
    }

    /// What was said last goes out as far as the socket takes it at once; the rest only if this was for good.
    fn disconnect(&mut self) {
        if let Socket::Up(mut transport) = std::mem::replace(&mut self.socket, Socket::None) {
            transport.flush_now();
            let waits = self.session.is_over() && transport.said_goodbye();
            self.leaving = waits.then_some(transport);
        }
    }

    /// Waits until the server took the goodbye, so that it does not see a connection that breaks.
    async fn farewell(&mut self) {
        if let Some(transport) = &mut self.leaving {
            // Who does not take it in time finds out by himself.
            let _ = timeout(FAREWELL_MAX, transport.finish()).await;
        }
        self.leaving = None;
    }

    /// A server on this computer needs no network, and programs with many connections no polling.
    fn observe_network_of(&mut self, local: Option<IpAddr>) {
        self.local = local.filter(|address| !address.to_canonical().is_loopback());
        self.network_poll = self.local.map(|_| {
            let mut interval = tokio::time::interval(NETWORK_POLL);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
    }

    fn look_at_network(&mut self, effects: &mut Vec<Effect>) {
        let (Some(local), interfaces) = (self.local, network::interfaces()) else { return };
        if !interfaces.is_empty() {
            let connected = matches!(self.socket, Socket::Up(_));
            let up = network::is_up(&interfaces, local, connected);
            self.session.network(up, clock::now(), effects);
        }
    }
}

impl Socket {
    /// The next thing that comes from the network. Cancel-safe.
    async fn input(&mut self) -> Input {
        match self {
            Self::None => std::future::pending().await,
            Self::Connecting(connecting) => Input::Connected(connecting.await),
            Self::Up(transport) => Input::Received(transport.exchange().await),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (server, session) = (&self.server, &self.session);
        f.debug_struct("Connection")
            .field("server", server)
            .field("session", session)
            .finish_non_exhaustive()
    }
}

async fn tick(interval: &mut Option<tokio::time::Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
