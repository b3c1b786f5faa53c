//! Which changes are under way to whom. Pure: callers pass times.

use std::collections::VecDeque;
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::mark::Mark;

/// Changes of some senders on their way to all watchers. A watcher has a change when it was told that or a newer one of
/// the same sender; a change is done when every watcher has it.
#[derive(Debug)]
pub(crate) struct Deliveries {
    watchers: usize,
    senders: Vec<Sender>,
    /// The newest change that a watcher has, by watcher and then by sender.
    seen: Vec<u32>,
    done: u64,
    latency: Histogram<u64>,
}

#[derive(Clone, Debug, Default)]
struct Sender {
    sent: u32,
    answered: u32,
    /// The changes that are not done, oldest first, up to the one sent last.
    flights: VecDeque<Flight>,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    since: Instant,
    missing: usize,
}

/// A mark of a change that was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NeverSent;

impl Deliveries {
    /// Nothing is under way.
    pub(crate) fn new(senders: usize, watchers: usize) -> Self {
        Self {
            watchers,
            senders: vec![Sender::default(); senders],
            seen: vec![0; senders * watchers],
            done: 0,
            latency: histogram(),
        }
    }

    /// A sender makes its next change, whose time counts from `since`.
    pub(crate) fn send(&mut self, sender: usize, since: Instant) -> Mark {
        let from = &mut self.senders[sender];
        from.sent += 1;
        from.flights.push_back(Flight { since, missing: self.watchers });
        Mark { sender: sender as u32, change: from.sent }
    }

    /// The oldest request of a sender that was not answered is.
    pub(crate) fn answer(&mut self, sender: usize) {
        self.senders[sender].answered += 1;
    }

    /// A watcher was told a change.
    ///
    /// # Errors
    /// [`NeverSent`] if nobody made it.
    pub(crate) fn receive(
        &mut self,
        watcher: usize,
        mark: Mark,
        now: Instant,
    ) -> Result<(), NeverSent> {
        let index = mark.sender as usize;
        let place = watcher * self.senders.len() + index;
        let sender = self.senders.get_mut(index).ok_or(NeverSent)?;
        if mark.change > sender.sent {
            return Err(NeverSent);
        }
        let seen = &mut self.seen[place];
        let oldest = sender.sent - sender.flights.len() as u32 + 1;
        for change in *seen + 1..=mark.change {
            let flight = &mut sender.flights[(change - oldest) as usize];
            flight.missing -= 1;
            record(&mut self.latency, flight.since, now);
        }
        *seen = mark.change.max(*seen);
        while sender.flights.front().is_some_and(|flight| flight.missing == 0) {
            sender.flights.pop_front();
            self.done += 1;
        }
        Ok(())
    }

    /// Everyone has all changes of this sender, which was told so.
    pub(crate) fn is_free(&self, sender: usize) -> bool {
        let Sender { sent, answered, flights } = &self.senders[sender];
        flights.is_empty() && answered == sent
    }

    /// Nothing is under way.
    pub(crate) fn all_free(&self) -> bool {
        (0..self.senders.len()).all(|sender| self.is_free(sender))
    }

    /// Forgets what was done and how long it took, not what is under way.
    pub(crate) fn count_anew(&mut self) {
        self.done = 0;
        self.latency.reset();
    }

    /// Deliveries of changes that are done.
    pub(crate) fn delivered(&self) -> u64 {
        self.done * self.watchers as u64
    }

    /// From a change to each watcher's receiving it, in microseconds.
    pub(crate) fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }
}

/// A histogram of microseconds up to a minute, exact to a thousandth.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000, 3).expect("the bounds are valid")
}

/// Records how long something took, a minute at most.
pub(crate) fn record(latency: &mut Histogram<u64>, since: Instant, now: Instant) {
    let us = now.saturating_duration_since(since).as_micros();
    latency.saturating_record(u64::try_from(us).unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_change_is_done_when_every_watcher_has_it_or_a_newer_one() {
        let start = crate::clock::now();
        let ms = Duration::from_millis;
        let mut deliveries = Deliveries::new(2, 2);
        let first = deliveries.send(1, start);
        let second = deliveries.send(1, start + ms(1));
        assert_eq!([first.change, second.change], [1, 2]);
        deliveries.receive(0, first, start + ms(2)).unwrap();
        deliveries.receive(1, second, start + ms(3)).unwrap();
        assert_eq!(deliveries.delivered(), 2, "the first one only");
        deliveries.receive(1, first, start + ms(4)).unwrap();
        deliveries.receive(0, second, start + ms(5)).unwrap();
        assert_eq!(deliveries.delivered(), 4);
        assert_eq!(deliveries.latency().len(), 4, "once per watcher and change");
        assert!(!deliveries.is_free(1), "nothing was answered");
        deliveries.answer(1);
        deliveries.answer(1);
        assert!(deliveries.all_free());
        let invented = Mark { sender: 0, change: 1 };
        assert_eq!(deliveries.receive(0, invented, start), Err(NeverSent));
    }
}
