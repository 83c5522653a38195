//! The way to a path: through which names and links it leads, where it ends, and which folders tell when that changes.
//!
//! ```text
//! /srv/current/conf     current -> releases/7
//!
//! names      /srv, /srv/current, /srv/releases, /srv/releases/7, /srv/releases/7/conf
//! ends       /srv/releases/7/conf                 a file, or a folder with all that is in it
//! folders    /srv                                 `current` lies in it, and may be turned
//!            /srv/releases/7                      `conf` lies in it, and may be replaced
//!            /srv/releases/7/conf, and those in it
//! ```
//!
//! All of these are named as the system names them, without links: so are the changes that it tells of, and no folder has two names.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    io::ErrorKind,
    path::{Component, Path, PathBuf},
};

/// As many links are followed on one way as Linux follows.
const MOST_LINKS: usize = 40;

/// The way to a path, as it was when it was looked at.
#[derive(Default)]
pub(super) struct Way {
    /// A change of one of these may turn the way.
    names: BTreeSet<PathBuf>,
    /// A change of one of these, or of what is in it, is a change of what is watched.
    ends: BTreeSet<PathBuf>,
    folders: BTreeMap<PathBuf, Role>,
    is_broken: bool,
}

/// Why a folder is watched. The last counts most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Something on the way lies in it, which may be replaced.
    Leads,
    /// What is watched lies in it.
    Holds,
}

/// Where a way ends.
enum End {
    /// At a file, or where one would be.
    File(PathBuf),
    Folder(PathBuf),
    /// In this folder, and something further on is missing.
    Broken(PathBuf),
}

impl Way {
    /// Looks at the way to an absolute path, and if that is a folder, at the ways of all links in it.
    pub(super) fn to(path: &Path) -> Self {
        let mut way = Self::default();
        let end = way.follow(path);
        way.is_broken = matches!(end, End::Broken(_));
        let mut links = way.settle(end);
        while let Some(link) = links.pop() {
            match way.follow(&link) {
                // It leads back to a folder that it lies in.
                End::Folder(folder) if link.starts_with(&folder) => {}
                end => links.extend(way.settle(end)),
            }
        }
        way
    }

    /// The folders that tell of changes.
    pub(super) fn folders(&self) -> impl Iterator<Item = (&Path, Role)> {
        self.folders.iter().map(|(folder, &role)| (folder.as_path(), role))
    }

    /// Whether the folder of what is watched is missing.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    pub(super) fn has_ends_of(&self, other: &Self) -> bool {
        self.ends == other.ends
    }

    /// Whether a change of this path is a change of what is watched.
    pub(super) fn ends_at(&self, changed: &Path) -> bool {
        self.ends.iter().any(|end| changed.starts_with(end))
    }

    /// Whether the way may be another after a change of this path.
    pub(super) fn is_turned_by(&self, changed: &Path) -> bool {
        let is_new_part = || fs::symlink_metadata(changed).is_ok_and(|found| found.is_dir() || found.is_symlink());
        self.names.contains(changed) || self.folders.contains_key(changed) || (self.ends_at(changed) && is_new_part())
    }

    fn follow(&mut self, path: &Path) -> End {
        let (mut real, mut rest, mut links) = (PathBuf::from("/"), Vec::new(), 0);
        push_names(&mut rest, path);
        while let Some(name) = rest.pop() {
            if name == ".." {
                real.pop();
                continue;
            }
            // The root, of a link's target, replaces what it is joined to.
            let next = real.join(&name);
            self.names.insert(next.clone());
            match fs::symlink_metadata(&next) {
                Ok(found) if found.is_symlink() => {
                    self.watch(&real, Role::Leads);
                    links += 1;
                    match fs::read_link(&next) {
                        Ok(target) if links <= MOST_LINKS => push_names(&mut rest, &target),
                        _ => return End::Broken(real),
                    }
                }
                Ok(found) if found.is_dir() => real = next,
                Ok(_) if rest.is_empty() => return End::File(next),
                Err(error) if rest.is_empty() && error.kind() == ErrorKind::NotFound => return End::File(next),
                _ => return End::Broken(real),
            }
        }
        End::Folder(real)
    }

    /// Notes what an end asks for, and returns the links that lead further.
    fn settle(&mut self, end: End) -> Vec<PathBuf> {
        match end {
            End::File(file) => {
                self.watch_parent(&file, Role::Holds);
                // The folder may itself be replaced, which is told by the one that it lies in.
                file.parent().into_iter().for_each(|folder| self.watch_parent(folder, Role::Leads));
                self.ends.insert(file);
                Vec::new()
            }
            End::Folder(folder) => {
                self.watch_parent(&folder, Role::Leads);
                self.look_into(folder)
            }
            End::Broken(folder) => {
                self.watch_parent(&folder, Role::Leads);
                self.watch(&folder, Role::Leads);
                Vec::new()
            }
        }
    }

    /// Watches a folder and those in it, and returns the links that are there.
    fn look_into(&mut self, folder: PathBuf) -> Vec<PathBuf> {
        let mut links = Vec::new();
        if self.ends_at(&folder) {
            return links;
        }
        self.ends.insert(folder.clone());
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            // One that may not be read cannot be watched either, and is told of then.
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    Ok(kind) if kind.is_symlink() => links.push(entry.path()),
                    _ => {}
                }
            }
            self.watch(&folder, Role::Holds);
        }
        links
    }

    fn watch_parent(&mut self, path: &Path, role: Role) {
        if let Some(folder) = path.parent() {
            self.watch(folder, role);
        }
    }

    fn watch(&mut self, folder: &Path, role: Role) {
        let known = self.folders.entry(folder.to_owned()).or_insert(role);
        *known = role.max(*known);
    }
}

/// Adds the names of a path, to be taken from the end.
fn push_names(names: &mut Vec<OsString>, path: &Path) {
    let is_step = |part: &Component<'_>| *part != Component::CurDir;
    names.extend(path.components().rev().filter(is_step).map(|part| part.as_os_str().to_owned()));
}
