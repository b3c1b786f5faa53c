//! The adapter of the details of the connection.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use slint::{ComponentHandle as _, ModelRc, VecModel, Weak};

use super::at_desk;
use super::link::{whole, window_age, window_kind};
use crate::core::history::{History, SessionFacts, Step, Stepped};
use crate::core::link::Age;
use crate::desk::Desk;
use crate::ui::{AppWindow, Link, LinkFacts, LinkStep, LinkStepKind};

/// How many of the last events are in sight.
const STEPS_SHOWN: usize = 6;

/// Shows the details of the connection while they are in sight.
pub struct DetailsAdapter(Weak<AppWindow>);

impl DetailsAdapter {
    pub(super) fn new(window: &AppWindow) -> Self {
        Self(window.as_weak())
    }

    /// Brings them in sight, or out of it.
    pub fn open(&self, open: bool) {
        self.with(|link| {
            link.set_details_open(open);
            link.set_kept("".into());
            link.set_not_kept(false);
        });
    }

    /// Shows what is known at the time `now`.
    pub fn show(&self, history: &History, now: Instant) {
        self.with(|link| {
            link.set_facts(window_facts(history, now));
            link.set_steps(model(
                history.latest().take(STEPS_SHOWN).map(|step| window_step(step, now)),
            ));
            link.set_round_trips(model(history.round_trips().map(microseconds)));
        });
    }

    /// Shows where the log was kept; `None` if it could not be.
    pub fn show_kept(&self, path: Option<&Path>) {
        self.with(|link| {
            link.set_kept(path.map(|path| path.display().to_string()).unwrap_or_default().into());
            link.set_not_kept(path.is_none());
        });
    }

    fn with(&self, then: impl FnOnce(Link<'_>)) {
        if let Some(window) = self.0.upgrade() {
            then(window.global::<Link<'_>>());
        }
    }
}

pub(super) fn connect(window: &AppWindow, desk: &Rc<Desk>) {
    let link = window.global::<Link<'_>>();
    let weak = Rc::downgrade(desk);
    link.on_show_details(move |open| {
        at_desk(&weak, |desk| desk.show_details(open));
    });
    let weak = Rc::downgrade(desk);
    link.on_export_log(move || {
        at_desk(&weak, Desk::export_log);
    });
}

fn model<T: Clone + 'static>(rows: impl Iterator<Item = T>) -> ModelRc<T> {
    ModelRc::new(VecModel::from(rows.collect::<Vec<T>>()))
}

fn window_facts(history: &History, now: Instant) -> LinkFacts {
    let list = history.list();
    let ago = list.proved_at.map(|at| Age::told(now.saturating_duration_since(at)));
    let latency = |time: Option<Duration>| time.map_or(-1, microseconds);
    let known = LinkFacts {
        version: list.version.map(|version| version.to_string()).unwrap_or_default().into(),
        people: i32::try_from(list.people).unwrap_or(i32::MAX),
        digest: short(&list.digest.to_string()).into(),
        proved_ago: window_age(ago),
        delay_ms: list.delay.map_or(-1, whole_ms),
        latency_us: latency(history.round_trips().last()),
        fastest_us: latency(history.round_trips().min()),
        slowest_us: latency(history.round_trips().max()),
        ..LinkFacts::default()
    };
    let Some(SessionFacts { session, server, epoch, bound }) = history.session() else {
        return known;
    };
    LinkFacts {
        session: session.to_string().into(),
        server: server.as_str().into(),
        epoch: short(&epoch.to_string()).into(),
        bound_ms: whole_ms(*bound),
        ..known
    }
}

/// The begin of a number of 32 hexadecimal digits: enough to tell two apart by eye.
fn short(hexadecimal: &str) -> String {
    hexadecimal.chars().take(8).collect()
}

fn whole_ms(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

fn microseconds(time: Duration) -> i32 {
    i32::try_from(time.as_micros()).unwrap_or(i32::MAX)
}

fn window_step(stepped: &Stepped, now: Instant) -> LinkStep {
    use LinkStepKind as K;
    let (kind, number, of) = match stepped.step {
        Step::Trying(attempt) => (K::Trying, whole(attempt), 0),
        Step::SignedIn => (K::SignedIn, 0, 0),
        Step::Resumed => (K::Resumed, 0, 0),
        Step::ContactLost(unanswered, of) => (K::ContactLost, whole(unanswered), whole(of)),
        Step::ContactBack => (K::ContactBack, 0, 0),
        Step::Listed => (K::Listed, 0, 0),
        Step::Stale => (K::Stale, 0, 0),
        Step::Proved => (K::Proved, 0, 0),
        Step::Wrong => (K::Wrong, 0, 0),
        Step::Mended(entries) => (K::Mended, i32::try_from(entries).unwrap_or(i32::MAX), 0),
        Step::NetworkDown => (K::NetworkDown, 0, 0),
        Step::NetworkUp => (K::NetworkUp, 0, 0),
        Step::Closed { .. } => (K::Closed, 0, 0),
    };
    let reason = match stepped.step {
        Step::Closed { kind, .. } => window_kind(kind),
        _ => Default::default(),
    };
    let ago = window_age(Some(Age::told(now.saturating_duration_since(stepped.at))));
    LinkStep { kind, ago, number, of, reason }
}
