//! What a session has said, kept as small as can be: most say one short thing now and then, which is given back long
//! before they say the next.

use std::num::NonZeroU16;
use std::time::Instant;

use herenow_protocol::CloseReason;

use super::{Effect, Session};
use crate::config::Config;
use crate::limits::meter::{Load, Meter, Rates, Verdict};

/// All that a session may owe for: its newest frame. Its bytes, shifted by one for whether it is a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newest(NonZeroU16);

impl Newest {
    /// None for a load that does not fit, as none without bytes or of 32 KiB does.
    fn of(load: Load) -> Option<Self> {
        let bytes = u16::try_from(load.bytes).ok().filter(|bytes| *bytes < 1 << 15)?;
        NonZeroU16::new(bytes << 1 | u16::from(load.is_change)).map(Self)
    }

    fn load(self) -> Load {
        Load { bytes: u32::from(self.0.get() >> 1), is_change: self.0.get() & 1 == 1 }
    }
}

impl Session {
    /// This came now, and what came before at `before`.
    pub(super) fn meter(
        &mut self,
        load: Load,
        before: Instant,
        config: &Config,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if !self.is_signed_in() {
            return;
        }
        match self.charge(load, before, &config.rates(), now) {
            Verdict::GoOn => {}
            Verdict::Wait(pause) => {
                self.paused = true;
                effects.push(Effect::Pause(pause));
            }
            Verdict::SendAway => {
                let text = "more was sent than the limits of this server allow".to_owned();
                self.close(CloseReason::TooManyRequests, text, effects);
            }
        }
    }

    /// A meter is kept only while more is owed than for the newest frame. That one may seem to have come later than it
    /// did, where the session was not to blame for its silence since; it is then given back so much later.
    fn charge(&mut self, load: Load, before: Instant, rates: &Rates, now: Instant) -> Verdict {
        if let Some(meter) = self.meter.as_mut().filter(|meter| !meter.is_settled(now)) {
            return meter.charge(load, rates, now);
        }
        self.meter = None;
        let mut meter = Meter::default();
        if let Some(newest) = self.newest.take() {
            meter.charge(newest.load(), rates, before);
        }
        let settled = meter.is_settled(now);
        let verdict = meter.charge(load, rates, now);
        self.newest = Newest::of(load).filter(|_| settled && verdict == Verdict::GoOn);
        self.meter = self.newest.is_none().then(|| Box::new(meter));
        verdict
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
    fn accepted() -> (Session, Instant) {
        let now = Instant::now();
        (Session::new(&Config::default(), now), now)
    }

    #[test]
    fn who_only_beats_and_who_has_paused_has_no_meter() {
        let (mut session, mut now) = accepted();
        let (rates, beat) =
            (Rates { frames: 20, bytes: 8_192, changes: 1 }, Load { bytes: 9, is_change: false });
        let mut say = |after_ms| {
            let before = now;
            now += Duration::from_millis(after_ms);
            assert_eq!(session.charge(beat, before, &rates, now), Verdict::GoOn);
            session.meter.is_some()
        };
        assert_eq!([1_000; 9].map(&mut say), [false; 9]);
        assert_eq!([1, 1, 1, 60].map(&mut say), [true; 4], "200 ms are owed");
        assert!(!say(1_000));
    }

    proptest! {
        #[test]
        fn what_is_not_kept_changes_no_verdict(
            loads in proptest::collection::vec((1_u32..40_000, any::<bool>(), 0_u64..2_000), 1..200),
            frames in 0_u32..30, bytes in 0_u32..20_000, changes in 0_u32..5,
        ) {
            let (mut session, mut now) = accepted();
            let (mut meter, rates) = (Meter::default(), Rates { frames, bytes, changes });
            for (bytes, is_change, pause) in loads {
                let (load, before) = (Load { bytes, is_change }, now);
                now += Duration::from_millis(pause);
                let verdict = session.charge(load, before, &rates, now);
                prop_assert_eq!(verdict, meter.charge(load, &rates, now));
            }
        }
    }
}
