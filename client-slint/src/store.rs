//! Where the settings are kept: one file, replaced as a whole, and never lost.
//!
//! It is `$XDG_CONFIG_HOME/herenow/desktop.toml`, or `~/.config/herenow/desktop.toml`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const FILE: &str = "desktop.toml";

/// How many files that could not be read are kept beside the good one. Beyond them nothing is written any more, since
/// somebody has to look.
const ASIDE_MAX: u32 = 100;

/// Keeps the settings. The program has one that keeps them in a file, tests have one of their own.
pub trait Store {
    /// What was kept last; `None` if there is nothing.
    ///
    /// # Errors
    /// It is there and cannot be read.
    fn load(&self) -> io::Result<Option<Vec<u8>>>;

    /// Keeps this instead of what was kept before. Whoever reads it, whenever the computer stops, finds either as a whole.
    ///
    /// # Errors
    /// It cannot be written; what was kept before is kept still.
    fn save(&self, text: &str) -> io::Result<()>;

    /// Keeps a copy of what is kept now, where nothing replaces it, and says where.
    ///
    /// # Errors
    /// It cannot be copied.
    fn set_aside(&self) -> io::Result<String>;
}

/// The file of this account.
pub struct FileStore {
    /// `None` if the account has no place for it.
    folder: Option<PathBuf>,
}

impl FileStore {
    /// The file of the account that runs this program.
    #[must_use]
    pub fn of_account() -> Self {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        Self { folder: config_folder(path("XDG_CONFIG_HOME"), path("HOME")) }
    }

    /// The file in this folder, which is made when something is saved.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()) }
    }

    fn folder(&self) -> io::Result<&Path> {
        self.folder.as_deref().ok_or_else(|| {
            let message =
                "no place for settings: neither XDG_CONFIG_HOME nor HOME is an absolute path";
            io::Error::new(io::ErrorKind::NotFound, message)
        })
    }
}

impl Store for FileStore {
    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let file = folder.join(FILE);
        match fs::read(&file) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(explain(&file, &error)),
        }
    }

    fn save(&self, text: &str) -> io::Result<()> {
        let folder = self.folder()?;
        let file = folder.join(FILE);
        replace(folder, &file, text).map_err(|error| explain(&file, &error))
    }

    fn set_aside(&self) -> io::Result<String> {
        let file = self.folder()?.join(FILE);
        let aside = copy_aside(&file).map_err(|error| explain(&file, &error))?;
        Ok(aside.display().to_string())
    }
}

/// The XDG base directory specification ignores paths that are not absolute.
fn config_folder(config: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let config = config.filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute()).map(|home| home.join(".config"));
    config.or(home).map(|folder| folder.join("herenow"))
}

fn replace(folder: &Path, file: &Path, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // A link, such as to a folder that is copied to other computers, is kept, and its target replaced.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().unwrap_or(folder);
    // One program of an account writes at a time, so the name need not be random; a draft that a crash left is replaced.
    let draft = folder.join(format!(".{FILE}.new"));
    let written = write_through(&draft, text).and_then(|()| fs::rename(&draft, &file));
    if written.is_err() {
        // What could not be put in its place is of no use to anybody; the first error says why.
        let _ = fs::remove_file(&draft);
    }
    // The new name is on the disk only once its folder is.
    written.and_then(|()| File::open(folder)?.sync_all())
}

fn write_through(draft: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut writer = options.write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    writer.write_all(text.as_bytes())?;
    writer.sync_all()
}

/// Copies a file beside itself, unless such a copy is there already.
fn copy_aside(file: &Path) -> io::Result<PathBuf> {
    let bytes = fs::read(file)?;
    for number in 1..=ASIDE_MAX {
        let aside = file.with_extension(format!("unreadable-{number}.toml"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside) {
            Ok(mut writer) => {
                writer.write_all(&bytes)?;
                writer.sync_all()?;
                return Ok(aside);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::read(&aside).is_ok_and(|kept| kept == bytes) {
                    return Ok(aside);
                }
            }
            Err(error) => return Err(error),
        }
    }
    let message =
        format!("{ASIDE_MAX} unreadable copies stand beside it; look at them and remove them");
    Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
}

fn explain(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn store() -> (tempfile::TempDir, FileStore) {
        let folder = tempfile::tempdir().expect("a folder of its own");
        let store = FileStore::in_folder(folder.path().join("herenow"));
        (folder, store)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder is there");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<String> =
            entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_place_is_that_of_the_xdg_base_directories() {
        let folder =
            |config: &str, home: &str| config_folder(Some(config.into()), Some(home.into()));
        assert_eq!(folder("/c", "/h"), Some("/c/herenow".into()));
        assert_eq!(folder("relative", "/h"), Some("/h/.config/herenow".into()));
        assert_eq!(folder("", "relative"), None);
        assert_eq!(config_folder(None, None), None);
    }

    #[test]
    fn what_is_saved_is_loaded_and_private() {
        let (outer, store) = store();
        assert_eq!(store.load().expect("nothing is no error"), None);
        for text in ["one", "two"] {
            store.save(text).expect("it can be saved");
            assert_eq!(store.load().expect("it can be loaded"), Some(text.into()));
        }
        let folder = outer.path().join("herenow");
        assert_eq!(names(&folder), [FILE], "no draft stays");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode();
        assert_eq!((mode(&folder) & 0o777, mode(&folder.join(FILE)) & 0o777), (0o700, 0o600));
    }

    #[test]
    fn a_save_that_fails_keeps_what_was_there() {
        let (outer, store) = store();
        store.save("old").expect("it can be saved");
        // Where the draft would stand is a folder, which not even root can write to as a file.
        fs::create_dir(outer.path().join("herenow/.desktop.toml.new")).expect("a folder");
        let error = store.save("new").expect_err("it cannot be saved");
        assert!(error.to_string().contains("desktop.toml: "), "{error}");
        assert_eq!(store.load().expect("it can be loaded"), Some("old".into()));
    }

    #[test]
    fn a_linked_file_stays_a_link() {
        let (outer, store) = store();
        store.save("old").expect("it can be saved");
        let (file, target) = (outer.path().join("herenow").join(FILE), outer.path().join("mine"));
        fs::rename(&file, &target).expect("it can be moved");
        symlink(&target, &file).expect("it can be linked");
        store.save("new").expect("it can be saved");
        assert!(fs::symlink_metadata(&file).expect("it is there").is_symlink());
        assert_eq!(fs::read_to_string(&target).expect("it is there"), "new");
    }

    #[test]
    fn what_is_set_aside_is_kept_once_and_for_good() {
        let (outer, store) = store();
        let folder = outer.path().join("herenow");
        let mut places = Vec::new();
        for text in ["bad", "bad", "worse"] {
            store.save(text).expect("it can be saved");
            places.push(store.set_aside().expect("it can be copied"));
        }
        let kept = names(&folder);
        assert_eq!(
            kept,
            [FILE, "desktop.unreadable-1.toml", "desktop.unreadable-2.toml"],
            "the same is not kept twice"
        );
        assert_eq!(fs::read_to_string(&places[0]).expect("it is kept"), "bad");
        assert_eq!(places[0], places[1]);
        assert_eq!(fs::read_to_string(&places[2]).expect("it is kept"), "worse");
    }
}
