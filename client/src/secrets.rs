//! What this account keeps to itself: the device id, the user's key, the operator's key. Random, private, and the same for
//! every program of this account.
//!
//! They stand in `$XDG_STATE_HOME/herenow`, or `~/.local/state/herenow`, each in a file of its own that only the account
//! can read.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use herenow_protocol::{Credential, DeviceId, OperatorKey, UserKey, pairing};

use crate::address::{Address, Security};

const DEVICE_ID: &str = "device-id";
const USER_KEY: &str = "user-key";
const OPERATOR_KEY: &str = "operator-key";
const CREDENTIALS: &str = "credentials";

/// This account's device id on this computer, made at the first call and kept in the file `device-id`: whoever knows
/// it can take over the user's name.
///
/// # Errors
/// If there is no home directory, the file cannot be read or made, or it holds something else. The message names the
/// file and what to do.
pub fn device_id() -> io::Result<DeviceId> {
    device_id_in(&folder()?)
}

/// The key that this user's devices share, made at the first call. It is kept in the file `user-key` as the
/// [pairing code](pairing) that people pass on to [`set_user_key`] on another device.
///
/// # Errors
/// As [`device_id`].
pub fn user_key() -> io::Result<UserKey> {
    user_key_in(&folder()?)
}

/// Makes this account one of the devices of the user with this pairing code. Programs that run already go on with the
/// key they have.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] if that is no pairing code. Otherwise the file cannot be replaced; the old key is kept.
pub fn set_user_key(code: &str) -> io::Result<UserKey> {
    set_user_key_in(&folder()?, code)
}

/// The key that proves that one operates the server of this account, made at the first call. It is kept in the file
/// `operator-key`, as 32 hexadecimal digits.
///
/// # Errors
/// As [`device_id`].
pub fn operator_key() -> io::Result<OperatorKey> {
    operator_key_in(&folder()?)
}

/// The operator's key if this account has one; none is made.
///
/// # Errors
/// As [`device_id`].
pub fn known_operator_key() -> io::Result<Option<OperatorKey>> {
    known_operator_key_in(&folder()?)
}

/// The folder in which this account keeps what it keeps to itself, which may not be there yet.
///
/// # Errors
/// There is no home directory.
pub fn state_folder() -> io::Result<PathBuf> {
    folder()
}

/// Keeps what a server wants of whoever comes in, for every program of this account, in the file `credentials`.
///
/// # Errors
/// The server is no address inside TLS, or the file cannot be read or replaced; then what was kept before stays.
pub fn keep_credential(server: &str, credential: &Credential) -> io::Result<()> {
    keep_credential_in(&folder()?, server, credential)
}

/// What was kept for this server. A file that cannot be read keeps nothing: the server says what it wants.
pub(crate) fn kept_credential(server: &str) -> Option<Credential> {
    kept_credential_in(&folder().ok()?, server)
}

fn keep_credential_in(folder: &Path, server: &str, credential: &Credential) -> io::Result<()> {
    let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidInput, error);
    let place = place(server).ok_or_else(|| invalid(format!("{server} is not tls://HOST")))?;
    let text = credential.expose();
    if text.is_empty() || text.contains(['\n', '\r']) {
        return Err(invalid("a credential has one line".to_owned()));
    }
    let file = folder.join(CREDENTIALS);
    let old = match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    };
    let old = old.map_err(|error| explain(&file, &error, "nothing was changed"))?;
    let is_other = |line: &&str| line.split_once(' ').is_some_and(|(other, _)| other != place);
    let mut lines: Vec<String> = old.lines().filter(is_other).map(str::to_owned).collect();
    lines.push(format!("{place} {text}"));
    replace(folder, CREDENTIALS, &lines.join("\n"))
        .map_err(|error| explain(&file, &error, "nothing was changed"))
}

fn kept_credential_in(folder: &Path, server: &str) -> Option<Credential> {
    let place = place(server)?;
    let text = fs::read_to_string(folder.join(CREDENTIALS)).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(kept, _)| *kept == place).map(|(_, credential)| Credential::from(credential))
}

/// Host and port, as they stand in the file of credentials; only of a server inside TLS.
fn place(server: &str) -> Option<String> {
    let address = Address::parse(server).ok()?;
    matches!(address.security, Security::Tls(_))
        .then(|| format!("{}:{}", address.host, address.port))
}

fn device_id_in(folder: &Path) -> io::Result<DeviceId> {
    let text = read_or_make(folder, DEVICE_ID, random_hex)?;
    DeviceId::new(&text).map_err(|error| {
        unusable(&folder.join(DEVICE_ID), &error, "remove the file to get a new id")
    })
}

