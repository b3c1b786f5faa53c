//! A small disk that a test may fill.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::folder::Folder;

/// A file system in memory, which only the thread that mounted it sees, and what that one starts: it is gone with
/// them, however they end.
#[derive(Debug)]
pub(crate) struct Disk(Folder);

/// Runs a test on a thread of its own with a disk of this size.
///
/// # Panics
/// If the test does, and without the right to mount.
pub(crate) fn with_disk(bytes: usize, test: impl FnOnce(&Disk) + Send) {
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| test(&Disk::mount(bytes))).join();
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

impl Disk {
    fn mount(bytes: usize) -> Self {
        unshare(CloneFlags::CLONE_NEWNS)
            .expect("a disk to fill must be mounted: run this test as root, or with `unshare -r`");
        let (none, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
        mount(none, "/", none, private, none).expect("a new mount namespace can be made private");
        let folder = Folder::new();
        let size = format!("size={bytes}");
        mount(Some("tmpfs"), folder.path(), Some("tmpfs"), MsFlags::empty(), Some(&*size))
            .expect("whoever may have a mount namespace may mount in it");
        Self(folder)
    }

    /// What has this name on it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Nobody writes on it from now on.
    pub(crate) fn make_read_only(&self) {
        let (none, flags) = (None::<&str>, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY);
        mount(none, self.0.path(), none, flags, none).expect("nobody writes on it now");
    }

    /// Takes all the room that is left. It is there again when what is returned is dropped.
    pub(crate) fn fill(&self) -> Filling {
        let filling = Filling(self.join("filling"));
        let mut file = File::create(&filling.0).expect("the disk has a place for one more file");
        // To the last byte: what is written elsewhere fails from here on.
        while file.write_all(&[0; 512]).is_ok() {}
        filling
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // At the latest it goes with the namespace.
        let _ = umount2(self.0.path(), MntFlags::MNT_DETACH);
    }
}

/// What fills a disk. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Filling(PathBuf);

impl Filling {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).expect("it is there and ours");
    }
}
