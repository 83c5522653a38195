//! One path that is watched, and whether it has changed.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf, absolute},
};

use super::way::{Role, Way};

/// A file or folder that was there when it was first looked at.
pub(super) struct WatchedPath {
    /// As it was given.
    path: PathBuf,
    absolute: PathBuf,
    is_folder: bool,
    way: Way,
    /// What was at its end when it was last looked at.
    seen: Option<Signature>,
    is_changed: bool,
    /// The log was told that it is gone.
    is_missed: bool,
}

/// What tells one state of a file from another: where it lies, when it was written, and how long it is. Of a folder, where it lies.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Signature {
    device: u64,
    inode: u64,
    written: Option<(i64, i64, u64)>,
}

impl WatchedPath {
    /// Finds a path, from the folder that the process is in now.
    pub(super) fn find(path: &Path) -> io::Result<Self> {
        let absolute = absolute(path)?;
        let found = Signature::of(&absolute)?;
        let (way, is_folder) = (Way::to(&absolute), found.written.is_none());
        Ok(Self { path: path.to_owned(), absolute, is_folder, way, seen: Some(found), is_changed: false, is_missed: false })
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = (&Path, Role)> {
        self.way.folders()
    }

    /// Notes a change of a path, and returns whether the way must be looked at again.
    #[must_use]
    pub(super) fn note(&mut self, changed: &Path) -> bool {
        self.is_changed |= self.way.ends_at(changed);
        self.way.is_turned_by(changed)
    }

    /// Notes that it may have changed in any way.
    pub(super) fn note_all(&mut self) {
        self.is_changed = true;
    }

    /// Looks at what is at the end of the way, and returns whether it is another: a link may have been turned of which nothing has told yet.
    pub(super) fn look(&mut self) -> bool {
        let before = std::mem::replace(&mut self.seen, Signature::of(&self.absolute).ok());
        self.is_changed |= self.seen != before;
        self.seen != before
    }

    /// Looks at the way again.
    pub(super) fn renew(&mut self) {
        let before = std::mem::replace(&mut self.way, Way::to(&self.absolute));
        self.is_changed |= !self.way.has_ends_of(&before);
    }

    /// Returns the path as it was given, if it has changed since it was last asked for.
    pub(super) fn take_changed(&mut self) -> Option<&Path> {
        std::mem::take(&mut self.is_changed).then_some(self.path.as_path())
    }

    /// Tells the log when there is nothing to be watched any more, and when there is again. A file may be missing between two steps of
    /// its writer's: its folder is what counts.
    pub(super) fn tell_if_missed(&mut self) {
        let is_missed = self.way.is_broken() || (self.is_folder && self.seen.is_none());
        let (was_missed, path) = (std::mem::replace(&mut self.is_missed, is_missed), &self.path);
        match (was_missed, is_missed) {
            (false, true) => {
                tracing::warn!(target: "hostloop::watch", ?path, "the path is gone: it is watched again when it is back")
            }
            (true, false) => tracing::info!(target: "hostloop::watch", ?path, "the path is back and watched again"),
            _ => {}
        }
    }
}

impl Signature {
    /// Looks through symbolic links.
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        let written = (!found.is_dir()).then(|| (found.mtime(), found.mtime_nsec(), found.len()));
        Ok(Self { device: found.dev(), inode: found.ino(), written })
    }
}
