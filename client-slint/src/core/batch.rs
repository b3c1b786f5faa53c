//! What happened since the window last looked, folded so that it cannot grow without bound.

use std::time::Instant;

use herenow_client::protocol::{DisplayName, Entry, ViewProof};
use herenow_client::{Event, View, ViewKey};

use super::history::{History, ListFacts};
use super::link::{Link, one_line};
use super::own::OwnNews;
use super::people::Snapshot;

/// How much news of people a batch holds. Beyond it whole lists are taken instead: a window that
/// was stopped for an hour then has lists to show, not an hour of changes.
pub const NEWS_MAX: usize = 20_000;

/// What happened since the window last looked.
#[derive(Debug, Default)]
pub struct Batch {
    /// The connection as it is now.
    pub link: Link,
    /// The server let the user in meanwhile.
    pub signed_in: bool,
    /// The lobby to start from, if it was replaced.
    pub replaced: Option<Snapshot>,
    /// What happened in the lists after that, in order.
    pub news: Vec<ViewNews>,
    /// What the lobby adds up to, if it is proved exact.
    pub proof: Option<ViewProof>,
    /// Who came online and who went after that, in order.
    pub comings: Vec<Coming>,
    /// What became of the user's own status.
    pub own: OwnNews,
    /// The server's words for the last request that it refused.
    pub refusal: Option<String>,
    /// What the connection went through.
    pub history: History,
}

/// Somebody came online, or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coming {
    /// Came.
    Came(DisplayName),
    /// Went.
    Went(DisplayName),
}

/// News of one list.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewNews {
    /// Which list.
    pub view: ViewKey,
    /// What happened there.
    pub what: What,
}

/// What happened in a list.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The person is in it, like this.
    Here(Entry),
    /// The person is no longer in it.
    Gone(DisplayName),
    /// These are in it, and nobody else.
    Whole(Vec<Entry>),
}

/// A list as a whole, made ready for the window.
#[derive(Debug)]
pub enum Whole {
    /// The lobby.
    Lobby(Snapshot),
    /// Another list.
    Other(ViewKey, Vec<Entry>),
}

impl Whole {
    /// The list `key` as `view` has it. Takes time for a long list, so nobody should wait for it.
    #[must_use]
    pub fn of(key: ViewKey, view: &View) -> Self {
        match key {
            ViewKey::FIRST => Self::Lobby(Snapshot::of(view.entries())),
            _ => Self::Other(key, view.entries().collect()),
        }
    }

    /// The list that is to be taken as a whole when `event` happened: it is new, or was mended, or there is so much news
    /// already that more would be too much.
    #[must_use]
    pub fn wanted_by(event: &Event, news: usize) -> Option<ViewKey> {
        match event {
            // What mended the list was not told one by one.
            Event::Snapshot { view } | Event::Repaired { view, .. } => Some(*view),
            Event::Joined { view, .. } | Event::Updated { view, .. } | Event::Left { view, .. } => {
                (news >= NEWS_MAX).then_some(*view)
            }
            _ => None,
        }
    }
}

impl Batch {
    /// Takes in one event. `whole` is the list that the event [wants](Whole::wanted_by), with the event applied, `list` is
    /// what is known of the lobby.
    pub fn add(&mut self, event: Event, now: Instant, list: ListFacts, whole: Option<Whole>) {
        self.link.apply(&event, now);
        self.link.note_proof(list.proved_at);
        self.own.add(&event);
        self.history.add(&event, list, now);
        self.signed_in |= matches!(event, Event::SignedIn(_));
        if let Some(whole) = whole {
            self.replace(whole);
            return;
        }
        self.comings.extend(coming(&event));
        match event {
            Event::Joined { view, entry } | Event::Updated { view, entry } => {
                self.news.push(ViewNews { view, what: What::Here(entry) });
            }
            Event::Left { view, entry, .. } => {
                self.news.push(ViewNews { view, what: What::Gone(entry.name) });
            }
            Event::Refused { text, .. } => self.refusal = Some(one_line(&text)),
            _ => {}
        }
    }

    fn replace(&mut self, whole: Whole) {
        let key = match whole {
            Whole::Lobby(_) => ViewKey::FIRST,
            Whole::Other(key, _) => key,
        };
        self.news.retain(|news| news.view != key);
        match whole {
            Whole::Lobby(snapshot) => {
                self.comings.clear();
                self.replaced = Some(snapshot);
            }
            Whole::Other(view, entries) => {
                self.news.push(ViewNews { view, what: What::Whole(entries) });
            }
        }
    }
}

/// Everybody who is online is in the first list.
fn coming(event: &Event) -> Option<Coming> {
    match event {
        Event::Joined { view: ViewKey::FIRST, entry } => Some(Coming::Came(entry.name.clone())),
        Event::Left { view: ViewKey::FIRST, entry, .. } => Some(Coming::Went(entry.name.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use herenow_client::protocol::{CloseReason, Shown, UserId};

    use super::*;

    const VIEW: ViewKey = ViewKey::FIRST;

    #[expect(clippy::disallowed_methods, reason = "any point in time will do")]
    fn now() -> Instant {
        Instant::now()
    }

    fn entry(id: u32) -> Entry {
        let name = DisplayName::new(&format!("p{id}")).expect("a valid name");
        Entry { id: UserId(id), name, shown: Shown::default() }
    }

    fn add(batch: &mut Batch, event: Event, everybody: &[Entry]) {
        let whole = Whole::wanted_by(&event, batch.news.len()).map(|key| match key {
            VIEW => Whole::Lobby(Snapshot::of(everybody.iter())),
            key => Whole::Other(key, everybody.to_vec()),
        });
        batch.add(event, now(), ListFacts::default(), whole);
    }

    #[test]
    fn a_list_supersedes_its_news_before_it_and_no_others() {
        let room = ViewKey(3);
        for event in [Event::Snapshot { view: VIEW }, Event::Repaired { view: VIEW, entries: 1 }] {
            let mut batch = Batch::default();
            add(&mut batch, Event::Joined { view: VIEW, entry: entry(1) }, &[]);
            add(&mut batch, Event::Joined { view: room, entry: entry(1) }, &[]);
            add(&mut batch, event, &[entry(2)]);
            let cause = CloseReason::Goodbye;
            add(&mut batch, Event::Left { view: VIEW, entry: entry(2), cause }, &[]);
            let replaced = batch.replaced.as_ref().expect("a list");
            assert!(replaced.len() == 1 && replaced.contains("p2"));
            let entered = ViewNews { view: room, what: What::Here(entry(1)) };
            let gone = ViewNews { view: VIEW, what: What::Gone(entry(2).name) };
            assert_eq!(batch.news, [entered, gone.clone()]);
            add(&mut batch, Event::Snapshot { view: room }, &[]);
            let whole = ViewNews { view: room, what: What::Whole(Vec::new()) };
            assert_eq!(batch.news, [gone, whole]);
            assert_eq!(batch.comings, [Coming::Went(entry(2).name)]);
        }
    }

    #[test]
    fn a_batch_nobody_collects_stops_growing() {
        let mut batch = Batch::default();
        for n in 0..4 * NEWS_MAX {
            let id = u32::try_from(n % 100).expect("below 100");
            let view = ViewKey(id % 3);
            add(&mut batch, Event::Updated { view, entry: entry(id) }, &[entry(id)]);
            assert!(batch.news.len() <= NEWS_MAX + 3, "{n}: {}", batch.news.len());
        }
        assert!(batch.replaced.is_some(), "four times the limit was told");
    }
}
