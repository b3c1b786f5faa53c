use herenow_client::protocol::{DeviceLabel, Presence, StatusText, UserId};

use super::*;

mod model;

fn shown(status: Status, text: &str) -> Shown {
    let text = StatusText::new(text).expect("a valid text");
    Shown { presence: Presence::chosen(status, text), ..Shown::default() }
}

fn entry(name: &str, status: Status) -> Entry {
    saying(name, status, "")
}

fn saying(name: &str, status: Status, text: &str) -> Entry {
    Entry { id: UserId(0), name: called(name), shown: shown(status, text) }
}

fn called(name: &str) -> DisplayName {
    DisplayName::new(name).expect("a valid name")
}

fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a valid name")
}

/// What stands in the rows: names, and heads as `Favourites 1/2`, with a `+` if the people are not shown.
fn rows(people: &People) -> Vec<String> {
    (0..people.rows()).map(|row| words(people.row(row).expect("a row"))).collect()
}

fn words(row: Row<'_>) -> String {
    match row {
        Row::Person(person) => person.name().to_owned(),
        Row::Head { group, here, all, collapsed, .. } => {
            let group = match group {
                Group::Room(room) => room.as_str().to_owned(),
                Group::Status(status) => status.to_string(),
                other => format!("{other:?}"),
            };
            format!("{group} {here}/{all}{}", if collapsed { "+" } else { "" })
        }
    }
}

fn five() -> People {
    let mut people = People::default();
    let entries = [
        entry("Grace", Status::Busy),
        entry("radia", Status::Available),
        entry("Ada", Status::Available),
        entry("Ken", Status::Away),
        entry("Émilie", Status::Away),
    ];
    people.replace(Snapshot::of(entries.iter()));
    people
}

fn here(name: &str, status: Status) -> News {
    News::Here(entry(name, status))
}

fn steps(people: &mut People, news: News) -> Vec<Step> {
    let changes = people.apply(vec![news]);
    assert!(!changes.all);
    changes.steps
}

#[test]
fn people_are_sorted_by_status_then_name_whatever_case_and_accents() {
    assert_eq!(rows(&five()), ["Ada", "radia", "Émilie", "Ken", "Grace"]);
}

#[test]
fn people_can_be_sorted_by_name_alone() {
    let mut people = five();
    people.arrange(Grouping::Rooms, Sort::Name);
    assert_eq!(rows(&people), ["Ada", "Émilie", "Grace", "Ken", "radia"]);
    people.apply(vec![here("Ada", Status::Busy), here("Fran", Status::Away)]);
    assert_eq!(rows(&people), ["Ada", "Émilie", "Fran", "Grace", "Ken", "radia"]);
}

#[test]
fn a_change_says_which_rows_went_and_came() {
    let mut people = five();
    use Step::{Added, Removed};
    assert_eq!(steps(&mut people, here("Bob", Status::Available)), [Added(1)]);
    assert_eq!(steps(&mut people, here("Bob", Status::Busy)), [Removed(1), Added(4)]);
    assert_eq!(steps(&mut people, here("Bob", Status::Busy)), []);
    assert_eq!(steps(&mut people, News::Gone(called("Bob"))), [Removed(4)]);
    assert_eq!(steps(&mut people, News::Gone(called("Bob"))), []);
}

#[test]
fn a_search_finds_names_and_texts_without_case_or_accents() {
    let mut people = five();
    people.search(" éM ");
    assert_eq!(rows(&people), ["Émilie"]);
    people.search("a");
    assert_eq!(rows(&people), ["Ada", "radia", "Grace"]);
    people.search("ad");
    assert_eq!(rows(&people), ["Ada", "radia"]);
    assert_eq!(steps(&mut people, here("Bob", Status::Available)), []);
    let bread = News::Here(saying("Bob", Status::Available, "Smørrebrød"));
    people.search("smorre");
    assert_eq!(steps(&mut people, bread), [Step::Added(0)]);
    assert_eq!(steps(&mut people, here("Bob", Status::Available)), [Step::Removed(0)]);
    people.search("");
    assert_eq!(people.rows(), 6);
}

