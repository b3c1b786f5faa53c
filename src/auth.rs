//! Who may come in, and what they may do then.
//!
//! Names no actix; `now` is an argument. What is written in a file, or kept by a server of keys, is read when the caller
//! says so, and whatever is wrong with it changes nothing. Whoever is refused is told one thing, whatever the reason: the reasons are in
//! the log, for those who run the server, and without names.

pub mod failures;
pub mod rights;
pub mod tokens;
mod users;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use herenow_protocol::limits::CREDENTIAL_BYTES_MAX;
use herenow_protocol::{Credential, DisplayName};

use crate::config::{AuthMode, Config};
use crate::files::{Stamp, is_readable_by_others, stamp};
use rights::Rights;
use tokens::{BadToken, TokenRules, Tokens};
use users::Users;
pub use users::hash_password;

/// What clocks may differ by: a token counts for so much longer, and so does the session that it opened.
pub const LEEWAY: Duration = Duration::from_secs(25);

/// What everybody is told who is refused.
pub const REFUSED: &str = "the credential was not accepted";

/// Bytes of a shared secret, at least. `herenow init` makes longer ones.
const SECRET_BYTES_MIN: usize = 16;

/// Shared secrets that are good at the same time, so that a new one can be spread before the old one goes.
const SECRETS_MAX: usize = 8;

/// Why nobody could be let in as the configuration wants it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A file is missing from the configuration, or two parts of it contradict each other.
    #[error("{0}")]
    Rules(&'static str),
    /// A file cannot be used.
    #[error("{}: {error}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        error: String,
    },
    /// The keys of tokens cannot be had.
    #[error("{url}: {error}")]
    Fetch {
        /// From where.
        url: String,
        /// Why.
        error: String,
    },
}

/// Who came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// It was proven that the name is theirs.
    pub is_proven: bool,
    /// What they may do.
    pub rights: Arc<Rights>,
    /// After how long they must prove anew who they are; `None` for never.
    pub lasts: Option<Duration>,
}

/// Why somebody does not come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// For the log; the client is told [`REFUSED`] alone.
    Refused(&'static str),
    /// A token names a key that is not known. [`Authenticator::refresh`] may bring it.
    UnknownKey,
}

/// Decides who may come in.
#[derive(Debug)]
pub struct Authenticator {
    method: Method,
    usual: Arc<Rights>,
}

#[derive(Debug)]
enum Method {
    Open,
    Secrets(Followed<Secrets>),
    Users(Followed<Users>),
    Tokens(Box<Tokens>),
}

/// What was read from a file, and what the file was like.
#[derive(Debug)]
struct Followed<T> {
    file: PathBuf,
    current: Mutex<(Arc<T>, Option<Stamp>)>,
}

/// The hashes of the secrets, which are as long as each other.
struct Secrets(Vec<Digest>);

impl Authenticator {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn open(config: &Config) -> Result<Self, AuthError> {
        let usual = Arc::new(config.rights());
        let method = match config.auth_mode {
            AuthMode::Open => Method::Open,
            AuthMode::Secret => {
                let file = config.auth_secret_file.as_deref();
                let file =
                    file.ok_or(AuthError::Rules("--auth secret needs --auth-secret-file"))?;
                Method::Secrets(Followed::open(file)?)
            }
            AuthMode::Users => {
                let file = config.auth_users_file.as_deref();
                let file = file.ok_or(AuthError::Rules("--auth users needs --auth-users-file"))?;
                Method::Users(Followed::open(file)?)
            }
            AuthMode::Jwt => Method::Tokens(Box::new(Tokens::open(&TokenRules {
                algorithms: config.auth_algorithms.clone(),
                audience: config.auth_audience.clone(),
                issuer: config.auth_issuer.clone(),
                keys: config.auth_keys.clone(),
            })?)),
        };
        Ok(Self { method, usual })
    }

