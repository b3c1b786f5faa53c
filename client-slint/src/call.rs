//! The line between the window and the network: what the one may ask of the other.

use std::io;
use std::time::Duration;

use herenow_client::protocol::{Choice, Query, RoomName, WatchTarget};
use herenow_client::{Answer, QueryError, ViewKey};

use crate::core::batch::Batch;
use crate::core::sign_in::Form;

/// Takes what happened since the last time. Called on the thread of the window only.
pub type Deliver = Box<dyn Fn(Batch)>;

/// Takes the answer to a question. Called on the thread of the window only.
pub type Then = Box<dyn FnOnce(Result<Answer, QueryError>)>;

/// Starts calls. The program has one that uses the network, tests have one of their own.
pub trait Dialer {
    /// Signs in as `form` says, shown as `choice` says, and again by itself when the connection breaks.
    ///
    /// `deliver` gets everything that happens until the returned call is dropped.
    ///
    /// # Errors
    /// This device's identity can be neither read nor written; nothing was started.
    fn dial(&self, form: &Form, choice: Choice, deliver: Deliver) -> io::Result<Box<dyn Call>>;
}

/// A call under way. Only [`Call::leave`] blocks. Dropping it leaves the server.
pub trait Call {
    /// Shows others something else.
    fn choose(&self, choice: Choice);

    /// Tries again without waiting for the countdown.
    fn retry_now(&self);

    /// Watches another list, and again after each reconnect. `None` if there are too many already.
    fn watch(&self, target: WatchTarget) -> Option<ViewKey>;

    /// Does not watch a list any more.
    fn unwatch(&self, view: ViewKey);

    /// Is in this room from now on. Returns whether that is not one too many.
    fn join(&self, room: RoomName) -> bool;

    /// Is not in this room any more.
    fn part(&self, room: &RoomName);

    /// Asks once; `then` takes the answer.
    fn ask(&self, query: Query, then: Then);

    /// Leaves, and waits up to `limit` until the server has been told.
    fn leave(&mut self, limit: Duration);
}
