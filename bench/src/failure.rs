//! Why a run ended without figures.

use std::io;

use herenow_client::protocol::{CloseReason, DecodeError};

use crate::view::Mismatch;

/// Why a run ended without figures. A run that fails reports nothing: no figure is better than one whose
/// views were not proved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The operating system refused something.
    #[error("{0}: {1}")]
    Os(&'static str, #[source] io::Error),
    /// The server under test did not start, or says what no server says.
    #[error("the server: {0}")]
    Server(String),
    /// A frame of the server cannot be read.
    #[error("socket {who} got a frame that cannot be read: {error}")]
    Frame {
        /// The socket's number.
        who: usize,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// A message that this place of the conversation does not allow.
    #[error("socket {who} got a message that it did not expect: {message}")]
    Unexpected {
        /// The socket's number.
        who: usize,
        /// What came.
        message: String,
    },
    /// The server ended a session that should have stayed.
    #[error("socket {who} was told goodbye: {reason}")]
    Goodbye {
        /// The socket's number.
        who: usize,
        /// Why.
        reason: CloseReason,
    },
    /// A connection ended that should have stayed.
    #[error("socket {who} was closed by the server")]
    Closed {
        /// The socket's number.
        who: usize,
    },
    /// A watcher's view is not what the server proves it to be.
    #[error("the view of watcher {who} is wrong: {mismatch}")]
    View {
        /// The watcher's socket.
        who: usize,
        /// What differs.
        mismatch: Mismatch,
    },
    /// Something did not happen in time.
    #[error("waited {seconds} s in vain: {what}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        seconds: u64,
    },
}

/// Names what was tried when the operating system refused it.
pub(crate) trait Tried<T> {
    /// What was tried.
    fn tried(self, what: &'static str) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Tried<T> for Result<T, E> {
    fn tried(self, what: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure::Os(what, error.into()))
    }
}
