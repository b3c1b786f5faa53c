//! The handle with which a program steers its connection, from any thread.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use herenow_protocol::limits::{LIST_PEOPLE_MAX, LISTS_MAX, ROOM_VIEWS_MAX, ROOMS_MAX};
use herenow_protocol::{Choice, Credential, Query, RoomName, WatchTarget};
use tokio::sync::{Notify, oneshot};

use crate::options::{WantedViews, key_of_room};
use crate::query::{Answer, QUERIES_MAX, QueryError, QueryId};
use crate::session::{Command, amend};
use crate::{Options, ViewKey};

/// Steers a [`Connection`](crate::Connection). Cheap to clone; nothing here blocks, and what is said after the end of
/// the connection has no effect.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

/// The connection's end of all its clients. Once it is dropped, whoever waits for an answer is told.
#[derive(Debug)]
pub(crate) struct Commands {
    shared: Arc<Shared>,
}

/// There would be more than one session may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// Views of rooms.
    #[error("at most {ROOM_VIEWS_MAX} rooms can be watched at once")]
    RoomViews,
    /// Lists of people.
    #[error("at most {LISTS_MAX} lists of people can be watched at once")]
    Lists,
    /// People in a list.
    #[error("a list has at most {LIST_PEOPLE_MAX} people, this one has {0}")]
    People(usize),
    /// Rooms to be in.
    #[error("one can be in at most {ROOMS_MAX} rooms at once, the lobby included")]
    Rooms,
}

/// Wishes are states, of which the last one counts, so they are bounded however often a program repeats itself.
/// Questions have a bound of their own.
#[derive(Debug)]
struct Shared {
    wishes: Mutex<Wishes>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Wishes {
    choice: Option<Choice>,
    views: WantedViews,
    views_changed: bool,
    next_view: u32,
    rooms: BTreeSet<RoomName>,
    rooms_changed: bool,
    /// Questions that the session does not know yet.
    queries: VecDeque<(QueryId, Query)>,
    last_query: u64,
    /// Who waits for an answer. At most [`QUERIES_MAX`].
    asking: BTreeMap<QueryId, oneshot::Sender<Result<Answer, QueryError>>>,
    credential: Option<Credential>,
    retry: bool,
    goodbye: bool,
    /// There is no connection any more.
    over: bool,
}

/// The two ends.
pub(crate) fn pair(options: &Options) -> (Client, Commands) {
    let wishes = Wishes {
        views: options.wanted_views(),
        next_view: u32::try_from(options.views.len()).unwrap_or(u32::MAX),
        rooms: options.wanted_rooms(),
        ..Wishes::default()
    };
    let shared = Arc::new(Shared { wishes: Mutex::new(wishes), changed: Notify::new() });
    (Client { shared: Arc::clone(&shared) }, Commands { shared })
}

impl Client {
    /// Shows this from now on, also after a reconnect. Of several that wait to be sent, the last wins; what it leaves
    /// as it is, text or metadata, is taken from the one before.
    ///
    /// [`Event::Accepted`](crate::Event::Accepted) tells when the server took it, and the next
    /// [`Event::Mirror`](crate::Event::Mirror) how others see this user then.
    ///
    /// For an observer it changes the session of the user with the same name on the same device; if there is none,
    /// [`Event::Refused`](crate::Event::Refused) says so.
    pub fn choose(&self, choice: Choice) {
        self.wish(|wishes| amend(&mut wishes.choice, choice));
    }

    /// Opens a view, and again after each reconnect. [`Event::Snapshot`](crate::Event::Snapshot) tells when it is there.
    ///
    /// A room that is watched already keeps its number. A list of people may be longer than a frame: it is sent in
    /// parts, and told once it is whole. The target's own `view` is not read.
    ///
    /// # Errors
    /// [`TooMany`]; nothing was changed.
    pub fn watch(&self, target: WatchTarget) -> Result<ViewKey, TooMany> {
        let mut wishes = self.shared.wishes();
        if let Some(key) = key_of_room(&wishes.views, &target) {
            return Ok(key);
        }
        wishes.check_room_for(&target)?;
        let key = ViewKey(wishes.next_view);
        wishes.next_view = wishes.next_view.saturating_add(1);
        wishes.views.insert(key, target);
        wishes.views_changed = true;
        drop(wishes);
        self.shared.changed.notify_one();
        Ok(key)
    }

    /// Closes a view. No event about it follows those that are under way to the program.
    pub fn unwatch(&self, view: ViewKey) {
        self.wish(|wishes| wishes.views_changed |= wishes.views.remove(&view).is_some());
    }

