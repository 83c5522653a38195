//! Values that are made anew though what is watched is replaced: links that are turned, folders that go and come again.

#![cfg(all(feature = "app", feature = "watch"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app_support;
#[path = "app_support/folder.rs"]
mod folder;
#[path = "app_support/settings.rs"]
mod settings;
#[path = "app_support/told.rs"]
mod told;

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use app_support::{BoxError, built};
use folder::Folder;
use hostloop::{
    App,
    app::{Running, provide},
};
use settings::{AT_LAST, Settings, reading, until_settings};
use tokio::time::timeout;
use told::Told;

/// Starts an application whose settings are the text of a file, and that watches a path for them.
async fn following(file: &Path, watched: &Path) -> Running {
    let running = reading(file, &[watched]).0.start().await.unwrap();
    until_settings(&running, &fs::read_to_string(file).unwrap()).await;
    running
}

/// Turns a link in one step, as deployments do.
fn turn(folder: &Folder, link: &str, target: &str) {
    symlink(target, folder.path("turned")).unwrap();
    fs::rename(folder.path("turned"), folder.path(link)).unwrap();
}

async fn until_written(running: &Running, file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    until_settings(running, text).await;
}

#[tokio::test]
async fn a_link_is_followed_to_another_folder() {
    let folder = Folder::new();
    let (before, after) = (folder.write("before/settings.toml", "one"), folder.write("after/settings.toml", "three"));
    fs::create_dir(folder.path("here")).unwrap();
    symlink("../before/settings.toml", folder.path("here/settings.toml")).unwrap();
    let link = folder.path("here/settings.toml");
    let running = following(&link, &link).await;
    until_written(&running, &before, "two").await;
    turn(&folder, "here/settings.toml", "../after/settings.toml");
    until_settings(&running, "three").await;
    until_written(&running, &after, "four").await;
    turn(&folder, "here/settings.toml", "../before/settings.toml");
    until_settings(&running, "two").await;
    until_written(&running, &before, "five").await;
}

/// As releases are deployed: `current` leads to the folder of one.
#[tokio::test]
async fn a_link_on_the_way_may_be_turned_to_another_folder() {
    let folder = Folder::new();
    let (first, second) =
        (folder.write("releases/1/conf/settings.toml", "one"), folder.write("releases/2/conf/settings.toml", "two"));
    symlink("releases/1", folder.path("current")).unwrap();
    let file = folder.path("current/conf/settings.toml");
    let running = following(&file, &file).await;
    turn(&folder, "current", "releases/2");
    until_settings(&running, "two").await;
    until_written(&running, &second, "three").await;
    fs::remove_file(folder.path("current")).unwrap();
    symlink("releases/1", folder.path("current")).unwrap();
    until_settings(&running, "one").await;
    until_written(&running, &first, "four").await;
}

#[tokio::test]
async fn a_watched_folder_that_is_a_link_may_be_turned() {
    let folder = Folder::new();
    folder.write("releases/1/settings.toml", "one");
    let second = folder.write("releases/2/settings.toml", "two");
    symlink("releases/1", folder.path("current")).unwrap();
    let running = following(&folder.path("current/settings.toml"), &folder.path("current")).await;
    turn(&folder, "current", "releases/2");
    until_settings(&running, "two").await;
    until_written(&running, &second, "three").await;
}

#[tokio::test]
async fn a_watched_folder_may_be_replaced_by_another_of_its_name() {
    let folder = Folder::new();
    let file = folder.write("settings/settings.toml", "0");
    let running = following(&file, &folder.path("settings")).await;
    for number in 1..=3 {
        folder.write("next/settings.toml", &format!("{number}"));
        fs::rename(folder.path("settings"), folder.path(format!("old{number}"))).unwrap();
        fs::rename(folder.path("next"), folder.path("settings")).unwrap();
        until_settings(&running, &format!("{number}")).await;
        until_written(&running, &file, &format!("{number} and a half")).await;
    }
}

#[tokio::test]
async fn the_folder_of_a_file_may_be_removed_and_made_again() {
    let folder = Folder::new();
    let file = folder.write("conf/settings.toml", "0");
    let running = following(&file, &file).await;
    for number in 1..=3 {
        fs::remove_dir_all(folder.path("conf")).unwrap();
        folder.write("conf/settings.toml", &format!("{number}"));
        until_settings(&running, &format!("{number}")).await;
        until_written(&running, &file, &format!("{number} and a half")).await;
    }
}

