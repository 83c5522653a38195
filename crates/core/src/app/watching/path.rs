//! One path that is watched: which folders tell of it, and which changes in them are its own.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// A file or folder that is there.
pub(super) struct WatchedPath {
    path: PathBuf,
    /// Where the path leads through symbolic links.
    real: PathBuf,
    is_folder: bool,
    /// What the file was when it was last looked at. A folder is not looked at.
    seen: Option<Signature>,
}

/// What tells one state of a file from another, through symbolic links too: where it lies, when it was written, and how long it is.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Signature {
    device: u64,
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
    length: u64,
}

impl WatchedPath {
    /// Finds an absolute path, if there is something.
    pub(super) fn find(path: &Path) -> Option<Self> {
        let real = path.canonicalize().ok()?;
        let is_folder = real.is_dir();
        let seen = if is_folder { None } else { Signature::of(path) };
        Some(Self { path: path.to_owned(), real, is_folder, seen })
    }

    pub(super) fn as_declared(&self) -> &Path {
        &self.path
    }

    /// Returns whether a change of this path is a change of what is watched.
    pub(super) fn is_changed_by(&mut self, changed: &Path) -> bool {
        // Both are asked: the second notes what is seen.
        let is_another = self.is_another();
        is_another || changed.starts_with(&self.path) || changed.starts_with(&self.real)
    }

    /// Whether a file is another than before, though what has changed is called otherwise: a link on the way to it.
    fn is_another(&mut self) -> bool {
        if self.is_folder {
            return false;
        }
        let before = std::mem::replace(&mut self.seen, Signature::of(&self.path));
        self.seen != before
    }
}

impl Signature {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            seconds: found.mtime(),
            nanoseconds: found.mtime_nsec(),
            length: found.len(),
        })
    }
}

/// The folders to be watched for all of them, and whether the folders in each count.
///
/// A file is often replaced by another of its name, and one that is a link is written where it lies: the folders of both tell.
pub(super) fn folders<'p>(paths: impl Iterator<Item = &'p WatchedPath>) -> BTreeMap<PathBuf, bool> {
    let mut folders = BTreeMap::new();
    for path in paths {
        for place in [&path.path, &path.real] {
            let folder = if path.is_folder { Some(place.as_path()) } else { place.parent() };
            if let Some(folder) = folder {
                *folders.entry(folder.to_owned()).or_default() |= path.is_folder;
            }
        }
    }
    folders
}
