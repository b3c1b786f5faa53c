//! What happened to a user last, in little memory: every user has some.

use herenow_protocol::limits::TRANSITIONS_MAX;
use herenow_protocol::{CloseReason, SessionId, Status, Transition, TransitionKind};

/// The last transitions of a user, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(Box<[Past]>);

/// A transition in three words.
#[derive(Clone, Copy, Debug)]
struct Past {
    at_ms: u64,
    /// 0 for none: numbers of sessions begin at 1.
    session: u64,
    /// How long before that it may have happened.
    uncertain: Span,
    kind: TransitionKind,
    cause: Option<CloseReason>,
    status: Option<Status>,
}

/// A span in four bytes: milliseconds, or, of more than 24 days, seconds, rounded up.
#[derive(Clone, Copy, Debug)]
struct Span(u32);

/// Marks a [`Span`] of seconds.
const SECONDS: u32 = 1 << 31;

impl Recent {
    /// Adds a transition, and forgets the oldest if there are too many.
    pub(super) fn push(&mut self, transition: &Transition) {
        let forgotten = (self.0.len() + 1).saturating_sub(TRANSITIONS_MAX);
        let known = self.0[forgotten..].iter().copied();
        // Exactly as much as is needed: most users have two.
        self.0 = known.chain([Past::of(transition)]).collect();
    }

    /// Every one.
    pub(super) fn iter(&self) -> impl Iterator<Item = Transition> {
        self.0.iter().map(Past::transition)
    }
}

impl Past {
    fn of(transition: &Transition) -> Self {
        let Transition { at_ms, kind, session, cause, not_before_ms, status } = *transition;
        let uncertain = Span::of(at_ms.saturating_sub(not_before_ms));
        let session = session.map_or(0, |session| session.0);
        Self { at_ms, session, uncertain, kind, cause, status }
    }

    fn transition(&self) -> Transition {
        let Self { at_ms, session, uncertain, kind, cause, status } = *self;
        Transition {
            at_ms,
            kind,
            session: (session > 0).then_some(SessionId(session)),
            cause,
            not_before_ms: at_ms.saturating_sub(uncertain.millis()),
            status,
        }
    }
}

impl Span {
    fn of(millis: u64) -> Self {
        let short = u32::try_from(millis).ok().filter(|millis| *millis < SECONDS);
        let seconds = u32::try_from(millis.div_ceil(1_000)).unwrap_or(u32::MAX);
        Self(short.unwrap_or(seconds | SECONDS))
    }

    fn millis(self) -> u64 {
        match self.0 < SECONDS {
            true => self.0.into(),
            false => u64::from(self.0 & !SECONDS) * 1_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(at_ms: u64, not_before_ms: u64) -> Transition {
        Transition {
            at_ms,
            kind: TransitionKind::Lost,
            session: Some(SessionId(7)),
            cause: Some(CloseReason::HeartbeatTimeout),
            not_before_ms,
            status: None,
        }
    }

    #[test]
    fn what_is_kept_is_what_happened() {
        let offline = Transition {
            kind: TransitionKind::Offline,
            session: None,
            status: Some(Status::Offline),
            ..lost(1_790_000_000_000, 1_789_999_990_000)
        };
        let all = [lost(1_000, 1_000), lost(90_000, 80_000), offline];
        let mut recent = Recent::default();
        all.iter().for_each(|transition| recent.push(transition));
        assert_eq!(recent.iter().collect::<Vec<_>>(), all);
    }

    #[test]
    fn only_the_newest_are_kept() {
        let mut recent = Recent::default();
        (0..50).for_each(|n| recent.push(&lost(n, n)));
        let kept: Vec<_> = recent.iter().map(|transition| transition.at_ms).collect();
        assert_eq!(kept, (50 - TRANSITIONS_MAX as u64..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_long_uncertainty_is_never_made_shorter() {
        for ago in [0, 1, (1 << 31) - 1, 1 << 31, 5_000_000_001, 400 * 24 * 3_600_000] {
            let kept = Span::of(ago).millis();
            assert!(kept >= ago && kept < ago + 1_000, "{ago} ms are kept as {kept}");
        }
        assert_eq!(size_of::<Past>(), 24);
    }
}
