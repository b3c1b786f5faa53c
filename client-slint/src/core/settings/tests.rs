use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Reading {
    Settings::read(text.as_bytes()).expect("the file can be read")
}

fn complaints(text: &str) -> Vec<String> {
    read(text).complaints.iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(read(""), Reading::default());
    let settings = Settings::default();
    assert!(settings.sign_in.by_itself.0 && settings.window.close_to_tray.0);
    assert_eq!(settings.look.scale_percent.percent(), 100);
    assert_eq!(settings.presence.away_after_min.minutes(), Some(10));
    assert_eq!(settings.notifications.people, Told::Favourites);
}

#[test]
fn a_file_reads_as_people_would_write_it() {
    let reading = read(
        r#"
        [sign-in]
        servers = ["example.org:4373", "127.0.0.1"]
        name = "Ada"
        by-itself = false

        [look]
        language = "de"
        colours = "dark"
        scale-percent = 150

        [window]
        size = [400, 700]

        [people."example.org:4373"]
        favourites = ["Žofie", "Bob"]
        "#,
    );
    assert_eq!(reading.complaints, []);
    let Settings { sign_in, look, window, .. } = &reading.settings;
    assert_eq!((sign_in.server(), sign_in.name.as_str()), (Some("example.org:4373"), "Ada"));
    assert_eq!((look.language, look.colours), (Some(Language::German), Colours::Dark));
    assert_eq!((look.scale_percent.percent(), window.size), (150, Size::new(400, 700)));
    let favourites = reading.settings.people_on("example.org:4373").favourites;
    assert_eq!(favourites, ["Bob", "Žofie"].into_iter().collect());
    assert_eq!(reading.settings.people_on("127.0.0.1"), People::default());
}

#[test]
fn a_bad_key_is_named_and_costs_no_other() {
    let text = r#"
        notifications = 3
        [look]
        colours = "sepia"
        scale-percent = 110
        compact-rows = true
        [presence]
        away-after-min = 481
        [window]
        size = [400, 100]
        maximised = true
        [people.host]
        favourites = [-1]
        tell-me = ["Bob"]
    "#;
    assert_eq!(
        complaints(text),
        [
            "look.colours: unknown variant `sepia`, expected one of `system`, `light`, `dark`",
            "look.scale-percent: 110 is none of 100, 125, 150, 175 and 200",
            "notifications: a section is wanted, not 3",
            "presence.away-after-min: 481 minutes are too many, at most 480 will do",
            "window.size: no window is 400 by 100 pixels large",
            "people.host.favourites: invalid type: integer `-1`, expected a string",
        ]
    );
    let Settings { look, window, people, .. } = read(text).settings;
    assert!(look.compact_rows && window.maximised);
    assert_eq!(look.scale_percent, Scale::default());
    assert_eq!(people["host"].tell_me, ["Bob"].into_iter().collect());
}

#[test]
fn what_is_no_toml_is_broken_and_the_place_is_named() {
    let broken = Settings::read(b"[look]\ncolours = = 1\n").expect_err("this is no TOML");
    assert!(broken.to_string().contains("line 2"), "{broken}");
    assert_eq!(Settings::read(b"ab\xFF"), Err(Broken::NotText(2)));
}

#[test]
fn keys_of_another_version_stay() {
    let text = "top = 1\n[look]\nfuture = \"x\"\ncompact-rows = true\n[people.a]\nnote = 2\n[new]\nkey = 1\n";
    let reading = read(text);
    assert_eq!(reading.complaints, []);
    let written = reading.settings.text();
    for key in ["top = 1", "future = \"x\"", "note = 2", "[new]\nkey = 1"] {
        assert!(written.contains(key), "{key} is not in:\n{written}");
    }
    assert_eq!(read(&written), reading);
}

#[test]
fn the_server_used_last_comes_first_and_the_oldest_goes() {
    let mut sign_in = SignIn { signed_out: true, ..SignIn::default() };
    for number in 0..=SERVERS_MAX {
        sign_in.note(&format!("host{number}"), "Ada", None);
    }
    sign_in.note("host3", "Grace", Some("phone".into()));
    assert_eq!(sign_in.servers.len(), SERVERS_MAX);
    assert_eq!(sign_in.servers[..3], ["host3", "host8", "host7"]);
    assert!(!sign_in.servers.contains(&"host0".to_owned()));
    assert_eq!((sign_in.name.as_str(), sign_in.signed_out), ("Grace", false));
}

