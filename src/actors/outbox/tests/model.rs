//! Random schedules: questions and answers are on their way for a while, the socket takes what it likes, views are closed,
//! opened and repaired at any time. A client that only has the document must end with the list, and never be told wrong.

use std::collections::{BTreeMap, VecDeque};

use herenow_protocol::digest::EntryHasher;
use herenow_protocol::{Change, Digest, Entry};
use proptest::prelude::*;

use super::*;

const EPOCH: Epoch = Epoch([5; 16]);

#[derive(Clone, Debug)]
enum Op {
    Join(u8),
    Update(u8, u8),
    Ask,
    Answer,
    Deliver,
    Tell(u16),
    Drain(u16),
    Watch,
    Unwatch,
    Repair(Option<u8>),
    Beat,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0..99_u8).prop_map(Op::Join),
        3 => any::<(u8, u8)>().prop_map(|(who, text)| Op::Update(who, text)),
        4 => Just(Op::Ask),
        4 => Just(Op::Answer),
        6 => Just(Op::Deliver),
        4 => (0..300_u16).prop_map(Op::Tell),
        3 => any::<u16>().prop_map(Op::Drain),
        1 => Just(Op::Watch),
        1 => Just(Op::Unwatch),
        2 => proptest::option::of(any::<u8>()).prop_map(Op::Repair),
        2 => Just(Op::Beat),
    ]
}

/// What is on its way from the registry to the outbox, in order.
enum Mail {
    Delta(PublishedDelta),
    Pages(PageBatch),
    Missed(Missed),
    Buckets(BucketBatch),
    Ranges(RangeBatch),
}

/// What a client keeps of the view.
#[derive(Default)]
struct Copy {
    entries: BTreeMap<u32, Entry>,
    version: u64,
    is_open: bool,
    is_complete: bool,
}

impl Copy {
    fn hear(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Result { view: Some(_), .. } => {
                *self = Self { is_open: true, ..Self::default() };
            }
            ServerMessage::Result { request: 0, .. } => self.is_open = false,
            ServerMessage::SnapshotPage { first, last, entries, .. } => {
                assert!(self.is_open, "a page of a closed view");
                // A repair leaves the view complete but for what its deltas and pages say.
                self.is_complete = false;
                self.entries.retain(|id, _| !(first.0..=last.0).contains(id));
                self.entries.extend(entries.into_iter().map(|entry| (entry.id.0, entry)));
            }
            ServerMessage::Delta { from, proof, changes, .. } => {
                assert!(self.is_open, "a delta of a closed view");
                assert!(!self.is_complete || from == self.version, "a gap");
                changes.into_iter().for_each(|change| self.change(change));
                self.version = proof.version;
                self.prove(proof);
            }
            ServerMessage::SnapshotEnd { proof, .. } => {
                (self.version, self.is_complete) = (proof.version, true);
                self.prove(proof);
            }
            ServerMessage::HeartbeatAck { views, .. } => {
                assert!(self.is_open || views.is_empty());
                views.into_iter().for_each(|(_, proof)| self.prove(proof));
            }
            ServerMessage::Buckets { digests, .. } => {
                let mut total = Digest::default();
                digests.into_iter().for_each(|digest| total.add(digest));
                assert!(!self.is_complete || total == self.proof().digest, "wrong at this place");
            }
            _ => {}
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Joined(entry) => drop(self.entries.insert(entry.id.0, entry)),
            Change::Updated { id, shown } => {
                self.entries.entry(id.0).and_modify(|entry| entry.shown = shown);
            }
            Change::Left { id, .. } => drop(self.entries.remove(&id.0)),
        }
    }

    fn proof(&self) -> ViewProof {
        let (hasher, mut digest) = (EntryHasher::new(EPOCH), Digest::default());
        self.entries.values().for_each(|entry| digest.add(hasher.hash(entry)));
        let count = u32::try_from(self.entries.len()).expect("few");
        ViewProof { version: self.version, count, digest }
    }

    fn prove(&self, proof: ViewProof) {
        assert!(!self.is_complete || self.proof() == proof, "the copy is wrong");
    }
}

/// A connection with everything that is on its way.
struct Route {
    reading: Reading,
    wishes: VecDeque<Wish>,
    mail: VecDeque<Mail>,
    copy: Copy,
    partial: Vec<u8>,
}

impl Route {
    fn new() -> Self {
        let mut reading = Reading::new();
        reading.outbox.shut(VIEW);
        let (wishes, mail) = (VecDeque::new(), VecDeque::new());
        Self { reading, wishes, mail, copy: Copy::default(), partial: Vec::new() }
    }

