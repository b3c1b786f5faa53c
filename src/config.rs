//! Every knob of the server: what it means, its unit, its default and why.
//!
//! Relations between knobs are checked once, by [`Config::check`]; the detection bound is computed
//! here, in [`Liveness::detection_bound`], and nowhere else.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use herenow_protocol::OperatorKey;
use herenow_protocol::limits::{DEFAULT_PORT, SIGN_IN_DEADLINE};

/// The most that the bound grants on top of the silence itself, for timers and the fan-out.
const SLACK_MAX: Duration = Duration::from_millis(500);

/// Between these all heartbeat intervals must be.
const HEARTBEATS: (Duration, Duration) =
    (Duration::from_millis(1), Duration::from_secs(30 * 24 * 60 * 60));

/// How the server behaves. `Config::default()` is right for a LAN and a laptop alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen. Default: loopback, so that nothing is exposed by accident.
    pub listen: SocketAddr,
    /// Allows a bind outside loopback although anybody may sign in. Default: false.
    pub insecure_open: bool,
    /// The heartbeat interval of a client that does not ask for one. Default: 2 s, so that a pulled
    /// cable is told within 10.5 s while a phone still sleeps between beats.
    pub heartbeat: Duration,
    /// The shortest interval that a client may ask for. Default: 100 ms, a game seat's hurry.
    pub heartbeat_min: Duration,
    /// The longest interval that a client may ask for. Default: 10 min, a phone's thrift.
    pub heartbeat_max: Duration,
    /// Heartbeats that may stay unheard. Default: 5.
    pub misses: u32,
    /// From accept to a complete Hello. Default: 5 s in all, however slowly the bytes trickle.
    pub sign_in_deadline: Duration,
    /// Changes are told at once while that takes little of the time, else at most once a tick. Default: 20 ms.
    pub tick: Duration,
    /// The longest tick. Under load it stretches so that writing takes at most half of the time, and every heartbeat's
    /// answer says so; a stretched tick may go beyond what the detection bound grants for it. Default: 2 s, which leaves
    /// 100 µs for each of 10,000 watchers.
    pub tick_max: Duration,
    /// What one session may have queued before its views are marked behind, in bytes. Default: 64 KiB.
    pub outbox_bytes_max: usize,
    /// How long a blocked socket may take no byte. Default: 30 s.
    pub write_stall: Duration,
    /// How long a session that lost its connection without a goodbye still counts, so that a blip is seen by nobody.
    /// Never longer than the announced bound. Default: 5 s.
    pub grace: Duration,
    /// How long a session that lost its connection can be resumed, and a name is kept for who has its key. Default: 60 s.
    pub resume_window: Duration,
    /// Rooms at a time, the lobby included. Default: 10,000.
    pub rooms_max: usize,
    /// Users of whom it is remembered when they were last seen. Default: 100,000.
    pub last_seen_max: usize,
    /// Connections accepted in a second, so that a storm of them leaves time for everyone else. Default: 5,000.
    pub accepts_per_second: u32,
    /// Who may ask why anybody is shown as they are. Default: nobody.
    pub operator: Option<OperatorKey>,
    /// The folder that keeps sessions and transitions across restarts. Default: none, nothing is kept on disk.
    pub state: Option<PathBuf>,
    /// How long transitions are kept there. Default: 30 days.
    pub log_keep: Duration,
    /// At a planned stop each client is told to come back at a time of its own in this range; see
    /// [`Self::slots`].
    /// Default: 0.5 to 5 s, so that a restarted server is not stormed.
    pub come_back: (Duration, Duration),
    /// From the order to stop to the end, at most. Default: 2.5 s.
    pub shutdown_deadline: Duration,
    /// Threads that serve connections. Default: one per processor, four at most.
    pub arbiters: usize,
}

