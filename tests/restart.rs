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

use std::time::{Duration, Instant};

use herenow::journal::Logged;
use herenow_client::Disconnect;
use herenow_client::protocol::{CloseReason, TransitionKind};
use nix::sys::signal::Signal;
use outage::crowd::{Home, Member, one_at_a_time, quiet, varied};
use outage::diary::Greeted;
use outage::disk::with_disk;
use outage::folder::Folder;
use outage::pace::{accepted, assert_even, limit, most_at_once};
use outage::place::{Place, stop};
use outage::scene::Scene;
use outage::server::TestServer;
use outage::{PATIENCE, allow_sockets, now, say};

/// How many watch the lobby.
const WATCHERS: usize = 10;

/// How long there is no server.
const OUTAGE: Duration = Duration::from_secs(2);

/// `EX_OSERR` of `sysexits.h`.
const EXIT_OS: i32 = 71;

/// Threads of the server, whatever the machine has.
const THREADS: usize = 2;

fn sessions() -> usize {
    let wanted = std::env::var("HERENOW_SESSIONS").ok();
    wanted.map_or(2_000, |wanted| wanted.parse().expect("HERENOW_SESSIONS is a number"))
}

/// A crowd of the wanted size, and how many connections a second its server accepts: so few that letting everyone in
/// takes less than half of the time for which they are shown.
fn crowd(arguments: &[&str]) -> (Scene, usize) {
    let count = sessions();
    allow_sockets(count);
    let rate = count / 4;
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
    scene.assert_resumed(|_| true);
    scene.assert_seen_as_expected();
}

fn assert_no_storm(scene: &Scene, rate: usize) {
    let accepts = accepted(&scene.server.log());
    let (most, limit) = (most_at_once(&accepts), limit(rate, THREADS));
    say(&format!("sign-ins in 100 ms: {most} at most, {limit} allowed by {rate} a second"));
    assert!(accepts.len() >= scene.members.len(), "{} accepts are logged", accepts.len());
    assert!(most <= limit, "{most} at once, {limit} are allowed");
}

/// Everyone was told a time of their own, and came no sooner. `range` is the server's, `told_at` when it was stopped.
fn assert_own_slots(scene: &Scene, range: (Duration, Duration), told_at: Instant) {
    let mut slots = Vec::new();
    for member in &scene.members {
        let diary = member.diary.open();
        let (ended_at, reason, retry_in) = diary.ends[0].clone();
        let Disconnect::Goodbye { reason: CloseReason::ServerShutdown, .. } = reason else {
            panic!("{} was told {reason:?}", member.name)
        };
        let slot = retry_in.expect("a stopped server invites everyone back");
        let came_at = diary.tries.iter().find(|at| **at > ended_at).expect("everyone came back");
        assert!(*came_at >= told_at + slot, "{} came before the time", member.name);
        slots.push(slot);
    }
    assert_even(&mut slots, range);
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

#[test]
fn a_crowd_comes_back_in_its_slots_unseen_when_the_server_is_stopped_and_started() {
    let _alone = one_at_a_time();
    // The slots are further apart than the server accepts, and end before anybody is given up.
    let range = (Duration::from_secs(1), Duration::from_secs(7));
    let (mut scene, rate) = crowd(&["--come-back-min", "1s", "--come-back-max", "7s"]);
    scene.expect_no_change_but(&[]);
    let stopped_at = now();
    scene.server.signal(Signal::SIGTERM);
    assert_eq!(scene.server.wait_for_end(PATIENCE).code(), Some(0));
    scene.server = scene.place.serve();
    let returns = scene.wait_for_return(|_| true);
    assert_a_smooth_return(&scene, &returns);
    assert_own_slots(&scene, range, stopped_at);
    assert_no_storm(&scene, rate);
}

#[test]
fn who_dies_during_an_outage_is_reported_in_time_and_everyone_else_stays() {
    let place = Place::new(&["--heartbeat", "1s"]);
    let mut scene = Scene::gather(place, 40, 3);
    let is_dead = |member: &Member| ["user 3", "user 20", "user 39"].contains(&&*member.name);
    let dead: Vec<_> = scene.members.iter().filter(|member| is_dead(member)).collect();
    scene.expect_no_change_but(&dead);
    scene.server.kill();
    dead.iter().for_each(|member| member.die());
    std::thread::sleep(OUTAGE);
    scene.server = scene.place.serve();
    // The outage ends here; what the server hears from now on is what it goes by.
    let up_at = now();
    let returns = scene.wait_for_return(|member| !is_dead(member));
    let bound = returns[0].bound;
    scene.wait_for_proof_after(up_at + bound);
    scene.assert_resumed(|member| !is_dead(member));
    for watcher in scene.watchers() {
        let leaves = &watcher.diary.open().sight.leaves;
        assert_eq!(leaves.len(), dead.len(), "{leaves:?}");
        for (at, name, cause) in leaves {
            assert_eq!(*cause, CloseReason::ServerCrash, "{name}");
            assert!(*at <= up_at + bound, "{name} was reported {:?} late", *at - up_at - bound);
        }
    }
}

#[test]
fn since_when_somebody_is_here_survives_a_new_program_and_a_new_server() {
    let mut scene = Scene::gather(Place::new(&[]), 3, 2);
    let options = varied(quiet(scene.place.address, "user 3"), 3);
    let home = Home::new();
    for _ in 0..2 {
        let program = home.settle(options.clone());
        scene.wait_until("the program to be in", |_| program.is_in());
        // The next one takes over from the same device, and nobody hears of it.
        scene.members.insert(3, program);
        scene.members.truncate(4);
    }
    scene.wait_until("it to be seen", |scene| {
        let seen = |watcher: &Member| watcher.diary.open().sight.entries.len() == 4;
        scene.watchers().iter().all(seen)
    });
    scene.expect_no_change_but(&[]);
    scene.server.kill();
    scene.server = scene.place.serve();
    let last = scene.wait_for_return(|_| true).iter().map(|greeted| greeted.at).max();
    scene.wait_for_proof_after(last.expect("they all came back"));
    scene.assert_resumed(|_| true);
    scene.assert_seen_as_expected();
}

/// How a server may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndOf {
    Kill,
    Stop,
}

