//! Every knob of the server: what it means, its unit, its default and why.
//!
//! The table below is the one source of them all: the fields of [`Config`], their defaults, the keys of the
//! configuration file, the environment variables, the flags of `herenow serve`, and what `herenow print-config` says of
//! each. Relations between knobs are checked once, by [`Config::check`]; the detection bound is computed here, in
//! [`Liveness::detection_bound`], and nowhere else.
//!
//! [`sources`] reads file, environment and flags, [`document`] writes what was read, [`reload`] says what a running server
//! takes over.

pub mod document;
pub mod knob;
pub mod reload;
pub mod sources;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use herenow_protocol::OperatorKey;
use herenow_protocol::limits::{DEFAULT_PORT, SIGN_IN_DEADLINE};

use crate::auth::rights::{Rights, Rooms};
use crate::limits::admission::Quota;
use crate::limits::meter::Rates;
use knob::configuration;

#[cfg(test)]
mod tests;

/// The most that the bound grants on top of the silence itself, for timers and the fan-out.
const SLACK_MAX: Duration = Duration::from_millis(500);

/// Between these all heartbeat intervals must be.
const HEARTBEATS: (Duration, Duration) =
    (Duration::from_millis(1), Duration::from_secs(30 * 24 * 60 * 60));

// Each knob: what it means in one sentence, then why its default is what it is; the field, its type and its default; the
// key in the section of the file, the flag, and whether a running server takes a new value over.
configuration! {
    [server]
    /// Address and port to listen on; port 0 takes a free one.
    /// Loopback, so that nothing is exposed by accident.
    listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)), "listen", "listen", AfterRestart;
    /// Listen outside this computer although anybody may sign in under any free name.
    insecure_open: bool = false, "insecure_open", "insecure-open", AfterRestart;
    /// Listen outside this computer in plain text although people prove with secrets who they are.
    insecure_plaintext: bool = false, "insecure_plaintext", "insecure-plaintext", AfterRestart;
    /// Threads that serve connections, 1 to 64.
    /// One per processor, four at most.
    arbiters: usize = processors().min(4), "threads", "threads", AfterRestart;
    /// Keep sessions and the log of transitions in this folder, so that a restart is seen by nobody.
    /// Empty: nothing is kept on disk.
    state: Option<PathBuf> = None, "state", "state", AfterRestart;
    /// How long transitions are kept in the log.
    log_keep: Duration = Duration::from_secs(30 * 24 * 60 * 60), "log_keep", "log-keep", AfterRestart;
    /// At a stop: the soonest that a client is asked to come back.
    come_back_min: Duration = Duration::from_millis(500), "come_back_min", "come-back-min", AtOnce;
    /// At a stop: the latest that a client is asked to come back; with a state folder before it would be reported gone.
    /// Each client gets a time of its own, so that a restarted server is not stormed.
    come_back_max: Duration = Duration::from_secs(5), "come_back_max", "come-back-max", AtOnce;
    /// At a stop: how long slow readers are waited for.
    shutdown_deadline: Duration = Duration::from_millis(2_500), "shutdown_deadline", "shutdown-deadline", AtOnce;

    [tls]
    /// Address and port to speak TLS on, beside the plain one.
    /// Empty: nowhere. The usual port is 4374.
    tls_listen: Option<SocketAddr> = None, "listen", "tls-listen", AfterRestart;
    /// The server's certificate and those that lead to its authority, as a PEM file.
    /// It is read again at SIGHUP and soon after it has changed.
    tls_certificate: Option<PathBuf> = None, "certificate", "tls-certificate", AfterRestart;
    /// The certificate's private key, as a PEM file.
    /// It is read again with the certificate.
    tls_key: Option<PathBuf> = None, "key", "tls-key", AfterRestart;

    [auth]
    /// What lets somebody in: "open" for nothing, "secret" for one that everybody has, "users" for a name and its password, "jwt" for a token.
    auth_mode: AuthMode = AuthMode::Open, "mode", "auth", AfterRestart;
    /// The file with the shared secrets, one a line.
    /// Each of them lets people in, so that a new one can be spread before the old one goes. Read again when it changes.
    auth_secret_file: Option<PathBuf> = None, "secret_file", "auth-secret-file", AfterRestart;
    /// The file with users and the hashes of their passwords, as `herenow hash-password` prints them.
    /// Read again when it changes.
    auth_users_file: Option<PathBuf> = None, "users_file", "auth-users-file", AfterRestart;
    /// The keys of tokens: the path or https:// URL of a JSON Web Key Set; with HS256 and its like the path of the shared key.
    /// A file is read again when it changes, a URL every ten minutes and for a key that is not known, at most once a minute.
    auth_keys: String = String::new(), "keys", "auth-keys", AfterRestart;
    /// The algorithms of tokens that are taken, with commas between them.
    /// Whatever a token says of itself, no other counts.
    auth_algorithms: String = "EdDSA,ES256".to_owned(), "algorithms", "auth-algorithms", AfterRestart;
    /// For whom a token must be: its claim aud.
    auth_audience: String = "herenow".to_owned(), "audience", "auth-audience", AfterRestart;
    /// By whom a token must be, its claim iss; empty for anybody who has one of the keys.
    auth_issuer: String = String::new(), "issuer", "auth-issuer", AfterRestart;
    /// The rooms that may be watched and joined, with commas between them; a * at the end stands for whatever follows.
    /// This and what follows hold where a user file or a token says nothing else, and where somebody is asked who they are.
    auth_rooms: String = "*".to_owned(), "rooms", "auth-rooms", AfterRestart;
    /// Whether people may be watched and asked for by name, wherever they are.
    auth_lists: bool = true, "lists", "auth-lists", AfterRestart;
    /// Whether one may be invisible.
    auth_invisible: bool = true, "invisible", "auth-invisible", AfterRestart;
    /// Whether one may watch without being listed.
    auth_observe: bool = true, "observe", "auth-observe", AfterRestart;
    /// Whether one may ask why anybody is shown as they are, and how the server is.
    auth_explain: bool = false, "explain", "auth-explain", AfterRestart;

    [privacy]
    /// When somebody was last seen is told "exact", "never", or in steps of a time such as "1min".
    /// Steps hide the moment at which somebody left. With "never" it is not remembered either.
    last_seen: LastSeenTold = LastSeenTold::Exactly, "last_seen", "last-seen", AfterRestart;
    /// Show people only to whom they have in a list of their own, and rooms to nobody who was not given them by name.
    /// Names must be proven for that: it needs users with passwords, or tokens.
    mutual_consent: bool = false, "mutual_consent", "mutual-consent", AfterRestart;

    [log]
    /// What is logged: a level, or levels by module such as "warn,herenow::store=debug". RUST_LOG wins if it is set.
    log_filter: String = "info".to_owned(), "filter", "log-filter", AtOnce;
    /// How log lines look: "text" for people, "json" for programs, "auto" for text on a terminal and JSON elsewhere.
    log_format: LogFormat = LogFormat::Auto, "format", "log-format", AfterRestart;

    [admin]
    /// Address and port for operators: /livez, /readyz and /metrics over HTTP. Empty: none.
    /// None, because two servers on one computer would want the same, and because it takes a thread.
    admin_listen: Option<SocketAddr> = None, "listen", "admin-listen", AfterRestart;
    /// Answer operators outside this computer too: nothing there names anybody, but it tells how busy the server is.
    admin_public: bool = false, "public", "admin-public", AfterRestart;

    [heartbeat]
    /// Heartbeat interval of clients that ask for none.
    /// With five misses a pulled cable is told within 10.5 s, while a phone still sleeps between beats.
    heartbeat: Duration = Duration::from_secs(2), "interval", "heartbeat", AtOnce;
    /// Shortest heartbeat interval that a client may ask for.
    /// A game seat is in a hurry.
    heartbeat_min: Duration = Duration::from_millis(100), "min", "heartbeat-min", AtOnce;
    /// Longest heartbeat interval that a client may ask for.
    /// A phone is thrifty.
    heartbeat_max: Duration = Duration::from_secs(600), "max", "heartbeat-max", AtOnce;
    /// Heartbeats that may stay unheard before someone is gone, 2 to 100.
    misses: u32 = 5, "misses", "misses", AtOnce;
    /// How long someone who lost the connection without a goodbye is still shown, so that a blip is seen by nobody.
    /// Never longer than the announced bound, nor than the resume window.
    grace: Duration = Duration::from_secs(5), "grace", "grace", AfterRestart;
    /// How long a lost session can be resumed, and a name is kept for who has its key.
    resume_window: Duration = Duration::from_secs(60), "resume_window", "resume-window", AfterRestart;

    [fanout]
    /// How far apart changes are told when there are too many to tell each at once.
    tick: Duration = Duration::from_millis(20), "tick", "tick", AfterRestart;
    /// The longest tick: under load it stretches so that telling takes at most half of the time.
    /// Every heartbeat's answer says so; a stretched tick may go beyond what the detection bound grants for it. 2 s leave
    /// 100 µs for each of 10,000 watchers.
    tick_max: Duration = Duration::from_secs(2), "tick_max", "tick-max", AfterRestart;
    /// Bytes that may wait for one slow reader before it gets a fresh list instead of the news, at least 32768.
    outbox_bytes_max: usize = 64 * 1024, "outbox_bytes_max", "outbox-bytes-max", AtOnce;
    /// How long a blocked reader may take no byte before it is dropped.
    write_stall: Duration = Duration::from_secs(30), "write_stall", "write-stall", AtOnce;

    [limits]
    /// Connections at a time. 0: as many as there may be descriptors, less 64 for everything else.
    connections_max: usize = 0, "connections_max", "connections-max", AtOnce;
    /// Connections at a time from one address, of IPv6 from one network of 64 bits; this computer's own are not counted.
    /// Offices share an address. 0: no limit.
    per_address_max: u32 = 64, "per_address_max", "per-address-max", AtOnce;
    /// New connections from one address in ten seconds, twice as many at once.
    /// 0: no limit.
    new_per_address: u32 = 30, "new_per_address", "new-per-address", AtOnce;
    /// Connections at a time that have not said who they are; a further one takes the place of who has waited longest.
    /// 0: a tenth of all connections, but 1024 if there may be so many.
    pre_sign_in_max: usize = 0, "pre_sign_in_max", "pre-sign-in-max", AtOnce;
    /// Frames that a session may send in a second, twice as many at once; the fastest heartbeat takes half of it.
    /// Who sends more is read from later, and sent away after ten seconds of that. 0: no limit.
    frames_per_second: u32 = 20, "frames_per_second", "frames-per-second", AtOnce;
    /// Bytes that a session may send in a second, twice as many at once.
    /// 0: no limit.
    bytes_per_second: u32 = 8 * 1024, "bytes_per_second", "bytes-per-second", AtOnce;
    /// Changes of status and rooms that a session may make in a second, five at once: everybody is told of each.
    /// 0: no limit.
    changes_per_second: u32 = 1, "changes_per_second", "changes-per-second", AtOnce;
    /// Sign-ins of one user in a second, sixteen at once, which is as many as there may be devices.
    /// 0: no limit.
    sign_ins_per_second: u32 = 2, "sign_ins_per_second", "sign-ins-per-second", AfterRestart;
        /// Bytes of memory that the server may occupy.
    /// From 70 % on addresses get half of their connections, from 85 % on nobody new gets in, from 95 % on the slowest
    /// readers are sent away.
    /// 0: what the process's control group allows; without that there is no limit.
    memory_max: usize = 0, "memory_max", "memory-max", AfterRestart;
    /// How long a connection may take from being accepted to a complete sign-in, however slowly the bytes trickle.
    sign_in_deadline: Duration = SIGN_IN_DEADLINE, "sign_in_deadline", "sign-in-deadline", AtOnce;
    /// Connections accepted in a second, so that a storm of them leaves time for everyone else.
    accepts_per_second: u32 = 5_000, "accept_rate", "accept-rate", AtOnce;
    /// Rooms at a time, the lobby included, 1 to 1000000.
    rooms_max: usize = 10_000, "rooms_max", "rooms-max", AfterRestart;
    /// Users of whom it is remembered when they were last seen.
    last_seen_max: usize = 100_000, "last_seen_max", "last-seen-max", AfterRestart;
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How exactly it is told when somebody was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastSeenTold {
    /// To the millisecond.
    Exactly,
    /// In steps of this length, rounded down. At least a millisecond.
    InSteps(Duration),
    /// Not at all, nor is it remembered.
    Never,
}

