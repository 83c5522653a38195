//! Workers: run again after a failure, given up in the end, and stopped gently.

#![cfg(feature = "app")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app_support;

use std::{future::pending, time::Duration};

use app_support::{Log, SECOND, Unfinished, broken, built, timed, until};
use hostloop::{
    App, Restart, Stop,
    app::{AppHandle, Fatal, Supervisor, worker},
    lifecycle::{OnExhausted, Policy},
};
use tokio::time::sleep;

/// Without jitter, so that waits can be told to the millisecond.
fn steady() -> Policy {
    Policy { jitter: 0.0, ..Policy::default() }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_is_run_again_with_growing_waits() {
    let log = Log::default();
    let began = tokio::time::Instant::now();
    let noted = log.clone();
    let panicking = move |supervisor: Supervisor, stop: Stop| {
        noted.note(format!("{} at {} ms", supervisor.attempt(), began.elapsed().as_millis() / 10 * 10));
        async move {
            if supervisor.attempt() < 4 {
                panic!("out of paper");
            }
            stop.requested().await;
        }
    };
    let running = built(App::builder().worker("printer", steady(), panicking)).start().await.unwrap();
    sleep(SECOND * 10).await;
    assert_eq!(log.take(), ["1 at 0 ms", "2 at 200 ms", "3 at 600 ms", "4 at 1400 ms"]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_returns_has_done_its_work() {
    let log = Log::default();
    let noted = log.clone();
    let running = built(App::builder().worker("once", Restart::OnFailure, move || noted.noting("ran"))).start().await.unwrap();
    sleep(SECOND * 100).await;
    assert_eq!(log.take(), ["ran"]);
    assert!(!running.is_degraded());
    running.restart("once").unwrap();
    sleep(SECOND).await;
    assert_eq!(log.take(), ["ran"]);
    assert!(running.restart("twice").unwrap_err().to_string().contains("there is no worker `twice`"));
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_fails_too_often_stops_the_application() {
    let app = built(App::builder().worker("consumer", steady(), || async { Err(broken("no queue")) }));
    let error = app.start().await.unwrap().ended().await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("worker `consumer` (crates/core/tests/app_workers.rs:"), "{text}");
    assert!(text.ends_with(" failed, after 5 restarts in 60s: no queue"), "{text}");
    assert_eq!(error.exit_code(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_may_be_given_up_without_the_application() {
    let policy = Policy { on_exhausted: OnExhausted::Degrade, max_restarts: 1, ..steady() };
    let running = built(App::builder().worker("extra", policy, || async { Err(broken("no licence")) })).start().await.unwrap();
    until(&running, AppHandle::is_degraded).await;
    assert!(running.is_ready());
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_is_not_tried_again() {
    let log = Log::default();
    let noted = log.clone();
    let app = built(App::builder().worker("consumer", steady(), move || {
        noted.note("ran");
        async { Err(Fatal::new("the queue was deleted")) }
    }));
    let error = app.start().await.unwrap().ended().await.unwrap_err().to_string();
    assert!(error.ends_with(": the queue was deleted"), "{error}");
    assert_eq!(log.take(), ["ran"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_asked_to_end_before_it_is_dropped() {
    let log = Log::default();
    let (gentle, deaf) = (log.clone(), log.clone());
    let app = built(
        App::builder()
            .worker("gentle", Restart::OnFailure, move |stop: Stop| {
                let log = gentle.clone();
                async move {
                    while stop.sleep(SECOND * 60).await {}
                    log.note("gentle ends");
                }
            })
            .add(
                worker("deaf", Restart::OnFailure, move || {
                    let unfinished = Unfinished(deaf.clone(), "deaf");
                    async move {
                        pending::<()>().await;
                        drop(unfinished);
                    }
                })
                .stop_timeout(SECOND * 2),
            ),
    );
    let running = app.start().await.unwrap();
    sleep(SECOND).await;
    let (stopped, took) = timed(running.stop()).await;
    stopped.unwrap();
    assert_eq!((took, log.take()), (2.0, vec!["gentle ends".into(), "deaf dropped".into()]));
}

#[tokio::test(start_paused = true)]
async fn a_loop_without_an_end_can_be_a_worker() {
    let app = built(App::builder().worker("endless", Restart::Always, || async {
        loop {
            sleep(SECOND).await;
        }
    }));
    let running = app.start().await.unwrap();
    sleep(SECOND * 3).await;
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stopped_worker_is_not_run_again_by_a_wait_that_was_pending() {
    let log = Log::default();
    let noted = log.clone();
    let policy = Policy { backoff: SECOND * 5, ..steady() };
    let running = built(App::builder().worker("failing", policy, move || {
        noted.note("ran");
        async { Err(broken("at once")) }
    }))
    .start()
    .await
    .unwrap();
    sleep(SECOND).await;
    running.stop().await.unwrap();
    sleep(SECOND * 60).await;
    assert_eq!(log.take(), ["ran"]);
}

#[tokio::test(start_paused = true)]
async fn the_start_waits_until_a_worker_is_ready() {
    let consumer = |supervisor: Supervisor, stop: Stop| async move {
        sleep(SECOND * 2).await;
        supervisor.ready();
        stop.requested().await;
    };
    let app = built(App::builder().add(worker("consumer", Restart::OnFailure, consumer).ready_within(SECOND * 5)));
    let (running, took) = timed(app.start()).await;
    assert_eq!(took, 2.0);
    running.unwrap().stop().await.unwrap();

    let app = built(App::builder().add(worker("late", Restart::OnFailure, consumer).ready_within(SECOND)));
    let error = app.start().await.unwrap_err().to_string();
    assert!(error.starts_with("worker `late` (") && error.ends_with("was not ready after 1.00 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_falls_silent_is_run_again() {
    let log = Log::default();
    let noted = log.clone();
    let policy = Policy { watchdog: Some(SECOND), ..steady() };
    let running = built(App::builder().worker("beating", policy, move |supervisor: Supervisor| {
        noted.note(format!("run {}", supervisor.attempt()));
        async move {
            for _ in 0..5 {
                sleep(Duration::from_millis(800)).await;
                supervisor.tick();
            }
            pending::<()>().await;
        }
    }))
    .start()
    .await
    .unwrap();
    sleep(SECOND * 4).await;
    assert_eq!(log.take(), ["run 1"]);
    sleep(SECOND * 2).await;
    assert_eq!(log.take(), ["run 2"]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn workers_that_start_after_another_are_restarted_with_it() {
    let log = Log::default();
    let (fetched, parsed) = (log.clone(), log.clone());
    let policy = Policy { on_exhausted: OnExhausted::RestartDependents, restart: Restart::Never, ..steady() };
    let fetching = move |supervisor: Supervisor, stop: Stop| {
        fetched.note("fetcher runs");
        async move {
            if supervisor.attempt() == 1 {
                sleep(SECOND).await;
                return Err(broken("cut off"));
            }
            stop.requested().await;
            Ok(())
        }
    };
    let parsing = move |stop: Stop| {
        parsed.note("parser runs");
        async move { stop.requested().await }
    };
    let app =
        App::builder().worker("fetcher", policy, fetching).add(worker("parser", Restart::OnFailure, parsing).after("fetcher"));
    let running = built(app).start().await.unwrap();
    sleep(SECOND * 5).await;
    assert_eq!(log.take(), ["fetcher runs", "parser runs", "fetcher runs", "parser runs"]);
    running.stop().await.unwrap();
}
