//! The two things that changes are sent to: the server, where everyone who watches proves a view, and the floor.
//!
//! On both the senders come first in the crowd, then the watchers.

use std::rc::Rc;

use bytes::Bytes;
use herenow_client::protocol::limits::FRAME_PREFIX_BYTES;
use herenow_client::protocol::{Choice, ClientMessage, ServerMessage, Status};

use crate::crowd::Crowd;
use crate::failure::Failure;
use crate::floor::broadcast::{Broadcast, LISTENER, SENDER};
use crate::mark::Mark;
use crate::measures::meet_floor;
use crate::people::{self, NO_BEATS};
use crate::reading::{self, unexpected};
use crate::watchers::{Told, Watchers};

/// Where changes are sent and watched.
pub(in crate::measures) trait Stage {
    /// The request that makes this change.
    fn change(&self, mark: Mark) -> Bytes;

    /// Takes what a sender was told. Returns whether its request was answered.
    fn answered(&mut self, who: usize, body: &[u8]) -> Result<bool, Failure>;

    /// Takes what a watcher was told. Returns the changes in it.
    fn told(&mut self, who: usize, body: &[u8]) -> Result<Rc<[Mark]>, Failure>;
}

/// The server and the views of its watchers.
pub(in crate::measures) struct Lobby {
    /// Those who watch it.
    pub(in crate::measures) watchers: Watchers,
    news: News,
    request_bytes: usize,
    answer_bytes: usize,
}

/// What the watchers were told of changes.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::measures) struct News {
    frames: u64,
    bytes: u64,
}

/// A floor.
pub(in crate::measures) struct Hall {
    sizes: Broadcast,
}

impl Lobby {
    /// Signs everyone in: senders, then watchers, then those who only beat.
    pub(in crate::measures) fn open(
        crowd: &mut Crowd,
        senders: usize,
        watchers: usize,
        beaters: usize,
    ) -> Result<Self, Failure> {
        let epoch = people::sign_in(crowd, senders + watchers + beaters, NO_BEATS)?.epoch;
        let watchers = people::watch_lobby(crowd, epoch, senders, watchers)?;
        let request_bytes = set_status(Mark { sender: 0, change: 1 }).len();
        Ok(Self { watchers, news: News::default(), request_bytes, answer_bytes: 0 })
    }

    /// A floor whose frames are as long as the server's were in so many deliveries.
    pub(in crate::measures) fn floor(&self, deliveries: u64) -> Broadcast {
        let change_bytes = self.news.bytes.div_ceil(deliveries.max(1));
        Broadcast {
            request_bytes: self.request_bytes,
            answer_bytes: self.answer_bytes,
            change_bytes: usize::try_from(change_bytes).unwrap_or(usize::MAX),
        }
    }

    /// Counts what watchers are told from here on.
    pub(in crate::measures) fn count_anew(&mut self) {
        self.news = News::default();
    }

    /// How many deliveries a frame brought, when there were so many.
    pub(in crate::measures) fn deliveries_per_frame(&self, deliveries: u64) -> f64 {
        deliveries as f64 / self.news.frames as f64
    }
}

/// Another status and another text than the change before, so that it is a real change.
fn set_status(mark: Mark) -> Bytes {
    let status = if mark.change.is_multiple_of(2) { Status::Available } else { Status::Busy };
    let choice = Choice::chosen(status, mark.text());
    // Requests are numbered with as many bytes each, from 2^16 on.
    let request = (1 << 16) + mark.change;
    ClientMessage::SetStatus { request, choice }.encode()
}

impl Stage for Lobby {
    fn change(&self, mark: Mark) -> Bytes {
        set_status(mark)
    }

    fn answered(&mut self, who: usize, body: &[u8]) -> Result<bool, Failure> {
        self.answer_bytes = body.len() + FRAME_PREFIX_BYTES;
        match reading::message(who, body)? {
            ServerMessage::Result { .. } => Ok(true),
            other => Err(unexpected(who, &other)),
        }
    }

    fn told(&mut self, who: usize, body: &[u8]) -> Result<Rc<[Mark]>, Failure> {
        match self.watchers.hear(who, body)? {
            Told::News(marks) => {
                self.news.frames += 1;
                self.news.bytes += (body.len() + FRAME_PREFIX_BYTES) as u64;
                Ok(marks)
            }
            // A view that was behind got a snapshot.
            Told::Complete => Ok(Rc::default()),
            told => Err(Failure::Unexpected { who, message: format!("{told:?}") }),
        }
    }
}

impl Hall {
    /// Lets everyone in: senders, then watchers.
    pub(in crate::measures) fn open(
        crowd: &mut Crowd,
        sizes: Broadcast,
        senders: usize,
        watchers: usize,
    ) -> Result<Self, Failure> {
        meet_floor(crowd, senders, &SENDER)?;
        meet_floor(crowd, watchers, &LISTENER)?;
        Ok(Self { sizes })
    }
}

impl Stage for Hall {
    fn change(&self, mark: Mark) -> Bytes {
        let mut frame = vec![0; self.sizes.request_bytes];
        frame[FRAME_PREFIX_BYTES..FRAME_PREFIX_BYTES + 8].copy_from_slice(&mark.bytes());
        frame.into()
    }

    fn answered(&mut self, _: usize, _: &[u8]) -> Result<bool, Failure> {
        Ok(true)
    }

    fn told(&mut self, who: usize, body: &[u8]) -> Result<Rc<[Mark]>, Failure> {
        let unmarked = || Failure::Unexpected { who, message: "a frame without a mark".into() };
        Mark::in_body(body).map(|mark| Rc::from([mark])).ok_or_else(unmarked)
    }
}