impl LastSeenTold {
    /// What is told of a time, in milliseconds since 1970; 0 is a time that is not known.
    #[must_use]
    pub fn told(self, ms: u64) -> u64 {
        match self {
            Self::Exactly => ms,
            Self::InSteps(step) => {
                let step = u64::try_from(step.as_millis()).unwrap_or(u64::MAX).max(1);
                ms - ms % step
            }
            Self::Never => 0,
        }
    }
}

/// What lets somebody in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// Nothing is asked for.
    #[default]
    Open,
    /// One secret that everybody has.
    Secret,
    /// A name and its password.
    Users,
    /// A JSON Web Token.
    Jwt,
}

/// A certificate with its chain, and its private key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate first, then those that lead to its authority.
    pub certificate: PathBuf,
    /// The private key of the first.
    pub key: PathBuf,
}

/// A relation between knobs that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The bind would let anybody in from outside.
    #[error(
        "refusing to listen on {0}: anybody who reaches it could sign in under any name. Listen on 127.0.0.1, let \
         `herenow init` set up a secret and TLS, or say --insecure-open if that is what you want"
    )]
    OpenToAll(SocketAddr),
    /// The bind would let anybody on the way read what lets people in.
    #[error(
        "refusing to listen on {0} in plain text: anybody on the way could read what lets people in. Listen there \
         with --tls-listen, or say --insecure-plaintext if that is what you want"
    )]
    PlainToAll(SocketAddr),
    /// Whoever may take any name would be seen by whom they please.
    #[error("--mutual-consent needs proven names: --auth users or --auth jwt")]
    Consent,
    /// TLS needs a certificate.
    #[error(
        "--tls-listen needs --tls-certificate and --tls-key; `herenow init` makes them if you have none"
    )]
    NoCertificate,
    /// Anybody could ask how busy the server is.
    #[error(
        "refusing to answer operators on {0}: anybody who reaches it could read the metrics. \
         Give --admin-listen an address of this computer, or say --admin-public if that is what you want"
    )]
    AdminOpenToAll(SocketAddr),
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

