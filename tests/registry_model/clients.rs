//! What the clients of a [`Desk`] do with what they are answered: how they sign in, and what they watch.

use std::collections::BTreeSet;
use std::time::Duration;

use herenow::config::Liveness;
use herenow::registry::{Answer, Command, SignIn, SignedIn, Wish};
use herenow_protocol::{
    DeviceId, Epoch, Hello, Resume, ResumeToken, SessionId, UserKey, ViewId, WatchTarget,
};

use super::copies::{Awaited, Copy};
use super::desk::{Client, Copies, Desk, choice, name};
use super::model::{MISSES, Reply, label};
use super::step::{Comeback, Greeting, Name, Named, View};

impl Desk {
    pub(super) fn sign_in(&mut self, connection: u64, greeting: &Greeting) -> Reply {
        let interval = Duration::from_millis(greeting.heartbeat_ms);
        let liveness = Liveness { interval, misses: MISSES };
        let token = ResumeToken([u8::try_from(connection).expect("few connections"); 16]);
        let hello = self.hello(greeting);
        let sign_in = SignIn::new(hello, liveness, SessionId(connection), token);
        let reply = match self.command(connection, Command::SignIn(Box::new(sign_in))) {
            Answer::SignedIn(signed_in) => self.welcome(connection, *signed_in),
            Answer::Refused(reason, _) => Reply::Refused(reason),
            answer => panic!("a sign-in is answered with yes or no, not {answer:?}"),
        };
        self.perform();
        reply
    }

    fn hello(&self, greeting: &Greeting) -> Hello {
        Hello {
            name: name(greeting.name),
            device: DeviceId::new(greeting.device).expect("a device of this test is valid"),
            label: label(greeting.device),
            heartbeat: None,
            observe: greeting.observe,
            choice: choice(greeting.say),
            key: greeting.key.map(|key| UserKey([key; 16])),
            resume: greeting.resume.map(|comeback| self.resume(comeback)),
            credential: None,
        }
    }

    fn resume(&self, Comeback { session, epoch, named }: Comeback) -> Resume {
        let copies = self.copies_of(session);
        let views = copies.into_iter().flatten().filter(|(view, _)| match named {
            Named::All | Named::AllWrong => true,
            Named::RoomsOnly => matches!(view, View::Room(_)),
            Named::Nothing => false,
        });
        let wrong = if named == Named::AllWrong { 1_000_000 } else { 0 };
        Resume {
            token: ResumeToken([u8::try_from(session).expect("few sessions"); 16]),
            epoch: epoch.map(|epoch| Epoch([epoch; 16])),
            views: views.map(|(_, copy)| (copy.id, copy.version + wrong)).collect(),
        }
    }

    /// What a client of this session has, whether it is connected or not.
    fn copies_of(&self, session: u64) -> Option<&Copies> {
        let mut clients = self.clients.values();
        let connected = clients.find(|client| client.session == session);
        connected.map(|client| &client.copies).or_else(|| self.parked.get(&session))
    }

    fn welcome(&mut self, connection: u64, signed_in: SignedIn) -> Reply {
        let SignedIn { session: SessionId(session), me, resumed, views, .. } = signed_in;
        let had = self.copies_of(session).cloned().unwrap_or_default();
        let kept = |copy: &Copy| views.iter().find(|(id, _)| *id == copy.id).copied();
        let mut copies = Copies::new();
        let mut wishes = Vec::new();
        for (view, mut copy) in had {
            if let Some((id, version)) = kept(&copy) {
                copy.waits_for = Some(Awaited::News);
                copies.insert(view, copy);
                wishes.push((id, Wish::Since(version)));
            }
        }
        assert_eq!(copies.len(), views.len(), "only views that were named go on");
        let views: BTreeSet<_> = copies.keys().copied().collect();
        self.parked.remove(&session);
        let client = Client { session, me, copies, connected_at: self.now };
        self.clients.insert(connection, client);
        wishes.into_iter().for_each(|(id, wish)| self.fetch(connection, id, wish));
        Reply::SignedIn { session, resumed, views }
    }

    pub(super) fn watch_people(
        &mut self,
        connection: u64,
        names: &[Name],
        list: Option<u32>,
    ) -> Reply {
        let names = names.iter().map(|of| name(of)).collect();
        let view = list.map(|n| self.id_of(connection, View::List(n)));
        let session = self.clients.get(&connection).map_or(0, |client| client.session);
        let opened = self.lists_opened.get(&session).copied().unwrap_or_default();
        let target = WatchTarget::People { names, view };
        let reply = self.watch(connection, target, View::List(list.unwrap_or(opened)));
        if let (None, Reply::Watching(_)) = (list, &reply) {
            self.lists_opened.insert(session, opened + 1);
        }
        reply
    }

    pub(super) fn watch(&mut self, connection: u64, target: WatchTarget, view: View) -> Reply {
        let reply = match self.command(connection, Command::Watch(target)) {
            Answer::Watching(id) => {
                let client = self.clients.get_mut(&connection).expect("it was answered");
                client.copies.insert(view, Copy::new(id));
                let same = client.copies.values().filter(|copy| copy.id == id);
                assert_eq!(same.count(), 1, "each view has a number of its own");
                self.fetch(connection, id, Wish::Pages(0));
                Reply::Watching(view)
            }
            Answer::Added(id) => {
                assert_eq!(id, self.id_of(connection, view));
                Reply::Added(view)
            }
            Answer::Failed(code, _) => Reply::Failed(code),
            answer => panic!("a view is opened or not, but not {answer:?}"),
        };
        self.perform();
        reply
    }

    pub(super) fn unwatch(&mut self, connection: u64, view: View) -> Reply {
        let id = self.id_of(connection, view);
        let reply = match self.command(connection, Command::Unwatch(id)) {
            Answer::Unwatched(closed) => {
                assert_eq!(closed, id);
                let client = self.clients.get_mut(&connection).expect("it was answered");
                client.copies.remove(&view);
                Reply::Unwatched(view)
            }
            Answer::Failed(code, _) => Reply::Failed(code),
            answer => panic!("a view is closed or not, but not {answer:?}"),
        };
        self.perform();
        reply
    }

    /// The number of a client's view, or one that no view has.
    fn id_of(&self, connection: u64, view: View) -> ViewId {
        let copy = self.clients.get(&connection).and_then(|client| client.copies.get(&view));
        copy.map_or(ViewId(u32::MAX), |copy| copy.id)
    }
}
