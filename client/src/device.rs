//! The device id: random, private, and the same for every program of this user on this computer.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use herenow_protocol::DeviceId;

/// This computer's device id for this user, made at the first call.
///
/// It is kept in `$XDG_STATE_HOME/herenow/device-id`, or `~/.local/state/herenow/device-id`, readable by the user only:
/// whoever knows it can take over the user's name.
///
/// # Errors
/// If there is no home directory, the file cannot be read or made, or it holds something else. The message names the
/// file and what to do.
pub fn device_id() -> io::Result<DeviceId> {
    let (state, home) = (std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"));
    let folder = state_folder(state.map(PathBuf::from), home.map(PathBuf::from))?;
    device_id_in(&folder)
}

/// The XDG base directory specification ignores paths that are not absolute.
fn state_folder(state: Option<PathBuf>, home: Option<PathBuf>) -> io::Result<PathBuf> {
    let state = state.filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute()).map(|home| home.join(".local/state"));
    state.or(home).map(|folder| folder.join("herenow")).ok_or_else(|| {
        let message =
            "no place for the device id: neither XDG_STATE_HOME nor HOME is an absolute path";
        io::Error::new(io::ErrorKind::NotFound, message)
    })
}

fn device_id_in(folder: &Path) -> io::Result<DeviceId> {
    let file = folder.join("device-id");
    let found = match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(folder, &file),
        read => read,
    };
    let text = found.map_err(|error| explain(&file, &error, "it holds this device's id"))?;
    DeviceId::new(text.trim_end()).map_err(|error| {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        explain(&file, &error, "remove the file to get a new id")
    })
}

/// Writes a new id beside its place and links it there, so that whoever reads the file finds it whole, and of two
/// programs that start at once both use the one that came first. Returns what the file holds then.
fn make(folder: &Path, file: &Path) -> io::Result<String> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = folder.join(format!(".device-id-{:016x}", rand::random::<u64>()));
    let mut options = OpenOptions::new();
    let mut writer = options.write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = writeln!(writer, "{:032x}", rand::random::<u128>())
        .and_then(|()| writer.sync_all())
        .and_then(|()| fs::hard_link(&draft, file));
    fs::remove_file(&draft)?;
    match written {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::read_to_string(file),
    }
}

fn explain(file: &Path, error: &io::Error, advice: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error} ({advice})", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A folder of this test's own, removed with its contents.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            let name = format!("herenow-device-{:016x}", rand::random::<u64>());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_id_is_made_once_and_is_private() {
        let scratch = Scratch::new();
        let folder = scratch.0.join("a/b");
        let first = device_id_in(&folder).expect("the folder can be made");
        assert_eq!(first.as_str().len(), 32);
        assert_eq!(device_id_in(&folder).expect("the file is there"), first);
        let mode =
            fs::metadata(folder.join("device-id")).expect("the file is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(&folder).expect("the folder is there").count(),
            1,
            "no draft stays"
        );
    }

    #[test]
    fn programs_that_start_at_once_agree() {
        let scratch = Scratch::new();
        let folder = scratch.0.as_path();
        let ids: Vec<DeviceId> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..8).map(|_| scope.spawn(|| device_id_in(folder))).collect();
            let joined = started.into_iter().map(|thread| thread.join().expect("no panic"));
            joined.map(|id| id.expect("every program gets an id")).collect()
        });
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn a_file_with_something_else_is_reported_not_overwritten() {
        let scratch = Scratch::new();
        fs::create_dir_all(&scratch.0).expect("the folder can be made");
        let file = scratch.0.join("device-id");
        fs::write(&file, "not an id!\n").expect("the file can be written");
        let error = device_id_in(&scratch.0).expect_err("that is no id");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("device-id"), "{error}");
        assert_eq!(fs::read_to_string(file).expect("the file is there"), "not an id!\n");
    }

    #[test]
    fn the_state_folder_is_found_as_the_specification_says() {
        let path = |text: &str| Some(PathBuf::from(text));
        let found = |state, home| state_folder(state, home).ok();
        assert_eq!(found(path("/s"), path("/h")), path("/s/herenow"));
        assert_eq!(found(path("relative"), path("/h")), path("/h/.local/state/herenow"));
        assert_eq!(found(None, path("/h")), path("/h/.local/state/herenow"));
        assert_eq!(found(None, path("")), None);
    }
}
