//! A configuration as the text of a file, with words about every key.

use std::fmt::Write;

use super::knob::{Counts, Knob};
use super::sources::{Origin, Origins};
use super::{Config, KNOBS};

const HEAD: &str = "\
# The configuration of a herenow server.
#
# A key that is not given has its default. Environment variables win over this file, flags over both.
# `herenow check-config` checks a file, SIGHUP makes a running server read it again.
";

/// The whole configuration. With `origins` each key says where its value comes from.
#[must_use]
pub fn document(config: &Config, origins: Option<&Origins>) -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for knob in KNOBS {
        if knob.section != section {
            section = knob.section;
            let _ = write!(text, "\n[{section}]\n");
        }
        text += &entry(knob, config, origins.map(|origins| origins.of(knob)));
    }
    text
}

fn entry(knob: &Knob, config: &Config, origin: Option<&Origin>) -> String {
    let mut text = String::from("\n");
    for line in knob.doc {
        let _ = writeln!(text, "# {}", line.trim());
    }
    let default = knob.place.show(&Config::default());
    let counts = match knob.counts {
        Counts::AtOnce => "can be reloaded",
        Counts::AfterRestart => "needs a restart",
    };
    let _ = writeln!(text, "# Default {default}; {counts}; --{} or {}", knob.flag, knob.variable());
    if let Some(origin) = origin.filter(|origin| **origin != Origin::Default) {
        let _ = writeln!(text, "# Given by {}", origin.of(knob));
    }
    let _ = writeln!(text, "{} = {}", knob.key, knob.place.show(config));
    text
}