fn user_key_in(folder: &Path) -> io::Result<UserKey> {
    let text = read_or_make(folder, USER_KEY, || pairing::code(UserKey(rand::random())))?;
    pairing::key(&text).map_err(|error| {
        let advice = "put the pairing code of another of your devices there, or remove the file";
        unusable(&folder.join(USER_KEY), &error, advice)
    })
}

fn set_user_key_in(folder: &Path, code: &str) -> io::Result<UserKey> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let key = pairing::key(code).map_err(invalid)?;
    let file = folder.join(USER_KEY);
    let replace = |draft: &Path| fs::rename(draft, &file);
    with_draft(folder, &pairing::code(key), replace)
        .map_err(|error| explain(&file, &error, "the old key is kept"))?;
    Ok(key)
}

fn operator_key_in(folder: &Path) -> io::Result<OperatorKey> {
    let text = read_or_make(folder, OPERATOR_KEY, random_hex)?;
    parse_operator_key(folder, &text)
}

fn known_operator_key_in(folder: &Path) -> io::Result<Option<OperatorKey>> {
    let file = folder.join(OPERATOR_KEY);
    match fs::read_to_string(&file) {
        Ok(text) => parse_operator_key(folder, text.trim_end()).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(explain(&file, &error, "it holds the operator's key")),
    }
}

fn parse_operator_key(folder: &Path, text: &str) -> io::Result<OperatorKey> {
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hex);
    number.map(|number| OperatorKey(number.to_be_bytes())).ok_or_else(|| {
        let advice = "remove the file, and start the server and its tools anew, to get another key";
        unusable(&folder.join(OPERATOR_KEY), &"that is not 32 hexadecimal digits", advice)
    })
}

fn random_hex() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Puts a new file in the place of the one of this name, whole or not at all.
pub(crate) fn replace(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    with_draft(folder, text, |draft| fs::rename(draft, folder.join(name)))
}

/// Where this account's secrets are.
pub(crate) fn folder() -> io::Result<PathBuf> {
    let (state, home) = (std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"));
    folder_in(state.map(PathBuf::from), home.map(PathBuf::from))
}

/// The XDG base directory specification ignores paths that are not absolute.
fn folder_in(state: Option<PathBuf>, home: Option<PathBuf>) -> io::Result<PathBuf> {
    let state = state.filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute()).map(|home| home.join(".local/state"));
    state.or(home).map(|folder| folder.join("herenow")).ok_or_else(|| {
        let message =
            "no place for this account's keys: neither XDG_STATE_HOME nor HOME is an absolute path";
        io::Error::new(io::ErrorKind::NotFound, message)
    })
}

/// The line that a file holds; the first time the one that `fresh` makes.
fn read_or_make(folder: &Path, name: &str, fresh: impl FnOnce() -> String) -> io::Result<String> {
    let file = folder.join(name);
    let found = match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(folder, &file, &fresh()),
        read => read,
    };
    let advice = "this account must be able to read and write it";
    found.map(|text| text.trim_end().to_owned()).map_err(|error| explain(&file, &error, advice))
}

/// Links a new file to its place, so that of two programs that start at once both use the one that came first.
/// Returns what the file holds then.
fn make(folder: &Path, file: &Path, line: &str) -> io::Result<String> {
    let linked = with_draft(folder, line, |draft| fs::hard_link(draft, file));
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::read_to_string(file),
    }
}

/// Writes a line beside its place and lets `publish` bring it there, so that whoever reads the file finds it whole.
fn with_draft(
    folder: &Path,
    line: &str,
    publish: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = folder.join(format!(".draft-{:016x}", rand::random::<u64>()));
    let mut options = OpenOptions::new();
    let mut writer = options.write(true).create_new(true).mode(0o600).open(&draft)?;
    let published =
        writeln!(writer, "{line}").and_then(|()| writer.sync_all()).and_then(|()| publish(&draft));
    match fs::remove_file(&draft) {
        // A draft that was renamed is not there any more.
        Err(error) if error.kind() != io::ErrorKind::NotFound => published.and(Err(error)),
        _ => published,
    }
}

fn unusable(file: &Path, error: &impl ToString, advice: &str) -> io::Error {
    explain(file, &io::Error::new(io::ErrorKind::InvalidData, error.to_string()), advice)
}

fn explain(file: &Path, error: &io::Error, advice: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error} ({advice})", file.display()))
}

#[cfg(test)]
mod tests;
