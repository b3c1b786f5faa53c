use std::collections::HashSet;

use proptest::prelude::*;

use super::document::document;
use super::knob::{Given, Knob};
use super::sources::{Loaded, Mistakes, OTHER_VARIABLES, Sources};
use super::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn the_documented_bounds_are_the_computed_ones() {
    for (interval, bound) in [(2_000, 10_500), (1_000, 5_500), (100, 600), (600_000, 3_000_500)] {
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
    assert!(matches!(slow.check(), Err(ConfigError::TickTooLong { most, .. }) if most == ms(50)));
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
        (
            Config { come_back_min: ms(2), come_back_max: ms(1), ..base() },
            ConfigError::ComeBack(ms(2), ms(1)),
        ),
        (Config { tick_max: ms(19), ..base() }, ConfigError::TickMax(ms(20), ms(19))),
        (Config { rooms_max: 0, ..base() }, ConfigError::Rooms(0)),
        (Config { accepts_per_second: 0, ..base() }, ConfigError::AcceptRate),
        (Config { grace: ms(2), resume_window: ms(1), ..base() }, ConfigError::Grace(ms(2), ms(1))),
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

/// What a file of this text amounts to, with these variables and flags.
fn load(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> Result<Loaded, Mistakes> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let sources = Sources {
        file: Some((PathBuf::from("here.toml"), file.to_owned())),
        environment: environment.iter().map(pair).collect(),
        flags: flags.iter().map(|(flag, value)| (*flag, (*value).to_owned())).collect(),
    };
    sources.load()
}

fn mistakes(file: &str) -> Vec<String> {
    load(file, &[], &[]).expect_err("there is a mistake").0
}

#[test]
fn every_knob_has_names_of_its_own_and_words() {
    let mut names = HashSet::new();
    for knob in KNOBS {
        assert!(names.insert(knob.name()) && names.insert(knob.variable()), "{knob:?} twice");
        assert!(knob.doc[0].trim().ends_with('.'), "{knob:?}: its first line is a sentence");
        assert!(!OTHER_VARIABLES.contains(&&*knob.variable()), "{knob:?}");
    }
    for error_of in [ConfigError::AcceptRate, ConfigError::Misses(0), ConfigError::Outbox(0)] {
        for flag in error_of.flags() {
            assert!(KNOBS.iter().any(|knob| knob.flag == *flag), "{flag}");
        }
    }
}

/// The same value by text and by file, one after the other for every knob.
#[test]
fn what_is_printed_is_read_back() {
    const VALUES: [&str; 10] = [
        "1h 7s",
        "77",
        "true",
        "127.0.0.7:77",
        "json",
        "users",
        "[::1]:7",
        "/a \"b\" \\c",
        "two\nlines",
        "\u{202e}odd",
    ];
    for knob in KNOBS {
        let mut tried = 0;
        for value in VALUES {
            let mut config = Config::default();
            if knob.place.set(&mut config, Given::AsText(value)).is_err() {
                continue;
            }
            tried += 1;
            let text = document(&config, None);
            let file = Some((PathBuf::from("here.toml"), text.clone()));
            let read = Sources { file, ..Sources::default() }.read();
            assert!(read.mistakes.is_empty(), "{knob:?}: {:?}\n{text}", read.mistakes);
            assert_eq!(read.config, config, "{text}");
        }
        assert!(tried > 0, "no value of this test fits {knob:?}");
    }
}

#[test]
fn the_defaults_are_printed_as_a_file_without_mistakes() {
    let loaded = load(&document(&Config::default(), None), &[], &[]).expect("no mistakes");
    assert_eq!((loaded.config, loaded.warnings.len()), (Config::default(), 0));
}

#[test]
fn flags_win_over_the_environment_that_over_the_file_that_over_defaults() {
    let file = "[heartbeat]\ninterval = \"3s\"\nmisses = 4\n\n[limits]\naccept_rate = 0x10\n";
    let environment = [("HERENOW_HEARTBEAT", "4s"), ("HERENOW_MISSES", "7")];
    let loaded = load(file, &environment, &[("heartbeat", "5s")]).expect("no mistakes");
    let Config { heartbeat, misses, accepts_per_second, grace, .. } = loaded.config;
    assert_eq!((heartbeat, misses, accepts_per_second, grace), (ms(5_000), 7, 16, ms(5_000)));
    let origin = |flag| {
        let knob = KNOBS.iter().find(|knob| knob.flag == flag).expect("it is one");
        loaded.origins.of(knob).of(knob)
    };
    let origins = ["heartbeat", "misses", "accept-rate", "grace"].map(origin);
    assert_eq!(origins, ["--heartbeat", "HERENOW_MISSES", "here.toml:6", "nobody"]);
    let printed = loaded.to_string();
    assert!(printed.contains("# Given by here.toml:6\naccept_rate = 16\n"), "{printed}");
}

#[test]
fn mistakes_in_a_file_are_told_with_line_and_advice_all_at_once() {
    let unknown = [
        (
            "[heartbeat]\nintervall = \"1s\"",
            "here.toml:2: unknown key \"intervall\" in [heartbeat]; the nearest is \"interval\"",
        ),
        (
            "[limits]\n\ntick = \"1s\"",
            "here.toml:3: unknown key \"tick\" in [limits]; you may mean \"tick\" in [fanout]",
        ),
        (
            "[heartbeat]\nheartbeat = \"1s\"",
            "here.toml:2: unknown key \"heartbeat\" in [heartbeat]; you may mean \"interval\" in [heartbeat]",
        ),
        (
            "listen = \"127.0.0.1:1\"",
            "here.toml:1: the key \"listen\" stands in the section [server]",
        ),
        ("[limit]\n", "here.toml:1: unknown section [limit]; the nearest is [limits]"),
        ("server = 1", "here.toml:1: \"server\" is a section: write [server], and its keys below"),
        (
            "[server]\nthreads = \"many\"",
            "here.toml:2: threads: \"many\" is not a whole number that fits here",
        ),
        ("[server]\nthreads = -1", "here.toml:2: threads: -1 is not a whole number that fits here"),
        (
            "[heartbeat]\nmisses = 4294967296",
            "here.toml:2: misses: 4294967296 is not a whole number that fits here",
        ),
        (
            "[heartbeat]\ninterval = 2",
            "here.toml:2: interval: 2 is not a time such as \"2s\", \"100ms\" or \"10min\"",
        ),
        (
            "[server]\ninsecure_open = \"yes\"",
            "here.toml:2: insecure_open: \"yes\" is not true or false",
        ),
        (
            "[server]\nstate = [\"a\"]",
            "here.toml:2: state: what stands here, of the type array, is not a path between quotes",
        ),
        (
            "[log]\nformat = \"\\u001b[31m\"",
            "here.toml:2: format: \"\\u{1b}[31m\" is not \"auto\", \"text\" or \"json\"",
        ),
    ];
    for (file, mistake) in unknown {
        assert_eq!(mistakes(file), [mistake], "{file}");
    }
    for broken in ["[server", "[server]\nthreads = 1\nthreads = 2", "[server]\nthreads ="] {
        let told = mistakes(broken);
        assert!(
            !told.is_empty() && told.iter().all(|told| told.starts_with("here.toml:")),
            "{told:?}"
        );
    }
    let two = mistakes("[server]\nthreads = \"many\"\n\n[fanout]\ntock = 1\n");
    assert_eq!(two.len(), 2, "{two:?}");
}

#[test]
fn a_relation_that_does_not_hold_names_the_lines() {
    let told = mistakes("[fanout]\ntick = \"200ms\"\n");
    assert_eq!(told.len(), 1);
    for words in ["--tick 200ms", "at most 50ms", "(fanout.tick is here.toml:2)"] {
        assert!(told[0].contains(words), "{words} is missing: {}", told[0]);
    }
    let public = mistakes("[server]\nlisten = \"0.0.0.0:4373\"\n");
    assert!(
        public[0].contains("--insecure-open") && public[0].contains("here.toml:2"),
        "{public:?}"
    );
}

#[test]
fn wrong_variables_are_mistakes_and_misspelt_ones_are_told() {
    let wrong = load("", &[("HERENOW_TICK", "soon")], &[]).expect_err("it is no time");
    let words = "HERENOW_TICK: \"soon\" is not a time such as \"2s\", \"100ms\" or \"10min\"";
    assert_eq!(wrong.0, [words]);
    let others =
        [("HERENOW_TIKC", "1s"), ("HERENOW_PORT", "tcp://10.0.0.1:80"), ("HERENOW_SERVER", "a:1")];
    let loaded = load("", &others, &[]).expect("no mistakes");
    assert_eq!(loaded.warnings, ["HERENOW_TIKC means nothing here; did you mean HERENOW_TICK?"]);
}

#[test]
fn a_running_server_takes_over_what_it_can_and_names_the_rest() {
    let old = Config::default();
    let public = SocketAddr::from(([127, 0, 0, 1], 1));
    let new =
        Config { heartbeat: ms(1_000), misses: 3, listen: public, tick: ms(10), ..old.clone() };
    let reloaded = old.reloaded(&new).expect("it fits");
    let names = |knobs: &[&Knob]| knobs.iter().map(|knob| knob.name()).collect::<Vec<_>>();
    assert_eq!(names(&reloaded.changed), ["heartbeat.interval", "heartbeat.misses"]);
    assert_eq!(names(&reloaded.waiting), ["server.listen", "fanout.tick"]);
    assert_eq!(reloaded.config, Config { heartbeat: ms(1_000), misses: 3, ..old.clone() });
    // By itself the new one is right, but its tick counts only after a restart.
    let faster = Config { heartbeat_min: ms(20), tick: ms(5), ..old.clone() };
    assert_eq!(faster.check(), Ok(()));
    assert!(matches!(old.reloaded(&faster), Err(ConfigError::TickTooLong { .. })));
}

#[test]
fn mutual_consent_needs_proven_names_and_opens_no_room() {
    for (auth_mode, expected) in [
        (AuthMode::Open, Err(ConfigError::Consent)),
        (AuthMode::Secret, Err(ConfigError::Consent)),
        (AuthMode::Users, Ok(())),
        (AuthMode::Jwt, Ok(())),
    ] {
        let config = Config { mutual_consent: true, auth_mode, ..Config::default() };
        assert_eq!(config.check(), expected, "{auth_mode:?}");
        assert!(!config.rights().rooms.contain(&herenow_protocol::RoomName::lobby()));
    }
}

#[test]
fn a_public_address_needs_people_who_are_known_and_no_plain_text() {
    let public = SocketAddr::from(([0, 0, 0, 0], 4373));
    let guarded = Config { auth_mode: AuthMode::Secret, ..Config::default() };
    let with_files = |config| Config {
        tls_listen: Some(public),
        tls_certificate: Some(PathBuf::from("c")),
        tls_key: Some(PathBuf::from("k")),
        ..config
    };
    let open = with_files(Config::default());
    assert_eq!(open.check(), Err(ConfigError::OpenToAll(public)));
    assert_eq!(Config { insecure_open: true, ..open }.check(), Ok(()));
    assert_eq!(with_files(guarded.clone()).check(), Ok(()));
    let without = Config { tls_listen: Some(public), ..guarded.clone() };
    assert_eq!(without.check(), Err(ConfigError::NoCertificate));
    let plain = Config { listen: public, ..guarded };
    assert_eq!(plain.check(), Err(ConfigError::PlainToAll(public)));
    let for_others = Config { insecure_open: true, ..plain.clone() };
    assert_eq!(for_others.check(), Err(ConfigError::PlainToAll(public)));
    assert_eq!(Config { insecure_plaintext: true, ..plain }.check(), Ok(()));
}

proptest! {
    #[test]
    fn no_file_makes_reading_it_fail_without_words(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("[server]\n".to_owned()), Just("[".to_owned()), Just("listen = ".to_owned()),
                Just("\"".to_owned()), Just("\n".to_owned()), Just("threads = 3\n".to_owned()),
                Just("heartbeat.interval = \"1s\"\n".to_owned()), any::<String>(),
            ],
            0..12,
        )
    ) {
        if let Err(Mistakes(told)) = load(&pieces.concat(), &[], &[]) {
            prop_assert!(!told.is_empty() && told.iter().all(|told| !told.is_empty()));
        }
    }
}
