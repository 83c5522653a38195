//! Starting and stopping: in order, undone exactly, and never without end.

#![cfg(feature = "app")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app_support;

use std::{
    convert::Infallible,
    future::pending,
    sync::{Arc, mpsc},
    time::Duration,
};

use app_support::{BoxError, Log, SECOND, broken, built, timed, until};
use hostloop::{
    App, Resource, Restart, Stop,
    app::{AppHandle, Hook, Lifecycle, Listening, resource},
};
use tokio::time::{sleep, timeout};

struct Database;
struct Cache(#[allow(dead_code, reason = "held")] Arc<Database>);
struct Links(#[allow(dead_code, reason = "held")] Arc<Cache>);

/// A database, a cache and links, each with a hook, and a worker and a listener on top, all of which note what they do.
fn service(log: &Log) -> hostloop::app::AppBuilder {
    let hook = |name: &'static str, start: &'static str, stop: &'static str| {
        let (started, stopped) = (log.clone(), log.clone());
        Hook::new(name).on_start(move || started.noting(start)).on_stop(move || stopped.noting(stop))
    };
    let (opened, closed, worked, listened) = (log.clone(), log.clone(), log.clone(), log.clone());
    App::builder()
        .resource(move || {
            opened.note("open database");
            let closed = closed.clone();
            async move { Ok::<_, Infallible>(Resource::new(Database, move |_| closed.noting("close database"))) }
        })
        .construct(Cache)
        .construct(Links)
        .invoke(|_: Arc<Links>| async {})
        .hook(hook("announce", "start announce", "stop announce"))
        .worker("sweeper", Restart::OnFailure, move |_: Arc<Links>, stop: Stop| {
            let log = worked.clone();
            async move {
                log.note("sweeper runs");
                stop.requested().await;
                log.note("sweeper ends");
            }
        })
        .listener("door", move |_: Arc<Links>| {
            let log = listened.clone();
            async move {
                log.note("open door");
                Ok::<_, Infallible>(Listening::new(move |_| log.noting("close door")))
            }
        })
}

#[tokio::test(start_paused = true)]
async fn what_starts_last_stops_first() {
    let log = Log::default();
    let running = built(service(&log)).start().await.unwrap();
    until(&running, AppHandle::is_ready).await;
    sleep(SECOND).await;
    assert_eq!(log.take(), ["open database", "start announce", "sweeper runs", "open door"]);
    running.stop().await.unwrap();
    assert!(!running.is_ready());
    assert_eq!(log.take(), ["close door", "sweeper ends", "stop announce", "close database"]);
    running.stop().await.unwrap();
    assert_eq!(log.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_application_can_be_run_again() {
    let log = Log::default();
    let app = built(service(&log));
    for _ in 0..2 {
        app.start().await.unwrap().stop().await.unwrap();
        assert_eq!(log.take().first().map(String::as_str), Some("open database"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_undoes_what_had_started_and_tells_both_errors() {
    let log = Log::default();
    let (started, stopped) = (log.clone(), log.clone());
    let builder = service(&log)
        .hook(
            Hook::new("fragile")
                .on_start(|_: Arc<Links>| async { Err(broken("no quota")) })
                .on_stop(|_: Arc<Links>| async { panic!("it has not started") }),
        )
        .hook(Hook::new("clumsy").on_start(move || started.noting("start clumsy")).on_stop(move || {
            stopped.note("stop clumsy");
            async { Err(broken("it sticks")) }
        }));
    let error = built(builder).start().await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the start of hook `fragile` (crates/core/tests/app_start_stop.rs:"), "{text}");
    assert!(text.contains(" failed: no quota\nthen the stop of hook `clumsy` ("), "{text}");
    assert!(text.ends_with(" failed: it sticks"), "{text}");
    let mut happened = log.take();
    happened[1..3].sort();
    assert_eq!(happened[..3], ["open database", "start announce", "start clumsy"]);
    happened[3..5].sort();
    assert_eq!(happened[3..], ["stop announce", "stop clumsy", "close database"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_takes_too_long_is_named_with_its_place_and_what_had_finished() {
    let app = built(
        App::builder()
            .construct(|| Database)
            .hook(Hook::new("quick").on_start(|| sleep(SECOND)))
            .hook(Hook::new("slow").on_start(|_: Arc<Database>| pending::<()>()).timeout(SECOND * 3)),
    );
    let (error, took) = timed(app.start()).await;
    let text = error.unwrap_err().to_string();
    assert!(text.starts_with("the start of hook `slow` (crates/core/tests/app_start_stop.rs:"), "{text}");
    assert!(text.ends_with(" did not end in 3.00 s; finished: quick 1.00 s"), "{text}");
    assert_eq!(took, 4.0);
}

#[tokio::test(start_paused = true)]
async fn everything_is_stopped_whatever_fails() {
    let log = Log::default();
    let (second, third) = (log.clone(), log.clone());
    let app = built(
        App::builder()
            .hook(Hook::new("hanging").on_stop(pending::<()>).timeout(SECOND))
            .hook(Hook::new("panicking").on_stop(|| async { panic!("out of ink") }))
            .resource(move || {
                let closed = second.clone();
                async move { Ok::<_, Infallible>(Resource::new(Database, move |_| closed.noting("close database"))) }
            })
            .resource(move |_: Arc<Database>| {
                let closed = third.clone();
                async move {
                    Ok::<_, Infallible>(Resource::new(First, move |_| {
                        closed.note("close first");
                        async { Err(broken("the disk is full")) }
                    }))
                }
            })
            .invoke(|_: Arc<First>| async {}),
    );
    let error = app.start().await.unwrap().stop().await.unwrap_err();
    let all: Vec<_> = error.failures().iter().map(ToString::to_string).collect();
    let has = |what: &str| all.iter().any(|failure| failure.contains(what));
    assert_eq!(all.len(), 3, "{error}");
    assert!(has("the stop of hook `hanging`") && has("did not end in 1.00 s"), "{error}");
    assert!(has("it panicked: out of ink") && has("the teardown of `First`") && has("the disk is full"), "{error}");
    assert_eq!(log.take(), ["close first", "close database"]);
}

struct First;

/// Blocks the thread until the test lets it go.
fn blocking() -> (mpsc::Sender<()>, impl Fn() -> std::future::Ready<()> + Send + Sync) {
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = std::sync::Mutex::new(blocked);
    (release, move || {
        let _ = blocked.lock().unwrap().recv();
        std::future::ready(())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_cannot_be_cancelled_is_left_behind_and_named() {
    let (release, block) = blocking();
    let app = built(
        App::builder()
            .hook(Hook::new("stubborn").on_stop(block).timeout(Duration::from_millis(20)))
            .options(|options| options.grace = Duration::from_millis(20)),
    );
    let error = app.start().await.unwrap().stop().await.unwrap_err().to_string();
    assert!(error.contains("the stop of hook `stubborn`") && error.ends_with(", and ignored its cancellation"), "{error}");
    drop(release);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_comes_too_late_is_taken_back_all_the_same() {
    let (release, block) = blocking();
    let (closed, is_closed) = tokio::sync::mpsc::unbounded_channel();
    let block = Arc::new(block);
    let late = move || {
        let (closed, block) = (closed.clone(), Arc::clone(&block));
        async move {
            block().await;
            Ok::<_, Infallible>(Resource::new(First, move |_| async move { closed.send(()) }))
        }
    };
    let app = built(
        App::builder()
            .add(resource(late).timeout(Duration::from_millis(20)))
            .invoke(|_: Arc<First>| async {})
            .options(|options| options.grace = Duration::from_millis(20)),
    );
    let error = app.start().await.unwrap_err().to_string();
    assert!(error.contains("ignored its cancellation"), "{error}");
    let mut is_closed = is_closed;
    assert!(is_closed.is_empty());
    release.send(()).unwrap();
    is_closed.recv().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_whole_stop_is_bounded_even_if_every_step_hangs() {
    let hang = |name: &str| Hook::new(name).on_stop(pending::<()>).timeout(SECOND * 60);
    let app = built(
        App::builder()
            .hook(hang("one"))
            .hook(hang("two"))
            .resource(|| async { Ok::<_, Infallible>(Resource::new(Database, |_| pending::<()>())) })
            .worker("deaf", Restart::OnFailure, |_: Arc<Database>| pending::<()>())
            .options(|options| options.stop_timeout = Some(SECOND * 10)),
    );
    let running = app.start().await.unwrap();
    let (error, took) = timed(running.stop()).await;
    assert!(error.is_err());
    assert!(took <= 11.0, "{took} s");
}

#[tokio::test(start_paused = true)]
async fn a_constructor_adds_hooks_that_start_and_stop_with_what_it_makes() {
    let log = Log::default();
    let kept = log.clone();
    let cache = move |lifecycle: Lifecycle| {
        let log = kept.clone();
        async move {
            let (warmed, cooled) = (log.clone(), log.clone());
            lifecycle.add(Hook::new("warm").on_start(move || warmed.noting("warm")).on_stop(move || cooled.noting("cool")))?;
            let refused = lifecycle.add(Hook::new("wrong").on_start(|_: Arc<Links>| async {})).unwrap_err().to_string();
            assert!(refused.contains("hook `wrong`") && refused.contains("takes parameters"), "{refused}");
            Ok::<_, BoxError>(Database)
        }
    };
    let running = built(App::builder().provide(cache).invoke(|_: Arc<Database>| async {})).start().await.unwrap();
    assert_eq!(log.take(), ["warm"]);
    running.stop().await.unwrap();
    assert_eq!(log.take(), ["cool"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_given_up_is_undone() {
    let log = Log::default();
    let app = built(service(&log).hook(Hook::new("slow").on_start(pending::<()>).timeout(SECOND * 60)));
    assert!(timeout(SECOND, app.start()).await.is_err());
    sleep(SECOND).await;
    assert_eq!(log.take(), ["open database", "start announce", "stop announce", "close database"]);
}

#[tokio::test(start_paused = true)]
async fn a_running_application_that_is_dropped_is_stopped() {
    let log = Log::default();
    let running = built(service(&log)).start().await.unwrap();
    log.take();
    drop(running);
    sleep(SECOND).await;
    assert_eq!(log.take(), ["close door", "sweeper ends", "stop announce", "close database"]);
}

#[tokio::test(start_paused = true)]
async fn any_part_can_stop_the_whole_with_an_exit_code() {
    let app = built(App::builder().worker("quitter", Restart::Never, |app: AppHandle| async move { app.request_stop(3) }));
    let error = app.run().await.unwrap_err();
    assert_eq!((error.exit_code(), error.failures().len()), (3, 0));
    assert_eq!(error.to_string(), "the application was stopped with exit code 3");
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_the_start_is_no_failure() {
    let log = Log::default();
    let builder = service(&log).hook(Hook::new("quits").on_start(|app: AppHandle| async move { app.request_stop(0) }));
    built(builder).run().await.unwrap();
    assert_eq!(log.take().last().map(String::as_str), Some("close database"));
}

#[tokio::test(start_paused = true)]
async fn a_value_may_be_consumed_by_its_teardown() {
    struct Connection(Log);
    impl Connection {
        async fn close(self) {
            self.0.note("consumed");
        }
    }
    struct Users(#[allow(dead_code, reason = "held")] Arc<Connection>);
    let log = Log::default();
    let opened = log.clone();
    let app = built(
        App::builder()
            .resource(move || {
                let connection = Connection(opened.clone());
                async { Ok::<_, Infallible>(Resource::owned(connection, Connection::close)) }
            })
            .construct(Users)
            .invoke(|_: Arc<Users>| async {}),
    );
    app.start().await.unwrap().stop().await.unwrap();
    assert_eq!(log.take(), ["consumed"]);

    let running = app.start().await.unwrap();
    let held = running.resolve::<Connection>().await.unwrap();
    let error = running.stop().await.unwrap_err().to_string();
    assert!(error.contains("`Connection` cannot be consumed: another holder has it still"), "{error}");
    drop(held);
}
