//! Values that are made anew when files change.
//!
//! ```text
//! watcher's thread    a path has changed --> Changes: which nodes are due     (from before the start, so that nothing is missed)
//! task of the run     something is due --> nothing more for a moment --> all is up --> one reload --> again
//! ```
//!
//! A file that is written in several steps, or a folder full of them, is one change. The task and the watcher's thread end with the run.

mod changes;
mod path;

use std::{
    path::{Path, absolute},
    sync::Arc,
    time::Duration,
};

use tokio::time::timeout;

use self::{
    changes::{Changes, Due},
    path::{WatchedPath, folders},
};
use super::{
    blueprint::Blueprint,
    driver::{Driver, Progress, wait::first_of},
    error::AppError,
};
use crate::{Watcher, lifecycle::NodeId};

/// How long nothing changes after a series of changes.
const QUIET: Duration = Duration::from_millis(100);

/// What is watched for one run.
pub(crate) struct Watching {
    changes: Arc<Changes>,
    /// Watches until it is dropped.
    _watcher: Watcher,
}

impl Watching {
    /// Watches all that is declared, if something is.
    pub(crate) fn begin(blueprint: &Blueprint) -> Result<Option<Self>, AppError> {
        let found = blueprint.watched.iter().map(|(path, node)| Ok((find(blueprint, path, *node)?, *node)));
        let found = found.collect::<Result<Vec<_>, AppError>>()?;
        if found.is_empty() {
            return Ok(None);
        }
        let folders = folders(found.iter().map(|(path, _)| path));
        let changes = Changes::new(found);
        let told = Arc::clone(&changes);
        let mut watcher = Watcher::new(move |path| told.note(path))?;
        for (folder, is_recursive) in folders {
            watcher.watch(&folder, is_recursive)?;
        }
        Ok(Some(Self { changes, _watcher: watcher }))
    }

    /// Makes anew what changes, until the application has ended.
    pub(crate) fn follow(self, driver: &Arc<Driver>) {
        let driver = Arc::clone(driver);
        driver.runtime.clone().spawn(async move {
            let _ = first_of(driver.ended(), self.reload_for_ever(&driver)).await;
        });
    }

    async fn reload_for_ever(&self, driver: &Arc<Driver>) {
        loop {
            self.changes.come().await;
            while timeout(QUIET, self.changes.come()).await.is_ok() {}
            let _ = driver.progress().wait_for(|progress| !matches!(progress, Progress::Starting)).await;
            reload(driver, self.changes.take()).await;
        }
    }
}

fn find(blueprint: &Blueprint, path: &Path, node: NodeId) -> Result<WatchedPath, AppError> {
    absolute(path).ok().as_deref().and_then(WatchedPath::find).ok_or_else(|| {
        let (label, source) = (blueprint.plan.label(node), blueprint.plan.source(node));
        let place = std::env::current_dir().map(|folder| format!(" from {}", folder.display())).unwrap_or_default();
        let path = path.display();
        AppError::closed(format!(
            "`{label}` ({source}) watches `{path}`, which does not exist{place}; create it, or correct the path"
        ))
    })
}

/// Makes anew what is due. What fails is told, and the old values stay.
async fn reload(driver: &Arc<Driver>, due: Due) {
    if !driver.look(|state| state.run.is_ready()) {
        // It stops.
        return;
    }
    let (nodes, paths) = due.into_parts();
    tracing::info!(target: "hostloop::lifecycle", ?paths, "files have changed: what is made of them is made anew");
    let error = match driver.reload(&nodes) {
        Ok(done) => match done.await {
            Ok(Some(failure)) => AppError::one(failure),
            Ok(None) | Err(_) => return,
        },
        Err(error) => error,
    };
    tracing::error!(target: "hostloop::lifecycle", ?paths, %error, "what the changed files belong to was not made anew: the old values stay");
}