/// A relation between knobs that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The bind would let anybody in from outside.
    #[error(
        "refusing to listen on {0}: anybody who reaches it could sign in under any name. \
         Listen on 127.0.0.1, or say --insecure-open if that is what you want"
    )]
    OpenToAll(SocketAddr),
    /// The interval is outside its limits.
    #[error("--heartbeat {got:?} is outside {min:?} to {max:?}")]
    Heartbeat {
        /// The interval asked for.
        got: Duration,
        /// The shortest allowed.
        min: Duration,
        /// The longest allowed.
        max: Duration,
    },
    /// Intervals are told and kept in milliseconds, of which 32 bits hold no more than that.
    #[error(
        "--heartbeat-min {0:?} and --heartbeat-max {1:?} must be between a millisecond and 30 days"
    )]
    HeartbeatLimits(Duration, Duration),
    /// Fewer than two misses leave no warning, more than 100 no answer.
    #[error("--misses {0} is outside 2 to 100")]
    Misses(u32),
    /// The shortest heartbeat's bound cannot be kept.
    #[error(
        "--tick {tick:?} is too long: with heartbeats of {heartbeat:?} everyone must be told \
         within {slack:?} of the decision, so a tick is at most {most:?}"
    )]
    TickTooLong {
        /// The tick asked for.
        tick: Duration,
        /// The shortest heartbeat.
        heartbeat: Duration,
        /// What its bound grants for timers and fan-out.
        slack: Duration,
        /// The longest tick that keeps it.
        most: Duration,
    },
    /// A tick cannot stretch to less than it is.
    #[error("--tick {0:?} is more than --tick-max {1:?}")]
    TickMax(Duration, Duration),
    /// At least one thread must serve, and more than 64 are a mistake.
    #[error("--threads {0} is outside 1 to 64")]
    Arbiters(usize),
    /// A span of no length would end every connection.
    #[error("{0} must be longer than nothing")]
    Nothing(&'static str),
    /// The range of times to come back is upside down.
    #[error("--come-back-min {0:?} is more than --come-back-max {1:?}")]
    ComeBack(Duration, Duration),
    /// Who still counts must also be resumable.
    #[error("--grace {0:?} is more than --resume-window {1:?}")]
    Grace(Duration, Duration),
    /// A server has a lobby, and numbers for its rooms.
    #[error("--rooms-max {0} is outside 1 to 1000000")]
    Rooms(usize),
    /// A server that accepts nobody is none.
    #[error("--accept-rate 0 would let nobody in")]
    AcceptRate,
    /// The outbox must hold a few frames.
    #[error("an outbox of {0} bytes cannot hold a page of the list: give it at least 32768")]
    Outbox(usize),
}

/// The rule by which one connection's silence is judged, the same at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// How often the client beats.
    pub interval: Duration,
    /// Heartbeats that may stay unheard.
    pub misses: u32,
}

