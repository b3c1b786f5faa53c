//! People who come and go as it pleases a seed.

use std::net::SocketAddr;

use herenow_client::protocol::{Choice, SessionId, Status, StatusText, UserKey};
use herenow_client::{Options, connect_through};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::cord::Cord;
use super::crowd::{Home, Member, quiet};

/// People with one device, and then as many with two.
const PEOPLE: usize = 12;

/// Devices from which people come and go, and everything that they were told about their sessions.
#[derive(Debug)]
pub(crate) struct Commotion {
    seats: Vec<Seat>,
    home: Home,
    rng: StdRng,
    past: Vec<(String, SessionId)>,
}

/// One device of one person.
#[derive(Debug)]
struct Seat {
    options: Options,
    life: Option<(Member, Cord)>,
    /// Connections whose clients are gone, and on which nobody speaks.
    silent: Vec<Cord>,
}

impl Commotion {
    /// Nobody is there yet.
    pub(crate) fn new(server: SocketAddr, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let keys: Vec<_> = (0..2 * PEOPLE).map(|_| UserKey(rng.random())).collect();
        let devices = (0..2 * PEOPLE).chain(PEOPLE..2 * PEOPLE);
        let seats = devices.map(|person| Seat {
            options: Options {
                key: Some(keys[person]),
                ..quiet(server, &format!("person {person}"))
            },
            life: None,
            silent: Vec::new(),
        });
        Self { seats: seats.collect(), home: Home::new(), rng, past: Vec::new() }
    }

    /// One thing happens to somebody.
    pub(crate) fn step(&mut self) {
        let Self { seats, home, rng, past } = self;
        let place = rng.random_range(0..seats.len());
        let seat = &mut seats[place];
        let Some((member, cord)) = &seat.life else { return seat.come(home, rng) };
        match rng.random_range(0..8) {
            0 | 1 => member.client.choose(choice(rng)),
            2..=4 => cord.cut(),
            5 => {
                member.client.goodbye();
                member.wait_for_end();
                seat.leave(past);
            }
            6 => {
                member.die();
                cord.cut();
                seat.leave(past);
            }
            _ => {
                member.die();
                seat.silent.push(cord.clone());
                seat.leave(past);
            }
        }
    }

    /// Whether everyone who came, and was not turned away, is signed in. Whoever is not is told not to wait.
    pub(crate) fn is_settled(&self) -> bool {
        let lives = self.seats.iter().filter_map(|seat| seat.life.as_ref());
        let waiting = lives.filter(|(member, _)| !member.is_in() && !member.is_over());
        waiting.map(|(member, _)| member.client.retry_now()).count() == 0
    }

    /// Everyone dies. Returns every session that somebody was welcomed to.
    pub(crate) fn end(mut self) -> Vec<(String, SessionId)> {
        for seat in &mut self.seats {
            if let Some((member, cord)) = &seat.life {
                member.die();
                cord.cut();
                seat.leave(&mut self.past);
            }
        }
        self.past
    }
}

impl Seat {
    fn come(&mut self, home: &Home, rng: &mut StdRng) {
        let options = Options { choice: choice(rng), ..self.options.clone() };
        let cord = Cord::default();
        let name = options.name.to_string();
        let pair = connect_through(cord.clone(), options, rng.random());
        self.life = Some((home.settle_pair(name, pair), cord));
    }

    fn leave(&mut self, past: &mut Vec<(String, SessionId)>) {
        let Some((member, _)) = self.life.take() else { return };
        let diary = member.diary.open();
        past.extend(diary.welcomes.iter().map(|greeted| (member.name.clone(), greeted.session)));
    }
}

fn choice(rng: &mut StdRng) -> Choice {
    let text = StatusText::new(&format!("{}", rng.random_range(0..100))).expect("a short text");
    match rng.random_range(0..5) {
        0 => Choice::automatic(Status::Away),
        1 => Choice::chosen(Status::Busy, text),
        2 => Choice::chosen(Status::Away, text),
        3 => Choice::chosen(Status::Invisible, StatusText::default()),
        _ => Choice::automatic(Status::Available),
    }
}
