//! The configuration of the program: where it comes from, what is wrong with it, and what a running server takes over.

#[allow(dead_code, reason = "each test binary uses a part of the shared helpers")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use herenow_protocol::CloseReason;
use nix::sys::signal::Signal;
use support::peer::{ScriptedPeer, hello};
use support::server::{HERENOW, TestServer};
use support::{PATIENCE, wait_for};

/// `EX_CONFIG` of `sysexits.h`.
const EXIT_CONFIG: i32 = 78;

/// A file of this test alone, removed at its end.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("herenow-{}-{name}.toml", std::process::id()));
        fs::write(&path, text).expect("a temporary file can be written");
        Self(path)
    }

    fn write(&self, text: &str) {
        fs::write(&self.0, text).expect("a temporary file can be written");
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("temporary folders have plain names")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn herenow(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(HERENOW);
    command.args(arguments).env_remove("RUST_LOG").env("HERENOW_CONFIG", "");
    command.envs(environment.iter().copied()).output().expect("the program can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

#[test]
fn the_printed_defaults_are_a_configuration_and_the_flags_stand_in_the_help() {
    let printed = herenow(&["print-config", "--defaults"], &[]);
    assert!(printed.status.success());
    let file = File::new("defaults", &text(&printed.stdout));
    let checked = herenow(&["check-config", "--config", file.path()], &[]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let help = text(&herenow(&["serve", "--help"], &[]).stdout);
    let flags: Vec<_> = text(&printed.stdout)
        .lines()
        .filter_map(|line| line.strip_prefix("# Default ")?.split("; --").nth(1).map(str::to_owned))
        .collect();
    assert!(flags.len() > 20, "{flags:?}");
    for line in flags {
        let flag = line.split_whitespace().next().expect("a flag has a name");
        assert!(help.contains(&format!("--{flag}")), "--{flag} is not in the help");
    }
}

#[test]
fn mistakes_of_a_file_end_the_check_and_the_server_with_78_and_all_lines() {
    let file = File::new("mistakes", "[heartbeat]\nintervall = \"1s\"\nmisses = \"few\"\n");
    for command in ["check-config", "serve", "print-config"] {
        let output = herenow(&[command, "--config", file.path()], &[]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(EXIT_CONFIG), "{command}: {told}");
        assert_eq!(told.lines().count(), 2, "{told}");
        for words in
            ["toml:2: unknown key \"intervall\"", "\"interval\"", "toml:3: misses: \"few\""]
        {
            assert!(told.contains(words), "{words} is missing: {told}");
        }
        assert!(output.stdout.is_empty(), "{command}");
    }
    let nowhere = herenow(&["check-config"], &[("HERENOW_CONFIG", "/no/such/file.toml")]);
    assert_eq!(nowhere.status.code(), Some(EXIT_CONFIG));
    assert!(text(&nowhere.stderr).contains("/no/such/file.toml"), "{}", text(&nowhere.stderr));
}

#[test]
fn the_user_s_own_file_is_found_and_every_source_has_its_rank() {
    let home = std::env::temp_dir().join(format!("herenow-{}-home", std::process::id()));
    fs::create_dir_all(home.join("herenow")).expect("a folder can be made");
    let file = home.join("herenow/herenow.toml");
    fs::write(&file, "[heartbeat]\ninterval = \"3s\"\nmisses = 3\ngrace = \"1s\"\n")
        .expect("a file can be written");
    let printed = Command::new(HERENOW)
        .args(["print-config", "--grace", "2s"])
        .env_remove("HERENOW_CONFIG")
        .env("XDG_CONFIG_HOME", &home)
        .env("HERENOW_MISSES", "4")
        .output()
        .expect("the program can be started");
    let _ = fs::remove_dir_all(&home);
    let printed = text(&printed.stdout);
    let given = |path: &Path| format!("# Given by {}:2\ninterval = \"3s\"\n", path.display());
    for words in [
        &given(&file),
        "# Given by HERENOW_MISSES\nmisses = 4",
        "# Given by --grace\ngrace = \"2s\"",
    ] {
        assert!(printed.contains(words), "{words} is missing: {printed}");
    }
}

/// A38.
#[test]
fn a38_a_public_address_needs_an_explicit_word_wherever_it_is_given() {
    let file = File::new("public", "[server]\nlisten = \"0.0.0.0:0\"\n");
    let output = herenow(&["serve", "--config", file.path()], &[]);
    assert_eq!(output.status.code(), Some(EXIT_CONFIG));
    let told = text(&output.stderr);
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("--insecure-open") && told.contains(":2"), "{told}");
    let output = herenow(&["serve"], &[("HERENOW_LISTEN", "[::]:0")]);
    assert_eq!(output.status.code(), Some(EXIT_CONFIG));
    assert!(text(&output.stderr).contains("HERENOW_LISTEN"), "{}", text(&output.stderr));
    // Spelled out it serves, and says what that means.
    file.write("[server]\nlisten = \"0.0.0.0:0\"\ninsecure_open = true\n");
    let mut command = Command::new(HERENOW);
    command.args(["serve", "--config", file.path()]);
    let server = TestServer::spawn(command);
    wait_for("the warning", PATIENCE, || {
        server.log().contains("anybody who reaches").then_some(())
    });
}

#[test]
fn at_sighup_new_sessions_get_what_can_be_reloaded_and_the_rest_is_named() {
    let file = File::new("reload", "[heartbeat]\ninterval = \"2s\"\n");
    let mut command = Command::new(HERENOW);
    command.args(["serve", "--listen", "127.0.0.1:0", "--config", file.path()]);
    let mut server = TestServer::spawn(command);
    let mut old = ScriptedPeer::connect(server.address);
    assert_eq!(old.sign_in(hello("old")).heartbeat_ms, 2_000);

    file.write("[heartbeat]\ninterval = \"500ms\"\n\n[fanout]\ntick = \"10ms\"\n");
    server.signal(Signal::SIGHUP);
    wait_for("the reload", PATIENCE, || {
        server.log().contains("configuration reloaded").then_some(())
    });
    wait_for("what waits", PATIENCE, || server.log().contains("fanout.tick").then_some(()));
    // Every thread has taken it over by the time that a few sign-ins show it.
    let mut names = (0..).map(|n| format!("new {n}"));
    wait_for("a session under the new rule", PATIENCE, || {
        let name = names.next().expect("there are enough names");
        let mut new = ScriptedPeer::connect(server.address);
        (new.sign_in(hello(&name)).heartbeat_ms == 500).then_some(())
    });
    old.round_trip();

    file.write("[heartbeat]\ninterval = \"never\"\n");
    server.signal(Signal::SIGHUP);
    wait_for("the refusal", PATIENCE, || server.log().contains("the old one stays").then_some(()));
    let mut newer = ScriptedPeer::connect(server.address);
    assert_eq!(newer.sign_in(hello("newer")).heartbeat_ms, 500);
    assert!(server.is_running());
    server.signal(Signal::SIGTERM);
    assert_eq!(newer.expect_goodbye(PATIENCE).reason, CloseReason::ServerShutdown);
    drop((old, newer));
    assert_eq!(server.wait_for_end(PATIENCE).code(), Some(0), "a reload is no signal to stop");
}
