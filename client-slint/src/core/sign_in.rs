//! Whether what was typed on the sign-in page can be sent.

use herenow_client::protocol::DisplayName;
use herenow_client::protocol::name::InvalidName;
use herenow_client::protocol::pairing::{self, InvalidCode};

/// A server and a name that may be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The address as typed, without spaces around it.
    pub server: String,
    /// The name that others will see.
    pub name: DisplayName,
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
    /// Checks what was typed; spaces around either are not meant.
    ///
    /// # Errors
    /// The first problem, from top to bottom of the page.
    pub fn check(server: &str, name: &str) -> Result<Self, Problem> {
        let server = server.trim();
        if server.is_empty() {
            return Err(Problem::NoServer);
        }
        let name = DisplayName::typed(name).map_err(problem_of)?;
        Ok(Self { server: server.to_owned(), name })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_around_are_not_meant() {
        let form = Form::check(" 127.0.0.1 ", " Ada Lovelace ").expect("a good form");
        assert_eq!(form.server, "127.0.0.1");
        assert_eq!(form.name.as_str(), "Ada Lovelace");
    }

    #[test]
    fn accents_may_be_typed_either_way() {
        let form = Form::check("host", "Zoe\u{308}").expect("a good form");
        assert_eq!(form.name.as_str(), "Zo\u{EB}");
    }

    #[test]
    fn each_problem_is_told() {
        let long = "x".repeat(65);
        let cases = [
            (" ", "ada", Problem::NoServer),
            ("host", "", Problem::NoName),
            ("host", "  ", Problem::NoName),
            ("host", long.as_str(), Problem::NameTooLong),
            ("host", "a  b", Problem::NameSpaces),
            ("host", "a\u{200B}b", Problem::NameInvisible),
        ];
        for (server, name, problem) in cases {
            assert_eq!(Form::check(server, name), Err(problem), "{server:?} {name:?}");
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
