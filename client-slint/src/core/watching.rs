//! Whom the user chose: favourites, and people of whom they want to be told once when they come online.
//!
//! People are chosen by name. Ids mean nothing beyond one list of one run of the server; a name is what the
//! user sees, and what the server keeps for its owner.

use std::collections::{BTreeMap, BTreeSet};

use herenow_client::protocol::DisplayName;
use herenow_client::protocol::limits::LIST_PEOPLE_MAX;
use serde::{Deserialize, Serialize};

/// Names that the user chose. In settings it is a list of texts; one that cannot be a name is kept, and watched by nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Names(BTreeSet<String>);

/// The people whom the user keeps in sight, wherever they are. Settings keep it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Favourites(Names);

/// The people of whom the user wants to be told when they come online, each once. Settings keep it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TellMe(Names);

/// Somebody whom the user chose came online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameOnline {
    /// Who.
    pub name: DisplayName,
    /// They are a favourite.
    pub favourite: bool,
    /// The user asked to be told, which is done herewith: the wish is no longer kept.
    pub asked: bool,
}

/// There would be more people than a list of the server holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at most {LIST_PEOPLE_MAX} people can be chosen")]
pub struct TooManyChosen;

/// Favourites and wishes to be told, with what is known of those people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watching {
    favourites: Favourites,
    tell_me: TellMe,
    /// Whether a chosen person was online when last heard of. Who is not in here was not heard of since the choice or the
    /// sign-in, and may have been online all the time.
    online: BTreeMap<DisplayName, bool>,
}

macro_rules! names {
    ($($set:ident),*) => {$(
        impl $set {
            /// Whether this person was chosen.
            #[must_use]
            pub fn contains(&self, name: &str) -> bool {
                self.0.0.contains(name)
            }

            /// How many were chosen.
            #[must_use]
            pub fn len(&self) -> usize {
                self.0.0.len()
            }

            /// Whether nobody was chosen.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.0.0.is_empty()
            }

            /// The chosen names, in their order as texts.
            pub fn iter(&self) -> impl Iterator<Item = &str> {
                self.0.0.iter().map(String::as_str)
            }

            fn toggle(&mut self, name: &str) {
                if !self.0.0.remove(name) {
                    self.0.0.insert(name.to_owned());
                }
            }
        }

        impl<S: Into<String>> FromIterator<S> for $set {
            fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
                Self(Names(names.into_iter().map(Into::into).collect()))
            }
        }
    )*};
}

names!(Favourites, TellMe);

impl Watching {
    /// The choices of an earlier run.
    #[must_use]
    pub fn new(favourites: Favourites, tell_me: TellMe) -> Self {
        Self { favourites, tell_me, online: BTreeMap::new() }
    }

    /// The favourites.
    #[must_use]
    pub fn favourites(&self) -> &Favourites {
        &self.favourites
    }

    /// Of whom the user wants to be told.
    #[must_use]
    pub fn tell_me(&self) -> &TellMe {
        &self.tell_me
    }

    /// Makes somebody a favourite, or no longer one.
    ///
    /// # Errors
    /// [`TooManyChosen`]; nothing was changed.
    pub fn toggle_favourite(&mut self, name: &DisplayName) -> Result<(), TooManyChosen> {
        self.check_room_for(name)?;
        self.favourites.toggle(name.as_str());
        self.forget_unchosen(name);
        Ok(())
    }

    /// Wants to be told once when somebody comes online, or no longer so.
    ///
    /// # Errors
    /// [`TooManyChosen`]; nothing was changed.
    pub fn toggle_tell_me(&mut self, name: &DisplayName) -> Result<(), TooManyChosen> {
        self.check_room_for(name)?;
        self.tell_me.toggle(name.as_str());
        self.forget_unchosen(name);
        Ok(())
    }

    /// Everybody who was chosen and can be asked for: what the list of people is to hold.
    #[must_use]
    pub fn people(&self) -> Vec<DisplayName> {
        let names: BTreeSet<&str> = self.favourites.iter().chain(self.tell_me.iter()).collect();
        let valid = names.into_iter().filter_map(|name| DisplayName::new(name).ok());
        valid.take(LIST_PEOPLE_MAX).collect()
    }

