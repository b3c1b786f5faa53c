//! How a person is drawn: initials, a colour that belongs to the name, and what their devices seem to be.

/// Up to two letters that stand for `name`: of the first and the last word, in capitals.
#[must_use]
pub fn initials(name: &str) -> String {
    let mut words = name.split(' ').filter_map(|word| word.chars().next());
    let first = words.next();
    let last = words.next_back();
    first.into_iter().chain(last).flat_map(char::to_uppercase).collect()
}

/// A hue in degrees, 0 to 359: the same for a name wherever it is shown (FNV-1a of its bytes).
#[must_use]
pub fn hue(name: &str) -> u16 {
    let hash = name
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // The low bits of FNV-1a are its weakest; fold the high ones in.
    u16::try_from((hash ^ (hash >> 16)) % 360).expect("a remainder of 360 fits")
}

/// What a device seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A computer, or nothing tells.
    Desktop,
    /// A phone or tablet.
    Phone,
    /// A page in a browser.
    Web,
}

/// Words in a device's label that tell what it is. The protocol has labels for people and no kinds.
const PHONES: [&str; 8] =
    ["phone", "pixel", "galaxy", "android", "ipad", "tablet", "mobile", "handy"];
const BROWSERS: [&str; 6] = ["web", "browser", "firefox", "chrome", "safari", "edge"];

/// What a device with this label seems to be.
#[must_use]
pub fn device_kind(label: &str) -> DeviceKind {
    let label = label.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| label.contains(word));
    if has(&PHONES) {
        DeviceKind::Phone
    } else if has(&BROWSERS) {
        DeviceKind::Web
    } else {
        DeviceKind::Desktop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_come_from_the_first_and_the_last_word() {
        let cases = [
            ("ada", "A"),
            ("Ada Lovelace", "AL"),
            ("ada king lovelace", "AL"),
            ("李小龍", "李"),
            ("ßharp", "SS"),
            ("O'Neil-Smith", "O"),
        ];
        for (name, expected) in cases {
            assert_eq!(initials(name), expected, "{name:?}");
        }
    }

    #[test]
    fn a_label_tells_what_a_device_is() {
        let cases = [
            ("analytical-engine", DeviceKind::Desktop),
            ("", DeviceKind::Desktop),
            ("Ada's iPhone", DeviceKind::Phone),
            ("Pixel 9", DeviceKind::Phone),
            ("Firefox on Linux", DeviceKind::Web),
        ];
        for (label, kind) in cases {
            assert_eq!(device_kind(label), kind, "{label:?}");
        }
    }

    #[test]
    fn hues_are_steady_and_spread() {
        assert_eq!(hue("ada"), hue("ada"));
        let twelfths: std::collections::HashSet<u16> =
            (0..100).map(|n| hue(&format!("person {n}")) / 30).collect();
        assert!(twelfths.len() >= 10, "100 names fill the circle: {twelfths:?}");
    }
}
