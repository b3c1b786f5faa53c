//! Names and texts of others inside a sentence of the window, where one may run from right to left and the other not.

use unicode_bidi::{BidiClass, bidi_class};

const FIRST_STRONG_ISOLATE: char = '\u{2068}';
const POP_DIRECTIONAL_ISOLATE: char = '\u{2069}';

/// `text` so that it neither changes the order of the sentence around it nor is changed by it (Unicode Standard Annex 9,
/// rules X5c to X6a). What cannot do either is left as it is: searching, copying and screen readers then meet no signs that
/// nobody typed.
#[must_use]
pub fn isolated(text: &str, in_right_to_left: bool) -> String {
    if text.is_empty() || !(in_right_to_left || has_right_to_left(text)) {
        return text.to_owned();
    }
    format!("{FIRST_STRONG_ISOLATE}{text}{POP_DIRECTIONAL_ISOLATE}")
}

fn has_right_to_left(text: &str) -> bool {
    text.chars().any(|c| matches!(bidi_class(c), BidiClass::R | BidiClass::AL | BidiClass::AN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_change_the_order_is_isolated() {
        let cases = [
            ("Ada", false, "Ada"),
            ("Ada", true, "\u{2068}Ada\u{2069}"),
            ("فاطمة 3", false, "\u{2068}فاطمة 3\u{2069}"),
            ("فاطمة", true, "\u{2068}فاطمة\u{2069}"),
            ("李小龍 42", false, "李小龍 42"),
            ("", true, ""),
        ];
        for (text, in_right_to_left, expected) in cases {
            assert_eq!(isolated(text, in_right_to_left), expected, "{text:?} {in_right_to_left}");
        }
    }
}
