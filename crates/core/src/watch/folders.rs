//! The folders that the system watches, each under its real name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::way::Role;

/// Which folder of a name it is: its device and inode.
type Identity = (u64, u64);

/// Folders, without those in them: which of these count is known only to the ways that lead there.
pub(super) struct Folders {
    system: RecommendedWatcher,
    /// Which folder it was when it was taken up, or none if it is another now.
    watched: BTreeMap<PathBuf, Option<Identity>>,
    /// Those that could not be watched, of which that is known.
    refused: BTreeSet<PathBuf>,
}

/// What has become of a wish to watch folders.
#[derive(Default)]
pub(super) struct Outcome {
    /// Something is watched that was not: what has changed before that is not told.
    pub(super) is_new: bool,
    /// What cannot be watched, and could be before or was not asked for.
    pub(super) refused: Vec<(PathBuf, notify::Error)>,
}

impl Folders {
    pub(super) fn new(system: RecommendedWatcher) -> Self {
        Self { system, watched: BTreeMap::new(), refused: BTreeSet::new() }
    }

    /// Notes that a path is another than before: what was watched there, or in it, is watched no more.
    pub(super) fn lose(&mut self, path: &Path) {
        let places = self.watched.range_mut(path.to_owned()..).take_while(|(folder, _)| folder.starts_with(path));
        places.for_each(|(_, identity)| *identity = None);
    }

    /// Watches these folders and no others.
    pub(super) fn watch(&mut self, wanted: &BTreeMap<PathBuf, Role>) -> Outcome {
        let found: BTreeMap<_, _> =
            wanted.keys().filter_map(|folder| identity(folder).map(|identity| (folder.as_path(), identity))).collect();
        let mut left = Vec::new();
        self.watched.retain(|folder, identity| {
            let is_kept = identity.is_some() && found.get(folder.as_path()) == identity.as_ref();
            if !is_kept {
                left.push(folder.clone());
            }
            is_kept
        });
        let added: Vec<_> = found.into_iter().filter(|(folder, _)| !self.watched.contains_key(*folder)).collect();
        self.refused.retain(|folder| wanted.contains_key(folder));
        if left.is_empty() && added.is_empty() {
            return Outcome::default();
        }
        let mut outcome = Outcome::default();
        let mut system = self.system.paths_mut();
        // First: a folder that has another name now would be left together with the old name.
        for folder in left {
            // It may be gone.
            let _ = system.remove(&folder);
        }
        for (folder, identity) in added {
            match system.add(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.refused.remove(folder);
                    self.watched.insert(folder.to_owned(), Some(identity));
                    outcome.is_new = true;
                }
                Err(_) if !folder.is_dir() => outcome.is_new = true,
                Err(error) => {
                    if self.refused.insert(folder.to_owned()) {
                        outcome.refused.push((folder.to_owned(), error));
                    }
                }
            }
        }
        if let Err(error) = system.commit() {
            tracing::warn!(target: "hostloop::watch", %error, "files are watched no more");
        }
        outcome
    }
}

fn identity(folder: &Path) -> Option<Identity> {
    let found = fs::symlink_metadata(folder).ok().filter(fs::Metadata::is_dir)?;
    Some((found.dev(), found.ino()))
}
