//! Everybody who is known, in little memory: some 60 bytes a person, most of them the person's own words.
//!
//! A person has a slot, a number that stays the same while they are known. What is of fixed size stands in one vector, the
//! words of all people in another, one after the other. What is no longer said leaves a gap there until the gaps take
//! a fourth of it; then the words move together.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;
use herenow_client::protocol::{Entry, Shown, Status};
use memchr::memmem::Finder;

use super::fold::fold_into;

/// Gaps below this are not worth moving words for.
const GAPS_MIN: usize = 64 * 1024;

/// Stands between the labels of devices; no label contains it.
const LABEL_END: char = '\n';

/// Everybody who is known.
#[derive(Debug, Default)]
pub struct Book {
    people: Vec<Record>,
    holes: Vec<u32>,
    words: Vec<u8>,
    gaps: usize,
    by_name: HashTable<u32>,
    hasher: RandomState,
}

/// What is of fixed size of a person, and where the words are.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    /// Where the words begin: name, text, labels, and the first two as they are folded unless they are ASCII.
    at: u32,
    since_s: u32,
    until_s: u32,
    text: u16,
    labels: u16,
    folded_name: u16,
    folded_text: u16,
    name: u8,
    devices: u8,
    status: Status,
    flags: u8,
}

const FILLED: u8 = 1;
const AUTOMATIC: u8 = 2;
const PRESENT: u8 = 4;

/// One person, as known.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    record: Record,
    words: &'a [u8],
}

impl Book {
    /// The people of a list, all of them present, with the order of their names.
    pub fn of(entries: impl Iterator<Item: Borrow<Entry>>) -> Self {
        let mut book = Self::default();
        for entry in entries {
            let entry: &Entry = entry.borrow();
            book.put(entry.name.as_str(), &entry.shown, true);
        }
        book.words.shrink_to_fit();
        book.people.shrink_to_fit();
        book
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether nobody is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// No slot is as large as this.
    #[must_use]
    pub fn slots(&self) -> u32 {
        index(self.people.len())
    }

    /// The slot of a person.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u32> {
        let is_them = |slot: &u32| self.name_bytes(*slot) == name.as_bytes();
        self.by_name.find(self.hasher.hash_one(name.as_bytes()), is_them).copied()
    }

