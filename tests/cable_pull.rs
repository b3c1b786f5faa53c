//! The cable pull for real: two network namespaces, a cable between them, and 20 clients at its end.
//!
//! Times are measured by the watchers on the server's own side and by the clients, from the cut on.
//! The cut comes after the last sign of life in each direction that it cuts, so whoever keeps the
//! announced bound from the last sign of life keeps it from the cut as well.

#[allow(dead_code, reason = "each test binary uses a part of the shared helpers")]
mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use support::clients::{Client, Journal, Rule, Told};
use support::net::{Cable, SERVER_IP};
use support::server::TestServer;
use support::{PATIENCE, now, say, say_spread};

/// How many clients lose their cable.
const CLIENTS: usize = 20;

/// How many watchers on the server's own side must not be disturbed.
const WATCHERS: usize = 3;

/// What is cut, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The clients' end is pulled out.
    ClientEnd,
    /// The server's end is pulled out.
    ServerEnd,
    /// What clients say is lost.
    TowardsServer,
    /// What the server says is lost.
    TowardsClients,
}

impl Cut {
    fn make(self, cable: &Cable) {
        match self {
            Self::ClientEnd => cable.client.pull_cable(),
            Self::ServerEnd => cable.server.pull_cable(),
            Self::TowardsServer => cable.server.lose_incoming(),
            Self::TowardsClients => cable.client.lose_incoming(),
        }
    }

    fn mend(self, cable: &Cable) {
        match self {
            Self::ClientEnd => cable.client.plug_cable(),
            Self::ServerEnd => cable.server.plug_cable(),
            Self::TowardsServer => cable.server.lose_nothing(),
            Self::TowardsClients => cable.client.lose_nothing(),
        }
    }

    /// Whether the clients' end of the cable shows that it leads nowhere. A pulled cable has no
    /// carrier at either end.
    fn takes_the_carrier(self) -> bool {
        matches!(self, Self::ClientEnd | Self::ServerEnd)
    }

    /// How the clients explain the end to their users.
    fn explanations(self) -> &'static [&'static str] {
        match self {
            // They see that it is not the server.
            Self::ClientEnd | Self::ServerEnd => &["network_down"],
            Self::TowardsClients => &["server_silent"],
            // The server's goodbye still arrives, and may come before the client has given up.
            Self::TowardsServer => &["server_silent", "heartbeat_timeout"],
        }
    }
}

/// A server, watchers at its side, and clients at the other end of the cable; all know each other.
struct Scene {
    watchers: Vec<Client>,
    clients: Vec<Client>,
    _server: TestServer,
    cable: Cable,
    everyone: BTreeSet<String>,
}

impl Scene {
    /// `None` where no namespaces can be made.
    fn set(arguments: &[&str]) -> Option<Self> {
        let cable = Cable::lay()?;
        let server = TestServer::start_in(&cable.server, arguments);
        let port = server.address.port();
        let names = |kind, count| (0..count).map(move |i| format!("{kind} {i:02}"));
        let start = |network, ip: &str, name: String| {
            let address = SocketAddr::new(ip.parse().expect("it is an address"), port);
            Client::start_in(network, address, &name)
        };
        // The watchers come by the loopback of the server's namespace, which no cut touches.
        let watcher = |name| start(&cable.server, "127.0.0.1", name);
        let watchers = names("watcher", WATCHERS).map(watcher).collect();
        let client = |name| start(&cable.client, SERVER_IP, name);
        let clients = names("client", CLIENTS).map(client).collect();
        let everyone = names("watcher", WATCHERS).chain(names("client", CLIENTS)).collect();
        let scene = Self { watchers, clients, _server: server, cable, everyone };
        scene.wait_until_all_lists_are_exact();
        Some(scene)
    }

    /// What the clients told, then what the watchers told.
    fn journals(&self) -> impl Iterator<Item = &Journal> {
        self.clients.iter().chain(&self.watchers).map(|client| &client.journal)
    }

    fn wait_until_all_lists_are_exact(&self) {
        for journal in self.journals() {
            support::wait_for("an exact list", PATIENCE, || {
                (journal.list() == self.everyone).then_some(())
            });
        }
    }

    fn rule(&self) -> Rule {
        self.clients[0].journal.rule()
    }

    /// The watchers' own connections saw nothing of all that.
    fn assert_watchers_undisturbed(&self, since: Instant) {
        for watcher in &self.watchers {
            let disturbed = watcher.journal.find(since, |told| match told {
                Told::Closed(_) | Told::ContactLost | Told::Network(_) => Some(told.clone()),
                _ => None,
            });
            assert!(disturbed.is_none(), "a healthy watcher was disturbed: {disturbed:?}");
        }
    }

