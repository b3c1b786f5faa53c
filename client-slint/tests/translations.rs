//! Every word of the window in every language.
//!
//! `UPDATE_LANG=1 cargo test -p herenow-desktop --test translations` brings the files in `lang/` up to the words in `ui/`: what is
//! new is added without a translation, what is gone is taken out. What is without a translation then fails the test.

#[path = "translations/messages.rs"]
mod messages;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use herenow_client::protocol::Status;
use herenow_client::{Disconnect, Event};
use herenow_desktop::core::language::Language;
use herenow_desktop::ui;
use i_slint_backend_testing::{AccessibleRole, ElementHandle};
use messages::{Message, messages_of_the_window, placeholders};
use rspolib::{POEntry, POFile, pofile};
use slint::ComponentHandle as _;
use slint::platform::Key;
use support::people::{entry, office};
use support::{STALE, World, joined};

/// The languages with a file.
const TRANSLATED: [Language; 3] = [Language::German, Language::Chinese, Language::Arabic];

/// Words that are the same in every language: the program's name, signs and keys, and words that a language took over.
const SAME: [&str; 4] = ["herenow", "herenow {}", "{} · herenow", "Tab"];

fn path(language: Language) -> PathBuf {
    let file = format!("lang/{}/LC_MESSAGES/herenow-desktop.po", language.code());
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn catalogue(language: Language) -> POFile {
    pofile(path(language).as_path()).expect("the file can be read")
}

/// The translations of a message, one for each form of the plural.
fn forms(catalogue: &POFile, message: &Message) -> Option<Vec<String>> {
    let entry = catalogue.find_by_msgid_msgctxt(&message.text, &message.context)?;
    let forms = if entry.msgstr_plural.is_empty() {
        entry.msgstr.into_iter().collect()
    } else {
        entry.msgstr_plural
    };
    Some(forms).filter(|forms| !forms.is_empty() && forms.iter().all(|form| !form.is_empty()))
}

fn plural_count(catalogue: &POFile) -> usize {
    let header = catalogue.metadata.get("Plural-Forms").expect("the header says it");
    let count = header.trim_start_matches("nplurals=").split(';').next().unwrap_or_default();
    count.parse().expect("a number")
}

fn update(language: Language) {
    let old = catalogue(language);
    let text = fs::read_to_string(path(language)).expect("the file can be read");
    let header = text.split("\n\n").next().unwrap_or_default();
    let mut new = format!("{header}\n");
    for message in messages_of_the_window() {
        let count = if message.plural.is_empty() { 1 } else { plural_count(&old) };
        let forms = forms(&old, &message).unwrap_or_else(|| vec![String::new(); count]);
        new.push_str(&message.entry(&forms));
    }
    fs::write(path(language), new).expect("the file can be written");
}

#[test]
fn every_message_is_translated_with_the_same_placeholders() {
    let messages = messages_of_the_window();
    assert!(messages.len() > 150, "{} messages are too few to be all", messages.len());
    for language in TRANSLATED {
        if std::env::var_os("UPDATE_LANG").is_some() {
            update(language);
        }
        let catalogue = catalogue(language);
        let place = path(language).display().to_string();
        let mut wrong = Vec::new();
        for message in &messages {
            let Some(forms) = forms(&catalogue, message) else {
                wrong.push(format!("no translation: {message:?}"));
                continue;
            };
            let count = if message.plural.is_empty() { 1 } else { plural_count(&catalogue) };
            if forms.len() != count {
                wrong.push(format!("{} forms instead of {count}: {message:?}", forms.len()));
            }
            let wanted = placeholders(&message.text);
            for form in &forms {
                let mut found = placeholders(form);
                // "One person" needs no number.
                if !message.plural.is_empty() {
                    found.insert("n".to_owned());
                }
                if found != wanted {
                    wrong.push(format!("{found:?} instead of {wanted:?}: {form:?}"));
                }
            }
        }
        assert!(
            wrong.is_empty(),
            "{place}:\n{}\nUPDATE_LANG=1 adds what is missing",
            wrong.join("\n")
        );
    }
}

#[test]
fn no_translation_is_of_words_that_are_gone_and_none_is_doubtful() {
    let known: BTreeSet<(String, String)> = messages_of_the_window()
        .into_iter()
        .map(|message| (message.context, message.text))
        .collect();
    for language in TRANSLATED {
        for POEntry { msgid, msgctxt, flags, obsolete, .. } in catalogue(language).entries {
            let key = (msgctxt.unwrap_or_default(), msgid);
            assert!(known.contains(&key) && !obsolete, "{}: {key:?} is gone", language.code());
            assert!(flags.is_empty(), "{}: {key:?} is marked {flags:?}", language.code());
        }
    }
}

/// Nothing on any page is English, neither a message nor, where a language has letters of its own, a word past `@tr`.
#[test]
fn no_page_shows_a_word_that_was_not_translated() {
    for language in TRANSLATED {
        let shown = walk(language);
        assert!(shown.len() > 120, "{} texts are too few for all pages", shown.len());
        expect_no_message(language, &shown);
        if language != Language::German {
            expect_no_latin_words(language, &shown);
        }
    }
}

#[track_caller]
fn expect_no_message(language: Language, shown: &BTreeSet<String>) {
    let catalogue = catalogue(language);
    let differs = |message: &Message| {
        let translated = forms(&catalogue, message).is_some_and(|forms| forms[0] != message.text);
        translated && !SAME.contains(&message.text.as_str())
    };
    let english: BTreeSet<String> = messages_of_the_window()
        .into_iter()
        .filter(differs)
        .flat_map(|message| [message.text, message.plural])
        .filter(|text| !text.is_empty())
        .collect();
    let left: Vec<&String> = shown.iter().filter(|text| english.contains(*text)).collect();
    assert!(left.is_empty(), "{}: {left:?} in English", language.code());
}

/// Latin letters are names, and words of the translation.
#[track_caller]
fn expect_no_latin_words(language: Language, shown: &BTreeSet<String>) {
    let catalogue = catalogue(language);
    let translated = messages_of_the_window();
    let translated = translated.iter().filter_map(|message| forms(&catalogue, message)).flatten();
    let allowed: BTreeSet<String> =
        translated.chain(names()).flat_map(|text| latin_words(&text)).collect();
    for text in shown {
        let left: Vec<String> = latin_words(text).difference(&allowed).cloned().collect();
        assert!(left.is_empty(), "{}: {left:?} in {text:?}", language.code());
    }
}

/// What is in Latin letters on the pages and is nobody's to translate.
fn names() -> Vec<String> {
    let people = office().into_iter().flat_map(|entry| {
        [entry.name.as_str().to_owned(), entry.shown.presence.text.as_str().to_owned()]
    });
    let languages = Language::ALL.map(|language| language.own_name().to_owned());
    // The toolkit's own notice, which its licence asks for, speaks English.
    let others =
        ["desk", "MadeWithSlint Version https slint dev", "Ada Lovelace", "quota reached", "zzz"];
    people.chain(languages).chain(others.map(str::to_owned)).collect()
}

fn latin_words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphabetic());
    // A letter alone is an initial.
    words.filter(|word| word.len() > 1).map(str::to_owned).collect()
}

