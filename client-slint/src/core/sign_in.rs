//! Whether what was typed on the sign-in page can be sent.

use herenow_client::protocol::name::{InvalidName, InvalidText};
use herenow_client::protocol::pairing::{self, InvalidCode};
use herenow_client::protocol::{DeviceLabel, DisplayName};
use serde::{Deserialize, Serialize};

/// What was typed on the sign-in page, or is typed there by the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// The server's address.
    pub server: String,
    /// The name that others will see.
    pub name: String,
    /// What others call this device.
    pub device: String,
    /// The pairing code of another device; empty without one.
    pub code: String,
}

/// What the program was started with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Start {
    /// The server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The name; whoever gives one wants to be signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A server, a name and a device that may be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The address as typed, without spaces around it.
    pub server: String,
    /// The name that others will see.
    pub name: DisplayName,
    /// What others call this device; empty if it has no name.
    pub label: DeviceLabel,
}

/// Why a sign-in cannot be sent. The window has a sentence for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The server's address is missing.
    NoServer,
    /// The name is missing.
    NoName,
    /// The name is too long.
    NameTooLong,
    /// The name has white space other than single spaces.
    NameSpaces,
    /// The name has a character that does not show.
    NameInvisible,
    /// The name of the device is too long.
    DeviceTooLong,
    /// The name of the device has a character that does not show.
    DeviceInvisible,
    /// The device's identity can be neither read nor written.
    NoDevice,
    /// The pairing code has a character that no code has.
    CodeChar(char),
    /// The pairing code has this number of characters, which is not the right one.
    CodeLength(usize),
    /// The pairing code begins with a character with which none begins.
    CodeStart,
}

impl Form {
    /// Checks what was typed; spaces around any of it are not meant.
    ///
    /// # Errors
    /// The first problem, from top to bottom of the page.
    pub fn check(typed: &Typed) -> Result<Self, Problem> {
        let Typed { server, name, device, .. } = typed;
        let server = server.trim();
        if server.is_empty() {
            return Err(Problem::NoServer);
        }
        let name = DisplayName::typed(name).map_err(problem_of)?;
        let label = DeviceLabel::new(device.trim()).map_err(device_problem)?;
        Ok(Self { server: server.to_owned(), name, label })
    }
}

/// Checks a pairing code as it was typed.
///
/// # Errors
/// What is wrong with it.
pub fn check_code(code: &str) -> Result<(), Problem> {
    pairing::key(code).map(drop).map_err(|invalid| match invalid {
        InvalidCode::Char(c) => Problem::CodeChar(c),
        InvalidCode::Length(length) => Problem::CodeLength(length),
        InvalidCode::TooLarge => Problem::CodeStart,
    })
}

fn problem_of(invalid: InvalidName) -> Problem {
    match invalid {
        InvalidName::Empty => Problem::NoName,
        InvalidName::TooLong(_) => Problem::NameTooLong,
        InvalidName::Space => Problem::NameSpaces,
        // What was typed is brought into NFC, so that only the other can be.
        InvalidName::Invisible(_) | InvalidName::NotNfc => Problem::NameInvisible,
    }
}

fn device_problem(invalid: InvalidText) -> Problem {
    match invalid {
        InvalidText::TooLong(_) | InvalidText::LabelTooLong(_) => Problem::DeviceTooLong,
        InvalidText::Control(_) => Problem::DeviceInvisible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(server: &str, name: &str, device: &str) -> Result<Form, Problem> {
        let [server, name, device] = [server, name, device].map(str::to_owned);
        Form::check(&Typed { server, name, device, code: String::new() })
    }

    #[test]
    fn spaces_around_are_not_meant() {
        let form = check(" 127.0.0.1 ", " Ada Lovelace ", " desk ").expect("a good form");
        assert_eq!(form.server, "127.0.0.1");
        assert_eq!((form.name.as_str(), form.label.as_str()), ("Ada Lovelace", "desk"));
        let nameless = check("host", "Ada", " ").expect("a good form");
        assert_eq!(nameless.label, DeviceLabel::default());
    }

    #[test]
    fn accents_may_be_typed_either_way() {
        let form = check("host", "Zoe\u{308}", "").expect("a good form");
        assert_eq!(form.name.as_str(), "Zo\u{EB}");
    }

    #[test]
    fn each_problem_is_told() {
        let long = "x".repeat(65);
        let cases = [
            (" ", "ada", "", Problem::NoServer),
            ("host", "", "", Problem::NoName),
            ("host", "  ", "", Problem::NoName),
            ("host", long.as_str(), "", Problem::NameTooLong),
            ("host", "a  b", "", Problem::NameSpaces),
            ("host", "a\u{200B}b", "", Problem::NameInvisible),
            ("host", "ada", long.as_str(), Problem::DeviceTooLong),
            ("host", "ada", "a\u{202E}b", Problem::DeviceInvisible),
            ("host", "", long.as_str(), Problem::NoName),
        ];
        for (server, name, device, problem) in cases {
            let checked = check(server, name, device);
            assert_eq!(checked, Err(problem), "{server:?} {name:?} {device:?}");
        }
    }

    #[test]
    fn each_slip_in_a_code_is_told() {
        assert_eq!(check_code(" 00041 06105 0r3gg 28a1c 60t3gf "), Ok(()));
        assert_eq!(check_code("00041-06105-0R3GU-28A1C-60T3GF"), Err(Problem::CodeChar('U')));
        assert_eq!(check_code("00041-06105-0R3GG-28A1C-60T3G"), Err(Problem::CodeLength(25)));
        assert_eq!(check_code(&"Z".repeat(26)), Err(Problem::CodeStart));
    }
}