#[test]
fn only_who_did_not_sign_out_is_signed_in_at_the_start() {
    let mut sign_in = SignIn::default();
    assert_eq!(sign_in.at_start(), None, "nothing is known yet");
    sign_in.note("host", "Ada", None);
    assert_eq!(sign_in.at_start(), Some(("host", "Ada")));
    sign_in.signed_out = true;
    assert_eq!(sign_in.at_start(), None);
    (sign_in.signed_out, sign_in.by_itself) = (false, Switch(false));
    assert_eq!(sign_in.at_start(), None);
}

fn sign_in() -> impl Strategy<Value = SignIn> {
    let servers = vec(".{0,20}", 0..=SERVERS_MAX);
    (servers, ".{0,20}", option::of(".{0,20}"), any::<[bool; 3]>()).prop_map(
        |(servers, name, device_label, [by_itself, signed_out, invisible])| SignIn {
            servers,
            name,
            device_label,
            by_itself: Switch(by_itself),
            signed_out,
            invisible,
            other: Table::new(),
        },
    )
}

fn look() -> impl Strategy<Value = Look> {
    let language = option::of(prop::sample::select(Language::ALL.as_slice()));
    let colours = prop::sample::select(&[Colours::System, Colours::Light, Colours::Dark][..]);
    let scale = prop::sample::select(Scale::CHOICES.as_slice());
    (language, colours, scale, any::<[bool; 2]>()).prop_map(
        |(language, colours, scale, [compact_rows, reduced_motion])| Look {
            language,
            colours,
            scale_percent: Scale::new(scale).expect("a choice"),
            compact_rows,
            reduced_motion,
            other: Table::new(),
        },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    let names = || btree_set(".{0,20}", 0..5);
    let someone = (names(), names(), names()).prop_map(|(favourites, tell_me, rooms)| People {
        favourites: favourites.into_iter().collect(),
        tell_me: tell_me.into_iter().collect(),
        rooms,
        other: Table::new(),
    });
    let people = btree_map(".{0,20}", someone, 0..4);
    let sides = option::of((WINDOW_SIDE, WINDOW_SIDE));
    let window = (sides, any::<[bool; 2]>()).prop_map(|(sides, [maximised, tray])| Window {
        size: sides.and_then(|(width, height)| Size::new(width, height)),
        maximised,
        close_to_tray: Switch(tray),
        other: Table::new(),
    });
    let list = prop::sample::select(&[Grouping::Rooms, Grouping::Status][..])
        .prop_map(|grouping| List { grouping, sort: Sort::Name, other: Table::new() });
    let told = prop::sample::select(&[Told::All, Told::Favourites, Told::None][..])
        .prop_map(|people| Notifications { people, other: Table::new() });
    let presence = (0..=AWAY_AFTER_MIN_MAX).prop_map(|minutes| Presence {
        away_after_min: AwayAfter::new(minutes).expect("few enough"),
        other: Table::new(),
    });
    (sign_in(), look(), list, told, presence, window, people).prop_map(
        |(sign_in, look, list, notifications, presence, window, people)| Settings {
            sign_in,
            look,
            list,
            notifications,
            presence,
            window,
            people,
            other: Table::new(),
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(settings in settings()) {
        let reading = read(&settings.text());
        prop_assert_eq!(reading.complaints, []);
        prop_assert_eq!(reading.settings, settings);
    }

    #[test]
    fn no_bytes_bring_it_down(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Settings::read(&bytes);
    }

    /// What was made of a file by hand: cut off, with something else in the middle.
    #[test]
    fn a_file_that_was_tampered_with_is_read_or_refused(
        settings in settings(), at in any::<prop::sample::Index>(), put in "[ -~\n]{0,6}", cut in 0..9_usize,
    ) {
        let mut text = settings.text();
        let mut at = at.index(text.len() + 1);
        while !text.is_char_boundary(at) { at -= 1; }
        let mut end = (at + cut).min(text.len());
        while !text.is_char_boundary(end) { end -= 1; }
        text.replace_range(at..end.max(at), &put);
        if let Ok(reading) = Settings::read(text.as_bytes()) {
            // Once read, it is sound.
            prop_assert_eq!(read(&reading.settings.text()), Reading { settings: reading.settings, complaints: vec![] });
        }
    }
}
