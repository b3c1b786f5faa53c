//! Which news is worth a notification, and how few notifications it takes.
//!
//! Pure: callers pass `now`, ask [`Notices::next_deadline`] when to call [`Notices::poll`], and show what comes out.
//!
//! Invariant: in any two seconds at most [`BURST_MAX`] people are told of one by one; more become one notification.

use std::time::{Duration, Instant};

use herenow_client::protocol::DisplayName;

use super::link::{Kind, Link, Phase};

/// People who come within this time of the first are told together with them if they are many.
pub const BURST: Duration = Duration::from_secs(2);

/// How many people who come within [`BURST`] are told one by one.
pub const BURST_MAX: usize = 3;

/// After a sign-in, the first one or a later one, everybody who is there comes at once: nobody of them is news.
pub const QUIET: Duration = Duration::from_secs(5);

/// A connection that is back before this was hardly missed. A server that restarts takes less.
pub const LOST_LASTS: Duration = Duration::from_secs(10);

/// Of this many people who wait to be told of, the names are known; of more only the number. One batch of the server's
/// news cannot make the program keep names without bound.
const WAITING_MAX: usize = 1_000;

/// Of whom to tell that they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whom {
    /// Everybody.
    All,
    /// Favourites.
    #[default]
    Favourites,
    /// Nobody but those for whom the user asked to be told.
    Nobody,
}

/// Somebody came online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who.
    pub name: DisplayName,
    /// The user has them among the favourites.
    pub favourite: bool,
    /// The user asked to be told of this: a promise, which is kept in any case.
    pub awaited: bool,
}

/// What becomes of the connection, as far as it is worth telling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contact {
    /// There is none that anybody would miss.
    #[default]
    None,
    /// The server is heard.
    Fine,
    /// It is not, but may be again.
    Troubled(Kind),
    /// It is over until the user acts.
    Over(Kind),
}

/// Where a notification stands; a newer one of the same place replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// That of one person.
    Person(DisplayName),
    /// That of many who came together.
    Crowd,
    /// That of the connection.
    Connection,
}

/// What to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Somebody came online.
    Came(Arrival),
    /// Many did at once: two of them by name, and how many more. Their order is that in which they came, but that those
    /// come first for whom the user asked.
    CameTogether {
        /// The first two.
        names: [DisplayName; 2],
        /// How many more; at least 2.
        others: usize,
        /// The notification that this one replaces, as it tells of the same person.
        in_place_of: Option<Place>,
    },
    /// The connection is lost, and has been for a while; for this reason.
    Lost(Kind),
    /// It is back, after its loss was told.
    Back,
    /// It is over for this reason, and does not come back by itself.
    Over(Kind),
}

/// Decides what is told, and when.
#[derive(Debug, Default)]
pub struct Notices {
    whom: Whom,
    /// The user is not to be disturbed.
    busy: bool,
    quiet_until: Option<Instant>,
    burst: Option<Burst>,
    /// People for whom the user asked, and who came while nothing was to be told.
    held: Vec<Arrival>,
    contact: Contact,
    /// Since when the contact is as it is.
    since: Option<Instant>,
    /// Its loss or end was told.
    told: bool,
}

/// The time after somebody was told of, or after several were.
#[derive(Debug)]
struct Burst {
    until: Instant,
    /// Who came first, and was told of at once.
    first: Option<Arrival>,
    waiting: Vec<Arrival>,
    /// Further ones, whose names are not kept.
    more: usize,
}

impl Notices {
    /// Tells of these people from now on.
    pub fn tell_of(&mut self, whom: Whom) {
        self.whom = whom;
    }

    /// The user is busy from now on, or no longer is: then [`Self::poll`] is due. Nothing is told meanwhile; what was
    /// promised, or lasts, is told after.
    pub fn set_busy(&mut self, busy: bool) {
        self.busy = busy;
        if busy {
            self.hold_back();
        }
    }

    /// The server let the user in.
    pub fn signed_in(&mut self, now: Instant) {
        self.quiet_until = Some(now + QUIET);
        self.hold_back();
    }

    /// The user left, or another one comes: nothing that was to be told is news any more.
    pub fn signed_out(&mut self) {
        *self = Self { whom: self.whom, ..Self::default() };
    }

    /// Somebody came online.
    pub fn came(&mut self, arrival: Arrival, now: Instant, out: &mut Vec<Notice>) {
        let wanted = match self.whom {
            Whom::All => true,
            Whom::Favourites => arrival.favourite,
            Whom::Nobody => false,
        };
        match self.is_silent(now) {
            true if arrival.awaited => self.hold(arrival),
            false if wanted || arrival.awaited => self.tell(arrival, now, out),
            _ => {}
        }
    }

    /// Somebody went before they were told of.
    pub fn left(&mut self, name: &DisplayName) {
        self.held.retain(|held| held.name != *name);
        if let Some(burst) = &mut self.burst {
            burst.waiting.retain(|waiting| waiting.name != *name);
        }
    }

