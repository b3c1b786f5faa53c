//! How others see the user of a session: there are many sessions, and most users have no text.

use herenow_protocol::{Presence, Status};

/// How others see someone, in two words as long as no text goes with it.
#[derive(Debug, Default)]
pub(super) enum Me {
    #[default]
    Unseen,
    Plain(Status, bool),
    Worded(Box<Presence>),
}

impl From<Option<Presence>> for Me {
    fn from(presence: Option<Presence>) -> Self {
        match presence {
            None => Self::Unseen,
            Some(Presence { status, automatic, text, until_ms })
                if text.is_empty() && until_ms == 0 =>
            {
                Self::Plain(status, automatic)
            }
            Some(presence) => Self::Worded(Box::new(presence)),
        }
    }
}

impl Me {
    pub(super) fn presence(&self) -> Option<Presence> {
        match self {
            Self::Unseen => None,
            Self::Plain(status, automatic) => {
                let (status, automatic) = (*status, *automatic);
                Some(Presence { status, automatic, ..Presence::default() })
            }
            Self::Worded(presence) => Some((**presence).clone()),
        }
    }
}