    /// The person in a slot.
    ///
    /// # Panics
    /// Nobody is there.
    #[must_use]
    pub fn person(&self, slot: u32) -> Person<'_> {
        let record = self.people[slot as usize];
        debug_assert!(record.flags & FILLED != 0, "nobody is in slot {slot}");
        Person { record, words: &self.words[record.at as usize..record.end()] }
    }

    /// Whether somebody is in this slot.
    #[must_use]
    pub fn is_filled(&self, slot: u32) -> bool {
        self.people.get(slot as usize).is_some_and(|record| record.flags & FILLED != 0)
    }

    /// From now on this person is known so. Returns the slot.
    pub fn put(&mut self, name: &str, shown: &Shown, present: bool) -> u32 {
        let slot = self.find(name).unwrap_or_else(|| self.enter(name));
        let mut record = self.people[slot as usize];
        record.set(shown, present);
        self.say(slot, record, shown);
        slot
    }

    /// Nobody knows this person any more; the slot may become another's.
    pub fn remove(&mut self, slot: u32) {
        let hash = self.hasher.hash_one(self.name_bytes(slot));
        if let Ok(found) = self.by_name.find_entry(hash, |other| *other == slot) {
            found.remove();
        }
        self.gaps += self.people[slot as usize].bytes();
        self.people[slot as usize] = Record::default();
        self.holes.push(slot);
        self.close_gaps();
    }

    /// The order of two people by name, whatever the case and the accents.
    #[must_use]
    pub fn compare_names(&self, a: u32, b: u32) -> Ordering {
        let (a, b) = (self.person(a), self.person(b));
        compare_folded(a, b).then_with(|| a.name().cmp(b.name()))
    }

    /// The first letters of a name as a number: where these differ, so do the names, and in the same way.
    #[must_use]
    pub fn first_letters(&self, slot: u32) -> u64 {
        let person = self.person(slot);
        let mut letters = [0; 8];
        let fold_ascii = person.record.folded_name == 0;
        for (to, from) in letters.iter_mut().zip(person.folded_name()) {
            *to = if fold_ascii { from.to_ascii_lowercase() } else { *from };
        }
        u64::from_be_bytes(letters)
    }

    /// Whether name or text of a person contain the folded words; `scratch` is overwritten.
    pub fn matches(&self, slot: u32, words: &Finder<'_>, scratch: &mut Vec<u8>) -> bool {
        let person = self.person(slot);
        let mut has = |bytes: &[u8], is_folded: bool| {
            if bytes.len() < words.needle().len() {
                return false;
            }
            if is_folded {
                return words.find(bytes).is_some();
            }
            scratch.clear();
            scratch.extend_from_slice(bytes);
            scratch.make_ascii_lowercase();
            words.find(scratch).is_some()
        };
        let record = person.record;
        has(person.folded_name(), record.folded_name != 0)
            || has(person.folded_text(), record.folded_text != 0)
    }

    fn name_bytes(&self, slot: u32) -> &[u8] {
        let record = self.people[slot as usize];
        &self.words[record.at as usize..][..usize::from(record.name)]
    }

    fn enter(&mut self, name: &str) -> u32 {
        let slot = self.holes.pop().unwrap_or_else(|| {
            self.people.push(Record::default());
            index(self.people.len() - 1)
        });
        let at = index(self.words.len());
        self.words.extend(name.bytes());
        let name_bytes = u8::try_from(name.len()).expect("a name has at most 64 bytes");
        self.people[slot as usize] =
            Record { at, name: name_bytes, flags: FILLED, ..Record::default() };
        let (people, words, hasher) = (&self.people, &self.words, &self.hasher);
        let hash_of = |slot: &u32| {
            let Record { at, name, .. } = people[*slot as usize];
            hasher.hash_one(&words[at as usize..][..usize::from(name)])
        };
        self.by_name.insert_unique(hasher.hash_one(name.as_bytes()), slot, hash_of);
        slot
    }

    /// Writes a person's words, over the old ones where they fit.
    fn say(&mut self, slot: u32, mut record: Record, shown: &Shown) {
        let mut said = self.name_bytes(slot).to_vec();
        let text = shown.presence.text.as_str();
        said.extend(text.bytes());
        for (n, label) in shown.devices.as_slice().iter().enumerate() {
            if n > 0 {
                said.push(LABEL_END as u8);
            }
            said.extend(label.as_str().bytes());
        }
        let before = self.people[slot as usize];
        (record.text, record.labels) = (length(text.len()), 0);
        record.labels = length(said.len() - usize::from(record.name) - text.len());
        let name_bytes = usize::from(record.name);
        let name = std::str::from_utf8(&said[..name_bytes]).expect("a name is text").to_owned();
        record.folded_name = append_folded(&name, &mut said);
        record.folded_text = append_folded(text, &mut said);
        if said.len() <= before.bytes() {
            self.words[before.at as usize..][..said.len()].copy_from_slice(&said);
            self.gaps += before.bytes() - said.len();
        } else {
            record.at = index(self.words.len());
            self.words.extend(said);
            self.gaps += before.bytes();
        }
        self.people[slot as usize] = record;
        self.close_gaps();
    }

    fn close_gaps(&mut self) {
        if self.gaps < GAPS_MIN.max(self.words.len() / 4) {
            return;
        }
        let mut words = Vec::with_capacity(self.words.len() - self.gaps);
        for record in self.people.iter_mut().filter(|record| record.flags & FILLED != 0) {
            let at = index(words.len());
            words.extend_from_slice(&self.words[record.at as usize..record.end()]);
            record.at = at;
        }
        (self.words, self.gaps) = (words, 0);
    }
}

impl Record {
    fn set(&mut self, shown: &Shown, present: bool) {
        let presence = &shown.presence;
        self.status = presence.status;
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        self.flags = FILLED | flag(presence.automatic, AUTOMATIC) | flag(present, PRESENT);
        self.since_s = seconds(shown.since_ms);
        self.until_s = seconds(presence.until_ms);
        self.devices = u8::try_from(shown.devices.as_slice().len()).unwrap_or(u8::MAX);
    }

