//! What views are made of: publications at their time, and the pages, news and repairs that outboxes wish for.

use std::time::Instant;

use herenow_protocol::limits::SERVER_FRAME_BYTES_MAX;
use herenow_protocol::{DisplayName, Entry, RoomName, UserId, ViewId};

use super::cadence::Pace;
use super::sessions::SessionAt;
use super::{Answer, ConnectionId, Delivery, Effect, Registry, Wish};
use crate::roster::{Roster, weight};
use crate::tick::Tick;

/// About how many bytes one connection gets at a time. Half of the default outbox, so that deltas still find
/// room beside them.
pub(super) const BATCH_BYTES: usize = 32 * 1024;

impl Registry {
    pub(super) fn fetch(
        &mut self,
        connection: ConnectionId,
        view: ViewId,
        wish: Wish,
        effects: &mut Vec<Effect>,
    ) -> Answer {
        match self.roster_of(connection, view).map(|roster| roster.is_dirty()) {
            // What is sent must not be ahead of the deltas beside it.
            Some(true) => self.wishes.push((connection, view, wish)),
            Some(false) => self.serve(connection, view, wish, effects),
            None => {}
        }
        Answer::Done
    }

    /// Publishes every list whose time has come, then serves the wishes that waited for that.
    pub(super) fn flush(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let rooms_due = self.rooms.publish(now, self.pace(now), effects);
        let lists_due = self.flush_lists(now, effects);
        self.flush_at = rooms_due.into_iter().chain(lists_due).min();
        for (connection, view, wish) in std::mem::take(&mut self.wishes) {
            self.fetch(connection, view, wish, effects);
        }
    }

    /// How far publications are apart, to be told how long they take to be written.
    pub fn tick_mut(&mut self) -> &mut Tick {
        &mut self.tick
    }

    /// Publishes nothing before `until`: what was published before is still being written.
    pub fn hold_publications(&mut self, until: Instant) {
        self.flush_at = self.flush_at.map(|due| due.max(until));
    }

    /// There is something to publish, not later than this.
    pub(super) fn flush_by(&mut self, due: Instant) {
        self.flush_at = Some(self.flush_at.map_or(due, |at| at.min(due)));
    }

    fn pace(&self, now: Instant) -> Pace {
        Pace { tick: self.tick.at(now), writing: self.tick.writing_at(now) }
    }

    pub(super) fn flush_when_rooms_are_due(&mut self, now: Instant) {
        let pace = self.pace(now);
        if let Some(due) = self.rooms.newly_due(now, pace) {
            self.flush_by(due);
        }
    }

    fn serve(
        &mut self,
        connection: ConnectionId,
        view: ViewId,
        wish: Wish,
        effects: &mut Vec<Effect>,
    ) {
        self.divergences += u64::from(wish == Wish::Buckets(0));
        let Some(roster) = self.roster_of(connection, view) else { return };
        let delivery = match wish {
            Wish::Pages(from) => Delivery::Pages(roster.pages(from, BATCH_BYTES)),
            Wish::Since(version) => match roster.missed(version, BATCH_BYTES) {
                Some(missed) => Delivery::Missed(missed),
                None => Delivery::Pages(roster.pages(0, BATCH_BYTES)),
            },
            Wish::Buckets(from) => Delivery::Buckets(roster.buckets(from)),
            Wish::Ranges(ranges) => Delivery::Ranges(roster.ranges(ranges, BATCH_BYTES)),
        };
        effects.push(Effect::Deliver(connection, delivery));
    }

    /// The list behind a view of a connection, if it has that view.
    fn roster_of(&mut self, connection: ConnectionId, view: ViewId) -> Option<&mut Roster> {
        let at = self.sessions.of_connection(connection)?;
        match self.rooms.of_view(view) {
            Some(room) => {
                let watches = self.sessions[at].views().contains(&room);
                watches.then(|| self.rooms.roster_mut(room))
            }
            None => self.list(at, view).map(|list| &mut list.roster),
        }
    }

    /// Which of these views a session that comes back still has. The others it gives up.
    pub(super) fn keep_views(
        &mut self,
        at: SessionAt,
        named: &[(ViewId, u64)],
        now: Instant,
    ) -> Vec<(ViewId, u64)> {
        let session = &self.sessions[at];
        let rooms = session.views().iter().map(|room| self.rooms.roster(*room).view());
        let lists = session.lists().iter().map(|list| list.roster.view());
        let had: Vec<_> = rooms.chain(lists).collect();
        let kept: Vec<_> = named.iter().filter(|(view, _)| had.contains(view)).copied().collect();
        for view in had {
            if kept.iter().all(|(named, _)| *named != view) {
                self.unwatch(at, view, now);
            }
        }
        kept
    }

    /// These people, as a list of this session would show them.
    pub(super) fn people(&self, asker: SessionAt, names: &[DisplayName]) -> Answer {
        let entries = names.iter().zip(0..).map(|(name, n)| {
            let shown = self.shown_to(asker, name);
            Entry { id: UserId(n), name: name.clone(), shown }
        });
        one_frame(u32::try_from(names.len()).unwrap_or(u32::MAX), entries)
    }

    /// How many are in a room.
    pub(super) fn count(&self, name: &RoomName) -> Answer {
        let room = self.rooms.find(name);
        Answer::People(
            room.map_or(0, |room| self.rooms.roster(room).proof().count),
            Vec::new(),
            None,
        )
    }

    /// Who is in a room, from an id on.
    pub(super) fn page(&self, name: &RoomName, from: UserId) -> Answer {
        let Some(room) = self.rooms.find(name) else {
            return Answer::People(0, Vec::new(), None);
        };
        let roster = self.rooms.roster(room);
        one_frame(roster.proof().count, roster.entries_from(from))
    }
}

/// As many entries as fit one frame, and the id of the first that does not.
fn one_frame(count: u32, entries: impl Iterator<Item = Entry>) -> Answer {
    let (mut taken, mut bytes) = (Vec::new(), 64);
    for entry in entries {
        bytes += weight(&entry);
        if bytes > SERVER_FRAME_BYTES_MAX {
            return Answer::People(count, taken, Some(entry.id));
        }
        taken.push(entry);
    }
    Answer::People(count, taken, None)
}
