//! A storm of joins over real sockets, in front of watchers who read and watchers who do not.

#[allow(dead_code, reason = "each test binary uses a part of the shared helpers")]
mod support;

use herenow_protocol::{Choice, ClientMessage, ServerMessage, Status, StatusText};
use support::PATIENCE;
use support::peer::{Herd, Herded, ScriptedPeer};
use support::server::TestServer;

/// Who reads everything, and proves it.
const WATCHERS: usize = 40;

/// Who does not read while the storm lasts.
const SLEEPERS: usize = 4;

/// Who comes in the storm.
const JOINS: usize = 300;

fn says(text: &str) -> ClientMessage {
    let text = StatusText::new(text).expect("a test text is valid");
    let choice = Choice::chosen(Status::Busy, text);
    ClientMessage::SetStatus { request: 1, choice }
}

/// Takes the peers back, none of whom has lost the connection.
fn all_alive(herd: Herd) -> Vec<ScriptedPeer> {
    let alive = |Herded { peer, end }| {
        assert!(end.is_none(), "{end:?}");
        peer
    };
    herd.release().into_iter().map(alive).collect()
}

/// The delay that the next ack tells.
fn delay_ms(peer: &mut ScriptedPeer) -> u64 {
    peer.beat();
    peer.expect("an ack", PATIENCE, |message| match message {
        ServerMessage::HeartbeatAck { delay_ms, .. } => Some(*delay_ms),
        _ => None,
    })
}

#[test]
fn a_storm_of_joins_ends_in_exact_views_for_those_who_slept_too() {
    let server = TestServer::start(&[]);
    let watching = |kind: &str, count: usize| -> Vec<_> {
        let names = (0..count).map(|n| format!("{kind} {n}"));
        names.map(|name| ScriptedPeer::watching(server.address, &name)).collect()
    };
    let mut sleepers = watching("sleeper", SLEEPERS);
    let watchers = Herd::of(watching("watcher", WATCHERS));
    let mut joiners = Vec::new();
    for n in 0..JOINS {
        let mut joiner = ScriptedPeer::signed_in(server.address, &format!("joiner {n}"));
        joiner.send(&says(&format!("{n} {}", "and so on ".repeat(12))));
        joiners.push(joiner);
        // Sleepers do not read, but they live.
        if n % 50 == 0 {
            for sleeper in &mut sleepers {
                sleeper.beat();
            }
        }
    }
    let joiners = Herd::of(joiners);
    let everybody = WATCHERS + SLEEPERS + JOINS;
    for mut peer in all_alive(watchers).into_iter().chain(sleepers) {
        // Whatever a peer reads it proves; a list of the right length may still lack the last text.
        let is_whole = |peer: &ScriptedPeer| {
            let talks = |n: usize| {
                peer.list.presence(&format!("joiner {n}")).is_some_and(|p| !p.text.is_empty())
            };
            peer.list.names().len() == everybody && (0..JOINS).all(talks)
        };
        peer.read_until("everybody and their words", PATIENCE, is_whole);
        assert!(delay_ms(&mut peer) >= 30, "a tick of 20 ms and half of one");
    }
    assert_eq!(all_alive(joiners).len(), JOINS);
}
