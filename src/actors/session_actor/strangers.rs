//! Whoever is connected and has not said hello: one timer for all of them.
//!
//! Nearly everyone says it at once. A timer for each, which is taken back a moment later, costs a sign-in more than
//! looking their name up.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use super::Local;
use super::SharedLine;
use crate::registry::ConnectionId;

/// Connections and the deadlines of their hellos, ascending. Those who have said hello leave when they come to the front,
/// so there are never more than were accepted within one deadline.
#[derive(Default)]
pub(super) struct Strangers(RefCell<VecDeque<(Instant, ConnectionId)>>);

impl Local {
    /// A connection must say hello until then. If it does not, its session gets a turn to look at the clock.
    pub(super) fn expect_hello(
        self: &Rc<Self>,
        connection: ConnectionId,
        line: &SharedLine,
        deadline: Instant,
    ) {
        let mut strangers = self.strangers.0.borrow_mut();
        if strangers.back().is_some_and(|(last, _)| *last > deadline) {
            // A handshake came before the hello, or the knob was turned: the session sets a timer of its own.
            return line.borrow_mut().check();
        }
        strangers.push_back((deadline, connection));
        if strangers.len() == 1 {
            actix_rt::spawn(Rc::clone(self).look_at_strangers());
        }
    }

    /// Goes on as long as there are any.
    async fn look_at_strangers(self: Rc<Self>) {
        while let Some(deadline) = self.next_deadline() {
            tokio::time::sleep_until(deadline.into()).await;
        }
    }

    /// Gives a turn to those whose time is up. Returns when that of the next one is.
    fn next_deadline(&self) -> Option<Instant> {
        let (now, mut strangers) = (self.clock.instant(), self.strangers.0.borrow_mut());
        while let Some(&(deadline, connection)) = strangers.front() {
            let line = self.lines.get(connection);
            match line.filter(|line| line.borrow().is_of_a_stranger()) {
                Some(_) if now < deadline => return Some(deadline),
                Some(line) => line.borrow_mut().check(),
                None => {}
            }
            strangers.pop_front();
        }
        // A rush leaves no memory behind.
        *strangers = VecDeque::new();
        None
    }
}
