//! Who may import whom, read from the sources: the table in ARCHITECTURE.md, kept by a test.

use std::fs;
use std::path::{Path, PathBuf};

/// Sources and what they must not name outside comments. A source is a file, or a folder with all
/// files below it.
const RULES: &[(&str, &[&str])] = &[
    // Outside the actors code decides: no actix, no sockets, no clock.
    ("src/roster.rs", PURE),
    ("src/roster", PURE),
    ("src/merge.rs", PURE),
    ("src/journal.rs", PURE),
    ("src/pace.rs", PURE),
    ("src/counts.rs", PURE),
    ("src/limits.rs", PURE),
    ("src/limits", PURE),
    ("src/metrics.rs", PURE),
    ("src/tick.rs", PURE),
    ("src/registry.rs", PURE),
    ("src/registry", PURE),
    ("src/session.rs", PURE),
    ("src/session", PURE),
    ("src/auth/rights.rs", PURE),
    ("src/auth/failures.rs", PURE),
    // Files and the keys of tokens are read when the caller says so; whoever waits is beside the arbiters.
    ("src/auth.rs", &["actix", "tokio", "std::net::Tcp", "::now()", "herenow_client"]),
    ("src/auth", &["actix", "tokio", "std::net::Tcp", "::now()", "herenow_client"]),
    ("src/tls.rs", &["actix", "tokio", "std::net", "::now()", "herenow_client"]),
    ("src/config.rs", PURE),
    ("src/config", PURE),
    ("src/actors/outbox.rs", PURE),
    ("client/src/view.rs", PURE),
    ("client/src/view", PURE),
    ("client/src/query.rs", PURE),
    ("client/src/options.rs", PURE),
    ("client/src/heartbeat.rs", PURE),
    ("client/src/reconnect.rs", PURE),
    ("client/src/session", PURE),
    // The store waits for a disk in a thread of its own, never for a socket or a clock of its own.
    ("src/store.rs", &["actix", "std::net", "tokio::net", "::now()", "herenow_client"]),
    ("src/store", &["actix", "std::net", "tokio::net", "::now()", "herenow_client"]),
    // The contract knows neither side.
    ("protocol/src", &["herenow_client", "herenow::", "tokio", "actix", "std::net", "::now()"]),
    // The client knows nothing of the server.
    ("client/src", &["herenow::", "actix"]),
    // The window sees only the client.
    ("client-slint/src", &["herenow::", "herenow_protocol", "actix"]),
    // The load speaks as a client does; it measures a server from outside.
    ("bench/src", &["herenow::", "herenow_protocol", "actix"]),
    // Sessions without sockets can only be held from inside.
    ("bench/registry", &["herenow_protocol", "actix", "std::net", "tokio", "::now()"]),
    ("bench/timers", &["herenow_protocol", "std::net::Tcp", "tokio::net", "::now()"]),
    // Only the actors and the program name actix and sockets; lib.rs starts them.
    ("src/clock.rs", &["actix", "std::net", "tokio::net", "herenow_client"]),
    // The server's library knows nothing of the client; the command line of the program does.
    ("src/actors", &["herenow_client"]),
    ("src/lib.rs", &["herenow_client", "TcpStream", "::now()"]),
];

const PURE: &[&str] = &[
    "actix",
    "tokio",
    "std::net::Tcp",
    "std::net::Udp",
    "socket2",
    "::now()",
    "std::thread::sleep",
    "herenow_client",
    "SystemTime",
];

#[test]
fn sources_name_only_what_their_layer_allows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for (place, forbidden) in RULES {
        let files = rust_files(&root.join(place));
        assert!(!files.is_empty(), "{place} is not there: mend the rule");
        for file in files {
            let text = fs::read_to_string(&file).expect("a source can be read");
            for (number, line) in production_lines(&text) {
                for word in forbidden.iter().filter(|word| line.contains(*word)) {
                    let shown = file.strip_prefix(root).unwrap_or(&file).display();
                    broken.push(format!("{shown}:{number} names {word}: {}", line.trim()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// Only the protocol crate describes the wire: nobody else derives serde's traits for it.
#[test]
fn only_the_protocol_serialises_for_the_wire() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for place in ["src", "client/src", "client-slint/src", "bench/src"] {
        for file in rust_files(&root.join(place)) {
            let text = fs::read_to_string(&file).expect("a source can be read");
            assert!(!text.contains("rmp_serde"), "{} speaks MessagePack itself", file.display());
        }
    }
}

/// The front of the house stays where the design put it.
#[test]
fn the_front_of_the_house_stands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let front = [
        "Cargo.toml",
        "src/actors",
        "src/session.rs",
        "src/registry.rs",
        "src/main.rs",
        "client-slint",
        "ui",
    ];
    for place in front {
        assert!(root.join(place).exists(), "{place} is missing");
    }
    assert!(rust_files(&root.join("ui")).is_empty(), "ui/ holds .slint only");
}

/// Lines that are compiled into the product: no comments, nothing from an inline test module on.
fn production_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("mod tests {"))
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

fn rust_files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        // Unit tests that outgrew their file stand in a folder of this name.
        .filter(|path| !path.ends_with("tests"))
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .filter(|path| path.file_stem().is_some_and(|stem| stem != "tests"))
        .collect();
    files.sort();
    files
}