    /// A chosen person is known to be online, or not. Returns the news if they have come online since they were last heard
    /// of; nothing if they were not heard of before, for they may have been there all the time.
    pub fn note(&mut self, name: &DisplayName, online: bool) -> Option<CameOnline> {
        let favourite = self.favourites.contains(name.as_str());
        let asked = self.tell_me.contains(name.as_str());
        if !favourite && !asked {
            return None;
        }
        let before = self.online.insert(name.clone(), online);
        if before != Some(false) || !online {
            return None;
        }
        if asked {
            self.tell_me.toggle(name.as_str());
            self.forget_unchosen(name);
        }
        Some(CameOnline { name: name.clone(), favourite, asked })
    }

    /// Another sign-in begins: who is online is not known any more.
    pub fn forget_states(&mut self) {
        self.online.clear();
    }

    fn check_room_for(&self, name: &DisplayName) -> Result<(), TooManyChosen> {
        let is_known = self.is_chosen(name.as_str());
        let chosen = self.favourites.iter().chain(self.tell_me.iter()).collect::<BTreeSet<_>>();
        if !is_known && chosen.len() >= LIST_PEOPLE_MAX { Err(TooManyChosen) } else { Ok(()) }
    }

    fn is_chosen(&self, name: &str) -> bool {
        self.favourites.contains(name) || self.tell_me.contains(name)
    }

    fn forget_unchosen(&mut self, name: &DisplayName) {
        if !self.is_chosen(name.as_str()) {
            self.online.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> DisplayName {
        DisplayName::new(name).expect("a valid name")
    }

    fn watching(favourites: &[&str], tell_me: &[&str]) -> Watching {
        Watching::new(favourites.iter().copied().collect(), tell_me.iter().copied().collect())
    }

    #[test]
    fn who_was_away_and_is_back_came_online_and_nobody_else() {
        let mut watching = watching(&["Ada"], &[]);
        let (ada, bob) = (name("Ada"), name("Bob"));
        assert_eq!(watching.note(&ada, true), None, "she may have been there all the time");
        assert_eq!(watching.note(&ada, false), None);
        let came = CameOnline { name: ada.clone(), favourite: true, asked: false };
        assert_eq!(watching.note(&ada, true), Some(came));
        assert_eq!(watching.note(&ada, true), None, "she only changed her status");
        assert_eq!(watching.note(&bob, false).or(watching.note(&bob, true)), None, "not chosen");
    }

    #[test]
    fn who_asks_to_be_told_is_told_once() {
        let mut watching = watching(&[], &["Ada"]);
        let ada = name("Ada");
        watching.note(&ada, false);
        let came = CameOnline { name: ada.clone(), favourite: false, asked: true };
        assert_eq!(watching.note(&ada, true), Some(came));
        assert!(watching.tell_me().is_empty());
        assert_eq!((watching.note(&ada, false), watching.note(&ada, true)), (None, None));
    }

    #[test]
    fn a_wish_is_taken_back_like_it_was_made() {
        let mut watching = Watching::default();
        let ada = name("Ada");
        for kept in [true, false] {
            watching.toggle_tell_me(&ada).expect("room for one");
            watching.toggle_favourite(&ada).expect("room for one");
            assert_eq!(watching.tell_me().contains("Ada"), kept);
            assert_eq!(watching.favourites().contains("Ada"), kept);
            assert_eq!(watching.people().len(), usize::from(kept), "she is watched once");
        }
    }

    #[test]
    fn no_more_are_chosen_than_a_list_holds() {
        let many = (0..LIST_PEOPLE_MAX).map(|n| format!("p{n}"));
        let mut watching = Watching::new(many.collect(), TellMe::default());
        let before = watching.clone();
        assert_eq!(watching.toggle_tell_me(&name("Ada")), Err(TooManyChosen));
        assert_eq!(watching, before);
        watching.toggle_tell_me(&name("p1")).expect("who is watched anyway needs no room");
        watching.toggle_favourite(&name("p2")).expect("one less");
        watching.toggle_favourite(&name("Ada")).expect("her place");
    }

    #[test]
    fn settings_keep_what_can_be_no_name() {
        let text = r#"["Ada", "  no name  ", ""]"#;
        let kept: Favourites = serde_json::from_str(text).expect("a list of texts");
        let watching = Watching::new(kept, TellMe::default());
        assert_eq!(watching.people(), [name("Ada")]);
        let written = serde_json::to_value(watching.favourites()).expect("a list of texts");
        assert_eq!(written, serde_json::json!(["", "  no name  ", "Ada"]));
    }
}