    fn carry_out(&mut self, op: &Op) {
        match *op {
            Op::Join(count) => {
                for _ in 0..count {
                    let name = format!("somebody with number {}", self.reading.next_id);
                    let name = DisplayName::new(&name).expect("valid");
                    self.reading.roster.join(name, Shown::default());
                    self.reading.next_id += 1;
                }
                self.publish();
            }
            Op::Update(who, text) => {
                let text = StatusText::new(&text.to_string()).expect("valid");
                let presence = Presence::chosen(Status::Away, text);
                let shown = Shown { presence, ..Shown::default() };
                self.reading.roster.update(UserId(u32::from(who)), &shown);
                self.publish();
            }
            Op::Ask => {
                self.wishes.extend(self.reading.outbox.next_wish().map(|(_, wish)| wish));
            }
            Op::Answer => self.answer(),
            Op::Deliver => self.deliver(),
            Op::Tell(bytes) => self.tell(usize::from(bytes)),
            Op::Drain(bytes) => self.drain(usize::from(bytes)),
            Op::Watch => {
                let answer = ServerMessage::Result { request: 1, view: Some(VIEW) };
                self.reading.outbox.push(answer.encode());
                self.reading.outbox.open(VIEW);
            }
            Op::Unwatch if self.reading.outbox.shut(VIEW) => {
                let answer = ServerMessage::Result { request: 0, view: None };
                self.reading.outbox.push(answer.encode());
            }
            Op::Unwatch => {}
            Op::Repair(page) => {
                let range = |page| (UserId(u32::from(page) * 8), UserId(u32::from(page) * 8 + 99));
                self.reading.outbox.repair(VIEW, page.map(range).into_iter().collect());
            }
            Op::Beat => self.reading.outbox.push_ack(1, Duration::ZERO),
        }
    }

    fn publish(&mut self) {
        self.mail.extend(self.reading.roster.publish().into_iter().map(Mail::Delta));
    }

    fn answer(&mut self) {
        let roster = &mut self.reading.roster;
        let mail = self.wishes.pop_front().map(|wish| match wish {
            Wish::Pages(from) => Mail::Pages(roster.pages(from, 8_000)),
            Wish::Since(version) => match roster.missed(version, 8_000) {
                Some(missed) => Mail::Missed(missed),
                None => Mail::Pages(roster.pages(0, 8_000)),
            },
            Wish::Buckets(from) => Mail::Buckets(roster.buckets(from)),
            Wish::Ranges(ranges) => Mail::Ranges(roster.ranges(ranges, 8_000)),
        });
        self.mail.extend(mail);
    }

    fn deliver(&mut self) {
        let outbox = &mut self.reading.outbox;
        match self.mail.pop_front() {
            Some(Mail::Delta(delta)) => {
                let before = outbox.queued_bytes();
                outbox.deliver(&delta);
                assert!(outbox.queued_bytes() <= BYTES_MAX.max(before), "news over the bound");
            }
            Some(Mail::Pages(batch)) => outbox.deliver_pages(batch),
            Some(Mail::Missed(missed)) => outbox.deliver_missed(missed),
            Some(Mail::Buckets(batch)) => outbox.deliver_buckets(batch),
            Some(Mail::Ranges(batch)) => outbox.deliver_ranges(batch),
            None => {}
        }
    }

    /// As [`Self::deliver`], but what comes next goes past an empty queue, if it can.
    fn tell(&mut self, bytes: usize) {
        match self.mail.front() {
            Some(Mail::Delta(delta)) if self.reading.outbox.is_at_rest() => {
                self.reading.tell(delta, bytes);
                self.mail.pop_front();
            }
            _ => self.deliver(),
        }
        self.hear();
    }

    fn drain(&mut self, bytes: usize) {
        self.reading.drain(bytes);
        self.hear();
    }

    fn hear(&mut self) {
        self.partial.append(&mut self.reading.socket);
        let mut rest = &self.partial[..];
        while let Some(body) = split_body(&mut rest, FRAME_BYTES_MAX).expect("sound frames") {
            let message = ServerMessage::decode(body).expect("our own frame").expect("a known op");
            self.copy.hear(message);
        }
        self.partial = rest.to_vec();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_schedule_ends_with_the_list(ops in proptest::collection::vec(op(), 0..250)) {
        let mut route = Route::new();
        ops.iter().for_each(|op| route.carry_out(op));
        if !route.reading.outbox.watches(VIEW) {
            route.carry_out(&Op::Watch);
        }
        // Every round brings a batch of pages at least, and a view may have to begin once more.
        for _ in 0..500 {
            for op in [Op::Ask, Op::Answer, Op::Deliver, Op::Drain(u16::MAX)] {
                route.carry_out(&op);
            }
        }
        prop_assert!(route.copy.is_complete && route.mail.is_empty() && route.wishes.is_empty());
        prop_assert_eq!(route.copy.proof(), route.reading.roster.proof());
        prop_assert!(!route.reading.outbox.has_wish());
    }
}
