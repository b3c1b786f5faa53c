//! Every measure with small numbers against a real server: figures come out, and no view was wrong.
//!
//! What the figures are says nothing here; a wrong view, a lost change or a broken connection ends a run with an error.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The server that the workspace built beside these tests, or the one that the environment names.
fn server() -> PathBuf {
    let named = std::env::var_os("HERENOW_BIN").map(PathBuf::from);
    let server = named.unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_BIN_EXE_herenow-bench")).with_file_name("herenow")
    });
    assert!(server.exists(), "build the server first: `cargo build`");
    server
}

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_herenow-bench"))
        .arg("--server-bin")
        .arg(server())
        .args(["--quick", "--no-pin"])
        .args(arguments)
        .output()
        .expect("the program can be started")
}

/// A server that ends with the test.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start() -> Self {
        let mut child = Command::new(server())
            .args(["serve", "--listen", "127.0.0.1:0", "--accept-rate", "1000000"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let out = child.stdout.as_mut().expect("its output is piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("it greets");
        let address = line.trim().rsplit(' ').next().expect("it says where it listens");
        Self { address: address.to_owned(), child }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of JSON of a run that must succeed.
fn records(arguments: &[&str]) -> Vec<Value> {
    let output = bench(&[arguments, &["--json"]].concat());
    let (out, err) = (output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?} failed: {err}");
    let text = String::from_utf8(out).expect("JSON is text");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// Each record has the keys, and figures that something was measured for.
fn check(arguments: &[&str], records: usize, keys: &[&str]) {
    let found = self::records(arguments);
    assert_eq!(found.len(), records, "{found:?}");
    for record in &found {
        assert_eq!(record["measure"], arguments[0]);
        for key in keys {
            let figure = record[key].as_f64().unwrap_or_else(|| panic!("no {key} in {record}"));
            assert!(figure > 0.0 && figure.is_finite(), "{key} in {record}");
            assert_eq!(record["spread"][key].as_array().map(Vec::len), Some(2), "{record}");
        }
        for condition in ["processor", "kernel", "commit", "command", "allocator", "pinning"] {
            let told = record["conditions"][condition].as_str();
            assert!(told.is_some_and(|told| !told.is_empty()), "no {condition} in {record}");
        }
    }
}

#[test]
fn idle_sessions_have_a_size() {
    check(&["idle"], 1, &["rss_bytes_per_session", "floor_rss_bytes_per_session"]);
}

#[test]
fn heartbeats_have_a_price() {
    let keys = ["cpu_s_per_million", "floor_cpu_s_per_million"];
    check(&["heartbeat"], 1, &keys);
    check(&["heartbeat", "--pipeline", "3"], 1, &keys);
}

#[test]
fn deliveries_have_a_price() {
    let keys = ["cpu_us_per_delivery", "floor_cpu_us_per_delivery"];
    check(&["fan-out", "--watchers", "1,20"], 2, &keys);
    check(&["fan-out", "--watchers", "20", "--window", "8"], 1, &keys);
}

#[test]
fn deliveries_at_a_rate_have_a_latency() {
    let keys = ["p50_us", "p99_us", "max_us", "floor_p50_us", "floor_p99_us", "floor_max_us"];
    check(&["fan-out", "--watchers", "20", "--rate", "2000"], 1, &keys);
}

#[test]
fn heartbeats_beside_a_fan_out_have_a_latency() {
    let arguments = ["fan-out", "--watchers", "20", "--window", "8", "--beaters", "5"];
    check(&arguments, 1, &["heartbeat_p99_during_fanout_us", "heartbeat_max_during_fanout_us"]);
}

#[test]
fn sign_ins_have_a_price() {
    check(&["sign-in"], 1, &["cpu_us_per_sign_in", "floor_cpu_us_per_sign_in"]);
}

#[test]
fn the_registry_has_a_price() {
    let keys = ["ns_per_change", "ns_per_page", "bytes_per_user"];
    check(&["registry"], 1, &keys);
}

#[test]
fn idle_sessions_and_timers_have_a_price() {
    check(&["idle-cpu"], 1, &["core_percent", "floor_core_percent", "timers_core_percent"]);
}

#[test]
fn a_second_thread_has_a_gain() {
    let keys = ["speedup", "speedup_if_cores_were_free", "busy_percent_2", "load_percent_2"];
    check(&["cores", "--watchers", "20", "--window", "8"], 2, &keys);
}

#[test]
fn slow_readers_have_a_size_and_are_felt_by_nobody() {
    let keys = ["kernel_bytes_per_stuck_reader", "healthy_p99_us", "healthy_p99_without_us"];
    let arguments = ["slow-reader", "--healthy", "20", "--stuck", "5", "--slow", "5"];
    check(&[&arguments[..], &["--senders", "10", "--changes", "2000"]].concat(), 1, &keys);
    for record in records(&arguments) {
        assert_eq!(record["disconnected"], 0.0, "{record}");
        assert_eq!(record["dropped_never_reading"], 0.0, "{record}");
    }
}

#[test]
fn storms_of_sign_ins_have_a_price() {
    let keys = [
        "seconds",
        "cpu_us_per_view_entry",
        "floor_cpu_us_per_view_entry",
        "server_peak_rss_mib",
        "peak_rss_growth_mib",
    ];
    check(&["storm", "--users", "50,300"], 2, &keys);
}

/// A second measure finds the server as the first one did: nobody is left in the lobby.
#[test]
fn a_server_that_runs_already_is_measured_and_left_as_it_was() {
    let running = Running::start();
    let server = ["--server", &running.address, "--pid", &running.child.id().to_string()];
    for measure in [&["heartbeat"][..], &["fan-out", "--watchers", "20"], &["heartbeat"]] {
        assert_eq!(records(&[measure, &server].concat()).len(), 1);
    }
}

#[test]
fn without_json_there_is_a_table_under_its_conditions() {
    let output = bench(&["sign-in"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    assert!(text.contains("pinning    none"), "{text}");
    assert!(text.contains("| sign-in sessions 500 | `cpu_us_per_sign_in` | "), "{text}");
}

#[test]
fn a_server_that_does_not_start_ends_the_run_with_an_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_herenow-bench"))
        .args(["--quick", "--no-pin", "--server-bin", "/bin/true", "sign-in"])
        .output()
        .expect("the program can be started");
    assert!(!output.status.success());
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("did not say where it listens"), "{err}");
}