    /// The connection is like this now.
    pub fn connection(&mut self, contact: Contact, now: Instant, out: &mut Vec<Notice>) {
        let is_bad = |contact| matches!(contact, Contact::Troubled(_) | Contact::Over(_));
        if !is_bad(contact)
            && std::mem::take(&mut self.told)
            && contact == Contact::Fine
            && !self.busy
        {
            out.push(Notice::Back);
        }
        let goes_on = match (self.contact, contact) {
            // One trouble leads to the next, and it is still the same loss.
            (Contact::Troubled(_), Contact::Troubled(_)) => true,
            (before, after) => before == after,
        };
        if matches!((self.contact, contact), (Contact::Troubled(_), Contact::Over(_))) {
            self.told = false;
        }
        self.contact = contact;
        if !goes_on {
            self.since = Some(now);
        }
        self.poll(now, out);
    }

    /// Tells what has become due by now.
    pub fn poll(&mut self, now: Instant, out: &mut Vec<Notice>) {
        if self.burst.as_ref().is_some_and(|burst| now >= burst.until) {
            self.end_burst(now, out);
        }
        if !self.is_silent(now) {
            for held in std::mem::take(&mut self.held) {
                self.tell(held, now, out);
            }
        }
        if self.contact_due().is_some_and(|due| now >= due) {
            self.told = true;
            out.extend(match self.contact {
                Contact::Troubled(kind) => Some(Notice::Lost(kind)),
                Contact::Over(kind) => Some(Notice::Over(kind)),
                Contact::None | Contact::Fine => None,
            });
        }
    }

    /// When [`Self::poll`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let burst = self.burst.as_ref().map(|burst| burst.until);
        let held = self.quiet_until.filter(|_| !self.held.is_empty() && !self.busy);
        burst.into_iter().chain(held).chain(self.contact_due()).min()
    }

    fn is_silent(&self, now: Instant) -> bool {
        self.busy || self.quiet_until.is_some_and(|until| now < until)
    }

    fn contact_due(&self) -> Option<Instant> {
        let lasts = match self.contact {
            Contact::Troubled(_) => LOST_LASTS,
            Contact::Over(_) => Duration::ZERO,
            Contact::None | Contact::Fine => return None,
        };
        let open = !self.told && !self.busy;
        self.since.filter(|_| open).map(|since| since + lasts)
    }

    fn tell(&mut self, arrival: Arrival, now: Instant, out: &mut Vec<Notice>) {
        match &mut self.burst {
            None => {
                out.push(Notice::Came(arrival.clone()));
                self.burst = Some(Burst::starting(now, Some(arrival)));
            }
            Some(burst) if burst.waiting.len() < WAITING_MAX => burst.waiting.push(arrival),
            Some(burst) => burst.more += 1,
        }
    }

    fn end_burst(&mut self, now: Instant, out: &mut Vec<Notice>) {
        let Some(Burst { first, mut waiting, more, .. }) = self.burst.take() else { return };
        if waiting.is_empty() {
            return;
        }
        // Who comes now waits as well, so that no two seconds have more than their share.
        self.burst = Some(Burst::starting(now, None));
        if first.iter().len() + waiting.len() + more <= BURST_MAX {
            out.extend(waiting.into_iter().map(Notice::Came));
            return;
        }
        let in_place_of = first.as_ref().map(|first| Place::Person(first.name.clone()));
        if let Some(first) = first {
            waiting.insert(0, first);
        }
        waiting.sort_by_key(|arrival| !arrival.awaited);
        let names = [0, 1].map(|at| waiting[at].name.clone());
        let others = waiting.len() + more - names.len();
        out.push(Notice::CameTogether { names, others, in_place_of });
    }

    /// Nothing is told for a while. What was promised is kept for later.
    fn hold_back(&mut self) {
        // The burst goes on, empty, so that whoever is told of next still keeps the distance.
        let waiting = self.burst.as_mut().map(|burst| {
            (burst.first, burst.more) = (None, 0);
            std::mem::take(&mut burst.waiting)
        });
        for arrival in waiting.unwrap_or_default().into_iter().filter(|arrival| arrival.awaited) {
            self.hold(arrival);
        }
    }

    fn hold(&mut self, arrival: Arrival) {
        if self.held.len() < WAITING_MAX && self.held.iter().all(|held| held.name != arrival.name) {
            self.held.push(arrival);
        }
    }
}

impl Contact {
    /// What there is to tell of a connection that was once there.
    #[must_use]
    pub fn of(link: &Link) -> Self {
        match (link.kind(), link.phase()) {
            (Kind::SignedOut | Kind::Connecting, _) => Self::None,
            (kind, Phase::Over) => Self::Over(kind),
            (Kind::Connected | Kind::Checking | Kind::Repairing | Kind::Loading, _) => Self::Fine,
            (kind, _) => Self::Troubled(kind),
        }
    }
}

impl Burst {
    fn starting(now: Instant, first: Option<Arrival>) -> Self {
        Self { until: now + BURST, first, waiting: Vec::new(), more: 0 }
    }
}

impl Notice {
    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::Came(arrival) => Place::Person(arrival.name.clone()),
            Self::CameTogether { .. } => Place::Crowd,
            Self::Lost(_) | Self::Back | Self::Over(_) => Place::Connection,
        }
    }
}

#[cfg(test)]
mod tests;
