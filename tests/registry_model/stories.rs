//! Stories that once ended otherwise than the document says, in their shortest form.

use herenow_protocol::{CloseReason, Status};
use proptest_state_machine::StateMachineTest;

use super::TheRegistry;
use super::model::Model;
use super::step::{Greeting, Name, Say, Step};

/// Tells a story to the model and the registry, and compares them after every step.
fn tell(steps: impl IntoIterator<Item = Step>) {
    let mut model = Model::default();
    let mut desk = TheRegistry::init_test(&model);
    for step in steps {
        model.apply(&step);
        desk = TheRegistry::apply(desk, &model, step);
    }
    TheRegistry::teardown(desk, model);
}

/// The session of somebody with a key of their own.
fn sign_in(connection: u64, name: Name, device: &'static str, status: Status) -> Step {
    let greeting = Greeting::of_observer(name);
    let say = Say { status, ..greeting.say };
    Step::SignIn(connection, Greeting { device, observe: false, key: Some(1), say, ..greeting })
}

fn stranger(connection: u64, name: Name) -> Step {
    let greeting = Greeting::of_observer(name);
    Step::SignIn(connection, Greeting { device: "wall", observe: false, key: Some(2), ..greeting })
}

#[test]
fn a_hidden_user_whose_devices_are_lost_together_is_not_seen_to_come_and_go() {
    tell([
        sign_in(1, "ada", "desk", Status::Invisible),
        sign_in(2, "ada", "phone", Status::Available),
        Step::End(1, CloseReason::ConnectionReset, 0),
        Step::End(2, CloseReason::ConnectionReset, 0),
        Step::Pass(5_000),
    ]);
}

#[test]
fn a_hidden_user_whose_name_is_taken_is_not_seen_to_come_and_go() {
    tell([
        sign_in(1, "ada", "desk", Status::Invisible),
        sign_in(2, "ada", "phone", Status::Available),
        stranger(3, "ada"),
    ]);
}

#[test]
fn a_name_is_kept_for_its_key_and_then_free() {
    tell([
        sign_in(1, "ada", "desk", Status::Available),
        Step::End(1, CloseReason::Goodbye, 0),
        Step::Pass(59_999),
        stranger(2, "ada"),
        Step::Pass(1),
        stranger(3, "ada"),
        sign_in(4, "ada", "desk", Status::Available),
    ]);
}
