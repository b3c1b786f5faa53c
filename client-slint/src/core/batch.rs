//! What happened since the window last looked, folded so that it cannot grow without bound.

use std::time::Instant;

use herenow_client::Event;
use herenow_client::protocol::Entry;

use super::link::{Link, one_line};
use super::own::OwnNews;
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
    /// What became of the user's own status.
    pub own: OwnNews,
    /// The server's words for the last request that it refused.
    pub refusal: Option<String>,
}

impl Batch {
    /// Takes in one event. `everybody` gives the list as it is with this event applied, `proved_at` is when that list
    /// was last proved exact.
    pub fn add(
        &mut self,
        event: Event,
        now: Instant,
        proved_at: Option<Instant>,
        everybody: impl FnOnce() -> Vec<Entry>,
    ) {
        self.link.apply(&event, now);
        self.link.note_proof(proved_at);
        self.own.add(&event);
        match event {
            // What mended the list was not told one by one.
            Event::Snapshot { .. } | Event::Repaired { .. } => self.replace(everybody()),
            Event::Joined { entry, .. } | Event::Updated { entry, .. } => {
                self.push(News::Here(entry), everybody);
            }
            Event::Left { entry, .. } => self.push(News::Gone(entry.id), everybody),
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
    use herenow_client::ViewKey;
    use herenow_client::protocol::{CloseReason, DisplayName, Shown, UserId};

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

    fn add(batch: &mut Batch, event: Event, everybody: Vec<Entry>) {
        batch.add(event, now(), None, || everybody);
    }

    #[test]
    fn a_snapshot_supersedes_the_news_before_it() {
        for event in [Event::Snapshot { view: VIEW }, Event::Repaired { view: VIEW, entries: 1 }] {
            let mut batch = Batch::default();
            add(&mut batch, Event::Joined { view: VIEW, entry: entry(1) }, Vec::new());
            add(&mut batch, event, vec![entry(2)]);
            let cause = CloseReason::Goodbye;
            let left = Event::Left { view: VIEW, entry: entry(2), cause };
            add(&mut batch, left, Vec::new());
            assert_eq!(batch.replaced, Some(vec![entry(2)]));
            assert_eq!(batch.news, [News::Gone(UserId(2))]);
        }
    }

    #[test]
    fn a_batch_nobody_collects_stops_growing() {
        let mut batch = Batch::default();
        for id in 0..100 {
            for _ in 0..NEWS_MAX / 50 {
                let updated = Event::Updated { view: VIEW, entry: entry(id) };
                add(&mut batch, updated, vec![entry(id)]);
            }
        }
        assert!(batch.news.len() <= NEWS_MAX);
        assert!(batch.replaced.is_some(), "twice the limit was told");
    }
}
