//! What this account knows of its user, and which computer it is on.

use std::fs;
use std::io;

use herenow_client::protocol::{DeviceId, DeviceLabel, OperatorKey, UserKey, pairing};

/// Where Linux says what this computer is called.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// Keeps the user's key. The program has one that keeps it with the account, tests have one of their own.
pub trait Keys {
    /// The pairing code of this account's user, which another device needs to become theirs too.
    ///
    /// # Errors
    /// The key can be neither read nor made.
    fn code(&self) -> io::Result<String>;

    /// Makes this account one of the devices of the user with this pairing code, from the next sign-in on.
    ///
    /// # Errors
    /// That is no pairing code, or it cannot be kept; the old key is kept.
    fn adopt(&self, code: &str) -> io::Result<()>;

    /// The key of whoever operates the server, if this account does: the server explains everybody to them.
    fn operator(&self) -> Option<OperatorKey>;

    /// What others call this computer unless the user says something else: its name, empty if it was never given one.
    fn device_label(&self) -> String;
}

/// The keys of the account that runs this program.
pub struct Account;

/// How this device identifies itself to the server.
pub struct Device {
    /// From sign-in to sign-in.
    pub id: DeviceId,
    /// As one of the user's.
    pub key: UserKey,
}

impl Keys for Account {
    fn code(&self) -> io::Result<String> {
        herenow_client::user_key().map(pairing::code)
    }

    fn adopt(&self, code: &str) -> io::Result<()> {
        herenow_client::set_user_key(code).map(drop)
    }

    fn operator(&self) -> Option<OperatorKey> {
        herenow_client::known_operator_key().ok().flatten()
    }

    fn device_label(&self) -> String {
        // Without a label others see that there is a device, which is enough.
        let label = label(&fs::read_to_string(HOSTNAME).unwrap_or_default()).unwrap_or_default();
        label.as_str().to_owned()
    }
}

impl Device {
    /// This device, as the account knows it.
    ///
    /// # Errors
    /// What the account keeps to itself can be neither read nor made.
    pub fn of_account() -> io::Result<Self> {
        Ok(Self { id: herenow_client::device_id()?, key: herenow_client::user_key()? })
    }
}

/// The label of a computer with this name, if it can be one.
fn label(hostname: &str) -> Option<DeviceLabel> {
    let name = hostname.trim();
    // A computer that was never given a name.
    let name = if name == "localhost" || name == "(none)" { "" } else { name };
    DeviceLabel::new(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_labelled_with_the_computers_name_if_it_has_one() {
        let label = |name: &str| label(name).unwrap_or_default().as_str().to_owned();
        assert_eq!(label("analytical-engine\n"), "analytical-engine");
        assert_eq!(label("localhost\n"), "");
        assert_eq!(label(&"x".repeat(65)), "");
    }
}
