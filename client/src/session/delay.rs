//! How old the server says that its lists may be, when it has too much to do.

use std::time::Duration;

use super::Effect;
use crate::Event;

/// A delay that people notice: more than this is told.
const NOTICEABLE: Duration = Duration::from_millis(250);

/// What the last ack of this connection said.
#[derive(Debug, Default)]
pub(super) struct Delay {
    said: Option<Duration>,
    /// What the user was told and is not over.
    told: Option<Duration>,
}

impl Delay {
    /// What the last ack said; `None` if it said nothing, or there was none.
    pub(super) fn said(&self) -> Option<Duration> {
        self.said
    }

    /// An ack says how old the lists may be at most, 0 if it does not.
    pub(super) fn acked(&mut self, delay_ms: u64, effects: &mut Vec<Effect>) {
        self.said = (delay_ms > 0).then(|| Duration::from_millis(delay_ms));
        let noticeable = self.said.filter(|delay| *delay > NOTICEABLE);
        if self.told != noticeable {
            self.told = noticeable;
            effects.push(Effect::Emit(Event::Busy(noticeable)));
        }
    }

    /// The connection ended.
    pub(super) fn lost(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(delay: &mut Delay, delay_ms: u64) -> Option<Event> {
        let mut effects = Vec::new();
        delay.acked(delay_ms, &mut effects);
        effects.pop().map(|effect| match effect {
            Effect::Emit(event) => event,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn only_what_people_notice_is_told_and_that_it_is_over() {
        let mut delay = Delay::default();
        assert_eq!(told(&mut delay, 0), None);
        assert_eq!(delay.said(), None);
        assert_eq!(told(&mut delay, 250), None);
        assert_eq!(delay.said(), Some(Duration::from_millis(250)));
        let busy = Event::Busy(Some(Duration::from_millis(1_200)));
        assert_eq!(told(&mut delay, 1_200), Some(busy));
        assert_eq!(told(&mut delay, 1_200), None, "told already");
        assert_eq!(told(&mut delay, 30), Some(Event::Busy(None)));
        assert_eq!(told(&mut delay, 30), None);
    }

    #[test]
    fn another_connection_knows_nothing_of_it() {
        let mut delay = Delay::default();
        told(&mut delay, 1_200);
        delay.lost();
        assert_eq!(delay.said(), None);
        assert_eq!(told(&mut delay, 30), None, "the end of the connection was told");
    }
}