#[test]
fn the_signed_in_user_is_not_listed() {
    let mut people = People::default();
    people.start(called("Ada"));
    let entries = [entry("Ada", Status::Busy), entry("Bob", Status::Away)];
    people.replace(Snapshot::of(entries.iter()));
    assert_eq!(rows(&people), ["Bob"]);
    assert_eq!(steps(&mut people, here("Ada", Status::Away)), []);
    assert_eq!((people.counts().all(), people.counts().of(Status::Away)), (1, 1));
}

#[test]
fn groups_are_favourites_rooms_and_everyone() {
    let mut people = five();
    people.set_favourites(["Ada", "Zoe"].into_iter().collect());
    people.watch_rooms([room("support")]);
    people.apply(vec![
        News::Chosen(vec![entry("Ada", Status::Available), entry("Zoe", Status::Offline)]),
        News::InRoom(room("support"), vec![called("Ken"), called("Ada")]),
    ]);
    let everyone = ["Ada", "radia", "Émilie", "Ken", "Grace"];
    let chosen = ["Favourites 1/2", "Ada", "Zoe", "support 2/2", "Ada", "Ken", "Everyone 5/5"];
    assert_eq!(rows(&people), [&chosen[..], &everyone[..]].concat());

    people.collapse(&Group::Everyone, true);
    let steps = steps(&mut people, News::Entered(room("support"), called("Grace")));
    assert_eq!(steps, [Step::Added(6)]);
    let changes = people.apply(vec![News::Gone(called("Ada"))]);
    assert!(!changes.all);
    let rows = rows(&people);
    assert_eq!(rows[..3], ["Favourites 0/2", "Ada", "Zoe"], "she stays in sight, offline");
    assert_eq!(rows[3..], ["support 2/2", "Ken", "Grace", "Everyone 4/4+"]);
}

#[test]
fn groups_by_status_are_shown_while_somebody_is_in_them() {
    let mut people = five();
    people.arrange(Grouping::Status, Sort::Status);
    let busy = ["busy 1/1", "Grace"];
    let before = ["available 2/2", "Ada", "radia", "away 2/2", "Émilie", "Ken"];
    assert_eq!(rows(&people), [&before[..], &busy[..]].concat());
    let changes = people.apply(vec![News::Gone(called("Grace"))]);
    assert!(changes.all, "a head went with her");
    assert_eq!(rows(&people), before);
}

#[test]
fn somebody_chosen_is_shown_as_the_lobby_says_while_they_are_here() {
    let mut people = five();
    people.set_favourites(["Ada"].into_iter().collect());
    people.apply(vec![News::Chosen(vec![saying("Ada", Status::Busy, "old")])]);
    let status = |people: &People| people.get(&called("Ada")).expect("she is known").status();
    assert_eq!(status(&people), Status::Available);
    people.apply(vec![News::ChosenIs(entry("Ada", Status::Offline))]);
    assert_eq!(status(&people), Status::Available, "until the lobby says so too");
    people.apply(vec![News::Gone(called("Ada"))]);
    assert_eq!(status(&people), Status::Offline);
    people.set_favourites(Favourites::default());
    people.apply(vec![News::Chosen(Vec::new())]);
    assert!(people.get(&called("Ada")).is_none(), "nobody asks for her any more");
}

