//! What a sign-in costs: from connecting to the `Welcome`, without a view.

use crate::crowd::Crowd;
use crate::failure::Failure;
use crate::floor::{Echo, Floor};
use crate::measures::{meet_floor, repeat};
use crate::people::{self, NO_BEATS};
use crate::report::{Figures, Record};
use crate::setting::Setting;

/// Signs so many people in, all of whom stay until the accounting is done.
pub(crate) fn measure(setting: &Setting, sessions: usize) -> Result<Record, Failure> {
    let sessions = setting.count(sessions);
    let runs = repeat(setting, || run(setting, sessions))?;
    Ok(Record::new("sign-in", vec![("sessions", sessions.into())], runs))
}

fn run(setting: &Setting, sessions: usize) -> Result<Figures, Failure> {
    let server = setting.server()?;
    let mut crowd = Crowd::new(server.address)?;
    let before = server.account.cpu()?;
    let signed_in = people::sign_in(&mut crowd, sessions, NO_BEATS)?;
    let cpu = server.account.cpu()?.saturating_sub(before);
    people::leave(&mut crowd, sessions)?;
    drop((crowd, server));

    let echo = Echo { request_bytes: signed_in.hello_bytes, answer_bytes: signed_in.welcome_bytes };
    let floor = setting.floor(&Floor::Echo(echo))?;
    let mut crowd = Crowd::new(floor.address)?;
    let before = floor.account.cpu()?;
    // A floor judges no sign-in: any bytes as long as a `Hello` will do.
    meet_floor(&mut crowd, sessions, &vec![0; signed_in.hello_bytes])?;
    let floor_cpu = floor.account.cpu()?.saturating_sub(before);

    let each = |cpu: std::time::Duration| cpu.as_secs_f64() * 1e6 / sessions as f64;
    Ok(vec![("cpu_us_per_sign_in", each(cpu)), ("floor_cpu_us_per_sign_in", each(floor_cpu))])
}