impl Config {
    /// Checks the relations between knobs.
    ///
    /// # Errors
    /// The first relation that does not hold, in words for the operator.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !self.listen.ip().is_loopback() && !self.insecure_open {
            return Err(ConfigError::OpenToAll(self.listen));
        }
        let (min, max) = (self.heartbeat_min, self.heartbeat_max);
        if !(min..=max).contains(&self.heartbeat) {
            return Err(ConfigError::Heartbeat { got: self.heartbeat, min, max });
        }
        if min < HEARTBEATS.0 || max > HEARTBEATS.1 {
            return Err(ConfigError::HeartbeatLimits(min, max));
        }
        if !(2..=100).contains(&self.misses) {
            return Err(ConfigError::Misses(self.misses));
        }
        if !(1..=64).contains(&self.arbiters) {
            return Err(ConfigError::Arbiters(self.arbiters));
        }
        if self.outbox_bytes_max < 32_768 {
            return Err(ConfigError::Outbox(self.outbox_bytes_max));
        }
        if !(1..=1_000_000).contains(&self.rooms_max) {
            return Err(ConfigError::Rooms(self.rooms_max));
        }
        if self.accepts_per_second == 0 {
            return Err(ConfigError::AcceptRate);
        }
        self.check_spans()?;
        self.check_tick()
    }

    fn check_spans(&self) -> Result<(), ConfigError> {
        let spans =
            [("--sign-in-deadline", self.sign_in_deadline), ("--write-stall", self.write_stall)];
        if let Some((name, _)) = spans.into_iter().find(|(_, span)| span.is_zero()) {
            return Err(ConfigError::Nothing(name));
        }
        let (soonest, latest) = self.come_back;
        if soonest > latest {
            return Err(ConfigError::ComeBack(soonest, latest));
        }
        if self.grace > self.resume_window {
            return Err(ConfigError::Grace(self.grace, self.resume_window));
        }
        Ok(())
    }

    /// Half of the slack is the tick's at most; the other half is for late timers.
    fn check_tick(&self) -> Result<(), ConfigError> {
        let shortest = Liveness { interval: self.heartbeat_min, misses: self.misses };
        let most = shortest.slack() / 2;
        if self.tick > most {
            let (heartbeat, slack) = (self.heartbeat_min, shortest.slack());
            return Err(ConfigError::TickTooLong { tick: self.tick, heartbeat, slack, most });
        }
        if self.tick > self.tick_max {
            return Err(ConfigError::TickMax(self.tick, self.tick_max));
        }
        Ok(())
    }

    /// The rule for a client that asks for `wanted`, brought within the limits.
    #[must_use]
    pub fn liveness(&self, wanted: Option<Duration>) -> Liveness {
        let interval = wanted.unwrap_or(self.heartbeat);
        let interval = interval.clamp(self.heartbeat_min, self.heartbeat_max);
        let (heartbeat_ms, misses) = Liveness { interval, misses: self.misses }.numbers();
        Liveness::of(heartbeat_ms, misses)
    }

    /// From when to when clients are asked to come back after a planned stop. A server that keeps its sessions shows them
    /// after its restart only for as long as silence is allowed, so by then everyone must be back, with time to spare.
    #[must_use]
    pub fn slots(&self) -> (Duration, Duration) {
        let (soonest, latest) = self.come_back;
        let shown = self.liveness(None).silence_max();
        let latest = if self.state.is_some() { latest.min(shown * 3 / 4) } else { latest };
        (soonest.min(latest), latest)
    }

    /// After how long the kernel may give up on unacknowledged bytes. A backup only, so it is later
    /// than every decision of ours.
    #[must_use]
    pub fn user_timeout(&self, liveness: Liveness) -> Duration {
        (liveness.detection_bound() * 2).max(self.write_stall * 2)
    }
}

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
            insecure_open: false,
            heartbeat: Duration::from_secs(2),
            heartbeat_min: Duration::from_millis(100),
            heartbeat_max: Duration::from_secs(600),
            misses: 5,
            sign_in_deadline: SIGN_IN_DEADLINE,
            tick: Duration::from_millis(20),
            tick_max: Duration::from_secs(2),
            outbox_bytes_max: 64 * 1024,
            write_stall: Duration::from_secs(30),
            grace: Duration::from_secs(5),
            resume_window: Duration::from_secs(60),
            rooms_max: 10_000,
            last_seen_max: 100_000,
            accepts_per_second: 5_000,
            operator: None,
            state: None,
            log_keep: Duration::from_secs(30 * 24 * 60 * 60),
            come_back: (Duration::from_millis(500), Duration::from_secs(5)),
            shutdown_deadline: Duration::from_millis(2_500),
            arbiters: cores.min(4),
        }
    }
}

impl Liveness {
    /// As two small numbers, the interval in milliseconds: there are many sessions that keep a rule.
    #[must_use]
    pub fn numbers(self) -> (u32, u8) {
        let ms = u32::try_from(self.interval.as_millis()).unwrap_or(u32::MAX);
        (ms, u8::try_from(self.misses).unwrap_or(u8::MAX))
    }

    /// The rule with these numbers.
    #[must_use]
    pub fn of(heartbeat_ms: u32, misses: u8) -> Self {
        Self { interval: Duration::from_millis(heartbeat_ms.into()), misses: misses.into() }
    }

    /// How long nothing may be heard before the session is over.
    #[must_use]
    pub fn silence_max(self) -> Duration {
        self.interval * self.misses
    }

    /// From the last sign of life until every watcher is told, at most: the silence, plus one
    /// interval or half a second, whichever is less, for timers and the fan-out.
    #[must_use]
    pub fn detection_bound(self) -> Duration {
        self.silence_max() + self.slack()
    }

    /// A timer later than this was not waiting for the peer: this process itself was stalled.
    #[must_use]
    pub fn stall(self) -> Duration {
        self.interval * 2
    }

