//! What may go wrong between server and view, one frame at a time.

use std::time::Instant;

use herenow_client::protocol::digest::EntryHasher;
use herenow_client::protocol::{
    Change, Digest, DisplayName, Entry, Epoch, ServerMessage, Status, UserId, ViewId, ViewProof,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The epoch of a world's first server.
const EPOCH: Epoch = Epoch([1; 16]);

/// What is planted between server and view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: there must be no alarm.
    None,
    /// A delta does not arrive.
    Dropped,
    /// A delta arrives twice.
    Twice,
    /// A delta arrives after its successor.
    Reordered,
    /// An entry in a delta is another.
    Altered,
    /// An entry in a page is another.
    AlteredPage,
    /// The view holds a wrong entry, and a digest that agrees with it.
    Planted,
}

/// Every one of them.
pub const FAULTS: [Fault; 7] = [
    Fault::None,
    Fault::Dropped,
    Fault::Twice,
    Fault::Reordered,
    Fault::Altered,
    Fault::AlteredPage,
    Fault::Planted,
];

/// Sits between a server and a view, and plants one fault.
pub struct Saboteur {
    fault: Fault,
    /// The fault is planted at the first chance from then on.
    pub armed: bool,
    /// When it was.
    pub planted_at: Option<Instant>,
    /// A delta that waits for its successor.
    held: Option<Vec<u8>>,
    /// Every entry that passed, as the view must have it, to forge a digest with.
    pub copy: Vec<Entry>,
    rng: StdRng,
}

impl Saboteur {
    /// One who waits until it is armed.
    pub fn new(seed: u64, fault: Fault) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { fault, armed: false, planted_at: None, held: None, copy: Vec::new(), rng }
    }

    /// What arrives in the place of this frame.
    pub fn pass(&mut self, body: Vec<u8>, now: Instant) -> Vec<Vec<u8>> {
        let message = ServerMessage::decode(&body).expect("the server speaks well");
        let due = self.armed && self.planted_at.is_none();
        let is_delta = matches!(message, Some(ServerMessage::Delta { .. }));
        if let Some(held) = self.held.take_if(|_| is_delta) {
            self.planted_at = Some(now);
            return vec![body, held];
        }
        let Some(message) = message.filter(|_| due) else { return vec![body] };
        match (self.fault, message) {
            (Fault::Dropped, ServerMessage::Delta { .. }) => self.plant(now, vec![]),
            (Fault::Twice, ServerMessage::Delta { .. }) => {
                self.plant(now, vec![body.clone(), body])
            }
            (Fault::Reordered, ServerMessage::Delta { .. }) => {
                self.held = Some(body);
                vec![]
            }
            (Fault::Altered, ServerMessage::Delta { view, from, proof, mut changes }) => {
                if !alter_change(&mut changes, &mut self.rng) {
                    return vec![body];
                }
                let altered = ServerMessage::Delta { view, from, proof, changes };
                self.plant(now, vec![unframed(&altered)])
            }
            (
                Fault::AlteredPage,
                ServerMessage::SnapshotPage { view, first, last, mut entries },
            ) if !entries.is_empty() => {
                let pick = self.rng.random_range(0..entries.len());
                alter(&mut entries[pick]);
                let altered = ServerMessage::SnapshotPage { view, first, last, entries };
                self.plant(now, vec![unframed(&altered)])
            }
            (Fault::Planted, ServerMessage::Delta { view, proof, .. }) => {
                let forged = self.forge(view, &proof);
                self.plant(now, vec![body, forged])
            }
            _ => vec![body],
        }
    }

    fn plant(&mut self, now: Instant, bodies: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        self.planted_at = Some(now);
        bodies
    }

    /// A delta that lies, and proves itself: only the next word of the server can show it.
    fn forge(&mut self, view: ViewId, proof: &ViewProof) -> Vec<u8> {
        let id = UserId(self.rng.random_range(500..600));
        let template = self.copy.first().expect("the list was not empty").clone();
        let name = DisplayName::new("nobody").expect("valid");
        let wrong = Entry { id, name, ..template };
        let mut digest: Digest = proof.digest;
        digest.add(EntryHasher::new(EPOCH).hash(&wrong));
        let forged = ViewProof { count: proof.count + 1, digest, ..*proof };
        let changes = vec![Change::Joined(wrong)];
        unframed(&ServerMessage::Delta { view, from: proof.version, proof: forged, changes })
    }
}

/// A message without the length before it.
fn unframed(message: &ServerMessage) -> Vec<u8> {
    message.encode()[2..].to_vec()
}

fn alter(entry: &mut Entry) {
    let presence = &mut entry.shown.presence;
    presence.status = match presence.status {
        Status::Away => Status::Busy,
        _ => Status::Away,
    };
}

/// Makes one change another, if there is one that can be.
fn alter_change(changes: &mut [Change], rng: &mut StdRng) -> bool {
    if changes.is_empty() {
        return false;
    }
    let pick = rng.random_range(0..changes.len());
    match &mut changes[pick] {
        Change::Joined(entry) => alter(entry),
        Change::Updated { id, shown } => match rng.random_range(0..2) {
            0 => shown.since_ms += 1,
            _ => *id = UserId(id.0 + 1),
        },
        Change::Left { id, .. } => *id = UserId(id.0 + 1),
    }
    true
}