/// Everything that is said on all pages, in this language.
fn walk(language: Language) -> BTreeSet<String> {
    let world = World::speaking(language);
    let mut shown = BTreeSet::new();
    let mut look = |world: &World| {
        expect_no_overlap(world, language);
        shown.extend(world.screen.words());
    };
    look(&world);
    // Sign-in, with each problem.
    for problem in [ui::SignInProblem::NoServer, ui::SignInProblem::NameTooLong] {
        world.app.window().global::<ui::SignIn<'_>>().set_problem(problem);
        world.screen.settle();
        look(&world);
    }
    world.sign_in(office());
    look(&world);
    for sheet in [ui::Sheet::Settings, ui::Sheet::Shortcuts, ui::Sheet::About] {
        world.app.window().global::<ui::Settings<'_>>().set_sheet(sheet);
        world.screen.settle();
        look(&world);
        world.screen.key(Key::Escape);
    }
    // The user's own panel, opened by the first button of the page.
    let own = &world.screen.controls()[0];
    own.invoke_accessible_default_action();
    world.screen.settle();
    look(&world);
    let refused = Event::Refused {
        code: herenow_client::protocol::ErrorCode::BadRequest,
        text: "quota reached".to_owned(),
    };
    world.tell(&[refused, Event::Mirror(None), joined(entry(40, "李小龍", Status::Busy, ""))]);
    look(&world);
    world.screen.key(Key::Escape);
    world.screen.control('f');
    world.screen.type_text("zzz");
    look(&world);
    world.screen.key(Key::Escape);
    world.tell(&[Event::ContactLost { unanswered: 2, of: 5 }, STALE]);
    look(&world);
    let wait = std::time::Duration::from_secs(9);
    for reason in [Disconnect::ConnectionReset, Disconnect::ConnectionRefused] {
        world.close(reason, Some(wait));
        look(&world);
    }
    shown
}

