//! What only a picture can tell: that the old list is grey, that shapes differ, that words can be read.

mod support;

use std::time::Duration;

use herenow_client::protocol::Status;
use herenow_client::{Disconnect, Event};
use herenow_desktop::ui::Theme;
use i_slint_backend_testing::AccessibleRole;
use slint::{Color, ComponentHandle as _, Rgba8Pixel, SharedPixelBuffer};
use support::people::{STATUSES, chosen, entry, office};
use support::{DIVERGED, FRESH, STALE, World};

/// How far apart the channels of a grey may be; the greys of the theme are a little blue.
const GREY: u8 = 40;

/// The lowest contrast of a text to its ground that the accessibility guidelines allow (WCAG 2.1, 1.4.3).
const CONTRAST_MIN: f64 = 4.5;

fn colourful(pixels: &SharedPixelBuffer<Rgba8Pixel>, top: u32, bottom: u32) -> usize {
    let (from, to) = ((top * pixels.width()) as usize, (bottom * pixels.width()) as usize);
    let spread = |p: &Rgba8Pixel| p.r.max(p.g).max(p.b) - p.r.min(p.g).min(p.b);
    pixels.as_slice()[from..to].iter().filter(|p| spread(p) > GREY).count()
}

#[test]
fn a_list_that_is_not_proved_is_grey_from_top_to_bottom() {
    for dark in [false, true] {
        let world = World::signed_in(office());
        world.screen.set_dark(dark);
        let bar = 640 - 56;
        let proved = colourful(&world.screen.pixels(), 0, bar);
        assert!(proved > 5_000, "{proved} colourful pixels in a list of ten avatars");
        for event in [
            STALE,
            DIVERGED,
            Event::ContactLost { unanswered: 2, of: 5 },
            Event::Network { up: false },
            Event::Closed { reason: Disconnect::ConnectionReset, retry_in: Some(Duration::ZERO) },
        ] {
            world.tell(std::slice::from_ref(&event));
            let left = colourful(&world.screen.pixels(), 0, bar);
            assert_eq!(left, 0, "colourful pixels after {event:?}, dark: {dark}");
            world.welcome(office());
            world.tell(&[Event::Network { up: true }]);
            assert_eq!(colourful(&world.screen.pixels(), 0, bar), proved, "after {event:?}");
        }
    }
}

/// Without colour, the statuses still look different.
#[test]
fn a_status_is_told_by_its_shape() {
    let of_others = STATUSES.map(|status| {
        let world = World::signed_in(vec![entry(9, "Ken", status, "")]);
        world.tell(&[STALE]);
        // The row begins below header, search and counts.
        shape_of_dot(&world.screen.pixels(), 16 + 32, 64 + 44 + 24 + 8 + 32)
    });
    let world = World::signed_in(Vec::new());
    let own = |status| {
        world.tell(&[Event::Chosen(chosen(status)), STALE]);
        // The own avatar is larger.
        let picture = shape_of_dot(&world.screen.pixels(), 16 + 40, 12 + 40);
        world.tell(&[FRESH]);
        picture
    };
    let own =
        [own(Status::Available), own(Status::Away), own(Status::Busy), own(Status::Invisible)];
    for pictures in [&of_others[..], &own[..]] {
        for (a, b) in pairs(pictures.len()) {
            let different = pictures[a].iter().zip(&pictures[b]).filter(|(a, b)| a != b).count();
            assert!(different >= 12, "statuses {a} and {b} differ in {different} of 196 pixels");
        }
    }
}

fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |a| (a + 1..count).map(move |b| (a, b)))
}

/// Which pixels of a dot are ink; it sits in the lower right corner of the avatar that ends here.
fn shape_of_dot(pixels: &SharedPixelBuffer<Rgba8Pixel>, right: u32, bottom: u32) -> Vec<bool> {
    let (left, top) = (right + 2 - 14, bottom + 2 - 14);
    let at = |x: u32, y: u32| pixels.as_slice()[(y * pixels.width() + x) as usize].r < 190;
    (0..14).flat_map(|y| (0..14).map(move |x| (left + x, top + y))).map(|(x, y)| at(x, y)).collect()
}

/// A name that shows as nothing is somebody who cannot be found. Fonts for it come from the system; the window brings one
/// for Latin, Greek and Cyrillic letters.
#[test]
fn names_in_every_script_are_drawn() {
    for (name, package) in [
        ("Ada", "none"),
        ("Ελένη", "none"),
        ("Олег", "none"),
        ("李小龍", "fonts-wqy-microhei"),
        ("さくら", "fonts-wqy-microhei"),
        ("فاطمة", "fonts-dejavu-core"),
        ("שרה", "fonts-dejavu-core"),
    ] {
        let world = World::signed_in(vec![entry(9, name, Status::Available, "")]);
        let label = world.screen.rows().into_values().find(|label| label.contains(name));
        let row = world.screen.find(AccessibleRole::ListItem, &label.expect("a row"));
        let top = row.absolute_position().y as u32;
        let pixels = world.screen.pixels();
        // Beside the avatar.
        let is_ink =
            |&(x, y): &(u32, u32)| pixels.as_slice()[(y * pixels.width() + x) as usize].r < 128;
        let all = (top..top + 48).flat_map(|y| (60..300).map(move |x| (x, y)));
        let ink = all.filter(is_ink).count();
        assert!(ink > 20, "{name} has {ink} dark pixels; the package {package} has a font for it");
    }
}

#[test]
fn nothing_is_drawn_again_while_nothing_changes() {
    let world = World::signed_in(office());
    let before = world.screen.pixels();
    world.pass(Duration::from_secs(5));
    assert!(before.as_slice() == world.screen.pixels().as_slice());
}

/// The theme's other colours are checked in `contrast.rs`; these it computes.
#[test]
fn initials_can_be_read_on_an_avatar_of_every_hue() {
    let world = World::new();
    for dark in [false, true] {
        world.screen.set_dark(dark);
        let theme = world.app.window().global::<Theme<'_>>();
        for hue in 0..360_u16 {
            let ground = theme.invoke_avatar_ground(f32::from(hue));
            expect_contrast(theme.get_avatar_ink(), ground, &format!("avatar {hue}, dark: {dark}"));
        }
    }
}

#[track_caller]
fn expect_contrast(ink: Color, ground: Color, what: &str) {
    let (a, b) = (luminance(ink), luminance(ground));
    let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
    assert!(contrast >= CONTRAST_MIN, "{what}: {contrast:.2}");
}

/// Relative luminance as WCAG 2.1 defines it.
fn luminance(color: Color) -> f64 {
    let linear = |channel: u8| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(color.red()) + 0.7152 * linear(color.green()) + 0.0722 * linear(color.blue())
}
