//! Values that are made anew when files change.
//!
//! ```text
//! watcher's thread    a path has changed --> Changes: which nodes are due     (from before the start, so that nothing is missed)
//! task of the run     something is due --> nothing more for a moment --> all is up --> one reload --> a pause --> again
//! ```
//!
//! A file that is written in several steps, or a folder full of them, is one change. The task and the watcher's thread end with the run.

mod changes;
mod pace;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, absolute},
    sync::Arc,
};

use self::{
    changes::{Changes, Due},
    pace::Pace,
};
use super::{
    blueprint::Blueprint,
    driver::{Driver, Progress, wait::first_of},
    error::{AppError, AppFailure},
};
use crate::{
    Watcher,
    lifecycle::{FailureCause, NodeId},
};

/// What is watched for one run.
pub(crate) struct Watching {
    changes: Arc<Changes>,
    /// Watches until it is dropped.
    _watcher: Watcher,
}

impl Watching {
    /// Watches all that is declared, if something is.
    pub(crate) fn begin(blueprint: &Blueprint) -> Result<Option<Self>, AppError> {
        let mut nodes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (path, node) in &blueprint.watched {
            check(path).map_err(|refusal| refusal.of(blueprint, path, *node))?;
            nodes.entry(path.clone()).or_default().push(*node);
        }
        if nodes.is_empty() {
            return Ok(None);
        }
        let changes = Arc::new(Changes::new(nodes.clone()));
        let told = Arc::clone(&changes);
        let mut watcher = Watcher::new(move |path| told.note(path))?;
        for (path, nodes) in nodes {
            watcher.watch(&path).map_err(|error| Refusal::Watcher(error).of(blueprint, &path, nodes[0]))?;
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
        let mut pace = Pace::default();
        loop {
            self.changes.come().await;
            pace::until_quiet(&self.changes).await;
            let _ = driver.progress().wait_for(|progress| !matches!(progress, Progress::Starting)).await;
            let due = self.changes.take();
            reload(driver, &due).await;
            pace.rest(&self.changes, &due.paths).await;
        }
    }
}

/// Why a path cannot be watched.
enum Refusal {
    Missing,
    Unreachable(io::Error),
    Watcher(crate::Error),
}

fn check(path: &Path) -> Result<(), Refusal> {
    match absolute(path).and_then(fs::metadata) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Refusal::Missing),
        Err(error) => Err(Refusal::Unreachable(error)),
    }
}

impl Refusal {
    fn of(self, blueprint: &Blueprint, path: &Path, node: NodeId) -> AppError {
        let (label, source) = (blueprint.plan.label(node), blueprint.plan.source(node));
        let watches = format!("`{label}` ({source}) watches `{}`, which", path.display());
        match self {
            Self::Missing => {
                let here = std::env::current_dir().ok().filter(|_| path.is_relative());
                let place = here.map(|folder| format!(" from {}", folder.display())).unwrap_or_default();
                AppError::closed(format!("{watches} does not exist{place}; create it, or correct the path"))
            }
            Self::Unreachable(error) => {
                let message = format!("{watches} cannot be reached; let this process read it, or correct the path");
                AppError::one(AppFailure::new(message, FailureCause::Closed).caused_by(Some(Arc::new(error))))
            }
            Self::Watcher(error) => {
                let message = format!("{watches} cannot be watched");
                AppError::one(AppFailure::new(message, FailureCause::Closed).caused_by(Some(Arc::new(error))))
            }
        }
    }
}

/// Makes anew what is due. What fails is told, and the old values stay.
async fn reload(driver: &Arc<Driver>, Due { nodes, paths }: &Due) {
    if !driver.look(|state| state.run.is_ready()) {
        // It stops.
        return;
    }
    let nodes: Vec<_> = nodes.iter().copied().collect();
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
