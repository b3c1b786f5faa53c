//! Whether a file is still the one that was read.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What tells that a file is another one: device, inode, length, time of change in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64, u64, u64, i128);

/// The stamp of a file, through links; `None` if it cannot be looked at: it has changed if it had one before.
pub(crate) fn stamp(file: &Path) -> Option<Stamp> {
    let meta = fs::metadata(file).ok()?;
    let changed = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    Some(Stamp(meta.dev(), meta.ino(), meta.len(), changed))
}

/// Whether others than the owner may read a file.
pub(crate) fn is_readable_by_others(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.mode() & 0o044 != 0)
}