/// Words are longer in one language than in another; none may push a control into the next.
#[track_caller]
fn expect_no_overlap(world: &World, language: Language) {
    let controls = world.screen.controls();
    let edges = |control: &ElementHandle| {
        let (place, size) = (control.absolute_position(), control.size());
        [place.x, place.y, place.x + size.width, place.y + size.height]
    };
    // Places are rounded to pixels.
    let apart = |a: [f32; 4], b: [f32; 4]| {
        a[2] <= b[0] + 1.0 || b[2] <= a[0] + 1.0 || a[3] <= b[1] + 1.0 || b[3] <= a[1] + 1.0
    };
    for (place, one) in controls.iter().enumerate() {
        let [left, _, right, _] = edges(one);
        let label = one.accessible_label();
        assert!(left >= 0.0 && right <= 361.0, "{language:?}: {label:?} leaves the window");
        for other in &controls[place + 1..] {
            let both = (&label, other.accessible_label());
            assert!(apart(edges(one), edges(other)), "{language:?}: {both:?} overlap");
        }
    }
}

#[test]
fn what_stands_side_by_side_follows_the_direction_of_the_language() {
    for language in Language::ALL {
        let world = World::speaking(language);
        world.sign_in(office());
        // The user's card leads, whatever its words are; the sign-out comes last of the header.
        let controls = world.screen.controls();
        let (card, sign_out) =
            (controls[0].absolute_position().x, controls[3].absolute_position().x);
        assert_eq!(card > sign_out, language == Language::Arabic, "{language:?}");
    }
}

#[test]
fn the_language_can_be_changed_at_any_time_and_back() {
    let world = World::new();
    let role = AccessibleRole::RadioButton;
    let choose = |label: &str| {
        world.screen.find(role, label).invoke_accessible_default_action();
        world.screen.settle();
    };
    world.screen.press("Settings");
    for (language, title) in [
        ("Deutsch", "Einstellungen"),
        ("中文", "设置"),
        ("العربية", "الإعدادات"),
        ("English", "Settings"),
    ] {
        choose(language);
        world.screen.expect(title);
        let rtl = world.app.window().global::<ui::Theme<'_>>().get_rtl();
        assert_eq!(rtl, language == "العربية");
    }
    choose("العربية");
    choose("كالنظام");
    world.screen.expect("Settings");
}

#[test]
fn the_first_start_speaks_as_the_system_does() {
    let world = World::speaking(Language::Chinese);
    world.screen.expect("登录");
    assert_eq!(
        world.kept.settings().look.language,
        None,
        "which is not kept: the system may change"
    );
}

#[test]
fn numbers_take_the_plural_of_the_language() {
    for (count, words) in [
        (1, "شخص واحد"),
        (2, "شخصان"),
        (3, "3 أشخاص"),
        (10, "10 أشخاص"),
        (11, "11 شخصًا"),
        (100, "100 شخص"),
        (102, "102 شخص"),
        (103, "103 أشخاص"),
    ] {
        let world = World::speaking(Language::Arabic);
        let people = (1..=count).map(|id| entry(id, &format!("p{id}"), Status::Busy, ""));
        world.sign_in(people.collect());
        world.screen.expect(words);
    }
}
