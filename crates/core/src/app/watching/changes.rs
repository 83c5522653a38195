//! What has changed since it was last looked at.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::path::WatchedPath;
use crate::lifecycle::NodeId;

/// What is watched, and what is due, between the watcher's thread and the task that makes it anew.
pub(super) struct Changes {
    state: Mutex<State>,
    came: Notify,
}

struct State {
    watched: Vec<(WatchedPath, NodeId)>,
    due: Due,
}

/// Nodes to be made anew, and the declared paths that say so.
#[derive(Default)]
pub(super) struct Due {
    nodes: BTreeSet<NodeId>,
    paths: BTreeSet<PathBuf>,
}

impl Due {
    pub(super) fn into_parts(self) -> (Vec<NodeId>, BTreeSet<PathBuf>) {
        (self.nodes.into_iter().collect(), self.paths)
    }
}

impl Changes {
    pub(super) fn new(watched: Vec<(WatchedPath, NodeId)>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { watched, due: Due::default() }), came: Notify::new() })
    }

    /// Notes that something in a folder has changed.
    pub(super) fn note(&self, changed: &Path) {
        let State { watched, due } = &mut *self.state();
        let mut is_watched = false;
        for (path, node) in watched {
            if path.is_changed_by(changed) {
                due.nodes.insert(*node);
                due.paths.insert(path.as_declared().to_owned());
                is_watched = true;
            }
        }
        if is_watched {
            self.came.notify_one();
        }
    }

    /// Waits until something is due that was not waited for before.
    pub(super) async fn come(&self) {
        self.came.notified().await;
    }

    /// Takes what is due.
    pub(super) fn take(&self) -> Due {
        std::mem::take(&mut self.state().due)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