    /// Nobody's connection ended, and nobody was told that anybody left or came.
    fn assert_nobody_saw_a_cut(&self, since: Instant) {
        // The clients first: whose connection ended knows more of it than whoever was told.
        for journal in self.journals() {
            let seen = journal.find(since, |told| match told {
                Told::Left(..) | Told::Closed(_) | Told::Joined(_) => Some(told.clone()),
                _ => None,
            });
            assert!(seen.is_none(), "a short cut was seen: {seen:?}: {:#?}", journal.since(since));
            assert_eq!(journal.list(), self.everyone);
        }
        self.assert_watchers_undisturbed(since);
    }

    /// Cuts the cable for good, and checks who notices what and when.
    fn cut_for_good(&self, cut: Cut) {
        let Rule { interval, bound, .. } = self.rule();
        // By then everyone's last sign of life is a heartbeat, and not the news of a crowd's arrival.
        thread::sleep(2 * interval);
        let cut_at = now();
        cut.make(&self.cable);

        // A client that still gets through goes on beating until it gives up. The first beat after
        // the cut is its last sign of life: without acknowledgements its TCP holds back the next.
        let grace = if cut == Cut::TowardsClients { interval } else { Duration::ZERO };
        // The cut lasts longer than any verdict, so that nothing is decided by a late FIN or RST.
        let deadline = bound + grace + Duration::from_secs(1);
        let end = |client: &Client| client.journal.wait_for_end(PATIENCE, cut_at);
        let ends: Vec<_> = self.clients.iter().map(end).collect();
        thread::sleep((cut_at + deadline).saturating_duration_since(now()));

        self.check_ends(cut, cut_at, &ends);
        self.check_contact_lost(cut, cut_at, &ends);
        self.check_own_network(cut, cut_at, &ends);
        self.check_leaves(cut, cut_at, bound + grace);
        self.assert_watchers_undisturbed(cut_at);
        self.mend_and_wait(cut);
        self.assert_watchers_undisturbed(cut_at);
    }

    /// Each client gave up, neither early nor late, and said why.
    fn check_ends(&self, cut: Cut, cut_at: Instant, ends: &[(Instant, String)]) {
        let Rule { interval, silence_max, bound } = self.rule();
        let mut silences = Vec::new();
        for (Client { journal, .. }, (at, reason)) in self.clients.iter().zip(ends) {
            assert!(cut.explanations().contains(&reason.as_str()), "{cut:?}: {reason}");
            // Where only one direction is dead, news of the others may still come for a while.
            let silence = *at - journal.last_news(cut_at, *at).unwrap_or(cut_at);
            assert!(silence <= bound, "{cut:?}: {silence:?}: {:#?}", journal.since(cut_at));
            silences.push(silence);
            // Every client was heard one interval before the cut, give or take a late timer, and
            // nobody may give up early: the cable could be back in time.
            let patience = *at - cut_at + interval + interval / 2;
            assert!(patience >= silence_max, "{cut:?}: gave up after {:?}", *at - cut_at);
        }
        let times: Vec<_> = ends.iter().map(|(at, _)| *at - cut_at).collect();
        say_spread(&format!("{cut:?}: clients gave up"), None, &times);
        say_spread(&format!("{cut:?}: that was since the last news"), Some(bound), &silences);
    }

    /// Each watcher was told in time that each client had left.
    fn check_leaves(&self, cut: Cut, cut_at: Instant, limit: Duration) {
        let mut times = Vec::new();
        for Client { journal, .. } in &self.watchers {
            let leaves = leaves(journal, cut_at);
            assert_eq!(leaves.len(), CLIENTS, "{cut:?}: {:#?}", journal.since(cut_at));
            times.extend(leaves.iter().map(|at| *at - cut_at));
        }
        say_spread(&format!("{cut:?}: watchers were told"), Some(limit), &times);
        assert!(times.iter().all(|time| *time <= limit), "{cut:?}: {times:?}");
    }

    /// Before the end each client says that contact is lost.
    fn check_contact_lost(&self, cut: Cut, cut_at: Instant, ends: &[(Instant, String)]) {
        let mut lost = Vec::new();
        for (Client { journal, .. }, (end, _)) in self.clients.iter().zip(ends) {
            let is_lost = |told: &Told| matches!(told, Told::ContactLost).then_some(());
            let found = journal.find(cut_at, is_lost).map(|(at, ())| at);
            assert!(found.is_some_and(|at| at < *end), "{cut:?}: {:#?}", journal.since(cut_at));
            lost.extend(found.map(|at| at - cut_at));
        }
        say_spread(&format!("{cut:?}: clients lost contact"), None, &lost);
    }

    /// Whose own carrier is gone knows it before the server counts as silent.
    fn check_own_network(&self, cut: Cut, cut_at: Instant, ends: &[(Instant, String)]) {
        let mut missed = Vec::new();
        for (Client { journal, .. }, (end, _)) in self.clients.iter().zip(ends) {
            let is_missed = |told: &Told| matches!(told, Told::Network(false)).then_some(());
            let found = journal.find(cut_at, is_missed).map(|(at, ())| at);
            assert_eq!(found.is_some_and(|at| at < *end), cut.takes_the_carrier(), "{cut:?}");
            missed.extend(found.map(|at| at - cut_at));
        }
        if cut.takes_the_carrier() {
            say_spread(&format!("{cut:?}: clients missed their own network"), None, &missed);
        }
    }