impl ConfigError {
    /// The flags of the knobs that the relation is between.
    #[must_use]
    pub fn flags(&self) -> &'static [&'static str] {
        match self {
            Self::OpenToAll(_) => &["listen", "tls-listen", "insecure-open"],
            Self::PlainToAll(_) => &["listen", "insecure-plaintext"],
            Self::Consent => &["mutual-consent", "auth"],
            Self::NoCertificate => &["tls-listen", "tls-certificate", "tls-key"],
            Self::AdminOpenToAll(_) => &["admin-listen", "admin-public"],
            Self::Heartbeat { .. } => &["heartbeat", "heartbeat-min", "heartbeat-max"],
            Self::HeartbeatLimits(..) => &["heartbeat-min", "heartbeat-max"],
            Self::Misses(_) => &["misses"],
            Self::TickTooLong { .. } => &["tick", "heartbeat-min"],
            Self::TickMax(..) => &["tick", "tick-max"],
            Self::Arbiters(_) => &["threads"],
            Self::Nothing("--sign-in-deadline") => &["sign-in-deadline"],
            Self::Nothing(_) => &["write-stall"],
            Self::ComeBack(..) => &["come-back-min", "come-back-max"],
            Self::Grace(..) => &["grace", "resume-window"],
            Self::Rooms(_) => &["rooms-max"],
            Self::AcceptRate => &["accept-rate"],
            Self::Outbox(_) => &["outbox-bytes-max"],
        }
    }
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
        let is_open = self.auth_mode == AuthMode::Open;
        let is_public = |address: &SocketAddr| !address.ip().is_loopback();
        let addresses = [Some(self.listen), self.tls_listen].into_iter().flatten();
        if let Some(public) = addresses.into_iter().find(is_public)
            && is_open
            && !self.insecure_open
        {
            return Err(ConfigError::OpenToAll(public));
        }
        if is_public(&self.listen) && !is_open && !self.insecure_plaintext {
            return Err(ConfigError::PlainToAll(self.listen));
        }
        if self.mutual_consent && !matches!(self.auth_mode, AuthMode::Users | AuthMode::Jwt) {
            return Err(ConfigError::Consent);
        }
        if self.tls_listen.is_some() && self.tls_files().is_none() {
            return Err(ConfigError::NoCertificate);
        }
        if let Some(admin) = self.admin_listen.filter(|admin| !admin.ip().is_loopback())
            && !self.admin_public
        {
            return Err(ConfigError::AdminOpenToAll(admin));
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
        let (soonest, latest) = (self.come_back_min, self.come_back_max);
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

    /// What proves who the server is, if that was given whole.
    #[must_use]
    pub fn tls_files(&self) -> Option<TlsFiles> {
        let (certificate, key) = (self.tls_certificate.clone()?, self.tls_key.clone()?);
        Some(TlsFiles { certificate, key })
    }

    /// What everybody may do of whom nothing else is said.
    #[must_use]
    pub fn rights(&self) -> Rights {
        Rights {
            rooms: Rooms::listed(if self.mutual_consent { "" } else { &self.auth_rooms }),
            lists: self.auth_lists,
            invisible: self.auth_invisible,
            observe: self.auth_observe,
            explain: self.auth_explain,
        }
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
        let (soonest, latest) = (self.come_back_min, self.come_back_max);
        let shown = self.liveness(None).silence_max();
        let latest = if self.state.is_some() { latest.min(shown * 3 / 4) } else { latest };
        (soonest.min(latest), latest)
    }

    /// How many connections there may be.
    #[must_use]
    pub fn quota(&self) -> Quota {
        let (connections, per_address) = (self.connections_max, self.per_address_max);
        Quota { connections, per_address, new_per_address: self.new_per_address }
    }

    /// How many connections that have not signed in one of the arbiters may have; 0 for no limit.
    #[must_use]
    pub fn pre_sign_in_share(&self) -> usize {
        let all = match self.pre_sign_in_max {
            // A small server too must take everybody back at once after its restart.
            0 => self.connections_max.div_ceil(10).max(1_024).min(self.connections_max),
            all => all,
        };
        all.div_ceil(self.arbiters.max(1))
    }

    /// How much one session may say.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let (frames, bytes) = (self.frames_per_second, self.bytes_per_second);
        Rates { frames, bytes, changes: self.changes_per_second }
    }

    /// After how long the kernel may give up on unacknowledged bytes. A backup only, so it is later
    /// than every decision of ours.
    #[must_use]
    pub fn user_timeout(&self, liveness: Liveness) -> Duration {
        (liveness.detection_bound() * 2).max(self.write_stall * 2)
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
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
