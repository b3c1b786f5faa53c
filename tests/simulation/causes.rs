//! Every end has its cause: whatever ends a connection or a session, what is written down about it says so.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use herenow::config::Config;
use herenow_client::protocol::{
    CloseReason, SessionId, Status, Transition, TransitionKind, Violation,
};

use crate::world::cable::Parcel;
use crate::world::{Cut, DELIVERY_MAX, UNIX_MS, Who, World};
use crate::{SECOND, for_each_seed};

/// Clients in one life, each of which meets one fault.
const CLIENTS: u64 = 44;

/// What is done to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Goodbye,
    Closed,
    Reset,
    CableCut,
    HalfCut,
    Frozen,
    SameDevice,
    Garbage,
    Chokes,
    NameTaken,
    /// The last of all: the whole server ends.
    ServerEnds,
}

const FAULTS: [Fault; 11] = [
    Fault::Goodbye,
    Fault::Closed,
    Fault::Reset,
    Fault::CableCut,
    Fault::HalfCut,
    Fault::Frozen,
    Fault::SameDevice,
    Fault::Garbage,
    Fault::Chokes,
    Fault::NameTaken,
    Fault::ServerEnds,
];

/// A fault, when it was injected, and what must be written down.
struct Injected {
    fault: Fault,
    session: SessionId,
    at_ms: u64,
    cause: CloseReason,
}

fn inject(world: &mut World, who: Who, n: u64, fault: Fault) -> CloseReason {
    match fault {
        Fault::Goodbye => {
            world.goodbye(who);
            CloseReason::Goodbye
        }
        Fault::Closed => {
            world.kill(who, Parcel::End);
            CloseReason::ConnectionClosed
        }
        Fault::Reset => {
            world.kill(who, Parcel::Reset);
            CloseReason::ConnectionReset
        }
        Fault::CableCut => {
            world.cut(who, Cut::BOTH);
            CloseReason::HeartbeatTimeout
        }
        Fault::HalfCut => {
            world.cut(who, Cut { up: n.is_multiple_of(2), down: n % 2 == 1 });
            CloseReason::HeartbeatTimeout
        }
        Fault::Frozen => {
            world.freeze(who, true);
            CloseReason::HeartbeatTimeout
        }
        Fault::SameDevice => {
            world.join_as(&format!("user {n}"), &format!("device-{n}"), |_| {});
            CloseReason::Replaced
        }
        Fault::Garbage => {
            let (bytes, violation): (&[u8], _) = match n % 3 {
                0 => (&[0, 0], Violation::EmptyFrame),
                1 => (&[0, 1, 0xc1], Violation::NotMessagePack),
                _ => (&[0xff, 0xff], Violation::FrameTooLong),
            };
            world.inject(who, bytes);
            CloseReason::ProtocolError(violation)
        }
        Fault::Chokes => {
            world.choke(who);
            CloseReason::SlowConsumer
        }
        Fault::NameTaken => {
            world.show(who, Status::Invisible, "");
            CloseReason::NameInUse
        }
        Fault::ServerEnds => unreachable!("it ends for all at once"),
    }
}

