//! What has changed since it was last looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::lifecycle::NodeId;

/// What is due, between the watcher's thread and the task that makes it anew.
pub(super) struct Changes {
    /// The nodes that are made anew when a path changes.
    nodes: BTreeMap<PathBuf, Vec<NodeId>>,
    due: Mutex<Due>,
    came: Notify,
}

/// Nodes to be made anew, and the paths that say so.
#[derive(Default)]
pub(super) struct Due {
    pub(super) nodes: BTreeSet<NodeId>,
    pub(super) paths: BTreeSet<PathBuf>,
}

impl Changes {
    pub(super) fn new(nodes: BTreeMap<PathBuf, Vec<NodeId>>) -> Self {
        Self { nodes, due: Mutex::default(), came: Notify::new() }
    }

    /// Notes that a path has changed.
    pub(super) fn note(&self, path: &Path) {
        let mut due = self.due();
        due.nodes.extend(self.nodes.get(path).into_iter().flatten());
        due.paths.insert(path.to_owned());
        self.came.notify_one();
    }

    /// Waits until something is due that was not waited for before.
    pub(super) async fn come(&self) {
        self.came.notified().await;
    }

    /// Takes what is due.
    pub(super) fn take(&self) -> Due {
        std::mem::take(&mut self.due())
    }

    /// Whether one of these paths has changed again.
    pub(super) fn is_due_again(&self, paths: &BTreeSet<PathBuf>) -> bool {
        self.due().paths.iter().any(|path| paths.contains(path))
    }

    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
