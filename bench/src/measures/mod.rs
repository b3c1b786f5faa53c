//! The measures, one to a file. Each measures the server, then its floor with frames of the sizes that the server's had.

pub(crate) mod cores;
pub(crate) mod fan_out;
pub(crate) mod heartbeat;
pub(crate) mod idle;
pub(crate) mod idle_cpu;
mod registry;
pub(crate) mod sign_in;
pub(crate) mod slow_reader;
pub(crate) mod storm;

use std::time::Duration;

use crate::crowd::{CONNECTING_MAX, Crowd, Heard};
use crate::failure::Failure;
use crate::patience::{Patience, TURN};
use crate::people;
use crate::report::{Figures, Record};
use crate::setting::Setting;
use cores::Work;
use fan_out::FanOut;
use heartbeat::Beating;
use idle_cpu::Resting;
use slow_reader::Slowness;

/// Long enough for 20,000 connections.
const PATIENCE: Duration = Duration::from_secs(60);

/// One measure with its parameters.
#[derive(Clone, Debug)]
pub(crate) enum Measure {
    /// [`idle`]
    Idle {
        /// People signed in.
        sessions: usize,
        /// From the last sign-in to the reading.
        settle: Duration,
    },
    /// [`heartbeat`]
    Heartbeat(Beating),
    /// [`fan_out`]
    FanOut(FanOut),
    /// [`fan_out::beats_beside`]
    BeatsBeside(FanOut),
    /// [`sign_in`]
    SignIn {
        /// People who sign in.
        sessions: usize,
    },
    /// [`idle_cpu`]
    IdleCpu(Resting),
    /// [`cores`]
    Cores(Work),
    /// [`slow_reader`]
    SlowReader(Slowness),
    /// [`registry`]
    Registry {
        /// People who sign in, change and leave.
        users: usize,
    },
    /// [`storm`]
    Storm {
        /// People who sign in at once.
        users: usize,
    },
}

impl Measure {
    /// Takes it, as often as the setting says.
    pub(crate) fn take(&self, setting: &Setting) -> Result<Record, Failure> {
        match self {
            Self::Idle { sessions, settle } => idle::measure(setting, *sessions, *settle),
            Self::Heartbeat(beating) => heartbeat::measure(setting, *beating),
            Self::FanOut(fan_out) => fan_out::measure(setting, *fan_out),
            Self::BeatsBeside(fan_out) => fan_out::beats_beside(setting, *fan_out),
            Self::SignIn { sessions } => sign_in::measure(setting, *sessions),
            Self::IdleCpu(resting) => idle_cpu::measure(setting, *resting),
            Self::Cores(work) => cores::measure(setting, *work),
            Self::SlowReader(slowness) => slow_reader::measure(setting, *slowness),
            Self::Registry { users } => registry::measure(setting, *users),
            Self::Storm { users } => storm::measure(setting, *users),
        }
    }
}

/// Takes a measure as often as the setting says.
pub(crate) fn repeat(
    setting: &Setting,
    mut run: impl FnMut() -> Result<Figures, Failure>,
) -> Result<Vec<Figures>, Failure> {
    (0..setting.runs).map(|_| run()).collect()
}

/// Ends a run on the server: one that stays must be as it was, so everyone says goodbye; one that was started for the run
/// ends with it.
pub(crate) fn part(setting: &Setting, crowd: &mut Crowd) -> Result<(), Failure> {
    if setting.source.stays() { people::leave(crowd) } else { Ok(()) }
}

/// Opens `count` more connections to a floor. Where there is an introduction, each says it and waits for the answer.
pub(crate) fn meet_floor(
    crowd: &mut Crowd,
    count: usize,
    introduction: &[u8],
) -> Result<(), Failure> {
    let patience = Patience::new("connections to the floor", PATIENCE);
    let (mut opened, mut met) = (0, 0);
    while met < count {
        while opened < count && opened - met < CONNECTING_MAX {
            crowd.connect()?;
            opened += 1;
        }
        crowd.turn(TURN, |lines, who, heard| match heard {
            Heard::Connected if introduction.is_empty() => {
                met += 1;
                Ok(())
            }
            Heard::Connected => lines.send(who, introduction),
            Heard::Frame(_) => {
                met += 1;
                Ok(())
            }
            Heard::Closed => Ok(()),
        })?;
        patience.check()?;
    }
    Ok(())
}
