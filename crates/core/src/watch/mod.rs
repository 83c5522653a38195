//! Watching files and folders, wherever links and replacements take them.

mod folders;
mod follower;
mod path;
mod way;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::mpsc::{Sender, channel},
    thread,
};

use notify::{Event, recommended_watcher};

use self::{
    folders::Folders,
    follower::{Change, Follower, Message},
};
use crate::error::{Error, Result};

/// Tells of each watched path that changes, from a thread of its own, until it is dropped.
///
/// - A file changes when it is written, or when another is there: one that was renamed to its name, or that a link on the way leads to now. A
///   folder changes with anything in it, what links in it lead to included.
/// - What is replaced is followed: a link that is turned, and a folder that goes and comes again. While a path is gone, the folder
///   that it was in is watched; once that is gone too, the one further out.
/// - A file that is written in several steps is told of several times. Reading is no change.
/// - A change is told when what is there then is watched: whoever reads it after the last that was told has read the newest.
///
/// What is not seen is that a folder further out is replaced by another of its name, unless it is a link: of a watched file, its folder and the
/// one around that are looked at; of a watched folder, the one around it.
///
/// ```
/// use std::{fs, path::Path, sync::mpsc};
/// use hostloop::Watcher;
///
/// # let folder = std::env::temp_dir().join(format!("hostloop-watcher-{}", std::process::id()));
/// # fs::create_dir_all(&folder)?;
/// let settings = folder.join("settings.toml");
/// fs::write(&settings, "port = 8000")?;
/// let (changed, changes) = mpsc::channel();
/// let mut watcher = Watcher::new(move |path: &Path| drop(changed.send(path.to_owned())))?;
/// watcher.watch(&settings)?;
/// fs::write(&settings, "port = 8080")?;
/// assert_eq!(changes.recv()?, settings);
/// # fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Watcher {
    messages: Sender<Message>,
    paths: Vec<PathBuf>,
}

impl Watcher {
    /// Makes a watcher that watches nothing yet, and its thread, on which `changed` is called with a path as it was given.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the system has no way to watch, or no more watchers.
    pub fn new(changed: impl Fn(&Path) + Send + 'static) -> Result<Self> {
        let (messages, received) = channel();
        let changes = messages.clone();
        let report = move |event: notify::Result<Event>| match event {
            Ok(event) if event.kind.is_access() => {}
            Ok(event) => {
                let change = if event.need_rescan() { Change::Much } else { Change::Of(event) };
                // After the end nobody listens.
                let _ = changes.send(Message::Changed(change));
            }
            Err(error) => tracing::warn!(target: "hostloop::watch", %error, "a change of a file may have been missed"),
        };
        let system =
            recommended_watcher(report).map_err(|error| Error::invalid("watch", format!("nothing can be watched: {error}")))?;
        let follower = Follower::new(Folders::new(system), changed);
        let thread = thread::Builder::new().name("hostloop-watch".into()).spawn(move || follower.run(&received));
        thread.map_err(|error| Error::io("watch", "there is no thread to watch on", error))?;
        Ok(Self { messages, paths: Vec::new() })
    }

    /// Watches a file or a folder too. A relative path is found from the folder that the process is in now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if it does not exist or cannot be reached;
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if a folder may not be read, or is one too many for the system.
    pub fn watch(&mut self, path: &Path) -> Result<()> {
        let (reply, watched) = channel();
        let is_sent = self.messages.send(Message::Watch(path.to_owned(), reply)).is_ok();
        let ended = || Error::invalid("watch", "nothing is watched any more: what was called with a change has panicked");
        watched.recv().ok().filter(|_| is_sent).ok_or_else(ended)??;
        self.paths.push(path.to_owned());
        Ok(())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The thread may be in the midst of telling something, and ends after that.
        let _ = self.messages.send(Message::End);
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("paths", &self.paths).finish_non_exhaustive()
    }
}