    /// Whether everybody is let in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.method, Method::Open)
    }

    /// Whether [`Self::check`] takes tens of milliseconds of a processor.
    #[must_use]
    pub fn takes_time(&self) -> bool {
        matches!(self.method, Method::Users(_))
    }

    /// Whether whoever brings this credential may come in under this name.
    ///
    /// # Errors
    /// Why not.
    pub fn check(
        &self,
        name: &DisplayName,
        credential: Option<&Credential>,
        now_unix_ms: u64,
    ) -> Result<Grant, Denied> {
        let of_usual =
            |is_proven| Grant { is_proven, rights: Arc::clone(&self.usual), lasts: None };
        let nothing = Credential::from("");
        let credential = credential.unwrap_or(&nothing);
        match &self.method {
            Method::Open => Ok(of_usual(false)),
            _ if credential.expose().len() > CREDENTIAL_BYTES_MAX => {
                Err(Denied::Refused("the credential is too long"))
            }
            Method::Secrets(secrets) => match secrets.get().contain(credential) {
                true => Ok(of_usual(false)),
                false => Err(Denied::Refused("that is not the secret")),
            },
            Method::Users(users) => {
                let rights = users.get().check(name, credential);
                let rights = rights.ok_or(Denied::Refused("no such user, or not the password"))?;
                let rights = Arc::new(rights.over(&self.usual));
                Ok(Grant { is_proven: true, rights, lasts: None })
            }
            Method::Tokens(tokens) => match tokens.check(name, credential, now_unix_ms) {
                Ok(judged) => {
                    let rights = Arc::new(judged.rights.over(&self.usual));
                    Ok(Grant { is_proven: true, rights, lasts: Some(judged.lasts) })
                }
                Err(BadToken::Refused(why)) => Err(Denied::Refused(why)),
                Err(BadToken::UnknownKey) => Err(Denied::UnknownKey),
            },
        }
    }

    /// Reads again what has changed on disk since it was last read, whether that went well or not. `None` if nothing has.
    pub fn look(&self) -> Option<Result<(), AuthError>> {
        match &self.method {
            Method::Open => None,
            Method::Secrets(secrets) => secrets.look(),
            Method::Users(users) => users.look(),
            Method::Tokens(tokens) => tokens.has_changed().then(|| tokens.refresh()),
        }
    }

    /// Reads everything again. May wait for a server of keys.
    ///
    /// # Errors
    /// What is wrong with it; what was read before stays.
    pub fn refresh(&self) -> Result<(), AuthError> {
        match &self.method {
            Method::Open => Ok(()),
            Method::Secrets(secrets) => secrets.read(),
            Method::Users(users) => users.read(),
            Method::Tokens(tokens) => tokens.refresh(),
        }
    }

    /// Whether what decides comes from another server, and must be asked for from time to time.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(&self.method, Method::Tokens(tokens) if tokens.is_remote())
    }
}

/// What can be read from the text of a file.
trait FromText: Sized {
    fn from_text(text: &str) -> Result<Self, String>;
}

impl<T: FromText> Followed<T> {
    fn open(file: &Path) -> Result<Self, AuthError> {
        if is_readable_by_others(file) {
            let file = file.display();
            tracing::warn!(%file, "this file decides who comes in, and others than its owner can read it");
        }
        let (value, stamp) = read_stamped(file);
        Ok(Self { file: file.to_owned(), current: Mutex::new((Arc::new(value?), stamp)) })
    }

    fn get(&self) -> Arc<T> {
        Arc::clone(&self.current().0)
    }

    fn look(&self) -> Option<Result<(), AuthError>> {
        let has_changed = self.current().1 != stamp(&self.file);
        has_changed.then(|| self.read())
    }

    fn read(&self) -> Result<(), AuthError> {
        let (value, stamp) = read_stamped(&self.file);
        let mut current = self.current();
        current.1 = stamp;
        current.0 = Arc::new(value?);
        Ok(())
    }

    fn current(&self) -> std::sync::MutexGuard<'_, (Arc<T>, Option<Stamp>)> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_stamped<T: FromText>(file: &Path) -> (Result<T, AuthError>, Option<Stamp>) {
    let stamp = stamp(file);
    let text = fs::read_to_string(file).map_err(|error| error.to_string());
    let value = text.and_then(|text| T::from_text(&text));
    (value.map_err(|error| AuthError::File { file: file.to_owned(), error }), stamp)
}

impl FromText for Users {
    fn from_text(text: &str) -> Result<Self, String> {
        let users = Self::parse(text)?;
        tracing::info!(users = users.len(), "users read");
        Ok(users)
    }
}

impl FromText for Secrets {
    /// One secret a line.
    fn from_text(text: &str) -> Result<Self, String> {
        let secrets: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        match secrets.len() {
            0 => return Err("it holds no secret".to_owned()),
            n if n > SECRETS_MAX => return Err(format!("at most {SECRETS_MAX} secrets, not {n}")),
            _ => {}
        }
        if secrets.iter().any(|secret| secret.len() < SECRET_BYTES_MIN) {
            return Err(format!("a secret has at least {SECRET_BYTES_MIN} bytes"));
        }
        Ok(Self(secrets.into_iter().map(hash).collect()))
    }
}

impl Secrets {
    /// In a time that depends neither on what is right nor on which secret it is.
    fn contain(&self, credential: &Credential) -> bool {
        let given = hash(credential.expose());
        let matches = self
            .0
            .iter()
            .map(|secret| verify_slices_are_equal(secret.as_ref(), given.as_ref()).is_ok());
        matches.fold(false, |any, one| any | one)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

fn hash(secret: &str) -> Digest {
    digest(&SHA256, secret.as_bytes())
}

#[cfg(test)]
mod tests;
