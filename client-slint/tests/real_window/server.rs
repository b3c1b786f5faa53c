//! The real server, and a second person who is signed in to it.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use herenow_client::protocol::{CloseReason, DeviceId, DisplayName, Entry, UserKey};
use herenow_client::{Client, Event, Options};

use crate::desktop::{PATIENCE, Program, first_line};

/// A server process at an address that stays its own while the test runs.
pub struct Server {
    address: SocketAddr,
    program: Program,
}

/// Someone else who is signed in, and what they see.
pub struct Guest {
    client: Client,
    seen: Receiver<Seen>,
}

enum Seen {
    Here(Entry),
    Left(Entry, CloseReason),
}

impl Server {
    pub fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("it is bound");
        drop(free);
        Self { address, program: serve(address) }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Ends the server with a signal and waits until it is gone.
    pub fn end(&mut self, signal: &str) {
        self.program.signal(signal);
        self.program.expect_end();
    }

    /// Starts it again at the same address.
    pub fn start_again(&mut self) {
        self.program = serve(self.address);
    }
}

fn serve(address: SocketAddr) -> Program {
    let mut command = Command::new(binary());
    command.args(["serve", "--listen", &address.to_string()]);
    start_server(&mut command)
}

/// Runs a command that serves, and waits until it says that it listens.
pub fn start_server(command: &mut Command) -> Program {
    let mut program = Program::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
    let greeting = first_line(program.output());
    assert!(greeting.starts_with("herenow listens on "), "{greeting}");
    program
}

/// The server program: `HERENOW_BIN`, or what was built beside the desktop program.
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("HERENOW_BIN") {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "HERENOW_BIN is {}, which is no file", named.display());
        return named;
    }
    let own = Path::new(env!("CARGO_BIN_EXE_herenow-desktop"));
    let target = own.ancestors().nth(2).expect("the program lies in a profile's folder");
    let places = ["debug/herenow", "release/herenow"].map(|place| target.join(place));
    let found = places.iter().find(|place| place.is_file());
    found.cloned().unwrap_or_else(|| {
        panic!(
            "there is no server to test with: neither {} nor {}. Build it with `cargo build -p herenow`, \
             or name it in HERENOW_BIN",
            places[0].display(),
            places[1].display()
        )
    })
}

impl Guest {
    /// Signs in as `name`, seeing whoever comes or changes.
    pub fn sign_in(server: &str, name: &str) -> Self {
        let name = DisplayName::new(name).expect("a valid name");
        let device = DeviceId::new("guest").expect("a valid device");
        Self::connect(Options::new(server, name, device))
    }

    /// Signs in as the device of somebody else.
    pub fn sign_in_as(server: &str, name: &str, device: &str, key: UserKey) -> Self {
        let name = DisplayName::new(name).expect("a valid name");
        let device = DeviceId::new(device).expect("a valid device");
        Self::connect(Options { key: Some(key), ..Options::new(server, name, device) })
    }

    fn connect(options: Options) -> Self {
        let (client, mut connection) = herenow_client::connect(options);
        let (tell, seen) = channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                while let Some(event) = connection.next().await {
                    let seen = match event {
                        Event::Snapshot { .. } => {
                            connection.view().entries().map(Seen::Here).collect()
                        }
                        Event::Joined { entry, .. } | Event::Updated { entry, .. } => {
                            vec![Seen::Here(entry)]
                        }
                        Event::Left { entry, cause, .. } => vec![Seen::Left(entry, cause)],
                        _ => Vec::new(),
                    };
                    // Nobody listens any more once the test is over.
                    let _ = seen.into_iter().try_for_each(|one| tell.send(one));
                }
            });
        });
        Self { client, seen }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Waits until somebody is seen for whom this holds.
    #[track_caller]
    pub fn expect(&self, what: &str, holds: impl Fn(&Entry) -> bool) {
        self.wait_until(what, |seen| matches!(seen, Seen::Here(entry) if holds(entry)));
    }

    /// Waits until somebody is told to have left for this reason.
    #[track_caller]
    pub fn expect_leave(&self, name: &str, reason: CloseReason) {
        let what = format!("{name} leaves: {reason}");
        self.wait_until(&what, |seen| {
            matches!(seen, Seen::Left(entry, cause) if entry.name.as_str() == name && *cause == reason)
        });
    }

    #[track_caller]
    fn wait_until(&self, what: &str, happened: impl Fn(&Seen) -> bool) {
        while let Ok(seen) = self.seen.recv_timeout(PATIENCE) {
            if happened(&seen) {
                return;
            }
        }
        panic!("not seen: {what}");
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.client.goodbye();
    }
}
