//! Random histories against a naive list, read by those who were there and by those who come later.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Join,
    Update(usize, u8),
    Leave(usize),
    Publish,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Join),
        3 => (any::<usize>(), any::<u8>()).prop_map(|(who, text)| Op::Update(who, text)),
        2 => any::<usize>().prop_map(Op::Leave),
        1 => Just(Op::Publish),
    ]
}

/// What the rules say, without versions, pages or digests.
#[derive(Default)]
struct Naive {
    entries: BTreeMap<u32, Entry>,
    /// Ids that a reader may still have somebody for.
    resting: Vec<u32>,
    joined: u32,
}

impl Naive {
    fn carry_out(&mut self, roster: &mut Roster, op: &Op) {
        let pick = |who: usize| {
            let nth = who.checked_rem(self.entries.len())?;
            self.entries.keys().nth(nth).copied()
        };
        match *op {
            Op::Join => {
                self.joined += 1;
                let name = name(&format!("user {}", self.joined));
                let id = roster.join(name.clone(), Shown::default());
                assert!(!self.resting.contains(&id.0), "an id that others know somebody by");
                let entry = Entry { id, name, shown: Shown::default() };
                assert_eq!(self.entries.insert(id.0, entry), None);
            }
            Op::Update(who, text) => {
                let Some(id) = pick(who) else { return };
                let shown = if text < 8 { heaviest() } else { busy(&text.to_string()) };
                roster.update(UserId(id), &shown);
                self.entries.get_mut(&id).expect("just picked").shown = shown;
            }
            Op::Leave(who) => {
                let Some(id) = pick(who) else { return };
                assert_eq!(roster.get(UserId(id)), self.entries.remove(&id));
                assert!(roster.leave(UserId(id), CloseReason::Goodbye));
                self.resting.push(id);
            }
            Op::Publish => self.resting.clear(),
        }
    }
}

proptest! {
    #[test]
    fn any_history_reaches_every_reader(
        ops in proptest::collection::vec(op(), 0..400),
        absent in 0..400_usize,
    ) {
        let (mut roster, mut naive) = (empty(), Naive::default());
        let (mut reader, mut late) = (Reader::default(), None);
        for (n, op) in ops.iter().chain([&Op::Publish]).enumerate() {
            naive.carry_out(&mut roster, op);
            prop_assert_eq!(roster.proof().digest, sum(naive.entries.values()));
            if let Op::Publish = op {
                reader.read_all(frames(&roster.publish()));
                prop_assert_eq!(&reader.entries, &naive.entries);
            }
            if n == absent {
                late = Some(reader.clone());
            }
        }
        prop_assert_eq!(reader.proof(), roster.proof());
        prop_assert_eq!(&Reader::snapshot(&mut roster).entries, &naive.entries);
        if let Some(mut late) = late
            && let Some(missed) = roster.missed(late.version, usize::MAX)
        {
            prop_assert!(missed.frames.len() <= 1);
            late.read_all(&missed.frames);
            prop_assert_eq!(late.proof(), missed.proof);
            prop_assert_eq!(&late.entries, &naive.entries);
        }
    }

    #[test]
    fn a_wrong_copy_is_repaired_by_the_buckets_that_differ(
        ops in proptest::collection::vec(op(), 0..400),
        lost in proptest::collection::btree_set(0..300_u32, 0..5),
        ghosts in proptest::collection::btree_set(0..1_000_u32, 0..5),
    ) {
        let (mut roster, mut naive) = (empty(), Naive::default());
        ops.iter().for_each(|op| naive.carry_out(&mut roster, op));
        roster.publish();
        let mut copy = Reader::snapshot(&mut roster);
        lost.iter().for_each(|id| drop(copy.entries.remove(id)));
        for &id in &ghosts {
            let entry = Entry { id: UserId(id), name: name("ghost"), shown: Shown::default() };
            copy.entries.insert(id, entry);
        }
        let ServerMessage::Buckets { width, digests, .. } = decode(&roster.buckets(0).frame) else {
            panic!()
        };
        let of_copy = |bucket: u32| {
            sum(copy.entries.values().filter(|entry| entry.id.0 / width == bucket))
        };
        let mut ranges: Vec<_> = (0..)
            .zip(&digests)
            .filter(|&(bucket, digest)| of_copy(bucket) != *digest)
            .map(|(bucket, _)| (UserId(bucket * width), UserId(bucket * width + width - 1)))
            .collect();
        let end = u32::try_from(digests.len()).expect("few") * width;
        ranges.push((UserId(end), UserId(u32::MAX)));
        copy.read_all(&roster.ranges(ranges, usize::MAX).frames);
        prop_assert_eq!(copy.proof(), roster.proof());
    }
}
