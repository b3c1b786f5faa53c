//! How the load recognises its own changes in what watchers are told: a mark in the status text.

use herenow_client::protocol::{Shown, StatusText};

/// The change with this number, counting from 1, of this sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Which sender, from 0.
    pub(crate) sender: u32,
    /// Which of its changes, from 1.
    pub(crate) change: u32,
}

impl Mark {
    /// The mark as a text that is as long for every mark, so that all changes cost the same.
    pub(crate) fn text(self) -> StatusText {
        let text = format!("#{:04}.{:08}", self.sender, self.change);
        StatusText::new(&text).expect("digits are a valid text")
    }

    /// The mark that someone shows, if any.
    pub(crate) fn shown(shown: &Shown) -> Option<Self> {
        let text = shown.presence.text.as_str().strip_prefix('#')?;
        let (sender, change) = text.split_once('.')?;
        Some(Self { sender: sender.parse().ok()?, change: change.parse().ok()? })
    }

    /// The mark as the first bytes of a floor's frame.
    pub(crate) fn bytes(self) -> [u8; 8] {
        let number = u64::from(self.sender) << 32 | u64::from(self.change);
        number.to_be_bytes()
    }

    /// The mark in the body of a floor's frame.
    pub(crate) fn in_body(body: &[u8]) -> Option<Self> {
        let number = u64::from_be_bytes(*body.first_chunk()?);
        let [sender, change] = [number >> 32, number & u64::from(u32::MAX)];
        Some(Self { sender: u32::try_from(sender).ok()?, change: u32::try_from(change).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use herenow_client::protocol::{Presence, Status};

    #[test]
    fn a_mark_survives_both_ways() {
        let mark = Mark { sender: 63, change: 70_000 };
        let presence = Presence::chosen(Status::Busy, mark.text());
        assert_eq!(Mark::shown(&Shown { presence, ..Shown::default() }), Some(mark));
        assert_eq!(Mark::in_body(&mark.bytes()), Some(mark));
        assert_eq!(Mark::shown(&Shown::default()), None);
    }
}
