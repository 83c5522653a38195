//! The watcher's thread: it takes up what is to be watched, follows it wherever it goes, and tells what has changed.
//!
//! ```text
//! the system's thread    a path has changed  --\
//! Watcher::watch         a path more  ----------> thread: which paths it concerns --> look at their ways again --> changed(path)
//! Watcher::drop          the end  -------------/
//! ```
//!
//! The ways are looked at again, and new folders watched, before a change is told: who reads a file then sees all that is not told later.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender},
};

use notify::Event;

use super::{
    folders::{Folders, Outcome},
    path::WatchedPath,
    way::Role,
};
use crate::error::{Error, Result};

/// Changes that are looked at together.
const LONGEST_SERIES: usize = 1024;

/// How often ways are looked at again that change all the time. What changes after that is told.
const MOST_LOOKS: usize = 8;

pub(super) enum Message {
    Changed(Change),
    Watch(PathBuf, Sender<Result<()>>),
    End,
}

/// What the system tells.
pub(super) enum Change {
    /// These have changed, and if names have, other files may have them.
    Of(Event),
    /// Too much has changed to be told one by one.
    Much,
}

pub(super) struct Follower<F> {
    folders: Folders,
    paths: Vec<WatchedPath>,
    changed: F,
}

impl<F: Fn(&Path)> Follower<F> {
    pub(super) fn new(folders: Folders, changed: F) -> Self {
        Self { folders, paths: Vec::new(), changed }
    }

    /// Runs until it is told to end.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        let mut next = messages.recv().ok();
        while let Some(message) = next.take() {
            match message {
                Message::End => return,
                Message::Watch(path, reply) => drop(reply.send(self.watch(&path))),
                Message::Changed(change) => {
                    let mut series = vec![change];
                    while next.is_none() && series.len() < LONGEST_SERIES {
                        match messages.try_recv() {
                            Ok(Message::Changed(change)) => series.push(change),
                            Ok(other) => next = Some(other),
                            Err(_) => break,
                        }
                    }
                    self.note(&series);
                }
            }
            next = next.or_else(|| messages.recv().ok());
        }
    }

    fn watch(&mut self, path: &Path) -> Result<()> {
        let watched = WatchedPath::find(path).map_err(|error| Error::io("watch", format!("{path:?} cannot be watched"), error))?;
        self.paths.push(watched);
        let refused = self.settle();
        let holders = self.paths.last().into_iter().flat_map(WatchedPath::folders).filter(|(_, role)| *role == Role::Holds);
        let holders: Vec<_> = holders.map(|(folder, _)| folder.to_owned()).collect();
        let (own, others): (Vec<_>, Vec<_>) = refused.into_iter().partition(|(folder, _)| holders.contains(folder));
        warn(&others);
        match own.into_iter().next() {
            None => Ok(()),
            Some((folder, error)) => {
                self.paths.pop();
                self.settle();
                Err(Error::invalid("watch", format!("folder {folder:?} cannot be watched: {error}")))
            }
        }
    }

    fn note(&mut self, series: &[Change]) {
        let mut is_turned = vec![false; self.paths.len()];
        for change in series {
            match change {
                Change::Of(event) => {
                    for changed in &event.paths {
                        if has_another_name(event) {
                            self.folders.lose(changed);
                        }
                        for (path, is_turned) in self.paths.iter_mut().zip(&mut is_turned) {
                            *is_turned |= path.note(changed);
                        }
                    }
                }
                Change::Much => {
                    self.folders.lose(Path::new("/"));
                    self.paths.iter_mut().for_each(WatchedPath::note_all);
                    is_turned.fill(true);
                }
            }
        }
        for (path, is_turned) in self.paths.iter_mut().zip(&mut is_turned) {
            *is_turned |= path.look();
        }
        if is_turned.contains(&true) {
            let turned = self.paths.iter_mut().zip(is_turned).filter(|(_, is_turned)| *is_turned);
            turned.for_each(|(path, _)| path.renew());
            warn(&self.settle());
        }
        for path in &mut self.paths {
            path.look();
            path.tell_if_missed();
            if let Some(path) = path.take_changed() {
                (self.changed)(path);
            }
        }
    }

    /// Watches the folders of all ways, and returns those that cannot be.
    fn settle(&mut self) -> Vec<(PathBuf, notify::Error)> {
        let mut all = Vec::new();
        for _ in 0..MOST_LOOKS {
            let mut wanted = BTreeMap::new();
            for (folder, role) in self.paths.iter().flat_map(WatchedPath::folders) {
                let known = wanted.entry(folder.to_owned()).or_insert(role);
                *known = role.max(*known);
            }
            let Outcome { is_new, refused } = self.folders.watch(&wanted);
            all.extend(refused);
            if !is_new {
                break;
            }
            // What has changed before a folder was watched has not been told.
            self.paths.iter_mut().for_each(WatchedPath::renew);
        }
        all
    }
}

fn has_another_name(event: &Event) -> bool {
    use notify::{EventKind, event::ModifyKind};
    matches!(event.kind, EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) | EventKind::Any)
}

fn warn(refused: &[(PathBuf, notify::Error)]) {
    for (folder, error) in refused {
        tracing::warn!(target: "hostloop::watch", ?folder, %error, "a folder cannot be watched: changes in it are not seen");
    }
}
