//! How the sessions of one user become what others see of them: `docs/protocol.md`, section 2.
//!
//! Pure. The order of the sessions decides nothing but ties, so that it never matters who signed in first.

use herenow_protocol::{Rule, SessionId, Status};

/// What one session that counts says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// The session.
    pub session: SessionId,
    /// What it chose.
    pub status: Status,
    /// A program chose it.
    pub automatic: bool,
}

/// What the sessions say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// What others see, and whether a program chose it; `None` if they see nobody.
    pub visible: Option<(Status, bool)>,
    /// The rule that decided.
    pub rule: Rule,
    /// The session that decided.
    pub winner: Option<SessionId>,
}

/// Merges the votes of the sessions that count.
#[must_use]
pub fn merge(votes: &[Vote]) -> Merged {
    let Some(first) = votes.first() else {
        return Merged { visible: None, rule: Rule::NoSession, winner: None };
    };
    if let Some(hidden) = votes.iter().find(|vote| vote.status == Status::Invisible) {
        let rule = if votes.len() == 1 { Rule::OnlySession } else { Rule::InvisibleHides };
        return Merged { visible: None, rule, winner: Some(hidden.session) };
    }
    let by_person = votes.iter().any(|vote| !vote.automatic);
    let considered = || votes.iter().filter(|vote| vote.automatic != by_person);
    let winner = considered().min_by_key(|vote| place(vote.status)).unwrap_or(first);
    let rule = match votes.len() {
        1 => Rule::OnlySession,
        all if considered().count() < all => Rule::PersonOverProgram,
        _ => Rule::Precedence,
    };
    Merged { visible: Some((winner.status, winner.automatic)), rule, winner: Some(winner.session) }
}

/// Busy, then available, then away; nobody else has a place.
fn place(status: Status) -> u8 {
    match status {
        Status::Busy => 0,
        Status::Available => 1,
        Status::Away => 2,
        Status::Invisible | Status::Offline => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Available, Away, Busy, Invisible};

    fn votes(said: &[(Status, bool)]) -> Vec<Vote> {
        let numbered = said.iter().zip(1..);
        numbered
            .map(|(&(status, automatic), n)| Vote { session: SessionId(n), status, automatic })
            .collect()
    }

    #[test]
    fn every_rule_decides_as_documented() {
        const PERSON: bool = false;
        const PROGRAM: bool = true;
        type Row<'a> = (&'a [(Status, bool)], Option<(Status, bool)>, Rule, Option<u64>);
        let rows: &[Row<'_>] = &[
            (&[], None, Rule::NoSession, None),
            (&[(Away, PROGRAM)], Some((Away, PROGRAM)), Rule::OnlySession, Some(1)),
            (&[(Invisible, PERSON)], None, Rule::OnlySession, Some(1)),
            (&[(Busy, PERSON), (Invisible, PERSON)], None, Rule::InvisibleHides, Some(2)),
            (
                &[(Available, PROGRAM), (Away, PERSON)],
                Some((Away, PERSON)),
                Rule::PersonOverProgram,
                Some(2),
            ),
            (
                &[(Away, PROGRAM), (Available, PROGRAM)],
                Some((Available, PROGRAM)),
                Rule::Precedence,
                Some(2),
            ),
            (
                &[(Available, PERSON), (Busy, PERSON), (Away, PERSON)],
                Some((Busy, PERSON)),
                Rule::Precedence,
                Some(2),
            ),
        ];
        for (said, visible, rule, winner) in rows {
            let expected = Merged { visible: *visible, rule: *rule, winner: winner.map(SessionId) };
            assert_eq!(merge(&votes(said)), expected, "{said:?}");
        }
    }

    #[test]
    fn what_others_see_does_not_depend_on_who_came_first() {
        let all: Vec<_> = Status::CHOICES.iter().flat_map(|&s| [(s, true), (s, false)]).collect();
        for &a in &all {
            for &b in &all {
                for &c in &all {
                    let visible = |said: &[_]| merge(&votes(said)).visible;
                    assert_eq!(visible(&[a, b, c]), visible(&[c, a, b]));
                    assert_eq!(visible(&[a, b, c]), visible(&[b, a, c]));
                }
            }
        }
    }
}
