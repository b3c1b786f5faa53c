//! Golden pictures: every page and every state of the connection looks as it did when somebody last looked at it.
//!
//! `UPDATE_GOLDEN=1 cargo test -p herenow-desktop --test golden` draws them anew; look at what changed before you
//! commit it. `tests/support/scenes.rs` has the table of what is drawn. The pictures at 200 % and those of the
//! connection are at the same time those of the documentation, in `docs/screenshots/`.
//!
//! Where a picture differs, what was drawn and the difference are written to `tmp/golden` in the target folder.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use skrifa::{FontRef, MetadataProvider as _};
use support::picture::Picture;
use support::scenes::{CONNECTION, PAGES, Scene};

/// How many pixels of a picture may differ: what falls between two roundings. The smallest thing that means
/// something, the bar in the disc of who is busy, has more.
const PIXELS_MAX: usize = 8;

/// Where pictures at these scales are kept, each light and dark. Pages are drawn at all of them.
const PAGE_SCALES: [(f32, &str, &str); 3] = [
    (1.0, "client-slint/tests/golden", "-100"),
    (1.5, "client-slint/tests/golden", "-150"),
    (2.0, "docs/screenshots", ""),
];

/// The bar is the same at every scale of the pages above.
const CONNECTION_SCALES: [(f32, &str, &str); 1] = [(1.0, "docs/screenshots/connection", "")];

const SCHEMES: [(&str, bool); 2] = [("light", false), ("dark", true)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn is_update() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// Draws scenes and compares them, or keeps them. Returns what is wrong.
fn check(scenes: &[Scene], scales: &[(f32, &str, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, set) in scenes {
        let world = set();
        for (scale, folder, suffix) in scales {
            world.screen.set_scale(*scale);
            for (scheme, dark) in SCHEMES {
                world.screen.set_dark(dark);
                let file = format!("{folder}/{name}-{scheme}{suffix}.png");
                wrong.extend(compare(&file, &world.screen.picture()));
            }
        }
    }
    wrong
}

/// What is wrong with a picture, if anything is.
fn compare(file: &str, drawn: &Picture) -> Option<String> {
    let path = root().join(file);
    if is_update() {
        keep(&path, drawn);
        return None;
    }
    let Some(golden) = Picture::load(&path) else {
        return Some(format!("{file}: there is no such picture"));
    };
    let shown = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden").join(file);
    let actual = shown.with_extension("actual.png");
    if (golden.width, golden.height) != (drawn.width, drawn.height) {
        drawn.save(&actual);
        return Some(format!(
            "{file}: {}x{} pixels, drawn {}x{}: see {}",
            golden.width,
            golden.height,
            drawn.width,
            drawn.height,
            actual.display()
        ));
    }
    let difference = golden.difference(drawn);
    if difference.count <= PIXELS_MAX {
        return None;
    }
    drawn.save(&actual);
    let marked = shown.with_extension("difference.png");
    difference.picture.save(&marked);
    Some(format!(
        "{file}: {} pixels differ: see {} and {}",
        difference.count,
        actual.display(),
        marked.display()
    ))
}

/// Replaces a picture unless it shows the same: what nobody changed is no change in the history either.
fn keep(path: &Path, drawn: &Picture) {
    let kept = Picture::load(path);
    let is_same = kept.is_some_and(|kept| {
        (kept.width, kept.height) == (drawn.width, drawn.height)
            && kept.difference(drawn).count <= PIXELS_MAX
    });
    if !is_same {
        drawn.save(path);
    }
}

#[track_caller]
fn expect_right(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{}\nIf this is as it should be: UPDATE_GOLDEN=1 cargo test -p herenow-desktop --test golden",
        wrong.join("\n")
    );
}

#[test]
fn every_page_looks_as_it_did() {
    expect_right(&check(PAGES, &PAGE_SCALES));
}

#[test]
fn every_state_of_the_connection_looks_as_it_did() {
    expect_right(&check(CONNECTION, &CONNECTION_SCALES));
}

#[test]
fn every_picture_belongs_to_a_scene() {
    let mut expected = BTreeSet::new();
    for (scenes, scales) in [(PAGES, &PAGE_SCALES[..]), (CONNECTION, &CONNECTION_SCALES[..])] {
        for ((name, _), (_, folder, suffix)) in pairs(scenes, scales) {
            for (scheme, _) in SCHEMES {
                let file = format!("{folder}/{name}-{scheme}{suffix}.png");
                assert!(expected.insert(file.clone()), "{file} is drawn twice");
            }
        }
    }
    let folders = ["client-slint/tests/golden", "docs/screenshots", "docs/screenshots/connection"];
    for folder in folders {
        for file in fs::read_dir(root().join(folder)).expect("the folder is there") {
            let path = file.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
            let file = format!("{folder}/{name}");
            if path.is_dir() || expected.contains(&file) {
                continue;
            }
            assert!(is_update(), "{file} belongs to no scene");
            fs::remove_file(&path).expect("the file can be removed");
        }
    }
}

fn pairs<'a, A, B>(a: &'a [A], b: &'a [B]) -> impl Iterator<Item = (&'a A, &'a B)> {
    a.iter().flat_map(move |a| b.iter().map(move |b| (a, b)))
}

/// What the bar can say is what `LinkKind` lists; nobody sees the bar while signed out.
#[test]
fn every_kind_of_connection_is_drawn() {
    let types = fs::read_to_string(root().join("ui/globals/types.slint")).expect("the file");
    let after = types.split_once("export enum LinkKind {").expect("the enum").1;
    let kinds = after.split_once('}').expect("its end").0;
    for kind in
        kinds.split(',').map(str::trim).filter(|kind| !kind.is_empty() && *kind != "signed-out")
    {
        let is_drawn = CONNECTION.iter().any(|(name, _)| *name == kind);
        assert!(is_drawn, "{kind} is in no picture");
    }
}

/// A letter that the window's own fonts do not have is drawn by a font of the machine, another on every machine.
#[test]
fn the_pictures_use_no_font_but_the_windows_own() {
    let fonts = ["Regular", "SemiBold"].map(|weight| {
        fs::read(root().join(format!("ui/fonts/Inter-{weight}.otf"))).expect("the font")
    });
    for font in &fonts {
        let letters = FontRef::new(font).expect("a font").charmap();
        for (name, set) in PAGES.iter().chain(CONNECTION) {
            for words in set().screen.words() {
                let foreign: String = words
                    .chars()
                    .filter(|letter| !letter.is_control() && letters.map(*letter).is_none())
                    .collect();
                assert!(
                    foreign.is_empty(),
                    "{name}: Inter has no {foreign:?}, which is in {words:?}"
                );
            }
        }
    }
}

/// What compares would be worth nothing if it found nothing.
#[test]
fn a_status_that_looks_different_is_a_difference() {
    let picture = |status| {
        let person = support::people::entry(9, "Ken", status, "");
        support::World::signed_in(vec![person]).screen.picture()
    };
    use herenow_client::protocol::Status::{Away, Busy};
    let (away, busy) = (picture(Away), picture(Busy));
    assert_eq!(away.difference(&picture(Away)).count, 0);
    assert!(away.difference(&busy).count > PIXELS_MAX);
}
