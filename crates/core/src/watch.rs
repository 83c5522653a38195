//! Watching folders: something in them has changed.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _, recommended_watcher};

use crate::error::{Error, Result};

/// Tells of each path that changes in a folder, from a thread of its own, until it is dropped.
///
/// A file that is written in several steps is told of several times, and one that is replaced by another of its name under both names.
/// Watch a file's folder and not the file: an editor that writes a new file and renames it leaves the old one to be watched by nobody.
/// Reading a file is no change.
///
/// ```
/// use std::{fs, path::Path, sync::mpsc};
/// use hostloop::Watcher;
///
/// # let folder = std::env::temp_dir().join(format!("hostloop-watcher-{}", std::process::id()));
/// # fs::create_dir_all(&folder)?;
/// let (changed, changes) = mpsc::channel();
/// let mut watcher = Watcher::new(move |path: &Path| drop(changed.send(path.to_owned())))?;
/// watcher.watch(&folder, false)?;
/// fs::write(folder.join("settings.toml"), "port = 8000")?;
/// assert!(changes.recv()?.ends_with("settings.toml"));
/// # fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Watcher {
    inner: RecommendedWatcher,
    folders: Folders,
}

type Folders = Arc<Mutex<Vec<PathBuf>>>;

impl Watcher {
    /// Makes a watcher that watches nothing yet, and its thread, on which `changed` is called.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the system has no way to watch, or no more watchers.
    pub fn new(changed: impl Fn(&Path) + Send + 'static) -> Result<Self> {
        let folders = Folders::default();
        let all = Arc::clone(&folders);
        let report = move |event: notify::Result<Event>| match event {
            Ok(event) if event.kind.is_access() => {}
            // Too much has changed to be told one by one.
            Ok(event) if event.need_rescan() => watched(&all).iter().for_each(|folder| changed(folder)),
            Ok(event) => event.paths.iter().for_each(|path| changed(path)),
            Err(error) => tracing::warn!(target: "hostloop::watch", %error, "a change of a file may have been missed"),
        };
        match recommended_watcher(report) {
            Ok(inner) => Ok(Self { inner, folders }),
            Err(error) => Err(Error::invalid("watch", format!("nothing can be watched: {error}"))),
        }
    }

    /// Watches a folder too, and with `is_recursive` the folders in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if it does not exist, may not be read, or is one too many for the system.
    pub fn watch(&mut self, folder: &Path, is_recursive: bool) -> Result<()> {
        let mode = if is_recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        self.inner
            .watch(folder, mode)
            .map_err(|error| Error::invalid("watch", format!("folder {folder:?} cannot be watched: {error}")))?;
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).push(folder.to_owned());
        Ok(())
    }
}

fn watched(folders: &Folders) -> Vec<PathBuf> {
    folders.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("folders", &watched(&self.folders)).finish_non_exhaustive()
    }
}
