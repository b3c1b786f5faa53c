use herenow_client::protocol::{Presence, Shown, StatusText};

use super::*;

fn entry(id: u32, name: &str, status: Status) -> Entry {
    Entry {
        id: UserId(id),
        name: DisplayName::new(name).expect("a valid name"),
        shown: Shown {
            presence: Presence::chosen(status, StatusText::default()),
            ..Shown::default()
        },
    }
}

fn names(people: &People) -> Vec<String> {
    (0..people.shown()).map(|row| people.row(row).expect("a row").name.to_string()).collect()
}

fn five() -> People {
    let mut people = People::default();
    people.replace(vec![
        entry(5, "Grace", Status::Busy),
        entry(1, "radia", Status::Available),
        entry(3, "Ada", Status::Available),
        entry(4, "Ken", Status::Away),
        entry(2, "Émilie", Status::Away),
    ]);
    people
}

#[test]
fn people_are_sorted_by_status_then_name_whatever_the_case() {
    assert_eq!(names(&five()), ["Ada", "radia", "Ken", "Émilie", "Grace"]);
}

#[test]
fn a_change_says_which_rows_moved() {
    let mut people = five();
    let mut apply = |news| people.apply(news);
    assert_eq!(apply(News::Here(entry(9, "Bob", Status::Available))), Some(Change::Added(1)));
    assert_eq!(
        apply(News::Here(entry(9, "Bob", Status::Busy))),
        Some(Change::Moved { from: 1, to: 4 })
    );
    assert_eq!(apply(News::Here(entry(9, "Bob", Status::Busy))), Some(Change::Changed(4)));
    assert_eq!(apply(News::Gone(UserId(9))), Some(Change::Removed(4)));
    assert_eq!(apply(News::Gone(UserId(9))), None);
}

#[test]
fn a_search_ignores_case_and_follows_changes() {
    let mut people = five();
    people.search(" ÉM ");
    assert_eq!(names(&people), ["Émilie"]);
    people.search("a");
    assert_eq!(names(&people), ["Ada", "radia", "Grace"]);
    people.search("ad");
    assert_eq!(names(&people), ["Ada", "radia"]);
    assert_eq!(people.apply(News::Here(entry(7, "Bob", Status::Available))), None);
    assert_eq!(people.apply(News::Here(entry(8, "Madi", Status::Away))), Some(Change::Added(2)));
    assert_eq!(people.apply(News::Gone(UserId(7))), None);
    people.search("");
    assert_eq!(people.shown(), 6);
}

#[test]
fn the_signed_in_user_is_not_listed() {
    let mut people = People::without(DisplayName::new("Ada").expect("a valid name"));
    people.replace(vec![entry(1, "Ada", Status::Busy), entry(2, "Bob", Status::Away)]);
    assert_eq!(names(&people), ["Bob"]);
    assert_eq!(people.apply(News::Here(entry(1, "Ada", Status::Away))), None);
    assert_eq!(people.counts().all(), 1);
    assert_eq!(people.counts().of(Status::Away), 1);
}

#[test]
fn an_id_may_come_back_as_somebody_else() {
    let mut people = five();
    people.apply(News::Gone(UserId(3)));
    people.apply(News::Here(entry(3, "Zoe", Status::Available)));
    people.apply(News::Here(entry(3, "Bob", Status::Available)));
    assert_eq!(names(&people), ["Bob", "radia", "Ken", "Émilie", "Grace"]);
    assert_eq!(people.row_of(UserId(3)), Some(0));
}

/// Random news against a list that is sorted anew each time.
#[test]
fn random_news_keeps_the_list_equal_to_a_naive_one() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut people = People::default();
    let mut naive: Vec<Entry> = Vec::new();
    for step in 0..4_000 {
        let id = random.below(60);
        naive.retain(|old| old.id != UserId(id));
        let news = if random.below(4) == 0 {
            News::Gone(UserId(id))
        } else {
            let name = format!("{}{id}", ["ada", "Bob", "éva"][random.below(3) as usize]);
            naive.push(entry(id, &name, Status::ALL[random.below(3) as usize]));
            News::Here(naive.last().expect("just pushed").clone())
        };
        if random.below(50) == 0 {
            people.search(["", "b", "bo", "é", "zz"][random.below(5) as usize]);
        }
        let before: Vec<String> = names(&people);
        let change = people.apply(news);
        let key = |e: &Entry| (rank(e.shown.presence.status), e.name.as_str().to_lowercase(), e.id);
        naive.sort_by_key(key);
        let matches = |e: &&Entry| e.name.as_str().to_lowercase().contains(people.needle());
        let expected: Vec<String> =
            naive.iter().filter(matches).map(|e| e.name.to_string()).collect();
        assert_eq!(names(&people), expected, "step {step}");
        assert_eq!(people.counts().all(), naive.len(), "step {step}");
        assert_eq!(replayed(before, change, &people), expected, "step {step}: {change:?}");
    }
}

/// What a view shows that follows the change alone.
fn replayed(mut rows: Vec<String>, change: Option<Change>, people: &People) -> Vec<String> {
    let name = |row| people.row(row).expect("a row").name.to_string();
    match change {
        None => {}
        Some(Change::Added(at)) => rows.insert(at, name(at)),
        Some(Change::Removed(at)) => drop(rows.remove(at)),
        Some(Change::Changed(at)) => rows[at] = name(at),
        Some(Change::Moved { from, to }) => {
            rows.remove(from);
            rows.insert(to, name(to));
        }
    }
    rows
}

#[test]
fn much_news_at_once_is_the_same_as_one_by_one() {
    let mut random = Random(7);
    let news: Vec<News> = (0..2_000)
        .map(|_| {
            let id = random.below(300);
            match random.below(3) {
                0 => News::Gone(UserId(id)),
                _ => {
                    News::Here(entry(id, &format!("p{id}"), Status::ALL[random.below(3) as usize]))
                }
            }
        })
        .collect();
    let (mut slow, mut fast) = (People::default(), People::default());
    slow.search("1");
    fast.search("1");
    for one in news.clone() {
        slow.apply(one);
    }
    fast.apply_all(news);
    assert_eq!(names(&slow), names(&fast));
    assert_eq!(slow.counts(), fast.counts());
}

/// Xorshift: random enough for schedules, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from((self.0 >> 11) % u64::from(limit)).expect("below a u32")
    }
}
