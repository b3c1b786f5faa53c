//! Texts as order and search see them: without case, accents and width.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Bytes of a folded text that are kept. No name has more, and no text unless somebody means ill: then the rest is not found.
const FOLDED_BYTES_MAX: usize = 600;

/// Appends `text` as order and search see it.
pub(super) fn fold_into(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    if text.is_ascii() {
        out.extend(text.bytes().map(|byte| byte.to_ascii_lowercase()));
        return;
    }
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        let mut buffer = [0; 4];
        let folded = spelled_out(c).unwrap_or_else(|| c.encode_utf8(&mut buffer));
        if out.len() - start + folded.len() > FOLDED_BYTES_MAX {
            return;
        }
        out.extend(folded.bytes());
    }
}

/// A text as order and search see it.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    fold_into(text, &mut bytes);
    String::from_utf8(bytes).expect("only whole characters were appended")
}

/// Letters that Unicode does not take apart, though people without such a key type them so.
fn spelled_out(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ı' => "i",
        'ς' => "σ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_width_make_no_difference() {
        let cases = [
            ("Émilie", "emilie"),
            ("ŽOFIE", "zofie"),
            ("Straße", "strasse"),
            ("Łódź", "lodz"),
            ("Smørrebrød", "smorrebrod"),
            ("ＡＤＡ", "ada"),
            ("Ελένη Παππάς", "ελενη παππασ"),
            ("İstanbul", "istanbul"),
            ("李小龍", "李小龍"),
            ("مَرْيَم", "مريم"),
        ];
        for (text, folded) in cases {
            assert_eq!(fold(text), folded, "{text}");
            assert_eq!(fold(folded), folded, "{text} is folded already");
        }
    }

    #[test]
    fn a_text_made_to_swell_is_cut_at_a_character() {
        // One character of three bytes that stands for eighteen of up to two bytes.
        let folded = fold(&"\u{fdfa}".repeat(140));
        assert!((FOLDED_BYTES_MAX - 3..=FOLDED_BYTES_MAX).contains(&folded.len()));
    }
}
