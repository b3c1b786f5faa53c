//! What a list still has to ask for, and when.

use std::time::Instant;

use herenow_protocol::limits::NAMES_MAX;
use herenow_protocol::{ClientMessage, DisplayName, WatchTarget};

use super::Watched;
use crate::session::Effect;
use crate::session::repair::{Range, Repair};
use crate::session::requests::{Asked, Requests};

/// Bytes of a `Watch` besides its names, at most.
const WATCH_HEAD_BYTES: usize = 32;

/// Bytes of a name besides its characters, at most.
const NAME_HEAD_BYTES: usize = 3;

/// What is to be asked for.
#[derive(Debug)]
pub(super) enum Todo {
    Watch,
    AddNames,
    CompareBuckets,
    Pages(Vec<Range>),
}

impl Watched {
    /// When something is to be done besides answering.
    pub(in crate::session) fn deadline(&self) -> Option<Instant> {
        let todo = self.todo.as_ref().filter(|_| self.asked.is_none()).map(|(at, _)| *at);
        todo.into_iter().chain(self.repair.as_ref().map(|repair| repair.until)).min()
    }

    /// Sends what is due. A frame may have this many bytes.
    pub(in crate::session) fn send(
        &mut self,
        now: Instant,
        frame_max: usize,
        requests: &mut Requests,
        effects: &mut Vec<Effect>,
    ) {
        if self.repair.as_ref().is_some_and(|repair| now >= repair.until) {
            self.watch_anew(now);
        }
        if self.asked.is_some() {
            return;
        }
        match self.todo.take_if(|(at, _)| now >= *at) {
            Some((_, Todo::Watch)) => self.watch(now, frame_max, requests, effects),
            Some((_, Todo::AddNames)) => self.ask(frame_max, requests, effects),
            Some((_, Todo::CompareBuckets)) => {
                self.repaired_at = Some(now);
                self.repair = Some(Repair::begun(now + self.repair_time));
                self.ask_for(Vec::new(), requests, effects);
            }
            Some((_, Todo::Pages(ranges))) => {
                self.view.await_pages();
                self.ask_for(ranges, requests, effects);
            }
            None => {}
        }
    }

    fn watch(
        &mut self,
        now: Instant,
        frame_max: usize,
        requests: &mut Requests,
        effects: &mut Vec<Effect>,
    ) {
        self.watched_at = Some(now);
        // A list is opened anew; a room knows that it is watched.
        if self.room().is_none()
            && let Some(view) = self.id.take()
        {
            self.whole = false;
            requests
                .send(Asked::Unwatch, effects, |request| ClientMessage::Unwatch { request, view });
        }
        self.listed = 0;
        self.ask(frame_max, requests, effects);
    }

    /// Asks for the room, or for as many of the names that the server does not have as fit.
    fn ask(&mut self, frame_max: usize, requests: &mut Requests, effects: &mut Vec<Effect>) {
        let names = &self.names()[self.listed..];
        let names = &names[..how_many_fit(names, frame_max)];
        let target = match &self.target {
            WatchTarget::Room(room) => WatchTarget::Room(room.clone()),
            WatchTarget::People { .. } => {
                WatchTarget::People { names: names.to_vec(), view: self.id }
            }
        };
        self.asked = Some(names.len());
        let asked = Asked::Watch(self.key, self.room().cloned());
        requests.send(asked, effects, |request| ClientMessage::Watch { request, target });
    }

    fn ask_for(&mut self, ranges: Vec<Range>, requests: &mut Requests, effects: &mut Vec<Effect>) {
        if let Some(view) = self.id {
            let build = |request| ClientMessage::Repair { request, view, ranges };
            requests.send(Asked::Repair(self.key), effects, build);
        }
    }

    pub(super) fn names(&self) -> &[DisplayName] {
        match &self.target {
            WatchTarget::Room(_) => &[],
            WatchTarget::People { names, .. } => names,
        }
    }
}

/// How many of these names one `Watch` can bring; at least one, where there is one.
fn how_many_fit(names: &[DisplayName], frame_max: usize) -> usize {
    let mut bytes = WATCH_HEAD_BYTES;
    let fits = |name: &&DisplayName| {
        bytes += NAME_HEAD_BYTES + name.as_str().len();
        bytes <= frame_max
    };
    names.iter().take(NAMES_MAX).take_while(fits).count().max(names.len().min(1))
}
