//! A server that is killed or stopped and comes back: nobody is seen leaving, everyone goes on with their session, and
//! whoever did not survive the outage is reported in time.
//!
//! The crowd has 2,000 sessions, so that the test fits a busy machine of two processors. The soak has 10,000:
//!
//! ```text
//! HERENOW_SESSIONS=10000 cargo test --release --test restart -- --test-threads=1 --nocapture crowd
//! ```
//!
//! Server and clients are two processes with a socket for each session, so `ulimit -Hn` must be a little more than that.

#[allow(dead_code, reason = "each test binary uses a part of the shared helpers")]
mod outage;

use std::time::Duration;

use outage::crowd::one_at_a_time;
use outage::diary::Greeted;
use outage::pace::{accepted, limit, most_at_once};
use outage::place::Place;
use outage::scene::Scene;
use outage::{allow_sockets, now, say};

/// How many watch the lobby.
const WATCHERS: usize = 10;

/// How long there is no server.
const OUTAGE: Duration = Duration::from_secs(2);

/// Threads of the server, whatever the machine has.
const THREADS: usize = 2;

fn sessions() -> usize {
    let wanted = std::env::var("HERENOW_SESSIONS").ok();
    wanted.map_or(2_000, |wanted| wanted.parse().expect("HERENOW_SESSIONS is a number"))
}

/// A crowd of the wanted size, and how many connections a second its server accepts: so few that letting everyone in
/// takes half of the time for which they are shown.
fn crowd(arguments: &[&str]) -> (Scene, usize) {
    let count = sessions();
    allow_sockets(count);
    let rate = count / 5;
    let (rate_text, threads) = (rate.to_string(), THREADS.to_string());
    let mut all = vec!["--accept-rate", &rate_text, "--threads", &threads];
    all.extend(arguments);
    let start = now();
    let scene = Scene::gather(Place::new(&all), count, WATCHERS);
    say(&format!("{count} sessions were in and seen after {:.1?}", start.elapsed()));
    (scene, rate)
}

/// After everyone came back: nobody saw anybody go, not even after the time for which the restarted server shows people
/// who are not there.
fn assert_a_smooth_return(scene: &Scene, returns: &[Greeted]) {
    let last = returns.iter().map(|greeted| greeted.at).max().expect("there is a crowd");
    let took = last - scene.server.started_at;
    let bound = returns[0].bound;
    say(&format!("everyone is back {took:.1?} after the start; people are shown for {bound:.1?}"));
    scene.wait_for_proof_after(last.max(scene.server.started_at + bound));
    scene.assert_all_resumed();
    scene.assert_nobody_noticed();
}

fn assert_no_storm(scene: &Scene, rate: usize) {
    let accepts = accepted(&scene.server.log());
    let (most, limit) = (most_at_once(&accepts), limit(rate, THREADS));
    say(&format!("sign-ins in 100 ms: {most} at most, {limit} allowed by {rate} a second"));
    assert!(accepts.len() >= scene.members.len(), "{} accepts are logged", accepts.len());
    assert!(most <= limit, "{most} at once, {limit} are allowed");
}

#[test]
fn nobody_in_a_crowd_is_seen_leaving_when_the_server_is_killed_and_comes_back() {
    let _alone = one_at_a_time();
    let (mut scene, rate) = crowd(&[]);
    scene.expect_no_change_but(&[]);
    scene.server.kill();
    std::thread::sleep(OUTAGE);
    scene.server = scene.place.serve();
    let returns = scene.wait_for_return(|_| true);
    assert_a_smooth_return(&scene, &returns);
    assert_no_storm(&scene, rate);
}
