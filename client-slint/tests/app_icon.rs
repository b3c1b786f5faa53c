//! The program's icon for desktops: the logo in white on a tile of the accent colour, in the usual sizes.
//!
//! `UPDATE_GOLDEN=1 cargo test -p herenow-desktop --test app_icon` draws the files anew.

#[path = "support/picture.rs"]
mod picture;

use std::fs;
use std::path::{Path, PathBuf};

use picture::Picture;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// The sizes in pixels that the freedesktop icon theme specification and AppStream ask for.
const SIZES: [u32; 9] = [16, 22, 24, 32, 48, 64, 128, 256, 512];

/// The tile's edge in the logo's own units.
const TILE: f32 = 64.0;

/// A quarter of the edge, as round as the tiles in the window are.
const RADIUS: u32 = 14;

/// How large the logo is on its tile; smaller, its hole would close at 16 pixels.
const LOGO_SCALE: f32 = 0.75;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {text}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after:?} in {rest}")).0
}

/// The icon, made from the logo and the theme.
fn app_icon() -> String {
    let logo = read("ui/icons/logo.svg");
    let path = between(&logo, "<path ", "/>");
    let theme = read("ui/globals/theme.slint");
    let accent = between(&theme, "out property <color> accent: dark ? ", ";");
    let accent = accent.split(" : ").nth(1).expect("a colour for light schemes");
    let margin = TILE * (1.0 - LOGO_SCALE) / 2.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {TILE} {TILE}\" width=\"{TILE}\" height=\"{TILE}\">\
         <rect width=\"{TILE}\" height=\"{TILE}\" rx=\"{RADIUS}\" fill=\"{accent}\"/>\
         <g transform=\"translate({margin} {margin}) scale({LOGO_SCALE})\" fill=\"#fff\"><path {path}/></g></svg>\n"
    )
}

fn draw(svg: &str, size: u32) -> Picture {
    let tree = Tree::from_str(svg, &Options::default()).expect("a valid picture");
    let mut pixmap = Pixmap::new(size, size).expect("a size above zero");
    let scale = size as f32 / TILE;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    let straight = |pixel: &resvg::tiny_skia::PremultipliedColorU8| {
        let colour = pixel.demultiply();
        [colour.red(), colour.green(), colour.blue(), colour.alpha()]
    };
    Picture { width: size, height: size, pixels: pixmap.pixels().iter().map(straight).collect() }
}

fn png_path(size: u32) -> PathBuf {
    let name = format!("client-slint/package/icons/{size}x{size}/org.example.herenow.png");
    root().join(name)
}

#[test]
fn the_icon_is_the_logo_in_every_usual_size() {
    let svg = app_icon();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(root().join("ui/icons/app-icon.svg"), &svg).expect("the file can be written");
        SIZES.iter().for_each(|size| draw(&svg, *size).save(&png_path(*size)));
    }
    let advice = "draw it anew with UPDATE_GOLDEN=1";
    assert_eq!(read("ui/icons/app-icon.svg"), svg, "{advice}");
    for size in SIZES {
        let path = png_path(size);
        let kept = Picture::load(&path).unwrap_or_else(|| panic!("no {}", path.display()));
        let drawn = draw(&svg, size);
        assert_eq!((kept.width, kept.height), (size, size), "{}", path.display());
        assert_eq!(kept.difference(&drawn).count, 0, "{}: {advice}", path.display());
    }
}

#[test]
fn the_hole_of_the_logo_stays_open_in_the_smallest_size() {
    let icon = draw(&app_icon(), 16);
    let at = |x: u32, y: u32| icon.pixels[(y * icon.width + x) as usize];
    let ground = at(8, 1);
    assert_eq!(ground[3], u8::MAX, "the tile is opaque");
    // A little above the middle, as in the logo.
    let hole = at(8, 7);
    let distance = ground.iter().zip(hole).map(|(a, b)| u32::from(a.abs_diff(b))).sum::<u32>();
    assert!(distance < 60, "the hole is {hole:?} on {ground:?}");
    let ring = at(8, 4);
    assert!(ring[0] > 150, "the ring is {ring:?}");
}
