//! Whatever is written can be read: the contrast of every ink of the theme to every ground that it may stand on,
//! computed from `ui/globals/theme.slint` for both schemes.
//!
//! Each colour of the theme has one part here. A text takes inks only, so whoever adds a colour says here what it
//! is for, and every place where it could be used is checked at once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The lowest contrast of a text to its ground (WCAG 2.1, 1.4.3, level AA).
const TEXT_MIN: f64 = 4.5;

/// The lowest contrast of a picture that says something to its ground (WCAG 2.1, 1.4.11).
const MARK_MIN: f64 = 3.0;

/// What texts stand on.
const GROUNDS: [&str; 7] =
    ["surface", "field", "hover", "selected", "calm-tint", "warning-tint", "trouble-tint"];

/// What texts are written in, on any of the grounds.
const INKS: [&str; 7] = ["text", "muted", "accent", "accent-hover", "calm", "warning", "trouble"];

/// What pictures are drawn in, on any of the grounds. No text is.
const MARKS: [&str; 5] = ["available", "away", "busy", "invisible", "unproved"];

/// Inks for one ground each.
const PAIRS: [(&str, &str); 3] =
    [("on-accent", "accent"), ("on-accent", "accent-hover"), ("avatar-ink", "avatar-unproved")];

/// What says nothing: without it everything is still told.
const DECORATION: [&str; 1] = ["line"];

/// Red, green, blue.
type Colour = [u8; 3];

/// A colour in light and in dark schemes.
type Shades = [Colour; 2];

fn ui() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui")
}

/// The colours of the theme by name.
fn theme() -> BTreeMap<String, Shades> {
    let text = fs::read_to_string(ui().join("globals/theme.slint")).expect("the theme");
    let colours = text.lines().filter_map(|line| line.trim().strip_prefix("out property <color> "));
    colours.map(shades).collect()
}

/// Reads `NAME: dark ? #DARK : #LIGHT;` or `NAME: #BOTH;`.
fn shades(line: &str) -> (String, Shades) {
    let parts = line.strip_suffix(';').and_then(|line| line.split_once(": "));
    let both = parts.and_then(|(name, value)| {
        let shades = match value.strip_prefix("dark ? ") {
            Some(both) => both.split_once(" : ")?,
            None => (value, value),
        };
        Some((name, shades))
    });
    let Some((name, (dark, light))) = both else {
        panic!("neither one colour nor one for each scheme: {line}");
    };
    (name.to_owned(), [colour(light), colour(dark)])
}

fn colour(text: &str) -> Colour {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
    let digits = digits.unwrap_or_else(|| panic!("{text} is no colour of six digits"));
    [0, 2, 4].map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits"))
}

/// As WCAG 2.1 defines it, from 1 to 21.
fn contrast(a: Colour, b: Colour) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Relative luminance as WCAG 2.1 defines it.
fn luminance(colour: Colour) -> f64 {
    let linear = colour.map(|channel| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

#[track_caller]
fn expect(theme: &BTreeMap<String, Shades>, ink: &str, ground: &str, least: f64) {
    for (scheme, at) in [("light", 0), ("dark", 1)] {
        let of =
            |name: &str| theme.get(name).unwrap_or_else(|| panic!("the theme has no {name}"))[at];
        let contrast = contrast(of(ink), of(ground));
        assert!(contrast >= least, "{ink} on {ground}, {scheme}: {contrast:.2}, at least {least}");
    }
}

#[test]
fn every_text_can_be_read_on_every_ground() {
    let theme = theme();
    for ground in GROUNDS {
        INKS.iter().for_each(|ink| expect(&theme, ink, ground, TEXT_MIN));
    }
    PAIRS.iter().for_each(|(ink, ground)| expect(&theme, ink, ground, TEXT_MIN));
}

#[test]
fn every_mark_can_be_seen_on_every_ground() {
    let theme = theme();
    for ground in GROUNDS {
        MARKS.iter().for_each(|mark| expect(&theme, mark, ground, MARK_MIN));
    }
}

#[test]
fn every_colour_of_the_theme_has_a_part_here() {
    let paired = PAIRS.iter().flat_map(|(ink, ground)| [*ink, *ground]);
    let all = GROUNDS.into_iter().chain(INKS).chain(MARKS).chain(DECORATION).chain(paired);
    let known: Vec<&str> = all.collect();
    for name in theme().keys() {
        assert!(known.contains(&name.as_str()), "what is {name} for? Say so in tests/contrast.rs");
    }
}

/// Where a text gets its colour, only inks are named.
#[test]
fn texts_are_written_in_inks() {
    let theme = theme();
    let may = |name: &str| INKS.contains(&name) || PAIRS.iter().any(|(ink, _)| *ink == name);
    let mut seen = 0;
    for path in slint_files(&ui()) {
        let text = fs::read_to_string(&path).expect("a text file");
        for (at, line) in text.lines().enumerate() {
            for name in inks_of(line).filter(|name| theme.contains_key(*name)) {
                assert!(may(name), "{}:{}: {name} is no ink", path.display(), at + 1);
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen} colours of texts in all the files");
}

/// What a line gives a text as its colour.
fn inks_of(line: &str) -> impl Iterator<Item = &str> {
    let line = line.trim();
    let is_ink = ["color: ", "selection-foreground-color: ", "private property <color> ink: "]
        .iter()
        .any(|start| line.starts_with(start));
    let named = line.split("Theme.").skip(1).filter(move |_| is_ink);
    named
        .map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || c == '-')).next().unwrap_or(rest))
}

fn slint_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => slint_files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "slint"))
        .collect()
}

/// Known values: the guidelines' own extremes, and a grey of which it is often told.
#[test]
fn contrast_is_computed_as_the_guidelines_do() {
    let (white, black) = ([255; 3], [0; 3]);
    assert!((contrast(white, black) - 21.0).abs() < 1e-9);
    assert!((contrast(white, white) - 1.0).abs() < 1e-9);
    assert!((contrast([0x76; 3], white) - 4.54).abs() < 0.01);
}
