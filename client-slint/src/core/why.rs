//! Why somebody is shown as they are: what the server explains to whom it does, and to others what this client knows itself.

use herenow_client::protocol::{Explanation, Rule, SessionState, Status, ViewProof};

use super::look::{DeviceKind, device_kind};

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// They are in the list of who is here, which shows them so.
    InList,
    /// They are not in the list of who is here.
    NotInList,
    /// The list is not proved exact now.
    Old,
    /// The list added up to what the server said it must.
    Proved(ViewProof),
    /// What decided, as the server says.
    Rule(Rule),
    /// The server tells this user no more.
    NotTold,
}

/// One device of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What it seems to be.
    pub kind: DeviceKind,
    /// Its label; may be empty.
    pub label: String,
    /// What the server says of it, to whom it does.
    pub report: Option<Report>,
}

/// What the server says of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// What became of its connection.
    pub state: SessionState,
    /// What it chose.
    pub status: Status,
    /// A program chose that.
    pub automatic: bool,
    /// How long ago it gave a sign of life when the server said this.
    pub heard_ms_ago: u64,
    /// It decided what others see.
    pub decides: bool,
}

/// What this client knows of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The person is in the list of who is here.
    pub present: bool,
    /// The list is proved exact.
    pub exact: bool,
    /// What the list last added up to.
    pub proof: Option<ViewProof>,
}

/// The reasons, the most important first.
#[must_use]
pub fn reasons(known: Known, explanation: Option<&Explanation>) -> Vec<Why> {
    let decided = match explanation {
        Some(explanation) => Why::Rule(explanation.rule),
        None if known.present => Why::InList,
        None => Why::NotInList,
    };
    let proof = match known.proof {
        Some(proof) if known.exact => Some(Why::Proved(proof)),
        _ => (!known.exact).then_some(Why::Old),
    };
    let not_told = (explanation.is_none() && known.present).then_some(Why::NotTold);
    [Some(decided), proof, not_told].into_iter().flatten().collect()
}

/// The devices: as the server explains them, or as the list names them.
#[must_use]
pub fn devices<'a>(
    labels: impl Iterator<Item = &'a str>,
    explanation: Option<&Explanation>,
) -> Vec<Device> {
    let Some(explanation) = explanation else {
        let named =
            |label: &str| Device { kind: device_kind(label), label: label.into(), report: None };
        return labels.map(named).collect();
    };
    let reported = explanation.sessions.iter().map(|session| Device {
        kind: device_kind(session.device.as_str()),
        label: session.device.as_str().to_owned(),
        report: Some(Report {
            state: session.state,
            status: session.status,
            automatic: session.automatic,
            heard_ms_ago: session.heard_ms_ago,
            decides: explanation.winner == Some(session.session),
        }),
    });
    reported.collect()
}

#[cfg(test)]
mod tests {
    use herenow_client::protocol::{DeviceLabel, DisplayName, SessionId, SessionReport};

    use super::*;

    fn explanation() -> Explanation {
        let session = |id: u64, label: &str| SessionReport {
            session: SessionId(id),
            device: DeviceLabel::new(label).expect("a valid label"),
            state: SessionState::Connected,
            status: Status::Busy,
            automatic: false,
            since_ms: 1,
            heard_ms_ago: 1_500,
            sent_ms_ago: None,
            round_trip_us: None,
            misses: 0,
            grace_ms: None,
            resume_ms: None,
        };
        Explanation {
            name: DisplayName::new("Ada").expect("a valid name"),
            me: None,
            rule: Rule::Precedence,
            winner: Some(SessionId(2)),
            sessions: vec![session(1, "desk"), session(2, "Ada's iPhone")],
            transitions: Vec::new(),
        }
    }

    #[test]
    fn what_the_server_explains_comes_first_and_else_what_is_known() {
        let proof = ViewProof { version: 7, ..ViewProof::default() };
        let known = Known { present: true, exact: true, proof: Some(proof) };
        let told = reasons(known, Some(&explanation()));
        assert_eq!(told, [Why::Rule(Rule::Precedence), Why::Proved(proof)]);
        assert_eq!(reasons(known, None), [Why::InList, Why::Proved(proof), Why::NotTold]);
    }

    #[test]
    fn a_list_that_is_not_proved_proves_nothing() {
        let known = Known { exact: false, proof: Some(ViewProof::default()), present: false };
        assert_eq!(reasons(known, None), [Why::NotInList, Why::Old]);
    }

    #[test]
    fn devices_are_reported_or_only_named() {
        let named = devices(["", "Firefox"].into_iter(), None);
        let kinds: Vec<_> = named.iter().map(|device| (device.kind, device.report)).collect();
        assert_eq!(kinds, [(DeviceKind::Desktop, None), (DeviceKind::Web, None)]);
        let reported = devices(["ignored"].into_iter(), Some(&explanation()));
        let decides = |n: usize| reported[n].report.map(|report| report.decides);
        assert_eq!((reported.len(), decides(0), decides(1)), (2, Some(false), Some(true)));
        assert_eq!(reported[1].kind, DeviceKind::Phone);
    }
}
