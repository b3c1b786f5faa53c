//! What a change costs the registry, and what a user takes of its memory, without sockets.

use std::process::Command;

use serde_json::Value;

use crate::args::beside;
use crate::failure::{Failure, Tried as _};
use crate::measures::repeat;
use crate::report::{Figures, Record};
use crate::setting::Setting;

/// What the program beside this one says, in this order.
const KEYS: [&str; 7] = [
    "ns_per_change",
    "ns_per_sign_in",
    "ns_per_update",
    "ns_per_leave",
    "ns_per_page",
    "ns_per_page_again",
    "bytes_per_user",
];

/// So many sign in, change and leave.
pub(crate) fn measure(setting: &Setting, users: usize) -> Result<Record, Failure> {
    let users = setting.count(users).max(1);
    let runs = repeat(setting, || run(setting, users))?;
    Ok(Record::new("registry", vec![("users", users.into())], runs))
}

fn run(setting: &Setting, users: usize) -> Result<Figures, Failure> {
    let mut command = Command::new(beside("herenow-bench-registry"));
    command.args(["--users", &users.to_string()]);
    let output = setting.pinning.start(|| command.output().tried("measuring the registry"))?;
    let wrong = || Failure::Server("the registry was not measured".to_owned());
    let costs: Value = serde_json::from_slice(&output.stdout).map_err(|_| wrong())?;
    KEYS.into_iter()
        .map(|key| Ok((key, costs.get(key).and_then(Value::as_f64).ok_or_else(wrong)?)))
        .collect()
}