#[tokio::test]
async fn the_folder_of_a_file_may_be_replaced_by_another_of_its_name() {
    let folder = Folder::new();
    let file = folder.write("app/conf/settings.toml", "one");
    let running = following(&file, &file).await;
    for (replaced, text) in [("app/conf", "two"), ("app", "three")] {
        folder.write("next/settings.toml", text);
        folder.write("next/conf/settings.toml", text);
        fs::rename(folder.path(replaced), folder.path("old")).unwrap();
        fs::rename(folder.path("next"), folder.path(replaced)).unwrap();
        until_settings(&running, text).await;
        until_written(&running, &file, &format!("{text} and a half")).await;
        fs::remove_dir_all(folder.path("old")).unwrap();
    }
}

#[tokio::test]
async fn what_is_gone_for_a_while_is_taken_up_again() {
    let folder = Folder::new();
    let file = folder.write("outer/inner/settings.toml", "one");
    for watched in [file.clone(), folder.path("outer/inner")] {
        let told = Told::default();
        let _default = tracing::subscriber::set_default(told.clone());
        folder.write("outer/inner/settings.toml", "one");
        let running = following(&file, &watched).await;
        fs::remove_dir_all(folder.path("outer")).unwrap();
        timeout(AT_LAST, told.until(&["ERROR", "the old values stay"])).await.unwrap();
        fs::create_dir(folder.path("outer")).unwrap();
        folder.write("outer/inner/settings.toml", "two");
        until_settings(&running, "two").await;
        until_written(&running, &file, "three").await;
        running.stop().await.unwrap();
    }
}

#[tokio::test]
async fn links_in_a_watched_folder_are_followed_too() {
    let folder = Folder::new();
    let (page, other, parts) = (
        folder.write("shared/page.html", "one"),
        folder.write("others/page.html", "three"),
        folder.write("parts/a/part.html", "five"),
    );
    fs::create_dir(folder.path("templates")).unwrap();
    symlink("../shared/page.html", folder.path("templates/page.html")).unwrap();
    let shown = folder.path("templates/page.html");
    let running = following(&shown, &folder.path("templates")).await;
    until_written(&running, &page, "two").await;
    turn(&folder, "templates/page.html", "../others/page.html");
    until_settings(&running, "three").await;
    until_written(&running, &other, "four").await;
    symlink("../parts", folder.path("templates/parts")).unwrap();
    turn(&folder, "templates/page.html", "parts/a/part.html");
    until_settings(&running, "five").await;
    until_written(&running, &parts, "six").await;
}

#[tokio::test]
async fn folders_that_are_made_in_a_watched_folder_are_watched_with_it() {
    let folder = Folder::new();
    let page = folder.write("templates/pages/page.html", "one");
    let running = following(&page, &folder.path("templates")).await;
    for (removed, text) in [("templates/pages", "two"), ("templates", "three")] {
        fs::remove_dir_all(folder.path(removed)).unwrap();
        folder.write("templates/pages/page.html", text);
        until_settings(&running, text).await;
        until_written(&running, &page, &format!("{text} and a half")).await;
    }
}

/// Writes a file again and again, from a thread, until it is dropped.
struct Noise(Arc<AtomicBool>, Option<thread::JoinHandle<()>>);

impl Noise {
    fn at(file: &Path) -> Self {
        let (is_over, file) = (Arc::new(AtomicBool::new(false)), file.to_owned());
        let over = Arc::clone(&is_over);
        let write = move || {
            while !over.load(Ordering::Relaxed) {
                fs::write(&file, "noise").unwrap();
                thread::sleep(Duration::from_millis(10));
            }
        };
        Self(is_over, Some(thread::spawn(write)))
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.take().unwrap().join().unwrap();
    }
}

#[tokio::test]
async fn changes_that_never_rest_do_not_keep_others_from_being_seen() {
    let folder = Folder::new();
    let file = folder.write("conf/settings.toml", "one");
    let running = following(&file, &folder.path("conf")).await;
    let _noise = Noise::at(&folder.path("conf/log"));
    until_written(&running, &file, "two").await;
}

#[tokio::test]
async fn who_writes_what_it_watches_is_warned_and_slowed_down() {
    let folder = Folder::new();
    let file = folder.write("settings.toml", "0");
    let told = Told::default();
    let _default = tracing::subscriber::set_default(told.clone());
    let (path, made) = (file.clone(), std::sync::atomic::AtomicUsize::new(0));
    let load = move || {
        let text = made.fetch_add(1, Ordering::Relaxed).to_string();
        let written = fs::write(&path, &text);
        async move { written.map(|()| Settings(text)).map_err(BoxError::from) }
    };
    let app = App::builder().add(provide(load).watch(&file)).invoke(|_: Arc<Settings>| async {});
    let running = built(app).start().await.unwrap();
    let line = timeout(AT_LAST, told.until(&["WARN", "settings.toml", "while what is made of them was made"])).await.unwrap();
    assert!(line.contains("write only what differs"), "{line}");
    let made = running.resolve::<Settings>().await.unwrap().0.parse::<u32>().unwrap();
    assert!(made < 20, "made {made} times before the warning");
}
