//! What a second thread of the server gains.
//!
//! The load needs a core too: on a machine of two the server never has both for itself. So the gain is told in two ways:
//! how much more was done in the same time, and how much more would be done if every core were the server's, which is
//! what it does in a second of processor time, times the threads.

use crate::accounting::Used;
use crate::failure::Failure;
use crate::measures::fan_out::{self, FanOut};
use crate::measures::heartbeat::{self, Beating};
use crate::measures::repeat;
use crate::report::{Figures, Record};
use crate::setting::Setting;

/// What is done with one thread and with two.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// Heartbeats, the server saturated.
    Heartbeat(Beating),
    /// Changes told to everyone.
    FanOut(FanOut),
}

/// How much was done, with what.
struct Done {
    count: u64,
    used: Used,
}

impl Done {
    /// In a second of time.
    fn per_second(&self) -> f64 {
        self.count as f64 / self.used.seconds()
    }

    /// In a second of the server's processor time.
    fn per_core_second(&self) -> f64 {
        1e6 / self.used.us_each(self.count)
    }
}

/// The same work with one thread and with two, on whatever cores the kernel chooses: a pinned load would keep its core
/// from the second thread.
pub(crate) fn measure(setting: &Setting, work: Work) -> Result<Record, Failure> {
    if setting.source.stays() {
        return Err(Failure::Server("cores starts servers of its own".to_owned()));
    }
    let setting = Setting { pinning: setting.pinning.released()?, ..setting.clone() };
    let runs = repeat(&setting, || {
        let one = work.done(&Setting { threads: 1, ..setting.clone() })?;
        let two = work.done(&Setting { threads: 2, ..setting.clone() })?;
        Ok(figures(&one, &two))
    })?;
    Ok(Record::new("cores", vec![("work", work.name().into()), ("pinned", false.into())], runs))
}

fn figures(one: &Done, two: &Done) -> Figures {
    vec![
        ("speedup", two.per_second() / one.per_second()),
        ("speedup_if_cores_were_free", 2.0 * two.per_core_second() / one.per_core_second()),
        ("per_second_1", one.per_second()),
        ("per_second_2", two.per_second()),
        ("busy_percent_1", one.used.busy_percent()),
        ("busy_percent_2", two.used.busy_percent()),
        ("load_percent_1", one.used.load_percent()),
        ("load_percent_2", two.used.load_percent()),
    ]
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Self::Heartbeat(_) => "heartbeat",
            Self::FanOut(_) => "fan-out",
        }
    }

    fn done(self, setting: &Setting) -> Result<Done, Failure> {
        match self {
            Self::Heartbeat(beating) => {
                let counted = heartbeat::beat_at_server(setting, beating.quick_if(setting))?;
                Ok(Done { count: counted.answers, used: counted.used })
            }
            Self::FanOut(fan_out) => {
                let (outcome, _) = fan_out::at_server(setting, fan_out.quick_if(setting))?;
                Ok(Done { count: outcome.deliveries, used: outcome.used })
            }
        }
    }
}
