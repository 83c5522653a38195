//! Values that are made anew when files change: real files, real time.

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
    convert::Infallible,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use app_support::built;
use axum::{Router, extract::State, routing::get};
use folder::Folder;
use hostloop::{
    App, Resource,
    app::{Lazy, Listening, Running, Scope, provide, resource, supply},
    lifecycle::Code,
};
use settings::{AT_LAST, Settings, reading, until_settings};
use tokio::{
    sync::{Notify, RwLock, watch},
    time::timeout,
};
use told::Told;

/// Held while an application watches, so that one test can count the threads that are left.
static WATCHING: RwLock<()> = RwLock::const_new(());

/// Waits until what has changed before would have been noticed: a change of this other file is.
async fn until_noticed(running: &Running, marker: &Path, made: &AtomicUsize) {
    let before = made.load(Ordering::Relaxed);
    fs::write(marker, "now").unwrap();
    let noticed = async {
        while made.load(Ordering::Relaxed) == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(AT_LAST, noticed).await.unwrap();
    running.resolve::<Marker>().await.unwrap();
}

struct Marker;

#[tokio::test]
async fn a_value_is_made_anew_when_its_file_is_written() {
    let _watching = WATCHING.read().await;
    let folder = Folder::new();
    let file = folder.write("settings.toml", "one");
    let (app, _) = reading(&file, &[&file]);
    let running = app.start().await.unwrap();
    assert_eq!(running.resolve::<Settings>().await.unwrap().0, "one");
    for text in ["two", "three"] {
        fs::write(&file, text).unwrap();
        until_settings(&running, text).await;
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn an_editor_that_replaces_the_file_is_noticed_every_time() {
    let _watching = WATCHING.read().await;
    let folder = Folder::new();
    let file = folder.write("settings.toml", "one");
    let running = reading(&file, &[&file]).0.start().await.unwrap();
    for text in ["two", "three", "four"] {
        fs::rename(folder.write(".settings.toml.swp", text), &file).unwrap();
        until_settings(&running, text).await;
    }
    fs::remove_file(&file).unwrap();
    fs::write(&file, "five").unwrap();
    until_settings(&running, "five").await;
}

#[tokio::test]
async fn a_link_is_followed_where_it_leads_and_when_it_is_turned() {
    let _watching = WATCHING.read().await;
    let (here, there) = (Folder::new(), Folder::new());
    let target = there.write("settings.toml", "one");
    let link = here.path("settings.toml");
    symlink(&target, &link).unwrap();
    let running = reading(&link, &[&link]).0.start().await.unwrap();
    fs::write(&target, "two").unwrap();
    until_settings(&running, "two").await;
    let other = there.write("other.toml", "three");
    symlink(&other, here.path("new")).unwrap();
    fs::rename(here.path("new"), &link).unwrap();
    until_settings(&running, "three").await;
}

/// As container platforms mount settings: `settings.toml` leads through `..data`, which is turned to another folder.
#[tokio::test]
async fn a_link_on_the_way_to_the_file_is_noticed() {
    let _watching = WATCHING.read().await;
    let folder = Folder::new();
    folder.write("..1/settings.toml", "one");
    folder.write("..2/settings.toml", "two, and longer");
    symlink("..1", folder.path("..data")).unwrap();
    symlink("..data/settings.toml", folder.path("settings.toml")).unwrap();
    let file = folder.path("settings.toml");
    let running = reading(&file, &[&file]).0.start().await.unwrap();
    symlink("..2", folder.path("..new")).unwrap();
    fs::rename(folder.path("..new"), folder.path("..data")).unwrap();
    until_settings(&running, "two, and longer").await;
}

#[tokio::test]
async fn a_folder_is_watched_with_all_that_is_in_it() {
    let _watching = WATCHING.read().await;
    let folder = Folder::new();
    let file = folder.write("templates/pages/index.html", "one");
    let (app, mut made) = reading(&file, &[&folder.path("templates")]);
    let running = app.start().await.unwrap();
    fs::write(&file, "two").unwrap();
    until_settings(&running, "two").await;
    let so_far = made.so_far();
    folder.write("templates/added.html", "added");
    made.times(so_far + 1).await;
}

#[tokio::test]
async fn a_burst_of_changes_is_one_reload() {
    let _watching = WATCHING.read().await;
    let folder = Folder::new();
    let (file, other) = (folder.write("settings.toml", "0"), folder.write("more.toml", "0"));
    let (app, mut made) = reading(&file, &[&file, &other]);
    let running = app.start().await.unwrap();
    for number in 1..=50 {
        fs::write(&file, number.to_string()).unwrap();
        fs::write(&other, number.to_string()).unwrap();
    }
    made.times(2).await;
    until_settings(&running, "50").await;
    assert_eq!(made.so_far(), 2);
}

#[tokio::test]
async fn what_changes_beside_a_file_is_no_change_and_reading_is_none_either() {
    let _watching = WATCHING.read().await;
    let folder = Folder::new();
    let (file, marker) = (folder.write("settings.toml", "one"), folder.write("marker", ""));
    let (load, mark) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (loaded, marked) = (Arc::clone(&load), Arc::clone(&mark));
    let settings = move || {
        loaded.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, Infallible>(Settings(String::new())) }
    };
    let marks = move || {
        marked.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, Infallible>(Marker) }
    };
    let app = App::builder()
        .add(provide(settings).watch(&file))
        .add(provide(marks).watch(&marker))
        .invoke(|_: Arc<Settings>, _: Arc<Marker>| async {});
    let running = built(app).start().await.unwrap();
    folder.write("settings.toml.bak", "beside");
    folder.write("settings", "beside");
    fs::read_to_string(&file).unwrap();
    until_noticed(&running, &marker, &mark).await;
    assert_eq!(load.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn several_values_that_change_together_are_swapped_together() {
    struct Certificate(Arc<AtomicUsize>);
    struct Pair(usize, usize);
    let _watching = WATCHING.read().await;
    let folder = Folder::new();
    let (file, other) = (folder.write("settings.toml", "one"), folder.write("certificate.pem", "one"));
    let (reads, pairs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (read, paired) = (Arc::clone(&reads), Arc::clone(&pairs));
    let certificate = move || {
        read.fetch_add(1, Ordering::Relaxed);
        let read = Arc::clone(&read);
        async move { Ok::<_, Infallible>(Certificate(read)) }
    };
    let path = file.clone();
    let settings = move || {
        let text = fs::read_to_string(&path);
        async move { text.map(Settings) }
    };
    let pair = move |settings: Arc<Settings>, certificate: Arc<Certificate>| {
        paired.fetch_add(1, Ordering::Relaxed);
        Pair(settings.0.len(), certificate.0.load(Ordering::Relaxed))
    };
    let app = App::builder()
        .add(provide(settings).watch(&file))
        .add(provide(certificate).watch(&other))
        .construct(pair)
        .invoke(|_: Arc<Pair>| async {});
    let running = built(app).start().await.unwrap();
    fs::write(&file, "seventeen").unwrap();
    fs::write(&other, "two").unwrap();
    until_settings(&running, "seventeen").await;
    let pair = running.resolve::<Pair>().await.unwrap();
    assert_eq!((pair.0, pair.1, pairs.load(Ordering::Relaxed)), (9, 2, 2));
}

#[tokio::test]
async fn a_reload_that_fails_is_told_and_the_old_value_stays() {
    let _watching = WATCHING.read().await;
    let folder = Folder::new();
    let file = folder.write("settings.toml", "one");
    let (app, _) = reading(&file, &[&file]);
    let told = Told::default();
    let _default = tracing::subscriber::set_default(told.clone());
    let running = app.start().await.unwrap();
    let before = running.resolve::<Settings>().await.unwrap();
    fs::write(&file, "broken").unwrap();
    let line = timeout(AT_LAST, told.until(&["ERROR", "the old values stay"])).await.unwrap();
    assert!(line.contains("the settings are broken") && line.contains(&file.display().to_string()), "{line}");
    assert!(Arc::ptr_eq(&before, &running.resolve::<Settings>().await.unwrap()));
    fs::write(&file, "mended").unwrap();
    until_settings(&running, "mended").await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn what_changes_while_a_value_is_made_for_the_first_time_is_not_missed() {
    let _watching = WATCHING.read().await;
    let folder = Folder::new();
    let file = folder.write("settings.toml", "one");
    let (read, may_go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (reading, going_on, path) = (Arc::clone(&read), Arc::clone(&may_go_on), file.clone());
    let load = move || {
        let (text, reading, going_on) = (fs::read_to_string(&path), Arc::clone(&reading), Arc::clone(&going_on));
        async move {
            reading.notify_one();
            going_on.notified().await;
            text.map(Settings)
        }
    };
    let app = built(App::builder().add(provide(load).watch(&file)).invoke(|_: Arc<Settings>| async {}));
    let starting = tokio::spawn(async move { app.start().await });
    read.notified().await;
    fs::write(&file, "two").unwrap();
    may_go_on.notify_one();
    let running = starting.await.unwrap().unwrap();
    assert_eq!(running.resolve::<Settings>().await.unwrap().0, "one");
    may_go_on.notify_one();
    until_settings(&running, "two").await;
}

#[tokio::test]
async fn requests_see_the_new_value_and_those_under_way_keep_the_old() {
    let _watching = WATCHING.read().await;
    let folder = Folder::new();
    let file = folder.write("banner.txt", "one");
    let path = file.clone();
    let (closed, is_closed) = watch::channel(false);
    let banner = move || {
        let (text, closed) = (fs::read_to_string(&path), closed.clone());
        let close = move |_: Arc<Settings>| async move {
            closed.send_replace(true);
        };
        async move { text.map(|text| Resource::new(Settings(text), close)) }
    };
    async fn show(State(banner): State<Lazy<Settings>>) -> String {
        banner.get().await.unwrap().0.clone()
    }
    let app = App::builder()
        .add(resource(banner).watch(&file))
        .http("127.0.0.1:8000", |banner: Lazy<Settings>| Router::new().route("/", get(show)).with_state(banner));
    let client = built(app).test().await.unwrap();
    assert_eq!(client.get("/").await.unwrap().text(), "one");
    let scope = client.scope(Scope::Request).await.unwrap();
    fs::write(&file, "two").unwrap();
    until_settings(&client, "two").await;
    assert_eq!(client.get("/").await.unwrap().text(), "two");
    assert!(!*is_closed.borrow(), "the scope was entered with the old value");
    scope.close().await.unwrap();
    timeout(AT_LAST, is_closed.clone().wait_for(|is_closed| *is_closed)).await.unwrap().unwrap();
    client.stop().await.unwrap();
}

#[tokio::test]
async fn a_path_that_does_not_exist_is_an_error_before_anything_is_made() {
    let folder = Folder::new();
    let file = folder.write("settings.toml", "one");
    let missing = folder.path("certificate.pem");
    let (app, made) = reading(&file, &[&file, &missing]);
    for error in [app.start().await.unwrap_err(), app.run().await.unwrap_err(), app.test().await.unwrap_err()] {
        let error = error.to_string();
        assert!(error.starts_with("`Settings` (") && error.contains(&missing.display().to_string()), "{error}");
        assert!(error.ends_with("which does not exist; create it, or correct the path"), "{error}");
    }
    assert_eq!(made.so_far(), 0);
}

#[tokio::test]
async fn a_path_that_cannot_be_reached_is_an_error_with_its_cause() {
    let folder = Folder::new();
    let inside = folder.write("settings.toml", "a file, and no folder").join("more.toml");
    let error = reading(&inside, &[&inside]).0.start().await.unwrap_err();
    let told = error.to_string();
    assert!(told.contains("cannot be reached; let this process read it, or correct the path: Not a directory"), "{told}");
    let cause = std::error::Error::source(&error.failures()[0]).unwrap().downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(cause.kind(), std::io::ErrorKind::NotADirectory);
}

#[tokio::test]
async fn what_a_test_has_put_in_another_place_needs_no_file() {
    let (app, made) = reading(Path::new("/nowhere/settings.toml"), &[Path::new("/nowhere/settings.toml")]);
    let tested = app.with_overrides(|with| with.add(supply(Settings("of the test".into())))).unwrap();
    let client = tested.test().await.unwrap();
    assert_eq!(client.resolve::<Settings>().await.unwrap().0, "of the test");
    assert_eq!(made.so_far(), 0);
}

#[test]
fn what_cannot_be_made_anew_is_a_mistake_of_the_wiring() {
    struct Links(#[allow(dead_code, reason = "held")] Arc<Settings>);
    struct Session;
    let door = |_: Arc<Links>| async { Ok::<_, Infallible>(Listening::new(|_| async {})) };
    let error = App::builder()
        .add(provide(|| async { Ok::<_, Infallible>(Settings(String::new())) }).watch("settings.toml").watch("more.toml"))
        .construct(Links)
        .listener("door", door)
        .add(provide(|| async { Ok::<_, Infallible>(Session) }).scope(Scope::Request).watch("session.toml"))
        .build()
        .unwrap_err();
    let codes: Vec<_> = error.mistakes.iter().map(|mistake| mistake.code).collect();
    assert_eq!(codes, [Code::Pinned, Code::Pinned], "{error}");
    let told = error.mistakes[0].to_string();
    let held = "pinned: `Settings` is watched and cannot be made anew: listener `door` holds it\n  path: door (";
    assert!(told.starts_with(held) && told.ends_with("\n  fix: have `Links` take Lazy<Settings>"), "{told}");
    let told = error.mistakes[1].to_string();
    assert!(told.starts_with("pinned: `Session` is watched and cannot be made anew: it does not live as long as"), "{told}");
}

#[test]
fn what_cannot_be_made_anew_is_told_with_every_other_mistake() {
    #[derive(Debug)]
    struct Missing;
    struct Left(#[allow(dead_code, reason = "held")] Arc<Right>);
    struct Right(#[allow(dead_code, reason = "held")] Arc<Left>, #[allow(dead_code, reason = "held")] Arc<Settings>);
    let door = |_: Arc<Settings>, _: Arc<Missing>| async { Ok::<_, Infallible>(Listening::new(|_| async {})) };
    let error = App::builder()
        .add(provide(|| async { Ok::<_, Infallible>(Settings(String::new())) }).watch("settings.toml"))
        .construct(Left)
        .construct(Right)
        .listener("door", door)
        .listener("other", |_: Arc<Left>| async { Ok::<_, Infallible>(Listening::new(|_| async {})) })
        .build()
        .unwrap_err();
    let codes: Vec<_> = error.mistakes.iter().map(|mistake| mistake.code).collect();
    assert_eq!(codes, [Code::Pinned, Code::Cycle, Code::Missing], "{error}");
}

/// How many threads watch files in this process.
#[cfg(target_os = "linux")]
fn watching_threads() -> usize {
    let names =
        fs::read_dir("/proc/self/task").unwrap().filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("notify-rs") || name.starts_with("hostloop-watch")).count()
}

#[cfg(target_os = "linux")]
async fn no_thread_is_left(end: &str) {
    let gone = async {
        while watching_threads() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(AT_LAST, gone).await.unwrap_or_else(|_| panic!("a thread is left though {end}"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_watching_ends_with_the_run() {
    let _alone = WATCHING.write().await;
    let folder = Folder::new();
    let file = folder.write("settings.toml", "one");
    let (app, made) = reading(&file, &[&file]);
    no_thread_is_left("another test has ended").await;
    for end in ["it was stopped", "it was dropped"] {
        let running = app.start().await.unwrap();
        assert_eq!(watching_threads(), 2, "the system's and the one that follows");
        if end == "it was stopped" {
            running.stop().await.unwrap();
        }
        drop(running);
        no_thread_is_left(end).await;
    }
    fs::write(&file, "two").unwrap();
    assert_eq!(made.so_far(), 2);
    let unwatched = built(App::builder().supply(Settings(String::new()))).start().await.unwrap();
    assert_eq!(watching_threads(), 0, "who watches nothing has no thread for it");
    unwatched.stop().await.unwrap();
}

/// A relative path is found from the folder that the process is in.
#[tokio::test]
async fn a_relative_path_is_found_from_the_current_folder() {
    let _watching = WATCHING.read().await;
    let (app, _) = reading(Path::new("Cargo.toml"), &[Path::new("Cargo.toml"), &PathBuf::from("src")]);
    app.start().await.unwrap().stop().await.unwrap();
    let error = reading(Path::new("Cargo.toml"), &[Path::new("nowhere.toml")]).0.start().await.unwrap_err().to_string();
    let here = std::env::current_dir().unwrap();
    assert!(error.ends_with(&format!("which does not exist from {}; create it, or correct the path", here.display())), "{error}");
}
