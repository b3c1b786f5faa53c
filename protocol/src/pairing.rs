//! The pairing code: a user key in characters that people can read aloud and type.
//!
//! Crockford's base 32 (<https://www.crockford.com/base32.html>): no I, L, O and U; what looks alike is read alike; case
//! and hyphens do not matter. 128 bits are 26 characters, written in groups.

use crate::UserKey;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a code, without hyphens.
const CHARS: usize = 26;

/// Characters of a group.
const GROUP: usize = 5;

/// The text is no pairing code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCode {
    /// A character that no code has.
    #[error("a pairing code has no {0:?}")]
    Char(char),
    /// The wrong number of characters.
    #[error("a pairing code has {CHARS} characters, this one has {0}")]
    Length(usize),
    /// More than 128 bits.
    #[error("that is no pairing code: its first character is 0 to 7")]
    TooLarge,
}

/// The pairing code of a key.
#[must_use]
pub fn code(key: UserKey) -> String {
    let number = u128::from_be_bytes(key.0);
    let mut code = String::with_capacity(CHARS + CHARS / GROUP);
    for place in 0..CHARS {
        if place > 0 && place % GROUP == 0 && place + 1 < CHARS {
            code.push('-');
        }
        let shift = 5 * (CHARS - 1 - place);
        code.push(char::from(ALPHABET[(number >> shift) as usize & 31]));
    }
    code
}

/// The key of a pairing code, as a person typed it.
///
/// # Errors
/// [`InvalidCode`].
pub fn key(code: &str) -> Result<UserKey, InvalidCode> {
    let (mut number, mut chars) = (0_u128, 0);
    for c in code.chars().filter(|c| !c.is_whitespace() && *c != '-') {
        let value = digit(c).ok_or(InvalidCode::Char(c))?;
        if number >> (128 - 5) != 0 {
            return Err(InvalidCode::TooLarge);
        }
        number = number << 5 | value;
        chars += 1;
    }
    if chars != CHARS {
        return Err(InvalidCode::Length(chars));
    }
    Ok(UserKey(number.to_be_bytes()))
}

fn digit(c: char) -> Option<u128> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    let at = ALPHABET.iter().position(|&symbol| char::from(symbol) == c)?;
    Some(at as u128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_however_it_is_typed() {
        for bytes in [[0; 16], [255; 16], *b"sixteen bytes ok"] {
            let written = code(UserKey(bytes));
            assert_eq!(written.replace('-', "").len(), CHARS, "{written}");
            assert_eq!(key(&written), Ok(UserKey(bytes)));
            let typed = format!(" {} ", written.to_lowercase().replace('-', " ").replace('1', "l"));
            assert_eq!(key(&typed), Ok(UserKey(bytes)), "{typed}");
        }
        assert_eq!(code(UserKey([255; 16])), "7ZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZZ");
        // The example of the document.
        let counting = UserKey(std::array::from_fn(|n| u8::try_from(n).expect("16 bytes")));
        assert_eq!(code(counting), "00041-06105-0R3GG-28A1C-60T3GF");
    }

    #[test]
    fn what_is_no_code_is_refused() {
        assert_eq!(key(""), Err(InvalidCode::Length(0)));
        assert_eq!(key("ABCDU"), Err(InvalidCode::Char('U')));
        assert_eq!(key(&"8".repeat(26)), Err(InvalidCode::TooLarge));
        assert_eq!(key(&"0".repeat(27)), Err(InvalidCode::Length(27)));
    }
}
