//! Sends changes, as fast as they are delivered or at a rate, and follows each to every watcher.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use herenow_client::protocol::ServerMessage;

use super::stage::Stage;
use crate::clock;
use crate::crowd::{Crowd, Heard, Lines};
use crate::deliveries::{Deliveries, histogram, record};
use crate::failure::Failure;
use crate::patience::{Patience, TURN};
use crate::people;
use crate::reading::{self, unexpected};
use crate::rhythm::{Rhythm, wait};

/// Changes may take that long to come in at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// When changes are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Each sender makes its next change as soon as everyone has its last one.
    Closed,
    /// So many deliveries a second, whatever becomes of them; senders take turns.
    Rate(u32),
}

/// People who only beat, at the end of the crowd, and how long they wait for answers.
pub(in crate::measures) struct Beaters {
    first: usize,
    rhythm: Rhythm,
    sent: Vec<(u64, Instant)>,
    latency: Histogram<u64>,
}

/// Changes under way on a stage.
pub(in crate::measures) struct Drive<'a, S> {
    crowd: &'a mut Crowd,
    stage: &'a mut S,
    deliveries: Deliveries,
    senders: usize,
    watchers: usize,
    beaters: Option<Beaters>,
}

impl Beaters {
    /// `count` people from this number of the crowd on, each beating every `interval`.
    pub(in crate::measures) fn new(first: usize, count: usize, interval: Duration) -> Self {
        let rhythm = Rhythm::of_many(clock::now(), interval, count);
        Self { first, rhythm, sent: vec![(0, clock::now()); count], latency: histogram() }
    }

    /// From each beat to its answer, in microseconds.
    pub(in crate::measures) fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }

    /// Sends the beats that are due. One whose last beat is not answered waits for its next turn, and its long wait is
    /// recorded when it ends.
    fn beat(&mut self, crowd: &mut Crowd, now: Instant) -> Result<(), Failure> {
        while let Some((turn, due)) = self.rhythm.take(now) {
            let place = turn as usize % self.sent.len();
            let (awaited, since) = &mut self.sent[place];
            if *awaited == 0 {
                (*awaited, *since) = (turn + 1, due);
                crowd.lines().send(self.first + place, &people::heartbeat(turn + 1))?;
            }
        }
        Ok(())
    }

    fn answered(&mut self, who: usize, body: &[u8], now: Instant) -> Result<(), Failure> {
        let (awaited, since) = &mut self.sent[who - self.first];
        match reading::message(who, body)? {
            ServerMessage::HeartbeatAck { n, .. } if n == *awaited => {
                *awaited = 0;
                record(&mut self.latency, *since, now);
                Ok(())
            }
            other => Err(unexpected(who, &other)),
        }
    }
}

impl<'a, S: Stage> Drive<'a, S> {
    /// Nothing is under way. The crowd is senders, watchers and, if any, those who only beat.
    pub(in crate::measures) fn new(
        crowd: &'a mut Crowd,
        stage: &'a mut S,
        senders: usize,
        watchers: usize,
        beaters: Option<Beaters>,
    ) -> Self {
        let deliveries = Deliveries::new(senders, watchers);
        Self { crowd, stage, deliveries, senders, watchers, beaters }
    }

    /// What was delivered in the last [`Self::run`].
    pub(in crate::measures) fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    /// The stage, between runs.
    pub(in crate::measures) fn stage(&mut self) -> &mut S {
        self.stage
    }

    /// Those who only beat.
    pub(in crate::measures) fn beaters(&self) -> Option<&Beaters> {
        self.beaters.as_ref()
    }

    /// Makes changes for so long, then waits until all are done.
    pub(in crate::measures) fn run(&mut self, pace: Pace, time: Duration) -> Result<(), Failure> {
        self.deliveries.count_anew();
        let began = clock::now();
        let until = began + time;
        let patience = Patience::new("changes to reach every watcher", time + PATIENCE);
        let mut rhythm = match pace {
            Pace::Rate(rate) => {
                let apart = Duration::from_secs_f64(self.watchers as f64 / f64::from(rate));
                Some(Rhythm::new(began, apart))
            }
            Pace::Closed => {
                (0..self.senders).try_for_each(|sender| self.send(sender, began))?;
                None
            }
        };
        while clock::now() < until || !self.deliveries.all_free() {
            let next = self.send_due(rhythm.as_mut(), until)?;
            self.turn(wait(clock::now(), next).min(TURN), pace, until)?;
            patience.check()?;
        }
        Ok(())
    }

    fn send(&mut self, sender: usize, since: Instant) -> Result<(), Failure> {
        let mark = self.deliveries.send(sender, since);
        self.crowd.lines().send(sender, &self.stage.change(mark))
    }

    /// Sends the changes and beats that are due. Returns when the next one is.
    fn send_due(
        &mut self,
        changes: Option<&mut Rhythm>,
        until: Instant,
    ) -> Result<Instant, Failure> {
        let now = clock::now();
        let mut next = now + TURN;
        if let Some(beaters) = &mut self.beaters {
            beaters.beat(self.crowd, now)?;
            next = next.min(beaters.rhythm.due());
        }
        let Some(changes) = changes else { return Ok(next) };
        while changes.due() < until
            && let Some((turn, due)) = changes.take(now)
        {
            self.send(turn as usize % self.senders, due)?;
        }
        Ok(if changes.due() < until { next.min(changes.due()) } else { next })
    }

    fn turn(&mut self, timeout: Duration, pace: Pace, until: Instant) -> Result<(), Failure> {
        let Self { crowd, stage, deliveries, senders, watchers, beaters } = self;
        let (senders, others) = (*senders, *senders + *watchers);
        crowd.turn(timeout, |lines, who, heard| {
            let Heard::Frame(body) = heard else { return Ok(()) };
            if who >= others {
                let beaters = beaters.as_mut().expect("nobody else is in the crowd");
                return beaters.answered(who, body, lines.now);
            }
            let again = pace == Pace::Closed && lines.now < until;
            if who < senders {
                if stage.answered(who, body)? {
                    deliveries.answer(who);
                    go_on(lines, *stage, deliveries, who, again)?;
                }
                return Ok(());
            }
            for mark in stage.told(who, body)?.iter() {
                let received = deliveries.receive(who - senders, *mark, lines.now);
                received.map_err(|_| Failure::Unexpected { who, message: format!("{mark:?}") })?;
                go_on(lines, *stage, deliveries, mark.sender as usize, again)?;
            }
            Ok(())
        })
    }
}

/// The sender's next change, if all of its last one is done.
fn go_on<S: Stage>(
    lines: &mut Lines<'_>,
    stage: &S,
    deliveries: &mut Deliveries,
    sender: usize,
    again: bool,
) -> Result<(), Failure> {
    if !again || !deliveries.is_free(sender) {
        return Ok(());
    }
    let mark = deliveries.send(sender, lines.now);
    lines.send(sender, &stage.change(mark))
}
