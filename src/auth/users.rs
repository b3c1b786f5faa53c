//! Users with passwords, from a file.
//!
//! ```toml
//! [users.ada]
//! password = "$argon2id$v=19$m=19456,t=2,p=1$..."
//! rooms = ["lobby", "team-*"]
//! explain = true
//! ```

use std::collections::HashMap;
use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use herenow_protocol::{Credential, DisplayName};
use serde::Deserialize;

use super::rights::GivenRights;

/// The users of a file.
#[derive(Debug, Default)]
pub(super) struct Users(HashMap<DisplayName, User>);

#[derive(Debug)]
struct User {
    hash: Hash,
    rights: GivenRights,
}

/// What is left of a password. Its `Debug` shows nothing of it.
struct Hash(PasswordHash);

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash(..)")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    users: HashMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    password: String,
    rooms: Option<super::rights::Rooms>,
    lists: Option<bool>,
    invisible: Option<bool>,
    observe: Option<bool>,
    explain: Option<bool>,
}

/// Checked in place of the hash of somebody who does not exist, so that nobody learns that from the time it takes.
static NOBODY: LazyLock<PasswordHash> =
    LazyLock::new(|| hash_of(&Credential::from("nobody")).expect("a short password can be hashed"));

impl Users {
    /// Reads the text of a user file.
    ///
    /// # Errors
    /// What is wrong with it, in words, and where.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        // Made now, or the first stranger would wait longer than the second.
        LazyLock::force(&NOBODY);
        let users = file.users.into_iter().map(|(name, entry)| user(&name, entry));
        users.collect::<Result<_, String>>().map(Self)
    }

    /// The rights of this user, if that is their password. Takes tens of milliseconds and 19 MiB, whoever it is.
    pub(super) fn check(&self, name: &DisplayName, password: &Credential) -> Option<GivenRights> {
        let user = self.0.get(name);
        let hash = user.map_or(&*NOBODY, |user| &user.hash.0);
        let is_right =
            Argon2::default().verify_password(password.expose().as_bytes(), hash).is_ok();
        user.filter(|_| is_right).map(|user| user.rights.clone())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn user(name: &str, entry: Entry) -> Result<(DisplayName, User), String> {
    let shown = name.escape_debug();
    let display =
        DisplayName::typed(name).map_err(|error| format!("users.\"{shown}\": {error}"))?;
    let Entry { password, rooms, lists, invisible, observe, explain } = entry;
    let hash =
        PasswordHash::new(&password).ok().filter(|hash| hash.algorithm.as_str() == "argon2id");
    let hash = hash.ok_or_else(|| {
        format!("users.\"{shown}\": the password is no hash as `herenow hash-password` prints it")
    })?;
    let rights = GivenRights { rooms, lists, invisible, observe, explain };
    Ok((display, User { hash: Hash(hash), rights }))
}

/// The hash of a password, as a user file has it: argon2id with 19 MiB, two passes, one lane.
///
/// Source of the numbers: OWASP Password Storage Cheat Sheet.
///
/// # Errors
/// The operating system has no randomness for a salt.
pub fn hash_password(password: &Credential) -> Result<String, String> {
    hash_of(password).map(|hash| hash.to_string())
}

fn hash_of(password: &Credential) -> Result<PasswordHash, String> {
    Argon2::default().hash_password(password.expose().as_bytes()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::rights::Rights;

    fn name(text: &str) -> DisplayName {
        DisplayName::new(text).expect("a valid name")
    }

    #[test]
    fn a_user_comes_in_with_their_own_password_and_rights() {
        let hash = hash_password(&Credential::from("correct horse")).expect("randomness");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let text = format!("[users.ada]\npassword = \"{hash}\"\nexplain = true\nlists = false\n");
        let users = Users::parse(&text).expect("a sound file");
        let given = users.check(&name("ada"), &Credential::from("correct horse"));
        let rights = given.expect("it is her password").over(&Rights::default());
        assert_eq!(rights, Rights { explain: true, lists: false, ..Rights::default() });
        for (who, password) in
            [("ada", "correct hors"), ("ada", ""), ("eve", "correct horse"), ("eve", "nobody")]
        {
            assert_eq!(
                users.check(&name(who), &Credential::from(password)),
                None,
                "{who} {password}"
            );
        }
        assert!(!format!("{users:?}").contains("argon2id"), "a log shows no hash");
    }

    #[test]
    fn a_broken_file_is_refused_with_the_place() {
        let bcrypt = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";
        for (text, words) in [
            ("[users.ada]\n", "password"),
            ("[users.ada]\npassword = \"plain\"\n", "no hash"),
            (&format!("[users.ada]\npassword = \"{bcrypt}\"\n"), "no hash"),
            ("[users.ada]\npassword = \"x\"\nrom = []\n", "rom"),
            ("[user.ada]\n", "user"),
            ("[users.\" a\u{202e}\"]\npassword = \"x\"\n", "users.\" a\\u{202e}\""),
        ] {
            let error = Users::parse(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
