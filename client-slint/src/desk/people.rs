//! What the user wishes of people: their cards, favourites, rooms.

use std::net::IpAddr;

use herenow_client::protocol::name::InvalidName;
use herenow_client::protocol::{DisplayName, Explanation, Query, RoomName, ViewProof, WatchTarget};
use herenow_client::{Answer, address};
use unicode_normalization::UnicodeNormalization as _;

use super::Desk;
use crate::core::batch::ViewNews;
use crate::core::people::{News, Person, Place, Snapshot};
use crate::core::settings::People;
use crate::core::watching::{CameOnline, TooManyChosen, Watching};
use crate::core::why::{self, Known};
use crate::ui::PersonRow;

/// Why a room cannot be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomTrouble {
    /// Its name breaks a rule.
    Name(InvalidName),
    /// The user is in as many rooms as one can be in.
    TooMany,
}

/// The card that is open.
pub(super) struct Card {
    name: DisplayName,
    /// How the person was shown when the server was asked why, so that it is asked again when that changes.
    asked_about: Option<PersonRow>,
    explanation: Option<Explanation>,
}

impl Desk {
    /// Opens the card of the person in this row, or shows and hides the people of the group.
    pub fn activate(&self, row: usize) {
        match self.adapters.people.place(row) {
            Some(Place::Person(_, name)) => self.open_card(name),
            Some(Place::Head(_)) => self.adapters.people.toggle_group(row),
            None => {}
        }
    }

    /// Opens the card of somebody.
    pub fn open_card(&self, name: DisplayName) {
        self.card.replace(Some(Card { name, asked_about: None, explanation: None }));
        self.show_card();
    }

    /// Closes the card.
    pub fn close_card(&self) {
        self.card.replace(None);
        self.show_card();
    }

    /// Makes the person of the card a favourite, or no longer one.
    pub fn toggle_favourite(&self) {
        self.choose_people(Watching::toggle_favourite);
    }

    /// Wants to be told when the person of the card comes online, or no longer so.
    pub fn toggle_tell_me(&self) {
        self.choose_people(Watching::toggle_tell_me);
    }

    /// These people are chosen, as in an earlier run.
    pub fn set_watching(&self, watching: Watching) {
        self.watching.replace(watching);
        self.watch_chosen();
    }

    /// Before a session begins: takes up whom the user chose on this server earlier, and which rooms they were in.
    pub(super) fn recall_people(&self, server: &str) {
        let People { favourites, tell_me, rooms, .. } =
            self.keeper.read(|settings| settings.people_on(server));
        self.watching.replace(Watching::new(favourites, tell_me));
        let rooms = rooms.iter().filter_map(|room| RoomName::new(room).ok());
        self.rooms.replace(rooms.collect());
    }

    /// Keeps whom the user chose, and which rooms they are in, for a later session on this server.
    fn keep_people(&self) {
        let mut server = None;
        self.with_session(|session| server = Some(session.form.server.clone()));
        let Some(server) = server else { return };
        let watching = self.watching.borrow();
        self.keeper.change(|settings| {
            let people = settings.people.entry(server).or_default();
            people.favourites = watching.favourites().clone();
            people.tell_me = watching.tell_me().clone();
            people.rooms =
                self.rooms.borrow().iter().map(|room| room.as_str().to_owned()).collect();
        });
    }

    /// Enters a room, and watches it.
    ///
    /// # Errors
    /// [`RoomTrouble`]; nothing was changed.
    pub fn join(&self, room: &str) -> Result<(), RoomTrouble> {
        let name: String = room.trim().nfc().collect();
        let room = RoomName::new(&name).map_err(RoomTrouble::Name)?;
        if room == RoomName::lobby() || self.rooms.borrow().contains(&room) {
            return Ok(());
        }
        if !self.enter(&room) {
            return Err(RoomTrouble::TooMany);
        }
        self.rooms.borrow_mut().insert(room);
        self.keep_people();
        self.show_rooms();
        Ok(())
    }

    /// Leaves a room, and does not watch it any more.
    pub fn part(&self, room: &str) {
        let Ok(room) = RoomName::new(room) else { return };
        self.rooms.borrow_mut().remove(&room);
        self.with_session(|session| {
            session.call.part(&room);
            if let Some(view) = session.views.remove_room(&room) {
                session.call.unwatch(view);
            }
        });
        self.keep_people();
        self.show_rooms();
    }

    /// Takes in what happened to people.
    pub(super) fn take_news(&self, replaced: Option<Snapshot>, news: Vec<ViewNews>) {
        let mut meant: Vec<News> = Vec::with_capacity(news.len());
        self.with_session(|session| {
            meant.extend(news.into_iter().filter_map(|news| session.views.meaning(news)));
        });
        if replaced.is_none() && meant.is_empty() {
            return;
        }
        self.adapters.people.update(replaced, meant);
        let came = self.who_came();
        self.chosen_came(&came);
        if !came.is_empty() {
            // Who was to be told of once is not any more.
            self.keep_people();
            self.adapters.people.set_favourites(self.watching.borrow().favourites());
        }
    }

