//! How a person is drawn: initials, and a colour that belongs to the name.

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
    fn hues_are_steady_and_spread() {
        assert_eq!(hue("ada"), hue("ada"));
        let twelfths: std::collections::HashSet<u16> =
            (0..100).map(|n| hue(&format!("person {n}")) / 30).collect();
        assert!(twelfths.len() >= 10, "100 names fill the circle: {twelfths:?}");
    }
}
