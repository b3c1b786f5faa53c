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
    let meter = server.account.meter()?;
    let signed_in = people::sign_in(&mut crowd, sessions, NO_BEATS)?;
    let real = meter.used()?;
    people::leave(&mut crowd)?;
    drop((crowd, server));

    let echo = Echo { request_bytes: signed_in.hello_bytes, answer_bytes: signed_in.welcome_bytes };
    let floor = setting.floor(&Floor::Echo(echo))?;
    let mut crowd = Crowd::new(floor.address)?;
    let meter = floor.account.meter()?;
    // A floor judges no sign-in: any bytes as long as a `Hello` will do.
    meet_floor(&mut crowd, sessions, &vec![0; signed_in.hello_bytes])?;
    let least = meter.used()?;

    Ok(vec![
        ("cpu_us_per_sign_in", real.us_each(sessions as u64)),
        ("floor_cpu_us_per_sign_in", least.us_each(sessions as u64)),
        ("busy_percent", real.busy_percent()),
        ("floor_busy_percent", least.busy_percent()),
    ])
}
