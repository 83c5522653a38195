//! The watcher by itself: what it tells, and what it says in the log.

#![cfg(feature = "watch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "app_support/folder.rs"]
mod folder;
#[path = "app_support/told.rs"]
mod told;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{LazyLock, mpsc},
    time::Duration,
};

use folder::Folder;
use hostloop::{ErrorKind, Watcher};
use tokio::time::timeout;
use told::Told;

const AT_LAST: Duration = Duration::from_secs(20);

/// The watcher's thread tells the log of the process.
static TOLD: LazyLock<Told> = LazyLock::new(|| {
    let told = Told::default();
    tracing::subscriber::set_global_default(told.clone()).unwrap();
    told
});

/// A watcher, and the paths that it tells of.
struct Watched(Watcher, mpsc::Receiver<PathBuf>);

impl Watched {
    fn of(paths: &[&Path]) -> Self {
        let (sender, receiver) = mpsc::channel();
        let mut watcher = Watcher::new(move |path: &Path| drop(sender.send(path.to_owned()))).unwrap();
        paths.iter().for_each(|path| watcher.watch(path).unwrap());
        Self(watcher, receiver)
    }

    /// Waits until this path has changed, and returns which others have until then.
    fn until(&self, path: &Path) -> Vec<PathBuf> {
        let mut others = Vec::new();
        loop {
            match self.1.recv_timeout(AT_LAST) {
                Ok(changed) if changed == path => return others,
                Ok(other) => others.push(other),
                Err(_) => panic!("{path:?} never changes"),
            }
        }
    }
}

#[test]
fn paths_are_told_as_they_were_given() {
    let folder = Folder::new();
    let (file, other) = (folder.write("one/settings.toml", "0"), folder.write("two/other.toml", "0"));
    let way_round = folder.path("two/../one/./settings.toml");
    let watched = Watched::of(&[&way_round, &other]);
    fs::write(&file, "1").unwrap();
    assert!(watched.until(&way_round).is_empty());
    fs::write(&other, "1").unwrap();
    assert!(watched.until(&other).iter().all(|path| *path == way_round));
}

#[test]
fn what_is_beside_a_file_or_where_a_link_led_before_is_no_change() {
    let folder = Folder::new();
    let (before, after, marker) = (folder.write("before/file", "0"), folder.write("after/file", "0"), folder.write("marker", "0"));
    symlink("before", folder.path("current")).unwrap();
    let link = folder.path("current/file");
    let watched = Watched::of(&[&link, &marker]);
    symlink("after", folder.path("next")).unwrap();
    fs::rename(folder.path("next"), folder.path("current")).unwrap();
    watched.until(&link);
    fs::write(&marker, "1").unwrap();
    watched.until(&marker);
    fs::write(&before, "1").unwrap();
    folder.write("after/beside", "1");
    fs::write(&marker, "2").unwrap();
    assert!(watched.until(&marker).iter().all(|path| *path == marker));
    fs::write(&after, "1").unwrap();
    watched.until(&link);
}

/// One of two paths in a folder goes elsewhere; the other is still seen.
#[test]
fn a_folder_is_watched_as_long_as_one_path_needs_it() {
    let folder = Folder::new();
    let (file, elsewhere) = (folder.write("shared/file", "0"), folder.write("elsewhere/file", "0"));
    symlink("shared/file", folder.path("link")).unwrap();
    let (link, templates) = (folder.path("link"), folder.path("shared"));
    let watched = Watched::of(&[&link, &file, &templates]);
    symlink("elsewhere/file", folder.path("next")).unwrap();
    fs::rename(folder.path("next"), &link).unwrap();
    watched.until(&link);
    fs::write(&file, "1").unwrap();
    watched.until(&file);
    fs::write(&file, "2").unwrap();
    watched.until(&templates);
    fs::write(&elsewhere, "1").unwrap();
    watched.until(&link);
}

#[test]
fn links_that_lead_round_in_a_circle_are_followed_once() {
    let folder = Folder::new();
    folder.write("templates/pages/index.html", "0");
    symlink("..", folder.path("templates/pages/back")).unwrap();
    symlink("../..", folder.path("templates/pages/out")).unwrap();
    symlink("b", folder.path("templates/a")).unwrap();
    symlink("a", folder.path("templates/b")).unwrap();
    let (templates, marker) = (folder.path("templates"), folder.write("marker", "0"));
    let watched = Watched::of(&[&templates, &marker]);
    folder.write("templates/pages/index.html", "1");
    assert!(watched.until(&templates).is_empty());
    fs::write(&marker, "1").unwrap();
    watched.until(&marker);
}

#[tokio::test]
async fn the_log_tells_when_a_path_is_gone_and_when_it_is_back() {
    let told = LazyLock::force(&TOLD);
    let folder = Folder::new();
    let file = folder.write("outer/conf/settings.toml", "0");
    let conf = folder.path("outer/conf");
    let watched = Watched::of(&[&file, &conf]);
    fs::remove_dir_all(folder.path("outer")).unwrap();
    for path in [&file, &conf] {
        timeout(AT_LAST, told.until(&["WARN", &format!("{path:?}"), "the path is gone"])).await.unwrap();
    }
    folder.write("outer/conf/settings.toml", "1");
    for path in [&file, &conf] {
        timeout(AT_LAST, told.until(&["INFO", &format!("{path:?}"), "the path is back"])).await.unwrap();
    }
    fs::write(&file, "2").unwrap();
    watched.until(&file);
}

#[test]
fn what_is_not_there_cannot_be_watched_and_the_rest_can() {
    let folder = Folder::new();
    let (file, missing) = (folder.write("file", "0"), folder.path("missing"));
    let Watched(mut watcher, changes) = Watched::of(&[&file]);
    let error = watcher.watch(&missing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let told = error.to_string();
    assert!(told.contains(&format!("{missing:?} cannot be watched: No such file")), "{told}");
    fs::write(&file, "1").unwrap();
    assert_eq!(changes.recv_timeout(AT_LAST).unwrap(), file);
}