    /// Is in this room from now on, also after a reconnect. Everyone is in the lobby without asking.
    ///
    /// # Errors
    /// [`TooMany::Rooms`]; nothing was changed.
    pub fn join(&self, room: RoomName) -> Result<(), TooMany> {
        let mut wishes = self.shared.wishes();
        let is_new = room != RoomName::lobby() && !wishes.rooms.contains(&room);
        if is_new && wishes.rooms.len() + 1 >= ROOMS_MAX {
            return Err(TooMany::Rooms);
        }
        wishes.rooms_changed |= is_new && wishes.rooms.insert(room);
        drop(wishes);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Is not in this room any more. Nobody leaves the lobby.
    pub fn leave(&self, room: &RoomName) {
        self.wish(|wishes| wishes.rooms_changed |= wishes.rooms.remove(room));
    }

    /// Asks once. Without a connection the question waits for the next sign-in, or for the next end of a try.
    ///
    /// # Errors
    /// [`QueryError`]. A question is never asked twice, so after [`QueryError::Disconnected`] the program decides.
    pub fn query(&self, query: Query) -> impl Future<Output = Result<Answer, QueryError>> + use<> {
        let asked = self.shared.wishes().ask(query);
        self.shared.changed.notify_one();
        async move {
            // Who drops the other end without an answer is gone.
            asked?.await.unwrap_or(Err(QueryError::Over))
        }
    }

    /// Brings this credential from now on, also after a reconnect. A session that is signed in proves with it that it may
    /// go on; [`Event::Renewed`](crate::Event::Renewed) or [`Event::Refused`](crate::Event::Refused) tells what came of it.
    pub fn renew(&self, credential: Credential) {
        self.wish(|wishes| wishes.credential = Some(credential));
    }

    /// Does not wait any longer for the next try to connect. At most two tries a second are made.
    pub fn retry_now(&self) {
        self.wish(|wishes| wishes.retry = true);
    }

    /// Signs out, for good: the connection ends with [`Event::Closed`](crate::Event::Closed).
    pub fn goodbye(&self) {
        self.wish(|wishes| wishes.goodbye = true);
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.shared.wishes());
        self.shared.changed.notify_one();
    }
}

impl Commands {
    /// The next command. Cancel-safe.
    pub(crate) async fn next(&self) -> Command {
        loop {
            if let Some(command) = self.shared.wishes().take() {
                return command;
            }
            self.shared.changed.notified().await;
        }
    }

    /// Hands an answer to whoever asked.
    pub(crate) fn answer(&self, query: QueryId, answer: Result<Answer, QueryError>) {
        if let Some(asking) = self.shared.wishes().asking.remove(&query) {
            // Who does not wait any longer does not want it.
            let _ = asking.send(answer);
        }
    }

    /// There will be no further command taken: whoever waits for an answer, or will ask, is told.
    pub(crate) fn end(&self) {
        let mut wishes = self.shared.wishes();
        wishes.over = true;
        wishes.queries.clear();
        wishes.asking.clear();
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    /// A panic while the lock is held cannot leave a wish half made, so poison is no reason to stop.
    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wishes {
    /// The goodbye comes last, after what was wanted before it.
    fn take(&mut self) -> Option<Command> {
        if let Some(choice) = self.choice.take() {
            return Some(Command::Choose(choice));
        }
        if std::mem::take(&mut self.views_changed) {
            return Some(Command::Views(self.views.clone()));
        }
        if std::mem::take(&mut self.rooms_changed) {
            return Some(Command::Rooms(self.rooms.clone()));
        }
        if let Some(credential) = self.credential.take() {
            return Some(Command::Renew(credential));
        }
        if let Some((id, query)) = self.queries.pop_front() {
            return Some(Command::Query(id, query));
        }
        if std::mem::take(&mut self.retry) {
            return Some(Command::RetryNow);
        }
        std::mem::take(&mut self.goodbye).then_some(Command::Goodbye)
    }

    fn check_room_for(&self, target: &WatchTarget) -> Result<(), TooMany> {
        let is_room = |target: &&WatchTarget| matches!(target, WatchTarget::Room(_));
        let rooms = self.views.values().filter(is_room).count();
        match target {
            WatchTarget::Room(_) if rooms >= ROOM_VIEWS_MAX => Err(TooMany::RoomViews),
            WatchTarget::People { names, .. } if names.len() > LIST_PEOPLE_MAX => {
                Err(TooMany::People(names.len()))
            }
            WatchTarget::People { .. } if self.views.len() - rooms >= LISTS_MAX => {
                Err(TooMany::Lists)
            }
            _ => Ok(()),
        }
    }

    fn ask(
        &mut self,
        query: Query,
    ) -> Result<oneshot::Receiver<Result<Answer, QueryError>>, QueryError> {
        if self.over {
            return Err(QueryError::Over);
        }
        if self.asking.len() >= QUERIES_MAX {
            return Err(QueryError::TooMany);
        }
        let (asking, answer) = oneshot::channel();
        self.last_query += 1;
        let id = QueryId(self.last_query);
        self.asking.insert(id, asking);
        self.queries.push_back((id, query));
        Ok(answer)
    }
}
