//! The lines of one arbiter: which connection has which, and who watches what.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use herenow_protocol::ViewId;

use super::line::SharedLine;
use super::messages::Stock;
use crate::counts::Counts;
use crate::registry::ConnectionId;
use crate::tick::Tick;

/// Lines that watch one view, ascending by connection. A publication goes through the lines that there were when it began.
pub type Watchers = Rc<Vec<(ConnectionId, SharedLine)>>;

/// Every line of one arbiter.
#[derive(Clone)]
pub struct Lines(Rc<Shared>);

struct Shared {
    arbiter: usize,
    places: RefCell<Places>,
    watchers: RefCell<HashMap<ViewId, Watchers>>,
    /// How far publications are apart, as far as this arbiter knows.
    tick: Cell<Tick>,
    counts: RefCell<Counts>,
}

#[derive(Default)]
struct Places {
    lines: Vec<Option<(ConnectionId, SharedLine)>>,
    free: Vec<u32>,
    /// Connections that there ever were.
    begun: u64,
}

impl Lines {
    /// No lines yet, of an arbiter with an index below 64, and this tick.
    #[must_use]
    pub fn new(arbiter: usize, tick: Tick) -> Self {
        let shared = Shared {
            arbiter,
            places: RefCell::default(),
            watchers: RefCell::default(),
            tick: Cell::new(tick),
            counts: RefCell::default(),
        };
        Self(Rc::new(shared))
    }

    /// Counts something.
    pub fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.0.counts.borrow_mut());
    }

    /// What has been counted, and what the lines are like now.
    #[must_use]
    pub fn stock(&self) -> Stock {
        let (mut outbox_bytes, mut blocked) = (0, 0);
        for (_, line) in self.0.places.borrow().lines.iter().flatten() {
            let line = line.borrow();
            outbox_bytes += line.outbox.queued_bytes() as u64;
            blocked += u64::from(line.outbox.outflow().blocked_since.is_some());
        }
        let (counts, connections) = (*self.0.counts.borrow(), self.len() as u64);
        Stock { counts, connections, outbox_bytes, blocked }
    }

    /// The registry's tick.
    pub fn set_tick(&self, tick: Tick) {
        self.0.tick.set(tick);
    }

    /// A publication is so old, and written here or still being written.
    pub fn wrote(&self, age: Duration, now: Instant) {
        let mut tick = self.0.tick.get();
        tick.wrote(age, now);
        self.0.tick.set(tick);
    }

    /// How old what the lines show may be at most.
    #[must_use]
    pub fn delay_at(&self, now: Instant) -> Duration {
        self.0.tick.get().delay_at(now)
    }

    /// Makes a line known to the fan-out, under a number that no other connection of this process has.
    pub fn insert(&self, line: SharedLine) -> ConnectionId {
        let mut places = self.0.places.borrow_mut();
        places.begun += 1;
        let place = places.free.pop().unwrap_or_else(|| {
            places.lines.push(None);
            u32::try_from(places.lines.len() - 1).expect("descriptors are fewer")
        });
        let connection = ConnectionId::new(self.0.arbiter, places.begun, place);
        places.lines[place as usize] = Some((connection, line));
        connection
    }

    /// A line watches a view from now on.
    pub fn watch(&self, view: ViewId, connection: ConnectionId, line: &SharedLine) {
        let mut watchers = self.0.watchers.borrow_mut();
        let lines = Rc::make_mut(watchers.entry(view).or_default());
        if let Err(at) = lines.binary_search_by_key(&connection, |(id, _)| *id) {
            lines.insert(at, (connection, Rc::clone(line)));
        }
    }

    /// A line watches a view no more.
    pub fn unwatch(&self, view: ViewId, connection: ConnectionId) {
        let mut watchers = self.0.watchers.borrow_mut();
        let Some(lines) = watchers.get_mut(&view) else { return };
        if let Ok(at) = lines.binary_search_by_key(&connection, |(id, _)| *id) {
            Rc::make_mut(lines).remove(at);
        }
        if lines.is_empty() {
            watchers.remove(&view);
        }
    }

    /// Forgets a line.
    pub fn remove(&self, connection: ConnectionId) {
        let Some(line) = self.take(connection) else { return };
        let views: Vec<_> = line.borrow().outbox.views().collect();
        views.into_iter().for_each(|view| self.unwatch(view, connection));
    }

    fn take(&self, connection: ConnectionId) -> Option<SharedLine> {
        let mut places = self.0.places.borrow_mut();
        let place = connection.place();
        let (_, line) = places.lines.get_mut(place)?.take_if(|(id, _)| *id == connection)?;
        places.free.push(u32::try_from(place).expect("24 bits fit"));
        Some(line)
    }

    /// The line of a connection, if it is still there.
    #[must_use]
    pub fn get(&self, connection: ConnectionId) -> Option<SharedLine> {
        let places = self.0.places.borrow();
        let line = places.lines.get(connection.place())?.as_ref();
        line.filter(|(id, _)| *id == connection).map(|(_, line)| Rc::clone(line))
    }

    /// The lines that watch a view.
    #[must_use]
    pub fn watchers(&self, view: ViewId) -> Watchers {
        self.0.watchers.borrow().get(&view).cloned().unwrap_or_default()
    }

    /// Every line.
    #[must_use]
    pub fn all(&self) -> Vec<SharedLine> {
        let places = self.0.places.borrow();
        places.lines.iter().flatten().map(|(_, line)| Rc::clone(line)).collect()
    }

    /// Those for whom the most waits: a sixteenth of those for whom anything does, at least one.
    #[must_use]
    pub fn slowest(&self) -> Vec<SharedLine> {
        let waiting = |line: &SharedLine| line.borrow().outbox.queued_bytes();
        let mut slow: Vec<_> = self.all().into_iter().filter(|line| waiting(line) > 0).collect();
        slow.sort_by_cached_key(|line| std::cmp::Reverse(waiting(line)));
        slow.truncate(slow.len().div_ceil(16));
        slow
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let places = self.0.places.borrow();
        places.lines.len() - places.free.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
