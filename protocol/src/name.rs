//! What people, rooms and devices may be called, and what people may say: [`DisplayName`], [`RoomName`],
//! [`DeviceLabel`] and [`StatusText`].
//!
//! A name that looks like another name, or like none, is a tool for deceit, so characters that do not
//! show are refused rather than removed.

use std::fmt;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use crate::limits::{DEVICE_LABEL_BYTES_MAX, LOBBY, NAME_BYTES_MAX, TEXT_CHARS_MAX};
use crate::text::Text;

/// The name that others see: NFC, 1 to 64 bytes, nothing invisible, single spaces inside at most.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DisplayName(Text);

/// The name of a room. It follows the rules of a [`DisplayName`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomName(DisplayName);

/// Names a device for people: up to 64 bytes, one line, empty for none.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct DeviceLabel(Text);

/// The free text beside a status: up to 140 characters, one line, empty for none.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct StatusText(Text);

/// The rule that a name breaks. Each says what to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// No characters at all.
    #[error("a name must not be empty")]
    Empty,
    /// More than [`NAME_BYTES_MAX`] bytes of UTF-8.
    #[error("a name has at most {NAME_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// Not in Unicode normalisation form C.
    #[error("a name must be in Unicode form NFC")]
    NotNfc,
    /// A control, format, bidirectional or otherwise invisible character.
    #[error("a name must not contain the invisible character U+{:04X}", *.0 as u32)]
    Invisible(char),
    /// White space at an end, doubled, or other than U+0020.
    #[error("a name has no spaces at its ends, no two in a row, and no white space but U+0020")]
    Space,
}

/// The rule that a status text or a label breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// More than [`TEXT_CHARS_MAX`] characters.
    #[error("a status text has at most {TEXT_CHARS_MAX} characters, this one has {0}")]
    TooLong(usize),
    /// A control character, a line or paragraph separator or a bidirectional control.
    #[error("a text must not contain the control character U+{:04X}", *.0 as u32)]
    Control(char),
    /// More than [`DEVICE_LABEL_BYTES_MAX`] bytes of UTF-8.
    #[error("a device label has at most {DEVICE_LABEL_BYTES_MAX} bytes, this one has {0}")]
    LabelTooLong(usize),
}

