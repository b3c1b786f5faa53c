//! Lists of people: views over users wherever they are, each with a roster of its own.

use std::time::{Duration, Instant};

use herenow_protocol::limits::{LIST_PEOPLE_MAX, LISTS_MAX};
use herenow_protocol::{DisplayName, ErrorCode, Shown, UserId, ViewId};

use super::rooms::LIST_VIEWS;
use super::sessions::SessionAt;
use super::users::UserAt;
use super::{Answer, Delivery, Effect, Registry, failed};
use crate::clock::Moment;
use crate::roster::Roster;

/// Bytes in which a list remembers its last changes for a session that comes back.
const LOG_BYTES: usize = 8 * 1024;

/// Some people whom a session watches.
#[derive(Debug)]
pub(super) struct List {
    pub(super) roster: Roster,
    names: Vec<DisplayName>,
    last_flush: Option<Instant>,
}

impl List {
    fn due(&self, now: Instant, tick: Duration) -> Instant {
        self.last_flush.map_or(now, |last| now.max(last + tick))
    }
}

impl Registry {
    pub(super) fn watch_people(
        &mut self,
        at: SessionAt,
        mut names: Vec<DisplayName>,
        view: Option<ViewId>,
        now: Moment,
    ) -> Answer {
        let lists = self.sessions[at].lists();
        let known = match view {
            Some(view) => match lists.iter().find(|list| list.roster.view() == view) {
                Some(list) => &list.names[..],
                None => return failed(ErrorCode::NoSuchView, "there is no such list of people"),
            },
            None if lists.len() >= LISTS_MAX => {
                let text = format!("a session has at most {LISTS_MAX} lists of people");
                return failed(ErrorCode::Limit, text);
            }
            None => &[],
        };
        let mut seen: std::collections::HashSet<_> = known.iter().cloned().collect();
        names.retain(|name| seen.insert(name.clone()));
        if seen.len() > LIST_PEOPLE_MAX {
            let text = format!("a list has at most {LIST_PEOPLE_MAX} people");
            return failed(ErrorCode::Limit, text);
        }
        let (answer, view) = match view {
            Some(view) => (Answer::Added(view), view),
            None => {
                let view = self.open_list(at);
                (Answer::Watching(view), view)
            }
        };
        self.add_people(at, view, names, now.instant);
        answer
    }

    fn open_list(&mut self, at: SessionAt) -> ViewId {
        let session = self.sessions[at].rest_mut();
        let view = ViewId(LIST_VIEWS + session.lists_opened % LIST_VIEWS);
        session.lists_opened += 1;
        let roster = Roster::new(view, self.epoch, LOG_BYTES);
        session.lists.push(List { roster, names: Vec::new(), last_flush: None });
        view
    }

    fn add_people(&mut self, at: SessionAt, view: ViewId, names: Vec<DisplayName>, now: Instant) {
        let shown: Vec<_> = names.iter().map(|name| self.shown_to(at, name)).collect();
        for (name, shown) in names.into_iter().zip(shown) {
            let list = self.list(at, view).expect("the caller has it");
            list.names.push(name.clone());
            let entry = list.roster.join(name.clone(), shown);
            self.watched.entry(name).or_default().push((at, view, entry));
        }
        self.list_changed(at, view, now);
        self.agreement_changed(at, now);
    }

    /// Where people must agree to be seen: whom this session's user agrees to has changed.
    fn agreement_changed(&mut self, at: SessionAt, now: Instant) {
        if let (true, Some(user)) = (self.rules.mutual_consent, self.sessions[at].user()) {
            self.update_lists(user, now);
        }
    }

    /// Brings somebody up to date in every list.
    pub(super) fn update_lists(&mut self, user: UserAt, now: Instant) {
        let name = self.users[user].name();
        let Some(watched) = self.watched.get(name) else { return };
        let (shown, watched) = (self.shown_of(name), watched.clone());
        if self.rules.mutual_consent {
            let shown = |at: SessionAt| self.shown_to(at, name);
            let shown: Vec<_> = watched.iter().map(|(at, ..)| shown(*at)).collect();
            for ((at, view, entry), shown) in watched.into_iter().zip(shown) {
                self.update_in_list(at, view, entry, &shown, now);
            }
            return;
        }
        for (at, view, entry) in watched {
            self.update_in_list(at, view, entry, &shown, now);
        }
    }

    fn update_in_list(
        &mut self,
        at: SessionAt,
        view: ViewId,
        entry: UserId,
        shown: &Shown,
        now: Instant,
    ) {
        if let Some(list) = self.list(at, view) {
            list.roster.update(entry, shown);
            self.list_changed(at, view, now);
        }
    }

    pub(super) fn list(&mut self, at: SessionAt, view: ViewId) -> Option<&mut List> {
        let lists = &mut self.sessions[at].rest_mut().lists;
        lists.iter_mut().find(|list| list.roster.view() == view)
    }

    pub(super) fn unwatch_list(&mut self, at: SessionAt, view: ViewId, now: Instant) -> bool {
        let session = &mut self.sessions[at];
        let place = session.lists().iter().position(|list| list.roster.view() == view);
        let Some(place) = place else { return false };
        let list = session.rest_mut().lists.remove(place);
        self.forget_list(at, &list);
        self.agreement_changed(at, now);
        true
    }

    /// A list is gone; nobody in it needs to be looked after any more.
    pub(super) fn forget_list(&mut self, at: SessionAt, list: &List) {
        let view = list.roster.view();
        self.dirty_lists.retain(|dirty| *dirty != (at, view));
        for name in &list.names {
            if let Some(watched) = self.watched.get_mut(name) {
                watched.retain(|(session, of, _): &(_, _, UserId)| (*session, *of) != (at, view));
                if watched.is_empty() {
                    self.watched.remove(name);
                }
            }
        }
    }

    fn list_changed(&mut self, at: SessionAt, view: ViewId, now: Instant) {
        let tick = self.tick.at(now);
        let Some(list) = self.list(at, view) else { return };
        if list.roster.is_dirty() {
            let due = list.due(now, tick);
            if !self.dirty_lists.contains(&(at, view)) {
                self.dirty_lists.push((at, view));
            }
            self.flush_by(due);
        }
    }

    /// Publishes the changed lists whose time has come. Returns when the next one is due.
    pub(super) fn flush_lists(
        &mut self,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> Option<Instant> {
        let (tick, mut next) = (self.tick.at(now), None);
        for (at, view) in std::mem::take(&mut self.dirty_lists) {
            let Some(list) = self.list(at, view) else { continue };
            let due = list.due(now, tick);
            if due > now {
                next = next.into_iter().chain([due]).min();
                self.dirty_lists.push((at, view));
                continue;
            }
            list.last_flush = Some(now);
            let deltas = list.roster.publish();
            if let Some(connection) = self.sessions[at].connection() {
                effects.push(Effect::Deliver(connection, Delivery::Deltas(deltas)));
            }
        }
        next
    }
}
