//! Which of the client's lists is which: the lobby, rooms that are watched, and the list of chosen people.

use std::collections::BTreeMap;

use herenow_client::ViewKey;
use herenow_client::protocol::{Entry, RoomName};

use super::batch::{ViewNews, What};
use super::people::News;

/// The lists of one sign-in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Views {
    rooms: BTreeMap<RoomName, ViewKey>,
    chosen: Option<ViewKey>,
}

impl Views {
    /// This list is that of a room.
    pub fn add_room(&mut self, room: RoomName, view: ViewKey) {
        self.rooms.insert(room, view);
    }

    /// A room is no longer watched. Returns its list, to be closed.
    pub fn remove_room(&mut self, room: &RoomName) -> Option<ViewKey> {
        self.rooms.remove(room)
    }

    /// The rooms that are watched, besides the lobby.
    pub fn rooms(&self) -> impl Iterator<Item = &RoomName> {
        self.rooms.keys()
    }

    /// This list is that of the chosen people, or there is none. Returns the one before, to be closed.
    pub fn set_chosen(&mut self, view: Option<ViewKey>) -> Option<ViewKey> {
        std::mem::replace(&mut self.chosen, view)
    }

    /// What news of a list means. None of a list that is not watched any more.
    #[must_use]
    pub fn meaning(&self, news: ViewNews) -> Option<News> {
        let ViewNews { view, what } = news;
        if view == ViewKey::FIRST {
            return match what {
                What::Here(entry) => Some(News::Here(entry)),
                What::Gone(name) => Some(News::Gone(name)),
                What::Whole(_) => None,
            };
        }
        if self.chosen == Some(view) {
            return match what {
                What::Here(entry) => Some(News::ChosenIs(entry)),
                What::Whole(entries) => Some(News::Chosen(entries)),
                // Nobody leaves a list of chosen people.
                What::Gone(_) => None,
            };
        }
        let room = self.rooms.iter().find(|(_, key)| **key == view)?.0.clone();
        Some(match what {
            What::Here(entry) => News::Entered(room, entry.name),
            What::Gone(name) => News::Left(room, name),
            What::Whole(entries) => News::InRoom(room, names(entries)),
        })
    }
}

fn names(entries: Vec<Entry>) -> Vec<herenow_client::protocol::DisplayName> {
    entries.into_iter().map(|entry| entry.name).collect()
}

#[cfg(test)]
mod tests {
    use herenow_client::protocol::{DisplayName, Shown, UserId};

    use super::*;

    fn ada() -> Entry {
        let name = DisplayName::new("Ada").expect("a valid name");
        Entry { id: UserId(1), name, shown: Shown::default() }
    }

    #[test]
    fn news_means_what_its_list_is() {
        let mut views = Views::default();
        let support = RoomName::new("support").expect("a valid name");
        views.add_room(support.clone(), ViewKey(1));
        views.set_chosen(Some(ViewKey(2)));
        let of = |views: &Views, view| views.meaning(ViewNews { view, what: What::Here(ada()) });
        assert_eq!(of(&views, ViewKey::FIRST), Some(News::Here(ada())));
        assert_eq!(of(&views, ViewKey(1)), Some(News::Entered(support.clone(), ada().name)));
        assert_eq!(of(&views, ViewKey(2)), Some(News::ChosenIs(ada())));
        assert_eq!(views.set_chosen(None), Some(ViewKey(2)));
        assert_eq!(views.remove_room(&support), Some(ViewKey(1)));
        assert_eq!((of(&views, ViewKey(1)), of(&views, ViewKey(2))), (None, None));
    }
}