    fn bytes(&self) -> usize {
        let lengths = [self.text, self.labels, self.folded_name, self.folded_text];
        usize::from(self.name) + lengths.into_iter().map(usize::from).sum::<usize>()
    }

    fn end(&self) -> usize {
        self.at as usize + self.bytes()
    }
}

impl<'a> Person<'a> {
    /// The name.
    #[must_use]
    pub fn name(self) -> &'a str {
        text(&self.words[..usize::from(self.record.name)])
    }

    /// The text beside the status; may be empty.
    #[must_use]
    pub fn text(self) -> &'a str {
        text(&self.words[usize::from(self.record.name)..][..usize::from(self.record.text)])
    }

    /// The labels of the devices, in the order in which they signed in. A label may be empty.
    pub fn labels(self) -> impl Iterator<Item = &'a str> {
        let at = usize::from(self.record.name) + usize::from(self.record.text);
        let labels = text(&self.words[at..][..usize::from(self.record.labels)]);
        labels.split(LABEL_END).take(self.devices())
    }

    /// How many devices there are.
    #[must_use]
    pub fn devices(self) -> usize {
        self.record.devices.into()
    }

    /// The status; offline for somebody who is known and not here.
    #[must_use]
    pub fn status(self) -> Status {
        self.record.status
    }

    /// A program chose the status.
    #[must_use]
    pub fn is_automatic(self) -> bool {
        self.record.flags & AUTOMATIC != 0
    }

    /// They are in the list of who is here, and not only known.
    #[must_use]
    pub fn is_present(self) -> bool {
        self.record.flags & PRESENT != 0
    }

    /// When the status began or the person was last seen, in milliseconds since 1970 to the second; 0 if that is not known.
    #[must_use]
    pub fn since_ms(self) -> u64 {
        u64::from(self.record.since_s) * 1000
    }

    /// When the text goes away, in milliseconds since 1970 to the second; 0 if it does not.
    #[must_use]
    pub fn until_ms(self) -> u64 {
        u64::from(self.record.until_s) * 1000
    }

    /// ASCII is not kept twice: then these are the letters as they are.
    fn folded_name(self) -> &'a [u8] {
        match usize::from(self.record.folded_name) {
            0 => &self.words[..usize::from(self.record.name)],
            length => {
                let end = self.words.len() - usize::from(self.record.folded_text);
                &self.words[end - length..end]
            }
        }
    }

    fn folded_text(self) -> &'a [u8] {
        match usize::from(self.record.folded_text) {
            0 => &self.words[usize::from(self.record.name)..][..usize::from(self.record.text)],
            length => &self.words[self.words.len() - length..],
        }
    }
}

fn compare_folded(a: Person<'_>, b: Person<'_>) -> Ordering {
    // What is folded already has no capitals of ASCII left, so folding it again changes nothing.
    let (a, b) = (a.folded_name().iter(), b.folded_name().iter());
    a.map(u8::to_ascii_lowercase).cmp(b.map(u8::to_ascii_lowercase))
}

/// Appends the folded text unless it is ASCII. Returns how many bytes that are.
fn append_folded(text: &str, out: &mut Vec<u8>) -> u16 {
    if text.is_ascii() {
        return 0;
    }
    let start = out.len();
    fold_into(text, out);
    length(out.len() - start)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("words begin and end with whole characters")
}

fn index(n: usize) -> u32 {
    u32::try_from(n).expect("4 GiB of words are more than a list can have")
}

fn length(bytes: usize) -> u16 {
    u16::try_from(bytes).expect("texts, labels and folded texts are bounded far below")
}

/// Whole seconds, at least 1 for what is not 0: that means never.
fn seconds(time_ms: u64) -> u32 {
    let seconds = u32::try_from(time_ms / 1000).unwrap_or(u32::MAX);
    if time_ms == 0 { 0 } else { seconds.max(1) }
}
