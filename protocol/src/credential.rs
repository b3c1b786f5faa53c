//! What proves to a server that somebody may come in.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// A shared secret, a password or a token, as the server wants it. It is wiped from memory when it is dropped, and its
/// `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Credential(SecretString);

impl Credential {
    /// The text itself. Whoever asks for it must not log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<&str> for Credential {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// For tests and for messages that are compared; what somebody may guess is compared by the server in constant time.
impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Credential {}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_it_is_shown() {
        let credential = Credential::from("hunter2");
        assert_eq!(format!("{credential:?}"), "Credential(..)");
        assert_eq!(credential.expose(), "hunter2");
        assert_ne!(credential, Credential::from("hunter3"));
    }
}
