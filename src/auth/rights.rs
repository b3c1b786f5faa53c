//! What somebody who came in may do.

use herenow_protocol::RoomName;
use serde::Deserialize;

/// What a session may do besides being there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Which rooms it may watch, join and ask about.
    pub rooms: Rooms,
    /// Watch and ask for people by name, wherever they are.
    pub lists: bool,
    /// Be invisible.
    pub invisible: bool,
    /// Watch without being listed.
    pub observe: bool,
    /// Ask why anybody is shown as they are, and how the server is.
    pub explain: bool,
}

impl Default for Rights {
    /// Everything but the operator's.
    fn default() -> Self {
        Self { rooms: Rooms::all(), lists: true, invisible: true, observe: true, explain: false }
    }
}

/// Some rooms, by name. A `*` at the end of a name stands for whatever follows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Rooms(Vec<String>);

impl Rooms {
    /// Every room.
    #[must_use]
    pub fn all() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// The rooms of a list with commas, as a configuration has it.
    #[must_use]
    pub fn listed(list: &str) -> Self {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        Self(names.map(str::to_owned).collect())
    }

    /// Whether this room is one of them.
    #[must_use]
    pub fn contain(&self, room: &RoomName) -> bool {
        let room = room.as_str();
        self.0.iter().any(|name| match name.strip_suffix('*') {
            Some(beginning) => room.starts_with(beginning),
            None => room == name,
        })
    }
}

/// Rights as a user file or a token gives them; what it does not name is as in the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GivenRights {
    pub(super) rooms: Option<Rooms>,
    pub(super) lists: Option<bool>,
    pub(super) invisible: Option<bool>,
    pub(super) observe: Option<bool>,
    pub(super) explain: Option<bool>,
}

impl GivenRights {
    /// These rights, where they are given.
    #[must_use]
    pub fn over(&self, usual: &Rights) -> Rights {
        Rights {
            rooms: self.rooms.clone().unwrap_or_else(|| usual.rooms.clone()),
            lists: self.lists.unwrap_or(usual.lists),
            invisible: self.invisible.unwrap_or(usual.invisible),
            observe: self.observe.unwrap_or(usual.observe),
            explain: self.explain.unwrap_or(usual.explain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_named_whole_or_by_their_beginning() {
        let rooms = Rooms::listed("lobby, team-*,,");
        let contains = |name: &str| rooms.contain(&RoomName::new(name).expect("a valid name"));
        assert!(contains("lobby") && contains("team-") && contains("team-red"));
        assert!(!contains("lobby2") && !contains("team") && !contains("*"));
        assert!(!Rooms::listed("").contain(&RoomName::lobby()), "no name, no room");
        assert!(Rooms::all().contain(&RoomName::lobby()));
    }

    #[test]
    fn what_is_not_given_is_as_configured() {
        let usual = Rights { explain: true, lists: false, ..Rights::default() };
        let given =
            GivenRights { invisible: Some(false), explain: Some(false), ..Default::default() };
        let expected = Rights { invisible: false, explain: false, ..usual.clone() };
        assert_eq!(given.over(&usual), expected);
    }
}