/// One life in which everyone meets a fault. Returns what was injected and found.
fn life(seed: u64) -> BTreeMap<Fault, usize> {
    let config =
        Config { write_stall: SECOND * 3, resume_window: SECOND * 12, ..Config::default() };
    let mut world = World::with_state(seed, config, false);
    let all: Vec<_> = (0..CLIENTS)
        .map(|n| {
            world.join_as(&format!("user {n}"), &format!("device-{n}"), |options| {
                options.views.clear();
            })
        })
        .collect();
    world.advance(SECOND);
    let (mut injected, mut last) = (Vec::new(), Vec::new());
    for (n, who) in (0..CLIENTS).zip(all) {
        let pause = world.dice(200);
        world.advance(Duration::from_millis(pause));
        let session = world.watcher(who).sign_ins.last().expect("it signed in").0;
        let fault = FAULTS[usize::try_from(n).expect("few") % FAULTS.len()];
        if fault == Fault::ServerEnds {
            last.push((who, session));
            continue;
        }
        let at_ms = world.moment().unix_ms;
        let cause = inject(&mut world, who, n, fault);
        if fault == Fault::NameTaken {
            // Somebody else takes it once others have seen it go.
            world.advance(DELIVERY_MAX * 2);
            world.join_as(&format!("user {n}"), &format!("thief-{n}"), |_| {});
        }
        injected.push(Injected { fault, session, at_ms, cause });
    }
    world.advance(SECOND * 12);
    let (at_ms, crashes) = (world.moment().unix_ms, seed.is_multiple_of(2));
    for (who, session) in last {
        world.freeze(who, true);
        let cause = match crashes {
            true => CloseReason::ServerCrash,
            false => CloseReason::ServerShutdown,
        };
        injected.push(Injected { fault: Fault::ServerEnds, session, at_ms, cause });
    }
    match crashes {
        true => world.kill_server(),
        false => world.stop_server(),
    }
    world.advance(SECOND);
    world.start_server();
    world.advance(SECOND * 30);
    injected.iter().for_each(|fault| assert_written_down(&world, seed, fault));
    let mut counts = BTreeMap::new();
    injected.iter().for_each(|injected| *counts.entry(injected.fault).or_default() += 1);
    counts
}

/// The first end that is written down after the fault has its cause, and happened when it says.
fn assert_written_down(world: &World, seed: u64, injected: &Injected) {
    let Injected { fault, session, at_ms, cause } = *injected;
    let of_session = |transition: &&Transition| transition.session == Some(session);
    let ends = |transition: &&Transition| {
        matches!(transition.kind, TransitionKind::Lost | TransitionKind::Closed)
    };
    let log = world.journal().log.iter().map(|logged| &logged.transition);
    let ends: Vec<_> = log.filter(of_session).filter(ends).collect();
    let first = ends.first().unwrap_or_else(|| panic!("seed {seed}: {fault:?} left no trace"));
    assert_eq!(first.cause, Some(cause), "seed {seed}: {fault:?}: {ends:?}");
    let slack = u64::try_from(DELIVERY_MAX.as_millis()).expect("short") + 2;
    let truth = match fault {
        // The client still reaches the server: what ends it is decided later, by itself or by the server.
        Fault::HalfCut | Fault::Chokes => return,
        // Others take the name somewhat later.
        Fault::NameTaken => at_ms + 60,
        // Known to be alive once a second.
        Fault::ServerEnds if cause == CloseReason::ServerCrash => at_ms + 1,
        _ => at_ms,
    };
    let since_start = |ms: u64| ms.saturating_sub(UNIX_MS);
    assert!(
        first.not_before_ms <= truth + slack && truth <= first.at_ms + slack,
        "seed {seed}: {fault:?} at {} is not between {} and {}",
        since_start(at_ms),
        since_start(first.not_before_ms),
        since_start(first.at_ms),
    );
    // What closes it in the end has the cause of its loss.
    let closed = ends.iter().filter(|end| end.kind == TransitionKind::Closed);
    for end in closed {
        assert_eq!(end.cause, Some(cause), "seed {seed}: {fault:?}: {ends:?}");
    }
}

#[test]
fn every_injected_fault_is_written_down_with_its_cause() {
    let counts = Mutex::new(BTreeMap::<Fault, usize>::new());
    for_each_seed(10_000 / CLIENTS + 1, |seed| {
        for (fault, count) in life(seed) {
            *counts.lock().expect("nobody panicked").entry(fault).or_default() += count;
        }
    });
    let counts = counts.into_inner().expect("nobody panicked");
    println!("{} faults: {counts:?}", counts.values().sum::<usize>());
    assert_eq!(counts.len(), FAULTS.len());
}
