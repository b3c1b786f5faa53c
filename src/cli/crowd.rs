//! The people of a demo. Each is a real client with a socket, and lives by a seed.

use std::net::SocketAddr;
use std::time::Duration;

use herenow_client::protocol::{Choice, DeviceId, DeviceLabel, DisplayName, Status, StatusText};
use herenow_client::{Client, Connection, Event, Options, connect};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

const FIRST: &[&str] = &[
    "Ada",
    "Grace",
    "Linus",
    "Barbara",
    "Ken",
    "Margaret",
    "Edsger",
    "Frances",
    "Alan",
    "Radia",
    "Tim",
    "Hedy",
    "Katherine",
    "Dennis",
    "Annie",
    "Joan",
    "Žofie",
    "Léa",
    "Søren",
    "Zoë",
    "李明",
    "王芳",
    "さくら",
    "Андрей",
    "Ελένη",
    "Noor",
    "Amir",
    "Priya",
    "Kofi",
    "Ximena",
];

const LAST: &[&str] = &[
    "Lovelace",
    "Hopper",
    "Liskov",
    "Thompson",
    "Hamilton",
    "Dijkstra",
    "Allen",
    "Turing",
    "Perlman",
    "Lamarr",
    "Johnson",
    "Ritchie",
    "Easley",
    "Shannon",
    "Novák",
    "Dupont",
    "Kierkegaard",
    "Okafor",
];

const TEXTS: &[(Status, &[&str])] = &[
    (Status::Available, &["", "", "", "ask me anything", "on support today", "new here"]),
    (
        Status::Away,
        &["", "lunch", "back at three", "walking the dog", "school run", "on the train"],
    ),
    (
        Status::Busy,
        &["", "in a meeting", "deep in it, ping me if it burns", "on a call", "releasing"],
    ),
];

const DEVICES: &[&str] = &["laptop", "phone", "desk", "tablet"];

/// How long someone who was heard last may be silent before everyone was told, and then some.
const SILENCE: (u64, u64) = (11_000, 20_000);

/// Lets `people` come to this server, most of them within two seconds. They go on until the runtime ends.
pub(super) fn gather(server: SocketAddr, people: u32, seed: u64) {
    for number in 0..people {
        let rng = StdRng::seed_from_u64(seed ^ (u64::from(number) << 32));
        let person = Person { server, number, name: name(number), rng };
        actix_rt::spawn(person.live());
    }
}

struct Person {
    server: SocketAddr,
    number: u32,
    name: DisplayName,
    rng: StdRng,
}

/// How a visit ends.
enum Parting {
    /// With a goodbye.
    Goodbye,
    /// The program dies, and its socket is closed.
    Crash,
    /// The cable is pulled: the socket stays open and says nothing any more.
    LostCable,
}

impl Person {
    async fn live(mut self) {
        let early = self.rng.random_bool(0.7);
        self.pause(0, if early { 2_000 } else { 60_000 }).await;
        loop {
            self.visit().await;
            self.pause(3_000, 45_000).await;
        }
    }

    async fn visit(&mut self) {
        let device = DeviceId::new(&format!("demo-{}", self.number)).expect("digits are allowed");
        let mut options = Options::new(self.server.to_string(), self.name.clone(), device);
        options.choice = self.choice();
        options.label = DeviceLabel::new(DEVICES[self.number as usize % DEVICES.len()])
            .expect("the labels are valid");
        let (client, mut connection) = connect(options);
        let stay = Duration::from_millis(self.rng.random_range(10_000..120_000));
        // The time is up, or the server is gone for good.
        let _ = tokio::time::timeout(stay, self.be_here(&client, &mut connection)).await;
        match self.parting() {
            Parting::Goodbye => {
                client.goodbye();
                while connection.next().await.is_some() {}
            }
            Parting::Crash => drop(connection),
            // A connection that is not driven neither beats nor answers.
            Parting::LostCable => self.pause(SILENCE.0, SILENCE.1).await,
        }
    }

    async fn be_here(&mut self, client: &Client, connection: &mut Connection) {
        loop {
            let mood = Duration::from_millis(self.rng.random_range(5_000..60_000));
            if tokio::time::timeout(mood, until_closed(connection)).await.is_ok() {
                return;
            }
            client.choose(self.choice());
        }
    }

    fn choice(&mut self) -> Choice {
        let (status, texts) = TEXTS.choose(&mut self.rng).expect("there are statuses");
        let text = texts.choose(&mut self.rng).expect("each has texts");
        Choice::chosen(*status, StatusText::new(text).expect("the texts are valid"))
    }

    fn parting(&mut self) -> Parting {
        match self.rng.random_range(0..10) {
            0..=5 => Parting::Goodbye,
            6..=7 => Parting::Crash,
            _ => Parting::LostCable,
        }
    }

    async fn pause(&mut self, least: u64, most: u64) {
        let ms = self.rng.random_range(least..most);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

async fn until_closed(connection: &mut Connection) {
    while let Some(event) = connection.next().await {
        if matches!(event, Event::Closed { retry_in: None, .. }) {
            return;
        }
    }
}

/// A name that nobody else in the crowd has: every first name meets every last name before any pair
/// comes again, since 13 and 18 have no common divisor, and then the number tells them apart.
fn name(number: u32) -> DisplayName {
    let n = number as usize;
    let first = FIRST[n % FIRST.len()];
    let last = LAST[(n + n / FIRST.len()) % LAST.len()];
    let name = match n / (FIRST.len() * LAST.len()) {
        0 => format!("{first} {last}"),
        _ => format!("{first} {last} {n}"),
    };
    DisplayName::new(&name).expect("the names are valid")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nobody_in_the_crowd_shares_a_name() {
        let names: BTreeSet<_> = (0..5_000).map(name).collect();
        assert_eq!(names.len(), 5_000);
    }

    #[test]
    fn everybody_has_something_valid_to_say() {
        for text in TEXTS.iter().flat_map(|(_, texts)| *texts) {
            assert!(StatusText::new(text).is_ok(), "{text:?}");
        }
    }
}