    /// In a session that was just begun: enters the rooms and watches everybody who is chosen.
    pub(super) fn watch_again(&self) {
        self.watching.borrow_mut().forget_states();
        let rooms: Vec<RoomName> = self.rooms.borrow().iter().cloned().collect();
        rooms.iter().for_each(|room| _ = self.enter(room));
        self.show_rooms();
        self.watch_chosen();
    }

    /// Brings the card up to date, if one is open.
    pub(super) fn show_card(&self) {
        let card = self.card.borrow();
        let Some(Card { name, explanation, .. }) = card.as_ref() else {
            return self.adapters.card.close();
        };
        let Some(row) = self.adapters.people.row_of(name) else { return };
        let known = self.known(name);
        let (rooms, devices) = self.adapters.people.ask(|people| {
            let rooms: Vec<RoomName> = people.rooms_of(name).cloned().collect();
            let labels = people.get(name).into_iter().flat_map(Person::labels);
            (rooms, why::devices(labels, explanation.as_ref()))
        });
        let reasons = why::reasons(known, explanation.as_ref());
        self.adapters.card.show(row.clone(), &rooms, &devices, &reasons);
        self.adapters.card.show_chosen(name, &self.watching.borrow());
        drop(card);
        self.ask_why(row);
    }

    fn known(&self, name: &DisplayName) -> Known {
        let (mut exact, mut proof): (bool, Option<ViewProof>) = (false, None);
        self.with_session(|session| (exact, proof) = (session.link.is_exact(), session.proof));
        let present =
            self.adapters.people.ask(|people| people.get(name).is_some_and(Person::is_present));
        Known { present, exact, proof }
    }

    /// Asks the server why, if this account may know and it was not asked about what is shown now.
    fn ask_why(&self, row: PersonRow) {
        let mut is_own = false;
        self.with_session(|session| is_own = is_this_computer(&session.form.server));
        let Some(operator) = self.keys.operator().filter(|_| is_own) else { return };
        let mut card = self.card.borrow_mut();
        let Some(card) = card.as_mut().filter(|card| card.asked_about.as_ref() != Some(&row))
        else {
            return;
        };
        card.asked_about = Some(row);
        let (name, me) = (card.name.clone(), self.me.clone());
        let query = Query::Explain { name: name.clone(), operator: Some(operator) };
        let then = move |answer: Result<Answer, _>| {
            // Whoever may not know is told nothing; what this client knows itself is shown then.
            if let (Some(desk), Ok(Answer::Explanation(explanation))) = (me.upgrade(), answer) {
                desk.explained(&name, explanation);
            }
        };
        self.with_session(|session| session.call.ask(query, Box::new(then)));
    }

    fn explained(&self, name: &DisplayName, explanation: Explanation) {
        if let Some(card) = self.card.borrow_mut().as_mut().filter(|card| card.name == *name) {
            card.explanation = Some(explanation);
        }
        self.show_card();
    }

    fn choose_people(
        &self,
        choose: impl FnOnce(&mut Watching, &DisplayName) -> Result<(), TooManyChosen>,
    ) {
        let Some(name) = self.card.borrow().as_ref().map(|card| card.name.clone()) else { return };
        // The window offers no more than there can be.
        if choose(&mut self.watching.borrow_mut(), &name).is_ok() {
            self.watch_chosen();
            self.keep_people();
        }
        self.show_card();
    }

    /// Watches everybody who is chosen, in a list of their own.
    fn watch_chosen(&self) {
        self.adapters.people.set_favourites(self.watching.borrow().favourites());
        let names = self.watching.borrow().people();
        self.with_session(|session| {
            let target = || WatchTarget::People { names, view: None };
            let is_empty = self.watching.borrow().people().is_empty();
            let view = (!is_empty).then(|| session.call.watch(target())).flatten();
            if let Some(before) = session.views.set_chosen(view) {
                session.call.unwatch(before);
            }
        });
    }

    /// Returns whether there was room for one more.
    fn enter(&self, room: &RoomName) -> bool {
        let mut entered = true;
        self.with_session(|session| {
            let target = WatchTarget::Room(room.clone());
            entered = session.call.join(room.clone());
            let view = entered.then(|| session.call.watch(target)).flatten();
            if let Some(view) = view {
                session.views.add_room(room.clone(), view);
            }
        });
        entered
    }

    fn show_rooms(&self) {
        self.adapters.people.set_rooms(self.rooms.borrow().iter().cloned().collect());
    }

    /// Who of the chosen people came online since they were last looked at.
    fn who_came(&self) -> Vec<CameOnline> {
        let mut watching = self.watching.borrow_mut();
        let chosen = watching.people();
        let present = |name: &DisplayName| {
            self.adapters.people.ask(|people| people.get(name).is_some_and(Person::is_present))
        };
        chosen.iter().filter_map(|name| watching.note(name, present(name))).collect()
    }
}

/// Whether a server is on this computer: only there the key of the operator of this account is that of the server's, and
/// no other server is to see it.
fn is_this_computer(server: &str) -> bool {
    let Ok((host, _)) = address::split(server) else { return false };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
