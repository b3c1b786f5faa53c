//! Standard error, for as long as anybody reads it.
//!
//! A window outlives the terminal that it was started from. Rust, and with it the libraries of the window, end a thread that
//! cannot write to standard error, so everything goes through a pipe of the program's own: a thread passes it on, and
//! drops what nobody takes.

use std::fs::File;
use std::io::{self, Read as _, Write as _, stderr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::panic;
use std::thread::{self, JoinHandle};

use nix::unistd::dup2_stderr;

/// What is passed on at once.
const PIECE_BYTES: usize = 4_096;

/// While this lives, nothing that is written to standard error can fail. Dropping it waits until all of it was passed on.
pub struct Sheltered {
    original: OwnedFd,
    passing_on: Option<JoinHandle<()>>,
}

/// Shelters standard error.
///
/// # Errors
/// The system has no room for a pipe or a thread; standard error is as it was.
pub fn shelter() -> io::Result<Sheltered> {
    let original = stderr().as_fd().try_clone_to_owned()?;
    let (mut source, pipe) = io::pipe()?;
    let mut target = File::from(original.try_clone()?);
    let passing_on = thread::Builder::new().name("errors".into()).spawn(move || {
        let mut piece = [0; PIECE_BYTES];
        while let Ok(bytes) = source.read(&mut piece)
            && bytes > 0
        {
            // Nobody reads it, so nobody misses it. Reading goes on, or the pipe would fill.
            let _ = target.write_all(&piece[..bytes]);
        }
    })?;
    dup2_stderr(&pipe)?;
    say_panics_on(original.try_clone()?);
    Ok(Sheltered { original, passing_on: Some(passing_on) })
}

/// The last words of a program that may end at once do not go through a thread.
fn say_panics_on(original: OwnedFd) {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        let _ = dup2_stderr(&original);
        usual(what);
    }));
}

impl Drop for Sheltered {
    fn drop(&mut self) {
        // With its last writer the pipe ends, and with it the thread.
        if dup2_stderr(&self.original).is_ok()
            && let Some(passing_on) = self.passing_on.take()
        {
            let _ = passing_on.join();
        }
    }
}
