//! One window for each account: a second start hands over what it was started with, and ends.
//!
//! Whoever holds the lock on `herenow-desktop.lock` in `$XDG_RUNTIME_DIR` is the first. The kernel lets go of it when the program
//! ends, however it ends, so that a socket which a crash left behind holds nobody up. The first listens on
//! `herenow-desktop.sock` beside it; the folder is the account's own.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::core::sign_in::Start;

const LOCK: &str = "herenow-desktop.lock";
const SOCKET: &str = "herenow-desktop.sock";

/// The most that a second start may say: an address and a name, with room to spare.
const REQUEST_BYTES_MAX: u64 = 4_096;

/// How many second starts may wait for the window. Of more than these nobody could tell whether the window was raised once more.
const REQUESTS_MAX: usize = 8;

/// How long either side waits for the other's words.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a second start tries to reach a first that has the lock and does not listen yet, and how long it waits in between.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

const ANSWER: &[u8] = b"raised\n";

/// What became of a start.
pub enum Started {
    /// This is the first.
    First(Instance),
    /// Another had been started before; it has been told.
    Told,
    /// The account has no folder for this, so nobody can know.
    Alone,
}

/// The first of an account. The lock is held until this is dropped.
pub struct Instance {
    _lock: File,
    requests: mpsc::Receiver<Start>,
}

/// Becomes the first of this account, or tells the first.
///
/// # Errors
/// Another runs and does not answer, or the folder cannot be used. The message says what to do.
pub fn start(start: &Start) -> io::Result<Started> {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match folder.filter(|folder| folder.is_absolute() && folder.is_dir()) {
        Some(folder) => start_in(&folder, start),
        None => Ok(Started::Alone),
    }
}

impl Instance {
    /// What a later start was started with, once there is one; `None` if no more can come.
    pub async fn next(&mut self) -> Option<Start> {
        self.requests.recv().await
    }
}

fn start_in(folder: &Path, start: &Start) -> io::Result<Started> {
    let explain = |error: &io::Error| {
        let place = folder.display();
        io::Error::new(error.kind(), format!("{place}: {error} (--another starts without looking)"))
    };
    let mut options = OpenOptions::new();
    let lock = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(LOCK))
        .map_err(|error| explain(&error))?;
    match lock.try_lock() {
        Ok(()) => {
            let requests = listen(&folder.join(SOCKET)).map_err(|error| explain(&error))?;
            Ok(Started::First(Instance { _lock: lock, requests }))
        }
        Err(TryLockError::WouldBlock) => {
            tell(&folder.join(SOCKET), start).map_err(|error| explain(&error))?;
            Ok(Started::Told)
        }
        Err(TryLockError::Error(error)) => Err(explain(&error)),
    }
}

/// Takes requests on a thread of its own, until the program ends.
fn listen(socket: &Path) -> io::Result<mpsc::Receiver<Start>> {
    // Whose it was had no lock any more.
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    let (sender, requests) = mpsc::channel(REQUESTS_MAX);
    thread::Builder::new().name("instance".into()).spawn(move || {
        for stream in listener.incoming() {
            // Whoever says nothing sensible is not answered, and tells its user.
            let _ = stream.and_then(|stream| take(stream, &sender));
            if sender.is_closed() {
                break;
            }
        }
    })?;
    Ok(requests)
}

fn take(mut stream: UnixStream, sender: &mpsc::Sender<Start>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = String::new();
    (&stream).take(REQUEST_BYTES_MAX).read_to_string(&mut request)?;
    let start: Start = toml::from_str(&request)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    // A full queue raises the window too.
    let _ = sender.try_send(start);
    stream.write_all(ANSWER)
}

fn tell(socket: &Path, start: &Start) -> io::Result<()> {
    let request = toml::to_string(start).expect("two texts make a file");
    let mut stream = reach(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.take(REQUEST_BYTES_MAX).read_to_end(&mut answer)?;
    if answer == ANSWER {
        return Ok(());
    }
    Err(io::Error::other("another herenow window is open and does not understand this one"))
}

fn reach(socket: &Path) -> io::Result<UnixStream> {
    let mut tries = 0;
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(_) if tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str) -> Start {
        Start { server: Some("example.org".into()), name: Some(name.into()) }
    }

    fn first(folder: &Path) -> Instance {
        match start_in(folder, &Start::default()).expect("the folder can be used") {
            Started::First(instance) => instance,
            _ => panic!("nobody was started before"),
        }
    }

    #[test]
    fn a_second_start_tells_the_first_what_it_wants() {
        let folder = tempfile::tempdir().expect("a folder of its own");
        let mut instance = first(folder.path());
        for start in [asked("Žofie \"=\n"), Start::default()] {
            let told = start_in(folder.path(), &start).expect("the first answers");
            assert!(matches!(told, Started::Told));
            assert_eq!(instance.requests.try_recv(), Ok(start));
        }
    }

    #[test]
    fn what_a_crash_left_behind_holds_nobody_up() {
        let folder = tempfile::tempdir().expect("a folder of its own");
        fs::write(folder.path().join(LOCK), "").expect("a file");
        drop(UnixListener::bind(folder.path().join(SOCKET)).expect("a socket"));
        let mut instance = first(folder.path());
        start_in(folder.path(), &asked("Ada")).expect("the new one answers");
        assert_eq!(instance.requests.try_recv(), Ok(asked("Ada")));
    }

    #[test]
    fn nonsense_is_not_answered_and_does_not_end_the_first() {
        let folder = tempfile::tempdir().expect("a folder of its own");
        let mut instance = first(folder.path());
        for nonsense in [&b"\xFF"[..], b"name = 3", &[b'#'; 5_000]] {
            let mut stream = reach(&folder.path().join(SOCKET)).expect("the first listens");
            // The first may hang up before it has heard all of it.
            let _ = stream.write_all(nonsense);
            let _ = stream.shutdown(Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            if nonsense.len() < 100 {
                assert_eq!(answer, b"");
            }
        }
        while instance.requests.try_recv().is_ok() {}
        start_in(folder.path(), &asked("Ada")).expect("the first still answers");
        assert_eq!(instance.requests.try_recv(), Ok(asked("Ada")));
    }

    #[test]
    fn a_first_that_does_not_listen_is_told_of_in_words() {
        let folder = tempfile::tempdir().expect("a folder of its own");
        let lock = File::create(folder.path().join(LOCK)).expect("a file");
        lock.try_lock().expect("nobody has it");
        let error = start_in(folder.path(), &Start::default()).err().expect("nobody listens");
        assert!(error.to_string().contains("--another"), "{error}");
    }
}
