//! Random stories of a registry, against a naive model of `docs/protocol.md`, sections 2 and 7.
//!
//! The pure [`Registry`](herenow::registry::Registry) gets up to 60 commands of people with several devices and keys;
//! [`model`] computes from a few facts what anybody must see, and [`checks`] compares after every step. 1,000 stories
//! unless `HERENOW_MODEL_CASES` says otherwise; what fails is shrunk and printed.

mod checks;
mod clients;
mod copies;
mod desk;
mod diary;
mod model;
mod rules;
mod step;
mod stories;

use std::collections::BTreeSet;

use herenow_protocol::CloseReason;
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use checks::assert_agree;
use desk::{Desk, EYE};
use model::{GRACE, Model, RESUME_WINDOW};
use step::Step;

/// The model's side of the machine.
struct Document;

impl ReferenceStateMachine for Document {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::default()).boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Step> {
        step::any_step(model)
    }

    fn preconditions(model: &Model, step: &Step) -> bool {
        !matches!(step, Step::SignIn(connection, _) if model.used.contains(connection))
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        model.apply(step);
        model
    }
}

/// The registry's side of the machine.
struct TheRegistry;

impl StateMachineTest for TheRegistry {
    type SystemUnderTest = Desk;
    type Reference = Document;

    fn init_test(_: &Model) -> Desk {
        Desk::new()
    }

    fn apply(mut desk: Desk, model: &Model, step: Step) -> Desk {
        let reply = desk.apply(&step);
        assert_eq!(reply, model.reply, "the answer to {step:?}");
        assert_agree(&mut desk, model);
        desk
    }

    /// Everybody loses their connection and nobody comes back: every session is closed, each exactly once.
    fn teardown(mut desk: Desk, mut model: Model) {
        let connections: Vec<_> = desk.clients.keys().copied().filter(|n| *n != EYE).collect();
        let mut last: Vec<_> = connections
            .into_iter()
            .map(|connection| Step::End(connection, CloseReason::ConnectionClosed, 0))
            .collect();
        last.push(Step::Pass(GRACE + RESUME_WINDOW + 1_000));
        for step in last {
            model.apply(&step);
            desk = Self::apply(desk, &model, step);
        }
        let closed: BTreeSet<_> = desk.diary.closed.keys().copied().collect();
        assert_eq!(closed, desk.diary.opened, "every session was closed");
        assert_eq!(desk.registry.listed().count(), 0, "nobody is here");
        assert!(desk.diary.sessions.is_empty() && desk.diary.people.is_empty(), "nor on disk");
    }
}

fn config() -> ProptestConfig {
    let cases = std::env::var("HERENOW_MODEL_CASES").ok();
    let cases = cases.map_or(1_000, |n| n.parse().expect("HERENOW_MODEL_CASES is a number"));
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn every_story_ends_as_the_document_says(sequential 1..=60 => TheRegistry);
}