impl EndOf {
    fn befall(self, server: &mut TestServer) {
        match self {
            Self::Kill => server.kill(),
            Self::Stop => assert_eq!(stop(server).code(), Some(0)),
        }
    }
}

/// What the log says of a session's end, and of its user's.
fn ends_in_log(place: &Place, member: &Member) -> Vec<(TransitionKind, Option<CloseReason>)> {
    let ours = |logged: &Logged| logged.name.as_str() == member.name;
    let ends = |kind| matches!(kind, TransitionKind::Closed | TransitionKind::Offline);
    let log = place.log().into_iter().map(|(_, logged)| logged).filter(ours);
    let ended = log.filter(|logged| ends(logged.transition.kind));
    let mut ends: Vec<_> =
        ended.map(|Logged { transition, .. }| (transition.kind, transition.cause)).collect();
    ends.sort_by_key(|(kind, _)| kind.name());
    ends
}

#[test]
fn a_restart_after_the_resume_window_shows_nobody_and_closes_every_orphan() {
    for (end, cause) in
        [(EndOf::Kill, CloseReason::ServerCrash), (EndOf::Stop, CloseReason::ServerShutdown)]
    {
        let window = ["--resume-window", "1500ms", "--grace", "500ms", "--heartbeat", "1s"];
        let mut scene = Scene::gather(Place::new(&window), 6, 2);
        end.befall(&mut scene.server);
        // One goes on trying, the others do not.
        let (faithful, orphans) = scene.members.split_first().expect("there is a crowd");
        orphans.iter().for_each(Member::die);
        std::thread::sleep(OUTAGE);
        scene.server = scene.place.serve();

        let returned = scene.wait_for_return(|member| member.name == faithful.name)[0];
        let first = faithful.diary.open().welcomes[0];
        assert!(!returned.resumed && returned.session != first.session, "{end:?}: {returned:?}");
        scene.wait_until("the list of the new server", |_| {
            faithful.diary.open().sight.proved_at.is_some_and(|at| at > returned.at)
        });
        let sight = faithful.diary.open().sight.people();
        assert_eq!(sight.keys().collect::<Vec<_>>(), [&faithful.name], "{end:?}");
        for member in &scene.members {
            let ends = ends_in_log(&scene.place, member);
            let expected = [TransitionKind::Closed, TransitionKind::Offline];
            assert_eq!(ends, expected.map(|kind| (kind, Some(cause))), "{end:?} {}", member.name);
        }
    }
}

/// Starts a server that must refuse, with one line of explanation and no greeting. Returns the line.
fn refused(place: &Place) -> String {
    let output = place.run(&place.serve_arguments());
    let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(EXIT_OS), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "one line, please: {stderr}");
    let greeting = String::from_utf8_lossy(&output.stdout);
    assert_eq!(greeting, "", "it greets although it refuses: {stderr}");
    stderr
}

#[test]
fn a_second_server_with_the_same_data_is_refused_and_the_first_goes_on() {
    let scene = Scene::gather(Place::new(&["--heartbeat", "500ms"]), 2, 2);
    let second = Place::new(&[]).keeping(scene.place.state.clone());
    let line = refused(&second);
    let folder = scene.place.state.display().to_string();
    for words in [&*format!("process {}", scene.server.pid()), &folder, "one server at a time"] {
        assert!(line.contains(words), "{words} is missing: {line}");
    }
    scene.wait_for_proof_after(now());
    assert!(scene.members.iter().all(|member| member.diary.open().ends.is_empty()));
}

#[test]
fn a_server_that_cannot_write_its_data_is_refused() {
    let folder = Folder::new();
    std::fs::write(folder.join("file"), "not a folder").expect("a new folder can be written");
    // Root may write everywhere but there.
    let nowhere = ["/proc/herenow".into(), folder.join("file"), folder.join("file/below")];
    for path in nowhere {
        let line = refused(&Place::new(&[]).keeping(path.clone()));
        for words in [&*path.display().to_string(), "data directory", "Name another"] {
            assert!(line.contains(words), "{words} is missing: {line}");
        }
    }
}

#[test]
fn a_server_on_a_disk_that_cannot_be_written_is_refused() {
    with_disk(1_000_000, |disk| {
        let place = Place::new(&[]).keeping(disk.join("state"));
        assert_eq!(stop(&mut place.serve()).code(), Some(0));
        disk.make_read_only();
        let line = refused(&place);
        assert!(line.contains("data directory") && line.contains("Read-only"), "{line}");
    });
}

#[test]
fn a_server_does_not_touch_what_is_not_its_own() {
    let place = Place::new(&[]);
    std::fs::create_dir(&place.state).expect("the place is new");
    let database = place.state.join("herenow.db");
    let foreign = "no database, but dear to somebody ".repeat(100);
    std::fs::write(&database, &foreign).expect("a new folder can be written");
    let line = refused(&place);
    assert!(line.contains("herenow.db is not a database of herenow"), "{line}");
    assert_eq!(std::fs::read_to_string(&database).expect("it is still there"), foreign);
}
