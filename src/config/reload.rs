//! What a running server makes of a new configuration.

use super::knob::{Counts, Knob};
use super::{Config, ConfigError, KNOBS};

/// What came of a new configuration.
#[derive(Debug)]
pub struct Reloaded {
    /// The configuration from now on.
    pub config: Config,
    /// The knobs that have another value now.
    pub changed: Vec<&'static Knob>,
    /// The knobs that keep their value until the next start.
    pub waiting: Vec<&'static Knob>,
}

impl Config {
    /// This configuration, with what a running server can take over of `new`.
    ///
    /// # Errors
    /// What is taken over does not fit to what is kept; nothing is taken over then.
    pub fn reloaded(&self, new: &Self) -> Result<Reloaded, ConfigError> {
        let mut config = self.clone();
        let (mut changed, mut waiting) = (Vec::new(), Vec::new());
        for knob in KNOBS {
            match knob.counts {
                Counts::AtOnce if knob.place.take(&mut config, new) => changed.push(knob),
                Counts::AfterRestart if knob.place.take(&mut self.clone(), new) => {
                    waiting.push(knob);
                }
                _ => {}
            }
        }
        config.check()?;
        Ok(Reloaded { config, changed, waiting })
    }
}