    fn slack(self) -> Duration {
        self.interval.min(SLACK_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_documented_bounds_are_the_computed_ones() {
        for (interval, bound) in [(2_000, 10_500), (1_000, 5_500), (100, 600), (600_000, 3_000_500)]
        {
            let liveness = Liveness { interval: ms(interval), misses: 5 };
            assert_eq!(liveness.detection_bound(), ms(bound));
        }
    }

    #[test]
    fn a_wish_is_brought_within_the_limits() {
        let config = Config::default();
        assert_eq!(config.liveness(None).interval, ms(2_000));
        assert_eq!(config.liveness(Some(ms(250))).interval, ms(250));
        assert_eq!(config.liveness(Some(ms(1))).interval, ms(100));
        assert_eq!(config.liveness(Some(Duration::MAX)).interval, ms(600_000));
    }

    #[test]
    fn a_configuration_that_cannot_keep_its_bound_is_refused() {
        assert_eq!(Config::default().check(), Ok(()));
        let slow = Config { tick: ms(51), ..Config::default() };
        assert!(
            matches!(slow.check(), Err(ConfigError::TickTooLong { most, .. }) if most == ms(50))
        );
        let relaxed = Config { heartbeat_min: ms(1_000), ..slow };
        assert_eq!(relaxed.check(), Ok(()), "half a second of slack holds a tick of 51 ms");
    }

    #[test]
    fn slots_to_come_back_end_before_people_would_be_reported_gone() {
        let kept = Config { state: Some(PathBuf::from("s")), ..Config::default() };
        assert_eq!(kept.slots(), (ms(500), ms(5_000)));
        let hurried = Config { heartbeat: ms(1_000), ..kept };
        assert_eq!(hurried.slots(), (ms(500), ms(3_750)));
        let forgetful = Config { state: None, ..hurried };
        assert_eq!(forgetful.slots(), (ms(500), ms(5_000)), "nobody is shown after a restart");
    }

    #[test]
    fn mistakes_are_named() {
        let base = Config::default;
        let public = SocketAddr::from(([0, 0, 0, 0], 4373));
        let refused = [
            (Config { listen: public, ..base() }, ConfigError::OpenToAll(public)),
            (Config { misses: 1, ..base() }, ConfigError::Misses(1)),
            (Config { arbiters: 0, ..base() }, ConfigError::Arbiters(0)),
            (Config { outbox_bytes_max: 100, ..base() }, ConfigError::Outbox(100)),
            (Config { write_stall: ms(0), ..base() }, ConfigError::Nothing("--write-stall")),
            (Config { come_back: (ms(2), ms(1)), ..base() }, ConfigError::ComeBack(ms(2), ms(1))),
            (Config { tick_max: ms(19), ..base() }, ConfigError::TickMax(ms(20), ms(19))),
            (Config { rooms_max: 0, ..base() }, ConfigError::Rooms(0)),
            (Config { accepts_per_second: 0, ..base() }, ConfigError::AcceptRate),
            (
                Config { grace: ms(2), resume_window: ms(1), ..base() },
                ConfigError::Grace(ms(2), ms(1)),
            ),
        ];
        for (config, error) in refused {
            assert_eq!(config.check(), Err(error));
        }
        let (least, most) = (Duration::from_micros(999), Duration::from_secs(31 * 24 * 60 * 60));
        for limits in [(least, ms(600_000)), (ms(100), most)] {
            let (heartbeat_min, heartbeat_max) = limits;
            let odd = Config { heartbeat_min, heartbeat_max, ..base() };
            assert_eq!(odd.check(), Err(ConfigError::HeartbeatLimits(limits.0, limits.1)));
        }
        let broken = Config { heartbeat: Duration::from_micros(2_000_900), ..base() };
        assert_eq!(broken.liveness(None).interval, ms(2_000), "in whole milliseconds");
        let fast = Config { heartbeat: ms(1), ..base() };
        assert!(matches!(fast.check(), Err(ConfigError::Heartbeat { .. })));
        assert_eq!(Config { listen: public, insecure_open: true, ..base() }.check(), Ok(()));
        assert_eq!(Config { grace: ms(0), resume_window: ms(0), ..base() }.check(), Ok(()));
    }
}