impl DisplayName {
    /// Checks `name` against the rule and keeps it.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if name.is_empty() {
            return Err(InvalidName::Empty);
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(InvalidName::TooLong(name.len()));
        }
        if let Some(c) = name.chars().find(|&c| is_invisible(c)) {
            return Err(InvalidName::Invisible(c));
        }
        let odd_space = |c: char| c.is_whitespace() && c != ' ';
        if name.contains(odd_space) || name.contains("  ") || name.trim() != name {
            return Err(InvalidName::Space);
        }
        if !is_nfc(name) {
            return Err(InvalidName::NotNfc);
        }
        Ok(Self(name.into()))
    }

    /// What a person typed, as the name they mean: without spaces at the ends, and in NFC, which no
    /// keyboard promises.
    ///
    /// # Errors
    /// The first rule it breaks; never [`InvalidName::NotNfc`].
    pub fn typed(text: &str) -> Result<Self, InvalidName> {
        Self::new(&text.trim().nfc().collect::<String>())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl RoomName {
    /// Checks `name` against the rule and keeps it.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        DisplayName::new(name).map(Self)
    }

    /// What a person typed, as the room they mean; see [`DisplayName::typed`].
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn typed(text: &str) -> Result<Self, InvalidName> {
        DisplayName::typed(text).map(Self)
    }

    /// The room in which everyone is.
    ///
    /// # Panics
    /// Never: its name is valid.
    #[must_use]
    pub fn lobby() -> Self {
        Self::new(LOBBY).expect("lobby is a valid name")
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl DeviceLabel {
    /// Checks `label` against the rule and keeps it.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn new(label: &str) -> Result<Self, InvalidText> {
        if label.len() > DEVICE_LABEL_BYTES_MAX {
            return Err(InvalidText::LabelTooLong(label.len()));
        }
        refuse_controls(label)?;
        Ok(Self(label.into()))
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl StatusText {
    /// Checks `text` against the rule and keeps it.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        let chars = text.chars().count();
        if chars > TEXT_CHARS_MAX {
            return Err(InvalidText::TooLong(chars));
        }
        refuse_controls(text)?;
        Ok(Self(text.into()))
    }

    /// The text, empty if there is none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn refuse_controls(text: &str) -> Result<(), InvalidText> {
    match text.chars().find(|&c| is_control(c)) {
        Some(c) => Err(InvalidText::Control(c)),
        None => Ok(()),
    }
}

fn is_nfc(text: &str) -> bool {
    if text.is_ascii() {
        return true;
    }
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => true,
        IsNormalized::No => false,
        IsNormalized::Maybe => text.chars().eq(text.nfc()),
    }
}

fn is_control(c: char) -> bool {
    use GeneralCategory::{Control, LineSeparator, ParagraphSeparator};
    // Most names need no look into Unicode's tables.
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(c.general_category(), Control | LineSeparator | ParagraphSeparator) || is_bidi(c)
}

/// Unicode's property `Bidi_Control`: marks, embeddings, overrides and isolates.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Characters that draw nothing: Unicode's control, format, private and unassigned characters,
/// and what is default-ignorable or blank although its category says otherwise
/// (`DerivedCoreProperties.txt`, `Default_Ignorable_Code_Point`; U+2800 is the blank Braille pattern).
fn is_invisible(c: char) -> bool {
    use GeneralCategory as G;
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    is_control(c)
        || matches!(c.general_category(), G::Format | G::PrivateUse | G::Unassigned | G::Surrogate)
        || matches!(c,
            '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{E0100}'..='\u{E01EF}')
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for DeviceLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DeviceLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for StatusText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for StatusText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_scripts_are_welcome() {
        for name in
            ["ada", "Ada Lovelace", "李小龍", "Žofie", "أحمد", "O'Neil-Smith", "🦊 fox", "x"]
        {
            assert!(DisplayName::new(name).is_ok(), "{name:?}");
        }
        assert!(DisplayName::new(&"é".repeat(32)).is_ok(), "64 bytes");
    }

    #[test]
    fn names_that_deceive_are_refused() {
        use InvalidName as E;
        let cases = [
            ("", E::Empty),
            (" ada", E::Space),
            ("ada ", E::Space),
            ("ada  lovelace", E::Space),
            ("ada\u{A0}lovelace", E::Space),
            ("\u{3000}", E::Space),
            ("a\nb", E::Invisible('\n')),
            ("a\0b", E::Invisible('\0')),
            ("a\u{1b}[31m", E::Invisible('\u{1b}')),
            ("ada\u{202E}", E::Invisible('\u{202E}')),
            ("a\u{200B}da", E::Invisible('\u{200B}')),
            ("a\u{200D}da", E::Invisible('\u{200D}')),
            ("\u{FEFF}ada", E::Invisible('\u{FEFF}')),
            ("\u{3164}", E::Invisible('\u{3164}')),
            ("\u{2800}", E::Invisible('\u{2800}')),
            ("e\u{301}", E::NotNfc),
        ];
        for (name, error) in cases {
            assert_eq!(DisplayName::new(name), Err(error), "{name:?}");
        }
        assert_eq!(DisplayName::new(&"x".repeat(65)), Err(E::TooLong(65)));
    }

    #[test]
    fn a_typed_name_is_brought_into_form() {
        let name = DisplayName::typed("  Zoe\u{308} ").expect("a good name");
        assert_eq!(name.as_str(), "Zo\u{EB}");
        assert_eq!(DisplayName::typed("  "), Err(InvalidName::Empty));
    }

    #[test]
    fn texts_are_one_line_of_140_characters() {
        assert!(StatusText::new("back at three 👩‍💻").is_ok());
        assert!(StatusText::new(&"你".repeat(140)).is_ok());
        assert_eq!(StatusText::new(&"x".repeat(141)), Err(InvalidText::TooLong(141)));
        assert_eq!(StatusText::new("a\n2026 INFO ok"), Err(InvalidText::Control('\n')));
        assert_eq!(StatusText::new("\u{1b}[2J"), Err(InvalidText::Control('\u{1b}')));
        assert_eq!(StatusText::new("x\u{2028}"), Err(InvalidText::Control('\u{2028}')));
        assert_eq!(StatusText::new("x\u{202E}"), Err(InvalidText::Control('\u{202E}')));
        assert!(StatusText::new("").expect("empty is allowed").is_empty());
    }
}
