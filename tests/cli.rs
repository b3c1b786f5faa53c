//! The commands as a user or a script sees them: the real program, its output and its exit codes.

mod terminal;

use serde_json::Value;
use terminal::{Account, Server, Signal};

fn users(snapshot: &Value) -> Vec<&str> {
    let users = snapshot["users"].as_array().expect("a list of users");
    users.iter().map(|user| user["user"].as_str().expect("a name")).collect()
}

#[test]
fn who_shows_a_table_or_one_object() {
    let server = Server::start();
    let account = Account::new(&server);
    assert_eq!(account.run(&["who"]).ok(), "Nobody is here.\n");
    let nobody: Value = serde_json::from_str(&account.run(&["who", "--json"]).ok()).expect("JSON");
    assert_eq!(nobody, serde_json::json!({"count": 0, "users": []}));

    let ada = account.start(&["set", "busy", "in a meeting", "--name", "ada", "--stay"]);
    ada.line();
    let other = Account::new(&server);
    let bob = other.start(&["watch", "--name", "李小龍", "--json"]);
    bob.event("snapshot");
    let table = account.run(&["who"]).ok();
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines[0], "ada     busy          now  in a meeting", "wide names are aligned");
    assert_eq!(lines[1], "李小龍  available     now");
    assert_eq!(lines[2..], ["2 people are here."]);

    let both: Value = serde_json::from_str(&account.run(&["who", "--json"]).ok()).expect("JSON");
    assert_eq!((both["count"].as_u64(), users(&both)), (Some(2), vec!["ada", "李小龍"]));
    let ada = &both["users"][0];
    assert_eq!((&ada["status"], &ada["text"]), (&"busy".into(), &"in a meeting".into()));
    assert!(ada["since_ms"].as_u64().is_some_and(|ms| ms > 1_500_000_000_000), "{ada}");
}

#[test]
fn watch_tells_who_comes_changes_and_leaves() {
    let server = Server::start();
    let account = Account::new(&server);
    let ada = account.start(&["watch", "--name", "ada", "--json", "--heartbeat", "100ms"]);
    let first = ada.object();
    assert_eq!((&first["event"], &first["attempt"]), (&"connecting".into(), &1.into()));
    assert!(first["at"].as_u64().is_some());
    let signed_in = ada.object();
    assert_eq!(signed_in["event"], "signed_in");
    assert_eq!(signed_in["heartbeat_ms"], 100);
    assert!(signed_in["detection_bound_ms"].as_u64().is_some_and(|ms| ms <= 600), "{signed_in}");
    assert_eq!(users(&ada.event("snapshot")), ["ada"]);

    let other = Account::new(&server);
    let bob = other.start(&["watch", "--name", "bob"]);
    let join = ada.event("join");
    assert_eq!((&join["user"], &join["status"]), (&"bob".into(), &"available".into()));
    assert_eq!(other.run(&["set", "away", "tea", "--name", "bob"]).ok(), "");
    let update = ada.event("update");
    assert_eq!((&update["status"], &update["text"]), (&"away".into(), &"tea".into()));
    bob.signal(Signal::SIGINT);
    assert_eq!(bob.end().code, 0);
    let leave = ada.event("leave");
    assert_eq!((&leave["user"], &leave["cause"]), (&"bob".into(), &"goodbye".into()));
    assert!(leave.get("detail").is_none());
    ada.signal(Signal::SIGTERM);
    assert_eq!(ada.end().code, 0);
}

#[test]
fn a_frozen_watcher_is_told_gone_by_its_heartbeat_and_comes_back() {
    let server = Server::start();
    let account = Account::new(&server);
    let ada = account.start(&["watch", "--observe", "--json"]);
    ada.event("snapshot");
    let bob = account.start(&["watch", "--name", "bob", "--json", "--heartbeat", "100ms"]);
    ada.event("join");
    bob.signal(Signal::SIGSTOP);
    assert_eq!(ada.event("leave")["cause"], "heartbeat_timeout");
    bob.signal(Signal::SIGCONT);
    assert_eq!(bob.event("closed")["reason"], "heartbeat_timeout");
    assert_eq!(ada.event("join")["user"], "bob");
}

#[test]
fn set_needs_somebody_who_is_signed_in_here() {
    let server = Server::start();
    let account = Account::new(&server);
    let nobody = account.run(&["set", "away", "--name", "ada"]).refused(1);
    assert!(nobody.contains("herenow watch --name"), "it says what to do: {nobody}");

    let ada = account.start(&["watch", "--name", "ada", "--json"]);
    ada.event("snapshot");
    let stranger = Account::new(&server).run(&["set", "away", "--name", "ada"]).refused(1);
    assert!(stranger.contains("not signed in from this computer account"), "{stranger}");
    account.run(&["set", "away", "--name", "ada"]).ok();
    assert_eq!(ada.event("update")["status"], "away");
}

#[test]
fn set_with_stay_holds_the_status_until_it_is_stopped() {
    let server = Server::start();
    let account = Account::new(&server);
    let watcher = account.start(&["watch", "--observe", "--json"]);
    watcher.event("snapshot");
    let ada = account.start(&["set", "busy", "--name", "ada", "--stay"]);
    assert_eq!(watcher.event("join")["status"], "busy");
    assert!(ada.line().contains("ada is busy"));
    ada.signal(Signal::SIGINT);
    assert_eq!(ada.end().code, 0);
    assert_eq!(watcher.event("leave")["cause"], "goodbye");
}