#[test]
fn rows_keep_their_places_while_they_are_held() {
    let mut people = five();
    let before = rows(&people);
    people.hold(true);
    let changes = people.apply(vec![
        here("Grace", Status::Available),
        here("Bob", Status::Available),
        News::Gone(called("Ada")),
    ]);
    assert_eq!(changes, Changes { looks: true, ..Changes::default() });
    assert_eq!((rows(&people), people.held_back()), (before, 3));
    assert_eq!(people.get(&called("Grace")).map(Person::status), Some(Status::Available));
    assert_eq!(people.get(&called("Ada")).map(Person::status), Some(Status::Offline));
    assert_eq!(people.counts().all(), 5, "the numbers are those of now");
    let changes = people.hold(false);
    assert_eq!(rows(&people), ["Bob", "Grace", "radia", "Émilie", "Ken"]);
    assert_eq!(changes.steps.len(), 4, "{changes:?}");
    assert_eq!(people.held_back(), 0);
}

#[test]
fn a_place_is_found_again_wherever_the_row_went() {
    let mut people = five();
    people.set_favourites(["Ken"].into_iter().collect());
    let ken = people.place(1).expect("a favourite");
    assert_eq!(ken, Place::Person(Group::Favourites, called("Ken")));
    let ken_in_everyone = Place::Person(Group::Everyone, called("Ken"));
    assert_eq!(people.row_of(&ken_in_everyone), Some(6));
    people.apply(vec![here("Ken", Status::Available)]);
    assert_eq!((people.row_of(&ken), people.row_of(&ken_in_everyone)), (Some(1), Some(4)));
    people.search("ken");
    assert_eq!(people.row_of(&ken), Some(0), "in the only list that is shown");
    people.search("");
    people.collapse(&Group::Everyone, true);
    assert_eq!(people.row_of(&ken_in_everyone), Some(1), "where they can be seen");
    assert_eq!(people.row_of(&Place::Head(Group::Everyone)), Some(2));
}

#[test]
fn a_room_is_empty_until_its_list_has_come() {
    let mut people = five();
    people.watch_rooms([room("support")]);
    let known = |people: &People| match people.row(0) {
        Some(Row::Head { known, .. }) => known,
        other => panic!("{other:?}"),
    };
    assert!(!known(&people));
    people.apply(vec![News::InRoom(room("support"), Vec::new())]);
    assert!(known(&people));
    let in_it = || people.rooms_of(&called("Ada")).count();
    assert_eq!(in_it(), 0);
    people.apply(vec![News::Entered(room("support"), called("Ada"))]);
    assert_eq!(people.rooms_of(&called("Ada")).collect::<Vec<_>>(), [&room("support")]);
    people.watch_rooms([]);
    assert_eq!(people.rows(), 5);
}

#[test]
fn everything_that_is_said_of_a_person_is_kept() {
    let labels = ["desk", "", "téléphone"];
    let mut ada = saying("Ada", Status::Away, "Lunch ☕, back at one");
    ada.shown.presence.automatic = true;
    ada.shown.presence.until_ms = 1_800_000_000_999;
    ada.shown.since_ms = 1_700_000_000_000;
    ada.shown.devices =
        labels.iter().map(|label| DeviceLabel::new(label).expect("a label")).collect();
    let people = || {
        let mut people = People::default();
        people.replace(Snapshot::of([&ada].into_iter()));
        people
    };
    let check = |people: &People| {
        let person = people.get(&called("Ada")).expect("she is there");
        assert_eq!(person.text(), "Lunch ☕, back at one");
        assert!(person.is_automatic() && person.is_present());
        assert_eq!(person.since_ms(), 1_700_000_000_000);
        assert_eq!(person.until_ms(), 1_800_000_000_000, "to the second");
        assert_eq!(person.labels().collect::<Vec<_>>(), labels);
    };
    check(&people());
    // Texts of every length, over one another, with neighbours that must not change.
    let mut people = people();
    people.apply(vec![here("Bob", Status::Busy)]);
    for length in (0..140).chain((0..140).rev()).cycle().take(3_000) {
        let text = "é".repeat(length);
        people.apply(vec![News::Here(saying("Zoe", Status::Away, &text))]);
        assert_eq!(people.get(&called("Zoe")).expect("she is there").text(), text);
    }
    check(&people);
    assert_eq!(people.get(&called("Bob")).expect("he is there").name(), "Bob");
}
