//! What happened since the window last looked, folded so that it cannot grow without bound.

use std::time::Instant;

use herenow_client::Event;
use herenow_client::protocol::{Entry, Presence};

use super::link::{Link, one_line};
use super::people::News;

/// How much news of people a batch holds. Beyond it the whole list is taken instead: a window that
/// was stopped for an hour then has one list to show, not an hour of changes.
pub const NEWS_MAX: usize = 20_000;

/// What happened since the window last looked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The connection as it is now.
    pub link: Link,
    /// The list to start from, if it was replaced.
    pub replaced: Option<Vec<Entry>>,
    /// What happened to people after that, in order.
    pub news: Vec<News>,
    /// How others see this user, if they do and it changed.
    pub mirror: Option<Presence>,
    /// The server's words for the last request that it refused.
    pub refusal: Option<String>,
}

impl Batch {
    /// Takes in one event. `everybody` gives the list as it is with this event applied.
    pub fn add(&mut self, event: Event, now: Instant, everybody: impl FnOnce() -> Vec<Entry>) {
        self.link.apply(&event, now);
        match event {
            Event::Snapshot => self.replace(everybody()),
            Event::Joined(entry) | Event::Updated(entry) => self.push(News::Here(entry), everybody),
            Event::Left { entry, .. } => self.push(News::Gone(entry.id), everybody),
            Event::Mirror(Some(presence)) => self.mirror = Some(presence),
            Event::Refused { text, .. } => self.refusal = Some(one_line(&text)),
            _ => {}
        }
    }

    fn push(&mut self, news: News, everybody: impl FnOnce() -> Vec<Entry>) {
        if self.news.len() < NEWS_MAX {
            self.news.push(news);
        } else {
            self.replace(everybody());
        }
    }

    fn replace(&mut self, entries: Vec<Entry>) {
        self.news.clear();
        self.replaced = Some(entries);
    }
}

#[cfg(test)]
mod tests {
    use herenow_client::protocol::{CloseReason, DisplayName, UserId};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any point in time will do")]
    fn now() -> Instant {
        Instant::now()
    }

    fn entry(id: u32) -> Entry {
        let name = DisplayName::new(&format!("p{id}")).expect("a valid name");
        Entry { id: UserId(id), name, presence: Presence::default(), since_ms: 0 }
    }

    #[test]
    fn a_snapshot_supersedes_the_news_before_it() {
        let mut batch = Batch::default();
        batch.add(Event::Joined(entry(1)), now(), Vec::new);
        batch.add(Event::Snapshot, now(), || vec![entry(2)]);
        batch.add(Event::Left { entry: entry(2), cause: CloseReason::Goodbye }, now(), Vec::new);
        assert_eq!(batch.replaced, Some(vec![entry(2)]));
        assert_eq!(batch.news, [News::Gone(UserId(2))]);
    }

    #[test]
    fn a_batch_nobody_collects_stops_growing() {
        let mut batch = Batch::default();
        for id in 0..100 {
            for _ in 0..NEWS_MAX / 50 {
                batch.add(Event::Updated(entry(id)), now(), || vec![entry(id)]);
            }
        }
        assert!(batch.news.len() <= NEWS_MAX);
        assert!(batch.replaced.is_some(), "twice the limit was told");
    }
}