#[test]
fn a_name_from_another_account_is_refused() {
    let server = Server::start();
    let account = Account::new(&server);
    let ada = account.start(&["watch", "--name", "ada", "--json"]);
    ada.event("snapshot");
    let thief = Account::new(&server).run(&["watch", "--name", "ada", "--json"]);
    assert!(thief.stdout.contains("\"reason\":\"name_in_use\""), "{}", thief.stdout);
    assert!(thief.refused(1).contains("another device"));
}

#[test]
fn the_same_account_takes_its_name_over() {
    let server = Server::start();
    let account = Account::new(&server);
    let old = account.start(&["watch", "--name", "ada", "--json"]);
    old.event("snapshot");
    let new = account.start(&["watch", "--name", "ada", "--json"]);
    new.event("snapshot");
    let closed = old.event("closed");
    assert_eq!((&closed["reason"], &closed["retry_in_ms"]), (&"replaced".into(), &Value::Null));
    assert_eq!(old.end().code, 1);
    assert_eq!(
        users(&serde_json::from_str(&account.run(&["who", "--json"]).ok()).expect("JSON")),
        ["ada"]
    );
}

#[test]
fn once_ends_with_the_connection_and_without_it_the_watcher_comes_back() {
    let mut server = Server::start();
    let account = Account::new(&server);
    let once = account.start(&["watch", "--name", "ada", "--once", "--json"]);
    once.event("snapshot");
    let faithful = account.start(&["watch", "--observe", "--json"]);
    faithful.event("snapshot");
    server.stop();
    let closed = once.event("closed");
    assert_eq!(
        (&closed["reason"], &closed["retry_in_ms"]),
        (&"server_shutdown".into(), &Value::Null)
    );
    assert_eq!(once.end().code, 0);
    faithful.event("stale");
    assert!(faithful.event("closed")["retry_in_ms"].as_u64().is_some_and(|ms| ms >= 500));
    server.start_again();
    faithful.event("signed_in");
    faithful.event("snapshot");
    faithful.event("fresh");
}

#[test]
fn a_server_that_is_not_there_is_exit_code_69_and_one_clear_line() {
    let mut server = Server::start();
    let account = Account::new(&server);
    server.stop();
    for command in [
        &["who"][..],
        &["who", "--json"],
        &["watch", "--observe", "--once", "--json"],
        &["set", "away", "--name", "ada"],
    ] {
        let text = account.run(command).refused(69);
        assert!(
            text.contains(&server.address) && text.contains("herenow serve"),
            "{command:?}: {text}"
        );
    }
}

#[test]
fn mistakes_on_the_command_line_are_exit_code_2() {
    let server = Server::start();
    let account = Account::new(&server);
    for (command, hint) in [
        (&["set", "asleep", "--name", "ada"][..], "available, away, busy or invisible"),
        (&["set", "away", "a\nb", "--name", "ada"], "control character"),
        (&["watch", "--name", "a\u{202e}da"], "invisible character"),
        (&["watch", "--observe", "--heartbeat", "often"], "--heartbeat"),
        (&["who", "--server", "host:port"], "HOST:PORT"),
        (&["watch"], "--name"),
        (&["set", "away"], "--name"),
        (&["demo", "--people", "0"], "--people"),
    ] {
        let output = account.run(command);
        assert_eq!(output.code, 2, "{command:?}: {}", output.stderr);
        assert!(output.stderr.contains(hint), "{command:?}: {}", output.stderr);
    }
}

#[test]
fn every_command_explains_itself() {
    let server = Server::start();
    let account = Account::new(&server);
    for command in ["who", "watch", "set", "explain", "log", "pair", "demo"] {
        let help = account.run(&[command, "--help"]).ok();
        assert!(help.contains("herenow "), "{command} has examples: {help}");
        assert!(help.contains("Usage:"), "{help}");
    }
}

#[test]
fn the_login_name_is_the_name_unless_another_is_given() {
    let server = Server::start();
    let account = Account::new(&server).with_login("grace");
    let grace = account.start(&["watch", "--json"]);
    assert_eq!(users(&grace.event("snapshot")), ["grace"]);
}

#[test]
fn a_closed_pipe_ends_the_watcher_quietly() {
    let server = Server::start();
    let account = Account::new(&server);
    let ada = account.start(&["watch", "--name", "ada", "--json"]);
    ada.event("snapshot");
    let ada = ada.close_stdout();
    let other = Account::new(&server);
    for _ in 0..2 {
        let bob = other.start(&["watch", "--name", "bob", "--json"]);
        bob.event("snapshot");
        bob.signal(Signal::SIGINT);
        assert_eq!(bob.end().code, 0);
    }
    let end = ada.end();
    assert_eq!((end.code, end.stderr.as_str()), (0, ""), "like `| head -1`");
}

#[test]
fn a_demo_has_people_in_it_at_once() {
    let server = Server::demo(30);
    let account = Account::new(&server);
    let watcher = account.start(&["watch", "--observe", "--json"]);
    let mut here = users(&watcher.event("snapshot")).len();
    while here < 15 {
        here += usize::from(watcher.event("join")["user"].is_string());
    }
}
