//! Checked text as it is kept: 16 bytes, of which a short text needs no others.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Bytes that fit beside their length and the tag of the variant in 16 bytes. Most names and labels are no longer.
const SHORT_MAX: usize = 14;

/// Text that is cheap to copy and never changes.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    /// The first `len` of these bytes.
    Short { len: u8, bytes: [u8; SHORT_MAX] },
    /// A box within, because a pointer to `str` would take 16 bytes by itself.
    Long(Arc<Box<str>>),
}

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Short { .. } => {
                std::str::from_utf8(self.as_bytes()).expect("these bytes are a whole text")
            }
            Self::Long(text) => text,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Short { len: 0, .. })
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
            Self::Long(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT_MAX];
        match u8::try_from(text.len()) {
            Ok(len) if text.len() <= SHORT_MAX => {
                bytes[..text.len()].copy_from_slice(text.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(Arc::new(text.into())),
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::from("")
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        // The order of UTF-8's bytes is that of the characters.
        self.as_bytes().cmp(other.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_every_length_comes_back_and_takes_sixteen_bytes() {
        assert_eq!(size_of::<Option<Text>>(), 16);
        let long = "é".repeat(40);
        for text in (0..=40).map(|chars| &long[..chars * 2]).chain(["a", "ab\u{FFFD}"]) {
            let kept = Text::from(text);
            assert_eq!((kept.as_str(), kept.is_empty()), (text, text.is_empty()));
            assert_eq!(matches!(kept, Text::Short { .. }), text.len() <= SHORT_MAX);
            assert_eq!(kept, kept.clone());
        }
    }

    #[test]
    fn short_and_long_texts_are_in_the_order_of_their_characters() {
        let ascending = ["", "a", "a long text, longer than sixteen", "ab", "b", "é"];
        let kept = ascending.map(Text::from);
        assert!(kept.is_sorted());
        assert!(kept.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