    /// Cuts the cable for longer than anyone is shown, and no longer than a session can be resumed: everyone goes on
    /// with the session that they had, and was seen leaving and coming once.
    fn cut_and_resume(&self, span: Duration) {
        let cut_at = now();
        Cut::ClientEnd.make(&self.cable);
        thread::sleep(span);
        self.mend_and_wait(Cut::ClientEnd);
        for Client { journal, .. } in &self.clients {
            let resumed = |told: &Told| match told {
                Told::Resumed => Some(true),
                Told::SignedIn(_) => Some(false),
                _ => None,
            };
            let (_, resumed) = journal.find(cut_at, resumed).expect("everyone is back");
            assert!(resumed, "the session was given up: {:#?}", journal.since(cut_at));
        }
        for Client { journal, .. } in &self.watchers {
            let seen = journal.since(cut_at);
            let joins = seen.iter().filter(|(_, told)| matches!(told, Told::Joined(_))).count();
            assert_eq!((leaves(journal, cut_at).len(), joins), (CLIENTS, CLIENTS), "{seen:#?}");
        }
        self.assert_watchers_undisturbed(cut_at);
    }

    /// Mends the cable; everyone comes back without any help and has the exact list.
    fn mend_and_wait(&self, cut: Cut) {
        let mended_at = now();
        cut.mend(&self.cable);
        let back =
            |client: &Client| client.journal.wait_for_list(2 * PATIENCE, mended_at) - mended_at;
        let times: Vec<_> = self.clients.iter().map(back).collect();
        say_spread(&format!("{cut:?}: clients were back after"), None, &times);
        self.wait_until_all_lists_are_exact();
    }
}

/// When a watcher was told that clients left. All must have the right cause.
fn leaves(watcher: &Journal, since: Instant) -> Vec<Instant> {
    let left = |(at, told)| match told {
        Told::Left(name, cause) => {
            assert_eq!(cause, "heartbeat_timeout", "{name}");
            Some(at)
        }
        _ => None,
    };
    watcher.since(since).into_iter().filter_map(left).collect()
}

fn short_heartbeats() -> Option<Scene> {
    Scene::set(&["--heartbeat", "500ms"])
}

#[test]
fn a_cable_pulled_at_the_clients_is_noticed_at_both_ends() {
    if let Some(scene) = short_heartbeats() {
        scene.cut_for_good(Cut::ClientEnd);
    }
}

#[test]
fn a_cable_pulled_at_the_server_is_noticed_at_both_ends() {
    if let Some(scene) = short_heartbeats() {
        scene.cut_for_good(Cut::ServerEnd);
    }
}

#[test]
fn a_wire_that_is_dead_towards_the_server_leaves_nobody_half_alive() {
    if let Some(scene) = short_heartbeats() {
        scene.cut_for_good(Cut::TowardsServer);
    }
}

#[test]
fn a_wire_that_is_dead_towards_the_clients_leaves_nobody_half_alive() {
    if let Some(scene) = short_heartbeats() {
        scene.cut_for_good(Cut::TowardsClients);
    }
}

#[test]
fn short_cuts_are_seen_by_nobody_however_often_they_come() {
    let Some(scene) = short_heartbeats() else { return };
    for cut in [Cut::ClientEnd, Cut::TowardsServer, Cut::TowardsClients, Cut::ClientEnd] {
        let start = now();
        cut.make(&scene.cable);
        thread::sleep(Duration::from_secs(1));
        cut.mend(&scene.cable);
        thread::sleep(2 * scene.rule().bound);
        scene.assert_nobody_saw_a_cut(start);
    }
}

#[test]
fn by_default_short_cuts_are_seen_by_nobody_a_dead_cable_within_the_bound_and_a_minute_is_resumed()
{
    let Some(scene) = Scene::set(&[]) else { return };
    assert_eq!(scene.rule().bound, Duration::from_millis(10_500));

    for span in [2, 4] {
        let cut_at = now();
        Cut::ClientEnd.make(&scene.cable);
        thread::sleep(Duration::from_secs(span));
        Cut::ClientEnd.mend(&scene.cable);
        // Whatever the short cut could have caused would come within the bound.
        thread::sleep(scene.rule().bound + Duration::from_secs(1));
        scene.assert_nobody_saw_a_cut(cut_at);
        say(&format!("by default: a cut of {span} s was seen by nobody"));
    }
    scene.cut_for_good(Cut::ClientEnd);
    scene.cut_and_resume(Duration::from_secs(60));
}
