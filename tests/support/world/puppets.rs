//! The test's own hand at the registry: users without clients, and questions of strangers.

use herenow::clock::Moment;
use herenow::registry::{Answer, Command, ConnectionId, SignIn};
use herenow::session::Credentials;
use herenow_client::Options;
use herenow_client::protocol::{
    Choice, CloseReason, Entry, Hello, Query, Status, StatusText, UserId,
};

use super::server::Server;
use super::{World, dice, options};

/// Connections from this number on have no desk: they are the test's own hand.
const PUPPETS: u64 = 1 << 50;

impl World {
    /// What the server answers to a stranger's question for a page of a room, or for people.
    pub fn ask(&mut self, query: Query) -> Vec<Entry> {
        let (moment, mut all) = (self.moment(), Vec::new());
        let server = self.server.as_mut().expect("the server runs");
        let mut next = Some(query);
        while let Some(query) = next.take() {
            let more = |from: UserId| match &query {
                Query::Page { room, .. } => Query::Page { room: room.clone(), from },
                Query::People(names) => Query::People(names[from.0 as usize..].to_vec()),
                other => other.clone(),
            };
            match server.query(hello("auditor"), query.clone(), moment) {
                Answer::People(_, entries, from) => {
                    all.extend(entries);
                    next = from.map(more);
                }
                answer => panic!("{answer:?}"),
            }
        }
        all
    }

    /// Signs somebody in who has no client: listed, silent, and never gone by itself.
    pub fn puppet(&mut self, puppet: u64, name: &str) {
        let moment = self.moment();
        let server = self.server.as_mut().expect("the server runs");
        server.puppet_sign_in(puppet, hello(name), moment);
        self.write_all();
    }

    /// A puppet shows another text.
    pub fn puppet_says(&mut self, puppet: u64, text: &str) {
        let text = StatusText::new(text).expect("a test text is valid");
        let choice = Choice::chosen(Status::Busy, text);
        self.puppet_does(puppet, Command::Choose(choice));
    }

    /// A puppet wants something of the registry.
    pub fn puppet_does(&mut self, puppet: u64, command: Command) {
        let moment = self.moment();
        let server = self.server.as_mut().expect("the server runs");
        server.puppet(puppet, command, moment);
        self.write_all();
    }
}

impl Server {
    /// The test's own hand: a command of a connection that has no desk, and so no heartbeat.
    fn puppet(&mut self, puppet: u64, command: Command, now: Moment) -> Answer {
        // Of an arbiter of their own: the places of the first are the clients'.
        let place = u32::try_from(puppet).expect("few");
        self.tell(ConnectionId::new(1, 1, place), command, now)
    }

    /// Signs a puppet in.
    fn puppet_sign_in(&mut self, puppet: u64, hello: Hello, now: Moment) -> Answer {
        let Credentials { session, token } = dice::credentials(7, PUPPETS + puppet, 1);
        let sign_in = SignIn::new(hello, self.config.liveness(None), session, token);
        self.puppet(puppet, Command::SignIn(Box::new(sign_in)), now)
    }

    /// Asks as an observer would.
    fn query(&mut self, hello: Hello, query: Query, now: Moment) -> Answer {
        self.puppet_sign_in(0, Hello { observe: true, ..hello }, now);
        let answer = self.puppet(0, Command::Query(query), now);
        self.puppet(0, Command::End(CloseReason::Goodbye, now.instant), now);
        answer
    }
}

/// The sign-in of a puppet.
fn hello(name: &str) -> Hello {
    let Options { name, device, label, choice, .. } = options(name, "puppet");
    let choice = Choice { text: None, ..choice };
    Hello {
        name,
        device,
        label,
        choice,
        heartbeat: None,
        observe: false,
        key: None,
        resume: None,
        credential: None,
    }
}
